//! How the threads of a session learn that the partner's program has ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Becomes readable, for good, once the [`Ender`] is dropped. Clones share it.
#[derive(Debug, Clone)]
pub struct Ending {
    pipe: Arc<OwnedFd>,
}

/// Dropping it is the sign.
#[derive(Debug)]
pub struct Ender {
    _pipe: OwnedFd,
}

impl Ending {
    /// A sign and the one who gives it.
    ///
    /// # Errors
    ///
    /// No descriptors are free.
    pub fn new() -> io::Result<(Self, Ender)> {
        let (reader, writer) = io::pipe()?;
        Ok((Self { pipe: Arc::new(reader.into()) }, Ender { _pipe: writer.into() }))
    }

    /// What to poll.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// One descriptor to wait for, and what came of it.
#[derive(Debug)]
pub struct Watch<'a> {
    fd: PollFd<'a>,
}

impl<'a> Watch<'a> {
    /// Waits for any of `events`. Errors and hang-ups are told in any case.
    pub fn on(fd: BorrowedFd<'a>, events: PollFlags) -> Self {
        Self { fd: PollFd::from_borrowed_fd(fd, events) }
    }
}

/// Waits until something happens to one of the descriptors, or until `deadline`. The answer has the
/// same order.
///
/// # Errors
///
/// The kernel has no memory for it.
pub fn wait(watches: Vec<Watch<'_>>, deadline: Option<Instant>) -> io::Result<Vec<PollFlags>> {
    let mut fds: Vec<PollFd<'_>> = watches.into_iter().map(|watch| watch.fd).collect();
    loop {
        // Rounded up: a poll that returns a moment early would be repeated for nothing.
        let left = deadline
            .map(|at| at.saturating_duration_since(Instant::now()) + Duration::from_micros(100));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, left.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(fds.iter().map(PollFd::revents).collect()),
        }
    }
}
