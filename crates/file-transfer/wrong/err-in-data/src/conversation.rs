//! The server's side of one conversation: a request, its answer, and a proper end.
//!
//! The idea: one request a connection. Read its line, decide whether to do it, say `OK` or `ERR`,
//! move the bytes, hang up. What a client sends is believed in nothing: neither the name, nor that
//! as many bytes come as it has announced, nor that any come at all.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::protocol::{Request, parse_request, read_line, send_line};
use crate::store::{self, BUFFER_BYTES, Incoming};

/// How long a client may take, after the last answer, to stop sending.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Reads one request, answers it, and hangs up. An error has been told to the client already, as
/// far as it could be.
pub fn converse(mut stream: &TcpStream, folder: &Path) -> Result<()> {
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
        Ok(count) => bail!("send {name:?}: it shrank to {count} of {size} bytes"),
        Err(error) => return Err(error).with_context(|| format!("send {name:?}")),
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
