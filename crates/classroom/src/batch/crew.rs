//! Starts the processes that grade one submission each, and hears what comes of it.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::order::{Answer, Order, Spent, WORKER_ARGUMENT};

/// How long the grading of one submission may take: far more than any does. Every check has a
/// deadline of its own, so past this it is the machine that stands still.
const WALL_LIMIT: Duration = Duration::from_secs(3600);
/// How much of an answer is read, in bytes: a result is small, its transcripts included.
const ANSWER_BYTES: u64 = 64 << 20;
/// How much is kept of what a failing process says of itself.
const WORDS_BYTES: u64 = 16 << 10;

/// How the processes are started.
#[derive(Debug, Clone)]
pub struct Crew {
    /// This executable.
    program: PathBuf,
    /// The folder for everything that is written, in the room or outside.
    work: OsString,
}

impl Crew {
    /// Processes that write below `work`.
    ///
    /// # Errors
    ///
    /// This executable is not found.
    pub fn new(work: impl Into<OsString>) -> anyhow::Result<Self> {
        // Also right when the file was replaced by a build since this process was started.
        let itself = PathBuf::from("/proc/self/exe");
        let program = if itself.exists() { itself } else { std::env::current_exe()? };
        Ok(Self { program, work: work.into() })
    }

    /// Has one submission graded. `contents` are the files of the order, one list a module.
    ///
    /// # Errors
    ///
    /// The machine's fault: the process cannot be started, was killed, or does not end.
    pub fn grade(&self, order: &Order, contents: &[&[Vec<u8>]]) -> anyhow::Result<(Answer, Spent)> {
        let mut command = Command::new(&self.program);
        command.arg(WORKER_ARGUMENT).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.env("TMPDIR", &self.work);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().context("start the process that grades")?;
        let mut worker = Worker(child);
        // One that ends before it has read all says why below.
        _ = worker.tell(order, contents);
        let (answers, words) = worker.hear()?;
        let status = worker.0.wait().context("wait for the process that grades")?;
        let mut lines = answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let (Some(answer), Some(spent)) = (lines.next(), lines.next()) else {
            let words = String::from_utf8_lossy(&words);
            bail!("the process that grades ended early ({status}): {}", words.trim_end());
        };
        let answer = serde_json::from_slice(answer).context("read what came of the grading")?;
        let spent = serde_json::from_slice(spent).context("read what the grading took")?;
        Ok((answer, spent))
    }
}

/// Ended with its owner, whatever happens.
struct Worker(Child);

impl Worker {
    fn tell(&mut self, order: &Order, contents: &[&[Vec<u8>]]) -> anyhow::Result<()> {
        let mut stdin = self.0.stdin.take().context("talk to the process that grades")?;
        serde_json::to_writer(&mut stdin, order)?;
        stdin.write_all(b"\n")?;
        for content in contents.iter().copied().flatten() {
            stdin.write_all(content)?;
        }
        Ok(())
    }

    /// All that it says, on standard output and on standard error.
    fn hear(&mut self) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let attempt = "listen to the process that grades";
        let mut stdout = self.0.stdout.take().context(attempt)?;
        let mut stderr = self.0.stderr.take().context(attempt)?;
        let until = Instant::now() + WALL_LIMIT;
        let (mut answers, mut words) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; 64 << 10];
        let (mut open, mut talks) = (true, true);
        while open || talks {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                bail!("the grading did not end within {} minutes", WALL_LIMIT.as_secs() / 60);
            };
            let (out, err) = (stdout.as_fd(), stderr.as_fd());
            let flags = |wanted| if wanted { PollFlags::IN } else { PollFlags::empty() };
            let mut polled = [PollFd::new(&out, flags(open)), PollFd::new(&err, flags(talks))];
            let timeout = Timespec::try_from(left)?;
            retry_on_intr(|| poll(&mut polled, Some(&timeout)))?;
            let ready = polled.map(|polled| !polled.revents().is_empty());
            if open && ready[0] {
                open =
                    take(&mut stdout, &mut answers, &mut buffer, ANSWER_BYTES).context(attempt)?;
            }
            if talks && ready[1] {
                talks = take(&mut stderr, &mut words, &mut buffer, WORDS_BYTES).context(attempt)?;
            }
        }
        Ok((answers, words))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended is what is wanted. What it started ends with it.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Reads once and keeps what fits; false at the end.
fn take(
    from: &mut impl Read,
    into: &mut Vec<u8>,
    buffer: &mut [u8],
    most: u64,
) -> std::io::Result<bool> {
    let count = from.read(buffer)?;
    let room = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(into.len());
    into.extend_from_slice(&buffer[..count.min(room)]);
    Ok(count > 0)
}
