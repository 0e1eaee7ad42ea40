//! The server: keeps the files of one folder, for everybody who asks.
//!
//! The idea: one request a connection. A thread reads its line, decides whether to do it, says `OK`
//! or `ERR`, moves the bytes, and hangs up. What a client sends is believed in nothing: neither the
//! name, nor that as many bytes come as it has announced, nor that any come at all.
//!
//! What it leaves out: we assume that whoever can connect may read and replace every file; a real
//! server would ask who it is, encrypt, and limit how much one client may store and how long a
//! silent one may stay. A thread a client is enough for some hundreds of them.

use std::fmt::Display;
use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::protocol::{Request, parse_request, read_line, send_line};
use crate::resolve;
use crate::store::{self, BUFFER_BYTES, Incoming};

/// How many clients may have shaken hands with the kernel and wait to be accepted.
const BACKLOG: i32 = 128;
/// How long to leave `accept` alone after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a client may take, after the last answer, to stop sending.
const DRAIN_TIME: Duration = Duration::from_secs(5);

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
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {address}")
        .and_then(|()| stdout.flush())
        .context("write to stdout")
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

/// Reads one request, answers it, and hangs up. An error has been told to the client already, as
/// far as it could be.
fn converse(mut stream: &TcpStream, folder: &Path) -> Result<()> {
    // We send either a line that somebody waits for or large blocks. Nagle's algorithm would keep
    // the last, short block until the client has acknowledged the line before it.
    let _ = stream.set_nodelay(true);
    let outcome = answer(&mut BufReader::new(stream), stream, folder);
    if let Err(error) = &outcome {
        // If the client has gone this fails too, and nobody misses it.
        let _ = send_line(&mut stream, &format!("ERR {error:#}"));
    }
    hang_up(stream);
    outcome
}

/// Does what the client asks for. Every error may be told to it: where an `ERR` would be taken for
/// data, there is none.
fn answer(reader: &mut impl BufRead, mut stream: &TcpStream, folder: &Path) -> Result<()> {
    let Some(line) = read_line(reader).context("read the request")? else {
        return Ok(());
    };
    match parse_request(&line).map_err(anyhow::Error::msg)? {
        Request::Get { name } => get(stream, folder, name)?,
        Request::Put { size, name } => {
            let target = folder.join(name);
            put(reader, stream, &target, size).with_context(|| format!("store {name:?}"))?;
            send_line(&mut stream, "OK").context("answer")?;
        }
        Request::List => list(stream, folder)?,
    }
    Ok(())
}

/// Sends the file `name`.
fn get(mut stream: &TcpStream, folder: &Path, name: &str) -> Result<()> {
    let (file, size) = store::open(&folder.join(name)).with_context(|| format!("open {name:?}"))?;
    send_line(&mut stream, &format!("OK {size}")).context("answer")?;

    // Announced are `size` bytes: a file that grows meanwhile gives no more. io::copy uses the
    // BufReader's buffer. It once left files to the kernel (sendfile), and no longer does, because
    // a change to the file could then still change what is on its way.
    let mut source = BufReader::with_capacity(BUFFER_BYTES, file.take(size));
    let sent = io::copy(&mut source, &mut stream);
    // The client takes whatever comes now for the file's bytes. That it is not whole can be said
    // only by ending early, which is what a failed read or a file that has shrunk does.
    match sent {
        Ok(count) if count == size => {}
        Ok(count) => log(format_args!("send {name:?}: it shrank to {count} of {size} bytes")),
        Err(error) => log(format_args!("send {name:?}: {error}")),
    }
    Ok(())
}

/// Stores the `size` bytes that the client has announced. On every error the temporary file is gone
/// when this returns, so before the client hears of it.
fn put(
    reader: &mut impl BufRead,
    mut stream: &TcpStream,
    target: &Path,
    size: u64,
) -> io::Result<()> {
    let mut incoming = Incoming::create(target)?;
    // Not before we know that we can write: the client sends its data only after this.
    send_line(&mut stream, "OK")?;
    // From the reader, not from the stream: the first bytes may have come together with the line.
    incoming.fill(reader, size)?;
    incoming.keep()
}

/// Sends the listing.
fn list(stream: &TcpStream, folder: &Path) -> Result<()> {
    let files = store::list(folder).context("list the folder")?;
    let mut writer = BufWriter::new(stream);
    writeln!(writer, "OK {}", files.len()).context("answer")?;
    for (name, size) in files {
        writeln!(writer, "{size} {name}").context("answer")?;
    }
    writer.flush().context("answer")
}

/// Ends the conversation so that the answer arrives.
///
/// Closing a socket with unread bytes makes the kernel reset the connection, and the client may
/// lose an answer that it has not read yet. A client that gets an `ERR` in the middle of its upload
/// has many such bytes on the way. So: say that nothing more comes, and throw away what does come,
/// for a while.
fn hang_up(mut stream: &TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let end = Instant::now() + DRAIN_TIME;
    let mut discarded = vec![0; BUFFER_BYTES];
    loop {
        // The time left for all reads together: a byte now and then must not keep us here.
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut discarded) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Writes a line to stderr; a stderr that is closed is no reason for a thread to panic.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
