//! What the tests of the runner share: starting it, small courses of their own, and a look at
//! processes.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine, short enough to notice a hang.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The course that these tests belong to.
pub fn course() -> PathBuf {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests"));
    own.parent().expect("xtask lies in the course").to_path_buf()
}

/// The runner, for the course at `root`, with a temporary folder of its own.
pub fn xtask(root: &Path, scratch: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    settle(&mut command, root, scratch);
    command
}

/// The runner, started by a shell after `preparation`, such as a lower limit.
pub fn xtask_after(preparation: &str, root: &Path, scratch: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{preparation}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_xtask")]);
    settle(&mut command, root, scratch);
    command
}

fn settle(command: &mut Command, root: &Path, scratch: &Path) {
    command.current_dir(root).env("CARGO_MANIFEST_DIR", root.join("xtask"));
    command.env("TMPDIR", scratch).env("NO_COLOR", "1").stdin(Stdio::null());
}

/// What came of a command that ended by itself.
pub struct Ended {
    /// Its exit status.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs the command to its end.
pub fn run(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().expect("the runner starts");
    Ended {
        status: status.code(),
        stdout: String::from_utf8(stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(stderr).expect("standard error is UTF-8"),
    }
}

impl Ended {
    /// It was wrong usage or the grader's failure: status 2, nothing on standard output, and all
    /// `words` on standard error.
    pub fn refuses(&self, words: &[&str]) {
        assert_eq!(self.status, Some(2), "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "standard output stays empty");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in:\n{}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// An empty folder that goes with the test.
pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("xtask-test-").tempdir().expect("a temporary folder")
}

/// Writes a program that a shell runs.
#[cfg(unix)]
pub fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs_err::write(path, text).expect("write the script");
    let executable = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(path, executable).expect("make it executable");
}

/// A course of one module with the real manifest, and programs of a few lines: `starter` and
/// `reference` are their `main.rs`.
pub fn small_course(root: &Path, starter: &str, reference: &str) {
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
        fs_err::write(path, text).expect("write the file");
    };
    let package = |name: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             \n[dependencies]\n"
        )
    };
    write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"exercises/*\", \"solutions/*\"]\n",
    );
    write("exercises/tcp-echo/Cargo.toml", &package("tcp-echo"));
    write("exercises/tcp-echo/src/main.rs", starter);
    write("crates/tcp-echo/starter/Cargo.toml", &package("tcp-echo"));
    write("crates/tcp-echo/starter/src/main.rs", starter);
    write("solutions/tcp-echo/Cargo.toml", &package("tcp-echo-solution"));
    write("solutions/tcp-echo/src/main.rs", reference);
    for module in names_in(&course().join("exercises")) {
        let manifest = format!("crates/{module}/module.toml");
        let text = fs_err::read_to_string(course().join(&manifest)).expect("read a manifest");
        write(&manifest, &text);
    }
    write("xtask/.keep", "");
}

/// The real manifest of tcp-echo.
pub fn manifest() -> String {
    fs_err::read_to_string(course().join("crates/tcp-echo/module.toml")).expect("read the manifest")
}

/// Waits until `done`; whether it came to that.
pub fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// The processes that work in a folder below `folder`.
pub fn processes_in(folder: &Path) -> Vec<u32> {
    let entries = fs_err::read_dir("/proc").expect("read /proc").flatten();
    let inside = entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let directory = std::fs::read_link(entry.path().join("cwd")).ok()?;
        directory.starts_with(folder).then_some(id)
    });
    inside.collect()
}

/// What is in a folder, by name.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).expect("read the folder").flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
