//! What a learner waits for: the build of the runner, a verdict, and what a grading takes.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

use super::Line;
use super::measure::{children_user_time, median, printed, seconds, timed};
use super::yard::Yard;
use crate::build;
use crate::interrupt::Group;

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

impl Yard {
    /// How long the runner takes to build from nothing, downloads aside.
    pub fn cold_build(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
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

    /// How long it takes from an edit to the verdict.
    pub fn save_to_verdict(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
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

    /// How long the verdict on a server that never answers takes.
    pub fn silent_server(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
        self.build_runner()?;
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

    /// How much memory the grader takes while it moves 64 MiB.
    pub fn memory(&self, runs: u32) -> anyhow::Result<Vec<Line>> {
        self.build_runner()?;
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

    /// The parts that run the copy's runner need it built, also where they are taken alone.
    fn build_runner(&self) -> anyhow::Result<()> {
        timed(&mut self.cargo(&["build", "--package", "xtask"]), &[0]).map(drop)
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
