//! The sandbox on Linux.

mod client;
mod confine;
mod filter;
pub mod helper;
mod keeper;
mod landlock;
pub mod message;
mod namespace;
mod probe;
mod program;
mod room;
mod signals;
mod tree;
mod warden;
mod wire;

pub(crate) use client::Run;
pub use client::{Running, Sandbox};
pub use room::enter_room;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::KEEPER_ARGUMENT;

use rustix::process::{DumpableBehavior, Pid, set_dumpable_behavior};

/// Becomes the keeper and never returns if [`Sandbox::start`] started this process.
///
/// The first line of `main` in every executable that uses a sandbox: the keeper forks, which only
/// a process with one thread may do safely.
pub fn keeper_main_if_asked() {
    if helper::is_asked(KEEPER_ARGUMENT) {
        keeper::main();
    }
}

/// Forbids other processes of this user to trace this one or to read its memory, environment and
/// descriptors through `/proc` (`PR_SET_DUMPABLE`). For a grader: a program that it runs could
/// otherwise look up what is expected of it.
///
/// # Errors
/// None on any kernel known.
pub fn protect_self() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Forks; `child` runs in the new process, which ends with the status that it returns.
///
/// Only the keeper and what descends from it may call this: the process has one thread, so that no
/// lock is held by a thread that the child does not have.
fn fork(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: the process has one thread, as documented above.
    match unsafe { libc::fork() } {
        0 => {
            // A panic may not unwind into the parent's code, which the child has on its stack.
            let status = catch_unwind(AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: `_exit` has no preconditions.
            unsafe { libc::_exit(status) }
        }
        pid => Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(io::Error::last_os_error),
    }
}
