//! The server: every datagram goes back to its sender, as it came.
//!
//! One socket serves everybody: there is no listen, no accept and no connection.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::{BUFFER_BYTES, resolve};

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

/// The steps before the first datagram. An error names the step and the address, as in
/// `bind 127.0.0.1:7000: Address already in use (os error 98)`.
fn bind_to(address: SocketAddr) -> Result<UdpSocket> {
    todo!("socket2: a datagram socket; bind to {address}; `into()` makes it std's UdpSocket")
}

/// Prints `listening on IP:PORT` with the address that the socket really has.
fn announce(socket: &UdpSocket) -> Result<()> {
    todo!("ask {socket:?} for its own address; write the line to stdout and flush it")
}

/// Receives one datagram and sends it back to where it came from.
fn echo_one(socket: &UdpSocket, buffer: &mut [u8]) -> Result<()> {
    todo!("recv_from {socket:?} into {} bytes; send_to its sender exactly what came", buffer.len())
}

/// Writes a line to stderr, where a server's log belongs.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
