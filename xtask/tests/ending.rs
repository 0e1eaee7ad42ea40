//! However a grading ends, nothing of it stays: no process, no file.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::{course, folder, names_in, processes_in, script, wait_until, xtask};

/// A program that keeps the grader waiting, and has a daemon that left its session.
const LINGERER: &str = "#!/bin/sh\ntrap '' TERM INT HUP\n(setsid sleep 600 &)\nsleep 600\n";
/// How soon the runner ends after a signal.
const PROMPT: Duration = Duration::from_secs(3);

/// A grading that is under way, in a temporary folder of its own.
struct Grading {
    child: Child,
    scratch: tempfile::TempDir,
    _files: tempfile::TempDir,
}

impl Grading {
    fn begin() -> Self {
        let (scratch, files) = (folder(), folder());
        let program = files.path().join("lingerer");
        script(&program, LINGERER);
        let mut command = xtask(&course(), scratch.path());
        command.args(["grade", "tcp-echo", "--deadline-ms", "60000", "--program"]).arg(&program);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the runner starts");
        let grading = Self { child, scratch, _files: files };
        assert!(wait_until(|| grading.processes() >= 4), "the programs start");
        grading
    }

    fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    fn processes(&self) -> usize {
        processes_in(self.scratch()).len()
    }

    /// The status with which the runner ends, and how soon.
    fn signal(&mut self, signal: Signal) -> (Option<i32>, Duration) {
        let began = Instant::now();
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), signal).expect("send the signal");
        let status = self.child.wait().expect("the runner ends");
        (status.code(), began.elapsed())
    }

    fn expect_nothing_left(&self) {
        let gone = wait_until(|| self.processes() == 0 && names_in(self.scratch()).is_empty());
        let left = processes_in(self.scratch());
        assert!(gone, "left: processes {left:?}, files {:?}", names_in(self.scratch()));
    }
}

#[test]
fn a_killed_grading_leaves_nothing() {
    let mut grading = Grading::begin();
    grading.signal(Signal::KILL);
    grading.expect_nothing_left();
}

#[test]
fn an_interrupted_grading_ends_at_once_and_leaves_nothing() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut grading = Grading::begin();
        let (ended, after) = grading.signal(signal);
        assert_eq!(ended, Some(status));
        assert!(after < PROMPT, "{signal:?} took {after:?}");
        grading.expect_nothing_left();
    }
}
