//! The server's side of one conversation: a request, its answer, and a proper end.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, Result};

use crate::protocol::{Request, parse_request, read_line, send_line};
use crate::store::{self, BUFFER_BYTES, Incoming};

/// How long a client may take, after the last answer, to stop sending.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Reads one request, answers it, and hangs up.
pub fn converse(mut stream: &TcpStream, folder: &Path) -> Result<()> {
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
