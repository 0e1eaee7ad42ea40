//! The grader's datagram sockets: what they send and receive, from whom, and when the kernel
//! received it.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::event::PollFlags;
use socket2::{Domain, Protocol, Socket, Type};

use crate::check::Check;
use crate::context::{Context, Goal};
use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::process::{Program, Server};
use crate::record::{Lane, Sample, What};
use crate::result_lines::complete_lines;
use crate::retell::told_by;
use crate::stamps::{self, Received};
use crate::wording::{lab as words, steps};

/// The most that one datagram carries over IPv4: 65,535 less the headers of IP and UDP (RFC 768,
/// RFC 791).
pub const MOST_BYTES: usize = 65_507;
/// Room for some tens of the largest datagrams; the kernel grants what `net.core.rmem_max` allows.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// The end of a datagram is missing. "Cut short" is for streams, which end.
const SHORTENED: Symptom = Symptom::Named("shortened");
/// How long a datagram may still be on its way when the program that should have sent it has ended,
/// or waits for ever: a kernel under load hands it over late (ksoftirqd), and on the loopback too.
const STILL_ON_ITS_WAY: Duration = Duration::from_millis(250);
/// Where [`Check::shared_port`] looks: below the ports that kernels give to whoever asks for any
/// (Linux from 32,768, others from 49,152), above those that services are known by.
const SHARED_PORTS: std::ops::Range<u64> = 15_000..32_000;
/// How often it looks there.
const SHARED_PORT_TRIES: u32 = 200;

/// A datagram that the grader received.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Who sent it.
    pub from: SocketAddr,
    /// When the kernel received it, counted from the epoch (`SO_TIMESTAMPNS`, socket(7)); elsewhere
    /// than on Linux, when the grader took it. `None` where the kernel does not tell.
    pub stamp: Option<Duration>,
}

/// A datagram socket of the grader's, bound to a port of its own.
pub struct DatagramPeer {
    context: Rc<Context>,
    socket: Rc<Socket>,
    address: SocketAddr,
    buffer: Vec<MaybeUninit<u8>>,
    /// What the grader answered so late that a client had reason to send it again.
    answered_late: Vec<Vec<u8>>,
    /// What came last as it was expected.
    came_last: Option<Vec<u8>>,
    /// What came last, as it was expected or not.
    newest: Vec<u8>,
}

/// A client that waits 500 ms may try again when the grader took longer than this for its answer.
const LATE_ANSWER: Duration = Duration::from_millis(350);

impl DatagramPeer {
    /// Binds a free port of `host` ("127.0.0.1", "::1").
    pub(crate) fn open(context: Rc<Context>, host: &str) -> Verdict<Self> {
        let ip: IpAddr =
            host.parse().with_context(|| format!("{host:?} is not an address of the grader's"))?;
        Self::open_at(context, SocketAddr::new(ip, 0))
    }

    /// Binds `wanted`.
    fn open_at(context: Rc<Context>, wanted: SocketAddr) -> Verdict<Self> {
        let wanted = context.own(wanted)?;
        let host = &wanted.ip().to_string();
        let socket = match context.socket(wanted, Type::DGRAM, Protocol::UDP) {
            Ok(socket) => socket,
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                return Err(Stop::Unsupported(steps::no_such_address(host)));
            }
            Err(error) => {
                return Err(anyhow::Error::from(error).context("open a socket").into());
            }
        };
        Self::open_on(context, socket, wanted)
    }

    /// Binds this socket to `wanted`.
    pub(crate) fn open_on(
        context: Rc<Context>,
        socket: Socket,
        wanted: SocketAddr,
    ) -> Verdict<Self> {
        let host = &wanted.ip().to_string();
        socket.set_nonblocking(true).context("set nonblocking")?;
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        stamps::ask_for(&socket);
        match socket.bind(&wanted.into()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                return Err(Stop::Unsupported(steps::no_such_address(host)));
            }
            Err(error) => {
                return Err(anyhow::Error::from(error).context(format!("bind {wanted}")).into());
            }
        }
        let address = socket.local_addr()?.as_socket().context("no internet address")?;
        let socket = Rc::new(socket);
        context.register(&socket);
        let buffer = vec![MaybeUninit::uninit(); 1 << 16];
        Ok(Self {
            context,
            socket,
            address,
            buffer,
            answered_late: Vec::new(),
            came_last: None,
            newest: Vec::new(),
        })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself, for what has no step of its own.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The bytes of the datagram that came last, also of one that was not the expected one; none
    /// where none has come.
    pub fn newest(&self) -> &[u8] {
        &self.newest
    }

    /// Sends `bytes` as one datagram to `to`, where `program` should receive it.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn send_to(&mut self, program: &Program, to: SocketAddr, bytes: &[u8]) -> Verdict {
        loop {
            match self.socket.send_to(bytes, &self.context.reach(to).into()) {
                Ok(_) => break,
                // What an earlier datagram met at a closed port is told here: it concerns that one.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let text = format!("send {} bytes to {to}", bytes.len());
                    return Err(anyhow::Error::from(error).context(text).into());
                }
            }
        }
        let bytes = Sample::of(bytes);
        self.record(program, What::DatagramSent { from: self.address, to, bytes });
        Ok(())
    }

    /// Sends a datagram back to where it came from. If a busy machine made the grader late with it,
    /// a second try of the same datagram is no mistake of the program's, and
    /// [`DatagramPeer::expect`] answers it again.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn answer(&mut self, program: &Program, datagram: &Datagram) -> Verdict {
        self.send_to(program, datagram.from, &datagram.bytes)?;
        let age =
            datagram.stamp.map_or(Duration::ZERO, |stamp| stamps::now().saturating_sub(stamp));
        if age > LATE_ANSWER {
            self.answered_late.push(datagram.bytes.clone());
        }
        Ok(())
    }

    /// Waits for the next datagram, from whomever. `expected` says what should come, as the learner
    /// reads it.
    ///
    /// # Errors
    ///
    /// A failure if none comes.
    pub fn receive(&mut self, program: &Program, expected: &str) -> Verdict<Datagram> {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let goal = Goal::on(&*socket, PollFlags::IN, Some(program.index), expected.to_owned());
        let datagram = match context.wait(&goal, || Ok(self.receive_now()?)) {
            Err(Stop::Failed(failure)) => match self.receive_late()? {
                Some(datagram) => datagram,
                None => return Err(Stop::Failed(failure)),
            },
            other => other?,
        };
        let (from, bytes) = (datagram.from, Sample::of(&datagram.bytes));
        self.record(program, What::DatagramReceived { from, to: self.address, bytes });
        Ok(datagram)
    }

    /// The next datagram if it is there already.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn receive_if_there(&mut self, program: &Program) -> Verdict<Option<Datagram>> {
        let datagram = self.receive_now()?;
        if let Some(datagram) = &datagram {
            let (from, bytes) = (datagram.from, Sample::of(&datagram.bytes));
            self.record(program, What::DatagramReceived { from, to: self.address, bytes });
        }
        Ok(datagram)
    }

    /// Expects a datagram with exactly these bytes next.
    ///
    /// # Errors
    ///
    /// A failure if none comes, or another one (`came-again` if it is the one before once more).
    pub fn expect(&mut self, program: &Program, bytes: &[u8]) -> Verdict<Datagram> {
        let expected = steps::sends_datagram(&program.name(), bytes);
        let mut datagram = self.receive(program, &expected)?;
        while datagram.bytes != bytes && self.answered_late.contains(&datagram.bytes) {
            // On a busy machine the grader's answer and the second try have crossed.
            self.send_to(program, datagram.from, &datagram.bytes)?;
            datagram = self.receive(program, &expected)?;
        }
        if datagram.bytes != bytes && self.came_last.as_ref() == Some(&datagram.bytes) {
            let (expected, got) = steps::no_more_datagrams(&program.name(), &datagram.bytes);
            let symptom = Symptom::Named("came-again");
            return Err(self.context.fail(Failure::new(symptom, expected, got)));
        }
        is_as_expected(bytes, &datagram.bytes)?;
        self.came_last = Some(datagram.bytes.clone());
        Ok(datagram)
    }

    /// Expects each of `texts` as a datagram of its own, in whatever order: UDP promises none.
    ///
    /// # Errors
    ///
    /// A failure if one does not come, or another comes.
    pub fn expect_each(&mut self, program: &Program, texts: &[String]) -> Verdict {
        let mut missing: Vec<&str> = texts.iter().map(String::as_str).collect();
        while let Some(next) = missing.first() {
            let expected = steps::sends_datagram(&program.name(), next.as_bytes());
            let datagram = self.receive(program, &expected)?;
            match missing.iter().position(|text| text.as_bytes() == datagram.bytes) {
                Some(place) => _ = missing.remove(place),
                None => is_as_expected(next.as_bytes(), &datagram.bytes)?,
            }
        }
        Ok(())
    }

    /// As [`DatagramPeer::expect`], and it has to come from `from`.
    ///
    /// # Errors
    ///
    /// A failure if none comes, another one, or from elsewhere (`wrong-sender`).
    pub fn expect_from(&mut self, program: &Program, from: SocketAddr, bytes: &[u8]) -> Verdict {
        let datagram = self.expect(program, bytes)?;
        // A socket at 0.0.0.0 answers from whichever address the client has reached.
        let everywhere = from.ip().is_unspecified() && datagram.from.port() == from.port();
        if datagram.from == from || everywhere {
            return Ok(());
        }
        let (expected, got) = steps::datagram_sender(from, datagram.from);
        Err(Failure::new(Symptom::Named("wrong-sender"), expected, got).into())
    }

    /// Waits at most `limit` for a datagram from whomever; `None` if none came.
    ///
    /// # Errors
    ///
    /// A failure if the program ends meanwhile.
    pub fn receive_within(
        &mut self,
        program: &Program,
        expected: &str,
        limit: Duration,
    ) -> Verdict<Option<Datagram>> {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let goal = Goal::on(&*socket, PollFlags::IN, Some(program.index), expected.to_owned());
        let began = Instant::now();
        let waited = context.wait(&goal, || {
            let datagram = self.receive_now()?;
            Ok((datagram.is_some() || began.elapsed() >= limit).then_some(datagram))
        });
        let datagram = match waited {
            Ok(datagram) => datagram,
            Err(Stop::Failed(failure)) if failure.symptom == Symptom::Stalled => None,
            Err(other) => return Err(other),
        };
        if let Some(datagram) = &datagram {
            let (from, bytes) = (datagram.from, Sample::of(&datagram.bytes));
            self.record(program, What::DatagramReceived { from, to: self.address, bytes });
        }
        Ok(datagram)
    }

    /// Expects that no further datagram has come.
    ///
    /// # Errors
    ///
    /// A failure that shows the one that came.
    pub fn expect_nothing_more(&mut self, program: &Program) -> Verdict {
        let mut more = self.receive_if_there(program)?;
        while more.as_ref().is_some_and(|more| self.answered_late.contains(&more.bytes)) {
            more = self.receive_if_there(program)?;
        }
        let Some(datagram) = more else { return Ok(()) };
        let (expected, got) = steps::no_more_datagrams(&program.name(), &datagram.bytes);
        Err(self.context.fail(Failure::new(Symptom::ExtraBytes, expected, got)))
    }

    /// Allows this socket to send to broadcast addresses (`SO_BROADCAST`, socket(7)).
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn allow_broadcast(&self) -> Verdict {
        self.socket.set_broadcast(true).context("set SO_BROADCAST")?;
        Ok(())
    }

    /// What comes although the program has ended, or waits for ever.
    fn receive_late(&mut self) -> io::Result<Option<Datagram>> {
        let began = Instant::now();
        loop {
            let datagram = self.receive_now()?;
            if datagram.is_some() || began.elapsed() >= STILL_ON_ITS_WAY {
                return Ok(datagram);
            }
            let mut polled = [rustix::event::PollFd::new(&*self.socket, PollFlags::IN)];
            let limit = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            let _ = rustix::event::poll(&mut polled, Some(&limit));
        }
    }

    fn receive_now(&mut self) -> io::Result<Option<Datagram>> {
        loop {
            match stamps::receive(&self.socket, &mut self.buffer) {
                Ok(Received { bytes, from, stamp }) => {
                    let from = from.ok_or(io::ErrorKind::InvalidData)?;
                    self.newest.clone_from(&bytes);
                    let stamp = stamp.or_else(|| (!cfg!(target_os = "linux")).then(stamps::now));
                    return Ok(Some(Datagram { bytes, from, stamp }));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn record(&self, program: &Program, what: What) {
        let lane = Lane { program: program.name(), connection: None };
        self.context.recorder.record(&lane, what);
    }
}

impl Datagram {
    /// How long after this one `later` came, by the kernel's stamps; `None` where it gives none.
    pub fn gap(&self, later: &Self) -> Option<Duration> {
        Some(later.stamp?.saturating_sub(self.stamp?))
    }

    /// Expects that `later` was sent at least `least` after this one.
    ///
    /// # Errors
    ///
    /// A failure (`too-early`) that says how long it really was.
    pub fn expect_gap(&self, later: &Self, least: Duration) -> Verdict {
        let (Some(first), Some(second)) = (self.stamp, later.stamp) else { return Ok(()) };
        let gap = second.saturating_sub(first);
        if gap >= least {
            return Ok(());
        }
        let (expected, got) = steps::datagram_gap(least, gap);
        Err(Failure::new(Symptom::Named("too-early"), expected, got).into())
    }

    /// Expects that from this datagram to now at least `least` and at most `most` have passed.
    ///
    /// # Errors
    ///
    /// A failure (`too-early` or `too-late`) that says how long it really was.
    pub fn expect_age(&self, least: Duration, most: Duration) -> Verdict {
        let Some(then) = self.stamp else { return Ok(()) };
        let age = stamps::now().saturating_sub(then);
        let symptom = match age {
            _ if age < least => Symptom::Named("too-early"),
            _ if age > most => Symptom::TooLate,
            _ => return Ok(()),
        };
        let (expected, got) = steps::gave_up_after(least, most, age);
        Err(Failure::new(symptom, expected, got).into())
    }
}

impl Check<'_> {
    /// A loopback address that is, in all likelihood, this check's alone (127.0.0.0/8, RFC 6890):
    /// what is late for one conversation cannot stray into another that has got the same port.
    /// Where only 127.0.0.1 is the host's own, that.
    pub fn own_loopback(&mut self) -> String {
        if cfg!(target_os = "linux") {
            let mut part = || 1 + (self.random().below(253) + chance()) % 253;
            let own = format!("127.{}.{}.{}", part(), part(), part());
            // A host of the lab is this check's alone.
            if self.context.is_staged() { "127.0.0.1".to_owned() } else { own }
        } else {
            "127.0.0.1".to_owned()
        }
    }

    /// A port to which nobody can send: the kernel answers "port unreachable" (RFC 792). It is
    /// bound, so nobody else gets it, and connected to another address, so it takes nothing from
    /// anybody.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn closed_datagram_port(&mut self, host: &str) -> Verdict<DatagramPeer> {
        let peer = self.datagram_peer(host)?;
        let elsewhere = SocketAddr::new(peer.address().ip(), 9);
        peer.socket
            .connect(&elsewhere.into())
            .with_context(|| format!("connect to {elsewhere}"))?;
        Ok(peer)
    }

    /// A datagram socket of the grader's on `host`, at `port` where that is free there, else at
    /// another one.
    ///
    /// # Errors
    ///
    /// As [`Check::datagram_peer`].
    pub fn datagram_peer_near(&mut self, host: &str, port: u16) -> Verdict<DatagramPeer> {
        let wanted = SocketAddr::new(host.parse().context("no IP address")?, port);
        match DatagramPeer::open_at(Rc::clone(&self.context), wanted) {
            Ok(peer) => Ok(peer),
            Err(_) => self.datagram_peer(host),
        }
    }

    /// Whether a second socket, willing to share (`SO_REUSEADDR`, socket(7)), can be bound to
    /// `address` just now.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn can_share_port(&mut self, address: SocketAddr) -> Verdict<bool> {
        self.can_bind_as_well(address, Socket::set_reuse_address)
    }

    /// Whether a second socket that would take turns with the first (`SO_REUSEPORT`, socket(7)) can
    /// be bound to `address` just now.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn can_take_turns_at(&mut self, address: SocketAddr) -> Verdict<bool> {
        self.can_bind_as_well(address, Socket::set_reuse_port)
    }

    fn can_bind_as_well(
        &mut self,
        address: SocketAddr,
        set_option: fn(&Socket, bool) -> io::Result<()>,
    ) -> Verdict<bool> {
        self.context.must_be_here(words::about_this_machine())?;
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
            .context("open a socket")?;
        set_option(&socket, true).context("let others have the port, too")?;
        match socket.bind(&address.into()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
            Err(error) => Err(anyhow::Error::from(error).context(format!("bind {address}")).into()),
        }
    }

    /// Sockets at one port of both addresses that `localhost` stands for; where there is no IPv6,
    /// at the one.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn localhost_peers(&mut self) -> Verdict<Vec<DatagramPeer>> {
        for _ in 0..SHARED_PORT_TRIES {
            let first = self.datagram_peer("127.0.0.1")?;
            let second = SocketAddr::from((Ipv6Addr::LOCALHOST, first.address().port()));
            match DatagramPeer::open_at(Rc::clone(&self.context), second) {
                Ok(second) => return Ok(vec![first, second]),
                Err(Stop::Unsupported(_)) => return Ok(vec![first]),
                // The port is somebody's there.
                Err(_) => {}
            }
        }
        Err(anyhow::anyhow!("no port is free at 127.0.0.1 and ::1").into())
    }

    /// Starts the program in a network that has a loopback and nothing else.
    ///
    /// # Errors
    ///
    /// As [`Check::start`]; `Unsupported` where there can be none.
    pub fn start_without_network<I>(&mut self, arguments: I) -> Verdict<Program>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.start_job(arguments, |job| job.network = sandbox::Network::Lonely)
    }

    /// A socket of the grader's on 0.0.0.0, at a port that others can bind as well if they ask to
    /// share it (`SO_REUSEADDR`), and that no kernel gives away unasked. It hears what is broadcast
    /// there.
    ///
    /// # Errors
    ///
    /// The grader's error; `Unsupported` where what is sent to 127.255.255.255 is not heard.
    pub fn shared_port(&mut self) -> Verdict<DatagramPeer> {
        self.context.must_be_here(words::loopback_broadcast())?;
        for _ in 0..SHARED_PORT_TRIES {
            let span = SHARED_PORTS.end - SHARED_PORTS.start;
            let port = SHARED_PORTS.start + (self.random().number() ^ chance()) % span;
            let wanted = (Ipv4Addr::UNSPECIFIED, u16::try_from(port).unwrap_or(u16::MAX));
            // Bound without sharing, it is nobody else's; sharing is allowed only then.
            let Ok(peer) = DatagramPeer::open_at(Rc::clone(&self.context), wanted.into()) else {
                continue;
            };
            peer.socket.set_reuse_address(true).context("set SO_REUSEADDR")?;
            peer.allow_broadcast()?;
            return peer.hears_itself();
        }
        Err(anyhow::anyhow!("no port of {SHARED_PORTS:?} is free").into())
    }
}

impl DatagramPeer {
    /// Proves that what is broadcast on the loopback network is heard.
    fn hears_itself(mut self) -> Verdict<Self> {
        let to = SocketAddr::from((Ipv4Addr::new(127, 255, 255, 255), self.address.port()));
        let heard = self.socket.send_to(b"probe", &to.into()).is_ok();
        if heard && self.receive_late()?.is_some() {
            return Ok(self);
        }
        Err(Stop::Unsupported(steps::no_loopback_broadcast().to_owned()))
    }
}

/// What a line says about a datagram; nothing if it is about where the program listens. Where that
/// line has no end, the first one about a datagram stands behind it.
fn about_datagram(line: &[u8]) -> Option<&[u8]> {
    if !line.starts_with(b"listening") {
        return Some(line);
    }
    let begin = line.windows(5).position(|bytes| bytes == b"from ")?;
    Some(&line[begin..])
}

fn is_as_expected(bytes: &[u8], came: &[u8]) -> Verdict {
    if came == bytes {
        return Ok(());
    }
    let symptom = match () {
        () if bytes.starts_with(came) => SHORTENED,
        () if came.starts_with(bytes) => Symptom::ExtraBytes,
        () => Symptom::WrongBytes,
    };
    let (expected_text, got_text) = crate::bytes::first_difference(bytes, came, 0);
    let (expected, got) =
        steps::datagram_bytes(&expected_text, &got_text, bytes.len() as u64, came.len() as u64);
    Err(Failure::new(symptom, expected, got).into())
}

/// Waits for a datagram with exactly these bytes at whichever of `peers` it comes to first.
///
/// # Errors
///
/// A failure if none comes, or another one.
pub fn expect_at_any(peers: &mut [DatagramPeer], program: &Program, bytes: &[u8]) -> Verdict {
    let Some(context) = peers.first().map(|peer| Rc::clone(&peer.context)) else { return Ok(()) };
    let expected = steps::sends_datagram(&program.name(), bytes);
    let began = Instant::now();
    let goal = Goal { who: None, quick: true, ..Goal::of(program.index, expected) };
    let came = context.wait(&goal, || {
        for peer in peers.iter_mut() {
            if let Some(datagram) = peer.receive_if_there(program)? {
                return Ok(Some(Some(datagram.bytes)));
            }
        }
        // The program may have ended long before its datagram is here.
        let over = context.has_ended(program.index) && began.elapsed() > STILL_ON_ITS_WAY;
        Ok(over.then_some(None))
    })?;
    match came {
        Some(came) => is_as_expected(bytes, &came),
        None => {
            let nothing = steps::no_datagram().to_owned();
            Err(Failure::new(Symptom::Exited, goal.expected.clone(), nothing).into())
        }
    }
}

/// A number that differs from grading to grading: with the same seed at the same time, two get
/// different addresses and ports.
fn chance() -> u64 {
    u64::from(stamps::now().subsec_nanos()) ^ (u64::from(std::process::id()) << 12)
}

/// A program that receives datagrams, and may print a line for each.
impl Server {
    /// The addresses to which its datagram sockets are bound, as the kernel has them; none where
    /// that cannot be read.
    pub fn bound_addresses(&self) -> Vec<SocketAddr> {
        crate::sockets::bound_datagram(&self.pids())
    }

    /// Judges the ready line of a program that was asked to receive at `asked`, and any free port:
    /// its text, and against what the kernel knows of its sockets, where that can be read.
    ///
    /// # Errors
    ///
    /// A failure that shows what stands there, named by the mistake where that can be told:
    /// `bound-elsewhere`, `ready-line-with-another-address`, `more-than-the-ready-line`,
    /// `ready-line-on-stderr`.
    pub fn expect_datagram_ready_line(&self, asked: IpAddr) -> Verdict {
        self.expect_bound_to(asked, &self.bound_addresses())?;
        let stderr = String::from_utf8_lossy(&self.stderr_so_far()?).to_lowercase();
        let name = match self.first_line_address()? {
            Some(said) if said != self.address() => Some("ready-line-with-another-address"),
            Some(_) => Some("more-than-the-ready-line"),
            None if self.stdout_so_far()?.is_empty() && stderr.contains("listening on") => {
                Some("ready-line-on-stderr")
            }
            None => None,
        };
        told_by(self.expect_ready_line(), |_| name)
    }

    /// The complete lines that it printed so far, the one about where it listens aside.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end.
    pub fn heard(&self) -> Verdict<Vec<Vec<u8>>> {
        let printed = self.stdout_so_far()?;
        Ok(complete_lines(&printed).filter_map(about_datagram).map(<[u8]>::to_vec).collect())
    }

    /// Waits for the `number`-th line (from 0) about a datagram.
    ///
    /// # Errors
    ///
    /// A failure if it does not come.
    pub fn await_heard(&self, number: usize, expected: &str) -> Verdict<Vec<u8>> {
        let goal = Goal::of(self.index, steps::hears_line(&self.name(), expected));
        let line = || Ok(self.heard()?.into_iter().nth(number));
        match self.context.wait(&goal, line) {
            Err(Stop::Failed(failure)) if failure.symptom == Symptom::Stalled => {
                // The datagram may be on its way to the program still.
                let began = Instant::now();
                let late = Goal { who: None, quick: true, ..goal };
                let waited = self.context.wait(&late, || {
                    let line = line()?;
                    let over = line.is_some() || began.elapsed() >= STILL_ON_ITS_WAY;
                    Ok(over.then_some(line))
                });
                match waited {
                    Ok(Some(line)) => Ok(line),
                    Ok(None) | Err(Stop::Failed(_)) => Err(Stop::Failed(failure)),
                    Err(other) => Err(other),
                }
            }
            other => other,
        }
    }

    /// Expects `line` as the `number`-th line (from 0) about a datagram.
    ///
    /// # Errors
    ///
    /// A failure if it does not come, or another one (`came-again` if it is the one before once
    /// more).
    pub fn expect_heard(&self, number: usize, line: &str) -> Verdict {
        let heard = self.await_heard(number, line)?;
        if heard == line.as_bytes() {
            return Ok(());
        }
        let symptom = if number > 0 && self.heard()?.get(number - 1) == Some(&heard) {
            Symptom::Named("came-again")
        } else if line.as_bytes().starts_with(&heard) {
            SHORTENED
        } else {
            Symptom::WrongStdout
        };
        let (expected, got) = crate::bytes::first_difference(line.as_bytes(), &heard, 0);
        let (expected, got) = steps::line_printed(&expected, &got);
        Err(Failure::new(symptom, expected, got).into())
    }

    /// Expects that the `number`-th line (from 0) about a datagram has `text` in it, whatever else
    /// stands there.
    ///
    /// # Errors
    ///
    /// A failure if it does not come, or has not.
    pub fn expect_heard_text(&self, number: usize, text: &str) -> Verdict {
        let heard = self.await_heard(number, text)?;
        if String::from_utf8_lossy(&heard).contains(text) {
            return Ok(());
        }
        let got = String::from_utf8_lossy(&heard);
        let cut = got.len() < text.len() && text.len() > 1000;
        let symptom = if cut { SHORTENED } else { Symptom::WrongStdout };
        let (expected, got) = steps::line_with(text.as_bytes(), &heard);
        Err(Failure::new(symptom, expected, got).into())
    }

    /// Waits at most `limit` for a line about a datagram that has `text` in it. True if it came.
    ///
    /// # Errors
    ///
    /// A failure if the program ends.
    pub fn hears_within(&self, text: &str, limit: Duration) -> Verdict<bool> {
        let goal = Goal::of(self.index, steps::hears_line(&self.name(), text));
        let began = Instant::now();
        let waited = self.context.wait(&goal, || {
            let has = |line: &Vec<u8>| String::from_utf8_lossy(line).contains(text);
            let heard = self.heard()?.iter().any(has);
            Ok((heard || began.elapsed() >= limit).then_some(heard))
        });
        match waited {
            Err(Stop::Failed(failure)) if failure.symptom == Symptom::Stalled => Ok(false),
            other => other,
        }
    }
}

impl Drop for DatagramPeer {
    fn drop(&mut self) {
        self.context.keep_if_failing(&self.socket);
    }
}
