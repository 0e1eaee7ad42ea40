//! The lab in a check: programs and the grader's peers on hosts of their own, and every packet
//! between them.
//!
//! A run has one lab, which is started when a check first asks for it and ends with the run's
//! sandbox. Checks take it in turns; each begins with wires that lose nothing and no packet seen.
//! Programs on hosts are confined as all others are; the hosts' names and addresses are those of
//! [`netlab::Topology::broadcast`].

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use netlab::frame::Transport;
use netlab::{Fate, NotStarted, Packet, Topology, Turn};
use sandbox::Sandbox;
use socket2::{Domain, Socket, Type};

use crate::check::Check;
use crate::context::{Context, Goal, Place};
use crate::failure::{Stop, Symptom, Verdict};
use crate::look::SockDiag;
use crate::process::{Program, Server};
use crate::record::{Lane, What};
use crate::tcp::{Connection, Listener};
use crate::udp::DatagramPeer;
use crate::wording::lab as words;

pub use netlab::{Faults, lab_main_if_asked};

/// The lab of a run, kept beside its sandbox.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    /// The lab, or why there can be none here.
    outcome: OnceLock<Result<netlab::Lab, String>>,
    starting: Mutex<()>,
}

impl Seat {
    pub(crate) fn of(sandbox: &Sandbox) -> &Self {
        sandbox.companion(Self::default)
    }

    /// The lab. What only went wrong is tried again by the next who asks.
    pub(crate) fn lab(&self) -> Verdict<&netlab::Lab> {
        let guard = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.outcome.get().is_none() {
            let started = match netlab::Lab::start(&Topology::broadcast(), 0) {
                Ok(lab) => Ok(lab),
                Err(NotStarted::Unsupported(why)) => Err(why.to_string()),
                Err(NotStarted::Failed(error)) => {
                    return Err(anyhow::Error::from(error).context("start the lab").into());
                }
            };
            let _ = self.outcome.set(started);
        }
        drop(guard);
        match self.outcome.get() {
            Some(Ok(lab)) => Ok(lab),
            Some(Err(why)) => Err(Stop::Unsupported(why.clone())),
            None => Err(anyhow::anyhow!("the lab has not been started").into()),
        }
    }
}

/// The lab, until the check ends.
#[derive(Clone)]
pub struct Lab<'a> {
    turn: Rc<Turn<'a>>,
    context: Rc<Context>,
}

/// A host of the lab.
#[derive(Clone)]
pub struct Host {
    host: netlab::Host,
    context: Rc<Context>,
}

/// A UDP datagram on its way to one host: each of them, and each copy that a wire made, is one of
/// these.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The same for all that come of one call to send.
    pub number: u64,
    /// When it was sent.
    pub at: Instant,
    /// The name of the host that sent it, or the router that passed it on.
    pub from: Arc<str>,
    /// The name of the host that it goes to, if there is one.
    pub to: Option<Arc<str>>,
    /// Its sender's address.
    pub source: SocketAddr,
    /// The address that it was sent to.
    pub destination: SocketAddr,
    /// What it carries.
    pub bytes: Vec<u8>,
    /// What the wires did to it.
    pub fate: Fate,
}

impl Sighting {
    /// Whether it arrived at this host.
    pub fn arrives_at(&self, host: &Host) -> bool {
        self.to.as_deref() == Some(host.name()) && !self.fate.lost && !self.fate.corrupted
    }
}

impl<'a> Check<'a> {
    /// The lab, from now to the end of the check for this check alone. Waiting for it counts for
    /// nothing.
    ///
    /// # Errors
    ///
    /// `Unsupported` where there is none, with the reason and what to do about it; the grader's
    /// error.
    pub fn lab(&mut self) -> Verdict<Lab<'a>> {
        if !self.is_in_lab {
            let seed = self.random().number();
            match &self.turn {
                Some(turn) => turn.begin(seed),
                None => {
                    let turn = Seat::of(self.sandbox()).lab()?.take_turn(seed);
                    self.context.begin_now();
                    self.turn = Some(Rc::new(turn));
                }
            }
            self.is_in_lab = true;
        }
        let turn = self.turn.clone().context("the check has no lab")?;
        Ok(Lab { turn, context: Rc::clone(&self.context) })
    }

    /// As [`Check::start`], on a host of the lab.
    ///
    /// # Errors
    ///
    /// As [`Check::start_job`].
    pub fn start_on<I>(&mut self, host: &Host, arguments: I) -> Verdict<Program>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.start_at(Some(host), arguments, |_| {})
    }

    /// As [`Check::start_server`], on a host of the lab.
    ///
    /// # Errors
    ///
    /// As [`Check::start_server_job`].
    pub fn start_server_on<I>(&mut self, host: &Host, arguments: I) -> Verdict<Server>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        Server::ready(self.start_on(host, arguments)?, crate::sockets::listening)
    }

    /// As [`Check::start_datagram_server`], on a host of the lab.
    ///
    /// # Errors
    ///
    /// As [`Check::start_server_job`].
    pub fn start_datagram_server_on<I>(&mut self, host: &Host, arguments: I) -> Verdict<Server>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        Server::ready(self.start_on(host, arguments)?, crate::sockets::bound_datagram)
    }

    /// A failure in the lab, with the packets that its wires have seen. Where the switch itself has
    /// lost some, which only a machine without time does, nothing can be said of the program.
    pub(crate) fn with_packets(&self, stop: Stop) -> Stop {
        let Some(turn) = &self.turn else { return stop };
        let Stop::Failed(mut failure) = stop else { return stop };
        if turn.overruns() > 0 {
            return Stop::Error(anyhow::anyhow!(words::overrun(turn.overruns())));
        }
        if failure.symptom != Symptom::NotImplemented {
            let focus = self.context.focus.borrow();
            let packets = words::packets(&turn.capture(), focus.as_deref());
            failure.got = format!("{}\n{packets}", failure.got.trim_end());
        }
        Stop::Failed(failure)
    }
}

impl<'a> Lab<'a> {
    pub(crate) fn new(turn: Rc<Turn<'a>>, context: Rc<Context>) -> Self {
        Self { turn, context }
    }

    /// The host of this name.
    ///
    /// # Errors
    ///
    /// The grader's error, if its network cannot be asked of its sockets.
    ///
    /// # Panics
    ///
    /// There is none of this name.
    pub fn host(&self, name: &str) -> Verdict<Host> {
        let host = self.turn.host(name);
        let mut place = self.context.place.borrow_mut();
        let place = place.get_or_insert_with(|| Place {
            wires: host.clone(),
            lines: Vec::new(),
            hosts: Vec::new(),
        });
        if !place.hosts.iter().any(|known| known == name) {
            let open = |domain, kind, protocol| host.socket(domain, kind, protocol);
            place.lines.push(SockDiag::opened_by(open).context("ask the host's network")?);
            place.hosts.push(name.to_owned());
        }
        Ok(Host { host, context: Rc::clone(&self.context) })
    }

    /// Begins anew: no faults and no packets, and from now on `seed` decides what befalls packets.
    /// All programs and sockets on hosts should be gone.
    pub fn begin(&self, seed: u64) {
        self.turn.begin(seed);
    }

    /// From now on the wires do this to what `host` sends and is sent.
    pub fn set_faults(&self, host: &Host, faults: Faults) {
        host.host.set_faults(faults);
        let text = words::faults(host.address(), faults);
        self.context.recorder.record(&Lane::default(), What::Note { text });
    }

    /// The same without a word in the transcript.
    pub fn set_faults_quietly(&self, host: &Host, faults: Faults) {
        host.host.set_faults(faults);
    }

    /// The packets that matter: if the check fails, those are shown that carry these bytes.
    pub fn focus_on(&self, bytes: &[u8]) {
        *self.context.focus.borrow_mut() = Some(bytes.to_vec());
    }

    /// Every UDP datagram that was sent so far, in the order in which they were.
    pub fn datagrams(&self) -> Vec<Sighting> {
        self.turn.capture().packets.iter().filter_map(sighting).collect()
    }

    /// Each packet from now on, as it is sent.
    pub fn tap(&self) -> Receiver<Packet> {
        self.turn.tap()
    }

    /// Whether nothing is on its way between the hosts.
    pub fn is_at_rest(&self) -> bool {
        let place = self.context.place.borrow();
        place.as_ref().is_none_or(|place| place.wires.wires_are_at_rest())
    }

    /// Waits until `attempt` gives something, while `program` may do as it likes: for what the
    /// packets show.
    ///
    /// # Errors
    ///
    /// A failure if the program ends, stalls or is too late; or what `attempt` says.
    pub fn await_that<T>(
        &self,
        program: &Program,
        expected: impl Into<String>,
        attempt: impl FnMut() -> Verdict<Option<T>>,
    ) -> Verdict<T> {
        self.context.wait(&Goal::of(program.index, expected.into()), attempt)
    }
}

/// What there is to see of a packet, if it carries a datagram.
fn sighting(packet: &Packet) -> Option<Sighting> {
    let internet = packet.frame()?.internet?;
    let Transport::Udp(udp) = internet.transport else { return None };
    Some(Sighting {
        number: packet.number,
        at: packet.at,
        from: Arc::clone(&packet.from),
        to: packet.to.clone(),
        source: (internet.source, udp.source_port).into(),
        destination: (internet.destination, udp.destination_port).into(),
        bytes: udp.payload.to_vec(),
        fate: packet.fate,
    })
}

impl Host {
    /// Its name.
    pub fn name(&self) -> &str {
        self.host.name()
    }

    /// Its address; a router's first one.
    pub fn address(&self) -> Ipv4Addr {
        self.host.address()
    }

    pub(crate) fn raw(&self) -> &netlab::Host {
        &self.host
    }

    /// A datagram socket of the grader's on this host, at its own address and a free port.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn datagram_peer(&self) -> Verdict<DatagramPeer> {
        let address = SocketAddr::from((self.address(), 0));
        let peer =
            DatagramPeer::open_on(Rc::clone(&self.context), self.open(Type::DGRAM)?, address)?;
        self.note(words::peer_at(peer.address()));
        Ok(peer)
    }

    /// A datagram socket on this host that is no part of the conversation with a program.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn plain_datagram_socket(&self) -> Verdict<UdpSocket> {
        let address = SocketAddrV4::new(self.address(), 0);
        Ok(self.host.udp_socket(address).context("open a socket in the lab")?)
    }

    /// A peer of the grader's on this host for a program to connect to, at a free port.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn listen(&self) -> Verdict<Listener> {
        let socket = self.open(Type::STREAM)?;
        socket.set_nonblocking(true).context("set nonblocking")?;
        socket.bind(&SocketAddr::from((self.address(), 0)).into()).context("bind")?;
        Listener::open_on(Rc::clone(&self.context), socket)
    }

    /// Connects from this host to `to`, where `program` should listen.
    ///
    /// # Errors
    ///
    /// A failure if the connection is refused.
    pub fn connect(&self, program: &Program, to: SocketAddrV4) -> Verdict<Connection> {
        let socket = self.open(Type::STREAM)?;
        socket.set_nonblocking(true).context("set nonblocking")?;
        Connection::open_on(socket, program, to.into())
    }

    /// Where a server on this host that listens at a port of any address can be reached.
    pub fn reach(&self, server: &Server) -> SocketAddrV4 {
        SocketAddrV4::new(self.address(), server.address().port())
    }

    fn open(&self, kind: Type) -> Verdict<Socket> {
        let opened: std::io::Result<OwnedFd> =
            self.host.socket(Domain::IPV4.into(), kind.into(), 0);
        Ok(opened.context("open a socket in the lab")?.into())
    }

    fn note(&self, text: String) {
        self.context.recorder.record(&Lane::default(), What::Note { text });
    }
}
