//! The server: keeps the files of one folder, for everybody who asks.
//!
//! The idea: as in tcp-echo, one thread a client. What is said in it stands in `conversation.rs`;
//! here is what keeps the server alive, whatever one client does.
//!
//! What it leaves out: we assume that whoever can connect may read and replace every file; a real
//! server would ask who it is, encrypt, and limit how much one client may store and how long a
//! silent one may stay. A thread a client is enough for some hundreds of them.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::conversation::converse;
use crate::resolve;

/// How many clients may have shaken hands with the kernel and wait to be accepted.
const BACKLOG: i32 = 128;
/// How long to leave `accept` alone after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on `address` (`HOST:PORT`) and serves the files of `folder` until the process is killed.
///
/// # Errors
/// Fails if `folder` is none, if no socket can listen on the address, or if stdout is gone.
pub fn run(address: &str, folder: &str) -> Result<()> {
    // Now rather than at the first request: whoever starts the server is still there to read it.
    fs::read_dir(folder).with_context(|| format!("open the folder {folder:?}"))?;
    let listener = open_listener(address)?;
    announce(&listener)?;
    loop {
        let (stream, peer) = accept(&listener);
        start_conversation(stream, &peer, PathBuf::from(folder));
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
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .context("create a stream socket")?;
    // Lets a restarted server bind beside the connections that its predecessor left behind.
    socket.set_reuse_address(true).context("set SO_REUSEADDR")?;
    socket.bind(&address.into()).with_context(|| format!("bind {address}"))?;
    socket.listen(BACKLOG).with_context(|| format!("listen on {address}"))?;
    Ok(socket)
}

/// Says on stdout that the server is ready, and where.
fn announce(listener: &Socket) -> Result<()> {
    // Asked for port 0, the kernel has picked one: only the socket knows which.
    let address = listener.local_addr().context("read the listener's own address")?;
    let address = address.as_socket().context("the listener has no IP address")?;
    print!("listening on {address}");
    Ok(())
}

/// Waits for the next client; the new socket is the conversation with it.
fn accept(listener: &Socket) -> (TcpStream, SockAddr) {
    loop {
        match listener.accept() {
            // std's type for the same descriptor: it reads and writes through a `&`, too.
            Ok((stream, peer)) => return (stream.into(), peer),
            // Nothing here is about the listener itself: a client gave up while it waited, or no
            // descriptor is free (EMFILE). Leaving would drop everybody else, and trying again at
            // once would burn a CPU: so a short rest.
            Err(error) => {
                log(format_args!("accept: {error}"));
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Gives a client a thread of its own, so that it delays nobody.
fn start_conversation(stream: TcpStream, peer: &SockAddr, folder: PathBuf) {
    let peer = peer.as_socket().map_or("a client".to_string(), |address| address.to_string());
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = converse(&stream, &folder) {
            log(format_args!("{peer}: {error:#}"));
        }
    });
    // `thread::spawn` would panic here when the system has no thread left.
    if let Err(error) = spawned {
        log(format_args!("start a thread: {error}"));
    }
}

/// Writes a line to stderr; a stderr that is closed is no reason for a thread to panic.
pub fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
