//! `cargo xtask ci`: all that continuous integration runs, in order, up to the first failure.

use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::Context;

use crate::build;
use crate::interrupt::Group;
use crate::terminal::{BAD, GOOD, STRONG};
use crate::workspace::Workspace;
use crate::{grade, verify};

type Step = (&'static str, fn(&Workspace) -> anyhow::Result<bool>);

/// What is run. Cargo's lock is free: `cargo run` gives it back before it starts the runner.
const STEPS: &[Step] = &[
    ("cargo fmt --all --check", |workspace| cargo(workspace, &["fmt", "--all", "--check"])),
    ("cargo clippy --workspace --all-targets -- -D warnings", |workspace| {
        cargo(workspace, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
    }),
    // What a handout builds: no commands of the authors. What only these use is unused there, and a
    // handout allows that (classroom, `unused_is_fine`).
    ("cargo clippy --package xtask --no-default-features", |workspace| {
        let handout = ["clippy", "--package", "xtask", "--no-default-features"];
        let lints = ["--", "-D", "warnings", "-A", "dead_code"];
        cargo(workspace, &[&handout[..], &lints].concat())
    }),
    ("cargo test --workspace", |workspace| cargo(workspace, &["test", "--workspace"])),
    ("cargo xtask verify", |_| {
        Ok(verify::run(&verify::Arguments::everything())? == ExitCode::SUCCESS)
    }),
    ("cargo xtask grade --solutions", |_| {
        Ok(grade::run(&grade::Arguments::references())? == ExitCode::SUCCESS)
    }),
];

/// Runs the command.
///
/// # Errors
///
/// A step cannot be run at all. A step that fails is status 1.
pub fn run() -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    // From a module's folder, the later steps would else take that module alone.
    std::env::set_current_dir(workspace.root()).context("change into the course's folder")?;
    let whole = Instant::now();
    for (name, step) in STEPS {
        anstream::eprintln!("\n{STRONG}==== {name}{STRONG:#}");
        let began = Instant::now();
        let passed = step(&workspace).with_context(|| format!("run `{name}`"))?;
        let seconds = began.elapsed().as_secs_f64();
        if !passed {
            anstream::eprintln!("{BAD}==== failed:{BAD:#} {name} ({seconds:.1} s)");
            return Ok(ExitCode::FAILURE);
        }
        anstream::eprintln!("{GOOD}==== passed{GOOD:#} in {seconds:.1} s");
    }
    anstream::eprintln!(
        "\n{GOOD}all of it passed{GOOD:#} in {:.1} s",
        whole.elapsed().as_secs_f64()
    );
    Ok(ExitCode::SUCCESS)
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<bool> {
    let mut command: Command = build::cargo(workspace.root());
    let mut child = command.args(arguments).stdin(Stdio::null()).spawn().context("start cargo")?;
    let _group = Group::of(&child);
    Ok(child.wait().context("wait for cargo")?.success())
}
