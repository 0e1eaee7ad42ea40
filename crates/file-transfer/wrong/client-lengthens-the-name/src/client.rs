//! The client: puts a file on the server, gets one, or lists them.
//!
//! The idea: ask in one line, read one line, and only then move bytes: exactly as many as the line
//! has announced. A stream that ends early is how a broken transfer looks, so the count decides
//! whether a file is whole, and an incomplete one never gets its name.
//!
//! What it leaves out: we assume a server that answers or closes. A real client would not wait
//! without end for one that does neither, and would go on where a broken transfer ended.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use anyhow::{Context, Error, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::progress::Watched;
use crate::protocol::{accept_answer, check_name, expect_number, expect_ok, read_line, send_line};
use crate::resolve;
use crate::store::{self, BUFFER_BYTES, Incoming};

/// Stores the file at `path` on the server, under `name` or else its own name.
///
/// # Errors
/// Fails if the file cannot be read, the name is a bad one, or the server does not store it.
pub fn put(address: &str, path: &str, name: Option<&str>) -> Result<()> {
    let own_name = Path::new(path).file_name().and_then(|name| name.to_str());
    let name = name.or(own_name).with_context(|| format!("put {path:?}: it has no name"))?;
    check_name(name).map_err(Error::msg).context("put")?;
    // Before the connection, since the request announces the size.
    let (file, size) =
        store::open_own(Path::new(path)).with_context(|| format!("open {path:?}"))?;

    let (stream, server) = connect(address)?;
    upload(&stream, file, size, name).with_context(|| format!("put {name:?} on {server}"))?;
    print_line(format_args!("{size} bytes"))
}

/// Asks, waits for the go-ahead, sends the `size` bytes of `file`, and waits until they are stored.
fn upload(mut stream: &TcpStream, file: File, size: u64, name: &str) -> Result<()> {
    let mut answers = BufReader::new(stream);
    send_line(&mut stream, &format!("PUT {size} {name}")).context("send the request")?;
    // A server that will not have the file says so here, before the file is on its way.
    expect_ok(&mut answers)?;

    if let Err(error) = send_file(stream, file, size) {
        // A server may refuse in the middle too (its disk is full), and close. Then our write
        // fails, but what the server said before has arrived, and can be read: it is the better
        // reason. If it did not say anything, the write's own error remains.
        let server_closed =
            matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        if server_closed && let Ok(Some(line)) = read_line(&mut answers) {
            accept_answer(&line)?;
        }
        return Err(error).context("send the file");
    }
    // That everything was written says only that it is in a buffer. Stored it is when the server
    // says so.
    expect_ok(&mut answers)
}

/// Sends the first `size` bytes of `file`.
fn send_file(mut stream: &TcpStream, file: File, size: u64) -> io::Result<()> {
    // A file that grows meanwhile gives what was announced. io::copy uses the BufReader's buffer.
    let source = Watched::new(file.take(size), size);
    let count = io::copy(&mut BufReader::with_capacity(BUFFER_BYTES, source), &mut stream)?;
    if count < size {
        let message = format!("it has shrunk to {count} of {size} bytes");
        return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
    }
    Ok(())
}

/// Fetches the server's file `name` to `destination`, or else to `name` in the working directory.
///
/// # Errors
/// Fails if the server does not have it, if the transfer breaks, or if the file cannot be written;
/// an older file at `destination` is then as it was.
pub fn get(address: &str, name: &str, destination: Option<&str>) -> Result<()> {
    check_name(name).map_err(Error::msg).context("get")?;
    let destination = destination.unwrap_or(name);

    let (mut stream, server) = connect(address)?;
    let asking = || format!("get {name:?} from {server}");
    send_line(&mut stream, &format!("GET {name}")).with_context(asking)?;
    let mut reader = BufReader::new(&stream);
    let size = expect_number(&mut reader).with_context(asking)?;

    // Not before the answer: a server that does not have the file leaves no trace here.
    let writing = || format!("get {name:?} from {server} into {destination:?}");
    let path = Path::new(destination);
    let last = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let part = path.with_file_name(format!(".{last}.part"));
    let mut incoming = Incoming::create(&part).with_context(writing)?;
    // The first bytes may have come together with the line: they are in the reader.
    incoming.fill(&mut Watched::new(reader, size), size).with_context(writing)?;
    incoming.keep().with_context(writing)?;
    std::fs::rename(&part, path).with_context(writing)?;
    print_line(format_args!("{size} bytes"))
}

/// Prints the server's listing as it comes.
///
/// # Errors
/// Fails if the server does not give one, or if fewer lines come than it has announced.
pub fn list(address: &str) -> Result<()> {
    let (mut stream, server) = connect(address)?;
    let asking = || format!("list the files of {server}");
    send_line(&mut stream, "LIST").with_context(asking)?;
    let mut reader = BufReader::new(&stream);
    let count = expect_number(&mut reader).with_context(asking)?;

    // stdout would go to the kernel once a line, and a listing may have thousands.
    let mut stdout = BufWriter::new(io::stdout().lock());
    for number in 0..count {
        let line = read_line(&mut reader).with_context(asking)?;
        let line = line.with_context(|| format!("only {number} of {count} lines came"));
        writeln!(stdout, "{}", line.with_context(asking)?).context("write to stdout")?;
    }
    stdout.flush().context("write to stdout")
}

/// Connects to the first address of `HOST:PORT` that answers: a server need not listen on all.
fn connect(address: &str) -> Result<(TcpStream, SocketAddr)> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        match connect_to(candidate) {
            Ok(stream) => return Ok((stream, candidate)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn connect_to(address: SocketAddr) -> Result<TcpStream> {
    // A socket whose connect has failed is of no further use: each attempt gets a new one.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .context("create a stream socket")?;
    socket.connect(&address.into()).with_context(|| format!("connect to {address}"))?;
    // std's type for the same descriptor: it reads and writes through a `&`, too.
    Ok(socket.into())
}

/// Prints the result.
fn print_line(line: impl Display) -> Result<()> {
    // `println!` panics when stdout is a pipe that nobody reads.
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("write to stdout")
}
