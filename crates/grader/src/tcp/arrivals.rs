//! When the bytes of a program had come, by the kernel's own clock: the grader may be late to look.

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use rustix::event::PollFlags;
use socket2::Socket;

use super::{Connection, Listener, is_broken, is_transient, next_lane};
use crate::context::Goal;
use crate::failure::Verdict;
use crate::process::Program;
use crate::record::{Sample, What};
use crate::wording::{steps, sticky_packet};

/// How much one read takes at the most.
const READ_BYTES: usize = 64 << 10;

/// The bytes of one read, and when they had come, counted from the epoch.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When the last of them had come at the latest.
    pub latest: Duration,
    /// When the last of them had come at the earliest: `latest` itself where the kernel tells (`SO_TIMESTAMPNS`,
    /// socket(7)), else the last look before this read that found nothing.
    pub earliest: Duration,
    /// The last look before this read that found nothing: all of these bytes came after it.
    pub nothing_before: Duration,
}

impl Listener {
    /// Has the kernel note when bytes come, on every connection that is accepted from now on. Gives the time: before it
    /// nothing came from a program that is started afterwards.
    pub fn stamp_arrivals(&self) -> Duration {
        ask_for_stamps(&self.socket);
        now()
    }

    /// Waits until `program` connects, and reads until `enough` says so of all bytes so far, or the stream ends: each
    /// read by itself, and when its bytes had come. `nothing_before` is a time before the program was started: on a busy
    /// machine it may have sent all before its start returns.
    ///
    /// # Errors
    ///
    /// A failure if the program does not connect, or nothing more comes.
    pub fn accept_arrivals(
        &mut self,
        program: &Program,
        mut nothing_before: Duration,
        enough: impl Fn(&[u8]) -> bool,
    ) -> Verdict<(Connection, Vec<Arrival>)> {
        let who = Some(program.index);
        let expected = steps::connects(&program.name(), self.address);
        let goal = Goal::on(&*self.socket, PollFlags::IN, who, expected);
        let accepted = self.context.wait(&goal, || {
            let looked = now();
            let accepted = self.try_accept()?;
            if accepted.is_none() {
                nothing_before = looked;
            }
            Ok(accepted)
        })?;
        let lane = next_lane(&self.context, program.name());
        let mut connection = Connection::new(self.context.clone(), accepted, who, lane)?;
        connection.record(What::ProgramConnected { from: connection.peer, to: self.address });
        let (mut arrivals, mut all) = (Vec::<Arrival>::new(), Vec::new());
        while !enough(&all)
            && let Some(arrival) = connection.await_arrival(&mut nothing_before)?
        {
            if let Some(previous) = arrivals.last() {
                // The note keeps the pieces apart in the record, each with its time.
                let pause = arrival.latest.saturating_sub(previous.latest);
                connection.note(sticky_packet::later(pause));
            }
            connection.consumed += arrival.bytes.len() as u64;
            connection.record(What::Received { bytes: Sample::of(&arrival.bytes), reads: 1 });
            all.extend_from_slice(&arrival.bytes);
            arrivals.push(arrival);
        }
        Ok((connection, arrivals))
    }
}

impl Connection {
    /// Waits for one read's bytes; `None` at the end of the stream. A look that finds nothing moves `nothing_before`.
    fn await_arrival(&mut self, nothing_before: &mut Duration) -> Verdict<Option<Arrival>> {
        let (context, socket) = (self.context.clone(), self.socket.clone());
        let expected = steps::ends_stream(&self.lane.program);
        let goal = Goal::on(&*socket, PollFlags::IN, self.who, expected);
        let arrival = context.wait(&goal, || {
            let looked = now();
            match receive_stamped(&socket) {
                Ok((bytes, _)) if bytes.is_empty() => Ok(Some(None)),
                Ok((bytes, stamp)) => {
                    let latest = stamp.unwrap_or_else(now);
                    let earliest = stamp.unwrap_or(*nothing_before);
                    Ok(Some(Some(Arrival {
                        bytes,
                        latest,
                        earliest,
                        nothing_before: *nothing_before,
                    })))
                }
                Err(error) if is_transient(&error) => {
                    *nothing_before = looked;
                    Ok(None)
                }
                Err(error) if is_broken(&error) => Ok(Some(None)),
                Err(error) => Err(error.into()),
            }
        })?;
        if arrival.is_none() {
            self.record(What::ProgramFinishedSending);
        }
        Ok(arrival)
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(target_os = "linux")]
fn ask_for_stamps(socket: &Socket) {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which lives through the call. Where it fails, no stamps come.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_stamps(_socket: &Socket) {}

#[cfg(not(target_os = "linux"))]
fn receive_stamped(mut socket: &Socket) -> io::Result<(Vec<u8>, Option<Duration>)> {
    let mut bytes = vec![0; READ_BYTES];
    let count = io::Read::read(&mut socket, &mut bytes)?;
    bytes.truncate(count);
    Ok((bytes, None))
}

/// What one read returns, and when the last of it had come (recvmsg(2), cmsg(3)).
#[cfg(target_os = "linux")]
fn receive_stamped(socket: &Socket) -> io::Result<(Vec<u8>, Option<Duration>)> {
    /// Room for the stamp, aligned as cmsg(3) wants it.
    #[repr(C, align(8))]
    struct Control([u8; 128]);

    let mut control = Control([0; 128]);
    let mut bytes = vec![0_u8; READ_BYTES];
    let mut slice = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all zeros is a valid msghdr, and every pointer put into it lives as long as it does.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: the message describes memory of this function, and the descriptor is open for the call.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    bytes.truncate(count);
    let mut stamp = None;
    // SAFETY: the kernel has filled the message's control part, within which the macros stay; a stamp's data is one
    // timespec, which need not be aligned.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let kind = ((*header).cmsg_level, (*header).cmsg_type);
            if kind == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
                let time: libc::timespec = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast());
                let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
                stamp = Some(Duration::new(time.tv_sec.unsigned_abs(), nanoseconds));
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok((bytes, stamp))
}
