//! The datagram relay: one datagram in, the same one out, each client with a socket of its own
//! behind the relay, so that answers find their way.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::Context;
use grader::record::{Sample, What};
use rustix::event::PollFlags;

use super::ending::{Ending, Watch, wait};
use super::log::Log;
use super::roles::Role;
use super::session::{Aliases, News};
use super::tcp::Caller;
use super::weird::{Oddity, Whims};

/// Room for any datagram: the length in its header has 16 bits.
const BUFFER_BYTES: usize = 64 * 1024;
/// How many clients are kept apart at the same time; the one longest silent makes room.
const MOST_CLIENTS: usize = 256;
/// How many datagrams may be on their way late; a further one goes at once.
const MOST_LATE: usize = 64;
/// How many datagrams are taken in a turn, so that a flood starves nobody.
const MOST_IN_A_TURN: usize = 128;
/// What a stranger sends.
const STRANGER_WORDS: &str = "a stranger's datagram";
/// How long after the reference's end an answer to an odd datagram is still waited for.
const LAST_ANSWER: Duration = Duration::from_millis(200);

/// The relay of a session.
pub struct Relay {
    /// Whether the learner's program or the reference sends to the relay's own address.
    pub caller: Caller,
    /// The relay's own socket.
    pub socket: UdpSocket,
    /// Where it sends to: the first of these where somebody listens.
    pub targets: VecDeque<SocketAddr>,
    /// The partner.
    pub role: &'static Role,
    /// Its oddities.
    pub whims: Whims,
    /// The log.
    pub log: Log,
    /// The reference's other names.
    pub aliases: Aliases,
    /// Told when nobody listens at the learner's address.
    pub news: Sender<News>,
    /// When the reference has ended.
    pub ending: Ending,
}

/// A client of the relay, and the socket with which the relay speaks for it.
struct Client {
    address: SocketAddr,
    behind: UdpSocket,
    used: Instant,
}

/// A datagram on its way to the learner's program, and the socket and address it goes by.
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
    client: SocketAddr,
}

struct Run {
    relay: Relay,
    clients: Vec<Client>,
    late: Vec<Parcel>,
    stranger: Option<UdpSocket>,
    buffer: Vec<u8>,
    ended: Option<Instant>,
    /// When something odd was last sent.
    last_odd: Option<Instant>,
}

/// Relays until the reference has ended and what it sent has been passed on.
///
/// # Errors
///
/// The sockets cannot be polled.
pub fn run(relay: Relay) -> anyhow::Result<()> {
    relay.socket.set_nonblocking(true).context("set the relay's socket to non-blocking")?;
    let buffer = vec![0; BUFFER_BYTES];
    let (clients, late) = (Vec::new(), Vec::new());
    let (stranger, ended, last_odd) = (None, None, None);
    let mut run = Run { relay, clients, late, stranger, buffer, ended, last_odd };
    let mut is_all = true;
    loop {
        run.send_due(Instant::now());
        // All that the reference sent before its end was in the socket when the end was seen.
        let is_over = run.last_moment().is_some_and(|last| Instant::now() >= last);
        if is_over && is_all && run.late.is_empty() {
            return Ok(());
        }
        run.wait().context("wait for datagrams")?;
        is_all = run.take_own();
        run.take_behind();
        run.hear_stranger();
    }
}

impl Run {
    fn wait(&mut self) -> io::Result<()> {
        let mut watches = vec![Watch::on(self.relay.socket.as_fd(), PollFlags::IN)];
        let others = self.clients.iter().map(|client| &client.behind).chain(&self.stranger);
        watches.extend(others.map(|socket| Watch::on(socket.as_fd(), PollFlags::IN)));
        if self.ended.is_none() {
            watches.push(Watch::on(self.relay.ending.fd(), PollFlags::IN));
        }
        let late = self.late.iter().map(|parcel| parcel.due);
        let deadline = late.chain(self.last_moment()).min();
        let ready = wait(watches, deadline)?;
        if self.ended.is_none() && ready.last().is_some_and(|ready| !ready.is_empty()) {
            self.ended = Some(Instant::now());
        }
        Ok(())
    }

    /// When nothing is to be expected any more: only what was late or came from a stranger can be
    /// answered after the end of the reference.
    fn last_moment(&self) -> Option<Instant> {
        let ended = self.ended?;
        let odd = self.last_odd.map(|odd| odd + LAST_ANSWER);
        Some(odd.map_or(ended, |odd| odd.max(ended)))
    }

    /// Datagrams for the relay itself; whether those were all.
    fn take_own(&mut self) -> bool {
        for _ in 0..MOST_IN_A_TURN {
            match self.relay.socket.recv_from(&mut self.buffer) {
                Ok((count, from)) => {
                    let bytes = self.buffer[..count].to_vec();
                    self.take_from(from, &bytes);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing is there; or what an earlier datagram of ours met is told, which is no
                // answer.
                Err(_) => return true,
            }
        }
        false
    }

    fn take_from(&mut self, from: SocketAddr, bytes: &[u8]) {
        if let Err(error) = self.client(from) {
            if self.relay.caller == Caller::Reference {
                return self.fail(error);
            }
            let note = format!("the relay cannot make a socket: {error}");
            return self.relay.log.note(None, note);
        }
        match self.relay.caller {
            Caller::Learner => {
                let to = self.relay.socket.local_addr().unwrap_or(from);
                let bytes_shown = Sample::of(bytes);
                self.relay.log.record(None, received(from, to, bytes_shown));
                if let Ok(client) = self.client(from) {
                    // Only a reference that has just ended does not take it.
                    _ = client.behind.send(bytes);
                }
            }
            Caller::Reference => self.send_odd(from, bytes),
        }
    }

    /// Datagrams for the sockets behind the relay.
    fn take_behind(&mut self) {
        let mut index = 0;
        while let Some(client) = self.clients.get(index) {
            match client.behind.recv(&mut self.buffer) {
                Ok(count) => {
                    let (address, bytes) = (client.address, self.buffer[..count].to_vec());
                    match self.relay.caller {
                        Caller::Learner => self.send_odd(address, &bytes),
                        Caller::Reference => self.pass_answer(index, &bytes),
                    }
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    self.nobody_listens(error);
                    index += 1;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => index += 1,
            }
        }
    }

    /// An answer of the learner's server, for the reference client.
    fn pass_answer(&self, index: usize, bytes: &[u8]) {
        let Client { address, behind, .. } = &self.clients[index];
        if let (Ok(from), Ok(to)) = (behind.peer_addr(), behind.local_addr()) {
            self.relay.log.record(None, received(from, to, Sample::of(bytes)));
        }
        // A reference that has ended takes nothing any more.
        _ = self.relay.socket.send_to(bytes, address);
    }

    /// One datagram for the learner's program, with whatever happens to it.
    fn send_odd(&mut self, client: SocketAddr, bytes: &[u8]) {
        let oddity = self.relay.whims.next();
        if let Some(oddity) = oddity {
            self.relay.log.note(None, oddity.told(self.relay.role));
            self.last_odd = Some(Instant::now());
        }
        match oddity {
            Some(Oddity::Loss) => return,
            Some(Oddity::Double) => self.deliver(client, bytes),
            Some(Oddity::Stranger) => self.send_stranger(client),
            Some(Oddity::Delay) if self.late.len() < MOST_LATE => {
                let delay = self.relay.whims.delay();
                let text = format!("it will arrive {} ms late", delay.as_millis());
                self.relay.log.note(None, text);
                let due = Instant::now() + delay;
                self.late.push(Parcel { due, bytes: bytes.to_vec(), client });
                return;
            }
            _ => {}
        }
        self.deliver(client, bytes);
    }

    /// Sends what was late for long enough.
    fn send_due(&mut self, now: Instant) {
        while let Some(index) = self.late.iter().position(|parcel| parcel.due <= now) {
            let Parcel { bytes, client, .. } = self.late.remove(index);
            self.last_odd = Some(now);
            self.deliver(client, &bytes);
        }
    }

    fn deliver(&mut self, client: SocketAddr, bytes: &[u8]) {
        let bytes_shown = Sample::of(bytes);
        let sent = match self.relay.caller {
            Caller::Learner => {
                let from = self.relay.socket.local_addr().unwrap_or(client);
                let what = What::DatagramSent { from, to: client, bytes: bytes_shown };
                self.relay.socket.send_to(bytes, client).map(|_| what)
            }
            Caller::Reference => self.client(client).and_then(|client| {
                let (from, to) = (client.behind.local_addr()?, client.behind.peer_addr()?);
                client.behind.send(bytes)?;
                Ok(What::DatagramSent { from, to, bytes: bytes_shown })
            }),
        };
        match sent {
            Ok(what) => self.relay.log.record(None, what),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                self.nobody_listens(error);
            }
            Err(error) if self.relay.caller == Caller::Reference => self.fail(error),
            Err(error) => {
                self.relay.log.note(None, format!("cannot send to {client}: {error}"));
            }
        }
    }

    /// The socket behind the relay for one of its clients.
    fn client(&mut self, address: SocketAddr) -> io::Result<&mut Client> {
        let now = Instant::now();
        if let Some(index) = self.clients.iter().position(|client| client.address == address) {
            self.clients[index].used = now;
            return Ok(&mut self.clients[index]);
        }
        if self.clients.len() == MOST_CLIENTS {
            let oldest = self.clients.iter().enumerate().min_by_key(|(_, client)| client.used);
            if let Some(index) = oldest.map(|(index, _)| index) {
                self.clients.swap_remove(index);
            }
        }
        let target = *self.relay.targets.front().ok_or(ErrorKind::AddrNotAvailable)?;
        let behind = UdpSocket::bind(any_address(target))?;
        // Where the target is a broadcast address, the kernel asks for it.
        behind.set_broadcast(true)?;
        behind.connect(target)?;
        behind.set_nonblocking(true)?;
        if self.relay.caller == Caller::Learner {
            self.relay.aliases.add(behind.local_addr()?, &address.to_string());
        }
        self.clients.push(Client { address, behind, used: now });
        let last = self.clients.len() - 1;
        Ok(&mut self.clients[last])
    }

    /// The kernel has answered for the target: no socket is bound there.
    fn nobody_listens(&mut self, error: io::Error) {
        if self.relay.caller == Caller::Learner {
            return;
        }
        if self.relay.targets.len() > 1 {
            // The name has more addresses; what was sent is sent again by whoever misses it.
            self.relay.targets.pop_front();
            self.clients.clear();
            return;
        }
        self.fail(error);
    }

    fn fail(&self, error: io::Error) {
        let target = self.relay.targets.front().map_or_else(String::new, ToString::to_string);
        let error = anyhow::Error::new(error).context(format!("send to {target}"));
        _ = self.relay.news.send(News::Failed { error, _held: None });
    }

    fn send_stranger(&mut self, client: SocketAddr) {
        let to = match self.relay.caller {
            Caller::Learner => Some(client),
            Caller::Reference => self.relay.targets.front().copied(),
        };
        let Some(to) = to else { return };
        if self.stranger.is_none() {
            self.stranger = stranger(to).ok();
        }
        let Some(stranger) = &self.stranger else { return };
        let sent =
            stranger.send_to(STRANGER_WORDS.as_bytes(), to).and_then(|_| stranger.local_addr());
        let text = match sent {
            Ok(from) => format!(
                "a stranger at port {} sends {to} {} bytes \"{STRANGER_WORDS}\"",
                from.port(),
                STRANGER_WORDS.len()
            ),
            Err(error) => format!("the stranger cannot send to {to}: {error}"),
        };
        self.relay.log.note(None, text);
    }

    /// What the learner's program answers a stranger.
    fn hear_stranger(&mut self) {
        let Some(stranger) = &self.stranger else { return };
        while let Ok((count, from)) = stranger.recv_from(&mut self.buffer) {
            let shown = grader::bytes::show(&Sample::of(&self.buffer[..count]), 60);
            self.relay.log.note(None, format!("the stranger gets an answer from {from}: {shown}"));
        }
    }
}

fn stranger(to: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(any_address(to))?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A port of the kernel's choice, of the family of `target`; loopback where the target is.
fn any_address(target: SocketAddr) -> SocketAddr {
    match target {
        SocketAddr::V4(target) if target.ip().is_loopback() => (Ipv4Addr::LOCALHOST, 0).into(),
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(target) if target.ip().is_loopback() => (Ipv6Addr::LOCALHOST, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

fn received(from: SocketAddr, to: SocketAddr, bytes: Sample) -> What {
    What::DatagramReceived { from, to, bytes }
}
