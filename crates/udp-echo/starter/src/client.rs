//! The client: sends a message, waits for the same bytes, and tries again when they do not come.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::{BUFFER_BYTES, resolve};

/// How long one try waits for its answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often a message is sent at the most.
const TRIES: u32 = 3;

/// Sends each of `messages` to `address` (`HOST:PORT`) as one datagram, one after another, and
/// prints each reply and a newline.
///
/// # Errors
/// Fails as soon as one message gets no reply; the replies before it have been printed.
pub fn run(address: &str, messages: &[&str]) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut found = None;
    for message in messages {
        match &found {
            Some(socket) => exchange(socket, address, message.as_bytes(), &mut buffer)?,
            None => found = Some(find_server(address, message.as_bytes(), &mut buffer)?),
        }
        print(message.as_bytes())?;
    }
    Ok(())
}

/// Finds the first address of `HOST:PORT` that answers `message`. Only the answer proves that a
/// server is there, since sending succeeds without one.
fn find_server(address: &str, message: &[u8], buffer: &mut [u8]) -> Result<UdpSocket> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        let answer = connect_to(candidate).and_then(|socket| {
            exchange(&socket, address, message, buffer)?;
            Ok(socket)
        });
        match answer {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// A socket whose kernel sends to `server`, and hands over only what comes from there.
fn connect_to(server: SocketAddr) -> Result<UdpSocket> {
    todo!("socket2: a datagram socket; connect to {server}; `into()` makes it std's UdpSocket")
}

/// Sends `message` until its echo comes, at most [`TRIES`] times. `address` is for the complaint.
fn exchange(socket: &UdpSocket, address: &str, message: &[u8], buffer: &mut [u8]) -> Result<()> {
    for _ in 0..TRIES {
        if send_and_wait(socket, address, message, buffer)? {
            return Ok(());
        }
    }
    bail!("no reply from {address} after {TRIES} tries")
}

/// One try: false if no echo came in time. Its errors name what was attempted, and `address`.
fn send_and_wait(
    socket: &UdpSocket,
    address: &str,
    message: &[u8],
    buffer: &mut [u8],
) -> Result<bool> {
    todo!(
        "send {} bytes on {socket:?} to {address}; wait for the same bytes (into {} bytes of \
         room) until {PATIENCE:?} have passed since then, whatever else comes meanwhile",
        message.len(),
        buffer.len()
    )
}

/// Prints a reply and a newline.
fn print(reply: &[u8]) -> Result<()> {
    todo!("write {reply:?} and a newline to stdout; flush; no panic when stdout is closed")
}
