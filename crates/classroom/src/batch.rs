//! `cargo xtask batch`: grades a class.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Grade the submissions of a class.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder, or the archive, with the submissions.
    #[arg(value_name = "SUBMISSIONS")]
    submissions: PathBuf,
    /// The folder for the results: one JSON file a submission.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
///
/// Wrong usage, or a machine that cannot grade.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!("{} is not graded yet", arguments.submissions.display())
}
