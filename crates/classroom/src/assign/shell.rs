//! The other programs that making a handout takes: cargo, rustc and git.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::interrupt::Group;
use crate::workspace::Workspace;

/// What a program said and how it ended.
pub struct Said {
    /// Whether it ended well.
    pub succeeded: bool,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Cargo, as it is run on a handout that is being made.
pub struct Cargo {
    target: PathBuf,
}

impl Cargo {
    /// Cargo with a target folder of its own below the course's.
    pub fn new(workspace: &Workspace) -> Self {
        Self { target: workspace.own_target().join("assign") }
    }

    /// Runs cargo in the folder `at`, without the network where that can be.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn run(&self, at: &Path, arguments: &[&str]) -> anyhow::Result<Said> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.args(arguments);
        if arguments.first() != Some(&"vendor") {
            command.arg("--offline");
        }
        command.env("CARGO_TARGET_DIR", &self.target);
        // What the course's own `cargo run` has set, and the caller's wish for warnings as errors.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text == "CARGO_MANIFEST_DIR" || text == "RUSTFLAGS"
            {
                command.env_remove(&name);
            }
        }
        run(command, at).context("start cargo")
    }

    /// As [`Cargo::run`], and what it writes to standard output.
    ///
    /// # Errors
    ///
    /// It cannot be started, or fails; `why` says at what.
    pub fn must(&self, at: &Path, arguments: &[&str], why: &str) -> anyhow::Result<String> {
        let said = self.run(at, arguments)?;
        if !said.succeeded {
            bail!("cannot {why}:\n{}", String::from_utf8_lossy(&said.stderr).trim_end());
        }
        Ok(String::from_utf8(said.stdout)?)
    }
}

/// The version of the compiler ("1.95.0"): what an autograder gets, too.
///
/// # Errors
///
/// There is none.
pub fn rust_version(workspace: &Workspace) -> anyhow::Result<String> {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.arg("--version");
    let said = run(command, workspace.root()).context("start rustc")?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = text.split_whitespace().nth(1).map(str::to_owned);
    version.context("read what `rustc --version` says")
}

/// Git in the folder `at`.
///
/// # Errors
///
/// It cannot be started, or fails.
pub fn git(at: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.args(arguments);
    // A hook or an alias may have set them for another repository.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    let said = run(command, at).context("start git, which --git needs")?;
    if !said.succeeded {
        let words = String::from_utf8_lossy(&said.stderr);
        bail!("`git {}` fails: {}", arguments.join(" "), words.trim_end());
    }
    Ok(String::from_utf8_lossy(&said.stdout).trim_end().to_owned())
}

fn run(mut command: Command, at: &Path) -> std::io::Result<Said> {
    command.current_dir(at).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command.spawn()?;
    let _group = Group::of(&child);
    let output = child.wait_with_output()?;
    Ok(Said { succeeded: output.status.success(), stdout: output.stdout, stderr: output.stderr })
}
