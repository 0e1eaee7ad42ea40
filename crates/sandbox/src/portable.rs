//! The sandbox on systems other than Linux: a session and limits for each program, its process
//! group killed, and a keeper that does the same when the caller was killed. What leaves its group
//! (a daemon) is not found, writing is not restricted, and there are no namespaces.

use std::any::Any;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd, retry_on_intr};
use rustix::pipe::pipe;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitIdStatus, getrlimit, kill_process,
    kill_process_group, setrlimit, setsid, waitid,
};

use crate::companion::Companion;
use crate::job::{Exit, Job, Leftovers, Limits, Network, find_program, remark};
use crate::layer::{self, Layer, Measure};
use crate::room::Room;
use crate::{Closed, KEEPER_ARGUMENT, ending, scratch, terminal};

/// Becomes the keeper and never returns if [`Sandbox::start`] started this process: the first line
/// of `main` in every executable that uses a sandbox.
pub fn keeper_main_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == KEEPER_ARGUMENT)
        && let Some(scratch) = arguments.next()
    {
        keep(Path::new(&scratch));
        std::process::exit(0);
    }
}

/// Nothing here: only Linux shows a process's memory and environment to others of its user.
///
/// # Errors
/// None.
pub fn protect_self() -> io::Result<()> {
    Ok(())
}

/// Nothing here: only Linux has namespaces.
///
/// # Errors
/// Always, of kind `Unsupported`.
pub fn enter_room(_: &Room, _: impl FnOnce() -> i32) -> io::Result<i32> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no namespaces"))
}

/// Reads which groups are there and which have ended, until the caller is gone; then ends the rest.
fn keep(scratch: &Path) {
    // It shares the caller's terminal until here, so that Ctrl-C would end it too.
    let _ = setsid();
    let mut groups = BTreeSet::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match line.parse::<i32>() {
            Ok(group) if group > 0 => groups.insert(group),
            Ok(ended) => groups.remove(&-ended),
            Err(_) => false,
        };
    }
    for group in groups.into_iter().filter_map(Pid::from_raw) {
        // One that has ended meanwhile is what is wanted.
        let _ = kill_process_group(group, Signal::KILL);
    }
    if let Err(error) = scratch::remove(scratch) {
        eprintln!("remove {}: {error}", scratch.display());
    }
}

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
    keeper: Mutex<Child>,
    groups: Groups,
    scratch: PathBuf,
    closed: Closed,
}

/// The way by which the keeper is told of process groups, until the run is closed; shared with the
/// programs.
type Groups = Arc<Mutex<Option<ChildStdin>>>;

impl Sandbox {
    /// Makes the run's scratch folder below `TMPDIR` and starts the keeper.
    ///
    /// # Errors
    /// Names the folder where it cannot be made, since it is not there, not writable or full.
    pub fn start() -> io::Result<Self> {
        let run = ending::open(Run::start)?;
        Ok(Self { run, layer: OnceLock::new(), companion: Companion::default() })
    }

    /// Ends every program's group and returns when no keeper and no scratch folder is left. Any
    /// thread may call it, also while others use the sandbox; programs are then no longer started.
    /// A second call waits for the first.
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

    /// What protects the machine from the programs of this run.
    pub fn layer(&self) -> &Layer {
        self.layer.get_or_init(|| {
            let measure = |name: &str, missing: Option<&str>| Measure {
                name: name.to_owned(),
                missing: missing.map(str::to_owned),
            };
            let only_linux = Some("only Linux has it");
            let linux = [layer::LANDLOCK, layer::SECCOMP, layer::NETWORK, layer::DISK];
            let mut measures = vec![measure(layer::EVERYWHERE, None)];
            measures.extend(linux.map(|name| measure(name, only_linux)));
            measures.push(measure(layer::PROCESSES, Some("the user's processes are not counted")));
            Layer { measures }
        })
    }

    /// Starts a program. May be called from many threads at once.
    ///
    /// # Errors
    /// "cannot start PROGRAM: …"; of kind `Unsupported` where the job asks for a namespace.
    pub fn spawn(&self, job: &Job) -> io::Result<Running> {
        if !matches!(job.network, Network::Host) || job.disk.is_some() || job.hosts.is_some() {
            let text = format!("cannot start {} by itself: only Linux can", job.program.display());
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        let started = self.try_spawn(job);
        ending::stay_if_ending();
        started.map_err(|error| {
            let (program, folder) = (job.program.display(), job.directory.display());
            if !job.directory.is_dir() {
                return io::Error::new(
                    error.kind(),
                    format!("cannot start {program} in {folder}: {error}"),
                );
            }
            let remark = remark(&job.program, &error);
            io::Error::new(error.kind(), format!("cannot start {program}: {error}{remark}"))
        })
    }

    fn try_spawn(&self, job: &Job) -> io::Result<Running> {
        let mut command = Command::new(find_program(job)?);
        command.args(&job.args).current_dir(&job.directory).env_clear();
        command.envs(job.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let terminal = job.stderr_terminal.then(terminal::pair).transpose()?;
        let (terminal, terminal_end) = terminal.unzip();
        command.stderr(terminal_end.map_or_else(Stdio::piped, Stdio::from));
        let (limits, extra) = (job.limits.clone(), job.extra_descriptors);
        let prepare = move || {
            setsid()?;
            close_on_exec();
            open_null(extra)?;
            set_limits(&limits)
        };
        // SAFETY: between fork and exec only system calls are made, and nothing is allocated.
        unsafe { command.pre_exec(prepare) };
        let mut child = command.spawn()?;
        let id = i32::try_from(child.id()).map_err(io::Error::other)?;
        let program = Pid::from_raw(id).ok_or(io::ErrorKind::InvalidData)?;
        if !tell(&self.run.groups, id) {
            let _ = kill_process_group(program, Signal::KILL);
            child.wait()?;
            let text = "the sandbox is closed";
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, text));
        }
        // It holds the program's end of the terminal, which would never read as ended.
        drop(command);
        let [stdin, stdout, stderr] = [
            child.stdin.take().map(OwnedFd::from),
            child.stdout.take().map(OwnedFd::from),
            terminal.or_else(|| child.stderr.take().map(OwnedFd::from)),
        ];
        for end in [&stdin, &stdout, &stderr].into_iter().flatten() {
            fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
        }
        let (ended, groups) = (watch(program)?, Arc::clone(&self.run.groups));
        Ok(Running { groups, program, child, stdin, stdout, stderr, ended, exit: None, gone: None })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        ending::close(&self.run);
    }
}

impl Run {
    fn start() -> io::Result<Self> {
        let scratch = scratch::make(&std::path::absolute(std::env::temp_dir())?)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(KEEPER_ARGUMENT).arg(&scratch).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut keeper = command.spawn().inspect_err(|_| {
            // The first failure is the one to tell.
            let _ = scratch::remove(&scratch);
        })?;
        let groups = Arc::new(Mutex::new(keeper.stdin.take()));
        let (keeper, closed) = (Mutex::new(keeper), Closed::default());
        Ok(Self { keeper, groups, scratch, closed })
    }

    /// See [`Sandbox::close`].
    pub(crate) fn close(&self) {
        self.closed.set();
        // The keeper reads the end of this.
        drop(lock(&self.groups).take());
        // It says on standard error what it could not do.
        let _ = lock(&self.keeper).wait();
        // In case that somebody has killed the keeper.
        let _ = scratch::remove(&self.scratch);
    }
}

/// A program that was started. Dropping it ends its process group.
#[derive(Debug)]
pub struct Running {
    groups: Groups,
    program: Pid,
    child: Child,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    ended: OwnedFd,
    exit: Option<Exit>,
    gone: Option<Leftovers>,
}

impl Running {
    /// The program's process number. It stays the program's until its group is ended, also after
    /// the program itself has.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The program, if it lives. What it started is not known here.
    pub fn pids(&self) -> Vec<u32> {
        let lives = self.gone.is_none() && matches!(peek(self.program), Ok(None));
        if lives { vec![self.pid()] } else { Vec::new() }
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
    /// may fail with EIO: take it for a pipe's 0 bytes.
    pub fn stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// A descriptor that `poll(2)` shows as readable once the program itself has ended.
    pub fn exit_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// How the program itself ended, if it has; does not wait. The times are 0: they are told only
    /// when its number is given up.
    ///
    /// # Errors
    /// Those of `waitid(2)`.
    pub fn try_exit(&mut self) -> io::Result<Option<Exit>> {
        if self.exit.is_none() && self.gone.is_none() {
            self.exit = peek(self.program)?;
        }
        Ok(self.exit)
    }

    /// Sends the program, and nothing that it started, a signal.
    ///
    /// # Errors
    /// When its group has been ended already.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.gone.is_some() {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
        }
        Ok(kill_process(self.program, signal)?)
    }

    /// Ends the program's group and waits for the program. A second call changes nothing.
    ///
    /// # Errors
    /// Those of `waitid(2)`.
    pub fn kill(&mut self) -> io::Result<Leftovers> {
        if let Some(gone) = self.gone {
            return Ok(gone);
        }
        // Nothing may be left of it to kill.
        let _ = kill_process_group(self.program, Signal::KILL);
        ending::stay_if_ending();
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = retry_on_intr(|| waitid(WaitId::Pid(self.program), options))?;
        self.exit = self.exit.or(status.map(exit_of));
        self.child.wait()?;
        // A run that is closed keeps no list of them.
        let _ = tell(&self.groups, -self.program.as_raw_pid());
        Ok(*self.gone.insert(Leftovers::default()))
    }

    /// The path itself: program and caller see the same files.
    pub fn path_inside(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever wants to know calls it.
        let _ = self.kill();
    }
}

/// Tells the keeper of a new group, or, by a negative number, of one that has ended.
/// False when the run is closed.
fn tell(groups: &Groups, group: i32) -> bool {
    let mut groups = lock(groups);
    if let Some(keeper) = groups.as_mut() {
        // A keeper that was killed can do nothing with it.
        let _ = writeln!(keeper, "{group}");
    }
    groups.is_some()
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A descriptor that reads as ended once the program has; its number stays taken.
fn watch(program: Pid) -> io::Result<OwnedFd> {
    let (ended, end) = pipe()?;
    for descriptor in [&ended, &end] {
        fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    }
    std::thread::Builder::new().name("exit".into()).spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        // An error says that it was waited for already.
        let _ = retry_on_intr(|| waitid(WaitId::Pid(program), options));
        drop(end);
    })?;
    Ok(ended)
}

fn peek(program: Pid) -> io::Result<Option<Exit>> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    Ok(waitid(WaitId::Pid(program), options)?.map(exit_of))
}

fn exit_of(status: WaitIdStatus) -> Exit {
    let (status, signal) = (status.exit_status(), status.terminating_signal());
    Exit { status, signal, user_ms: 0, system_ms: 0 }
}

/// What the caller itself inherited without asking (a build tool's pipes) is not handed on.
fn close_on_exec() {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(1024).min(1024);
    for number in (3..1024).take_while(|&number: &i32| u64::from(number.unsigned_abs()) < limit) {
        // SAFETY: the descriptor is only borrowed for this call, which fails if it is not open.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
    }
}

/// Opens `/dev/null` so often, from 3 up. Descriptors of the caller's, which lie there until exec,
/// make the numbers higher.
fn open_null(count: usize) -> io::Result<()> {
    for _ in 0..count {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        fcntl_setfd(&null, FdFlags::empty())?;
        std::mem::forget(null);
    }
    Ok(())
}

fn set_limits(limits: &Limits) -> io::Result<()> {
    if limits.file_size_is_told {
        // SAFETY: no handler is set; that a signal is ignored stays so across exec.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    }
    for (resource, limit) in [
        (Resource::Core, Some(0)),
        (Resource::As, limits.address_space_bytes),
        (Resource::Data, limits.data_bytes),
        (Resource::Cpu, limits.cpu_seconds),
        (Resource::Fsize, limits.file_size_bytes),
        (Resource::Nofile, limits.open_files),
    ] {
        let Some(limit) = limit else { continue };
        let limit = getrlimit(resource).maximum.map_or(limit, |imposed| imposed.min(limit));
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        // Some systems do not know all of these, or refuse low values.
        let _ = setrlimit(resource, limit);
    }
    Ok(())
}
