//! The client: sends everything, says that it has finished, and prints everything that comes back.

// Your code will need more names: `std::io::{self, Read, Write}`, `std::net::Shutdown`, and from
// socket2 `Domain`, `Protocol` and `Type`. Here they would only be warned of as unused.
use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use socket2::Socket;

use crate::resolve;

/// How many bytes one read takes at most.
const BUFFER_BYTES: usize = 64 * 1024;

/// Sends `message`, or all of stdin without one, to `address` (`HOST:PORT`), and copies the echo to
/// stdout.
///
/// As it stands, it sends all before it reads: enough for the core points. With more than the
/// buffers hold, client and server wait for each other for ever, unless a second thread sends while
/// this one reads (`Socket::try_clone`).
///
/// # Errors
/// Fails if nothing listens there, if reading or writing fails, or if the server closed before
/// every byte had come back.
pub fn run(address: &str, message: Option<&str>) -> Result<()> {
    let (stream, server) = connect(address)?;
    let sent_bytes = send(&stream, message).with_context(|| format!("send to {server}"))?;
    finish_sending(&stream);
    let received_bytes = receive(&stream).with_context(|| format!("receive from {server}"))?;
    todo!("{received_bytes} of {sent_bytes} bytes came back: an error if some are missing")
}

/// Connects to the first address of `HOST:PORT` that answers: a server need not listen on all.
fn connect(address: &str) -> Result<(Socket, SocketAddr)> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        match connect_to(candidate) {
            Ok(stream) => return Ok((stream, candidate)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// A new socket, connected. An error names the step and the address, as in
/// `connect to 127.0.0.1:9: Connection refused (os error 111)`.
fn connect_to(address: SocketAddr) -> Result<Socket> {
    todo!("socket; connect to {address}")
}

/// Sends `message`, or all of stdin without one; returns how many bytes that was.
fn send(stream: &Socket, message: Option<&str>) -> Result<u64> {
    todo!("send {message:?}, or stdin piece by piece, on {stream:?}; count the bytes")
}

/// Half-close: the server reads 0 bytes and knows that no more comes, and can still answer.
fn finish_sending(stream: &Socket) {
    todo!("shut down the sending half of {stream:?}, and not the other")
}

/// Copies what comes back to stdout until the server closes; returns how many bytes that was.
fn receive(stream: &Socket) -> Result<u64> {
    todo!(
        "read from {stream:?}, at most {BUFFER_BYTES} bytes at a time; write exactly these to \
         stdout and flush; stop when a read returns 0"
    )
}
