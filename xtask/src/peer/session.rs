//! The reference as a child: started, listened to, and gone on every way out.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::log::Log;
use crate::build;
use crate::interrupt::Group;

/// How many addresses behind the relay are remembered by the name that the learner knows.
const MOST_ALIASES: usize = 64;
/// How much of what the reference says before it is ready is kept, in bytes.
const WORDS_BYTES: usize = 4096;
/// The longest line that counts as a ready line, in bytes.
const READY_BYTES: u64 = 256;
/// How much of what it prints is passed on at a time, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// What the threads of a session tell the one that waits.
#[derive(Debug)]
pub enum News {
    /// The reference listens here.
    Ready(SocketAddr),
    /// The reference has ended.
    Ended,
    /// The learner's program cannot be reached.
    Failed {
        /// Why.
        error: anyhow::Error,
        /// The reference's connection, kept open until the reference is ended.
        _held: Option<TcpStream>,
    },
}

/// The addresses behind the relay, and by which name the learner knows each. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Aliases {
    names: Arc<Mutex<VecDeque<(String, String)>>>,
}

impl Aliases {
    /// From now on `shown` stands for `inner` in what the reference says.
    pub fn add(&self, inner: SocketAddr, shown: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() == MOST_ALIASES {
            // The first one is the reference's own, which is always needed.
            names.remove(1);
        }
        names.push_back((inner.to_string(), shown.to_owned()));
    }

    /// `text` with the names that the learner knows.
    fn apply(&self, text: &str) -> String {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().fold(text.to_owned(), |text, (inner, shown)| replaced(&text, inner, shown))
    }
}

/// Replaces an address wherever it stands whole: `127.0.0.1:70` is no part of `127.0.0.1:7000`.
fn replaced(text: &str, address: &str, by: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(address) {
        let after = &rest[at + address.len()..];
        let is_digit = |character: char| character.is_ascii_digit();
        let is_whole = !rest[..at].ends_with(is_digit) && !after.starts_with(is_digit);
        out.push_str(&rest[..at]);
        out.push_str(if is_whole { by } else { address });
        rest = after;
    }
    out + rest
}

/// How to start the reference.
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: Vec<&'a str>,
    /// It prints a ready line, which is not passed on.
    pub announces: bool,
    /// It gets the runner's standard input; else it gets none.
    pub reads_stdin: bool,
}

/// The reference while it runs.
#[derive(Debug)]
pub struct Partner {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    /// What it said before it was ready.
    words: Arc<Mutex<Words>>,
}

#[derive(Debug, Default)]
struct Words {
    is_ready: bool,
    said: String,
}

impl Partner {
    /// Starts it in a process group of its own, which ends with the runner.
    ///
    /// # Errors
    ///
    /// It cannot be started, or there is no room for threads.
    pub fn start(
        start: Start<'_>,
        log: &Log,
        aliases: &Aliases,
        news: &Sender<News>,
    ) -> anyhow::Result<(Self, Group)> {
        let Start { program, arguments, announces, reads_stdin } = start;
        let mut command = Command::new(program);
        command.args(arguments.iter().map(OsStr::new));
        command.stdin(if reads_stdin { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        build::end_with_runner(&mut command);
        let mut child = command.spawn().context("start the peer")?;
        let group = Group::of(&child);
        let is_ready = !announces;
        let words = Arc::new(Mutex::new(Words { is_ready, said: String::new() }));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let (log, news, words) = (log.clone(), news.clone(), Arc::clone(&words));
            readers.push(spawn("stdout", move || {
                pass_on_stdout(stdout, announces, &log, &words, &news);
            })?);
        }
        if let Some(stderr) = child.stderr.take() {
            let (log, aliases, words) = (log.clone(), aliases.clone(), Arc::clone(&words));
            readers.push(spawn("stderr", move || tell_stderr(stderr, &log, &aliases, &words))?);
        }
        if let Some(mut stdin) = child.stdin.take() {
            // In a group of its own, the child may not read the terminal itself (SIGTTIN). The
            // thread is left behind where it waits for a line that nobody types.
            spawn("stdin", move || _ = io::copy(&mut io::stdin().lock(), &mut stdin))?;
        }
        let (id, news) = (pid(&child), news.clone());
        spawn("waiting", move || {
            // Without taking the status: until then, the child's number is nobody else's.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(id), options), Err(rustix::io::Errno::INTR)) {}
            _ = news.send(News::Ended);
        })?;
        Ok((Self { child, readers, words }, group))
    }

    /// Ends it at once.
    pub fn kill(&self) {
        // It may have ended by itself a moment ago.
        _ = kill_process_group(pid(&self.child), Signal::KILL);
    }

    /// Waits until all that it printed is passed on: it has ended.
    pub fn drain(&mut self) {
        for reader in self.readers.drain(..) {
            _ = reader.join();
        }
    }

    /// Its status, and what it said before it was ready.
    ///
    /// # Errors
    ///
    /// The system lost the child.
    pub fn finish(mut self) -> anyhow::Result<(ExitStatus, String)> {
        self.drain();
        let status = self.child.wait().context("wait for the peer")?;
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((status, words.said.clone()))
    }
}

/// How an end is told: "exits with status 1".
pub fn told(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("the peer exits with status {code}"),
        None => format!("the peer is ended by a signal ({status})"),
    }
}

/// The status that the runner passes on: the same, or 128 and the signal's number, as shells have
/// it.
pub fn passed_on(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    let code = status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The child's number, which is always a valid one.
fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.into()).spawn(work).context("start a thread for the peer")
}

fn pass_on_stdout(
    stdout: ChildStdout,
    announces: bool,
    log: &Log,
    words: &Mutex<Words>,
    news: &Sender<News>,
) {
    let mut stdout = BufReader::with_capacity(PIECE_BYTES, stdout);
    if announces {
        let Some(address) = ready_line(&mut stdout) else { return };
        words.lock().unwrap_or_else(PoisonError::into_inner).is_ready = true;
        _ = news.send(News::Ready(address));
    }
    loop {
        let count = match stdout.fill_buf() {
            // Where nobody reads on, the reference is told so by its own pipe, as in any pipeline.
            Ok(piece) if piece.is_empty() || log.print(piece).is_err() => return,
            Ok(piece) => piece.len(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(_) => return,
        };
        stdout.consume(count);
    }
}

fn ready_line(stdout: &mut impl BufRead) -> Option<SocketAddr> {
    let mut line = String::new();
    stdout.take(READY_BYTES).read_line(&mut line).ok()?;
    line.trim_end().strip_prefix("listening on ")?.parse().ok()
}

fn tell_stderr(stderr: ChildStderr, log: &Log, aliases: &Aliases, words: &Mutex<Words>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        let told = aliases.apply(String::from_utf8_lossy(&line).trim_end());
        line.clear();
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.is_ready {
            drop(words);
            log.complaint(&told);
        } else if words.said.len() < WORDS_BYTES {
            words.said.push_str(&told);
            words.said.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Aliases, MOST_ALIASES};

    #[test]
    fn an_address_is_replaced_only_where_it_stands_whole() {
        let aliases = Aliases::default();
        let inner = "127.0.0.1:70".parse().expect("an address");
        aliases.add(inner, "127.0.0.1:9");
        let told = aliases.apply("127.0.0.1:70: reset, 127.0.0.1:7000 and 1127.0.0.1:70 not");
        assert_eq!(told, "127.0.0.1:9: reset, 127.0.0.1:7000 and 1127.0.0.1:70 not");
    }

    #[test]
    fn many_clients_do_not_push_the_references_own_address_out() {
        let aliases = Aliases::default();
        for port in 1..=3 * MOST_ALIASES {
            let inner = format!("127.0.0.1:{port}").parse().expect("an address");
            aliases.add(inner, &format!("client {port}"));
        }
        assert_eq!(aliases.apply("127.0.0.1:1"), "client 1");
        assert_eq!(aliases.apply("127.0.0.1:2"), "127.0.0.1:2");
        assert_eq!(aliases.apply("127.0.0.1:192"), "client 192");
    }
}
