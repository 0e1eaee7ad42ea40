//! The lab, as its user sees it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt;
use sandbox::{Network, NetworkNamespace};

use super::helper::{Refusal, Request};
use super::setup::{self, Helper, Made};
use super::wires::Wires;
use crate::capture::{Capture, Interface, Packet};
use crate::faults::{Faults, Way};
use crate::switch::Switch;
use crate::topology::Topology;
use crate::unsupported::NotStarted;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;

/// Hosts, wires and a switch. Any thread may use it. Dropping it ends them.
///
/// One lab serves a whole run: whoever needs it for a while takes a [`Turn`].
#[derive(Debug)]
pub struct Lab {
    inner: Arc<Inner>,
    interfaces: Vec<Interface>,
    carrier: Option<JoinHandle<()>>,
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    topology: Topology,
    helper: Helper,
    hosts: Vec<NetworkNamespace>,
    wires: Arc<Wires>,
}

impl Lab {
    /// Makes the hosts and the wires, which takes some milliseconds. `seed` decides what befalls
    /// packets once a host's wires have [`Faults`].
    ///
    /// # Errors
    /// `Unsupported` where this machine has no namespaces for this user, and what to do about it;
    /// `Failed` where the topology cannot be, memory or descriptors run out, or `main` does not
    /// begin with [`crate::lab_main_if_asked`].
    pub fn start(topology: &Topology, seed: u64) -> Result<Self, NotStarted> {
        topology.check().map_err(|wrong| io::Error::new(io::ErrorKind::InvalidInput, wrong))?;
        let Made { helper, hosts, ports, routing } = setup::make(topology)?;
        let (wires, carrier) = match Wires::start(Switch::new(topology, seed), ports, routing) {
            Ok(started) => started,
            Err(error) => {
                helper.close();
                return Err(error.into());
            }
        };
        let interface = |link: crate::topology::Link| Interface {
            host: topology.hosts()[link.host].name.as_str().into(),
            name: link.interface(),
            address: link.address,
            prefix: link.prefix,
            hardware: link.hardware,
        };
        let interfaces = topology.links().into_iter().map(interface).collect();
        let inner = Arc::new(Inner { topology: topology.clone(), helper, hosts, wires });
        Ok(Self { inner, interfaces, carrier: Some(carrier), turn: Mutex::new(()) })
    }

    /// The host with this name.
    ///
    /// # Panics
    /// The topology has none.
    pub fn host(&self, name: &str) -> Host {
        let number = self.inner.topology.hosts().iter().position(|host| host.name == name);
        let Some(number) = number else { panic!("the lab has no host {name}") };
        Host { inner: Arc::clone(&self.inner), number }
    }

    /// All hosts, in the order of the topology.
    pub fn hosts(&self) -> impl Iterator<Item = Host> {
        let host = |number| Host { inner: Arc::clone(&self.inner), number };
        (0..self.inner.hosts.len()).map(host)
    }

    /// Waits until nobody else has a turn, then begins anew: no packets, no faults, this seed.
    ///
    /// What a program of an earlier turn still has on its way is no part of this one: the kernel
    /// goes on closing its TCP connections, and the switch swallows that. All programs and sockets
    /// of the earlier turn should be gone.
    pub fn take_turn(&self, seed: u64) -> Turn<'_> {
        let guard = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.wires.begin(seed);
        Turn { lab: self, _guard: guard }
    }

    /// All packets so far, each one that was sent before this call among them.
    pub fn capture(&self) -> Capture {
        let packets = self.inner.wires.after_all(|switch| switch.packets().to_vec());
        Capture { packets, interfaces: self.interfaces.clone() }
    }

    /// Gets each packet from now on, as it is sent, until the lab or the turn ends.
    pub fn tap(&self) -> Receiver<Packet> {
        let (sender, receiver) = mpsc::channel();
        self.inner.wires.after_all(|switch| switch.add_tap(sender));
        receiver
    }

    /// How many packets were lost, by no seed, since the switch could not keep up: if there are
    /// any, a verdict that rests on what arrived is none.
    pub fn overruns(&self) -> u64 {
        self.inner.wires.overruns()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.inner.wires.end();
        if let Some(carrier) = self.carrier.take() {
            // It says itself that it has panicked.
            let _ = carrier.join();
        }
        self.inner.helper.close();
    }
}

/// The lab, for one user alone until this is dropped.
#[derive(Debug)]
pub struct Turn<'lab> {
    lab: &'lab Lab,
    _guard: MutexGuard<'lab, ()>,
}

impl Turn<'_> {
    /// Begins anew in the same turn: no packets, no faults, this seed. What was sent before is no
    /// part of it, as with [`Lab::take_turn`].
    pub fn begin(&self, seed: u64) {
        self.lab.inner.wires.begin(seed);
    }
}

impl Deref for Turn<'_> {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.lab
    }
}

/// A host of a lab. It can no longer be used when the lab is gone.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
    number: usize,
}

impl Host {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.topology.hosts()[self.number].name
    }

    /// Its address, the one of its first link.
    ///
    /// # Panics
    /// It has no link.
    pub fn address(&self) -> Ipv4Addr {
        let links = self.inner.topology.links();
        let own = links.iter().find(|link| link.host == self.number);
        own.unwrap_or_else(|| panic!("{} has no link", self.name())).address
    }

    /// For a program that is to run on this host: the network of its job.
    pub fn network(&self) -> Network {
        Network::Given(self.inner.hosts[self.number].clone())
    }

    /// Sets what befalls each packet that it sends or is sent from now on, on both ways.
    pub fn set_faults(&self, faults: Faults) {
        self.set_faults_one_way(Way::FromHost, faults);
        self.set_faults_one_way(Way::ToHost, faults);
    }

    /// The same, for one way.
    pub fn set_faults_one_way(&self, way: Way, faults: Faults) {
        self.inner.wires.after_all(|switch| switch.set_faults(self.name(), way, faults));
    }

    /// Whether all that any host of the lab has sent before this call has reached its host's
    /// kernel, or is lost: nothing is held back, delayed or still to be carried.
    pub fn wires_are_at_rest(&self) -> bool {
        self.inner.wires.after_all(|switch| switch.is_at_rest())
    }

    /// Opens a socket on this host; `socket(2)` tells of the numbers. Raw and packet sockets are to
    /// be had too.
    ///
    /// # Errors
    /// Those of `socket(2)`; the lab is gone.
    pub fn socket(&self, domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
        let host = u32::try_from(self.number).unwrap_or(u32::MAX);
        let request = Request::Socket { host, domain, kind, protocol };
        let answers = self.inner.helper.ask(&[request]);
        let explain = |Refusal { step, error }: Refusal| {
            io::Error::new(error.kind(), format!("{step} on {}: {error}", self.name()))
        };
        let socket = answers.map_err(explain)?.pop().and_then(|mut answer| answer.pop());
        socket.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// A listener on this host at this address, port 0 for any.
    ///
    /// # Errors
    /// Those of `bind(2)`; the lab is gone.
    pub fn tcp_listener(&self, address: SocketAddrV4) -> io::Result<TcpListener> {
        let socket = self.socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        // As the standard library's does: connections that are closing do not keep the port.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &SocketAddr::V4(address))?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket.into())
    }

    /// A connection from this host.
    ///
    /// # Errors
    /// Those of `connect(2)`; `TimedOut`; the lab is gone.
    pub fn tcp_connect(&self, to: SocketAddrV4, timeout: Duration) -> io::Result<TcpStream> {
        let socket = self.socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        match rustix::net::connect(&socket, &SocketAddr::V4(to)) {
            Err(Errno::INPROGRESS) => await_connection(&socket, timeout)?,
            other => other?,
        }
        rustix::io::ioctl_fionbio(&socket, false)?;
        Ok(socket.into())
    }

    /// A socket for datagrams on this host, bound to this address, port 0 for any.
    ///
    /// # Errors
    /// Those of `bind(2)`; the lab is gone.
    pub fn udp_socket(&self, address: SocketAddrV4) -> io::Result<UdpSocket> {
        let socket = self.socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        rustix::net::bind(&socket, &SocketAddr::V4(address))?;
        Ok(socket.into())
    }
}

fn await_connection(socket: &OwnedFd, timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    let ready = retry_on_intr(|| {
        let rest = deadline.saturating_duration_since(Instant::now());
        let rest =
            Timespec { tv_sec: rest.as_secs().cast_signed(), tv_nsec: rest.subsec_nanos().into() };
        poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&rest))
    })?;
    if ready == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(sockopt::socket_error(socket)??)
}
