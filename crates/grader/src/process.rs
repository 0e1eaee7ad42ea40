//! A program that the check drives: what it prints, what it reads, how it ends.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};
use std::rc::Rc;
use std::time::{Duration, Instant};

use assert_cmd::assert::OutputAssertExt;
use predicates::Predicate;
use rustix::process::Signal;

use crate::bytes::{escape, first_difference, first_difference_in};
use crate::context::{Context, Goal, ProgramState};
use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::look;
use crate::pattern::Pattern;
use crate::record::What;
use crate::result_lines::complete_lines;
use crate::tcp::Connection;
use crate::wording::steps;

/// A program that was started.
#[derive(Clone)]
pub struct Program {
    pub(crate) context: Rc<Context>,
    pub(crate) index: usize,
}

/// A program that ended by itself, and all that it printed.
pub struct Finished {
    output: Output,
    who: String,
    signal: Option<i32>,
    cpu_time: Duration,
}

impl Program {
    pub(crate) fn new(context: Rc<Context>, index: usize) -> Self {
        Self { context, index }
    }

    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut ProgramState) -> T) -> T {
        action(&mut self.context.programs.borrow_mut()[self.index])
    }

    /// The program as the learner knows it: "your server".
    pub fn name(&self) -> String {
        self.with(|state| state.lane.program.clone())
    }

    /// The process id of the program itself.
    pub fn pid(&self) -> u32 {
        self.with(|state| state.running.pid())
    }

    /// All its living processes.
    pub fn pids(&self) -> Vec<u32> {
        self.with(|state| state.running.pids())
    }

    /// What it wrote to standard output so far.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end.
    pub fn stdout_so_far(&self) -> Verdict<Vec<u8>> {
        self.context.pump()?;
        Ok(self.with(|state| state.stdout.bytes.clone()))
    }

    /// What it wrote to standard error so far.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end.
    pub fn stderr_so_far(&self) -> Verdict<Vec<u8>> {
        self.context.pump()?;
        Ok(self.with(|state| state.stderr.bytes.clone()))
    }

    /// Writes all of `pattern` to its standard input while the check goes on, then closes it.
    pub fn feed_stdin(&self, pattern: Pattern) {
        self.context.feed_stdin(self.index, pattern);
    }

    /// Writes `bytes` to its standard input and waits until the pipe took them.
    ///
    /// # Errors
    ///
    /// A failure if it ends or stalls before it reads them.
    pub fn write_stdin(&self, bytes: &[u8]) -> Verdict {
        let Some(stdin) = self.with(|state| state.stdin.take()) else {
            return Err(anyhow::anyhow!("standard input was closed before").into());
        };
        let goal = Goal::on(
            &stdin,
            rustix::event::PollFlags::OUT,
            Some(self.index),
            steps::reads_stdin(&self.name()),
        );
        let mut done = 0;
        self.context.wait(&goal, || {
            loop {
                match rustix::io::write(&stdin, &bytes[done..]) {
                    Ok(count) => done += count,
                    Err(rustix::io::Errno::INTR) => {}
                    Err(rustix::io::Errno::AGAIN) => return Ok(None),
                    Err(_) => return Ok(Some(())),
                }
                if done == bytes.len() {
                    return Ok(Some(()));
                }
            }
        })?;
        let bytes = crate::record::Sample::of(bytes);
        self.with(|state| state.stdin = Some(stdin));
        self.record(What::Stdin { bytes });
        Ok(())
    }

    /// Closes its standard input: it reads the end.
    pub fn close_stdin(&self) {
        if self.with(|state| state.stdin.take()).is_some() {
            self.record(What::StdinClosed);
        }
    }

    /// Whether one of its threads sleeps until a descriptor takes more, or until one of several is
    /// ready.
    pub fn is_blocked_in_send(&self) -> bool {
        let sends = |thread: &look::ThreadView| match &thread.waiting {
            look::Waiting::Descriptor { direction, .. } => *direction == look::Direction::Send,
            look::Waiting::Several { ready, .. } => !ready,
            _ => false,
        };
        look::look(&self.pids()).threads.iter().any(sends)
    }

    /// Compares what it prints with `pattern` as it comes, instead of keeping it.
    pub fn compare_stdout(&self, pattern: Pattern) {
        self.context.compare_stdout(self.index, pattern);
    }

    /// Waits for the next `count`-th line (from 0) of standard output, without its newline.
    ///
    /// # Errors
    ///
    /// A failure if the line does not come.
    pub fn expect_line(&self, number: usize, expected: &str) -> Verdict<Vec<u8>> {
        let goal = Goal::of(self.index, expected.to_owned());
        self.context.wait(&goal, || {
            Ok(self.with(|state| line(&state.stdout.bytes, number).map(<[u8]>::to_vec)))
        })
    }

    /// Tries `attempt` until it gives something: for what stands outside of the program, such as a
    /// file that it writes. `expected` says what should come, as the learner reads it.
    ///
    /// # Errors
    ///
    /// A failure if the program ends or stalls before; or what `attempt` says.
    pub fn await_that<T>(
        &self,
        expected: impl Into<String>,
        attempt: impl FnMut() -> Verdict<Option<T>>,
    ) -> Verdict<T> {
        let goal = Goal { quick: true, ..Goal::of(self.index, expected.into()) };
        self.context.wait(&goal, attempt)
    }

    /// Waits until it ends by itself, whatever its status.
    ///
    /// # Errors
    ///
    /// A failure if it goes on.
    pub fn finish(&self) -> Verdict<Finished> {
        self.close_stdin_unless_fed();
        let goal = Goal { who: None, ..Goal::of(self.index, steps::ends(&self.name())) };
        let exit = self
            .context
            .wait(&goal, || Ok(self.with(|state| state.exit)))
            .map_err(still_running)?;
        Ok(self.with(|state| {
            let raw = exit.signal.unwrap_or(0) | (exit.status.unwrap_or(0) << 8);
            Finished {
                output: Output {
                    status: ExitStatus::from_raw(raw),
                    stdout: state.stdout.bytes.clone(),
                    stderr: state.stderr.bytes.clone(),
                },
                who: state.lane.program.clone(),
                signal: exit.signal,
                cpu_time: Duration::from_millis(exit.user_ms + exit.system_ms),
            }
        }))
    }

    /// Waits until it ends, and expects that what it printed was the pattern given to
    /// [`Program::compare_stdout`].
    ///
    /// # Errors
    ///
    /// A failure if it goes on, or printed anything else.
    pub fn finish_compared(&self) -> Verdict<Finished> {
        let finished = self.finish()?;
        let (total, expected, matching, rest) = self.with(|state| {
            let compare = state.stdout.compare.as_ref();
            let (pattern, matching) = compare.expect("compare_stdout comes first");
            let expected = pattern.copy(*matching, 64);
            (
                state.stdout.total,
                (pattern.total_bytes(), expected),
                *matching,
                state.stdout.bytes.clone(),
            )
        });
        if total == expected.0 && matching == total {
            return Ok(finished);
        }
        let symptom = match () {
            () if matching == total => Symptom::CutShort,
            () if matching == expected.0 => Symptom::ExtraBytes,
            () => Symptom::WrongBytes,
        };
        let got = &rest[..rest.len().min(64)];
        let lengths = (expected.0 - matching, total - matching);
        let (expected_text, got_text) = first_difference_in(&expected.1, got, matching, lengths);
        let (expected, got) = steps::stdout_bytes(&expected_text, &got_text, expected.0, total);
        Err(Failure::new(symptom, expected, got).into())
    }

    /// Waits until it ends by itself, and expects this exit status.
    ///
    /// # Errors
    ///
    /// A failure if it goes on, or ends otherwise.
    pub fn finish_with(&self, status: i32) -> Verdict<Finished> {
        let finished = self.finish()?;
        finished.expect_status(&[status])?;
        Ok(finished)
    }

    /// Expects that it still runs.
    ///
    /// # Errors
    ///
    /// A failure if it ended.
    pub fn expect_running(&self) -> Verdict {
        self.context.pump()?;
        if self.context.has_ended(self.index) {
            let goal = Goal::of(self.index, steps::still_runs(&self.name()));
            return self.context.wait(&goal, || Ok(None));
        }
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn signal(&self, signal: Signal) -> Verdict {
        self.with(|state| state.running.signal(signal))?;
        self.record(What::Signalled { signal: steps::signal_name(signal.as_raw()) });
        Ok(())
    }

    /// Stops it and all that it started (SIGSTOP), and waits until the kernel has done so.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn pause(&self) -> Verdict {
        let writes = |thread: &look::ThreadView| {
            matches!(
                thread.waiting,
                look::Waiting::Descriptor { direction: look::Direction::Send, .. }
            )
        };
        let is_in_write = look::look(&self.pids()).threads.iter().any(writes);
        self.signal_all(Signal::STOP)?;
        if is_in_write {
            self.record(What::Note { text: steps::cut_write(&self.name()) });
        }
        let goal = Goal { quick: true, ..Goal::of(self.index, steps::stops(&self.name())) };
        self.context.wait(&goal, || {
            let view = look::look(&self.pids());
            let stands = |thread: &look::ThreadView| {
                matches!(thread.waiting, look::Waiting::Stopped | look::Waiting::Zombie)
            };
            Ok(view.threads.iter().all(stands).then_some(()))
        })
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn resume(&self) -> Verdict {
        self.signal_all(Signal::CONT)
    }

    fn signal_all(&self, signal: Signal) -> Verdict {
        let itself = self.pid();
        self.signal(signal)?;
        for pid in self.pids().into_iter().filter(|pid| *pid != itself) {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
            // A child that has ended meanwhile is not its program's any more, but still nobody
            // else's: the sandbox keeps its number until it has been waited for.
            let _ = pid.map(|pid| rustix::process::kill_process(pid, signal));
        }
        Ok(())
    }

    /// Ends it and all that it started (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn kill(&self) -> Verdict {
        self.context.pump()?;
        if self.with(|state| std::mem::replace(&mut state.ended, true)) {
            return Ok(());
        }
        // Before it is done: the packets that its kernel then sends come after it in a trace.
        self.record(What::Ended);
        self.with(|state| state.running.kill())?;
        Ok(())
    }

    /// How much processor time it has used.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the kernel does not tell.
    pub fn cpu_time(&self) -> Verdict<Duration> {
        self.pids().into_iter().map(|pid| self.of_living(look::cpu_time(pid))).sum()
    }

    /// The most memory of its own (not the kernel's) that it holds now, in bytes, over all its
    /// processes.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the kernel does not tell.
    pub fn memory_bytes(&self) -> Verdict<u64> {
        self.pids().into_iter().map(|pid| self.of_living(look::anonymous_bytes(pid))).sum()
    }

    /// The peak of its resident memory, in bytes.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the kernel does not tell.
    pub fn peak_memory_bytes(&self) -> Verdict<u64> {
        self.of_living(look::peak_memory_bytes(self.pid()))
    }

    /// The most address space that it ever had, in bytes: what it reserved, used or not.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the kernel does not tell.
    pub fn peak_address_space_bytes(&self) -> Verdict<u64> {
        self.of_living(look::peak_address_space_bytes(self.pid()))
    }

    /// What the kernel accounts to one of its processes. One that has ended, or is about to, has
    /// nothing any more: that is the end of the program, or of a child of it.
    fn of_living<T: Default>(&self, result: std::io::Result<T>) -> Verdict<T> {
        let is_gone = |error: &std::io::Error| {
            matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::NotFound)
        };
        if !result.as_ref().is_err_and(is_gone) {
            return unsupported(result);
        }
        let goal = Goal { who: None, ..Goal::of(self.index, steps::still_runs(&self.name())) };
        let began = Instant::now();
        self.context.wait(&goal, || {
            let has_ended = self.context.has_ended(self.index);
            Ok((has_ended || began.elapsed() >= ENDING).then_some(()))
        })?;
        self.expect_running().map(|()| T::default())
    }

    /// The program's own socket, as a second descriptor for it (pidfd_getfd(2)): what the kernel
    /// knows of it can be asked.
    ///
    /// # Errors
    ///
    /// A failure if that descriptor is no open socket; `Unsupported` where the kernel cannot give
    /// it.
    pub fn socket(&self, descriptor: i32) -> Verdict<socket2::Socket> {
        let open = unsupported(look::descriptors(self.pid()))?;
        let name =
            open.iter().find(|(number, _)| *number == descriptor).map(|(_, name)| name.as_str());
        if !name.is_some_and(|name| name.starts_with("socket:")) {
            let (expected, got) = steps::open_socket(&self.name(), descriptor, name);
            return Err(Failure::new(Symptom::WrongStdout, expected, got).into());
        }
        Ok(unsupported(look::duplicate_descriptor(self.pid(), descriptor))?.into())
    }

    /// The numbers of its descriptors that are sockets, in rising order.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the kernel does not tell.
    pub fn sockets(&self) -> Verdict<Vec<i32>> {
        let mut numbers: Vec<i32> = unsupported(look::descriptors(self.pid()))?
            .into_iter()
            .filter(|(_, name)| name.starts_with("socket:"))
            .map(|(number, _)| number)
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Where the grader finds a path that the program sees, also on a disk of its own
    /// ([`sandbox::Disk`]).
    pub fn path_inside(&self, path: &std::path::Path) -> std::path::PathBuf {
        self.with(|state| state.running.path_inside(path))
    }

    /// The address in the first ready line that stands near the beginning of its standard output.
    fn said_address(&self) -> Option<SocketAddr> {
        self.with(|state| {
            let printed = &state.stdout.bytes;
            let beginning = &printed[..printed.len().min(READY_LINE_WITHIN_BYTES)];
            let lines = beginning.split_inclusive(|byte| *byte == b'\n');
            lines.filter_map(|line| line.strip_suffix(b"\n")).find_map(parse_ready_line)
        })
    }

    /// A wait for the ready line that failed: what came instead of it is the news.
    fn no_ready_line(&self, mut failure: Failure) -> Stop {
        let printed = self.with(|state| state.stdout.bytes.clone());
        if failure.symptom.is_silence() {
            let is_line = line(&printed, 0).is_some();
            failure.symptom = if is_line { Symptom::BadReadyLine } else { Symptom::NoReadyLine };
            let stderr = self.with(|state| state.stderr.bytes.clone());
            let mut news = vec![steps::does_not_listen(&self.name()), failure.got];
            if says_ready(&stderr) {
                news.insert(0, steps::printed_on_stderr(&escape(&stderr)));
            }
            if !printed.is_empty() {
                news.insert(0, steps::printed(&escape(&printed)));
            }
            failure.got = news.join("\n");
        }
        failure.into()
    }

    pub(crate) fn record(&self, what: What) {
        let lane = self.with(|state| state.lane.clone());
        self.context.recorder.record(&lane, what);
    }

    /// Whether a feed of its standard input is still under way.
    pub(crate) fn is_fed(&self) -> bool {
        self.with(|state| state.is_fed())
    }

    /// A program that is run to its end reads nothing more, unless a feed is still under way.
    fn close_stdin_unless_fed(&self) {
        if !self.is_fed() {
            self.close_stdin();
        }
    }
}

pub(crate) fn unsupported<T>(result: std::io::Result<T>) -> Verdict<T> {
    result.map_err(|error| match error.kind() {
        ErrorKind::Unsupported => Stop::Unsupported(error.to_string()),
        _ => error.into(),
    })
}

/// A program that should have ended and did not: told as such, unless it printed without end.
fn still_running(stop: Stop) -> Stop {
    stop.changed(|failure| {
        if failure.symptom == Symptom::TooLate {
            failure.symptom = Symptom::StillRunning;
        }
    })
}

/// The complete line of that number, without its newline.
fn line(bytes: &[u8], number: usize) -> Option<&[u8]> {
    complete_lines(bytes).nth(number)
}

impl Finished {
    /// What it wrote to standard output.
    pub fn stdout(&self) -> &[u8] {
        &self.output.stdout
    }

    /// What it wrote to standard error.
    pub fn stderr(&self) -> &[u8] {
        &self.output.stderr
    }

    /// How much processor time it used, its children that it waited for included.
    pub fn cpu_time(&self) -> Duration {
        self.cpu_time
    }

    /// Its exit status; `None` if a signal ended it.
    pub fn status(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Expects one of these exit statuses.
    ///
    /// # Errors
    ///
    /// A failure that says what it ended with.
    pub fn expect_status(&self, expected: &[i32]) -> Verdict<&Self> {
        let allowed = predicates::iter::in_iter(expected.to_vec());
        if self.signal.is_none() && self.output.clone().assert().try_code(allowed).is_ok() {
            return Ok(self);
        }
        let stderr = String::from_utf8_lossy(&self.output.stderr);
        let exit = sandbox::Exit {
            status: self.output.status.code(),
            signal: self.signal,
            user_ms: 0,
            system_ms: 0,
        };
        let crashed = crate::context::has_crashed(&exit);
        let symptom = if crashed { Symptom::Crashed } else { Symptom::WrongStatus };
        let got = steps::ended(&self.who, &exit, &stderr);
        Err(Failure::new(symptom, steps::status_wanted(expected), got).into())
    }

    /// Expects exactly these bytes on standard output.
    ///
    /// # Errors
    ///
    /// A failure with the first difference.
    pub fn expect_stdout(&self, expected: &[u8]) -> Verdict<&Self> {
        let same = predicates::ord::eq(expected.to_vec());
        if self.output.clone().assert().try_stdout(same).is_ok() {
            return Ok(self);
        }
        let got = &self.output.stdout;
        let symptom = if expected.starts_with(got) {
            Symptom::CutShort
        } else if got.starts_with(expected) {
            Symptom::ExtraBytes
        } else {
            Symptom::WrongStdout
        };
        let (expected_text, got_text) = first_difference(expected, got, 0);
        let (expected, got) =
            steps::stdout_bytes(&expected_text, &got_text, expected.len() as u64, got.len() as u64);
        Err(Failure::new(symptom, expected, got).into())
    }

    /// Expects exactly one line on standard error, and that it names `what` (an address, a name) if
    /// that is not empty.
    ///
    /// # Errors
    ///
    /// A failure that shows what stands there.
    pub fn expect_error_line(&self, what: &str) -> Verdict<&Self> {
        self.one_error_line(what, what)
    }

    /// As [`Finished::expect_error_line`] with an address: its port alone will do, since a HOST may
    /// have been a name.
    ///
    /// # Errors
    ///
    /// A failure that shows what stands there.
    pub fn expect_error_line_about(&self, address: SocketAddr) -> Verdict<&Self> {
        self.one_error_line(&address.port().to_string(), &address.to_string())
    }

    fn one_error_line(&self, what: &str, shown: &str) -> Verdict<&Self> {
        let stderr = String::from_utf8_lossy(&self.output.stderr);
        let lines = stderr.lines().filter(|line| !line.trim().is_empty()).count();
        let names = predicates::str::contains(what);
        if lines == 1 && names.eval(&stderr) {
            return Ok(self);
        }
        let (expected, got) = steps::error_line(shown, lines, &escape(&self.output.stderr));
        Err(Failure::new(Symptom::WrongStderr, expected, got).into())
    }

    /// Expects that the last line on standard error names `what`; a log may stand before it.
    ///
    /// # Errors
    ///
    /// A failure that shows what stands there.
    pub fn expect_last_error_line(&self, what: &str) -> Verdict<&Self> {
        self.last_error_line(what, what)
    }

    /// As [`Finished::expect_last_error_line`] with an address, of which the port alone will do.
    ///
    /// # Errors
    ///
    /// A failure that shows what stands there.
    pub fn expect_last_error_line_about(&self, address: SocketAddr) -> Verdict<&Self> {
        self.last_error_line(&address.port().to_string(), &address.to_string())
    }

    fn last_error_line(&self, what: &str, shown: &str) -> Verdict<&Self> {
        let stderr = String::from_utf8_lossy(&self.output.stderr);
        let last = stderr.lines().rfind(|line| !line.trim().is_empty());
        if last.is_some_and(|line| predicates::str::contains(what).eval(line)) {
            return Ok(self);
        }
        let stands =
            last.map_or_else(|| escape(&self.output.stderr), |last| escape(last.as_bytes()));
        let (expected, got) = steps::last_error_line(shown, last.is_some(), &stands);
        Err(Failure::new(Symptom::WrongStderr, expected, got).into())
    }

    /// Expects that standard error contains `what`.
    ///
    /// # Errors
    ///
    /// A failure that shows what stands there.
    pub fn expect_error_containing(&self, what: &str) -> Verdict<&Self> {
        let stderr = String::from_utf8_lossy(&self.output.stderr);
        if predicates::str::contains(what).eval(&stderr) {
            return Ok(self);
        }
        let (expected, got) = steps::error_containing(what, &escape(&self.output.stderr));
        Err(Failure::new(Symptom::WrongStderr, expected, got).into())
    }

    /// Expects at least one line on standard error.
    ///
    /// # Errors
    ///
    /// A failure if there is none.
    pub fn expect_some_error(&self) -> Verdict<&Self> {
        if self.output.stderr.iter().any(|byte| !byte.is_ascii_whitespace()) {
            return Ok(self);
        }
        let (expected, got) = steps::some_error(&escape(&self.output.stderr));
        Err(Failure::new(Symptom::WrongStderr, expected, got).into())
    }
}

/// A program that listens.
#[derive(Clone)]
pub struct Server {
    program: Program,
    address: SocketAddr,
    /// It was seen to wait for clients without having said where.
    waits_in_silence: bool,
}

/// Reads from the processes' own sockets where they can be reached.
type FindAddresses = fn(&[u32]) -> Vec<SocketAddr>;

/// How long a process may take from giving up its memory to its end.
const ENDING: Duration = Duration::from_secs(1);
/// Where the ready line has to stand for the grader to find it among other output.
const READY_LINE_WITHIN_BYTES: usize = 16 << 10;
/// How long a server that already listens may take to say so before the grader goes on without its
/// word.
const WORD_AFTER: Duration = Duration::from_millis(1500);

impl std::ops::Deref for Server {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl Server {
    /// Waits until the program listens.
    pub(crate) fn ready(program: Program, listening: FindAddresses) -> Verdict<Self> {
        let goal = Goal::of(program.index, steps::ready_line().to_owned());
        let began = Instant::now();
        let waited = program.context.wait(&goal, || {
            if let Some(said) = program.said_address() {
                return Ok(Some(Some(said)));
            }
            // Whatever else it has printed: the line may be still to come, unless it listens
            // already.
            let wordy = program.with(|state| line(&state.stdout.bytes, 0).is_some());
            let overdue = wordy || began.elapsed() > WORD_AFTER;
            Ok((overdue && !listening(&program.pids()).is_empty()).then_some(None))
        });
        let mut waits_in_silence = false;
        let said = match waited {
            Ok(said) => said,
            Err(Stop::Failed(failure)) => {
                // It may wait for clients without having said so.
                let waits = failure.symptom == Symptom::Stalled;
                if !waits || listening(&program.pids()).is_empty() {
                    return Err(program.no_ready_line(*failure));
                }
                waits_in_silence = true;
                None
            }
            Err(other) => return Err(other),
        };
        let real = listening(&program.pids());
        let address = match said {
            Some(said) if real.is_empty() || real.iter().any(|one| reaches(*one, said)) => said,
            _ => match real.first() {
                Some(real) => {
                    let note =
                        program.with(|state| steps::address_found(*real, &state.stdout.bytes));
                    program.record(What::Note { text: note });
                    *real
                }
                None => {
                    let said = program.with(|state| escape(&state.stdout.bytes));
                    let failure = Failure::new(
                        Symptom::BadReadyLine,
                        steps::ready_line(),
                        steps::printed(&said),
                    );
                    return Err(failure.into());
                }
            },
        };
        program.with(|state| state.serves = true);
        Ok(Self { program, address, waits_in_silence })
    }

    /// The address in the first line of standard output, if that is a ready line.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end.
    pub fn first_line_address(&self) -> Verdict<Option<SocketAddr>> {
        Ok(line(&self.stdout_so_far()?, 0).and_then(parse_ready_line))
    }

    /// The address at which it really listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects to it.
    ///
    /// # Errors
    ///
    /// A failure if the connection is refused.
    pub fn connect(&self) -> Verdict<Connection> {
        Connection::open(&self.program, self.address)
    }

    /// Expects that a program that was asked to listen at `asked` has a listening socket there, as
    /// far as the kernel tells.
    ///
    /// # Errors
    ///
    /// A failure (`bound-elsewhere`) that shows where it listens.
    pub fn expect_listening_at(&self, asked: IpAddr) -> Verdict {
        self.expect_bound_to(asked, &crate::sockets::listening(&self.pids()))
    }

    /// Expects that one of the addresses that the program's sockets are bound to has the IP address
    /// that it was asked for. Where nothing is known of them, it has.
    pub(crate) fn expect_bound_to(&self, asked: IpAddr, bound: &[SocketAddr]) -> Verdict {
        let asked = self.context.reach(SocketAddr::new(asked, 0)).ip();
        if bound.is_empty() || bound.iter().any(|one| one.ip().to_canonical() == asked) {
            return Ok(());
        }
        let (expected, got) = steps::bound_elsewhere(asked, bound[0]);
        Err(Failure::new(Symptom::Named("bound-elsewhere"), expected, got).into())
    }

    /// Expects that standard output is exactly the line `listening on IP:PORT` with the address
    /// that it really has.
    ///
    /// # Errors
    ///
    /// A failure that shows what stands there.
    pub fn expect_ready_line(&self) -> Verdict {
        let printed = self.stdout_so_far()?;
        let expected = format!("listening on {}\n", self.address);
        let lines = printed.iter().filter(|byte| **byte == b'\n').count();
        let said = line(&printed, 0).and_then(parse_ready_line);
        if lines == 1 && printed.ends_with(b"\n") && said == Some(self.address) {
            if !self.waits_in_silence {
                return Ok(());
            }
            let (expected, got) = steps::ready_line_too_late();
            return Err(Failure::new(Symptom::LateReadyLine, expected, got).into());
        }
        let symptom = match printed.as_slice() {
            [] => Symptom::NoReadyLine,
            text if parse_ready_line(text) == Some(self.address) => Symptom::UnendedReadyLine,
            _ => Symptom::BadReadyLine,
        };
        let (expected, mut got) =
            steps::ready_line_only(&escape(expected.as_bytes()), &escape(&printed));
        let stderr = self.stderr_so_far()?;
        if printed.is_empty() && says_ready(&stderr) {
            got = format!("{got}\n{}", steps::printed_on_stderr(&escape(&stderr)));
        }
        Err(Failure::new(symptom, expected, got).into())
    }
}

/// The address in `listening on IP:PORT`; other words around it cost only the check that is about
/// the line.
fn parse_ready_line(line: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(line).ok()?;
    text.strip_prefix("listening on ")?.parse().ok()
}

/// Whether what stands on standard error looks like a ready line that went to the wrong stream.
fn says_ready(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).to_lowercase().contains("listening on")
}

/// Whether a connection to `said` arrives at a socket that is bound to `real`.
fn reaches(real: SocketAddr, said: SocketAddr) -> bool {
    real.port() == said.port() && (real.ip() == said.ip() || real.ip().is_unspecified())
}
