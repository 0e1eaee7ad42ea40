//! The stream relay: it stands between the learner's program and the reference, passes on bytes,
//! half-closes and resets as they come, and logs them.
//!
//! One thread a connection and one buffer a direction: where one side does not read, the other is
//! slowed down by the kernel's buffers, and the relay's memory stays what it was.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use grader::record::What;
use rustix::event::PollFlags;
use rustix::net::sockopt::set_socket_linger;

use super::ending::{Ending, Watch, wait};
use super::log::{Log, Way};
use super::roles::Role;
use super::session::{Aliases, News};
use super::weird::{Pace, Step, Weird};

/// The buffer of one direction, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// The rest after a connection could not be accepted, when descriptors are short: trying again at
/// once would burn a CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a server may take to close after the reference client has ended.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a program may read nothing of what the reference left for it when it ended.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// Who connects to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The learner's client; behind the relay is the reference server.
    Learner,
    /// The reference client; behind the relay is the learner's server.
    Reference,
}

/// What all connections of a session share.
#[derive(Debug)]
pub struct Relay {
    /// Who connects.
    pub caller: Caller,
    /// Where the relay connects to: the first of these that answers.
    pub targets: Vec<SocketAddr>,
    /// The partner.
    pub role: &'static Role,
    /// Its oddities.
    pub weird: Weird,
    /// The log.
    pub log: Log,
    /// The reference's other names.
    pub aliases: Aliases,
    /// Told when the learner's server cannot be reached.
    pub news: Sender<News>,
    /// When the reference has ended.
    pub ending: Ending,
}

/// The connections under way.
#[derive(Debug, Clone, Default)]
struct Underway {
    count: Arc<(Mutex<usize>, Condvar)>,
}

/// One of them, for as long as this lives.
struct Entry(Underway);

impl Underway {
    fn enter(&self) -> Entry {
        *self.count.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Entry(self.clone())
    }

    fn wait_for_none(&self) {
        let count = self.count.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.count.1.wait_while(count, |count| *count > 0));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let (count, changed) = &*self.0.count;
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        changed.notify_all();
    }
}

/// Accepts and serves until the reference has ended, all that it sent has been passed on, and the
/// connections are closed.
///
/// # Errors
///
/// The listener cannot be polled.
pub fn run(listener: &TcpListener, relay: Relay) -> anyhow::Result<()> {
    listener.set_nonblocking(true).context("set the relay's listener to non-blocking")?;
    let relay = Arc::new(relay);
    let underway = Underway::default();
    let mut number = 0;
    loop {
        let watches = vec![
            Watch::on(listener.as_fd(), PollFlags::IN),
            Watch::on(relay.ending.fd(), PollFlags::IN),
        ];
        let ready = wait(watches, None).context("wait for a connection")?;
        loop {
            match listener.accept() {
                Ok((stream, from)) => {
                    number += 1;
                    begin(&relay, &underway, stream, from, number);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The caller gave up while it waited in the queue.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    relay.log.note(None, format!("the relay cannot accept: {error}"));
                    thread::sleep(ACCEPT_PAUSE);
                    break;
                }
            }
        }
        if !ready[1].is_empty() {
            underway.wait_for_none();
            return Ok(());
        }
    }
}

fn begin(
    relay: &Arc<Relay>,
    underway: &Underway,
    stream: TcpStream,
    from: SocketAddr,
    number: u32,
) {
    let entry = underway.enter();
    let again = Arc::clone(relay);
    let spawned = thread::Builder::new().name(format!("connection {number}")).spawn(move || {
        let _entry = entry;
        converse(&again, stream, from, number);
    });
    if let Err(error) = spawned {
        relay.log.note(None, format!("the relay cannot serve a connection: {error}"));
    }
}

/// Connects to the other end, and relays until both have ended.
fn converse(relay: &Relay, accepted: TcpStream, from: SocketAddr, number: u32) {
    if relay.caller == Caller::Learner {
        let to = accepted.local_addr().unwrap_or(from);
        relay.log.record(Some(number), What::ProgramConnected { from, to });
    }
    let (connected, to) = match connect(&relay.targets) {
        Ok(connected) => connected,
        Err(error) if relay.caller == Caller::Reference => {
            // The reference's connection stays open until the reference is ended: it would complain
            // of what it cannot know.
            _ = relay.news.send(News::Failed { error, _held: Some(accepted) });
            return;
        }
        Err(error) => {
            relay.log.note(Some(number), format!("the peer does not answer: {error:#}"));
            return reset(&accepted);
        }
    };
    let own = connected.local_addr().unwrap_or(to);
    let (learner, peer) = match relay.caller {
        Caller::Learner => {
            relay.aliases.add(own, &from.to_string());
            (accepted, connected)
        }
        Caller::Reference => {
            relay.log.record(Some(number), What::GraderConnected { from: own, to });
            (connected, accepted)
        }
    };
    let pace = relay.weird.pace(number, relay.role, &relay.log);
    let mut conversation = match Conversation::new(relay, learner, peer, number, pace) {
        Ok(conversation) => conversation,
        Err(error) => return relay.log.note(Some(number), format!("the relay fails: {error}")),
    };
    if let Err(error) = conversation.run() {
        relay.log.note(Some(number), format!("the relay fails: {error}"));
    }
}

fn connect(targets: &[SocketAddr]) -> anyhow::Result<(TcpStream, SocketAddr)> {
    let mut failure = anyhow::anyhow!("the name has no address");
    for target in targets {
        match TcpStream::connect(target) {
            Ok(stream) => return Ok((stream, *target)),
            Err(error) => {
                failure = anyhow::Error::new(error).context(format!("connect to {target}"));
            }
        }
    }
    Err(failure)
}

/// Makes the close of this stream, which follows, a reset.
fn reset(stream: &TcpStream) {
    // Where it fails there is no connection any more.
    _ = set_socket_linger(stream, Some(Duration::ZERO));
}

/// One direction: what was read on one side and waits for the other.
struct Flow {
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
    /// The end of the stream was read.
    is_over: bool,
    /// It was passed on.
    is_closed: bool,
}

impl Flow {
    fn new() -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { buffer, begin: 0, end: 0, is_over: false, is_closed: false }
    }

    fn waiting(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    /// Whether the next thing is a read.
    fn wants_more(&self) -> bool {
        self.waiting().is_empty() && !self.is_over
    }

    fn read(&mut self, from: &mut TcpStream) -> io::Result<usize> {
        let count = from.read(&mut self.buffer)?;
        (self.begin, self.end) = (0, count);
        self.is_over = count == 0;
        Ok(count)
    }
}

/// Which of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Learner,
    Peer,
}

/// How a step of a conversation came out.
enum Next {
    /// It goes on.
    On,
    /// It is over.
    Over,
}

struct Conversation<'a> {
    relay: &'a Relay,
    learner: TcpStream,
    peer: TcpStream,
    number: Option<u32>,
    pace: Pace,
    to_learner: Flow,
    to_peer: Flow,
    /// A side that has hung up while nothing is wanted from it is not polled: it would be reported
    /// again and again.
    hung_up: [bool; 2],
    /// Since when the reference has ended, and when the learner last took something of it.
    ended: Option<Instant>,
    moved: Instant,
}

impl<'a> Conversation<'a> {
    fn new(
        relay: &'a Relay,
        learner: TcpStream,
        peer: TcpStream,
        number: u32,
        pace: Pace,
    ) -> io::Result<Self> {
        for stream in [&learner, &peer] {
            stream.set_nonblocking(true)?;
            // A segment goes as it came: none waits for the one after it.
            stream.set_nodelay(true)?;
        }
        let (to_learner, to_peer) = (Flow::new(), Flow::new());
        Ok(Self {
            relay,
            learner,
            peer,
            number: Some(number),
            pace,
            to_learner,
            to_peer,
            hung_up: [false; 2],
            ended: None,
            moved: Instant::now(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        loop {
            if self.to_learner.is_closed && self.to_peer.is_closed {
                return Ok(());
            }
            let now = Instant::now();
            if self.patience_ends(now) {
                return Ok(());
            }
            let mut sends = None;
            let mut deadline = self.deadline();
            if !self.to_learner.waiting().is_empty() {
                match self.pace.next(self.to_learner.waiting().len(), now) {
                    Step::Send(most) => sends = Some(most),
                    Step::Wait(until) => deadline = Some(earlier(deadline, until)),
                    Step::Reset => return self.break_off(),
                }
            }
            if self.pace.resets() {
                return self.break_off();
            }
            if let Some(until) = self.pace.reads_from(now) {
                deadline = Some(earlier(deadline, until));
            }
            self.wait(now, sends.is_some(), deadline)?;
            if let Next::Over = self.step(Instant::now(), sends) {
                return Ok(());
            }
        }
    }

    /// Waits for whatever can be done next.
    fn wait(&mut self, now: Instant, sends: bool, deadline: Option<Instant>) -> io::Result<()> {
        let reads = self.to_peer.wants_more() && self.pace.reads_from(now).is_none();
        let learner = events(reads, sends);
        let peer = events(self.to_learner.wants_more(), !self.to_peer.waiting().is_empty());
        let mut watches = Vec::with_capacity(3);
        let mut sides = Vec::with_capacity(2);
        for (side, stream, events) in
            [(Side::Learner, &self.learner, learner), (Side::Peer, &self.peer, peer)]
        {
            if !events.is_empty() || !self.hung_up[side as usize] {
                watches.push(Watch::on(stream.as_fd(), events));
                sides.push((side, events));
            }
        }
        if self.ended.is_none() {
            watches.push(Watch::on(self.relay.ending.fd(), PollFlags::IN));
        }
        let ready = wait(watches, deadline)?;
        for ((side, events), ready) in sides.iter().zip(&ready) {
            if events.is_empty() && ready.intersects(PollFlags::HUP | PollFlags::ERR) {
                self.hung_up[*side as usize] = true;
            }
        }
        if self.ended.is_none() && ready.last().is_some_and(|ready| !ready.is_empty()) {
            self.ended = Some(Instant::now());
            self.moved = Instant::now();
        }
        Ok(())
    }

    /// Does what can be done without waiting.
    fn step(&mut self, now: Instant, sends: Option<usize>) -> Next {
        // A reset also reaches a side from which nothing is read for now.
        for side in [Side::Learner, Side::Peer] {
            if self.hung_up[side as usize] && matches!(self.of(side).take_error(), Ok(Some(_))) {
                return self.came_reset(side);
            }
        }
        if self.to_peer.wants_more() && self.pace.reads_from(now).is_none() {
            match self.to_peer.read(&mut self.learner) {
                Ok(0) => self.relay.log.record(self.number, What::ProgramFinishedSending),
                Ok(count) => {
                    self.relay.log.bytes(self.number, Way::Received, self.to_peer.waiting());
                    self.pace.receive(count, now);
                }
                Err(error) if is_wait(&error) => {}
                Err(_) => return self.came_reset(Side::Learner),
            }
        }
        if self.to_learner.wants_more() {
            match self.to_learner.read(&mut self.peer) {
                Ok(0) => {}
                Ok(count) => self.pace.take(count),
                Err(error) if is_wait(&error) => {}
                Err(_) => return self.came_reset(Side::Peer),
            }
        }
        if let Next::Over = self.pass_on(now, sends) {
            return Next::Over;
        }
        self.close_halves()
    }

    fn of(&self, side: Side) -> &TcpStream {
        match side {
            Side::Learner => &self.learner,
            Side::Peer => &self.peer,
        }
    }

    /// Writes what waits.
    fn pass_on(&mut self, now: Instant, sends: Option<usize>) -> Next {
        if !self.to_peer.waiting().is_empty() {
            match self.peer.write(self.to_peer.waiting()) {
                Ok(count) => self.to_peer.begin += count,
                Err(error) if is_wait(&error) => {}
                Err(_) => return self.came_reset(Side::Peer),
            }
        }
        if let Some(most) = sends {
            let most = most.min(self.to_learner.waiting().len());
            match self.learner.write(&self.to_learner.waiting()[..most]) {
                Ok(count) => {
                    let sent = &self.to_learner.waiting()[..count];
                    self.relay.log.bytes(self.number, Way::Sent, sent);
                    self.to_learner.begin += count;
                    self.pace.passed(count, now);
                    self.moved = now;
                }
                Err(error) if is_wait(&error) => {}
                Err(_) => return self.came_reset(Side::Learner),
            }
        }
        Next::On
    }

    /// Passes on the ends of streams, once all before them has gone.
    fn close_halves(&mut self) -> Next {
        if ends(&self.to_peer) {
            self.to_peer.is_closed = true;
            // Fails only where the connection is gone already, which the next read tells.
            _ = self.peer.shutdown(Shutdown::Write);
        }
        if ends(&self.to_learner) {
            if self.pace.resets_at_end() {
                self.relay.log.record(self.number, What::GraderReset);
                self.reset_both();
                return Next::Over;
            }
            self.to_learner.is_closed = true;
            let closes = self.to_peer.is_over;
            let what = if closes { What::GraderClosed } else { What::GraderFinishedSending };
            self.relay.log.record(self.number, what);
            _ = self.learner.shutdown(Shutdown::Write);
        }
        Next::On
    }

    /// One side broke the connection off: so does the relay, on the other.
    fn came_reset(&mut self, side: Side) -> Next {
        match side {
            Side::Learner => self.relay.log.record(self.number, What::ProgramReset),
            Side::Peer => {
                // What came before the reset was sent before it, as far as the kernel takes it.
                let waiting = self.to_learner.waiting();
                if let Ok(count) = self.learner.write(waiting)
                    && count > 0
                {
                    self.relay.log.bytes(self.number, Way::Sent, &waiting[..count]);
                }
                self.relay.log.record(self.number, What::GraderReset);
            }
        }
        self.reset_both();
        Next::Over
    }

    fn break_off(&mut self) -> io::Result<()> {
        self.relay.log.record(self.number, What::GraderReset);
        self.reset_both();
        Ok(())
    }

    fn reset_both(&self) {
        reset(&self.learner);
        reset(&self.peer);
    }

    /// After the end of the reference the conversation may not last for ever.
    fn patience_ends(&self, now: Instant) -> bool {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return false;
        }
        if self.to_learner.is_closed {
            let text = "the peer has ended; your program has not closed its side";
            self.relay.log.note(self.number, text);
            return true;
        }
        let (seconds, left) = (READ_PATIENCE.as_secs(), self.to_learner.waiting().len());
        let text = format!(
            "the peer has ended; your program has read nothing for {seconds} s, though bytes wait \
             for it (the last {left} are still in the relay)"
        );
        self.relay.log.note(self.number, text);
        self.reset_both();
        true
    }

    fn deadline(&self) -> Option<Instant> {
        let ended = self.ended?;
        Some(match self.to_learner.is_closed {
            true => ended + CLOSE_PATIENCE,
            false => self.moved + READ_PATIENCE,
        })
    }
}

/// Whether the end of this stream is due to be passed on.
fn ends(flow: &Flow) -> bool {
    flow.is_over && !flow.is_closed && flow.waiting().is_empty()
}

fn earlier(deadline: Option<Instant>, other: Instant) -> Instant {
    deadline.map_or(other, |deadline| deadline.min(other))
}

fn events(reads: bool, writes: bool) -> PollFlags {
    let mut events = PollFlags::empty();
    events.set(PollFlags::IN, reads);
    events.set(PollFlags::OUT, writes);
    events
}

fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
