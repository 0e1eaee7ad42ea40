//! From a save to the verdict of `cargo xtask watch`, beside two runners of other courses on an
//! exercise that is solved: `rustlings run` and `wr check` (workshop-runner), in turns.
//!
//! What each of them does with a save differs. Rustlings builds one file of its own, runs its tests
//! and lints it; `wr` builds tcp-echo and runs one test of it; the watch builds tcp-echo, tells the
//! verdict of its core checks and then that of its stretch checks.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::Line;
use super::measure::{median, printed, seconds, timed};
use super::yard::{Yard, copy_tree};
use crate::build;
use crate::interrupt::{Group, PassingFolder};

/// The exercise of rustlings, which neither sleeps nor waits.
const RUSTLINGS_EXERCISE: &str = "threads2";
/// Where its files are, below `exercises` and `solutions`.
const RUSTLINGS_FILE: &str = "20_threads/threads2.rs";

/// What `wr` checks tcp-echo by: one message of a client and its echo.
const WR_TEST: &str = r#"
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};

#[test]
fn a_message_comes_back() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_tcp-echo-solution"));
    let mut server = server.args(["server", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let mut client = TcpStream::connect(ready.trim().rsplit(' ').next().unwrap()).unwrap();
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(got, b"hello");
}
"#;

impl Yard {
    /// How long it takes from a save to the verdict, here and elsewhere.
    pub fn watch(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
        let mut watch = Watch::begin(self)?;
        let folder = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        let rivals = PassingFolder::make(folder)?;
        let mut rustlings = Rival::of("rustlings", || Rival::rustlings(rivals.path()));
        let mut wr = Rival::of("workshop-runner", || Rival::workshop_runner(self, rivals.path()));
        let (mut core, mut all) = (Vec::new(), Vec::new());
        for run in 0..runs {
            let (to_core, to_all) = watch.save(run)?;
            core.push(to_core);
            all.push(to_all);
            rustlings.save(run);
            wr.save(run);
        }
        watch.end()?;
        let ahead = |rival: &Rival| match rival.times() {
            Some(times) if median(core.clone()) < median(times.to_vec()) => "the watch is ahead",
            Some(_) => "the watch is BEHIND",
            None => "",
        };
        let goals = (ahead(&rustlings), ahead(&wr));
        Ok(vec![
            Line { what: "watch: save to verdict", measured: seconds(core), goal: "ahead of both" },
            Line { what: "  with the stretch checks", measured: seconds(all), goal: "" },
            Line { what: "rustlings run, one exercise", measured: rustlings.told(), goal: goals.0 },
            Line { what: "wr check, tcp-echo, one test", measured: wr.told(), goal: goals.1 },
        ])
    }
}

/// A watch of tcp-echo in the copy, where the learner's program is the reference.
struct Watch {
    child: Child,
    _group: Group,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    source: PathBuf,
    text: String,
}

impl Watch {
    fn begin(yard: &Yard) -> anyhow::Result<Self> {
        timed(&mut yard.cargo(&["build", "--package", "xtask"]), &[0])?;
        let exercise = yard.tree.join("exercises/tcp-echo/src");
        copy_tree(&yard.tree.join("solutions/tcp-echo/src"), &exercise)?;
        let source = exercise.join("main.rs");
        let text = fs_err::read_to_string(&source)?;
        let mut command = yard.xtask(&["watch", "tcp-echo"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("start a watch")?;
        let group = Group::of(&child);
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the watch was started without pipes");
        };
        let stdout = BufReader::new(stdout);
        let mut watch = Self { child, _group: group, stdin, stdout, source, text };
        watch.until("Nothing failed")?;
        Ok(watch)
    }

    /// Saves a new text, and says how long the verdicts on the core and on all took.
    fn save(&mut self, run: u32) -> anyhow::Result<(Duration, Duration)> {
        let began = Instant::now();
        fs_err::write(&self.source, format!("{}// save {run}\n", self.text))?;
        self.until("graded in")?;
        let core = began.elapsed();
        self.until("Nothing failed")?;
        Ok((core, began.elapsed()))
    }

    fn until(&mut self, part: &str) -> anyhow::Result<()> {
        let mut told = String::new();
        loop {
            let begins = told.len();
            if self.stdout.read_line(&mut told).context("listen to the watch")? == 0 {
                bail!("the watch ended before it said \"{part}\":\n{told}");
            }
            let line = &told[begins..];
            if line.contains(part) {
                return Ok(());
            }
            if line.starts_with("Next:") {
                bail!("the reference does not pass in the watch:\n{told}");
            }
        }
    }

    fn end(mut self) -> anyhow::Result<()> {
        // It ends with its input.
        drop(self.stdin);
        self.child.wait().context("wait for the watch").map(drop)
    }
}

/// Another course's runner on one solved exercise.
struct Rival {
    exercise: anyhow::Result<Exercise>,
    times: Vec<Duration>,
}

struct Exercise {
    source: PathBuf,
    text: String,
    program: PathBuf,
    arguments: &'static [&'static str],
    /// What it prints of an exercise that passes.
    passed: &'static str,
    directory: PathBuf,
    target: PathBuf,
}

impl Rival {
    fn of(package: &str, prepare: impl FnOnce() -> anyhow::Result<Option<Exercise>>) -> Self {
        let missing = || format!("not installed: cargo install --locked {package}");
        let exercise = prepare().and_then(|exercise| exercise.with_context(missing));
        // The first run builds what later ones find: it is not measured.
        let exercise = exercise.and_then(|exercise| exercise.run().map(|_| exercise));
        Self { exercise, times: Vec::new() }
    }

    fn rustlings(folder: &Path) -> anyhow::Result<Option<Exercise>> {
        let Some(program) = installed("rustlings") else { return Ok(None) };
        // It asks for Enter.
        let mut shell = command(Path::new("sh"), folder);
        printed(shell.args(["-c", "echo | \"$0\" init", &program.to_string_lossy()]), &[0])?;
        let directory = folder.join("rustlings");
        let source = directory.join("exercises").join(RUSTLINGS_FILE);
        fs_err::copy(directory.join("solutions").join(RUSTLINGS_FILE), &source)?;
        let target = folder.join("rustlings-target");
        let text = fs_err::read_to_string(&source)?;
        let (arguments, passed) = (&["run", RUSTLINGS_EXERCISE], "Successfully");
        Ok(Some(Exercise { source, text, program, arguments, passed, directory, target }))
    }

    /// The same program as the watch grades, as a workshop's exercise with one test.
    fn workshop_runner(yard: &Yard, folder: &Path) -> anyhow::Result<Option<Exercise>> {
        let Some(program) = installed("wr") else { return Ok(None) };
        let root = folder.join("workshop");
        let exercise = root.join("exercises/01_sockets/01_echo");
        let from = yard.tree.join("solutions/tcp-echo");
        copy_tree(&from.join("src"), &exercise.join("src"))?;
        fs_err::create_dir_all(exercise.join("tests"))?;
        fs_err::write(exercise.join("tests/echo.rs"), WR_TEST)?;
        let workspace = fs_err::read_to_string(yard.tree.join("Cargo.toml"))?;
        let (_, tables) = workspace.split_once("[workspace.package]").context("a course")?;
        let tables = tables.lines().filter(|line| !line.contains("path = "));
        let tables = tables.collect::<Vec<_>>().join("\n");
        let members = "[workspace]\nresolver = \"3\"\nmembers = [\"exercises/*/*\"]";
        let whole = format!("{members}\n\n[workspace.package]{tables}\n");
        fs_err::write(root.join("Cargo.toml"), whole)?;
        fs_err::copy(yard.tree.join("Cargo.lock"), root.join("Cargo.lock"))?;
        let manifest = fs_err::read_to_string(from.join("Cargo.toml"))?;
        // Its own tests ask for the course.
        let (manifest, _) = manifest.split_once("[dev-dependencies]").unwrap_or((&manifest, ""));
        fs_err::write(exercise.join("Cargo.toml"), manifest)?;
        fs_err::write(root.join(".wr.toml"), "exercises_dir = \"exercises\"\n")?;
        // It finds the workshop's folder by asking git.
        printed(command(Path::new("git"), &root).args(["init", "--quiet"]), &[0])?;
        let source = exercise.join("src/main.rs");
        let text = fs_err::read_to_string(&source)?;
        let (arguments, passed) = (&["check"], "\u{1f680}");
        let (directory, target) = (exercise, folder.join("wr-target"));
        Ok(Some(Exercise { source, text, program, arguments, passed, directory, target }))
    }

    /// Saves a new text and measures the check of it. One that fails is left out from then on.
    fn save(&mut self, run: u32) {
        let Ok(exercise) = &self.exercise else { return };
        let text = format!("{}// save {run}\n", exercise.text);
        let written = fs_err::write(&exercise.source, text).context("save the exercise");
        match written.and_then(|()| exercise.run()) {
            Ok(time) => self.times.push(time),
            Err(error) => self.exercise = Err(error),
        }
    }

    fn times(&self) -> Option<&[Duration]> {
        self.exercise.as_ref().is_ok().then_some(&self.times)
    }

    fn told(&self) -> String {
        match &self.exercise {
            Ok(_) => seconds(self.times.clone()),
            Err(error) => format!("{error:#}"),
        }
    }
}

impl Exercise {
    fn run(&self) -> anyhow::Result<Duration> {
        let mut command = command(&self.program, &self.directory);
        command.args(self.arguments).env("CARGO_TARGET_DIR", &self.target);
        let began = Instant::now();
        let told = printed(&mut command, &[0])?;
        let took = began.elapsed();
        let told = String::from_utf8_lossy(&told);
        if !told.contains(self.passed) {
            bail!("{} does not pass:\n{told}", self.source.display());
        }
        Ok(took)
    }
}

/// A command without the variables of the `cargo run` around this one, which would lead its cargo
/// astray.
fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            command.env_remove(name);
        }
    }
    build::end_with_runner(&mut command);
    command
}

/// The program of this name in PATH, or where `cargo install` puts it.
fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo/bin"));
    let folders = std::env::split_paths(&path).chain(home);
    folders.map(|folder| folder.join(OsStr::new(name))).find(|file| file.is_file())
}
