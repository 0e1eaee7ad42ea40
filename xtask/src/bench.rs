//! `cargo xtask bench`: speed and size, side by side in one run. It measures; it is no test.
//!
//! All building happens in a copy of the course with a target folder of its own, so that nobody's
//! work is touched and a cold build is really cold. The registry's downloads are shared: they are
//! no part of a build.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{Table, presets};
use serde_json::Value;

use crate::build;
use crate::interrupt::{Group, PassingFolder};
use crate::output;
use crate::terminal::{self, Progress};
use crate::workspace::Workspace;

/// How often the memory of a grading is looked at.
const MEMORY_PERIOD: Duration = Duration::from_millis(2);
/// The check that moves 64 MiB.
const BIG_CHECK: &str = "client-64-mib";
/// A check that needs an answer.
const ANSWER_CHECK: &str = "one-message";
/// The call in which the silent server waits, as the report names it.
const SILENT_CALL: &str = "blocked in accept";

/// A server that takes connections and never answers.
const SILENT_SERVER: &str = r#"
use std::io::Write;
fn main() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("local address");
    println!("listening on {address}");
    std::io::stdout().flush().expect("flush");
    let mut connections = Vec::new();
    loop {
        connections.push(listener.accept().expect("accept"));
    }
}
"#;

/// Measure speed and size, side by side in one run.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How often each measurement is repeated; the median is told.
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// How often the cold build is repeated.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=20))]
    cold_runs: u32,
}

/// A copy of the course in which everything is measured.
struct Yard {
    tree: PathBuf,
    target: PathBuf,
    folder: PassingFolder,
}

/// One line of the result.
struct Line {
    what: &'static str,
    measured: String,
    goal: &'static str,
}

/// Runs the command.
///
/// # Errors
///
/// Something cannot be built, started or measured.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let progress = Progress::begin("copying the course");
    let yard = Yard::lay_out(&workspace)?;
    progress.say("a cold build of the runner");
    let mut lines = yard.cold_build(arguments.cold_runs)?;
    progress.say("save to verdict");
    lines.extend(yard.save_to_verdict(arguments.runs)?);
    progress.say("a server that never answers");
    lines.extend(yard.silent_server(arguments.runs)?);
    progress.say("memory while 64 MiB are moved");
    lines.extend(yard.memory(arguments.runs)?);
    drop(progress);
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_width(terminal::columns());
    table.set_header(["measured", "median", "goal"]);
    for Line { what, measured, goal } in lines {
        table.add_row([what.to_owned(), measured, goal.to_owned()]);
    }
    output::print(format!("{}\n", table.trim_fmt()).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl Yard {
    fn lay_out(workspace: &Workspace) -> anyhow::Result<Self> {
        let folder = PassingFolder::make(workspace.own_target().join("bench"))?;
        let tree = folder.path().join("tree");
        copy_tree(workspace.root(), &tree)?;
        let target = folder.path().join("target");
        Ok(Self { tree, target, folder })
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = build::cargo(&self.tree);
        command.args(arguments).env("CARGO_TARGET_DIR", &self.target);
        // A terminal's width and colours are no part of what is measured.
        command.env("NO_COLOR", "1");
        command
    }

    /// The runner as built in the copy, without the cargo around it.
    fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.target.join("debug/xtask"));
        build::end_with_runner(&mut command);
        command.args(arguments).current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target);
        command.env("CARGO_MANIFEST_DIR", self.tree.join("xtask")).env("NO_COLOR", "1");
        command
    }

    fn cold_build(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
        let (mut user, mut wall) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            if self.target.exists() {
                fs_err::remove_dir_all(&self.target)?;
            }
            let before = children_user_time();
            wall.push(timed(&mut self.cargo(&["build", "--package", "xtask"]), &[0])?);
            user.push(children_user_time().saturating_sub(before));
        }
        Ok(vec![
            Line { what: "cold build, user time", measured: seconds(user), goal: "at most 30 s" },
            Line { what: "cold build, wall time", measured: seconds(wall), goal: "" },
        ])
    }

    fn save_to_verdict(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
        let source = self.tree.join("solutions/tcp-echo/src/main.rs");
        let original = fs_err::read_to_string(&source)?;
        let build = ["build", "--package", "tcp-echo-solution"];
        let grade = ["run", "--package", "xtask", "--", "grade", "tcp-echo", "--solutions"];
        timed(&mut self.cargo(&grade), &[0])?;
        let (mut bare, mut whole, mut warm) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..runs {
            // Cargo judges by the time of the last change: each edit is a new text at a new time.
            fs_err::write(&source, format!("{original}// edit {run} a\n"))?;
            bare.push(timed(&mut self.cargo(&build), &[0])?);
            fs_err::write(&source, format!("{original}// edit {run} b\n"))?;
            whole.push(timed(&mut self.cargo(&grade), &[0])?);
            warm.push(timed(&mut self.cargo(&grade), &[0])?);
        }
        let over = median(whole.clone()).saturating_sub(median(bare.clone()));
        Ok(vec![
            Line { what: "save to built, bare cargo build", measured: seconds(bare), goal: "" },
            Line { what: "save to verdict, tcp-echo", measured: seconds(whole), goal: "" },
            Line {
                what: "of it beside the build",
                measured: seconds(vec![over]),
                goal: "at most 0.6 s",
            },
            Line { what: "verdict, nothing changed", measured: seconds(warm), goal: "under 3 s" },
        ])
    }

    fn silent_server(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
        let source = self.folder.path().join("silent.rs");
        let program = self.folder.path().join("silent");
        fs_err::write(&source, SILENT_SERVER)?;
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        build::end_with_runner(&mut rustc);
        rustc.args(["--edition", "2024", "-o"]).arg(&program).arg(&source);
        timed(&mut rustc, &[0])?;
        let mut check = Vec::new();
        let mut named = 0;
        for _ in 0..runs {
            let mut command = self.xtask(&["grade", "tcp-echo", "--check", ANSWER_CHECK]);
            command.args(["--format", "json", "--program"]).arg(&program);
            let document: Value = serde_json::from_slice(&printed(&mut command, &[1])?)?;
            let told = &document["modules"][0]["checks"][0];
            check.push(Duration::from_millis(told["duration_ms"].as_u64().unwrap_or(u64::MAX)));
            named += u32::from(told["feedback"].to_string().contains(SILENT_CALL));
        }
        let measured = format!("{named} of {runs}");
        Ok(vec![
            Line {
                what: "verdict on a silent server",
                measured: seconds(check),
                goal: "at most 0.5 s",
            },
            Line { what: "  which names the call it hangs in", measured, goal: "always" },
        ])
    }

    fn memory(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
        let mut peaks = Vec::new();
        for _ in 0..runs {
            let mut command =
                self.xtask(&["grade", "tcp-echo", "--solutions", "--check", BIG_CHECK]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().context("start a grading")?;
            let _group = Group::of(&child);
            peaks.push(peak_until_exit(&mut child)?);
        }
        peaks.sort_unstable();
        let megabytes = peaks[peaks.len() / 2] as f64 / f64::from(1 << 20);
        let measured = format!("{megabytes:.1} MiB");
        Ok(vec![Line { what: "the grader's memory at 64 MiB", measured, goal: "under 100 MiB" }])
    }
}

/// The peak of a process's resident memory in bytes, looked at until the process has ended well.
fn peak_until_exit(child: &mut Child) -> anyhow::Result<u64> {
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    loop {
        // The value only rises, so the last one seen is the peak but for the last two milliseconds.
        let status = std::fs::read_to_string(&status_file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let seen = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak_kib = seen.unwrap_or(0).max(peak_kib);
        if let Some(status) = child.try_wait().context("wait for the grading")? {
            if !status.success() {
                bail!(
                    "the reference does not pass `{BIG_CHECK}` ({status}): its memory says nothing"
                );
            }
            return Ok(peak_kib * 1024);
        }
        thread::sleep(MEMORY_PERIOD);
    }
}

/// Copies the course, but neither what was built nor what belongs to git.
fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_left_out = name == "target" || name == ".git";
        let (source, copy) = (entry.path(), to.join(&name));
        if is_left_out || to.starts_with(&source) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_tree(&source, &copy)?;
        } else if entry.file_type()?.is_file() {
            fs_err::copy(&source, &copy)?;
        }
    }
    Ok(())
}

/// Runs a command that must end with one of `statuses`, and says how long it took.
fn timed(command: &mut Command, statuses: &[i32]) -> anyhow::Result<Duration> {
    let began = Instant::now();
    printed(command, statuses)?;
    Ok(began.elapsed())
}

/// Runs a command that must end with one of `statuses`, and gives what it printed.
fn printed(command: &mut Command, statuses: &[i32]) -> anyhow::Result<Vec<u8>> {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {shown}"))?;
    let _group = Group::of(&child);
    let mut complaints = child.stderr.take();
    let listener = thread::spawn(move || {
        let mut told = Vec::new();
        complaints.as_mut().map_or(Ok(0), |stderr| stderr.read_to_end(&mut told)).map(|_| told)
    });
    let output = child.wait_with_output().with_context(|| format!("wait for {shown}"))?;
    if !output.status.code().is_some_and(|status| statuses.contains(&status)) {
        let told = listener.join().ok().and_then(Result::ok).unwrap_or_default();
        let mut stderr = anstream::stderr();
        stderr.write_all(&output.stdout).and_then(|()| stderr.write_all(&told))?;
        bail!("{shown} ended with {}", output.status);
    }
    Ok(output.stdout)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn seconds(times: Vec<Duration>) -> String {
    format!("{:.3} s", median(times).as_secs_f64())
}

/// The processor time in user mode of all children that have ended, theirs included (getrusage(2)).
fn children_user_time() -> Duration {
    // SAFETY: an all-zero `rusage` is a valid value of the struct, which holds numbers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for writing one `rusage`.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) } != 0 {
        return Duration::ZERO;
    }
    let seconds = u64::try_from(usage.ru_utime.tv_sec).unwrap_or(0);
    let micros = u64::try_from(usage.ru_utime.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
