//! The grader's ends of TCP connections: they send in the segments that a check asks for, finish
//! their sending half, reset, stop reading; and they record all of it.

mod arrivals;

use std::io;
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::PollFlags;
use socket2::{Protocol, Socket, Type};

use crate::bytes::first_difference;
use crate::context::{Context, Goal};
use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::look;
use crate::pattern::Pattern;
use crate::process::Program;
use crate::record::{Lane, Sample, What};
use crate::retell::of_silence;
use crate::sockets;
use crate::wording::steps;

pub use arrivals::Arrival;

/// How much one read takes at the most.
const READ_BYTES: usize = 256 << 10;
/// What a connection may hold unread on the grader's side before it stops taking more.
const INBOX_LIMIT_BYTES: usize = 96 << 20;

/// Sizes of the kernel's buffers on the grader's side, in bytes as given to setsockopt(2); `None`:
/// the system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Buffers {
    /// `SO_RCVBUF`.
    pub receive_bytes: Option<usize>,
    /// `SO_SNDBUF`.
    pub send_bytes: Option<usize>,
}

/// A program that takes nothing for so long is regarded as stuck. If it was slow, less is sent,
/// which harms no check.
const STUCK_AFTER: Duration = Duration::from_millis(150);

/// A program that is not seen to be blocked, and moves nothing for so long, is regarded as blocked
/// all the same.
const SLOW_AFTER: Duration = Duration::from_millis(400);
/// A program that sleeps in a send, to a socket that has got nothing for so long, is blocked for
/// good.
const SURE_AFTER: Duration = Duration::from_millis(15);

/// How a stream ended, as the grader's kernel saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The program finished its sending half, or closed.
    Finished,
    /// The program's kernel reset the connection.
    Reset,
}

/// One TCP connection between the grader and a program.
pub struct Connection {
    context: Rc<Context>,
    socket: Rc<Socket>,
    who: Option<usize>,
    lane: Lane,
    local: SocketAddr,
    peer: SocketAddr,
    /// What came and no step has asked for yet.
    inbox: Vec<u8>,
    taken: usize,
    /// How many bytes the steps before took.
    consumed: u64,
    /// How many bytes the kernel has taken from the grader.
    written: u64,
    /// What was sent and has not been expected back yet.
    unechoed: Vec<u8>,
    keeps_sent: bool,
    end: Option<End>,
    broken: bool,
    reading: bool,
    /// The program has finished sending and does not read either.
    reads_no_more: bool,
}

impl Connection {
    pub(crate) fn open(program: &Program, to: SocketAddr) -> Verdict<Self> {
        Self::open_with(program, to, &Buffers::default())
    }

    /// Connects to `to`, where `program` should listen, with kernel buffers of these sizes.
    ///
    /// # Errors
    ///
    /// A failure if the connection is refused.
    pub fn open_with(program: &Program, to: SocketAddr, buffers: &Buffers) -> Verdict<Self> {
        let to = program.context.reach(to);
        Self::open_on(new_socket(&program.context, to, buffers)?, program, to)
    }

    /// Connects this socket, which does not block, to `to`.
    pub(crate) fn open_on(socket: Socket, program: &Program, to: SocketAddr) -> Verdict<Self> {
        let context = Rc::clone(&program.context);
        let who = Some(program.index);
        let lane = next_lane(&context, program.with(|state| state.lane.program.clone()));
        let expected = steps::accepts_connection(&lane.program, to);
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if is_in_progress(&error) => {
                let goal = Goal::on(&socket, PollFlags::OUT, who, expected.clone());
                context.wait(&goal, || match socket.take_error()? {
                    Some(error) => Err(refused(&context, &lane, to, &error, &expected)),
                    None => Ok(socket.peer_addr().is_ok().then_some(())),
                })?;
            }
            Err(error) => return Err(refused(&context, &lane, to, &error, &expected)),
        }
        let mut connection = Self::new(context, socket, who, lane)?;
        connection.peer = to;
        connection.record(What::GraderConnected { from: connection.local, to });
        Ok(connection)
    }

    fn new(context: Rc<Context>, socket: Socket, who: Option<usize>, lane: Lane) -> Verdict<Self> {
        socket.set_tcp_nodelay(true).context("set TCP_NODELAY")?;
        let local = address_of(socket.local_addr())?;
        let peer = address_of(socket.peer_addr()).unwrap_or(local);
        let socket = Rc::new(socket);
        context.register(&socket);
        Ok(Self {
            context,
            socket,
            who,
            lane,
            local,
            peer,
            inbox: Vec::new(),
            taken: 0,
            consumed: 0,
            written: 0,
            unechoed: Vec::new(),
            keeps_sent: true,
            end: None,
            broken: false,
            reading: true,
            reads_no_more: false,
        })
    }

    /// The grader's address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The program's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether a segment leaves at once although what was sent before is not yet acknowledged
    /// (`TCP_NODELAY`, tcp(7)). A connection begins so.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn set_nodelay(&self, nodelay: bool) -> Verdict {
        self.socket.set_tcp_nodelay(nodelay).context("set TCP_NODELAY")?;
        self.note(steps::sets_nodelay(nodelay));
        Ok(())
    }

    /// From now on only the steps that expect something read; until then the kernel's buffers fill.
    pub fn stop_reading(&mut self) {
        self.reading = false;
        self.note(steps::stops_reading());
    }

    /// The grader reads again.
    pub fn resume_reading(&mut self) {
        self.reading = true;
        self.note(steps::reads_again());
    }

    /// From now on [`Connection::expect_echo`] does not know what was sent; the memory of large
    /// sends is not held.
    pub fn forget_sent(&mut self) {
        self.keeps_sent = false;
        self.unechoed = Vec::new();
    }

    /// Sends `bytes`, taking in what comes meanwhile. A connection that breaks meanwhile is judged
    /// when something is expected of it, since what the program sent before may still stand in the
    /// buffer.
    ///
    /// # Errors
    ///
    /// A failure if the program takes nothing before the deadline.
    pub fn send(&mut self, bytes: &[u8]) -> Verdict {
        if self.keeps_sent {
            self.unechoed.extend_from_slice(bytes);
        }
        self.send_all(bytes)?;
        if !bytes.is_empty() {
            self.record(What::Sent { bytes: Sample::of(bytes), segments: 1 });
        }
        Ok(())
    }

    fn send_all(&mut self, bytes: &[u8]) -> Verdict {
        let mut done = 0;
        while done < bytes.len() && !self.broken {
            done += self.send_some(&bytes[done..])?;
        }
        Ok(())
    }

    /// Sends what the kernel takes at once, or waits until it takes something.
    fn send_some(&mut self, bytes: &[u8]) -> Verdict<usize> {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let reads = self.reading && self.end.is_none() && self.unread() < INBOX_LIMIT_BYTES;
        let flags = if reads { PollFlags::OUT | PollFlags::IN } else { PollFlags::OUT };
        let goal = Goal::on(
            &*socket,
            flags,
            self.who,
            steps::takes_bytes(&self.lane.program, bytes.len()),
        );
        context.wait(&goal, || {
            if self.reading {
                self.take_in()?;
            }
            match socket.send(bytes) {
                Ok(count) => {
                    self.written += count as u64;
                    Ok(Some(count))
                }
                Err(error) if is_transient(&error) => Ok(None),
                Err(error) if is_broken(&error) => {
                    self.broken = true;
                    Ok(Some(0))
                }
                Err(error) => Err(error.into()),
            }
        })
    }

    /// Tries to send `bytes` without waiting. Returns how many the kernel took: 0 if its buffers
    /// are full.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn send_what_fits(&mut self, bytes: &[u8]) -> Verdict<usize> {
        match self.socket.send(bytes) {
            Ok(count) => {
                self.written += count as u64;
                let bytes = Sample::of(&bytes[..count]);
                self.record(What::Sent { bytes, segments: 1 });
                Ok(count)
            }
            Err(error) if is_transient(&error) => Ok(0),
            Err(error) if is_broken(&error) => {
                self.broken = true;
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends from the beginning of `pattern` until the program and the kernels between take no
    /// more, or all is sent. Returns how many bytes went.
    ///
    /// # Errors
    ///
    /// A failure if the program ends, or breaks the connection.
    pub fn send_until_stuck(&mut self, pattern: &Pattern) -> Verdict<u64> {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let takes = steps::takes_bytes(&self.lane.program, 1);
        let goal = Goal::on(&*socket, PollFlags::OUT, self.who, takes);
        let mut sent = 0;
        while sent < pattern.total_bytes() && !self.broken {
            let began = Instant::now();
            let count = context.wait(&goal, || {
                let count = self.send_what_fits(pattern.from(sent))?;
                let is_over = count > 0 || self.broken || began.elapsed() > STUCK_AFTER;
                Ok(is_over.then_some(count as u64))
            });
            match count {
                Ok(0) => break,
                Ok(count) => sent += count,
                Err(Stop::Failed(failure)) if failure.symptom == Symptom::Stalled => break,
                Err(other) => return Err(other),
            }
        }
        Ok(sent)
    }

    /// Sends each piece as a segment of its own: the next one leaves only when the program's kernel
    /// has handed over the last, so that no read can return two of them.
    ///
    /// # Errors
    ///
    /// A failure if the program does not read a segment.
    pub fn send_in_segments<I>(&mut self, pieces: I) -> Verdict
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        for piece in pieces {
            let piece = piece.as_ref();
            self.send(piece)?;
            self.await_handed_over(steps::reads_segment(&self.lane.program, piece.len()))?;
        }
        Ok(())
    }

    /// Sends `bytes` in segments of one byte.
    ///
    /// # Errors
    ///
    /// As [`Connection::send_in_segments`].
    pub fn send_bytewise(&mut self, bytes: &[u8]) -> Verdict {
        self.send_in_segments(bytes.chunks(1))
    }

    /// Waits until the program has read all that was sent, or closes.
    ///
    /// # Errors
    ///
    /// A failure if it does not read.
    pub fn await_read(&mut self) -> Verdict {
        self.await_handed_over(steps::reads_all(&self.lane.program))
    }

    fn await_handed_over(&mut self, expected: String) -> Verdict {
        let context = Rc::clone(&self.context);
        let goal = Goal { who: self.who, expected, descriptors: Vec::new(), quick: true };
        let began = Instant::now();
        let waited = context.wait(&goal, || {
            if self.reading {
                self.take_in()?;
            }
            // A program that has finished sending may read on, but need not.
            let need_not = self.end == Some(End::Finished)
                && (self.reads_no_more || began.elapsed() > STUCK_AFTER);
            if self.broken || self.end == Some(End::Reset) || need_not {
                self.reads_no_more |= need_not;
                return Ok(Some(()));
            }
            match self.context.peer_state(self.local, self.peer) {
                Ok(state) => {
                    let has_all = |end| has_taken_all(end, self.written);
                    Ok(state.as_ref().is_none_or(has_all).then_some(()))
                }
                // Without a look into the other end, a pause has to do.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    std::thread::sleep(Duration::from_millis(2));
                    Ok(Some(()))
                }
                Err(error) => Err(error.into()),
            }
        });
        match waited {
            Err(Stop::Failed(failure))
                if failure.symptom.is_silence() && self.end == Some(End::Finished) =>
            {
                self.reads_no_more = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Finishes the sending half (FIN); the grader still reads.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn finish_sending(&mut self) -> Verdict {
        match self.socket.shutdown(Shutdown::Write) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => self.broken = true,
            Err(error) => return Err(error.into()),
        }
        self.record(What::GraderFinishedSending);
        Ok(())
    }

    /// Resets the connection (SO_LINGER of 0, then close: RFC 9293, 3.10.7.4).
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn reset(self) -> Verdict {
        self.context.go_on();
        self.socket.set_linger(Some(Duration::ZERO)).context("set SO_LINGER")?;
        self.record(What::GraderReset);
        Ok(())
    }

    /// Closes the connection.
    pub fn close(self) {
        self.context.go_on();
        self.record(What::GraderClosed);
    }

    /// Expects back all that was sent and not expected back before.
    ///
    /// # Errors
    ///
    /// A failure with the first difference.
    pub fn expect_echo(&mut self) -> Verdict {
        let expected = std::mem::take(&mut self.unechoed);
        self.expect_bytes(&expected)
    }

    /// Expects exactly these bytes next.
    ///
    /// # Errors
    ///
    /// A failure with the first difference.
    pub fn expect_bytes(&mut self, expected: &[u8]) -> Verdict {
        let mut done = 0;
        while done < expected.len() {
            let goal = steps::sends_bytes(&self.lane.program, expected, done);
            if !self.await_some(goal)? {
                return Err(self.ended_early(&expected[done..], (expected.len() - done) as u64));
            }
            let available = &self.inbox[self.taken..];
            let length = available.len().min(expected.len() - done);
            if available[..length] != expected[done..done + length] {
                return Err(self.wrong_bytes(expected, done));
            }
            self.consume(length);
            done += length;
        }
        Ok(())
    }

    /// Expects exactly the bytes of `pattern` next, without holding them.
    ///
    /// # Errors
    ///
    /// A failure with the first difference.
    pub fn expect_pattern(&mut self, pattern: &Pattern) -> Verdict {
        let mut done = 0;
        while done < pattern.total_bytes() {
            let goal = steps::sends_many(&self.lane.program, pattern.total_bytes(), done);
            if !self.await_some(goal)? {
                return Err(self.ended_early(&pattern.copy(done, 64), pattern.total_bytes() - done));
            }
            let available = &self.inbox[self.taken..];
            let left = usize::try_from(pattern.total_bytes() - done).unwrap_or(usize::MAX);
            let length = available.len().min(left);
            let matching = pattern.matching(done, &available[..length]);
            self.consume(matching);
            done += matching as u64;
            if matching < length {
                return Err(self.wrong_bytes(&pattern.copy(done, 64), 0));
            }
        }
        Ok(())
    }

    /// Waits until `program` is blocked in a send to this connection, from which the grader does
    /// not read, or nothing has come for a while. A program that was slow is not blocked then,
    /// which harms no check.
    ///
    /// # Errors
    ///
    /// A failure if the program ends.
    pub fn await_blocked_sender(&mut self, program: &Program) -> Verdict {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let expected = steps::takes_bytes(&self.lane.program, 1);
        let goal = Goal { quick: true, ..Goal::on(&*socket, PollFlags::IN, self.who, expected) };
        let (mut waiting, mut since) = (0, Instant::now());
        let waited = context.wait(&goal, || {
            let now = sockets::queues(&socket).0;
            if now != waiting {
                (waiting, since) = (now, Instant::now());
            }
            let quiet = since.elapsed();
            // All of its standard input is out of the grader's hands: it may have sent all of it.
            let may_be_done = !program.is_fed() && quiet > STUCK_AFTER;
            let is_blocked = waiting > 0 && quiet > SURE_AFTER && program.is_blocked_in_send();
            let is_over = self.end.is_some() || may_be_done || is_blocked || quiet > SLOW_AFTER;
            Ok(is_over.then_some(()))
        });
        match waited {
            Err(Stop::Failed(failure)) if failure.symptom == Symptom::Stalled => Ok(()),
            other => other,
        }
    }

    /// Expects no further byte: looks until the stream ends, or nothing has come for a while, and
    /// either will do.
    ///
    /// # Errors
    ///
    /// A failure if more bytes come.
    pub fn expect_no_more(&mut self) -> Verdict {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let expected = steps::no_more(&self.lane.program);
        let goal = Goal::on(&*socket, PollFlags::IN, None, expected.clone());
        let began = Instant::now();
        let looked = context.wait(&goal, || {
            self.take_in()?;
            let is_over = self.unread() > 0 || self.end.is_some();
            Ok((is_over || began.elapsed() > STUCK_AFTER).then_some(()))
        });
        match looked {
            Err(stop) if stop.is_silence() => {}
            Ok(()) => {}
            Err(other) => return Err(other),
        }
        if self.unread() == 0 {
            return Ok(());
        }
        Err(self.extra_bytes(&self.inbox[self.taken..], expected))
    }

    /// Expects the end of the stream, and nothing before it.
    ///
    /// # Errors
    ///
    /// A failure if more bytes come, the connection stays open, or is reset.
    pub fn expect_end(&mut self) -> Verdict {
        let expected = steps::ends_stream(&self.lane.program);
        let more = of_silence(self.await_some(expected.clone()), Symptom::StillOpen)?;
        if more {
            return Err(self.extra_bytes(&self.inbox[self.taken..], expected));
        }
        match self.end {
            Some(End::Reset) => {
                let got = steps::was_reset(self.consumed);
                Err(self.context.fail(Failure::new(Symptom::Reset, expected, got)))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the connection ends, however it does, and drops what came before.
    ///
    /// # Errors
    ///
    /// A failure if it stays open.
    pub fn await_any_end(&mut self) -> Verdict<End> {
        let expected = steps::ends_stream(&self.lane.program);
        while self.await_some(expected.clone())? {
            let count = self.unread();
            self.consume(count);
        }
        Ok(self.end.unwrap_or(End::Finished))
    }

    /// Reads all up to the end of the stream, at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// A failure if the end does not come, or more comes.
    pub fn read_to_end(&mut self, limit: usize) -> Verdict<Vec<u8>> {
        let expected = steps::ends_stream(&self.lane.program);
        let mut all = Vec::new();
        while self.await_some(expected.clone())? {
            all.extend_from_slice(&self.inbox[self.taken..]);
            let count = self.unread();
            self.consume(count);
            if all.len() > limit {
                return Err(self.extra_bytes(&all, expected));
            }
        }
        Ok(all)
    }

    /// Reads until `enough` says how many of the bytes so far are wanted, and takes these.
    /// Gives what there is if the stream ends before.
    ///
    /// # Errors
    ///
    /// A failure if nothing more comes.
    pub fn read_until(
        &mut self,
        expected: &str,
        mut enough: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Verdict<Vec<u8>> {
        loop {
            if let Some(length) = enough(&self.inbox[self.taken..]) {
                let bytes = self.inbox[self.taken..self.taken + length].to_vec();
                self.consume(length);
                return Ok(bytes);
            }
            if !self.await_more(expected.to_owned())? {
                let bytes = self.inbox[self.taken..].to_vec();
                self.consume(bytes.len());
                return Ok(bytes);
            }
        }
    }

    /// How the stream ended, if it did and all that came before was taken.
    pub fn end(&self) -> Option<End> {
        if self.unread() == 0 { self.end } else { None }
    }

    /// Waits at most `limit` for bytes or the end of the stream. True if there is any; silence is
    /// no failure, and a program that waits for the grader alone is not waited for.
    ///
    /// # Errors
    ///
    /// A failure if the program ends; the grader's error.
    pub fn has_news_within(&mut self, limit: Duration) -> Verdict<bool> {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let expected = steps::ends_stream(&self.lane.program);
        let goal = Goal::on(&*socket, PollFlags::IN, self.who, expected);
        let began = Instant::now();
        let waited = context.wait(&goal, || {
            self.take_in()?;
            let is_over = self.unread() > 0 || self.end.is_some();
            Ok((is_over || began.elapsed() >= limit).then_some(is_over))
        });
        match waited {
            Err(stop) if stop.is_silence() => Ok(false),
            other => other,
        }
    }

    /// Whether the connection is known to be broken: the program's kernel has reset it, or has
    /// answered a send with a reset. Told only until the grader finishes its sending half.
    pub fn is_broken(&self) -> bool {
        // A reset closes the grader's end too, and a closed end has no peer.
        self.broken || self.end == Some(End::Reset) || self.socket.peer_addr().is_err()
    }

    /// A failure of the conversation in the check's own words.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn fail<T>(
        &self,
        symptom: Symptom,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Verdict<T> {
        Err(self.context.fail(Failure::new(symptom, expected, got)))
    }

    /// Sends back every byte as it comes until the program finishes sending, then finishes too.
    ///
    /// # Errors
    ///
    /// A failure if the program stalls.
    pub fn echo_to_end(&mut self) -> Verdict {
        self.forget_sent();
        let (reading, mut echoed) = (std::mem::replace(&mut self.reading, false), 0);
        let expected = steps::finishes_sending(&self.lane.program);
        while self.await_some(expected.clone())? {
            let bytes = self.inbox.split_off(self.taken);
            self.inbox.clear();
            self.taken = 0;
            self.send(&bytes)?;
            echoed += bytes.len() as u64;
        }
        self.reading = reading;
        self.consumed += echoed;
        self.finish_sending()
    }

    /// Takes in what the kernel has, without waiting. True if anything new came.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn take_in(&mut self) -> Verdict<bool> {
        let mut news = false;
        while self.end.is_none() && self.unread() < INBOX_LIMIT_BYTES {
            if self.taken == self.inbox.len() {
                self.inbox.clear();
                self.taken = 0;
            }
            self.inbox.reserve(READ_BYTES);
            let before = self.inbox.len();
            let room: &mut [MaybeUninit<u8>] = &mut self.inbox.spare_capacity_mut()[..READ_BYTES];
            match self.socket.recv(room) {
                // A failed send has taken the reset's error from the socket, which then reads as
                // ended.
                Ok(0) if self.broken => {
                    self.end = Some(End::Reset);
                    self.record(What::ProgramReset);
                }
                Ok(0) => {
                    self.end = Some(End::Finished);
                    self.record(What::ProgramFinishedSending);
                }
                Ok(count) => {
                    // SAFETY: recv has written `count` bytes to the spare capacity.
                    unsafe { self.inbox.set_len(before + count) };
                    let bytes = Sample::of(&self.inbox[before..]);
                    self.record(What::Received { bytes, reads: 1 });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_transient(&error) => break,
                Err(error) if is_broken(&error) => {
                    self.end = Some(End::Reset);
                    self.record(What::ProgramReset);
                }
                Err(error) => return Err(error.into()),
            }
            news = true;
            if self.inbox.len() - before < READ_BYTES / 2 {
                break;
            }
        }
        Ok(news)
    }

    /// How many bytes came and were not asked for yet.
    pub fn unread(&self) -> usize {
        self.inbox.len() - self.taken
    }

    /// Waits until there is a byte to take, or the stream has ended (then false).
    fn await_some(&mut self, expected: String) -> Verdict<bool> {
        if self.unread() > 0 {
            return Ok(true);
        }
        self.await_more(expected)
    }

    /// Waits until more bytes come, or the stream has ended (then false).
    fn await_more(&mut self, expected: String) -> Verdict<bool> {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let goal = Goal::on(&*socket, PollFlags::IN, self.who, expected);
        let before = self.unread();
        context.wait(&goal, || {
            self.take_in()?;
            if self.unread() > before {
                return Ok(Some(true));
            }
            Ok(self.end.map(|_| false))
        })
    }

    fn consume(&mut self, count: usize) {
        self.taken += count;
        self.consumed += count as u64;
    }

    fn ended_early(&self, missing: &[u8], left: u64) -> Stop {
        let expected = steps::sends_missing(&self.lane.program, missing, left);
        let (symptom, got) = match self.end {
            Some(End::Reset) => (Symptom::Reset, steps::was_reset(self.consumed)),
            _ => (Symptom::CutShort, steps::ended_after(self.consumed)),
        };
        self.context.hung_up.set(self.who);
        self.context.fail(Failure::new(symptom, expected, got))
    }

    fn extra_bytes(&self, extra: &[u8], expected: String) -> Stop {
        let got = steps::extra_bytes(&crate::bytes::show(&Sample::of(extra), 60));
        self.context.fail(Failure::new(Symptom::ExtraBytes, expected, got))
    }

    fn wrong_bytes(&self, expected: &[u8], done: usize) -> Stop {
        let from = done.saturating_sub(16);
        let offset = self.consumed - (done - from) as u64;
        let mut got = expected[from..done].to_vec();
        let more = &self.inbox[self.taken..];
        got.extend_from_slice(&more[..more.len().min(expected.len() - done)]);
        let (expected, got) = first_difference(&expected[from..], &got, offset);
        self.context.fail(Failure::new(Symptom::WrongBytes, expected, got))
    }

    fn note(&self, text: impl Into<String>) {
        self.record(What::Note { text: text.into() });
    }

    fn record(&self, what: What) {
        self.context.recorder.record(&self.lane, what);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.context.keep_if_failing(&self.socket);
    }
}

/// A socket of the grader's that waits for the program to connect.
pub struct Listener {
    context: Rc<Context>,
    socket: Rc<Socket>,
    address: SocketAddr,
}

impl Listener {
    pub(crate) fn open(context: Rc<Context>, host: &str, buffers: &Buffers) -> Verdict<Self> {
        let socket = bound(&context, host, buffers)?;
        Self::open_on(context, socket)
    }

    /// Listens on this socket, which is bound and does not block.
    pub(crate) fn open_on(context: Rc<Context>, socket: Socket) -> Verdict<Self> {
        socket.listen(128).context("listen")?;
        let address = address_of(socket.local_addr())?;
        let socket = Rc::new(socket);
        context.recorder.record(&Lane::default(), What::GraderListens { address });
        Ok(Self { context, socket, address })
    }

    /// A listener at exactly this address; `Unsupported` if it cannot be had.
    pub(crate) fn open_exactly(context: Rc<Context>, address: SocketAddr) -> Verdict<Self> {
        let address = context.own(address)?;
        let socket = new_socket(&context, address, &Buffers::default())?;
        let listens = socket.bind(&address.into()).and_then(|()| socket.listen(128));
        listens.map_err(|error| Stop::Unsupported(steps::cannot_listen(address, &error)))?;
        context.recorder.record(&Lane::default(), What::GraderListens { address });
        Ok(Self { context, socket: Rc::new(socket), address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until `program` connects.
    ///
    /// # Errors
    ///
    /// A failure if it does not.
    pub fn accept(&mut self, program: &Program) -> Verdict<Connection> {
        let who = Some(program.index);
        let expected = steps::connects(&program.name(), self.address);
        let goal = Goal::on(&*self.socket, PollFlags::IN, who, expected);
        let accepted = self.context.wait(&goal, || self.try_accept())?;
        self.connection_of(program, accepted)
    }

    /// The connection of `program` if it is there already.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn accept_if_there(&mut self, program: &Program) -> Verdict<Option<Connection>> {
        let accepted = self.try_accept()?;
        accepted.map(|accepted| self.connection_of(program, accepted)).transpose()
    }

    fn connection_of(&self, program: &Program, accepted: Socket) -> Verdict<Connection> {
        let lane = next_lane(&self.context, program.name());
        let who = Some(program.index);
        let connection = Connection::new(Rc::clone(&self.context), accepted, who, lane)?;
        connection.record(What::ProgramConnected { from: connection.peer, to: self.address });
        Ok(connection)
    }

    fn try_accept(&self) -> Verdict<Option<Socket>> {
        match self.socket.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(true).context("set nonblocking")?;
                Ok(Some(socket))
            }
            Err(error) if is_transient(&error) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.context.keep_if_failing(&self.socket);
    }
}

/// A socket that is bound and does not listen: whoever connects to its address is refused.
pub struct Refusing {
    socket: Socket,
    address: SocketAddr,
}

impl Refusing {
    pub(crate) fn open(context: &Context, host: &str) -> Verdict<Self> {
        let socket = bound(context, host, &Buffers::default())?;
        let address = address_of(socket.local_addr())?;
        Ok(Self { socket, address })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens from now on, so that the address is taken and connections succeed.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn listen(&self) -> Verdict {
        Ok(self.socket.listen(128).context("listen")?)
    }
}

fn bound(context: &Context, host: &str, buffers: &Buffers) -> Verdict<Socket> {
    let ip: std::net::IpAddr =
        host.parse().with_context(|| format!("{host:?} is not an address of the grader's"))?;
    let address = context.own(SocketAddr::new(ip, 0))?;
    let socket = new_socket(context, address, buffers)?;
    if address.is_ipv6() {
        socket.set_only_v6(true).context("set IPV6_V6ONLY")?;
    }
    match socket.bind(&address.into()) {
        Ok(()) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            Err(Stop::Unsupported(steps::no_such_address(host)))
        }
        Err(error) => Err(anyhow::Error::from(error).context(format!("bind {address}")).into()),
    }
}

fn new_socket(context: &Context, address: SocketAddr, buffers: &Buffers) -> Verdict<Socket> {
    let socket = match context.socket(address, Type::STREAM, Protocol::TCP) {
        Ok(socket) => socket,
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            return Err(Stop::Unsupported(steps::no_such_address(&address.ip().to_string())));
        }
        Err(error) => return Err(anyhow::Error::from(error).context("open a socket").into()),
    };
    socket.set_nonblocking(true).context("set nonblocking")?;
    if let Some(size) = buffers.receive_bytes {
        socket.set_recv_buffer_size(size).context("set SO_RCVBUF")?;
    }
    if let Some(size) = buffers.send_bytes {
        socket.set_send_buffer_size(size).context("set SO_SNDBUF")?;
    }
    Ok(socket)
}

fn next_lane(context: &Context, program: String) -> Lane {
    context.connections.set(context.connections.get() + 1);
    Lane { program, connection: Some(context.connections.get()) }
}

fn address_of(address: io::Result<socket2::SockAddr>) -> Verdict<SocketAddr> {
    let address = address?;
    let address = address.as_socket().context("the socket has no internet address")?;
    Ok(address)
}

fn refused(
    context: &Context,
    lane: &Lane,
    to: SocketAddr,
    error: &io::Error,
    expected: &str,
) -> Stop {
    let got = steps::connect_failed(error);
    context.recorder.record(lane, What::Note { text: steps::cannot_connect(to, error) });
    Failure::new(Symptom::Refused, expected, got).into()
}

/// Whether the `written` bytes have arrived at the program's end of a connection and it has read
/// them, or it reads no more: but for these states, its end is closed or on the way there. One that
/// has finished sending (`FIN_WAIT`) still reads while somebody has it open.
fn has_taken_all(end: &look::TcpPeerState, written: u64) -> bool {
    const ESTABLISHED: u8 = 1;
    const FIN_WAIT1: u8 = 4;
    const FIN_WAIT2: u8 = 5;
    const CLOSE_WAIT: u8 = 8;

    let reads = match end.state {
        ESTABLISHED | CLOSE_WAIT => true,
        FIN_WAIT1 | FIN_WAIT2 => end.inode != 0,
        _ => false,
    };
    // On a busy machine the queue may be empty since a segment has not arrived yet.
    let has_arrived = end.received_bytes.is_none_or(|received| received >= written);
    !reads || (has_arrived && end.inode != 0 && end.receive_queue == 0)
}

fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn is_broken(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};

    matches!(
        error.kind(),
        BrokenPipe | ConnectionReset | ConnectionAborted | NotConnected | TimedOut
    )
}
