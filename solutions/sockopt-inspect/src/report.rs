//! The report: what the kernel says of the socket, a line each.
//!
//! The idea: nothing here comes from the command line. Every value is read back, with getsockname,
//! getpeername and getsockopt, because the kernel may have made something else of what it was told:
//! a doubled buffer, a rounded time, an address of its own choice.
//!
//! What it leaves out: a connection is alive while we look at it. The kernel may enlarge its
//! buffers as data flows, and a peer may go away between two lines.

use std::fmt::Write;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, SockAddr, Socket, Type};

/// Reads everything there is to say of `socket`, in the order of the report.
///
/// # Errors
/// Fails if the kernel refuses to tell; the error names what was asked.
pub fn report(socket: &Socket) -> Result<String> {
    let local = socket.local_addr().context("read the local address (getsockname)")?;
    let kind = socket.r#type().context("read SO_TYPE")?;
    let reuse = socket.reuse_address().context("read SO_REUSEADDR")?;
    let broadcast = socket.broadcast().context("read SO_BROADCAST")?;
    let keep_alive = socket.keepalive().context("read SO_KEEPALIVE")?;
    let receive_buffer = socket.recv_buffer_size().context("read SO_RCVBUF")?;
    let send_buffer = socket.send_buffer_size().context("read SO_SNDBUF")?;
    let receive_timeout = socket.read_timeout().context("read SO_RCVTIMEO")?;
    let linger = socket.linger().context("read SO_LINGER")?;

    let mut report = String::new();
    let mut line = |name: &str, value: String| writeln!(report, "{name}: {value}");
    line("family", family(&local))?;
    line("type", type_name(kind))?;
    // A descriptor is an index into the process's table of open things: the lowest that was free.
    // 0, 1 and 2 are taken at the start, so it is often 3, and as often not.
    line("fd", socket.as_raw_fd().to_string())?;
    line("local", address(&local))?;
    line("peer", peer(socket)?)?;
    line("SO_REUSEADDR", switch(reuse))?;
    line("SO_BROADCAST", switch(broadcast))?;
    line("SO_KEEPALIVE", switch(keep_alive))?;
    line("SO_RCVBUF", receive_buffer.to_string())?;
    line("SO_SNDBUF", send_buffer.to_string())?;
    line("SO_RCVTIMEO", receive_timeout.unwrap_or(Duration::ZERO).as_millis().to_string())?;
    line("SO_LINGER", linger.map_or("off".to_string(), |limit| limit.as_secs().to_string()))?;
    // At the level IPPROTO_TCP, which a datagram socket does not have (EOPNOTSUPP).
    if kind == Type::STREAM {
        line("TCP_NODELAY", switch(socket.tcp_nodelay().context("read TCP_NODELAY")?))?;
    }
    Ok(report)
}

/// The family by the socket's own address: a `sockaddr` begins with it, on every system. Linux
/// could also be asked with getsockopt (SO_DOMAIN).
fn family(local: &SockAddr) -> String {
    match local.domain() {
        Domain::IPV4 => "AF_INET".to_string(),
        Domain::IPV6 => "AF_INET6".to_string(),
        other => format!("{other:?}"),
    }
}

fn type_name(kind: Type) -> String {
    match kind {
        Type::STREAM => "SOCK_STREAM".to_string(),
        Type::DGRAM => "SOCK_DGRAM".to_string(),
        other => format!("{other:?}"),
    }
}

fn address(address: &SockAddr) -> String {
    address.as_socket().map_or("none".to_string(), |address| address.to_string())
}

/// The other end's address. That there is none is an answer, and getpeername gives it as an error.
fn peer(socket: &Socket) -> Result<String> {
    match socket.peer_addr() {
        Ok(peer) => Ok(address(&peer)),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok("none".to_string()),
        Err(error) => Err(error).context("read the peer's address (getpeername)"),
    }
}

fn switch(on: bool) -> String {
    u8::from(on).to_string()
}
