//! The server: every byte goes back to where it came from, in order, as it comes.
//!
//! The idea: the listening socket carries no data. It hands out one new socket a client, and each
//! of these gets a thread that reads what has arrived, writes it back, and ends when the client has
//! finished sending. One buffer of fixed size a client is all the memory there is: while a client
//! does not read its echo, `write_all` blocks, nothing more is read from it, and TCP slows the
//! client down.
//!
//! What it leaves out: we assume some hundreds of clients. A server for many thousands would wait
//! for all its sockets at once (`epoll`) instead of paying a thread for each, and it would limit
//! how long a silent client may stay. We assume Unix: on Windows `SO_REUSEADDR` means that two
//! servers may share a port, and is better left unset.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

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

/// The three steps before the first client: socket, bind, listen.
fn listen_on(address: SocketAddr) -> Result<Socket> {
    // The domain has to fit the address: an IPv4 socket cannot be bound to an IPv6 address.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .context("create a stream socket")?;

    // When a server closes or dies first, its connections linger in the kernel (FIN-WAIT, then a
    // minute of TIME-WAIT) and still occupy the port. This lets a new server bind beside them. It
    // does not let it bind beside a living listener. Before bind, because bind is what it changes;
    // and `std::net::TcpListener` would have done it unasked.
    socket.set_reuse_address(true).context("set SO_REUSEADDR")?;

    socket.bind(&address.into()).with_context(|| format!("bind {address}"))?;

    // From here on the kernel completes handshakes by itself: a client's connect succeeds, and its
    // first bytes are received, before anybody calls accept.
    socket.listen(BACKLOG).with_context(|| format!("listen on {address}"))?;
    Ok(socket)
}

/// Says on stdout that the server is ready, and where.
fn announce(listener: &Socket) -> Result<()> {
    // Asked for port 0, the kernel has picked one: only the socket knows which.
    let address = listener.local_addr().context("read the listener's own address")?;
    let address = address.as_socket().context("the listener has no IP address")?;
    // Whoever waits for this line waits behind a pipe as well as a terminal: flush it.
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {address}")
        .and_then(|()| stdout.flush())
        .context("write to stdout")
}

/// Waits for the next client; the new socket is the conversation with it.
fn accept(listener: &Socket) -> (Socket, SockAddr) {
    loop {
        match listener.accept() {
            Ok(client) => return client,
            // No error here is about the listener itself. ECONNABORTED: a client gave up while it
            // waited. EMFILE, ENFILE: no descriptor is free. Leaving would drop everybody who is
            // being served; trying again at once would burn a whole CPU, since the waiting client
            // stays in the queue and accept fails at once each time. So: a short rest, during
            // which a conversation may end and give its descriptor back.
            Err(error) => {
                log(format_args!("accept: {error}"));
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Gives a client a thread of its own, so that it delays nobody.
fn start_conversation(stream: Socket, peer: &SockAddr) {
    // accept has told who the client is. Asking the socket again (`peer_addr`, getpeername) fails
    // with ENOTCONN if the client has reset the connection in the meantime.
    let peer = peer.as_socket().map_or("a client".to_string(), |address| address.to_string());

    // The handle that spawn returns is dropped: a thread nobody will join frees everything when it
    // ends. A list of handles would grow for as long as the server lives.
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = echo(stream) {
            log(format_args!("{peer}: {error}"));
        }
    });
    // `thread::spawn` would panic here when the system has no thread left. This way the closure,
    // and the socket with it, is dropped: this client is turned away, the others are served.
    if let Err(error) = spawned {
        log(format_args!("start a thread: {error}"));
    }
}

/// Echoes one client until it finishes sending. An error ends this conversation and no other.
fn echo(stream: Socket) -> io::Result<()> {
    let outcome = echo_to_the_end(&stream);
    match outcome {
        Ok(()) => drop(stream),
        // Nobody is there any more who could be told of a close.
        Err(_) => std::mem::forget(stream),
    }
    outcome
}

fn echo_to_the_end(mut stream: &Socket) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        // Blocks while the receive buffer is empty, returns as soon as it is not: with whatever is
        // there, which may be half of what the client wrote, or three times.
        let count = stream.read(&mut buffer)?;
        // 0 bytes is how a stream says "the client has finished sending". Everything before it has
        // been read and echoed, so dropping the socket (close) now loses nothing.
        if count == 0 {
            return Ok(());
        }
        // `write` may take a part and say how much; `write_all` goes on until all is in the send
        // buffer, and blocks while that is full.
        stream.write_all(&buffer[..count])?;
    }
}

/// Writes a line to stderr; a stderr that is closed is no reason for a thread to panic.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
