//! The instructor's desk: hand out an assignment, grade a class, hand in the points. One file (or
//! folder) a command.
//!
//! What the commands share: [`assignment`] is what an instructor asks of a class, [`results`] what
//! a grading of a class leaves behind.

pub mod assign;
pub mod assignment;
pub mod batch;
pub mod export;
pub mod merge;
pub mod moment;
pub mod plan;
pub mod rehearse;
pub mod report;
pub mod results;

// The runner's own, which this crate cannot depend on: it is a program.
#[path = "../../../xtask/src/advice.rs"]
pub mod advice;
#[path = "../../../xtask/src/interrupt.rs"]
pub mod interrupt;
#[path = "../../../xtask/src/modules.rs"]
pub mod modules;
#[path = "../../../xtask/src/output.rs"]
pub mod output;
#[path = "../../../xtask/src/terminal.rs"]
pub mod terminal;
#[path = "../../../xtask/src/workspace.rs"]
pub mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What an instructor does with the course.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Assign(assign::Arguments),
    Batch(batch::Arguments),
    Plan(plan::Arguments),
    Merge(merge::Arguments),
    Rehearse(rehearse::Arguments),
    Export(export::Arguments),
    Report(report::Arguments),
}

/// The whole program, but for [`sandbox::keeper_main_if_asked`], which comes before it.
pub fn main() -> ExitCode {
    let line = Line::parse();
    let result = interrupt::arm().and_then(|()| dispatch(&line));
    result.unwrap_or_else(|error| {
        advice::tell(&error);
        ExitCode::from(2)
    })
}

fn dispatch(line: &Line) -> anyhow::Result<ExitCode> {
    match &line.command {
        Command::Assign(arguments) => assign::run(arguments),
        Command::Batch(arguments) => batch::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Merge(arguments) => merge::run(arguments),
        Command::Rehearse(arguments) => rehearse::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Report(arguments) => report::run(arguments),
    }
}
