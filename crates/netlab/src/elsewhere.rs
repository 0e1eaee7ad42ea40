//! The lab on systems other than Linux, where there is none: it cannot be started, and nothing else
//! of it can be reached.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use sandbox::Network;

use crate::capture::{Capture, Packet};
use crate::faults::{Faults, Way};
use crate::topology::Topology;
use crate::unsupported::{NotStarted, only_linux};

/// Returns: there is no helper to become.
pub fn lab_main_if_asked() {}

/// Hosts, wires and a switch, which only Linux has.
#[derive(Debug)]
pub struct Lab(Infallible);

/// The lab, for one user alone.
#[derive(Debug)]
pub struct Turn<'lab>(&'lab Lab);

/// A host of a lab.
#[derive(Clone, Debug)]
pub struct Host(Infallible);

#[allow(missing_docs, reason = "see the same on Linux")]
impl Lab {
    /// # Errors
    /// `Unsupported`, always.
    pub fn start(_topology: &Topology, _seed: u64) -> Result<Self, NotStarted> {
        Err(only_linux())
    }

    pub fn host(&self, _name: &str) -> Host {
        match self.0 {}
    }

    pub fn hosts(&self) -> impl Iterator<Item = Host> {
        std::iter::empty()
    }

    pub fn take_turn(&self, _seed: u64) -> Turn<'_> {
        match self.0 {}
    }

    pub fn capture(&self) -> Capture {
        match self.0 {}
    }

    pub fn tap(&self) -> Receiver<Packet> {
        match self.0 {}
    }

    pub fn overruns(&self) -> u64 {
        match self.0 {}
    }
}

#[allow(missing_docs, reason = "see the same on Linux")]
impl Turn<'_> {
    pub fn begin(&self, _seed: u64) {
        match self.0.0 {}
    }
}

impl Deref for Turn<'_> {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0
    }
}

#[allow(missing_docs, reason = "see the same on Linux")]
#[allow(clippy::missing_errors_doc, reason = "see the same on Linux")]
impl Host {
    pub fn name(&self) -> &str {
        match self.0 {}
    }

    pub fn address(&self) -> Ipv4Addr {
        match self.0 {}
    }

    pub fn network(&self) -> Network {
        match self.0 {}
    }

    pub fn set_faults(&self, _faults: Faults) {
        match self.0 {}
    }

    pub fn set_faults_one_way(&self, _way: Way, _faults: Faults) {
        match self.0 {}
    }

    pub fn wires_are_at_rest(&self) -> bool {
        match self.0 {}
    }

    pub fn socket(&self, _domain: i32, _kind: i32, _protocol: i32) -> io::Result<OwnedFd> {
        match self.0 {}
    }

    pub fn tcp_listener(&self, _address: SocketAddrV4) -> io::Result<TcpListener> {
        match self.0 {}
    }

    pub fn tcp_connect(&self, _to: SocketAddrV4, _timeout: Duration) -> io::Result<TcpStream> {
        match self.0 {}
    }

    pub fn udp_socket(&self, _address: SocketAddrV4) -> io::Result<UdpSocket> {
        match self.0 {}
    }
}
