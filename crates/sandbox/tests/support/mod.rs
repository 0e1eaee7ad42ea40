//! What the tests of the sandbox share.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sandbox::{Exit, Job, Running, Sandbox};

pub const DEADLINE: Duration = Duration::from_secs(20);

pub type Outcome = Result<(), Failed>;
pub type Test = (&'static str, fn() -> Outcome);

/// Runs the tests as `cargo test` expects.
pub fn run(tests: &[Test]) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = tests.iter().map(|&(name, test)| Trial::test(name, test)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A job that runs a shell script in the run's scratch folder.
pub fn shell(sandbox: &Sandbox, script: &str) -> Job {
    let mut job = Job::new("/bin/sh", sandbox.scratch());
    job.args = vec!["-c".into(), script.into()];
    job
}

/// A job that runs a Python script in the run's scratch folder.
pub fn python(sandbox: &Sandbox, script: &str) -> Job {
    let mut job = Job::new("/usr/bin/python3", sandbox.scratch());
    job.args = vec!["-S".into(), "-E".into(), "-c".into(), script.into()];
    job
}

/// Waits until the program has ended.
pub fn wait_exit(running: &mut Running) -> io::Result<Exit> {
    let timeout = Timespec { tv_sec: DEADLINE.as_secs().cast_signed(), tv_nsec: 0 };
    let exit_fd = running.exit_fd();
    let ready = poll(&mut [PollFd::new(&exit_fd, PollFlags::IN)], Some(&timeout))?;
    if ready == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    running.try_exit()?.ok_or_else(|| io::Error::other("ended, and its exit is unknown"))
}

/// All that comes from a pipe, or from a terminal, until its end.
pub fn read_all(pipe: Option<OwnedFd>) -> io::Result<String> {
    let mut bytes = Vec::new();
    match blocking(pipe)?.read_to_end(&mut bytes) {
        // The end of a terminal.
        Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {}
        result => drop(result?),
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// One line, without its end.
pub fn read_line(file: &mut File) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while file.read(&mut byte)? == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    String::from_utf8(line).map_err(io::Error::other)
}

/// The pipe as a file whose reads wait.
pub fn blocking(pipe: Option<OwnedFd>) -> io::Result<File> {
    let pipe = pipe.ok_or_else(|| io::Error::other("the pipe was taken already"))?;
    rustix::io::ioctl_fionbio(&pipe, false)?;
    Ok(File::from(pipe))
}

/// What the job writes to standard output; fails if it writes to standard error or exits otherwise
/// than with 0.
pub fn output(sandbox: &Sandbox, job: &Job) -> io::Result<String> {
    let mut running = sandbox.spawn(job)?;
    let stdout = read_all(running.stdout())?;
    let stderr = read_all(running.stderr())?;
    let exit = wait_exit(&mut running)?;
    if exit.status == Some(0) && stderr.is_empty() {
        return Ok(stdout);
    }
    Err(io::Error::other(format!("{exit:?}\nstdout: {stdout}\nstderr: {stderr}")))
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> Outcome {
    let began = Instant::now();
    while !condition() {
        if began.elapsed() > DEADLINE {
            return Err(format!("not within {DEADLINE:?}: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Whether a process of this number runs, sleeps or is stopped.
pub fn is_living(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.starts_with(['Z', 'X'])
}

/// The number of the process's parent; 0 if there is none.
pub fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.nth(1).and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// How many living processes have `marker` among their arguments.
pub fn count_marked(marker: &str) -> usize {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let is_marked = |folder: &Path| {
        let arguments = fs::read(folder.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(marker)
    };
    let own = std::process::id().to_string();
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str() != Some(&own) && is_marked(&entry.path()))
        .count()
}

/// Runs all tests of this binary again as a user without privileges, if this one has them.
pub fn without_privileges() -> Outcome {
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        println!("this user has no privileges: the other tests have shown it");
        return Ok(());
    }
    // The root of a user namespace may be its only user.
    if let Err(error) = Command::new("true").uid(NOBODY).gid(NOBODY).output() {
        println!("this root cannot be another user: {error}");
        return Ok(());
    }
    // The build's folder may be closed to others.
    let folder = std::env::temp_dir().join(format!("sandbox-test-{}", std::process::id()));
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    let program = folder.join("tests");
    // Not written by this process: a program that another test starts meanwhile would hold the file
    // open for writing for a moment, and a file that is being written cannot be executed.
    let copied = Command::new("cp").arg(std::env::current_exe()?).arg(&program).status()?;
    ensure(copied.success(), "the tests could not be copied")?;
    let output = Command::new(&program)
        .args(["--skip", "without_privileges"])
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    fs::remove_dir_all(&folder)?;
    let output = output?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure(output.status.success(), format!("as user {NOBODY}:\n{text}"))
}

/// For a test that needs a protection which this machine refused: says so, and fails unless the
/// refusal is of the right kind and the layer tells of it too.
pub fn explained(sandbox: &Sandbox, measure: &str, error: &io::Error) -> Outcome {
    println!("no {measure} here, so only its absence is tested: {error}");
    same("kind of the refusal", error.kind(), io::ErrorKind::Unsupported)?;
    match reason_missing(sandbox, measure) {
        Some(_) => Ok(()),
        None => Err(format!("the layer says that there is {measure}, yet: {error}").into()),
    }
}

/// Why the machine has not this protection; none where it has.
pub fn reason_missing(sandbox: &Sandbox, measure: &str) -> Option<String> {
    let found = sandbox.layer().missing().find(|(name, _)| *name == measure);
    found.map(|(_, reason)| reason.to_owned())
}

/// Fails with a message unless both are the same.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, got {got:?}").into())
}

/// Fails with a message unless `holds`.
pub fn ensure(holds: bool, what: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(Failed::from(what.into())) }
}
