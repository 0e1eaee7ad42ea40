//! Where the kernel shows nothing of a program: every wait ends at its deadline.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::{GraderSocket, TcpPeerState, View};

/// Sees nothing.
pub fn look(_pids: &[u32]) -> View {
    View::default()
}

/// Is never certain.
pub fn stalled(_before: &View, _now: &View, _sockets: &[GraderSocket]) -> bool {
    false
}

/// Is never certain.
pub fn stalled_on(
    _before: &View,
    _now: &View,
    _sockets: &[GraderSocket],
    _lines: &[SockDiag],
) -> bool {
    false
}

/// Counts none.
pub fn zombies(_pids: &[u32]) -> usize {
    0
}

/// The most memory that a process ever had resident, in bytes.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn peak_memory_bytes(_pid: u32) -> io::Result<u64> {
    unsupported()
}

/// The most address space that a process ever had, in bytes.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn peak_address_space_bytes(_pid: u32) -> io::Result<u64> {
    unsupported()
}

/// The memory that a process has resident, in bytes.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn resident_bytes(_pid: u32) -> io::Result<u64> {
    unsupported()
}

/// The resident memory that is no file's, in bytes.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn anonymous_bytes(_pid: u32) -> io::Result<u64> {
    unsupported()
}

/// The processor time that a process has used.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn cpu_time(_pid: u32) -> io::Result<Duration> {
    unsupported()
}

/// How long each thread of a process has run, and how long it has waited for a processor.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn processor_waits(_pid: u32) -> io::Result<BTreeMap<u32, (Duration, Duration)>> {
    unsupported()
}

/// The open descriptors of a process and what each stands for.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn descriptors(_pid: u32) -> io::Result<Vec<(i32, String)>> {
    unsupported()
}

/// How many threads a process has.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn threads(_pid: u32) -> io::Result<usize> {
    unsupported()
}

/// A second descriptor for what descriptor `fd` of process `pid` stands for.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn duplicate_descriptor(_pid: u32, _fd: i32) -> io::Result<OwnedFd> {
    unsupported()
}

/// The program's end of a connection.
///
/// # Errors
///
/// Always `Unsupported`.
pub fn tcp_receive_queue_of_peer(
    _local: SocketAddr,
    _peer: SocketAddr,
) -> io::Result<Option<TcpPeerState>> {
    unsupported()
}

/// An open line to the kernel, which there is none of here.
#[derive(Debug)]
pub struct SockDiag(());

impl SockDiag {
    /// Opens a line.
    ///
    /// # Errors
    ///
    /// Always `Unsupported`.
    pub fn new() -> io::Result<Self> {
        unsupported()
    }

    /// Opens a line in another network, of which there is none here.
    ///
    /// # Errors
    ///
    /// Always `Unsupported`.
    pub fn opened_by(_open: impl FnOnce(i32, i32, i32) -> io::Result<OwnedFd>) -> io::Result<Self> {
        unsupported()
    }

    /// The program's end of a connection.
    ///
    /// # Errors
    ///
    /// Always `Unsupported`.
    pub fn peer_state_on(
        _lines: &[Self],
        _local: SocketAddr,
        _peer: SocketAddr,
    ) -> io::Result<Option<TcpPeerState>> {
        unsupported()
    }

    /// The program's end of a connection.
    ///
    /// # Errors
    ///
    /// Always `Unsupported`.
    pub fn peer_state(
        &self,
        _local: SocketAddr,
        _peer: SocketAddr,
    ) -> io::Result<Option<TcpPeerState>> {
        unsupported()
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}
