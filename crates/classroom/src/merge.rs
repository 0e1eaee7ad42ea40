//! `cargo xtask merge`: puts the results of a plan's shards together, and says what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use crate::assignment::Assignment;
use crate::output;
use crate::results::{
    self, ASSIGNMENT_FILE, BatchFile, Key, Outcome, Shard, SubmissionResult, printable, some_of,
};

/// Put the results of shards together in one folder, and say what is missing.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folders that the shards wrote to; one, if they shared it.
    #[arg(value_name = "RESULTS", required = true)]
    results: Vec<PathBuf>,
    /// The folder for the whole; it may be one of the others. Merged once more, it takes what has
    /// come since.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command. The status is 0 if there is a verdict on the whole class, 1 if not.
///
/// # Errors
///
/// There is no shard, or the results are of runs that do not belong together.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runs = runs(&arguments.results)?;
    let whole = agree(&runs)?;
    let mut folders = arguments.results.clone();
    if arguments.out.is_dir() && !folders.iter().any(|folder| is_same(folder, &arguments.out)) {
        // What an earlier merge has put there counts.
        folders.push(arguments.out.clone());
    }
    let merged = collect(&folders, &whole)?;
    for stray in &merged.strays {
        say(&format!("note: left out, since it is not of this class: {stray}\n"))?;
    }
    fs_err::create_dir_all(&arguments.out)?;
    for (path, _) in merged.found.values() {
        let is_there = path.parent().is_some_and(|folder| is_same(folder, &arguments.out));
        if !is_there {
            SubmissionResult::load(path)?.save(&arguments.out)?;
        }
    }
    if !keep_assignment(&folders, &whole, &arguments.out)? {
        say(
            "note: none of the folders has the assignment.toml that the shards were graded with; \
             give it to `export` and `report` with --assignment\n",
        )?;
    }
    whole.save(&arguments.out)?;
    let is_whole = tell(&runs, &whole, &merged, &arguments.out)?;
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the shards tell of themselves, each with the file that it stands in.
type Runs = Vec<(PathBuf, BatchFile)>;

fn runs(folders: &[PathBuf]) -> anyhow::Result<Runs> {
    let mut runs = Runs::new();
    for folder in folders {
        if !folder.is_dir() {
            bail!(
                "there is no folder {}; give the folder that the shards' `batch --out` names",
                folder.display()
            );
        }
        let before = runs.len();
        for path in results::batch_paths(folder)? {
            let run = BatchFile::load(&path)?;
            // One without a shard is of an earlier merge.
            if run.shard.is_some() {
                runs.push((path, run));
            }
        }
        if runs.len() == before {
            bail!(
                "{} holds no results of a shard; `cargo xtask batch --shard I/N` writes them",
                folder.display()
            );
        }
    }
    Ok(runs)
}

/// The run of which these are shards.
fn agree(runs: &[(PathBuf, BatchFile)]) -> anyhow::Result<BatchFile> {
    let mut all = runs.iter();
    let Some((first_path, first)) = all.next() else { bail!("there are no shards") };
    if first.class.is_empty() {
        bail!(
            "{} does not name the whole class, as an earlier version wrote it; run the shards \
             again",
            first_path.display()
        );
    }
    if let Some(name) = first.class.iter().find(|name| !is_plain(name)) {
        bail!("{} names {name:?}, which is no submission's name", first_path.display());
    }
    let mut whole = BatchFile { shard: None, submissions: first.class.clone(), ..first.clone() };
    for (path, run) in all {
        if let Some(difference) = difference(first, run) {
            bail!(
                "{} and {} are shards of different runs: {difference}; run all shards of one \
                 plan, and merge these",
                first_path.display(),
                path.display()
            );
        }
        whole.notes.extend(run.notes.iter().cloned());
    }
    let mut told = BTreeSet::new();
    whole.notes.retain(|note| told.insert(note.clone()));
    Ok(whole)
}

/// In what two shards differ that shards of one run have in common.
fn difference(left: &BatchFile, right: &BatchFile) -> Option<String> {
    let texts = |run: &BatchFile| {
        [
            ("number of shards", run.shard.map_or(1, |shard| shard.count).to_string()),
            ("seed", run.seed.to_string()),
            ("deadline in milliseconds", run.deadline_ms.to_string()),
            ("modules", run.modules.join(", ")),
            ("grader", run.grader_hash.chars().take(12).collect()),
            ("compiler", run.toolchain.clone()),
            ("layer of the sandbox", run.layer.clone()),
            ("assignment", run.assignment_hash.chars().take(12).collect()),
        ]
    };
    let pairs = texts(left).into_iter().zip(texts(right));
    for ((what, one), (_, other)) in pairs {
        if one != other {
            return Some(format!("{what} {one} and {other}"));
        }
    }
    let [one, other] = [left, right].map(|run| run.class.iter().collect::<BTreeSet<_>>());
    let apart: Vec<String> = one.symmetric_difference(&other).map(|name| (*name).clone()).collect();
    // The same names in another order would be dealt out otherwise.
    (left.class != right.class)
        .then(|| format!("the class has changed in between ({})", some_of(&apart)))
}

/// What the folders hold.
struct Merged {
    /// By submission: the file that counts, and what stands in it.
    found: BTreeMap<String, (PathBuf, Told)>,
    /// Results of nobody in the class.
    strays: Vec<String>,
}

/// What has to be known of a result, without the result.
struct Told {
    status: Outcome,
    error: String,
    key: Key,
    layer: String,
    /// Every check and what came of it.
    verdict: Vec<String>,
}

impl Told {
    fn of(result: &SubmissionResult) -> Self {
        let mut verdict = Vec::new();
        for module in &result.modules {
            for check in &module.checks {
                let (module, id) = (&module.module, &check.id);
                verdict.push(format!("{module}/{id}: {} ({})", check.status, check.points));
            }
        }
        Self {
            status: result.status,
            error: result.error.clone(),
            key: result.key.clone(),
            layer: result.layer.clone(),
            verdict,
        }
    }
}

/// Finds the result of each submission, and refuses those that contradict the run or each other.
fn collect(folders: &[PathBuf], whole: &BatchFile) -> anyhow::Result<Merged> {
    let class: BTreeSet<&str> = whole.class.iter().map(String::as_str).collect();
    let mut merged = Merged { found: BTreeMap::new(), strays: Vec::new() };
    let mut conflicts = Vec::new();
    for folder in folders {
        for path in results::all_result_paths(folder)? {
            let result = SubmissionResult::load(&path)?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if result.submission.name != name {
                conflicts.push(format!(
                    "{} says that it is of {:?}",
                    path.display(),
                    result.submission.name
                ));
                continue;
            }
            if !class.contains(name.as_str()) {
                merged.strays.push(path.display().to_string());
                continue;
            }
            let told = Told::of(&result);
            if let Some(why) = stranger(&told, whole) {
                conflicts.push(format!("{} is of another run: {why}", path.display()));
                continue;
            }
            let Some((old_path, old)) = merged.found.get(&name) else {
                merged.found.insert(name, (path, told));
                continue;
            };
            if let Some(why) = contradiction(old, &told) {
                let (one, other) = (old_path.display(), path.display());
                conflicts.push(format!("{one} and {other} contradict each other: {why}"));
            } else if old.status == Outcome::Error && told.status != Outcome::Error {
                merged.found.insert(name, (path, told));
            }
        }
    }
    if conflicts.is_empty() {
        return Ok(merged);
    }
    bail!(
        "these results cannot be put together, and nothing was written:\n  {}\nrun the shards \
         again that wrote them, or take what does not belong here out of the folders",
        conflicts.join("\n  ")
    )
}

/// Why a result is not of this run.
fn stranger(told: &Told, whole: &BatchFile) -> Option<String> {
    let key = &told.key;
    if key.seed != whole.seed {
        return Some(format!("seed {}, not {}", key.seed, whole.seed));
    }
    if key.deadline_ms != whole.deadline_ms {
        return Some(format!("deadline {} ms, not {}", key.deadline_ms, whole.deadline_ms));
    }
    if key.modules != whole.modules {
        let [one, other] = [&key.modules, &whole.modules].map(|names| names.join(", "));
        return Some(format!("modules {one}, not {other}"));
    }
    if key.grader_hash != whole.grader_hash {
        return Some("graded by another version of the course".to_owned());
    }
    if key.toolchain != whole.toolchain {
        return Some(format!("compiled by {}, not {}", key.toolchain, whole.toolchain));
    }
    // Where nothing was run there was no layer.
    (told.status == Outcome::Graded && told.layer != whole.layer)
        .then(|| format!("layer of the sandbox {}, not {}", told.layer, whole.layer))
}

/// Why two results of one submission cannot both be right. An `error` is no verdict.
fn contradiction(one: &Told, other: &Told) -> Option<String> {
    if [one.status, other.status].contains(&Outcome::Error) {
        return None;
    }
    if one.status != other.status {
        return Some("something was handed in, says only one of them".to_owned());
    }
    if one.key.files_hash != other.key.files_hash {
        return Some("they are of different files".to_owned());
    }
    let mut pairs = one.verdict.iter().zip(&other.verdict);
    match pairs.find(|(left, right)| left != right) {
        Some((left, right)) => Some(format!("{left}, and {right}")),
        None if one.verdict.len() != other.verdict.len() => Some("they have other checks".into()),
        None => None,
    }
}

/// Copies the assignment that the shards were graded with, if one of the folders has it.
fn keep_assignment(folders: &[PathBuf], whole: &BatchFile, out: &Path) -> anyhow::Result<bool> {
    for folder in folders {
        let path = folder.join(ASSIGNMENT_FILE);
        if !path.is_file() {
            continue;
        }
        if results::assignment_hash(&Assignment::load(&path)?) == whole.assignment_hash {
            if !is_same(folder, out) {
                results::save_assignment(out, &fs_err::read_to_string(&path)?)?;
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// Tells what is missing; true if nothing is.
fn tell(
    runs: &[(PathBuf, BatchFile)],
    whole: &BatchFile,
    merged: &Merged,
    out: &Path,
) -> anyhow::Result<bool> {
    let begun: BTreeMap<usize, usize> =
        runs.iter().filter_map(|(_, run)| run.shard).map(|one| (one.index, one.count)).collect();
    let count = begun.values().copied().max().unwrap_or(1);
    let (mut text, mut again) = (String::new(), Vec::new());
    let (mut without, mut errors) = (0, 0);
    for index in 1..=count {
        let shard = Shard { index, count };
        let mut open = Vec::new();
        let mut lines = String::new();
        for name in shard.of(&whole.class) {
            match merged.found.get(name) {
                None => open.push(name.clone()),
                Some((_, told)) if told.status == Outcome::Error => {
                    errors += 1;
                    let why = printable(&told.error).replace('\n', " ");
                    lines.push_str(&format!(
                        "shard {index} of {count}: not graded: {name}: {why}\n"
                    ));
                }
                Some(_) => {}
            }
        }
        without += open.len();
        if !open.is_empty() {
            let state = if begun.contains_key(&index) { "is not at its end" } else { "is missing" };
            let (number, names) = (open.len(), some_of(&open));
            text.push_str(&format!(
                "shard {index} of {count} {state}: no result for {number}: {names}\n"
            ));
        }
        text.push_str(&lines);
        if !open.is_empty() || !lines.is_empty() {
            again.push(index.to_string());
        }
    }
    let of = |status| merged.found.values().filter(|(_, told)| told.status == status).count();
    text.push_str(&format!(
        "{} submissions: {} graded, {} missing, {errors} not graded, {without} without a result\n",
        whole.class.len(),
        of(Outcome::Graded),
        of(Outcome::Missing),
    ));
    text.push_str(&match again.as_slice() {
        [] => format!("whole; results in {}\n", out.display()),
        [one] => format!(
            "not whole; run shard {one} again, which goes on where it was, then merge again\n"
        ),
        several => format!(
            "not whole; run the shards {} again, which go on where they were, then merge again\n",
            several.join(",")
        ),
    });
    say(&text)?;
    Ok(again.is_empty())
}

/// Whether the two name one folder.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Whether a name leads nowhere else.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
        && !name.starts_with('.')
        && !name.ends_with('/')
}

fn say(text: &str) -> anyhow::Result<()> {
    output::print(text.as_bytes())
}
