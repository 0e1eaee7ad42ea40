//! The client: sends everything, and prints everything that comes back, at the same time.
//!
//! The idea: an echo comes back while the rest is still being sent. A client that first sends all
//! and then reads fills its own receive buffer, then the server's send buffer; the server stops
//! reading, and both wait for the other for ever. So a second thread sends while this one reads.
//! When all is sent, only the sending half is closed: that tells the server "no more is coming",
//! and still lets its answer arrive.
//!
//! What it leaves out: we assume a server that answers or closes. A real client would not wait
//! without end for one that does neither.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use socket2::{Domain, Protocol, Socket, Type};

use crate::resolve;

/// How many bytes one read takes at most.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long, after the server has closed, the sending thread may take to say how much it sent. It
/// may be waiting for a keyboard, so it is not waited for longer.
const SENDER_GRACE: Duration = Duration::from_secs(1);

/// Sends `message`, or all of stdin without one, to `address` (`HOST:PORT`), and copies the echo to
/// stdout.
///
/// # Errors
/// Fails if nothing listens there, if reading or writing fails, or if the server closed before
/// every byte had come back.
pub fn run(address: &str, message: Option<&str>) -> Result<()> {
    let (stream, server) = connect(address)?;
    // A second descriptor for the same connection, for the thread that sends.
    let sending_stream = stream.try_clone().context("duplicate the socket")?;
    let message = message.map(str::to_string);
    let (report, sender) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || {
            let outcome = send(&sending_stream, server, message.as_deref());
            // After a failure too, or the server would go on waiting.
            finish_sending(&sending_stream);
            let _ = report.send(outcome);
        })
        .context("start a thread")?;

    let received = receive(&stream)?;

    // A thread cannot be joined with a time limit, a channel can be read with one.
    match sender.recv_timeout(SENDER_GRACE) {
        Ok(Ok(sent)) if received >= sent => Ok(()),
        Ok(Ok(sent)) => bail!("{server} closed after {received} of {sent} bytes had come back"),
        Ok(Err(error)) => Err(error),
        Err(_) => bail!("{server} closed after {received} bytes, before everything was sent"),
    }
}

/// Connects to the first address of `HOST:PORT` that answers: a server need not listen on all.
fn connect(address: &str) -> Result<(Socket, SocketAddr)> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        match connect_to(candidate) {
            Ok(stream) => return Ok((stream, candidate)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn connect_to(address: SocketAddr) -> Result<Socket> {
    // A socket whose connect has failed is of no further use: each attempt gets a new one.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
        .context("create a stream socket")?;
    // No bind: the kernel picks a free (ephemeral) port. The call returns when the three-way
    // handshake is done, or with ECONNREFUSED when nobody listens there.
    socket.connect(&address.into()).with_context(|| format!("connect to {address}"))?;
    Ok(socket)
}

/// Sends `message`, or all of stdin without one; returns how many bytes that was.
fn send(mut stream: &Socket, server: SocketAddr, message: Option<&str>) -> Result<u64> {
    let mut source: Box<dyn Read> = match message {
        Some(message) => Box::new(message.as_bytes()),
        None => Box::new(io::stdin()),
    };
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut sent_bytes = 0;
    loop {
        let count = source.read(&mut buffer).context("read stdin")?;
        if count == 0 {
            return Ok(sent_bytes);
        }
        // Blocks while the send buffer is full. If the server is gone it fails, with EPIPE or
        // ECONNRESET: in C the signal SIGPIPE would end the process here, but Rust ignores it.
        stream
            .write_all(&buffer[..count])
            .with_context(|| format!("send to {server}, which closed early"))?;
        sent_bytes += count as u64;
    }
}

/// Half-close: the server reads 0 bytes and knows that no more comes, and can still answer.
fn finish_sending(stream: &Socket) {
    // Dropping the socket would not do it: there are two descriptors for the connection, and only
    // the last one to be closed ends it. shutdown is about the connection itself. If it fails, the
    // connection is gone already, and receive will tell.
    let _ = stream.shutdown(Shutdown::Write);
}

/// Copies what comes back to stdout until the server closes; returns how many bytes that was.
fn receive(mut stream: &Socket) -> Result<u64> {
    // Not `print!`: it takes text only, and panics when stdout is a pipe that nobody reads.
    let mut stdout = io::stdout().lock();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut received_bytes = 0;
    loop {
        let count = stream.read(&mut buffer).unwrap();
        // The server has closed, or has finished sending, which looks the same from here.
        if count == 0 {
            return Ok(received_bytes);
        }
        // stdout keeps what follows the last newline until it is flushed.
        stdout
            .write_all(&buffer[..count])
            .and_then(|()| stdout.flush())
            .context("write to stdout")?;
        received_bytes += count as u64;
    }
}
