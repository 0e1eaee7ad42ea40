//! The receiver: prints what one sender after another sends, a line a message.
//!
//! This file reads whatever has arrived; the decoder says which messages are complete by it.

use std::time::Duration;

use anyhow::Result;
use socket2::{SockAddr, Socket};

use crate::framing::{Decoder, Framing};
use crate::resolve;

/// How many senders may have shaken hands with the kernel and wait for their turn.
const BACKLOG: i32 = 128;
/// How many bytes one read takes at most. It is no message size.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long to leave `accept` alone after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on `address` (`HOST:PORT`) and prints messages until the process is killed.
///
/// # Errors
/// Fails if no socket can listen on the address, or if stdout is gone.
pub fn run(address: &str, framing: Framing) -> Result<()> {
    let listener = open_listener(address)?;
    announce(&listener)?;
    loop {
        let (stream, peer) = accept(&listener);
        print_messages(&stream, &peer, framing)?;
    }
}

/// Opens a listening socket on the first address of `HOST:PORT` that can be had.
fn open_listener(address: &str) -> Result<Socket> {
    todo!(
        "SO_REUSEADDR, bind, listen (backlog {BACKLOG}) on the first of {:?} that can be had, as \
         in tcp-echo; an error names the address",
        resolve(address)?
    )
}

/// Prints `listening on IP:PORT` with the address that the socket really has.
fn announce(listener: &Socket) -> Result<()> {
    todo!("ask {listener:?} for its own address, print the line and flush, as in tcp-echo")
}

/// Waits for the next sender. No error ends the receiver, and none may make it spin.
fn accept(listener: &Socket) -> (Socket, SockAddr) {
    todo!(
        "accept from {listener:?} until it gives a sender, as in tcp-echo; after an error log it \
         and rest {ACCEPT_PAUSE:?}"
    )
}

/// Prints what one sender sends, and how it ended. Whatever the sender does ends this conversation
/// only; the errors that are returned are stdout's.
fn print_messages(stream: &Socket, peer: &SockAddr, framing: Framing) -> Result<()> {
    let mut decoder = Decoder::new(framing);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = read(stream, peer, &mut buffer);
        if count == 0 {
            return print_line(if decoder.is_inside_message() { "truncated" } else { "closed" });
        }
        let mut arrived = &buffer[..count];
        loop {
            match decoder.next(&mut arrived) {
                Ok(Some(message)) => print_line(&format!("message {message:?}"))?,
                Ok(None) => break,
                Err(reason) => todo!("say that it was rejected: {reason}; end the conversation"),
            }
        }
    }
}

/// Reads what has arrived; 0 when the sender has finished, or has reset the connection.
fn read(stream: &Socket, peer: &SockAddr, buffer: &mut [u8]) -> usize {
    todo!(
        "read from {stream:?} into {} bytes; log an error with the sender's address, {:?}, and \
         return 0",
        buffer.len(),
        peer.as_socket()
    )
}

/// Writes a line to stdout, and flushes it.
fn print_line(line: &str) -> Result<()> {
    todo!("write {line:?} to stdout; no println, which panics when nobody reads any more")
}
