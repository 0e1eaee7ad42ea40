//! The listener: one line for each datagram that comes.

use std::net::{SocketAddr, UdpSocket};

use anyhow::{Result, anyhow};

use crate::{print_line, resolve};

/// Room for any datagram: the length in its header has 16 bits.
const BUFFER_BYTES: usize = 64 * 1024;

/// Receives at `address` (`HOST:PORT`) and prints a line for each datagram until the process is
/// killed.
///
/// # Errors
/// Fails if no socket can be bound to the address, or if stdout is gone.
pub fn run(address: &str) -> Result<()> {
    let socket = open_socket(address)?;
    print_line(format_args!("listening on {}", socket.local_addr()?))?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (sender, message) = receive(&socket, &mut buffer);
        print_line(describe(sender, message))?;
    }
}

/// Waits for the next datagram; no error ends the listener, and none may make it spin.
fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> (SocketAddr, &'a [u8]) {
    todo!("recv_from {socket:?} into {} bytes; after an error log it and rest", buffer.len())
}

/// `from 127.0.0.1:5000 "hi"`: the text as `{:?}` prints it, what is not UTF-8 replaced.
fn describe(sender: SocketAddr, message: &[u8]) -> String {
    todo!("format! {sender} and {message:?}")
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

/// The steps before the first datagram: socket, options, bind. An error names step and address.
fn bind_to(address: SocketAddr) -> Result<UdpSocket> {
    todo!("a datagram socket that shares its port; bind to {address}; `into()` std's UdpSocket")
}
