//! The socket: made, set up, connected, in this order.
//!
//! The idea: an option is a property of a socket, not of an address. So the socket comes first,
//! then the options, and connect last, when all that they decide is decided.
//!
//! What it leaves out: there is no bind here. A client does not need it: connect gives the socket a
//! local address if it has none.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{Command, Transport};

/// The socket, with everything set, connected if that was asked for.
///
/// # Errors
/// Fails if the kernel refuses an option, or no address of HOST can be connected to.
pub fn open(command: &Command) -> Result<Socket> {
    let Some(address) = command.address else {
        let socket = create(Domain::IPV4, command)?;
        set(&socket, command)?;
        return Ok(socket);
    };
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        match open_connected(candidate, command) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// A new socket with everything set. It has no address yet: `0.0.0.0:0` until bind or connect.
fn create(domain: Domain, command: &Command) -> Result<Socket> {
    let (kind, protocol) = match command.transport {
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(domain, kind, Some(protocol)).context("create a socket")?;
    Ok(socket)
}

fn open_connected(address: SocketAddr, command: &Command) -> Result<Socket> {
    let socket = create(Domain::for_address(address), command)?;
    // Only now: SO_RCVBUF decides the window scale that the SYN announces, and without
    // SO_BROADCAST the kernel refuses a broadcast address right here (EACCES). A datagram socket's
    // connect sends nothing: it notes the peer, and picks the local address by the route there.
    socket.connect(&address.into()).with_context(|| format!("connect to {address}"))?;
    set(&socket, command)?;
    Ok(socket)
}

fn set(socket: &Socket, command: &Command) -> Result<()> {
    command.settings.iter().try_for_each(|setting| setting.apply(socket))
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    let addresses = address.to_socket_addrs().with_context(|| format!("resolve {address:?}"))?;
    Ok(addresses.collect())
}
