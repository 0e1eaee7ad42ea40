//! `cargo xtask picture`: the picture of a failure that the README shows, recorded anew.
//!
//! A known-wrong program is graded as a learner's would be, and what the terminal would show is
//! drawn. So the picture never tells what a grading does not.

pub mod svg;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use grader::module::Target;
use grader::report::text::TextOptions;
use grader::report::{self, Report, Status};

use crate::grade::{self, Choice};
use crate::interrupt::PassingFolder;
use crate::output::ResultFile;
use crate::verify::wrong::{self, Compiler};
use crate::workspace::{Owner, Workspace};
use crate::{build, modules};

/// What is graded: a server that reads all, then answers.
const MODULE: &str = "tcp-echo";
const WRONG: &str = "echo-at-end";
const CHECK: &str = "echo-as-it-comes";
/// The random input, so that the same bytes are shown each time.
const SEED: u64 = 7;
const DEADLINE: Duration = Duration::from_secs(10);
/// How wide the terminal is.
const COLUMNS: usize = 80;
/// Where the README looks for the picture, below the course's folder.
const PLACE: &str = ".github/failure.svg";

/// Record the README's picture of a failure anew, by grading a known-wrong program.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write it here instead of to .github/failure.svg.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
///
/// The program cannot be built, does not fail as it should, or the file cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let place = arguments.out.clone().unwrap_or_else(|| workspace.root().join(PLACE));
    let file = ResultFile::prepare(&place)?;
    let told = failure(&workspace)?;
    let command = format!("cargo xtask grade {MODULE} --check {CHECK}");
    let screen = format!("$ {command}\n{}", told.trim_end());
    let about = format!(
        "A terminal after `{command}`: what the program promised, what happened step by step, \
         what was expected, what came instead, and a hint."
    );
    file.write(svg::draw(&screen, COLUMNS, &about).as_bytes())?;
    anstream::eprintln!("wrote {}", place.display());
    Ok(ExitCode::SUCCESS)
}

/// What the terminal shows, with its colours.
fn failure(workspace: &Workspace) -> anyhow::Result<String> {
    let mut build = build::build(workspace, &[MODULE], Owner::Reference, false)?;
    let outcome = build.outcomes.remove(0);
    if outcome.executable.is_none() {
        bail!("the reference of {MODULE} does not compile:\n{}", outcome.errors.trim_end());
    }
    let (programs, _) = wrong::all(workspace, MODULE)?;
    let program = programs.iter().find(|program| program.name == WRONG);
    let program = program.with_context(|| format!("{MODULE} has no known-wrong {WRONG}"))?;
    let compiled = Compiler::new(workspace, MODULE, &build.libraries)?.compile(program)?;
    // The learner's has the module's name.
    let folder = PassingFolder::make(workspace.own_target().join("picture"))?;
    let program = folder.path().join(MODULE);
    fs_err::copy(compiled, &program)?;
    let report = grade_as_learners(workspace, &program)?;
    let mut told = Vec::new();
    let options =
        TextOptions { columns: COLUMNS, colour: true, unicode: true, ..TextOptions::default() };
    report::text::write(&report, &options, &mut told)?;
    String::from_utf8(told).context("read the report")
}

fn grade_as_learners(workspace: &Workspace, program: &Path) -> anyhow::Result<Report> {
    let choice = Choice {
        module: modules::find(MODULE)?,
        manifest: workspace.manifest(MODULE)?,
        only: Some(vec![CHECK.to_owned()]),
    };
    let shown_as = format!("{}/{MODULE}", Owner::Learner.folder());
    let target = Target { program: program.to_path_buf(), shown_as };
    let sandbox = grade::start_sandbox()?;
    let module = grade::judge(&choice, target, &sandbox, SEED, DEADLINE);
    if module.checks.iter().any(|check| check.status != Status::Failed) {
        bail!("{WRONG} does not fail {CHECK} here, so there is nothing to show");
    }
    Ok(Report { seed: SEED, modules: vec![module], error: None })
}

#[cfg(test)]
mod tests {
    use super::{CHECK, MODULE, PLACE, svg};
    use crate::workspace::Workspace;

    fn words(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_picture_says_what_a_grading_says_today() {
        let workspace = Workspace::find().expect("the tests run inside the course");
        let manifest = workspace.manifest(MODULE).expect("read the manifest");
        let check = manifest.checks.iter().find(|check| check.id == CHECK).expect("the check");
        let picture = fs_err::read_to_string(workspace.root().join(PLACE)).expect("read it");
        let shown = words(&svg::text_of(&picture));
        let again = "out of date: record it anew with `cargo xtask picture`";
        assert!(shown.contains(&words(&check.promise)), "{again}: {shown}");
        assert!(shown.contains(&words(&check.title)), "{again}: {shown}");
        let is_shown = |hint: &String| shown.contains(&words(hint));
        let mut mistakes = check.mistakes.iter().map(|mistake| &mistake.hint);
        assert!(mistakes.any(is_shown) || check.hints.iter().any(is_shown), "{again}: {shown}");
    }
}
