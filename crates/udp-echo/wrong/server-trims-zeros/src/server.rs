//! The server: every datagram goes back to its sender, as it came.
//!
//! The idea: one socket serves everybody. There is no listen, no accept and no connection: each
//! call takes one datagram together with its sender's address, and one call sends it back there.
//! Nothing is remembered from one datagram to the next, so a client that vanishes leaves nothing
//! behind.
//!
//! What it leaves out: we assume that senders are who they say they are. On the open internet a
//! forged sender makes an echo server send to a victim, so a real one would ask first or answer
//! less than it gets.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{BUFFER_BYTES, resolve};

/// How much the kernel may keep for us while we are busy; what arrives beyond that is lost.
const RECEIVE_QUEUE_BYTES: usize = 1024 * 1024;
/// How long to leave the socket alone after receiving failed.
const RECEIVE_PAUSE: Duration = Duration::from_millis(50);

/// Receives at `address` (`HOST:PORT`) and sends back until the process is killed.
///
/// # Errors
/// Fails if no socket can be bound to the address, or if stdout is gone.
pub fn run(address: &str) -> Result<()> {
    let socket = open_socket(address)?;
    announce(&socket)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        if let Err(error) = echo_one(&socket, &mut buffer) {
            // No error here is about the server: an answer found no way, a kernel had no memory.
            // The rest keeps an error that comes again at once from burning a whole CPU.
            log(format_args!("{error:#}"));
            thread::sleep(RECEIVE_PAUSE);
        }
    }
}

/// Opens a socket on the first address of `HOST:PORT` that can be had.
fn open_socket(address: &str) -> Result<UdpSocket> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        match bind_to(candidate) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The two steps before the first datagram: socket, bind.
fn bind_to(address: SocketAddr) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
        .context("create a datagram socket")?;

    // No SO_REUSEADDR here. There are no connections that could linger on the port, and with it a
    // second server could bind the same port: each datagram would reach only one of the two.

    // A burst waits in the receive queue, and what does not fit is dropped. The kernel grants what
    // it allows (net.core.rmem_max); with less we are a server that loses more, not a broken one.
    let _ = socket.set_recv_buffer_size(RECEIVE_QUEUE_BYTES);

    socket.bind(&address.into()).with_context(|| format!("bind {address}"))?;
    // From here on datagrams are received: the kernel queues them until we ask. std's socket has
    // recv_from and send_to for plain byte slices; it is the same descriptor.
    Ok(socket.into())
}

/// Says on stdout that the server is ready, and where.
fn announce(socket: &UdpSocket) -> Result<()> {
    // Asked for port 0, the kernel has picked one: only the socket knows which.
    let address = socket.local_addr().context("read the socket's own address")?;
    // Whoever waits for this line waits behind a pipe as well as a terminal: flush it.
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {address}")
        .and_then(|()| stdout.flush())
        .context("write to stdout")
}

/// Receives one datagram and sends it back to where it came from.
fn echo_one(socket: &UdpSocket, buffer: &mut [u8]) -> Result<()> {
    // One call, one datagram: never a part of one and never two. 0 bytes is an empty datagram,
    // and not an end, for there is no connection that could end.
    let (count, client) = socket.recv_from(buffer).context("receive")?;
    // It goes out whole or not at all, so there is no send_to_all. Success means that the kernel
    // took it, not that anybody received it.
    let end = buffer[..count].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    socket
        .send_to(&buffer[..end], client)
        .with_context(|| format!("send {count} bytes to {client}"))?;
    Ok(())
}

/// Writes a line to stderr; a stderr that is closed is no reason to panic.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
