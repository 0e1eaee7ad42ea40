//! Signals that are waited for instead of handled.

use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{FromRawFd, OwnedFd};

/// Blocks signals, so that [`signal_descriptor`] gets them.
pub(super) fn block_signals(signals: &[i32]) -> io::Result<()> {
    change_mask(libc::SIG_BLOCK, signals)
}

/// Unblocks all signals.
pub(super) fn unblock_signals() -> io::Result<()> {
    change_mask(libc::SIG_SETMASK, &[])
}

/// A descriptor that is readable when one of these signals, all of them blocked, has come.
pub(super) fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    let set = signal_set(signals);
    // SAFETY: the set is live; -1 asks for a new descriptor.
    let raw = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Takes what has come at a descriptor for signals: their numbers.
pub(super) fn take_signals(descriptor: &OwnedFd) -> Vec<i32> {
    let mut taken = Vec::new();
    let mut buffer = [0; size_of::<libc::signalfd_siginfo>()];
    let number = offset_of!(libc::signalfd_siginfo, ssi_signo);
    while let Ok(length) = rustix::io::read(descriptor, &mut buffer)
        && length == buffer.len()
    {
        if let Some(bytes) = buffer[number..].first_chunk() {
            taken.push(u32::from_ne_bytes(*bytes).cast_signed());
        }
    }
    taken
}

/// The set of these signals.
pub(super) fn signal_set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: an all-zero set is a valid place for `sigemptyset` to write to.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is live.
    unsafe { libc::sigemptyset(&raw mut set) };
    for &signal in signals {
        // SAFETY: the set is live and initialised.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

fn change_mask(how: i32, signals: &[i32]) -> io::Result<()> {
    let set = signal_set(signals);
    // SAFETY: the set is live; the old one is not asked for.
    let result = unsafe { libc::sigprocmask(how, &raw const set, std::ptr::null_mut()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
