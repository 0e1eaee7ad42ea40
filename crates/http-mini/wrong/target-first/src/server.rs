//! The server: reads a request, answers it, and reads the next one from the same connection.
//!
//! The idea: HTTP has no memory. What a request means stands in the request alone, so a
//! conversation is a loop with nothing carried over but the connection. Two questions decide
//! whether there is a next round. Does the client want one (HTTP/1.1, and no `Connection: close`)?
//! And do both sides agree where this request ends? If not, what comes next could be a request or
//! the rest of a body, and the connection has to end.
//!
//! What it leaves out: we refuse `Transfer-Encoding`, where a full server decodes chunked bodies.
//! A client may take its time as long as it sends a byte now and then; a real server would also
//! limit the whole request, and the number of clients, each of which costs us a thread.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::SockAddr;

use crate::files::{Folder, Found};
use crate::request::{self, Request, Stop};
use crate::response::{BAD_REQUEST, METHOD_NOT_ALLOWED, NOT_IMPLEMENTED, Response};
use crate::{complain, conditions, listener, target};

/// How long a client may be silent between two requests, and in the middle of one.
const IDLE: Duration = Duration::from_secs(6);
const SILENCE: Duration = Duration::from_secs(4);
/// How long a write may wait for a client that does not read.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// The longest request body that is read and thrown away in order to keep the connection, in bytes.
const LONGEST_BODY: u64 = 64 * 1024;
/// How long to go on reading after the last answer, and how many bytes at most.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 * 1024 * 1024;
/// How many bytes one read takes at most while lingering.
const BUFFER_BYTES: usize = 16 * 1024;

/// The methods of RFC 9110 and RFC 5789 that we know and do not allow.
const OTHER_METHODS: [&str; 7] = ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];

/// Listens on `address` (`HOST:PORT`) and serves the files below `folder` until killed.
///
/// # Errors
/// Fails if `folder` is no folder, if no socket can listen on the address, or if stdout is gone.
pub fn run(address: &str, folder: &str) -> Result<()> {
    let folder = Arc::new(Folder::open(folder)?);
    let listener = listener::open(address)?;
    listener::announce(&listener)?;
    loop {
        let (stream, peer) = listener::accept(&listener);
        start_conversation(stream, &peer, Arc::clone(&folder));
    }
}

/// Gives a client a thread of its own, so that it delays nobody.
fn start_conversation(stream: TcpStream, peer: &SockAddr, folder: Arc<Folder>) {
    let peer = peer.as_socket().map_or("a client".to_string(), |address| address.to_string());
    let spawned = thread::Builder::new().spawn(move || {
        if let Err(error) = converse(&stream, &folder) {
            complain(format_args!("{peer}: {error}"));
        }
    });
    // Without a thread the closure, and the socket with it, is dropped: this client is turned away.
    if let Err(error) = spawned {
        complain(format_args!("start a thread: {error}"));
    }
}

/// Answers one client's requests until it, or we, will not go on.
fn converse(stream: &TcpStream, folder: &Folder) -> io::Result<()> {
    // The head and the body of an answer are two writes. Nagle's algorithm would hold the second
    // back until the client has acknowledged the first, which it delays by up to 40 ms.
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_PATIENCE))?;
    // One reader for the whole conversation: a read may bring the beginning of the next request
    // along, and a reader made anew for each would lose it.
    let mut input = BufReader::new(stream);
    loop {
        stream.set_read_timeout(Some(IDLE))?;
        if !request_begins(&mut input)? {
            return Ok(());
        }
        stream.set_read_timeout(Some(SILENCE))?;
        let request = match request::read(&mut input) {
            Ok(request) => request,
            Err(Stop::Closed) => return Ok(()),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Refused { status, is_head }) => {
                Response::error(status).send(stream, is_head, false)?;
                return linger(stream);
            }
        };
        let keep = request.keep && request.body_bytes <= LONGEST_BODY;
        if keep {
            discard_body(&mut input, &request)?;
        }
        answer(&request, folder).send(stream, request.is_head(), keep)?;
        if !keep {
            return linger(stream);
        }
    }
}

/// Waits for a byte of the next request. There is none if the client has finished, or says nothing.
fn request_begins(input: &mut BufReader<&TcpStream>) -> io::Result<bool> {
    loop {
        match input.fill_buf() {
            Ok(bytes) => return Ok(!bytes.is_empty()),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                // What a read reports when the socket's timeout is over, on Linux and elsewhere.
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(false),
                _ => return Err(error),
            },
        }
    }
}

/// Reads the request's body and forgets it. Left where it is, it would be read as the next request.
fn discard_body(input: &mut BufReader<&TcpStream>, request: &Request) -> io::Result<()> {
    if request.body_bytes > 0 && request.fields.lists("expect", "100-continue") {
        // This client sends no body before it is told to.
        input.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let count = io::copy(&mut input.take(request.body_bytes), &mut io::sink())?;
    if count < request.body_bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the request body is cut short"));
    }
    Ok(())
}

/// The answer to a well-formed request.
fn answer(request: &Request, folder: &Folder) -> Response {
    if target::path(&request.target).is_none() {
        return Response::error(BAD_REQUEST);
    }
    if OTHER_METHODS.contains(&request.method.as_str()) {
        return Response::error(METHOD_NOT_ALLOWED).with("Allow", "GET, HEAD");
    }
    if request.method != "GET" && request.method != "HEAD" {
        return Response::error(NOT_IMPLEMENTED);
    }
    let Some(path) = target::path(&request.target) else {
        return Response::error(BAD_REQUEST);
    };
    match folder.find(&path) {
        Ok(Found::File(document)) => conditions::answer(request, document),
        Ok(Found::Folder) => Response::moved(&path.with_slash()),
        Err(status) => Response::error(status),
    }
}

/// Ends a conversation so that the last answer arrives.
///
/// A client that is still uploading has bytes on the way. Closing a socket that holds unread bytes,
/// or gets some later, makes the kernel send a reset. It takes back what of our answer is still on
/// the way, the client's next write fails, and only some systems (Linux is one) let the client read
/// what had arrived. So: say that we have finished, go on reading until the client has too, and
/// close then. Not for ever, though.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + LINGER;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes_left = LINGER_BYTES;
    while bytes_left > 0 {
        let time_left = deadline.saturating_duration_since(Instant::now());
        if time_left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(time_left))?;
        match stream.read(&mut buffer) {
            // The end, a reset or the deadline: whichever, nobody waits for anything any more.
            Ok(0) | Err(_) => break,
            Ok(count) => bytes_left = bytes_left.saturating_sub(count),
        }
    }
    Ok(())
}
