//! A pseudo-terminal in place of a pipe.

use std::io;
use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

/// The size that the program is told.
const SIZE: Winsize = Winsize { ws_col: 80, ws_row: 24, ws_xpixel: 0, ws_ypixel: 0 };

/// The caller's and the program's end of a new terminal, which passes every byte on as it is.
/// Nobody's controlling terminal: that is only one that a session's leader opens itself without
/// `O_NOCTTY`.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    #[cfg(target_os = "linux")]
    let flags = flags | OpenptFlags::CLOEXEC;
    let caller_end = openpt(flags)?;
    grantpt(&caller_end)?;
    unlockpt(&caller_end)?;
    let program_end = open_program_end(&caller_end, flags)?;
    let mut settings = tcgetattr(&program_end)?;
    // Else "\n" would become "\r\n" (OPOST), and what the caller writes would come back (ECHO).
    settings.make_raw();
    tcsetattr(&program_end, OptionalActions::Now, &settings)?;
    tcsetwinsize(&program_end, SIZE)?;
    Ok((caller_end, program_end))
}

/// By the other end, not by name, which may be another terminal's where `/dev/pts` is mounted anew.
#[cfg(target_os = "linux")]
fn open_program_end(caller_end: &OwnedFd, flags: OpenptFlags) -> io::Result<OwnedFd> {
    Ok(rustix::pty::ioctl_tiocgptpeer(caller_end, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn open_program_end(caller_end: &OwnedFd, _: OpenptFlags) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::{FdFlags, fcntl_setfd};

    fcntl_setfd(caller_end, FdFlags::CLOEXEC)?;
    let name = rustix::pty::ptsname(caller_end, Vec::new())?;
    Ok(open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?)
}
