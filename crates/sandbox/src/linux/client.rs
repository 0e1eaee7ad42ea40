//! The caller's side: a run, and a running program.

use std::any::Any;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::fs::{MemfdFlags, OFlags, fcntl_getfl, fcntl_setfl, memfd_create};
use rustix::net::{Shutdown, shutdown};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, Signal, pidfd_send_signal};

use super::keeper::{HELLO_READY, REQUEST_JOB, REQUEST_PROBE};
use super::warden::ORDER_END;
use super::wire::{self, Fault, FaultKind, Report};
use super::{helper, message, tree};
use crate::companion::Companion;
use crate::job::{Exit, Job, Leftovers, Network, find_program, remark};
use crate::layer::{self, Layer, Measure};
use crate::{Closed, KEEPER_ARGUMENT, ending, scratch, terminal};

/// How long the keeper and the wardens may take for what takes them milliseconds.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// How long the end of a program's tree may take.
const END_DEADLINE: Duration = Duration::from_secs(60);
/// The size of the pipes to standard input and output, where the system grants it.
const PIPE_BYTES: usize = 1 << 20;

/// One run: its keeper, and its scratch folder. Dropping it ends every program that still runs.
#[derive(Debug)]
pub struct Sandbox {
    run: Arc<Run>,
    layer: OnceLock<Layer>,
    companion: Companion,
}

/// What there is of a run, as long as anybody may want to close it.
#[derive(Debug)]
pub(crate) struct Run {
    /// The end of this ends the keeper.
    requests: OwnedFd,
    keeper: Mutex<Child>,
    scratch: PathBuf,
    closed: Closed,
}

impl Sandbox {
    /// Starts the keeper, which makes the run's scratch folder below `TMPDIR`.
    ///
    /// # Errors
    /// Names the folder where it cannot be made, since it is not there, not writable or full. Fails
    /// too where `main` does not begin with [`crate::keeper_main_if_asked`].
    pub fn start() -> io::Result<Self> {
        let run = ending::open(Run::start)?;
        Ok(Self { run, layer: OnceLock::new(), companion: Companion::default() })
    }

    /// Ends every program of the run and returns when nothing of it is left: no process, no keeper,
    /// no scratch folder. Any thread may call it, also while others use the sandbox; programs are
    /// then no longer started. A second call waits for the first.
    pub fn close(&self) {
        self.run.close();
    }

    /// Tells, now and later, whether this sandbox was closed.
    pub fn closed(&self) -> Closed {
        self.run.closed.clone()
    }

    /// What the caller keeps beside this run, made when it is first asked for. It is dropped with
    /// the run, after all of the run's programs have ended.
    ///
    /// # Panics
    /// Another type was asked for before: there is one companion.
    pub fn companion<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> &T {
        self.companion.get(make)
    }

    /// The run's scratch folder: empty at first, readable by this user only, removed on every way
    /// out.
    pub fn scratch(&self) -> &Path {
        &self.run.scratch
    }

    /// What protects the machine from the programs of this run. Found out at the first call, which
    /// takes some milliseconds.
    pub fn layer(&self) -> &Layer {
        self.layer.get_or_init(|| {
            self.probe().unwrap_or_else(|error| {
                let measure = |name: &str| Measure {
                    name: name.to_owned(),
                    missing: Some(format!("could not be found out: {error}")),
                };
                Layer { measures: vec![measure(layer::LANDLOCK), measure(layer::SECCOMP)] }
            })
        })
    }

    fn probe(&self) -> io::Result<Layer> {
        let (answer, answer_end) = pipe_with(PipeFlags::CLOEXEC)?;
        self.run.request(REQUEST_PROBE, &[answer_end.as_fd()])?;
        drop(answer_end);
        let mut text = String::new();
        File::from(answer).read_to_string(&mut text)?;
        let everywhere = Measure { name: layer::EVERYWHERE.to_owned(), missing: None };
        let mut measures = vec![everywhere];
        for (name, reason) in text.lines().filter_map(|line| line.split_once('\t')) {
            let missing = (!reason.is_empty()).then(|| reason.to_owned());
            measures.push(Measure { name: name.to_owned(), missing });
        }
        Ok(Layer { measures })
    }

    /// Starts a program. May be called from many threads at once.
    ///
    /// # Errors
    /// "cannot start PROGRAM: …" where it cannot be executed, its directory cannot be entered or
    /// a step before that fails; of kind `Unsupported` where a namespace that the job asks for is
    /// not to be had here, and why.
    pub fn spawn(&self, job: &Job) -> io::Result<Running> {
        let started = resolve(job).and_then(|job| self.try_spawn(&job));
        ending::stay_if_ending();
        started.map_err(|error| match error.get_ref() {
            // The warden's word, which names the program already.
            Some(_) => error,
            None => explain(&format!("cannot start {}", job.program.display()), &error),
        })
    }

    fn try_spawn(&self, job: &Job) -> io::Result<Running> {
        let bytes = wire::encode_job(job);
        let description = memfd_create("job", MemfdFlags::CLOEXEC)?;
        let mut description = File::from(description);
        description.write_all(&bytes)?;

        let (orders, warden_end) = message::pair()?;
        let (stdin_end, stdin) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stdout, stdout_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, stderr_end) = if job.stderr_terminal {
            let attempt = format!("cannot start {}: make a terminal for it", job.program.display());
            terminal::pair().map_err(|error| explain(&attempt, &error))?
        } else {
            pipe_with(PipeFlags::CLOEXEC)?
        };
        for end in [&stdin, &stdout, &stderr] {
            fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
        }
        for end in [&stdin, &stdout] {
            // Refused when the user's pipes hold much already; smaller ones serve too.
            let _ = fcntl_setpipe_size(end, PIPE_BYTES);
        }
        let mut descriptors = vec![
            description.as_fd(),
            warden_end.as_fd(),
            stdin_end.as_fd(),
            stdout_end.as_fd(),
            stderr_end.as_fd(),
        ];
        if let Network::Given(network) = &job.network {
            descriptors.extend(network.in_order());
        }
        self.run.request(REQUEST_JOB, &descriptors)?;
        drop((description, warden_end, stdin_end, stdout_end, stderr_end));
        let Beginning { program, warden, pidfd, disk } = await_start(&orders, job)?;
        let disk = disk.zip(job.disk.as_ref().map(|disk| disk.path.clone()));
        let (stdin, stdout, stderr) = (Some(stdin), Some(stdout), Some(stderr));
        let ended = None;
        Ok(Running {
            orders,
            program,
            warden,
            pidfd,
            stdin,
            stdout,
            stderr,
            disk,
            exit: None,
            ended,
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        ending::close(&self.run);
    }
}

impl Run {
    fn start() -> io::Result<Self> {
        let (requests, mut keeper) = helper::start(KEEPER_ARGUMENT)
            .map_err(|error| explain("start the sandbox's keeper", &error))?;
        match hello(&requests) {
            Ok(scratch) => {
                let (keeper, closed) = (Mutex::new(keeper), Closed::default());
                Ok(Self { requests, keeper, scratch, closed })
            }
            Err(error) => {
                drop(requests);
                // It ends by itself now that nobody asks anything of it.
                let _ = keeper.wait();
                Err(error)
            }
        }
    }

    fn request(&self, request: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        message::send(&self.requests, request, descriptors).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                io::Error::new(io::ErrorKind::BrokenPipe, "the sandbox's keeper is gone")
            }
            _ => error,
        })
    }

    /// See [`Sandbox::close`].
    pub(crate) fn close(&self) {
        self.closed.set();
        // Not by closing it: others may be about to send. It fails when the keeper was killed.
        let _ = shutdown(&self.requests, Shutdown::Write);
        // The keeper says on standard error what it could not do.
        let _ = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).wait();
        // In case that somebody has killed the keeper.
        let _ = scratch::remove(&self.scratch);
    }
}

/// A program that was started. Dropping it ends the whole tree of processes.
#[derive(Debug)]
pub struct Running {
    orders: OwnedFd,
    program: u32,
    warden: u32,
    pidfd: OwnedFd,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    disk: Option<(OwnedFd, PathBuf)>,
    exit: Option<Exit>,
    ended: Option<Leftovers>,
}

impl Running {
    /// The program's process number. It stays the program's until the tree is ended, also after the
    /// program itself has.
    pub fn pid(&self) -> u32 {
        self.program
    }

    /// The living processes: the program, if it is, and all that it started, directly or not.
    pub fn pids(&self) -> Vec<u32> {
        let Some(warden) = pid_of(self.warden).filter(|_| self.ended.is_none()) else {
            return Vec::new();
        };
        let below = tree::descendants(warden).into_iter().filter(|&pid| tree::is_living(pid));
        below.map(|pid| pid.as_raw_pid().cast_unsigned()).collect()
    }

    /// Takes the end of the pipe to its standard input, for writing; nonblocking.
    pub fn stdin(&mut self) -> Option<OwnedFd> {
        self.stdin.take()
    }

    /// Takes the end of the pipe from its standard output, for reading; nonblocking.
    pub fn stdout(&mut self) -> Option<OwnedFd> {
        self.stdout.take()
    }

    /// Takes the end of the pipe, or of the terminal, from its standard error, for reading;
    /// nonblocking. At a terminal's end, when the last process that had it open is gone, `read(2)`
    /// fails with EIO: take it for a pipe's 0 bytes.
    pub fn stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// A descriptor that `poll(2)` shows as readable once the program itself has ended.
    pub fn exit_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// How the program itself ended, if it has; does not wait. What it started may still run.
    ///
    /// # Errors
    /// When the program's warden was killed, so that nobody knows.
    pub fn try_exit(&mut self) -> io::Result<Option<Exit>> {
        while self.exit.is_none() && self.ended.is_none() {
            let received = message::try_receive(&self.orders);
            match received {
                Ok((bytes, _)) => self.note(&bytes)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // The kernel tells of the end before the warden can.
                    let has_ended = message::wait_readable(&self.pidfd, Duration::ZERO)?;
                    if !has_ended || !message::wait_readable(&self.orders, ANSWER_DEADLINE)? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.exit)
    }

    /// Sends the program, and nothing that it started, a signal. A program that has ended takes no
    /// notice.
    ///
    /// # Errors
    /// When the tree has been ended already.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }

    /// Ends the whole tree and waits until nothing of it is left. A second call changes nothing.
    ///
    /// # Errors
    /// `TimedOut` when a process does not die; `BrokenPipe` when the program's warden was killed
    /// (the keeper then ends what is left).
    pub fn kill(&mut self) -> io::Result<Leftovers> {
        if self.ended.is_none() {
            // A warden that is gone shows below.
            let _ = message::send(&self.orders, ORDER_END, &[]);
        }
        ending::stay_if_ending();
        loop {
            if let Some(leftovers) = self.ended {
                return Ok(leftovers);
            }
            if !message::wait_readable(&self.orders, END_DEADLINE)? {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("process {} or one that it started does not die", self.program),
                ));
            }
            let (bytes, _) = message::receive(&self.orders)?;
            self.note(&bytes)?;
        }
    }

    /// Where the caller finds a path of the program's: one on the job's disk is reached through a
    /// descriptor, by this process only and as long as this value lives, also when the program has
    /// ended; all others are the same for both.
    pub fn path_inside(&self, path: &Path) -> PathBuf {
        if let Some((root, mounted_at)) = &self.disk
            && let Ok(rest) = path.strip_prefix(mounted_at)
        {
            return PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd())).join(rest);
        }
        path.to_owned()
    }

    fn note(&mut self, bytes: &[u8]) -> io::Result<()> {
        match Report::decode(bytes) {
            Some(Report::Exited(exit)) => self.exit = Some(exit),
            Some(Report::Ended { other_processes }) => {
                let other_processes = usize::try_from(other_processes).unwrap_or(usize::MAX);
                self.ended = Some(Leftovers { other_processes });
            }
            _ => {
                let text = format!("the warden of process {} is gone", self.program);
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, text));
            }
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever wants to know calls it.
        let _ = self.kill();
    }
}

fn hello(requests: &OwnedFd) -> io::Result<PathBuf> {
    if !message::wait_readable(requests, ANSWER_DEADLINE)? {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the sandbox's keeper does not start"));
    }
    let received = message::receive(requests);
    let bytes = received.map(|(bytes, _)| bytes).unwrap_or_default();
    match bytes.split_first() {
        Some((&HELLO_READY, path)) => Ok(PathBuf::from(OsStr::from_bytes(path))),
        Some((_, reason)) => Err(io::Error::other(String::from_utf8_lossy(reason))),
        None => Err(io::Error::other(
            "the sandbox's keeper ended at once: does main() begin with keeper_main_if_asked()?",
        )),
    }
}

struct Beginning {
    program: u32,
    warden: u32,
    pidfd: OwnedFd,
    disk: Option<OwnedFd>,
}

fn await_start(orders: &OwnedFd, job: &Job) -> io::Result<Beginning> {
    let mut disk = None;
    loop {
        if !message::wait_readable(orders, ANSWER_DEADLINE)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (bytes, mut descriptors) = message::receive(orders)?;
        match Report::decode(&bytes) {
            Some(Report::DiskReady) => disk = descriptors.pop(),
            Some(Report::Started { program, warden }) => {
                let pidfd = descriptors.pop().ok_or(io::ErrorKind::InvalidData)?;
                return Ok(Beginning { program, warden, pidfd, disk });
            }
            Some(Report::Failed(fault)) => return Err(tell_fault(&fault, job)),
            _ => return Err(io::Error::other("its warden was killed")),
        }
    }
}

fn tell_fault(fault: &Fault, job: &Job) -> io::Error {
    let error = io::Error::from_raw_os_error(fault.errno);
    let program = job.program.display();
    let reason = if fault.errno == 0 { String::new() } else { format!(": {error}") };
    let text = match fault.kind {
        FaultKind::Execute => {
            format!("cannot start {program}: {error}{}", remark(&job.program, &error))
        }
        FaultKind::Directory => {
            format!("cannot start {program} in {}: {error}", job.directory.display())
        }
        FaultKind::Unsupported => {
            let text = format!("cannot start {program} by itself: {}{reason}", fault.step);
            return io::Error::new(io::ErrorKind::Unsupported, text);
        }
        FaultKind::Other => format!("cannot start {program}: {}{reason}", fault.step),
    };
    io::Error::new(error.kind(), text)
}

/// The job with absolute paths, and the program found.
fn resolve(job: &Job) -> io::Result<Job> {
    let mut job = job.clone();
    job.directory = std::path::absolute(&job.directory)?;
    for path in &mut job.writable {
        *path = std::path::absolute(&*path)?;
    }
    if let Some(disk) = &mut job.disk {
        disk.path = std::path::absolute(&disk.path)?;
    }
    job.program = find_program(&job)?;
    Ok(job)
}

fn pid_of(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

fn explain(attempt: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{attempt}: {error}"))
}
