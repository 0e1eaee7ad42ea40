//! The last steps before the program runs, in the process that becomes the program.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit, setsid,
};

use super::keeper::Context;
use super::signals::unblock_signals;
use super::wire::{Fault, FaultKind, Report};
use super::{confine, message, namespace};
use crate::job::{Job, Limits};

/// A core file's limit that also keeps a core *handler* from being started: the kernel starts it
/// for a limit of 0, but not for 1 (`core(5)`).
const CORE_BYTES: u64 = 1;
/// The highest signal number (`_NSIG`).
const SIGNAL_MAX: i32 = 64;
/// How often to try to execute a file that somebody has open for writing.
const BUSY_TRIES: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Turns this process into the job's program. Returns only if that failed.
pub(super) fn become_program(
    job: &Job,
    warden: Pid,
    stdio: &[OwnedFd; 3],
    orders: &OwnedFd,
    context: &Context,
) -> Fault {
    match prepare(job, warden, stdio, orders, context) {
        Ok(()) => execute(job),
        Err(fault) => fault,
    }
}

fn prepare(
    job: &Job,
    warden: Pid,
    stdio: &[OwnedFd; 3],
    orders: &OwnedFd,
    context: &Context,
) -> Result<(), Fault> {
    let step = |step: &'static str| move |error: io::Error| fault(FaultKind::Other, step, &error);
    setsid().map_err(|error| step("make a session")(error.into()))?;
    // Signals sent from now on do what they do in any new program.
    reset_signals().map_err(step("reset its signals"))?;
    die_with(warden).map_err(step("tie the program to its warden"))?;
    place_descriptors(stdio, job.extra_descriptors).map_err(step("open its descriptors"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));

    let unsupported = |(step, error)| fault(FaultKind::Unsupported, step, &error);
    if let Some(disk) = namespace::enter(job, &context.scratch).map_err(unsupported)? {
        message::send(orders, &Report::DiskReady.encode(), &[disk.as_fd()])
            .map_err(step("hand over the disk"))?;
    }
    std::env::set_current_dir(&job.directory)
        .map_err(|error| fault(FaultKind::Directory, "enter its directory", &error))?;

    confine::drop_powers();
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| step("give up new privileges")(error.into()))?;
    confine::restrict_files(job).map_err(step("restrict its files"))?;
    set_limits(&job.limits, context).map_err(step("set its limits"))?;
    if let Some(filter) = &context.filter {
        filter.enforce().map_err(step("filter system calls"))?;
    }
    first_beyond(job.extra_descriptors)
        .and_then(close_on_exec_from)
        .map_err(step("close descriptors"))
}

/// All signals unblocked and with their default action; ignored ones would stay so across exec.
fn reset_signals() -> io::Result<()> {
    // The kernel's own structure, on both architectures: all zeros is the default action. The C
    // library's function does not touch the two signals that it keeps for itself, and a parent may
    // have left those ignored.
    let default_action = [0_u64; 4];
    for signal in 1..=SIGNAL_MAX {
        // SAFETY: the structure is live and not written to; SIGKILL and SIGSTOP are refused.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default_action.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    unblock_signals()
}

fn die_with(warden: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The warden may have died before this process asked to be told.
    if getppid() == Some(warden) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
}

/// Standard input, output and error become 0, 1 and 2; as many more as asked for are `/dev/null`.
/// All of `stdio` have numbers beyond these (see [`lift`]).
fn place_descriptors(stdio: &[OwnedFd; 3], extra: usize) -> io::Result<()> {
    for (number, descriptor) in (0..).zip(stdio) {
        duplicate_to(descriptor.as_fd(), number)?;
    }
    if extra > 0 {
        let beyond = first_beyond(extra)?;
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let null = lift(rustix::fs::open("/dev/null", flags, Mode::empty())?, beyond)?;
        for number in 3..beyond {
            duplicate_to(null.as_fd(), number)?;
        }
    }
    Ok(())
}

/// The first descriptor number that the program does not find open.
pub(super) fn first_beyond(extra_descriptors: usize) -> io::Result<i32> {
    i32::try_from(3 + extra_descriptors).map_err(io::Error::other)
}

/// Moves a descriptor to a number of at least `lowest`, out of the way of those placed below.
pub(super) fn lift(descriptor: OwnedFd, lowest: i32) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, lowest)?)
}

fn duplicate_to(descriptor: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    // SAFETY: what this closes, if anything, belongs to nobody in this process (see `lift`).
    if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } == number {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Every descriptor here was opened to be closed on exec; this holds if one is ever forgotten.
fn close_on_exec_from(first: i32) -> io::Result<()> {
    let first = libc::c_uint::try_from(first).map_err(io::Error::other)?;
    let flag = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: `close_range` with this flag closes nothing now.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flag) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // Linux before 5.11 has no such flag, before 5.9 no such call.
    let is_old = matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL));
    if is_old { Ok(()) } else { Err(error) }
}

fn set_limits(limits: &Limits, context: &Context) -> io::Result<()> {
    let set = |resource, soft: Option<u64>, hard: Option<u64>| -> io::Result<()> {
        // A limit that was imposed on the caller holds for its programs too.
        let imposed = rustix::process::getrlimit(resource).maximum;
        let capped = |limit: Option<u64>| limit.into_iter().chain(imposed).min();
        let limit = Rlimit { current: capped(soft), maximum: capped(hard) };
        if soft.is_some() { Ok(setrlimit(resource, limit)?) } else { Ok(()) }
    };
    let same = |resource, limit| set(resource, limit, limit);
    same(Resource::Core, Some(CORE_BYTES))?;
    same(Resource::As, limits.address_space_bytes)?;
    same(Resource::Data, limits.data_bytes)?;
    same(Resource::Fsize, limits.file_size_bytes)?;
    if limits.file_size_is_told {
        // SAFETY: no handler is set; that a signal is ignored stays so across exec.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    }
    same(Resource::Nofile, limits.open_files)?;
    // The soft limit signals, the hard one kills.
    set(Resource::Cpu, limits.cpu_seconds, limits.cpu_seconds.map(|seconds| seconds + 1))?;
    let processes = limits.processes.zip(context.tasks_of_user);
    same(Resource::Nproc, processes.map(|(more, had)| had + more))
}

fn execute(job: &Job) -> Fault {
    let text = |text: &OsStr| CString::new(text.as_bytes());
    let arguments: Result<Vec<CString>, _> = std::iter::once(job.program.as_os_str())
        .chain(job.args.iter().map(|argument| argument.as_os_str()))
        .map(text)
        .collect();
    let environment: Result<Vec<CString>, _> = job
        .environment
        .iter()
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect();
    let (Ok(arguments), Ok(environment)) = (arguments, environment) else {
        let error = io::Error::from_raw_os_error(libc::EINVAL);
        return fault(FaultKind::Execute, "", &error);
    };
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    for _ in 0..BUSY_TRIES {
        // SAFETY: both lists end with a null pointer and point to live C strings.
        unsafe { libc::execve(arguments[0].as_ptr(), argv.as_ptr(), envp.as_ptr()) };
        if io::Error::last_os_error().raw_os_error() != Some(libc::ETXTBSY) {
            break;
        }
        // Whoever wrote the file last may still be about to close it: a process that was forked
        // meanwhile holds its descriptors until it executes something itself.
        std::thread::sleep(BUSY_PAUSE);
    }
    fault(FaultKind::Execute, "", &io::Error::last_os_error())
}

fn fault(kind: FaultKind, step: &str, error: &io::Error) -> Fault {
    // An error without a number has a text of its own, which says more than the step.
    let step = if error.raw_os_error().is_some() { step.to_owned() } else { error.to_string() };
    Fault { kind, step, errno: error.raw_os_error().unwrap_or(0) }
}
