//! `classroom rehearse`: a class made up of programs whose verdicts are known, graded as any class
//! is, with the run killed on the way; by Slurm, or to measure what it takes. For those who change
//! the course; it takes minutes.

mod slurm;
mod speed;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use crate::output;
use crate::results::{self, Outcome, SubmissionResult};
use crate::workspace::{Owner, Workspace};

/// Programs that want more than they should, for tcp-echo: a name and `src/main.rs`. The tests in
/// `tests/attacks*` hold what each of them must not reach; here they stand among others.
const HOSTILE: &[(&str, &str)] = &[
    ("exits-well", "fn main() { std::process::exit(0) }"),
    ("claims-points", "fn main() { println!(\"{{\\\"score\\\":100,\\\"modules\\\":[]}}\"); }"),
    (
        "floods",
        "use std::io::Write; fn main() { while std::io::stdout().write_all(&[b'x'; 65536]).is_ok() {} }",
    ),
    (
        "eats-memory",
        "fn main() { let mut kept = Vec::new(); loop { kept.push(vec![1u8; 1 << 26]); } }",
    ),
    (
        "makes-threads",
        "fn main() { let mut n = 0; while std::thread::Builder::new().stack_size(1 << 16)\
         .spawn(|| std::thread::park()).is_ok() && n < 5000 { n += 1; } }",
    ),
    ("includes-a-secret", "fn main() { print!(\"{}\", include_str!(\"/etc/shadow\")); }"),
    (
        "kills-everybody",
        "unsafe extern \"C\" { fn kill(pid: i32, signal: i32) -> i32; }\
         fn main() { unsafe { kill(-1, 9); for pid in 1..100 { \
         if pid != std::process::id() as i32 { kill(pid, 9); } } } }",
    ),
    (
        "fills-the-disk",
        "use std::io::Write; fn main() { let mut n = 0; loop { n += 1; \
         let Ok(mut file) = std::fs::File::create(format!(\"fill{n}\")) else { return }; \
         while file.write_all(&[1; 65536]).is_ok() {} } }",
    ),
];

/// Sources that no compiler takes.
const BROKEN: &[(&str, &str)] = &[
    ("empty", ""),
    ("unfinished", "fn main() { let address = "),
    ("misspelt", "fn main() { prinln!(\"hello\"); }"),
    ("other-crate", "use tokio::net::TcpListener; fn main() {}"),
    ("not-text", "\u{0}\u{1}\u{2}"),
];

/// Grade a made-up class whose verdicts are known, killing the run on the way.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How many submissions there are [default: 200; with --slurm 60].
    #[arg(long, value_name = "N")]
    submissions: Option<usize>,
    /// The folder for the class and its results; it must not be there.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How many submissions are graded at the same time. With several numbers the class is graded
    /// once for each, and the verdicts must be the same.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "2")]
    jobs: Vec<u16>,
    /// How often the first of these runs is killed.
    #[arg(long, value_name = "N", default_value_t = 3)]
    kills: usize,
    /// The modules; all without one.
    #[arg(long = "module", value_name = "MODULE")]
    modules: Vec<String>,
    /// The seed of all random input.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Have a cluster on this machine alone grade a plan of tcp-echo, with shards killed on the
    /// way. Needs Debian's packages slurm-wlm and munge.
    #[arg(long, conflicts_with_all = ["speed", "jobs", "kills", "modules"])]
    slurm: bool,
    /// Measure what grading tcp-echo costs, beside rustc and the checks alone.
    #[arg(long, conflicts_with_all = ["submissions", "jobs", "kills", "modules"])]
    speed: bool,
}

/// One submission, and what is to come of it.
struct Made {
    name: String,
    module: String,
    files: BTreeMap<PathBuf, Vec<u8>>,
    expected: Expected,
}

enum Expected {
    /// Every check passes.
    Everything,
    /// No check passes.
    Nothing,
    /// The compiler refuses it.
    NoProgram,
    /// These checks fail, those may, and all others pass.
    Wrong(Wrong),
}

/// What `wrong.toml` says of a known-wrong program; the rest of the file is the proof's.
#[derive(Debug, Clone, Deserialize)]
struct Wrong {
    fails: Vec<String>,
    #[serde(default)]
    may_fail: Vec<String>,
    shows: Vec<Shown>,
}

/// A failure by the symptom that the learner is to see.
#[derive(Debug, Clone, Deserialize)]
struct Shown {
    check: String,
    symptom: String,
    #[serde(default)]
    or: Vec<String>,
}

/// Runs the command. The status is 0 if every verdict was as expected.
///
/// # Errors
///
/// The class cannot be made, or a run fails.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.dir.exists() {
        bail!("{} is there already; name a new folder", arguments.dir.display());
    }
    let workspace = Workspace::find()?;
    if arguments.slurm {
        return slurm::run(arguments, &workspace);
    }
    if arguments.speed {
        return speed::run(arguments, &workspace);
    }
    let chosen = workspace.chosen_modules(&arguments.modules)?;
    let names: Vec<&str> = chosen.iter().map(|module| module.name).collect();
    let class = prepare(&workspace, &names, arguments.submissions.unwrap_or(200), &arguments.dir)?;
    let mut problems = Vec::new();
    let mut verdicts: Vec<(u16, BTreeMap<String, String>)> = Vec::new();
    for (place, &jobs) in arguments.jobs.iter().enumerate() {
        let out = arguments.dir.join(format!("results-{jobs}"));
        let kills = if place == 0 { arguments.kills } else { 0 };
        let rehearsal = Rehearsal { arguments, names: &names, out: &out, jobs, kills };
        let took = rehearsal.run(class.len(), &mut problems)?;
        let cpu_ms = judge(&class, &out, &mut problems)?;
        say(&format!(
            "{} submissions at --jobs {jobs}: {:.0} s, {:.0} s of processor time, killed {kills} \
             times\n",
            class.len(),
            took.as_secs_f64(),
            f64::from(u32::try_from(cpu_ms / 1000).unwrap_or(u32::MAX)),
        ))?;
        verdicts.push((jobs, verdicts_in(&out)?));
    }
    for pair in verdicts.windows(2) {
        compare(&pair[0], &pair[1], &mut problems);
    }
    conclude(&problems)
}

/// Makes the class and its roster, which also names somebody who hands in nothing.
fn prepare(
    workspace: &Workspace,
    names: &[&str],
    count: usize,
    dir: &Path,
) -> anyhow::Result<Vec<Made>> {
    let class = make(workspace, names, count)?;
    let folder = dir.join("class");
    for (index, made) in class.iter().enumerate() {
        write(made, index, &folder)?;
    }
    let mut roster = String::from("username,name\nnobody-handed-in,Nobody\n");
    for made in &class {
        roster.push_str(&format!("{},{}\n", made.name, made.name));
    }
    fs_err::write(dir.join("roster.csv"), roster)?;
    Ok(class)
}

fn conclude(problems: &[String]) -> anyhow::Result<ExitCode> {
    for problem in problems {
        say(&format!("problem: {problem}\n"))?;
    }
    say(&format!("{} problems\n", problems.len()))?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(text: &str) -> anyhow::Result<()> {
    output::print(text.as_bytes())
}

/// Of ten submissions four are known-wrong, three right, and one each a starter, broken and
/// hostile.
fn make(workspace: &Workspace, names: &[&str], count: usize) -> anyhow::Result<Vec<Made>> {
    let mut wrong = Vec::new();
    for name in names {
        wrong.push(known_wrong(workspace, name)?);
    }
    let mut class = Vec::new();
    for index in 0..count {
        let (round, place) = (index / 10, index % 10);
        let at = (round + place) % names.len();
        let module = names[at];
        let name = |what: &str| format!("s{index:03}-{what}");
        let made = match place {
            0 | 3 | 6 => {
                let files =
                    sources(&workspace.program_folder(module, Owner::Reference).join("src"))?;
                Made {
                    name: name("right"),
                    module: module.into(),
                    files,
                    expected: Expected::Everything,
                }
            }
            1 => {
                let files = sources(&workspace.program_folder(module, Owner::Learner).join("src"))?;
                Made {
                    name: name("starter"),
                    module: module.into(),
                    files,
                    expected: Expected::Nothing,
                }
            }
            4 => {
                let (what, text) = BROKEN[round % BROKEN.len()];
                single(name(what), module, text, Expected::NoProgram)
            }
            8 if names.contains(&"tcp-echo") => {
                let (what, text) = HOSTILE[round % HOSTILE.len()];
                single(name(what), "tcp-echo", text, Expected::Nothing)
            }
            _ => {
                let of_module = &wrong[at];
                let (what, meaning, files) = &of_module[index * 7 % of_module.len()];
                let expected = Expected::Wrong(meaning.clone());
                Made { name: name(what), module: module.into(), files: files.clone(), expected }
            }
        };
        class.push(made);
    }
    Ok(class)
}

fn single(name: String, module: &str, text: &str, expected: Expected) -> Made {
    let files = BTreeMap::from([(PathBuf::from("main.rs"), text.as_bytes().to_vec())]);
    Made { name, module: module.to_owned(), files, expected }
}

/// The files below a folder, by their paths in it.
fn sources(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(folder)?.to_path_buf();
            files.insert(path, fs_err::read(entry.path())?);
        }
    }
    Ok(files)
}

type KnownWrong = (String, Wrong, BTreeMap<PathBuf, Vec<u8>>);

fn known_wrong(workspace: &Workspace, module: &str) -> anyhow::Result<Vec<KnownWrong>> {
    let reference = sources(&workspace.program_folder(module, Owner::Reference).join("src"))?;
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(workspace.checks_folder(module).join("wrong"))? {
        folders.push(entry?.path());
    }
    folders.sort();
    let mut programs = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        let path = folder.join("wrong.toml");
        let meaning = toml::from_str(&fs_err::read_to_string(&path)?)
            .with_context(|| format!("{} breaks the format", path.display()))?;
        let mut files = reference.clone();
        files.extend(sources(&folder.join("src"))?);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        programs.push((name, meaning, files));
    }
    if programs.is_empty() {
        bail!("{module} has no known-wrong program");
    }
    Ok(programs)
}

/// Writes the submission as a folder, a zip or a tar.gz archive.
fn write(made: &Made, index: usize, class: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(class)?;
    let within = Path::new("exercises").join(&made.module).join("src");
    let place = |path: &Path| within.join(path);
    match index % 3 {
        0 => {
            for (path, content) in &made.files {
                let file = class.join(&made.name).join(place(path));
                fs_err::create_dir_all(file.parent().context("find the folder of a file")?)?;
                fs_err::write(file, content)?;
            }
        }
        1 => {
            let file = fs_err::File::create(class.join(format!("{}.zip", made.name)))?;
            let mut archive = zip::ZipWriter::new(file);
            let options = zip::write::SimpleFileOptions::default();
            archive.start_file("../../outside.rs", options)?;
            for (path, content) in &made.files {
                archive.start_file(place(path).to_string_lossy(), options)?;
                archive.write_all(content)?;
            }
            archive.finish()?;
        }
        _ => {
            let file = fs_err::File::create(class.join(format!("{}.tar.gz", made.name)))?;
            let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
            for (path, content) in &made.files {
                let mut header = tar::Header::new_gnu();
                header.set_size(content.len() as u64);
                header.set_mode(0o644);
                archive.append_data(&mut header, place(path), content.as_slice())?;
            }
            archive.into_inner()?.finish()?;
        }
    }
    Ok(())
}

/// One grading of the class.
struct Rehearsal<'a> {
    arguments: &'a Arguments,
    names: &'a [&'a str],
    out: &'a Path,
    jobs: u16,
    kills: usize,
}

/// A result as the file system knows it.
type Stamp = (u64, SystemTime);

impl Rehearsal<'_> {
    /// Runs to the end, over all kills, and returns how long it took.
    fn run(&self, count: usize, problems: &mut Vec<String>) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut kept: BTreeMap<PathBuf, Stamp> = BTreeMap::new();
        for kill in 0..self.kills {
            let mut batch = self.start()?;
            let enough = count * (kill + 1) / (self.kills + 1);
            while stamps(self.out)?.len() < enough && batch.try_wait()?.is_none() {
                thread::sleep(Duration::from_millis(20));
            }
            let below = descendants(batch.id());
            batch.kill()?;
            batch.wait()?;
            self.wait_for_the_end_of(&below, problems);
            unchanged(self.out, &kept, problems)?;
            kept = stamps(self.out)?;
        }
        let status = self.start()?.wait()?;
        if !status.success() {
            problems.push(format!("the run at --jobs {} ended with {status}", self.jobs));
        }
        unchanged(self.out, &kept, problems)?;
        Ok(began.elapsed())
    }

    fn start(&self) -> anyhow::Result<Child> {
        let log = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.arguments.dir.join("batch.log"))?;
        let mut command = Command::new("/proc/self/exe");
        command.arg("batch").arg(self.arguments.dir.join("class")).arg("--out").arg(self.out);
        command.arg("--roster").arg(self.arguments.dir.join("roster.csv"));
        command.args(["--jobs", &self.jobs.to_string()]);
        command.args(["--seed", &self.arguments.seed.to_string()]);
        for name in self.names {
            command.args(["--module", name]);
        }
        let log = log.into_parts().0;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().context("start batch")
    }

    fn wait_for_the_end_of(&self, below: &BTreeSet<(u32, u64)>, problems: &mut Vec<String>) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let left: Vec<u32> = below
                .iter()
                .filter(|(pid, began)| process(*pid).is_some_and(|(_, same)| same == *began))
                .map(|(pid, _)| *pid)
                .collect();
            if left.is_empty() {
                return;
            }
            if Instant::now() > until {
                problems.push(format!("processes outlive a killed run: {left:?}"));
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What was graded before a kill is not graded again.
fn unchanged(
    out: &Path,
    kept: &BTreeMap<PathBuf, Stamp>,
    problems: &mut Vec<String>,
) -> anyhow::Result<()> {
    let now = stamps(out)?;
    for (path, stamp) in kept {
        if now.get(path) != Some(stamp) {
            problems.push(format!("{} was graded twice, or lost", path.display()));
        }
    }
    Ok(())
}

fn stamps(out: &Path) -> anyhow::Result<BTreeMap<PathBuf, Stamp>> {
    let mut stamps = BTreeMap::new();
    if !out.is_dir() {
        return Ok(stamps);
    }
    for path in results::result_paths(out).unwrap_or_default() {
        let metadata = fs_err::metadata(&path)?;
        // Who is missing is told anew each time.
        if SubmissionResult::load(&path)?.status == Outcome::Graded {
            stamps.insert(path, (metadata.ino(), metadata.modified()?));
        }
    }
    Ok(stamps)
}

/// The processes below this one, each with the time of its start, which tells it from a later one
/// of
/// the same number.
fn descendants(pid: u32) -> BTreeSet<(u32, u64)> {
    let mut parents: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(known) = process(pid)
        {
            parents.insert(pid, known);
        }
    }
    let mut below = BTreeSet::new();
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        for (child, (_, began)) in parents.iter().filter(|(_, (above, _))| *above == parent) {
            if below.insert((*child, *began)) {
                open.push(*child);
            }
        }
    }
    below
}

/// A process's parent and the time of its start; `proc_pid_stat(5)`, fields 4 and 22.
fn process(pid: u32) -> Option<(u32, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

/// Holds the results against what is expected, and returns the processor time of all.
fn judge(class: &[Made], out: &Path, problems: &mut Vec<String>) -> anyhow::Result<u64> {
    let mut cpu_ms = 0;
    let paths = results::result_paths(out)?;
    if paths.len() != class.len() + 1 {
        problems.push(format!("{} results for {} submissions", paths.len(), class.len() + 1));
    }
    let missing = SubmissionResult::load(&SubmissionResult::path(out, "nobody-handed-in"))?;
    if missing.status != Outcome::Missing {
        problems.push("the one who handed in nothing is not missing".to_owned());
    }
    for made in class {
        let path = SubmissionResult::path(out, &made.name);
        let result = SubmissionResult::load(&path)?;
        cpu_ms += result.cost.cpu_ms;
        for fault in faults(made, &result) {
            problems.push(format!("{}: {fault}", made.name));
        }
    }
    Ok(cpu_ms)
}

fn faults(made: &Made, result: &SubmissionResult) -> Vec<String> {
    if result.status != Outcome::Graded {
        return vec![format!("not graded: {}", result.error)];
    }
    let Some(module) = result.modules.iter().find(|module| module.module == made.module) else {
        return vec![format!("no result for {}", made.module)];
    };
    let mut faults = Vec::new();
    for other in result.modules.iter().filter(|module| module.module != made.module) {
        if other.score + other.bonus > 0 || other.error.is_none() {
            faults.push(format!("{} was not handed in, and has points", other.module));
        }
    }
    if matches!(made.expected, Expected::NoProgram) && module.error.is_none() {
        faults.push("it compiles".to_owned());
    }
    let may_compile = matches!(made.expected, Expected::Everything | Expected::Wrong(_));
    if let (true, Some(error)) = (may_compile, &module.error) {
        faults.push(format!("it does not compile: {}", error.lines().next().unwrap_or_default()));
    }
    let shown = match &made.expected {
        Expected::Wrong(wrong) => wrong.shows.as_slice(),
        _ => &[],
    };
    for check in &module.checks {
        let status = check.status.as_str();
        let symptom = check.feedback.as_ref().map_or("", |feedback| feedback.symptom.as_str());
        if let Some(shown) = shown.iter().find(|shown| shown.check == check.id)
            && status == "failed"
            && symptom != shown.symptom
            && !shown.or.iter().any(|other| symptom == other)
        {
            faults.push(format!(
                "{}/{} shows {symptom}, not {}",
                made.module, check.id, shown.symptom
            ));
        }
        let is_right = match &made.expected {
            Expected::Everything => ["passed", "unsupported"].contains(&status),
            Expected::Nothing | Expected::NoProgram => status != "passed",
            Expected::Wrong(wrong) if wrong.fails.contains(&check.id) => {
                ["failed", "unsupported"].contains(&status)
            }
            Expected::Wrong(wrong) if wrong.may_fail.contains(&check.id) => true,
            Expected::Wrong(_) => ["passed", "skipped", "unsupported"].contains(&status),
        };
        if !is_right {
            faults.push(format!("{}/{} {status}", made.module, check.id));
        }
    }
    faults
}

/// By submission: every check and what came of it.
fn verdicts_in(out: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut verdicts = BTreeMap::new();
    for path in results::result_paths(out)? {
        let result = SubmissionResult::load(&path)?;
        let mut told = format!("{:?}", result.status);
        for module in &result.modules {
            for check in &module.checks {
                told.push_str(&format!(" {}/{}={}", module.module, check.id, check.status));
            }
        }
        verdicts.insert(result.submission.name, told);
    }
    Ok(verdicts)
}

fn compare(
    (jobs, verdicts): &(u16, BTreeMap<String, String>),
    (other_jobs, others): &(u16, BTreeMap<String, String>),
    problems: &mut Vec<String>,
) {
    for (name, told) in verdicts {
        let other = others.get(name).map_or("", String::as_str);
        let differing = told.split(' ').zip(other.split(' ')).find(|(left, right)| left != right);
        if let Some((left, right)) = differing {
            problems
                .push(format!("{name}: {left} at --jobs {jobs}, {right} at --jobs {other_jobs}"));
        } else if told != other {
            problems.push(format!("{name}: other checks at --jobs {jobs} and {other_jobs}"));
        }
    }
}
