//! The listening socket: opened, announced, and asked for one client after another.
//!
//! This is tcp-echo's, call by call. HTTP adds nothing to it: the protocol begins with the first
//! byte that a client sends.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{complain, resolve};

/// How many clients may have shaken hands with the kernel and wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long to leave `accept` alone after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Opens a listening socket on the first address of `HOST:PORT` that can be had.
///
/// # Errors
/// Fails if no socket can listen on any of the addresses; the error is the last one's.
pub fn open(address: &str) -> Result<Socket> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        match listen_on(candidate) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The three steps before the first client: socket, bind, listen.
fn listen_on(address: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .context("create a stream socket")?;
    // A web server often closes first, and then its kernel keeps the connection for a minute
    // (TIME-WAIT). This lets the next server bind the port beside such leftovers.
    socket.set_reuse_address(true).context("set SO_REUSEADDR")?;
    socket.bind(&address.into()).with_context(|| format!("bind {address}"))?;
    socket.listen(BACKLOG).with_context(|| format!("listen on {address}"))?;
    Ok(socket)
}

/// Says on stdout that the server is ready, and where.
///
/// # Errors
/// Fails if stdout is gone.
pub fn announce(listener: &Socket) -> Result<()> {
    // Asked for port 0, the kernel has picked one: only the socket knows which.
    let address = listener.local_addr().context("read the listener's own address")?;
    // Whoever waits for this line waits behind a pipe as well as a terminal: flush it.
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {address:?}")
        .and_then(|()| stdout.flush())
        .context("write to stdout")
}

/// Waits for the next client; the stream is the conversation with it.
pub fn accept(listener: &Socket) -> (TcpStream, SockAddr) {
    loop {
        match listener.accept() {
            // As std's stream, which has what a conversation needs and no more.
            Ok((socket, peer)) => return (socket.into(), peer),
            // No error here is about the listener itself: a client gave up while it waited, or no
            // descriptor is free. Trying again at once would burn a whole CPU. So: a short rest,
            // during which a conversation may end and give its descriptor back.
            Err(error) => {
                complain(format_args!("accept: {error}"));
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}
