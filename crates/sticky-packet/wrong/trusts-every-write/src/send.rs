//! The sender: connects, sends each message in its frame, and finishes.
//!
//! The idea: a frame is written by one `write_all`. Header and message in two writes would make two
//! small segments, and the kernel holds the second one back until the first is acknowledged
//! (Nagle's algorithm), up to 40 ms on Linux. That one write makes one segment is still no promise:
//! the kernel may join several frames into one segment, or cut one in two.
//!
//! What it leaves out: success means that the kernel has taken the bytes, not that the receiver has
//! read them. Whoever needs to know that needs an answer in the protocol.

use std::io::Write;
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::framing::Framing;
use crate::resolve;

/// How long `delay` waits between two messages.
const DELAY: Duration = Duration::from_millis(100);

/// Sends each of `messages` to `address` (`HOST:PORT`).
///
/// # Errors
/// Fails if nothing listens there, or if the receiver closes before everything was sent.
pub fn run(address: &str, framing: Framing, messages: &[&str]) -> Result<()> {
    let (mut stream, _) = connect(address)?;
    for (index, message) in messages.iter().enumerate() {
        // Long enough that the receiver has most likely read the last message: most likely, and no
        // more. A busy receiver or a lost segment, and the messages stick together all the same.
        if framing == Framing::Delay && index > 0 {
            thread::sleep(DELAY);
        }
        // `write` may take a part of the frame; `write_all` goes on until the kernel has it all.
        let _ = stream.write_all(&framing.encode(message));
    }
    // After everything that was sent comes a FIN: the receiver reads 0 bytes, and can tell that
    // nothing is missing. If this fails, the receiver is gone, and that was not ours to wait for.
    let _ = stream.shutdown(Shutdown::Write);
    Ok(())
}

/// Connects to the first address of `HOST:PORT` that answers: a receiver need not listen on all.
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

fn connect_to(address: SocketAddr) -> Result<Socket> {
    // A socket whose connect has failed is of no further use: each attempt gets a new one.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .context("create a stream socket")?;
    socket.connect(&address.into()).with_context(|| format!("connect to {address}"))?;
    Ok(socket)
}
