//! The server: keeps the files of one folder, for everybody who asks. One request a connection.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, Result};
use socket2::Socket;

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
/// As it stands, one client is served after the other, and no thread is started.
///
/// # Errors
/// Fails if `folder` is none, if no socket can listen on the address, or if stdout is gone.
pub fn run(address: &str, folder: &str) -> Result<()> {
    let listener = open_listener(address)?;
    loop {
        let stream = accept(&listener);
        if let Err(error) = converse(&stream, Path::new(folder)) {
            log(format_args!("{error:#}"));
        }
    }
}

/// A socket that listens on the first address of `HOST:PORT` that can be had; says so on stdout.
fn open_listener(address: &str) -> Result<Socket> {
    let candidates = resolve(address)?;
    todo!("listen on one of {candidates:?}, backlog {BACKLOG}; print where; you did it in tcp-echo")
}

/// Waits for the next client. No error ends the server, and none may make it spin.
fn accept(listener: &Socket) -> TcpStream {
    todo!("accept from {listener:?}, rest {ACCEPT_PAUSE:?} after an error; `into()` a TcpStream")
}

/// Reads one request, answers it, and hangs up.
fn converse(mut stream: &TcpStream, folder: &Path) -> Result<()> {
    let outcome = answer(&mut BufReader::new(stream), stream, folder);
    if let Err(error) = &outcome {
        let _ = send_line(&mut stream, &format!("ERR {error:#}"));
    }
    hang_up(stream);
    outcome
}

/// Does what the client asks for. Every error that this returns is told to it as an `ERR`: mind
/// that the client takes what follows `OK SIZE` for data.
fn answer(reader: &mut impl BufRead, mut stream: &TcpStream, folder: &Path) -> Result<()> {
    let Some(line) = read_line(reader)? else {
        return Ok(());
    };
    match parse_request(&line).map_err(Error::msg)? {
        Request::Get { name } => {
            let opened = store::open(&folder.join(name)).with_context(|| format!("open {name:?}"));
            todo!("send {:?} and its bytes ({BUFFER_BYTES} at a time) to {stream:?}", opened?)
        }
        Request::Put { size, name } => {
            let mut incoming = Incoming::create(&folder.join(name))?;
            send_line(&mut stream, "OK")?;
            incoming.fill(reader, size)?;
            incoming.keep()?;
            send_line(&mut stream, "OK")?;
        }
        Request::List => todo!("send {:?} to {stream:?}", store::list(folder)?),
    }
    Ok(())
}

/// Ends the conversation so that the answer arrives, even while the client is still sending.
fn hang_up(stream: &TcpStream) {
    todo!("finish the sending half of {stream:?}; drain for at most {DRAIN_TIME:?} in all; close")
}

/// Writes a line to stderr, where a server's log belongs.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
