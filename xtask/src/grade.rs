//! `cargo xtask grade`: builds programs, runs their checks and tells what came of it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};
use grader::manifest::Manifest;
use grader::module::{Module, Target};
use grader::page::Page;
use grader::report::formats::{self, Scored, classroom50};
use grader::report::text::TextOptions;
use grader::report::{self, ModuleReport, Report, Status};
use grader::wording;
use sandbox::Sandbox;

use crate::build::{self, Outcome};
use crate::output::{self, ResultFile};
use crate::terminal::{self, Progress, STRONG};
use crate::workspace::{Owner, Workspace};
use crate::{advice, links, modules, progress};

/// How much room the scratch folder must have for a grading to begin, in bytes.
const SCRATCH_PROBE_BYTES: usize = 256 * 1024;

/// How many modules are graded at the same time: their checks mostly wait, some of them for
/// seconds.
const AT_ONCE: usize = 2;

/// How long a check waits for an answer unless told otherwise, in milliseconds.
pub const DEFAULT_DEADLINE_MS: u64 = 10_000;

/// Grade programs: yours, the reference ones, or any executable.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The modules to grade; without one, the module in whose folder you stand, else all.
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    /// Run this check only, without the checks that it needs; may be given several times.
    #[arg(long = "check", value_name = "ID")]
    checks: Vec<String>,
    /// Grade the reference solutions.
    #[arg(long, conflicts_with = "program")]
    solutions: bool,
    /// Grade this executable, in whatever language it is written.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// How the result is told.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Tell every failure in full, and every module line by line.
    #[arg(long)]
    all: bool,
    /// Write the result to this file; the terminal then shows it as text.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The seed of all random input, as an earlier grading printed it.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long a check waits for an answer, in milliseconds.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_DEADLINE_MS,
        value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    deadline_ms: u64,
}

/// How a result is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document of the schema `grade/v1`.
    Json,
    /// JUnit's XML, for CI servers.
    Junit,
    /// Gradescope's results.json.
    Gradescope,
    /// Classroom 50's result.json, in Classroom 50's own runner.
    #[value(name = "classroom50")]
    Classroom50,
    /// check50's JSON report.
    #[value(name = "check50")]
    Check50,
    /// The results.json of an Exercism test runner, version 3.
    Exercism,
}

/// One module, and what of it is to be graded.
pub struct Choice {
    /// The module.
    pub module: &'static Module,
    /// Its manifest.
    pub manifest: Manifest,
    /// The checks to run, if not all.
    pub only: Option<Vec<String>>,
}

impl Choice {
    /// What is chosen, for one program.
    pub fn plan(&self, target: Target, seed: u64, deadline: Duration) -> grader::Plan<'_> {
        let (module, manifest, only) = (self.module, &self.manifest, self.only.clone());
        grader::Plan { module, manifest, target, only, seed, deadline }
    }
}

impl Arguments {
    /// Grade all reference solutions, and say so in words.
    pub fn references() -> Self {
        Self {
            modules: Vec::new(),
            checks: Vec::new(),
            solutions: true,
            program: None,
            format: Format::Text,
            all: false,
            out: None,
            seed: None,
            deadline_ms: DEFAULT_DEADLINE_MS,
        }
    }
}

/// Runs the command. The status is 0 if all core checks passed, 1 if not, 2 if the grader itself
/// failed.
///
/// # Errors
///
/// Wrong usage, or a machine that cannot grade.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let out = arguments.out.as_deref().map(ResultFile::prepare).transpose()?;
    if arguments.format == Format::Classroom50 {
        // What is missing is said before the grading, not after it.
        classroom50_origin()?;
    }
    let seed = arguments.seed.unwrap_or_else(random_seed);
    let report = match grade(arguments, seed) {
        Ok(report) => report,
        Err(error) => {
            // Whoever reads documents gets one in any case; the words for people follow on standard
            // error.
            let error_text = Some(format!("{error:#}"));
            let report = Report { seed, modules: Vec::new(), error: error_text };
            if arguments.format == Format::Json {
                tell(arguments, &report, out.as_ref())?;
            }
            return Err(error);
        }
    };
    tell(arguments, &report, out.as_ref())?;
    if let Some(advice) = shortage(&report) {
        terminal::remark(STRONG, "help:", advice);
    }
    Ok(status(&report, !arguments.checks.is_empty()))
}

/// Grades one program with the checks chosen.
pub fn judge(
    choice: &Choice,
    target: Target,
    sandbox: &Sandbox,
    seed: u64,
    deadline: Duration,
) -> ModuleReport {
    grader::run(&choice.plan(target, seed, deadline), sandbox)
}

/// Starts the sandbox of a run, and sees that its folder takes files.
///
/// # Errors
///
/// The temporary folder is missing, full or not writable, or no descriptors are free.
pub fn start_sandbox() -> anyhow::Result<Sandbox> {
    let sandbox = Sandbox::start().context("prepare the folder and the keeper of the programs")?;
    let probe = sandbox.scratch().join(".probe");
    let written = fs_err::write(&probe, vec![0; SCRATCH_PROBE_BYTES]);
    let removed = fs_err::remove_file(&probe);
    written.and(removed).context("write to the folder of the programs, which lies in TMPDIR")?;
    Ok(sandbox)
}

/// A seed that is easily typed again.
pub fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}

fn grade(arguments: &Arguments, seed: u64) -> anyhow::Result<Report> {
    let workspace = Workspace::find()?;
    let choices = choose(&workspace, arguments)?;
    let targets = match &arguments.program {
        Some(path) => vec![Ok(one_program(path, &choices)?)],
        None => {
            // What a full disk or a lack of descriptors has to say is said before the build, not
            // after it.
            drop(start_sandbox()?);
            build_targets(&workspace, &choices, owner(arguments), arguments.format)?
        }
    };
    let sandbox = start_sandbox()?;
    let deadline = Duration::from_millis(arguments.deadline_ms);
    let modules = side_by_side(&choices, &targets, |choice, target| match target {
        Ok(target) => judge(choice, target.clone(), &sandbox, seed, deadline),
        Err(errors) => {
            let shown_as = format!("{}/{}", owner(arguments).folder(), choice.module.name);
            let only = choice.only.as_deref();
            grader::does_not_build(&choice.manifest, shown_as, only, errors.clone())
        }
    });
    drop(sandbox);
    // Only the learner's own program, under the usual conditions, says how far the learner is.
    let is_usual = arguments.deadline_ms == DEFAULT_DEADLINE_MS;
    if arguments.program.is_none() && !arguments.solutions && is_usual {
        progress::keep(&workspace, &modules);
    }
    Ok(Report { seed, modules, error: None })
}

/// Grades one module after the other, and [`AT_ONCE`] of them at the same time; the reports are in
/// the order of `choices`.
fn side_by_side(
    choices: &[Choice],
    targets: &Targets,
    grade: impl Fn(&Choice, &Result<Target, String>) -> ModuleReport + Sync,
) -> Vec<ModuleReport> {
    let count = choices.len();
    let progress = Progress::begin("grading");
    let begun = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::with_capacity(count));
    let work = || {
        loop {
            let index = begun.fetch_add(1, Ordering::Relaxed);
            let (Some(choice), Some(target)) = (choices.get(index), targets.get(index)) else {
                return;
            };
            let place =
                if count > 1 { format!(" ({} of {count})", index + 1) } else { String::new() };
            progress.say(format!("grading {}{place}", choice.module.name));
            let report = grade(choice, target);
            reports.lock().unwrap_or_else(PoisonError::into_inner).push((index, report));
        }
    };
    thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(count) {
            scope.spawn(work);
        }
        work();
    });
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

fn owner(arguments: &Arguments) -> Owner {
    if arguments.solutions { Owner::Reference } else { Owner::Learner }
}

fn choose(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<Vec<Choice>> {
    let chosen = workspace.chosen_modules(&arguments.modules)?;
    if arguments.program.is_some() && chosen.len() != 1 {
        bail!(
            "--program is judged by one module: name it, as in \
             `cargo xtask grade tcp-echo --program PATH`"
        );
    }
    let mut choices = Vec::new();
    for module in chosen {
        choices.push(Choice { module, manifest: workspace.manifest(module.name)?, only: None });
    }
    if arguments.checks.is_empty() {
        return Ok(choices);
    }
    for wanted in &arguments.checks {
        known_check(wanted, &choices)?;
    }
    for choice in &mut choices {
        let ids = choice.manifest.checks.iter().map(|check| check.id.clone());
        choice.only = Some(ids.filter(|id| arguments.checks.contains(id)).collect());
    }
    choices.retain(|choice| choice.only.as_ref().is_some_and(|only| !only.is_empty()));
    Ok(choices)
}

fn known_check(wanted: &str, choices: &[Choice]) -> anyhow::Result<()> {
    let ids: Vec<&str> = choices
        .iter()
        .flat_map(|choice| choice.manifest.checks.iter().map(|check| check.id.as_str()))
        .collect();
    if ids.contains(&wanted) {
        return Ok(());
    }
    let of = choices.iter().map(|choice| choice.module.name).collect::<Vec<_>>().join(", ");
    bail!("there is no check `{wanted}` in {of}; {}", modules::suggest(wanted, &ids, "its checks"))
}

fn one_program(path: &Path, choices: &[Choice]) -> anyhow::Result<Target> {
    let module = choices.first().map_or("MODULE", |choice| choice.module.name);
    program_at(path, &format!("grade {module}"))
}

/// The executable at `path`, for a `command` of the runner such as `grade tcp-echo`.
///
/// # Errors
///
/// There is no file, or it is none that can be executed.
pub fn program_at(path: &Path, command: &str) -> anyhow::Result<Target> {
    let shown = path.display();
    let metadata = match fs_err::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("there is no program {shown}; --program takes the path of an executable file")
        }
        other => other.with_context(|| format!("look at the program {shown}"))?,
    };
    if metadata.is_dir() {
        bail!("{shown} is a folder; --program takes the path of an executable file in it");
    }
    if !metadata.is_file() {
        bail!("{shown} is no regular file; --program takes the path of an executable file");
    }
    if rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err() {
        bail!(
            "{shown} is not executable: `chmod +x {shown}` makes it so (a script also needs a \
             first line such as `#!/usr/bin/env python3`); then \
             `cargo xtask {command} --program {shown}`"
        );
    }
    let program = std::path::absolute(path).context("find the program's absolute path")?;
    Ok(Target { program, shown_as: shown.to_string() })
}

/// Builds the program of one module; or the compiler's messages.
///
/// # Errors
///
/// As [`build::build`].
pub fn build_one(
    workspace: &Workspace,
    module: &str,
    owner: Owner,
) -> anyhow::Result<Result<Target, String>> {
    let mut built = build::build(workspace, &[module], owner, terminal::stderr_colours())?;
    let Outcome { executable, errors, .. } = built.outcomes.remove(0);
    let shown_as = format!("{}/{module}", owner.folder());
    Ok(executable.map(|program| Target { program, shown_as }).ok_or(errors))
}

/// One entry a choice: the program, or the compiler's messages.
type Targets = Vec<Result<Target, String>>;

fn build_targets(
    workspace: &Workspace,
    choices: &[Choice],
    owner: Owner,
    format: Format,
) -> anyhow::Result<Targets> {
    let names: Vec<&str> = choices.iter().map(|choice| choice.module.name).collect();
    // Errors go to standard output with the report, warnings to standard error.
    let colour =
        (format == Format::Text && terminal::stdout_colours()) || terminal::stderr_colours();
    let built = build::build(workspace, &names, owner, colour)?;
    let targets = names.iter().zip(built.outcomes).map(|(name, outcome)| {
        let Outcome { executable, errors, warnings } = outcome;
        if !warnings.is_empty() {
            anstream::eprint!("{warnings}");
        }
        let shown_as = format!("{}/{name}", owner.folder());
        let plain = || anstream::adapter::strip_str(&errors).to_string();
        let errors = if terminal::stdout_colours() { errors.clone() } else { plain() };
        executable.map(|program| Target { program, shown_as }).ok_or(errors)
    });
    Ok(targets.collect())
}

fn tell(arguments: &Arguments, report: &Report, out: Option<&ResultFile>) -> anyhow::Result<()> {
    let whole = arguments.checks.is_empty();
    let text = |colour: bool| text(report, arguments.all, whole, colour);
    let in_format = |colour: bool| match arguments.format {
        Format::Text => text(colour),
        Format::Json => json(report),
        Format::Junit => Ok(formats::junit::write(&Scored::of(report))),
        Format::Gradescope => Ok(formats::gradescope::write(&Scored::of(report))),
        Format::Classroom50 => Ok(classroom50::write(&Scored::of(report), &classroom50_origin()?)),
        Format::Check50 => Ok(formats::check50::write(&Scored::of(report))),
        Format::Exercism => Ok(formats::exercism::write(&Scored::of(report))),
    };
    if let Some(file) = out {
        file.write(&plain(in_format(false)?))?;
    }
    if out.is_none() && arguments.format != Format::Text {
        return output::print(&in_format(false)?);
    }
    output::print(&links::linked(text(terminal::stdout_colours())?))
}

/// Which submission is graded, as Classroom 50's runner says it.
fn classroom50_origin() -> anyhow::Result<classroom50::Origin> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = formats::utc(i64::try_from(now).unwrap_or_default());
    classroom50::Origin::from_environment(now).map_err(|missing| {
        anyhow!(
            "--format classroom50 writes the result of a submission, which Classroom 50's runner \
             names in the environment; not set: {}",
            missing.join(", ")
        )
    })
}

fn plain(told: Vec<u8>) -> Vec<u8> {
    anstream::adapter::strip_bytes(&told).into_vec()
}

fn text(report: &Report, all: bool, whole: bool, colour: bool) -> anyhow::Result<Vec<u8>> {
    let mut told = Vec::new();
    let options = TextOptions { all, whole, ..terminal::text_options(colour) };
    report::text::write(report, &options, &mut told)?;
    told.extend(hidden_points(report).into_bytes());
    Ok(told)
}

/// What a handout's learner should know of points that nothing here gives.
fn hidden_points(report: &Report) -> String {
    let Ok(workspace) = Workspace::find() else { return String::new() };
    let mut page = Page::new(&terminal::text_options(false));
    for module in &report.modules {
        let manifest = workspace.manifest(&module.module);
        let hidden = manifest.map_or(0, |manifest| manifest.hidden_points);
        if hidden > 0 {
            let (name, visible) = (&module.module, module.max_score());
            page.prose(0, &wording::hidden_points(name, visible, hidden));
        }
    }
    page.text().to_owned()
}

fn json(report: &Report) -> anyhow::Result<Vec<u8>> {
    let mut told = serde_json::to_vec_pretty(&report::json::document(report))?;
    told.push(b'\n');
    Ok(told)
}

/// What to do if a check could not be run because the machine had run out of something.
pub fn shortage(report: &Report) -> Option<&'static str> {
    let checks = report.modules.iter().flat_map(|module| &module.checks);
    let failed = checks.filter(|check| check.status == Status::Error);
    let mut told = failed.filter_map(|check| check.feedback.as_ref());
    told.find_map(|feedback| advice::for_error(&feedback.got))
}

fn status(report: &Report, all_asked_for: bool) -> ExitCode {
    let checks = || report.modules.iter().flat_map(|module| &module.checks);
    let grader_failed = checks().any(|check| check.status == Status::Error);
    let passed = if all_asked_for {
        // Whoever names a check wants to know of that one, core or stretch.
        checks().all(|check| check.status == Status::Passed)
    } else {
        report.modules.iter().all(ModuleReport::core_passed)
    };
    match (report.error.is_some() || grader_failed, passed) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    }
}
