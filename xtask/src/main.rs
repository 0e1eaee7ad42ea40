//! The course's runner, `cargo xtask`: one file a command.
//!
//! What stands under the feature `authors` is for those who make the course or teach with it, and
//! is cut out of handouts, files and all.

mod advice;
#[cfg(feature = "authors")]
mod bench;
mod build;
mod cancel;
#[cfg(feature = "authors")]
mod ci;
#[cfg(feature = "authors")]
mod classroom;
mod completions;
mod doctor;
mod explain;
mod grade;
mod hint;
mod interrupt;
mod keyboard;
mod links;
mod list;
mod modules;
mod output;
mod overview;
mod peer;
#[cfg(feature = "authors")]
mod picture;
mod progress;
mod quiz;
mod reset;
mod solution;
mod starter;
mod terminal;
mod trace;
#[cfg(feature = "authors")]
mod verify;
mod watch;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A course in socket programming, with a grader.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Grade(grade::Arguments),
    Watch(watch::Arguments),
    List(list::Arguments),
    Quiz(quiz::Arguments),
    Reset(reset::Arguments),
    Solution(solution::Arguments),
    Doctor(doctor::Arguments),
    Hint(hint::Arguments),
    Explain(explain::Arguments),
    Trace(trace::Arguments),
    #[cfg(feature = "authors")]
    Verify(verify::Arguments),
    #[cfg(feature = "authors")]
    /// Run all that continuous integration runs: formatting, lints, tests, proof, reference.
    Ci,
    #[cfg(feature = "authors")]
    Bench(bench::Arguments),
    Completions(completions::Arguments),
    #[cfg(feature = "authors")]
    #[command(hide = true)]
    Picture(picture::Arguments),
    Peer(peer::Arguments),
    #[cfg(feature = "authors")]
    #[command(flatten)]
    Classroom(classroom::Command),
}

/// How many descriptors the runner asks for: a module's checks hold many connections at the same
/// time.
const WANTED_DESCRIPTORS: u64 = 4096;

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    grader::lab::lab_main_if_asked();
    let line = Line::parse();
    let result = interrupt::arm().and_then(|()| {
        raise_descriptor_limit();
        dispatch(&line)
    });
    result.unwrap_or_else(|error| {
        advice::tell(&error);
        ExitCode::from(2)
    })
}

fn dispatch(line: &Line) -> anyhow::Result<ExitCode> {
    match &line.command {
        None => overview::run(),
        Some(Command::Grade(arguments)) => grade::run(arguments),
        Some(Command::Watch(arguments)) => watch::run(arguments),
        Some(Command::List(arguments)) => list::run(arguments),
        Some(Command::Quiz(arguments)) => quiz::run(arguments),
        Some(Command::Reset(arguments)) => reset::run(arguments),
        Some(Command::Solution(arguments)) => solution::run(arguments),
        Some(Command::Doctor(arguments)) => doctor::run(arguments),
        Some(Command::Hint(arguments)) => hint::run(arguments),
        Some(Command::Explain(arguments)) => explain::run(arguments),
        Some(Command::Trace(arguments)) => trace::run(arguments),
        #[cfg(feature = "authors")]
        Some(Command::Verify(arguments)) => verify::run(arguments),
        #[cfg(feature = "authors")]
        Some(Command::Ci) => ci::run(),
        #[cfg(feature = "authors")]
        Some(Command::Bench(arguments)) => bench::run(arguments),
        #[cfg(feature = "authors")]
        Some(Command::Picture(arguments)) => picture::run(arguments),
        Some(Command::Completions(arguments)) => completions::run(arguments, Line::command()),
        Some(Command::Peer(arguments)) => peer::run(arguments),
        #[cfg(feature = "authors")]
        Some(Command::Classroom(command)) => classroom::run(command),
    }
}

/// Some systems start with room for 256 descriptors. Where more is not allowed, what there is must
/// do.
fn raise_descriptor_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED_DESCRIPTORS, |maximum| maximum.min(WANTED_DESCRIPTORS));
    if current.is_some_and(|current| current < wanted) {
        _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}
