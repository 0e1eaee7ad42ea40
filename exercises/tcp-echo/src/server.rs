//! The server: every byte goes back to where it came from, in order, as it comes.
//!
//! The listening socket carries no data: it hands out one new socket for each client.

// Your code will need more names: `std::io::Read`, `std::thread`, `anyhow::Context`, and from
// socket2 `Domain`, `Protocol` and `Type`. Here they would only be warned of as unused.
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, anyhow};
use socket2::{SockAddr, Socket};

use crate::resolve;

/// How many clients may have shaken hands with the kernel and wait to be accepted.
const BACKLOG: i32 = 128;
/// How many bytes one read takes at most. It is no message size: a stream has no messages.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long to leave `accept` alone after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on `address` (`HOST:PORT`) and echoes until the process is killed.
///
/// # Errors
/// Fails if no socket can listen on the address, or if stdout is gone.
pub fn run(address: &str) -> Result<()> {
    let listener = open_listener(address)?;
    announce(&listener)?;
    loop {
        let (stream, peer) = accept(&listener);
        start_conversation(stream, &peer);
    }
}

/// Opens a listening socket on the first address of `HOST:PORT` that can be had.
fn open_listener(address: &str) -> Result<Socket> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        match listen_on(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The steps before the first client. An error names the step and the address, as in
/// `bind 127.0.0.1:7000: Address already in use (os error 98)`.
fn listen_on(address: SocketAddr) -> Result<Socket> {
    todo!("socket; SO_REUSEADDR; bind to {address}; listen with room for {BACKLOG} in the queue")
}

/// Prints `listening on IP:PORT` with the address that the socket really has.
fn announce(listener: &Socket) -> Result<()> {
    todo!("ask {listener:?} for its own address; write the line to stdout and flush it")
}

/// Waits for the next client; the new socket is the conversation with it.
///
/// No error ends the server, and none may make it spin: it rests, then tries again.
fn accept(listener: &Socket) -> (Socket, SockAddr) {
    todo!("accept from {listener:?}; after an error log it, sleep {ACCEPT_PAUSE:?} and try again")
}

/// Has a conversation with one client.
///
/// As it stands, the next client waits until this one has finished. Give each a thread of its own
/// once `echo` works; a thread that cannot be started costs this client its conversation, no more.
fn start_conversation(stream: Socket, peer: &SockAddr) {
    let peer = peer.as_socket().map_or("a client".to_string(), |address| address.to_string());
    if let Err(error) = echo(stream) {
        log(format_args!("{peer}: {error}"));
    }
}

/// Echoes one client until it finishes sending. An error ends this conversation and no other.
fn echo(stream: Socket) -> io::Result<()> {
    todo!(
        "read from {stream:?} into a buffer of {BUFFER_BYTES} bytes; write back exactly what \
         arrived, all of it; stop when a read returns 0"
    )
}

/// Writes a line to stderr, where a server's log belongs.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
