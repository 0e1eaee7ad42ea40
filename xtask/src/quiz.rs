//! `cargo xtask quiz`: the theory of the lecture, asked.
//!
//! The questions of a module stand in `crates/MODULE/quiz.toml`, so that they go with the module
//! wherever it is copied.

#[cfg(feature = "authors")]
mod content;
mod keys;
mod lines;
mod questions;
mod session;
mod telling;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

#[cfg(feature = "authors")]
pub use self::content::problems;
use self::questions::Quiz;
use self::session::{Answers, Asked, Course};
use crate::workspace::Workspace;
use crate::{grade, modules, terminal};

/// How many questions a mix over all modules has.
const MIXED: usize = 10;

/// Ask yourself: questions on a module's theory, or ten from all modules.
#[derive(Debug, Args)]
#[command(after_help = "\
Answer with a, b, c or d; q leaves. In a terminal one key is enough; otherwise, or with --lines,
each answer is a line. Every answer is explained. At the end stand your result and the parts of the
handouts that are worth reading again.
Exit status: 0 all questions were asked, whatever the result; 1 you left before; 2 wrong usage or a
broken quiz.toml.")]
pub struct Arguments {
    /// The module to be asked about; without it the one whose folder you stand in, else a mix.
    #[arg(value_name = "MODULE")]
    module: Option<String>,
    /// The seed of all that is left to chance, as an earlier quiz printed it: the order of the
    /// answers, and which questions are in a mix.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Read answers as lines in a terminal too; good with a screen reader.
    #[arg(long)]
    lines: bool,
}

/// Runs the command.
///
/// # Errors
///
/// There is no course here, no module has that name, a `quiz.toml` is broken, the answers cannot be
/// read, or ten lines in a row are none.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let seed = arguments.seed.unwrap_or_else(grade::random_seed);
    let chosen = match &arguments.module {
        Some(name) => Some(modules::find(name)?),
        None => workspace.module_stood_in(),
    };
    let quizzes = match chosen {
        Some(module) => vec![load(&workspace, module.name)?],
        None => modules::TAUGHT
            .iter()
            .map(|module| load(&workspace, module.name))
            .collect::<anyhow::Result<_>>()?,
    };
    let asked: Vec<Asked> = match (chosen, quizzes.as_slice()) {
        (Some(_), [quiz]) => session::all_of(quiz, seed),
        _ => session::mix(&quizzes, MIXED, seed),
    };
    let course = Course { module: chosen.map(|module| module.name), seed, asked: &asked };
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    let both_terminals = io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut answers = if both_terminals && !is_dumb && !arguments.lines {
        Answers::Keys(keys::Keys::take().context("take single keys from the terminal")?)
    } else {
        Answers::Lines(lines::Lines::of_stdin())
    };
    let mut out = anstream::stdout().lock();
    course.hold(&mut answers, &mut out, &terminal::text_options(terminal::stdout_colours()))
}

fn load(workspace: &Workspace, module: &'static str) -> anyhow::Result<Quiz> {
    Ok(Quiz::load(&workspace.checks_folder(module).join("quiz.toml"), module)?)
}
