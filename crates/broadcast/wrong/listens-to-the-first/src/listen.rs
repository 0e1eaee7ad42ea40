//! The listener: one line for each datagram that comes.
//!
//! The idea: every host of a network gets a datagram that was sent to the broadcast address, and
//! its kernel gives a copy to *each* socket bound to the port. For several listeners on one host
//! to be possible, each of them has to say that it is willing to share the port.
//!
//! What it leaves out: a datagram sent to this one host, and not to everybody, reaches only one of
//! several listeners on the port. We assume that nobody relies on which.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{print_line, resolve};

/// Room for any datagram: the length in its header has 16 bits.
const BUFFER_BYTES: usize = 64 * 1024;
/// How much the kernel may keep for us while we print; what arrives beyond that is lost.
const RECEIVE_QUEUE_BYTES: usize = 1024 * 1024;
/// How long to leave the socket alone after receiving failed.
const RECEIVE_PAUSE: Duration = Duration::from_millis(50);

/// Receives at `address` (`HOST:PORT`) and prints a line for each datagram until the process is
/// killed.
///
/// # Errors
/// Fails if no socket can be bound to the address, or if stdout is gone.
pub fn run(address: &str) -> Result<()> {
    let socket = open_socket(address)?;
    // Asked for port 0, the kernel has picked one: only the socket knows which.
    let address = socket.local_addr().context("read the socket's own address")?;
    print_line(format_args!("listening on {address}"))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        // One call, one datagram: never a part of one and never two. 0 bytes is an empty datagram
        // and a message like any other.
        match socket.recv_from(&mut buffer) {
            Ok((count, sender)) => {
                print_line(describe(sender, &buffer[..count]))?;
                socket.connect(sender).with_context(|| format!("connect to {sender}"))?;
            }
            // No error here ends the listener; the rest keeps one that comes again at once from
            // burning a whole CPU.
            Err(error) => {
                log(format_args!("receive at {address}: {error}"));
                thread::sleep(RECEIVE_PAUSE);
            }
        }
    }
}

/// `from 127.0.0.1:5000 "hi"`. `{:?}` escapes what is not printable, so that a message with a
/// newline in it still is one line; what is not UTF-8 becomes U+FFFD.
fn describe(sender: SocketAddr, message: &[u8]) -> String {
    format!("from {sender} {:?}", String::from_utf8_lossy(message))
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

/// The steps before the first datagram: socket, options, bind.
fn bind_to(address: SocketAddr) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
        .context("create a datagram socket")?;

    // A port belongs to one socket, unless all that want it have said that they share it: this
    // one and those that are there already. Before bind, because bind is where it is asked for.
    // (SO_REUSEPORT is another promise: there the sockets take turns.)
    socket.set_reuse_address(true).context("set SO_REUSEADDR")?;

    // While we print, datagrams wait in the receive queue, and what does not fit is dropped. The
    // kernel grants what it allows (net.core.rmem_max); with less we lose more, and still work.
    let _ = socket.set_recv_buffer_size(RECEIVE_QUEUE_BYTES);

    // On 0.0.0.0 the socket hears what is sent to any address of this host, the broadcast address
    // among them. Bound to 127.0.0.1 it would hear what is sent to 127.0.0.1 alone.
    socket.bind(&address.into()).with_context(|| format!("bind {address}"))?;
    // std's socket has recv_from for plain byte slices; it is the same descriptor.
    Ok(socket.into())
}

/// Writes a line to stderr; a stderr that is closed is no reason to panic.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
