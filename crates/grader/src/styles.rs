//! Correct programs in other styles and languages, which a module's checks must not reject.
//!
//! They stand in the module's `tests/styles/`: a `.rs` file that needs nothing but std, or a script
//! that can be executed. A module's test calls [`prove`].

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sandbox::Sandbox;

use crate::manifest::Manifest;
use crate::module::{Module, Target};
use crate::report::{ModuleReport, Status};
use crate::runner::{Plan, run};

/// The seed of these gradings: a test should do the same each time.
const SEED: u64 = 1;
/// How long one wait of a check may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Grades every program in `folder/tests/styles` with all checks of `module`, and prints a line for
/// each.
///
/// A script whose interpreter is not installed is named and not counted. The last line is
/// `N passed, N failed`.
pub fn prove(module: &Module, folder: &Path) -> ExitCode {
    match prove_all(module, folder) {
        Ok((passed, failed)) => {
            println!("{passed} passed, {failed} failed");
            if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Grades `program` with all checks of `module`, whose crate is at `folder`, and prints what it
/// fails.
pub fn prove_program(module: &Module, folder: &Path, program: &Path) -> ExitCode {
    let proved = Bench::open(module, folder).map(|bench| bench.accepts(program, module.name));
    match proved {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn prove_all(module: &Module, folder: &Path) -> Result<(u32, u32)> {
    let bench = Bench::open(module, folder)?;
    let (mut passed, mut failed) = (0, 0);
    for source in sources(&folder.join("tests/styles"))? {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(program) = executable(&source, bench.sandbox.scratch())? else {
            println!("{name}: not run, its interpreter is not installed");
            continue;
        };
        if bench.accepts(&program, &name) {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    Ok((passed, failed))
}

/// A module ready to judge programs.
struct Bench<'a> {
    module: &'a Module,
    manifest: Manifest,
    sandbox: Sandbox,
}

impl<'a> Bench<'a> {
    fn open(module: &'a Module, folder: &Path) -> Result<Self> {
        let manifest = Manifest::load(&folder.join("module.toml"))?;
        Ok(Self { module, manifest, sandbox: Sandbox::start()? })
    }

    /// Whether every check passes; prints a line, and what failed.
    fn accepts(&self, program: &Path, name: &str) -> bool {
        let plan = Plan {
            module: self.module,
            manifest: &self.manifest,
            target: Target { program: program.to_path_buf(), shown_as: name.to_owned() },
            only: None,
            seed: SEED,
            deadline: DEADLINE,
        };
        let rejected = rejections(&run(&plan, &self.sandbox));
        if rejected.is_empty() {
            println!("{name}: every check passes");
        } else {
            println!("{name}: a correct program is rejected\n{}", rejected.join("\n"));
        }
        rejected.is_empty()
    }
}

fn rejections(report: &ModuleReport) -> Vec<String> {
    let mut rejections = Vec::new();
    for check in &report.checks {
        if matches!(check.status, Status::Passed | Status::Unsupported) {
            continue;
        }
        let feedback = check.feedback.clone().unwrap_or_default();
        rejections.push(format!(
            "{} {}\n{}\nexpected: {}\ngot: {}",
            check.id,
            check.status.as_str(),
            feedback.transcript,
            feedback.expected,
            feedback.got
        ));
    }
    rejections
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            sources.push(path);
        }
    }
    sources.sort();
    if sources.is_empty() {
        bail!("{} holds no program", folder.display());
    }
    Ok(sources)
}

/// The program itself: compiled if it is Rust. `None` if a script's interpreter is not there.
fn executable(source: &Path, scratch: &Path) -> Result<Option<PathBuf>> {
    if source.extension().is_none_or(|extension| extension != "rs") {
        let runs = Command::new(source).output().is_ok();
        return Ok(runs.then(|| source.to_path_buf()));
    }
    let program = scratch.join(source.file_stem().unwrap_or_default());
    let status = Command::new("rustc")
        .args(["--edition", "2024", "-C", "opt-level=1", "-o"])
        .arg(&program)
        .arg(source)
        .status()
        .context("start rustc")?;
    if !status.success() {
        bail!("{} does not compile", source.display());
    }
    Ok(Some(program))
}
