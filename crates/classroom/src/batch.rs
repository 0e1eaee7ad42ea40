//! `cargo xtask batch`: grades a class.
//!
//! ```text
//! batch ── takes the files of a submission (files), asks whether a result has the same key
//!   └─ worker, one a submission ── in a room of its own (sandbox::enter_room): compiles, grades
//! ```

mod against;
mod compile;
pub mod crew;
pub mod files;
mod gradescope;
pub mod intake;
pub mod order;
mod progress;
pub mod roster;
pub mod run;
pub mod toolchain;
pub mod unpack;
pub mod worker;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::assignment::Assignment;
use crate::output;
use crate::results::{self, BATCH_FILE, BatchFile, Shard};
use crate::workspace::Workspace;
use intake::{Class, Found};
use roster::Roster;
use run::{Bench, Settings, Tally};
use unpack::Unpacked;

/// How long a check waits for an answer unless told otherwise, in milliseconds; as `grade` does.
const DEADLINE_MS: u64 = 10_000;

/// Grade the submissions of a class, each in a sandbox of its own.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// The folder for the results, one JSON file a submission. A run that was stopped goes on
    /// where it was.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many submissions are graded at the same time [default: the number of processors].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Grade part I of N only, counted from 1.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Grade the submission of this name only, also if it was graded before; may be given several
    /// times.
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// The seed of all random input [default: that of the results in DIR, else a new one].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Tell what would change against the results in this folder, and write none.
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
}

/// Whose work is graded, and by what; the same in `batch` and `plan`.
#[derive(Debug, Args)]
pub struct Asked {
    /// The folder or archive with the submissions, as Gradescope, Moodle or Classroom 50 exports
    /// it; or a folder of folders, zip, tar and tar.gz archives.
    #[arg(value_name = "SUBMISSIONS")]
    pub submissions: PathBuf,
    /// What the class was asked; without it, the modules given with --module count in full.
    #[arg(long, value_name = "FILE", conflicts_with = "modules")]
    pub assignment: Option<PathBuf>,
    /// Grade this module; may be given several times. Without it and without --assignment: the
    /// module in whose folder you stand, else all.
    #[arg(long = "module", value_name = "MODULE")]
    pub modules: Vec<String>,
    /// A CSV file that says who is in the class, by name, email, id or username.
    #[arg(long, value_name = "FILE")]
    pub roster: Option<PathBuf>,
    /// How long a check waits for an answer, in milliseconds.
    #[arg(long, value_name = "N", default_value_t = DEADLINE_MS,
        value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub deadline_ms: u64,
    /// Grade also where this machine has no namespaces: a submission can then read the
    /// instructor's files and reach the network.
    #[arg(long)]
    pub trust_submissions: bool,
}

impl Asked {
    /// What the class was asked, and the same as the text of an `assignment.toml`.
    ///
    /// # Errors
    ///
    /// The file cannot be used, or there is no such module.
    pub fn assignment(&self, workspace: &Workspace) -> anyhow::Result<(Assignment, String)> {
        if let Some(path) = &self.assignment {
            let assignment = Assignment::load(path)?;
            return Ok((assignment, fs_err::read_to_string(path)?));
        }
        let modules = workspace.chosen_modules(&self.modules)?;
        let names = modules.iter().map(|module| module.name.to_owned()).collect();
        let assignment = Assignment::plain(names);
        let text = toml::to_string(&assignment).context("write down the assignment")?;
        Ok((assignment, text))
    }

    /// Finds the class. What it was unpacked into, if it came as an archive, is gone with the
    /// second value.
    ///
    /// # Errors
    ///
    /// The submissions or the roster cannot be read, or there are none.
    pub fn class(&self, workspace: &Workspace) -> anyhow::Result<(Class, Option<Unpacked>)> {
        let roster = self.roster.as_deref().map(Roster::load).transpose()?;
        if !self.submissions.exists() {
            bail!("there is no folder or archive {}", self.submissions.display());
        }
        let unpacked = unpack::if_archive(&self.submissions, workspace)?;
        let folder =
            unpacked.as_ref().map_or(self.submissions.as_path(), |unpacked| unpacked.folder());
        let mut class = Class::find(folder, roster.as_ref())?;
        class.notes.extend(unpacked.iter().flat_map(|unpacked| unpacked.notes().iter().cloned()));
        Ok((class, unpacked))
    }
}

/// Runs the command. The status is 0 if there is a verdict on every submission, 1 if the grader or
/// the machine failed at one.
///
/// # Errors
///
/// Wrong usage, or a machine that cannot grade.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let (assignment, text) = arguments.asked.assignment(&workspace)?;
    let (class, _unpacked) = arguments.asked.class(&workspace)?;
    if let Some(old) = &arguments.against
        && !old.is_dir()
    {
        bail!("there is no folder {} with results to compare with", old.display());
    }
    let chosen = choose(&class, arguments)?;
    fs_err::create_dir_all(&arguments.out)?;
    let settings = Settings {
        assignment,
        submissions: arguments.asked.submissions.clone(),
        out: arguments.out.clone(),
        seed: seed(arguments)?,
        deadline_ms: arguments.asked.deadline_ms,
        jobs: arguments.jobs.map(usize::from),
        is_rehearsal: arguments.against.is_some(),
        again: !arguments.only.is_empty(),
        trust: arguments.asked.trust_submissions,
        limits: None,
        checks: Vec::new(),
    };
    let bench = Bench::prepare(&workspace, settings)?;
    for note in &class.notes {
        output::print(format!("note: {note}\n").as_bytes())?;
    }
    if arguments.only.is_empty() && arguments.against.is_none() {
        results::save_assignment(&arguments.out, &text)?;
        bench.describe(&class, &chosen, arguments.shard).save(&arguments.out)?;
    }
    let tally = bench.grade(&chosen)?;
    if let Some(old) = &arguments.against {
        against::tell(old, bench.results(), &chosen)?;
        let out = arguments.out.display();
        output::print(
            format!(
                "\nnothing was written; run it again without --against to write these results to \
                 {out}\n"
            )
            .as_bytes(),
        )?;
    }
    tell(&tally, &bench, arguments)?;
    Ok(if tally.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The submissions of this shard, and of these only those asked for.
fn choose(class: &Class, arguments: &Arguments) -> anyhow::Result<Vec<Found>> {
    let shard = arguments.shard.unwrap_or(Shard { index: 1, count: 1 });
    let mut chosen: Vec<Found> = shard.of(&class.submissions).cloned().collect();
    if arguments.only.is_empty() {
        return Ok(chosen);
    }
    let names: Vec<&str> = chosen.iter().map(|found| found.name.as_str()).collect();
    for wanted in &arguments.only {
        if !names.contains(&wanted.as_str()) {
            let near = crate::modules::suggest(wanted, &names, "the submissions");
            bail!("there is no submission `{wanted}`; {near}");
        }
    }
    chosen.retain(|found| arguments.only.contains(&found.name));
    Ok(chosen)
}

/// The seed given, else that of the run that goes on here, else a new one.
fn seed(arguments: &Arguments) -> anyhow::Result<u64> {
    if let Some(seed) = arguments.seed {
        return Ok(seed);
    }
    let old = arguments.against.as_deref().into_iter().map(|old| (old, None));
    let own = [(arguments.out.as_path(), arguments.shard), (arguments.out.as_path(), None)];
    for (folder, shard) in own.into_iter().chain(old) {
        let path = folder.join(BatchFile::file_name(shard));
        if path.is_file() {
            return Ok(BatchFile::load(&path)?.seed);
        }
    }
    Ok(new_seed())
}

/// A seed that is easily typed again.
pub fn new_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}

fn tell(tally: &Tally, bench: &Bench, arguments: &Arguments) -> anyhow::Result<()> {
    let mut text = format!(
        "\n{} graded ({} of them before), {} missing, {} not graded\n",
        tally.graded,
        tally.kept,
        tally.missing,
        tally.errors.len()
    );
    for name in &tally.errors {
        text.push_str(&format!("not graded: {name}; run it again to try again\n"));
    }
    text.push_str(&format!("layer {}, seed {}\n", bench.layer(), bench.seed()));
    if arguments.against.is_none() {
        text.push_str(&format!("results in {}\n", arguments.out.display()));
    }
    output::print(text.as_bytes())
}

fn shard(text: &str) -> Result<Shard, String> {
    let parts = text.split_once('/').and_then(|(index, count)| {
        Some((index.parse::<usize>().ok()?, count.parse::<usize>().ok()?))
    });
    match parts {
        Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index, count }),
        _ => Err("a shard is I/N, with I from 1 to N, such as 2/8".to_owned()),
    }
}

/// The file that tells of the run in `folder`, if there is one.
///
/// # Errors
///
/// It cannot be read.
pub fn batch_file(folder: &Path) -> anyhow::Result<Option<BatchFile>> {
    let path = folder.join(BATCH_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    BatchFile::load(&path).map(Some).context("read what is told of the run")
}
