//! The receiver: prints what one sender after another sends, a line a message.
//!
//! The idea: reading and understanding are two things. This file reads whatever has arrived; the
//! decoder, which knows the framing, says which messages are complete by it. It may be none, or a
//! thousand.
//!
//! What it leaves out: we assume that senders may wait, so that their lines do not mix; a silent
//! one holds up the next. A server that answers somebody would give each connection a thread, as
//! tcp-echo does, and would limit how long a sender may be silent.

use std::fmt::Display;
use std::io::{self, BufWriter, Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

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
    // Rust's stdout hands over every line by itself, a system call each. With a buffer before it,
    // the thousand messages of one read cost one; but now it has to be flushed.
    let mut stdout = BufWriter::new(io::stdout().lock());
    announce(&listener, &mut stdout).context("write to stdout")?;
    loop {
        let (stream, peer) = accept(&listener);
        print_messages(&stream, &peer, framing, &mut stdout).context("write to stdout")?;
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

fn listen_on(address: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .context("create a stream socket")?;
    // A connection that the last receiver ended first would hold the port for another minute.
    socket.set_reuse_address(true).context("set SO_REUSEADDR")?;
    socket.bind(&address.into()).with_context(|| format!("bind {address}"))?;
    socket.listen(BACKLOG).with_context(|| format!("listen on {address}"))?;
    Ok(socket)
}

/// Says on stdout that the receiver is ready, and where.
fn announce(listener: &Socket, stdout: &mut impl Write) -> io::Result<()> {
    // Asked for port 0, the kernel has picked one: only the socket knows which.
    let address = listener.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
    writeln!(stdout, "listening on {address}")?;
    stdout.flush()
}

/// Waits for the next sender.
fn accept(listener: &Socket) -> (Socket, SockAddr) {
    loop {
        match listener.accept() {
            Ok(sender) => return sender,
            // A sender that gave up while it waited, or no free descriptor: nothing that ends the
            // listener. Without the rest, an error that stays would burn a whole CPU.
            Err(error) => {
                log(format_args!("accept: {error}"));
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Prints what one sender sends, and how it ended. Whatever the sender does ends this conversation
/// only; the errors that are returned are stdout's.
fn print_messages(
    mut stream: &Socket,
    peer: &SockAddr,
    framing: Framing,
    stdout: &mut impl Write,
) -> io::Result<()> {
    let mut decoder = Decoder::new(framing);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = stream.read(&mut buffer).unwrap_or_else(|error| {
            // A reset: nothing more will come, which is an end like any other.
            log(format_args!("receive from {:?}: {error}", peer.as_socket()));
            0
        });
        if count == 0 {
            // The end of the stream is no end of a message: only the decoder knows.
            let end = if decoder.is_inside_message() { "truncated" } else { "closed" };
            writeln!(stdout, "{end}")?;
            return stdout.flush();
        }

        let mut arrived = &buffer[..count];
        loop {
            match decoder.next(&mut arrived) {
                Ok(Some(message)) => {
                    let text = message.split('\0').next().unwrap_or_default();
                    writeln!(stdout, "message {text:?}")?
                }
                Ok(None) => break,
                Err(reason) => {
                    // Where the next message begins can no longer be known. Closing with bytes
                    // unread resets the connection, and that tells the sender.
                    writeln!(stdout, "rejected: {reason}")?;
                    return stdout.flush();
                }
            }
        }
        // The next read may wait for an hour: what is complete has to be out by then.
        stdout.flush()?;
    }
}

/// Writes a line to stderr; a stderr that is closed is no reason to panic.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
