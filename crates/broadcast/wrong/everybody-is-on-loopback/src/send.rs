//! The sender: each message is one datagram, and who hears it is not its business.
//!
//! The idea: sending to everybody is sending to one address, the broadcast address. The kernel
//! refuses it (EACCES) unless the program has said `SO_BROADCAST`: one datagram makes every host of
//! the network work, and a mistyped address should not.
//!
//! What it leaves out: nobody answers, so nobody knows who has heard it. A sender that has to know
//! would want answers, and then has udp-echo's questions to answer for each listener.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

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
    for mut receiver in resolve(address)? {
        if receiver.ip() == Ipv4Addr::BROADCAST {
            receiver.set_ip(Ipv4Addr::new(127, 255, 255, 255).into());
        }
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
