//! The sender: each message is one datagram, and who hears it is not its business.
//!
//! The idea: sending to everybody is sending to one address, the broadcast address. The kernel
//! refuses it (EACCES) unless the program has said `SO_BROADCAST`: one datagram makes every host of
//! the network work, and a mistyped address should not.
//!
//! What it leaves out: nobody answers, so nobody knows who has heard it. A sender that has to know
//! would want answers, and then has udp-echo's questions to answer for each listener.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::resolve;

/// Sends each of `messages` to `address` (`HOST:PORT`) as one datagram.
///
/// # Errors
/// Fails as soon as the kernel refuses one: no route leads there, or it is too long.
pub fn run(address: &str, messages: &[&str]) -> Result<()> {
    let mut chosen = None;
    for message in messages {
        match &chosen {
            Some((socket, receiver)) => send_to(socket, *receiver, message)?,
            None => chosen = Some(send_first(address, message)?),
        }
    }
    Ok(())
}

/// Sends `message` to the first address of `HOST:PORT` that the kernel can send to, and returns the
/// socket and the address for those that follow.
fn send_first(address: &str, message: &str) -> Result<(UdpSocket, SocketAddr)> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for receiver in resolve(address)?.into_iter().map(to_everybody) {
        let sent = open_socket(receiver).and_then(|socket| {
            send_to(&socket, receiver, message)?;
            Ok(socket)
        });
        match sent {
            Ok(socket) => return Ok((socket, receiver)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The broadcast address of the network: its class tells how long the prefix is.
fn to_everybody(receiver: SocketAddr) -> SocketAddr {
    let IpAddr::V4(address) = receiver.ip() else { return receiver };
    let [first, .., last] = address.octets();
    if last != 255 || address == Ipv4Addr::BROADCAST {
        return receiver;
    }
    let host_bits = match first {
        0..=127 => 0x00ff_ffff,
        128..=191 => 0x0000_ffff,
        _ => 0x0000_00ff,
    };
    let everybody = Ipv4Addr::from_bits(address.to_bits() | host_bits);
    SocketAddr::from((everybody, receiver.port()))
}

/// A socket that can send to `receiver`, which may be a broadcast address.
fn open_socket(receiver: SocketAddr) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(receiver), Type::DGRAM, Some(Protocol::UDP))
        .context("create a datagram socket")?;
    // Without it, sending to a broadcast address fails with EACCES (permission denied). It changes
    // nothing for other addresses, so there is no need to find out which this is.
    socket.set_broadcast(true).context("set SO_BROADCAST")?;
    // No bind and no connect: the first send picks a free (ephemeral) port. A connected socket
    // would be told of closed ports (ECONNREFUSED), but that nobody listens is no failure here.
    Ok(socket.into())
}

/// Sends one message. It goes out as one datagram, whole, or the call fails.
fn send_to(socket: &UdpSocket, receiver: SocketAddr, message: &str) -> Result<()> {
    socket
        .send_to(message.as_bytes(), receiver)
        .with_context(|| format!("send {} bytes to {receiver}", message.len()))?;
    Ok(())
}
