//! The sender: connects, sends each message in its frame, and finishes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use socket2::Socket;

use crate::framing::Framing;
use crate::resolve;

/// How long `delay` waits between two messages.
const DELAY: Duration = Duration::from_millis(100);

/// Sends each of `messages` to `address` (`HOST:PORT`).
///
/// # Errors
/// Fails if nothing listens there, or if the receiver closes before everything was sent.
pub fn run(address: &str, framing: Framing, messages: &[&str]) -> Result<()> {
    let (stream, receiver) = connect(address)?;
    for (index, message) in messages.iter().enumerate() {
        if framing == Framing::Delay && index > 0 {
            todo!("wait {DELAY:?}");
        }
        send_frame(&stream, receiver, &framing.encode(message))?;
    }
    todo!("finish sending on {stream:?}; do not wait for {receiver} to close")
}

/// Connects to the first address of `HOST:PORT` that answers: a receiver need not listen on all.
fn connect(address: &str) -> Result<(Socket, SocketAddr)> {
    todo!(
        "for each of {:?} a new socket of its family, until one connects, as in tcp-echo; else the \
         last error, with the address",
        resolve(address)?
    )
}

/// Sends all of `frame`.
fn send_frame(stream: &Socket, receiver: SocketAddr, frame: &[u8]) -> Result<()> {
    todo!("write {frame:?} to {stream:?}, the connection with {receiver}; a write may take a part")
}
