//! `cargo xtask assign`, `batch` and the instructor's other commands: they stand in a program of
//! their own, which is built only when it is used.

use std::env;
use std::ffi::OsString;
use std::process::{self, ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::workspace::Workspace;

/// The instructor's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a handout that stands alone, for a class.
    Assign(Arguments),
    /// Grade the submissions of a class.
    Batch(Arguments),
    /// Write the job array that grades a class on a cluster or in CI.
    Plan(Arguments),
    /// Put the results of a plan's shards together.
    Merge(Arguments),
    /// Hand in the points, in the form of a gradebook.
    Export(Arguments),
    /// Write the report of a class as one HTML file.
    Report(Arguments),
}

/// What follows the command's name: `crates/classroom` reads it, `--help` included.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct Arguments {
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

impl Command {
    fn parts(&self) -> (&'static str, &Arguments) {
        match self {
            Self::Assign(arguments) => ("assign", arguments),
            Self::Batch(arguments) => ("batch", arguments),
            Self::Plan(arguments) => ("plan", arguments),
            Self::Merge(arguments) => ("merge", arguments),
            Self::Export(arguments) => ("export", arguments),
            Self::Report(arguments) => ("report", arguments),
        }
    }
}

/// Becomes the instructor's command: its exit status is this process's, and Ctrl-C is its alone.
///
/// # Errors
///
/// Cargo cannot be run.
pub fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let (name, arguments) = command.parts();
    let workspace = Workspace::find()?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = process::Command::new(cargo);
    cargo.args(["run", "--quiet", "--package", "classroom", "--manifest-path"]);
    cargo.arg(workspace.root().join("Cargo.toml")).arg("--").arg(name).args(&arguments.rest);
    start(cargo).context("start cargo")
}

#[cfg(unix)]
fn start(mut cargo: process::Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(cargo.exec())
}

#[cfg(not(unix))]
fn start(mut cargo: process::Command) -> std::io::Result<ExitCode> {
    let code = cargo.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(2)))
}
