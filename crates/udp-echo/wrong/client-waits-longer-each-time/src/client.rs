//! The client: sends a message, waits for the same bytes, and tries again when they do not come.
//!
//! The idea: UDP may lose a datagram, delay it or deliver it twice, and tells nobody. So the one
//! who wants an answer keeps a clock for each try, and knows an answer by its sender and its
//! bytes. The socket is *connected*: no packet goes out for that, but from then on the kernel
//! hands over only what comes from this one address, and tells us when nobody listens there.
//!
//! What it leaves out: an answer to the first try that comes during the second is taken, for an
//! echo's answers are all alike. A real protocol would number its requests, wait longer with each
//! try, and learn from the answers how long that should be.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{BUFFER_BYTES, resolve};

/// How long one try waits for its answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often a message is sent at the most.
const TRIES: u32 = 3;
/// The shortest time to ask the kernel for: it takes 0 for "no limit".
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

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

fn connect_to(server: SocketAddr) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM, Some(Protocol::UDP))
        .context("create a datagram socket")?;
    // No bind: the kernel picks a free (ephemeral) port. No handshake either: this sets the
    // address to send to and to receive from, and sends nothing.
    socket.connect(&server.into()).with_context(|| format!("connect to {server}"))?;
    Ok(socket.into())
}

/// Sends `message` until its echo comes, at most [`TRIES`] times. `address` is for the complaint.
fn exchange(socket: &UdpSocket, address: &str, message: &[u8], buffer: &mut [u8]) -> Result<()> {
    for number in 0..TRIES {
        // A closed port shows here or in recv: the other kernel's "port unreachable" (ICMP) has
        // become ECONNREFUSED. Only a connected socket is told.
        socket
            .send(message)
            .with_context(|| format!("send {} bytes to {address}", message.len()))?;
        if await_echo(socket, PATIENCE * 2_u32.pow(number), message, buffer).with_context(|| format!("receive from {address}"))? {
            return Ok(());
        }
    }
    bail!("no reply from {address} after {TRIES} tries")
}

/// Waits for the echo of `message`; false if it did not come in time.
fn await_echo(
    socket: &UdpSocket,
    patience: Duration,
    message: &[u8],
    buffer: &mut [u8],
) -> io::Result<bool> {
    // One deadline for the whole wait. A time limit on each recv would begin anew with every
    // datagram that is not the answer.
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        socket.set_read_timeout(Some(left.max(SHORTEST_WAIT)))?;
        match socket.recv(buffer) {
            Ok(count) if buffer[..count] == *message => return Ok(true),
            // The late echo of an earlier message, or garbage: as if nothing had come.
            Ok(_) => {}
            // Which of the first two means "time is up" depends on the system.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Prints a reply and a newline.
fn print(reply: &[u8]) -> Result<()> {
    // Not `println!`: it takes text only, and panics when stdout is a pipe that nobody reads.
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(reply)
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush())
        .context("write to stdout")
}
