//! How the tests grade a hostile program, and how they look at what came of it.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use grader::report::{CheckReport, Feedback, Status};
use grader::{Manifest, Plan, Target, run};
use libtest_mimic::Failed;
use sandbox::Sandbox;

use crate::checks::{MODULE, addresses_of};

/// The deadline of a wait where a test does not say otherwise: long beside all that passes.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// How long what a run should have ended may still be there: what uses a port may be another test.
const GONE_AFTER: Duration = Duration::from_secs(10);

pub type Outcome = Result<(), Failed>;
pub type Test = (&'static str, fn() -> Outcome);

/// Everything that is prepared before the first test runs: a file that is being written cannot be
/// executed, and a test that starts a process would hold another test's file open.
static PROGRAMS: LazyLock<Result<PathBuf, String>> =
    LazyLock::new(|| prepare().map_err(|error| error.to_string()));

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

/// Compiles the Rust programs and writes a script for each way of the others.
pub fn prepare_programs() -> Outcome {
    PROGRAMS.as_ref().map(|_| ()).map_err(Failed::from)
}

fn prepare() -> std::io::Result<PathBuf> {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let status = Command::new("rustc")
        .args(["--edition", "2024", "-o"])
        .arg(folder.join("programs"))
        .arg(sources().join("programs.rs"))
        .status()?;
    if !status.success() {
        return Err(std::io::Error::other("programs.rs does not compile"));
    }
    // What `python3` names may be a script that looks for the interpreter, which takes long.
    let python =
        Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output()?;
    let python = String::from_utf8_lossy(&python.stdout).trim().to_owned();
    let text = std::fs::read_to_string(sources().join("programs.py"))?;
    let ways = text.lines().filter_map(|line| line.strip_prefix("def ")?.strip_suffix("():"));
    let script = sources().join("programs.py");
    for way in ways.map(|way| way.replace('_', "-")) {
        let command = format!("\"{python}\" -I -S \"{}\" {way} \"$@\"", script.display());
        write_script(&folder.join(&way), &format!("exec {command}"))?;
        // The same as a shell's child, at the end of which the shell has still something to do.
        write_script(&folder.join(format!("shell-{way}")), &format!("{command}\nexit $?"))?;
    }
    for way in ["panics", "panics-in-a-thread", "todo-in-a-thread", "whole-buffer"] {
        let program = folder.join("programs");
        write_script(&folder.join(way), &format!("exec \"{}\" {way} \"$@\"", program.display()))?;
    }
    Ok(folder)
}

fn write_script(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    std::fs::write(path, format!("#!/bin/sh\n{text}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Removes what was prepared.
pub fn remove_programs() {
    if let Ok(folder) = &*PROGRAMS {
        // What stays lies in the target folder.
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// The program that misbehaves in this way.
pub fn program(way: &str) -> Result<Target, Failed> {
    let folder = PROGRAMS.as_ref().map_err(|error| Failed::from(error.as_str()))?;
    Ok(Target { program: folder.join(way), shown_as: way.to_owned() })
}

/// What a grading said.
pub struct Told {
    pub report: CheckReport,
    deadline: Duration,
}

/// Grades the program that misbehaves in this way with one check, and sees to it that nothing of
/// the run is left.
pub fn grade(way: &str, check: &str) -> Result<Told, Failed> {
    grade_within(way, check, DEADLINE)
}

/// As [`grade`], with a deadline of the test's own.
pub fn grade_within(way: &str, check: &str, deadline: Duration) -> Result<Told, Failed> {
    grade_and_look(way, check, deadline, |left| same("files", left, Vec::new()))
}

/// As [`grade`], for a program that locks its folders. Only root removes them while the run goes
/// on; they are gone with it.
pub fn grade_locking(way: &str, check: &str) -> Result<Told, Failed> {
    grade_and_look(way, check, DEADLINE, |_| Ok(()))
}

fn grade_and_look(
    way: &str,
    check: &str,
    deadline: Duration,
    judge_files: fn(Vec<PathBuf>) -> Outcome,
) -> Result<Told, Failed> {
    let manifest = Manifest::load(&sources().join("module.toml"))?;
    let sandbox = Sandbox::start()?;
    let scratch = sandbox.scratch().to_path_buf();
    let plan = Plan {
        module: &MODULE,
        manifest: &manifest,
        target: program(way)?,
        only: Some(vec![check.to_owned()]),
        seed: 1,
        deadline,
    };
    let report = run(&plan, &sandbox).checks.pop().ok_or("the run reports no check")?;
    let told = Told { report, deadline };
    let left = || format!("{}: after the check {way} leaves", told.report.status.as_str());
    same(&format!("{} processes", left()), processes_of(&scratch), Vec::new())?;
    judge_files(files_below(&scratch)?).map_err(|error| told.explain(error))?;
    for address in addresses_of(&scratch) {
        await_free(address).map_err(|error| format!("{} {error}", left()))?;
    }
    drop(sandbox);
    ensure(!scratch.exists(), "the run's folder is still there")?;
    Ok(told)
}

/// The processes whose environment, which every child inherits, names this folder.
fn processes_of(scratch: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let marker = scratch.to_string_lossy().into_owned();
    let names_it = |folder: &Path| {
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&marker)
    };
    let folders = entries.flatten().map(|entry| entry.path()).filter(|folder| names_it(folder));
    folders.map(|folder| folder.display().to_string()).collect()
}

fn files_below(scratch: &Path) -> Result<Vec<PathBuf>, Failed> {
    let entries: Result<Vec<_>, _> = std::fs::read_dir(scratch)?.collect();
    Ok(entries?.into_iter().map(|entry| entry.path()).collect())
}

/// Nobody listens there. Another test's program may have been given the port since, and ends too.
fn await_free(address: SocketAddr) -> Result<(), String> {
    let began = Instant::now();
    while TcpStream::connect(address).is_ok() {
        if began.elapsed() > GONE_AFTER {
            return Err(format!("somebody who listens at {address}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Told {
    /// It passed, and no wait took its deadline.
    pub fn passed(&self) -> Outcome {
        same("status", self.report.status.as_str(), "passed")
            .map_err(|error| self.explain(error))?;
        self.came_before(self.deadline / 2)
    }

    /// It failed with this symptom; gives the rest of what was told.
    pub fn failed(&self, symptom: &str) -> Result<&Feedback, Failed> {
        let feedback = self.report.feedback.as_ref().ok_or("it has no feedback")?;
        same("status", self.report.status.as_str(), Status::Failed.as_str())
            .and_then(|()| same("symptom", feedback.symptom.as_str(), symptom))
            .and_then(|()| ensure(!feedback.promise.is_empty(), "no promise"))
            .and_then(|()| ensure(!feedback.hint.is_empty(), "no hint"))
            .and_then(|()| ensure(!feedback.transcript.is_empty(), "no transcript"))
            .map_err(|error| self.explain(error))?;
        Ok(feedback)
    }

    /// As [`Told::failed`], and it says all of these.
    pub fn says(&self, symptom: &str, expected: &[&str], got: &[&str]) -> Outcome {
        let feedback = self.failed(symptom)?;
        for (what, text, wanted) in
            [("expected", &feedback.expected, expected), ("got", &feedback.got, got)]
        {
            for word in wanted {
                ensure(text.contains(word), &format!("\"{word}\" is missing in {what}"))
                    .map_err(|error| self.explain(error))?;
            }
        }
        Ok(())
    }

    /// The verdict came before so long.
    pub fn came_before(&self, limit: Duration) -> Outcome {
        let duration = self.report.duration;
        ensure(duration < limit, &format!("it took {duration:?}, which is not below {limit:?}"))
    }

    /// A stall is told long before the deadline.
    pub fn came_early(&self) -> Outcome {
        self.came_before(self.deadline / 3)
    }

    fn explain(&self, error: Failed) -> Failed {
        let feedback = self.report.feedback.clone().unwrap_or_default();
        let error = error.message().unwrap_or_default();
        format!(
            "{error}\nsymptom: {}\nexpected: {}\ngot: {}\n{}",
            feedback.symptom, feedback.expected, feedback.got, feedback.transcript
        )
        .into()
    }
}

/// Fails with `otherwise` unless it holds.
pub fn ensure(holds: bool, otherwise: &str) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

/// Fails unless both are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, wanted: T) -> Outcome {
    ensure(got == wanted, &format!("{what}: {got:?} instead of {wanted:?}"))
}
