//! A helper: this executable once more, as a process with one thread, which does for its caller
//! what only such a process can. It serves until the caller's end of a socket is closed, which the
//! kernel does when the caller ends, however that comes about.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::{DumpableBehavior, Resource, set_dumpable_behavior, setsid};

use super::message;

pub use super::namespace::unshare;

/// Starts this executable with one argument, by which its `main` knows which helper to become
/// ([`is_asked`]), and returns the caller's end of the socket between the two.
///
/// # Errors
/// The process cannot be started.
pub fn start(argument: &str) -> io::Result<(OwnedFd, Child)> {
    let (requests, helper_end) = message::pair()?;
    // Also right when the file was replaced by a build since this process was started.
    let helper = Command::new("/proc/self/exe")
        .arg(argument)
        .stdin(Stdio::from(helper_end))
        .stdout(Stdio::null())
        .spawn()?;
    Ok((requests, helper))
}

/// Whether this process was started by [`start`] with this argument. For the first lines of `main`.
pub fn is_asked(argument: &str) -> bool {
    std::env::args_os().nth(1).is_some_and(|given| given == argument)
}

/// Makes this process independent of its caller's terminal and descriptors, and closed to the
/// user's other processes. Returns its end of the socket, which is standard input until then.
///
/// # Errors
/// Only what is wrong with the machine: no descriptors left, no `/dev/null`.
pub fn begin() -> io::Result<OwnedFd> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setsid()?;
    for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE, libc::SIGTSTP] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    close_from(3);
    let requests = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(requests)
}

/// Closes what this process inherited without asking (a build tool's pipes).
fn close_from(first: libc::c_uint) {
    // SAFETY: called before this process has opened anything from this number up.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if result != 0 {
        // Linux before 5.9. What stays open is harmless: it is not handed on to programs.
        let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(1024);
        for number in first..u32::try_from(limit.min(65_536)).unwrap_or(1024) {
            // SAFETY: as above.
            unsafe { libc::close(number.cast_signed()) };
        }
    }
}
