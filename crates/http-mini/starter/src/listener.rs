//! The listening socket: opened, announced, and asked for one client after another.
//!
//! This is tcp-echo's. HTTP begins with the first byte that a client sends.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;
use socket2::{SockAddr, Socket};

/// How many clients may have shaken hands with the kernel and wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long to leave `accept` alone after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Opens a listening socket on the first address of `HOST:PORT` that can be had.
///
/// # Errors
/// Fails if no socket can listen on any of the addresses; the error is the last one's.
pub fn open(address: &str) -> Result<Socket> {
    todo!("resolve {address:?}; socket, SO_REUSEADDR, bind, listen with a backlog of {BACKLOG}")
}

/// Says on stdout that the server is ready, and where. `SockAddr::as_socket` gives the address in
/// the form that prints as IP:PORT.
///
/// # Errors
/// Fails if stdout is gone.
pub fn announce(listener: &Socket) -> Result<()> {
    todo!("print the address that {listener:?} really has, and flush")
}

/// Waits for the next client; the stream is the conversation with it. No error ends the server.
///
/// A `Socket` becomes std's `TcpStream` by `into()`.
pub fn accept(listener: &Socket) -> (TcpStream, SockAddr) {
    todo!("accept from {listener:?}; after an error log it, sleep {ACCEPT_PAUSE:?}, try again")
}
