//! Building programs with cargo, and reading what it says about them.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::advice;
use crate::cancel::Cancel;
use crate::interrupt::Group;
use crate::terminal::Progress;
use crate::workspace::{Owner, Workspace};

/// How much of cargo's own messages is kept, in bytes: the end, where the error stands.
const CARGO_WORDS_BYTES: usize = 64 * 1024;

/// What cargo made of one package.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The program, if it was built.
    pub executable: Option<PathBuf>,
    /// The compiler's errors and all that it said beside them, as rustc prints them; empty if there
    /// were none.
    pub errors: String,
    /// The compiler's warnings, as rustc prints them.
    pub warnings: String,
}

/// All that cargo built, dependencies included.
#[derive(Debug, Default)]
pub struct Build {
    /// One entry a package asked for, in that order.
    pub outcomes: Vec<Outcome>,
    /// The libraries among the dependencies: the crate's name and its `.rlib`.
    pub libraries: Vec<(String, PathBuf)>,
    /// The compiler's command lines, quoted as for a shell, of what was not built already.
    pub commands: Vec<String>,
}

/// Builds the programs of `modules`; a broken one does not stop the others.
///
/// # Errors
///
/// Cargo cannot be run, or fails before it compiles anything, or the machine is out of something.
pub fn build(
    workspace: &Workspace,
    modules: &[&str],
    owner: Owner,
    colour: bool,
) -> anyhow::Result<Build> {
    for module in modules {
        workspace.expect_program(module, owner)?;
    }
    let progress = Progress::begin(format!("building {}", modules.join(", ")));
    build_until(workspace, modules, owner, colour, &progress, &Cancel::default())
}

/// As [`build`], told by a progress of the caller's, and ended when `cancel` says so.
///
/// # Errors
///
/// As [`build`]; also when it was ended so.
pub fn build_until(
    workspace: &Workspace,
    modules: &[&str],
    owner: Owner,
    colour: bool,
    progress: &Progress,
    cancel: &Cancel,
) -> anyhow::Result<Build> {
    let said = run_cargo(workspace, modules, owner, colour, progress, cancel)?;
    let mut build = Build::default();
    build.outcomes.resize_with(modules.len(), Outcome::default);
    let manifests: Vec<PathBuf> = modules
        .iter()
        .map(|module| workspace.program_folder(module, owner).join("Cargo.toml"))
        .collect();
    for message in &said.messages {
        let from = message["manifest_path"].as_str().map(Path::new);
        let place = manifests.iter().position(|manifest| from == Some(manifest));
        match (message["reason"].as_str(), place) {
            (Some("compiler-artifact"), Some(at)) => {
                let package = owner.package(modules[at]);
                if is_binary(message, &package) {
                    build.outcomes[at].executable =
                        message["executable"].as_str().map(PathBuf::from);
                }
            }
            (Some("compiler-artifact"), None) => build.libraries.extend(library(message)),
            (Some("compiler-message"), Some(at)) => {
                take_message(&message["message"], &mut build.outcomes[at]);
            }
            _ => {}
        }
    }
    for (module, outcome) in modules.iter().zip(&mut build.outcomes) {
        settle(outcome, &owner.package(module), &said)?;
    }
    build.commands = said.commands;
    Ok(build)
}

/// A cargo command in a process group of its own, so that all of it can be ended, without the
/// variables of the `cargo run` around it that describe this package.
pub fn cargo(directory: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(directory);
    for (name, _) in env::vars_os() {
        let told = name.to_string_lossy();
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if ours.iter().any(|prefix| told.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    end_with_runner(&mut command);
    command
}

/// Sees to it that the command's processes end when the runner does; see [`Group`] for its
/// children.
pub fn end_with_runner(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        use std::os::unix::process::CommandExt;
        let ask = || Ok(set_parent_process_death_signal(Some(Signal::KILL))?);
        // SAFETY: between fork and exec only one system call is made: no allocation, no lock.
        unsafe { command.pre_exec(ask) };
    }
}

/// What cargo printed.
struct Said {
    messages: Vec<Value>,
    words: String,
    commands: Vec<String>,
    succeeded: bool,
}

fn run_cargo(
    workspace: &Workspace,
    modules: &[&str],
    owner: Owner,
    colour: bool,
    progress: &Progress,
    cancel: &Cancel,
) -> anyhow::Result<Said> {
    let format = if colour { "json-diagnostic-rendered-ansi" } else { "json" };
    let mut command = cargo(workspace.root());
    command.args(["build", "--verbose", "--keep-going", "--message-format", format]);
    for module in modules {
        command.args(["--package", &owner.package(module)]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("start cargo")?;
    let group = Arc::new(Group::of(&child));
    cancel.ends_group(&group);
    let mut said = read_both(&mut child, progress)?;
    said.succeeded = child.wait().context("wait for cargo")?.success();
    Ok(said)
}

/// Reads standard output, one JSON message a line, and standard error, which moves the progress on.
fn read_both(child: &mut Child, progress: &Progress) -> anyhow::Result<Said> {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        bail!("cargo was started without pipes");
    };
    thread::scope(|scope| {
        let listen = || listen_to_cargo(stderr, progress);
        let words =
            thread::Builder::new().spawn_scoped(scope, listen).context("listen to cargo")?;
        let mut messages = Vec::new();
        for line in BufReader::new(stdout).lines() {
            let line = line.context("listen to cargo")?;
            // A build script or a procedural macro may print lines of its own: they are no
            // messages.
            messages.extend(serde_json::from_str::<Value>(&line));
        }
        let (words, commands) = words.join().unwrap_or_default();
        Ok(Said { messages, words, commands, succeeded: false })
    })
}

/// The end of what it says, and the commands that it runs.
fn listen_to_cargo(stderr: impl Read, progress: &Progress) -> (String, Vec<String>) {
    let (mut words, mut commands) = (String::new(), Vec::new());
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let plain = anstream::adapter::strip_str(&line).to_string();
        if let Some(doing) = plain.strip_prefix("   ").map(str::trim) {
            match doing.split_once(' ') {
                Some(("Running", command)) => commands.push(command.trim_matches('`').to_owned()),
                Some(("Fresh" | "Dirty", _)) => {}
                _ => progress.say(doing),
            }
        } else {
            words.push_str(&line);
            words.push('\n');
        }
        if words.len() > 2 * CARGO_WORDS_BYTES {
            // Cut at the end of a line, which is also the end of a character.
            let cut = words.as_bytes()[..CARGO_WORDS_BYTES].iter().rposition(|byte| *byte == b'\n');
            words.drain(..cut.map_or(words.len(), |newline| newline + 1));
        }
    }
    (words, commands)
}

fn is_binary(message: &Value, name: &str) -> bool {
    let kinds = message["target"]["kind"].as_array();
    kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "bin"))
        && message["target"]["name"] == name
}

/// The name and the `.rlib` of a library that a program links against.
fn library(message: &Value) -> Option<(String, PathBuf)> {
    let name = message["target"]["name"].as_str()?.replace('-', "_");
    let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
    let file =
        files.map(PathBuf::from).find(|file| file.extension().is_some_and(|kind| kind == "rlib"));
    Some((name, file?))
}

/// Takes one of rustc's diagnostics, in its JSON form.
pub fn take_message(diagnostic: &Value, outcome: &mut Outcome) {
    let rendered = diagnostic["rendered"].as_str().unwrap_or_default();
    match diagnostic["level"].as_str() {
        Some("warning") => outcome.warnings.push_str(rendered),
        // Notes that belong to no other message follow the errors ("For more information …").
        _ => outcome.errors.push_str(rendered),
    }
}

/// Decides what a package without a program means: the author's error, or the machine's.
fn settle(outcome: &mut Outcome, package: &str, said: &Said) -> anyhow::Result<()> {
    if said.succeeded && outcome.executable.is_some() {
        outcome.errors.clear();
        return Ok(());
    }
    if !outcome.errors.is_empty() {
        let plain = anstream::adapter::strip_str(&outcome.errors).to_string();
        if let Some(advice) = advice::for_shortage(&plain) {
            bail!("cannot build {package}: {advice}\n{plain}");
        }
        outcome.executable = None;
        return Ok(());
    }
    if said.succeeded {
        outcome.errors = format!(
            "error: the package `{package}` builds no program named `{package}`; \
             its Cargo.toml must name the package so, and src/main.rs must be there\n"
        );
        return Ok(());
    }
    if outcome.executable.is_some() {
        return Ok(());
    }
    let compiled = said.messages.iter().any(|message| message["reason"] == "build-finished");
    if !compiled || advice::for_shortage(&said.words).is_some() || !said.words.contains(package) {
        bail!("cannot build {package}; cargo says:\n{}", said.words.trim_end());
    }
    outcome.errors.clone_from(&said.words);
    Ok(())
}
