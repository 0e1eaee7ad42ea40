//! The client: puts a file on the server, gets one, or lists them.

use std::io::BufReader;
use std::net::TcpStream;
use std::path::Path;

use anyhow::{Error, Result};

use crate::progress::Watched;
use crate::protocol::{check_name, expect_number, send_line};
use crate::resolve;
use crate::store::Incoming;

/// Stores the file at `path` on the server, under `name` or else its own name.
///
/// # Errors
/// Fails if the file cannot be read, the name is a bad one, or the server does not store it.
pub fn put(address: &str, path: &str, name: Option<&str>) -> Result<()> {
    let stream = connect(address)?;
    todo!("put {path:?} as {name:?} on {stream:?}: ask, wait for OK, send (Watched), wait for OK")
}

/// Fetches the server's file `name` to `destination`, or else to `name` in the working directory.
///
/// # Errors
/// Fails if the server does not have it, if the transfer breaks, or if the file cannot be written;
/// an older file at `destination` is then as it was.
pub fn get(address: &str, name: &str, destination: Option<&str>) -> Result<()> {
    check_name(name).map_err(Error::msg)?;
    let mut stream = connect(address)?;
    send_line(&mut stream, &format!("GET {name}"))?;
    let mut reader = BufReader::new(&stream);
    let size = expect_number(&mut reader)?;
    let mut incoming = Incoming::create(Path::new(destination.unwrap_or(name)))?;
    incoming.fill(&mut Watched::new(reader, size), size)?;
    incoming.keep()?;
    todo!("print {size} and ` bytes`; and let every error above name what was attempted, on what")
}

/// Prints the server's listing, line by line.
///
/// # Errors
/// Fails if the server does not give one, or if fewer lines come than it has announced.
pub fn list(address: &str) -> Result<()> {
    let stream = connect(address)?;
    todo!("ask {stream:?} for the LIST; print as many lines as it announces")
}

/// Connects to the first address of `HOST:PORT` that answers: a server need not listen on all.
fn connect(address: &str) -> Result<TcpStream> {
    let candidates = resolve(address)?;
    todo!("a new socket for each of {candidates:?} until one connects")
}
