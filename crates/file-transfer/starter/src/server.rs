//! The server: keeps the files of one folder, for everybody who asks.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use socket2::Socket;

use crate::conversation::converse;
use crate::resolve;

/// How many clients may have shaken hands with the kernel and wait to be accepted.
const BACKLOG: i32 = 128;
/// How long to leave `accept` alone after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
/// Its `local_addr` is a `SockAddr`, which cannot be printed: `as_socket` gives what can.
fn open_listener(address: &str) -> Result<Socket> {
    let candidates = resolve(address)?;
    todo!("listen on one of {candidates:?}, backlog {BACKLOG}; print where; you did it in tcp-echo")
}

/// Waits for the next client. No error ends the server, and none may make it spin.
fn accept(listener: &Socket) -> TcpStream {
    todo!("accept from {listener:?}, rest {ACCEPT_PAUSE:?} after an error; `into()` a TcpStream")
}

/// Writes a line to stderr, where a server's log belongs.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
