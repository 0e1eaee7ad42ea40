//! The server: reads a request, answers it, and reads the next one from the same connection.

use std::io::{self, BufReader};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::files::Folder;
use crate::request::{self, Request, Stop};
use crate::response::Response;
use crate::{complain, listener};

/// How long a read may wait for a byte: in the middle of a request, and between two.
const SILENCE: Duration = Duration::from_secs(6);
/// The longest request body that is read and thrown away in order to keep the connection, in bytes.
const LONGEST_BODY: u64 = 64 * 1024;
/// How long to go on reading after the last answer, and how many bytes at most.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// Listens on `address` (`HOST:PORT`) and serves the files below `folder` until killed.
///
/// # Errors
/// Fails if `folder` is no folder, if no socket can listen on the address, or if stdout is gone.
pub fn run(address: &str, folder: &str) -> Result<()> {
    let folder = Arc::new(Folder::open(folder)?);
    let listener = listener::open(address)?;
    listener::announce(&listener)?;
    loop {
        let (stream, _) = listener::accept(&listener);
        // As it stands, the next client waits until this one has finished.
        if let Err(error) = converse(&stream, &folder) {
            complain(format_args!("a conversation: {error}"));
        }
    }
}

/// Answers one client's requests until it, or we, will not go on.
///
/// As it stands, it answers one request and ends: enough for the first points. The loop, what is
/// done with a request's body, and `SILENCE` are yours.
fn converse(stream: &TcpStream, folder: &Folder) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    match request::read(&mut input) {
        Ok(request) => answer(&request, folder).send(stream, request.is_head(), false)?,
        Err(Stop::Closed) => return Ok(()),
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Refused { status, is_head }) => {
            Response::error(status).send(stream, is_head, false)?;
        }
    }
    linger(stream)
}

/// The answer to a well-formed request.
fn answer(request: &Request, folder: &Folder) -> Response {
    todo!("judge the method of {request:?}, then its target; find the file in {folder:?}")
}

/// Ends a conversation so that the last answer arrives, even if the client is still uploading.
fn linger(stream: &TcpStream) -> io::Result<()> {
    todo!(
        "finish sending on {stream:?}; read on until the end, for {LINGER:?} at most, and at most \
         {LINGER_BYTES} bytes"
    )
}
