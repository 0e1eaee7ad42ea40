//! `cargo xtask completions`: what bash, zsh and fish need to complete `cargo xtask …`.
//!
//! The command line says `cargo`, so the usual scripts, which go by a program's name, do not fit.
//! Each shell gets a thin wrapper around its completion of cargo, and all share one small program
//! for `sh`: a table of the commands, made from the parser itself, and the names of modules and
//! checks, read from the course at each Tab. Outside the course it says nothing, since other
//! projects have a `cargo xtask` too.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Arg, Args, Command, ValueEnum};

use crate::output;

const ENGINE: &str = include_str!("completions/engine.sh");
const BASH: &str = include_str!("completions/wrapper.bash");
const ZSH: &str = include_str!("completions/wrapper.zsh");
const FISH: &str = include_str!("completions/wrapper.fish");

/// Print what a shell needs to complete `cargo xtask …` at a Tab
///
/// bash:  cargo xtask completions bash > ~/.xtask-course.bash
///        echo 'source ~/.xtask-course.bash' >> ~/.bashrc
///
/// zsh:   cargo xtask completions zsh > ~/.xtask-course.zsh
///        echo 'source ~/.xtask-course.zsh' >> ~/.zshrc
///
/// fish:  cargo xtask completions fish > ~/.config/fish/conf.d/xtask-course.fish
///
/// They act in the course's folder only, from the next shell on that you start. Modules and checks
/// are read anew at each Tab; print the file again when the course has got new commands.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// A shell that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Runs the command for the parser `line`.
///
/// # Errors
///
/// Standard output takes no more.
pub fn run(arguments: &Arguments, line: Command) -> anyhow::Result<ExitCode> {
    output::print(script(arguments.shell, line).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell, line: Command) -> String {
    let engine = engine(line);
    // In single quotes, where only these letters mean anything.
    let (wrapper, engine) = match shell {
        Shell::Bash => (BASH, engine.replace('\'', r"'\''")),
        Shell::Zsh => (ZSH, engine.replace('\'', r"'\''")),
        Shell::Fish => (FISH, engine.replace('\\', r"\\").replace('\'', r"\'")),
    };
    wrapper.replace("@ENGINE@", engine.trim_end())
}

/// The program that lists candidates, with its tables.
fn engine(mut line: Command) -> String {
    line.build();
    let (mut commands, mut options) = (String::new(), String::new());
    let (mut values, mut places) = (String::new(), String::new());
    for command in line.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        _ = writeln!(commands, "{name}\t{}", summary(command.get_about()));
        if name == "help" {
            _ = writeln!(places, "\"help 0\") echo commands ;;");
            continue;
        }
        _ = writeln!(options, "{name}) cat <<'END'");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let Some(long) = argument.get_long() else {
                continue;
            };
            _ = writeln!(options, "--{long}\t{}", summary(argument.get_help()));
            if needs_value(argument) {
                _ = writeln!(values, "\"{name} --{long}\") echo '{}' ;;", kind(argument));
            }
        }
        options.push_str("END\n;;\n");
        for (index, argument) in command.get_positionals().enumerate() {
            let takes_more = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
            let index = if takes_more { "*".to_owned() } else { index.to_string() };
            _ = writeln!(places, "\"{name} \"{index}) echo '{}' ;;", kind(argument));
        }
    }
    ENGINE
        .replace("@COMMANDS@", commands.trim_end())
        .replace("@OPTIONS@", options.trim_end())
        .replace("@VALUES@", values.trim_end())
        .replace("@PLACES@", places.trim_end())
}

/// The first sentence, for the shells that show one.
fn summary(help: Option<&clap::builder::StyledStr>) -> String {
    let help = help.map(ToString::to_string).unwrap_or_default();
    let line = help.lines().next().unwrap_or_default();
    line.trim_end_matches('.').to_owned()
}

/// Whether the word after the option belongs to it.
fn needs_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
        && argument.get_num_args().is_none_or(|range| range.min_values() > 0)
}

/// What may stand there, in the engine's words.
fn kind(argument: &Arg) -> String {
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| value.get_name().to_owned())
        .collect();
    if !values.is_empty() {
        return format!("words {}", values.join(" "));
    }
    let names = argument.get_value_names().unwrap_or_default();
    let kind = match names.first().map(|name| name.as_str()) {
        Some("MODULE") => "modules",
        Some("CHECK" | "ID") => "checks",
        Some("SOURCE") => "sources",
        Some("PATH" | "FILE" | "DIR" | "SUBMISSIONS" | "RESULTS") => "files",
        _ => "nothing",
    };
    kind.to_owned()
}
