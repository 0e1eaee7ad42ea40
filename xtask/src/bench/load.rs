//! The clients by which servers are measured: the same for the solution and for its rivals, over
//! loopback, with std alone. None waits without end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

/// How long a read or a write may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many bytes are read or written at a time.
const BLOCK_BYTES: usize = 256 * 1024;
/// How many bytes the small messages have.
const MESSAGE_BYTES: usize = 64;
/// How long the head of an answer may be.
const HEAD_BYTES: usize = 16 * 1024;
/// How every answer begins.
const GOOD_ANSWER: &[u8] = b"HTTP/1.1 200 ";

/// A connection on which one file is asked for again and again.
struct Conversation {
    stream: TcpStream,
    request: Vec<u8>,
    /// How many bytes each answer has, head and body. All of them have the same fields of the same
    /// lengths, which saves looking for the end of the head in each: the client would cost more
    /// than a fast server.
    answer_bytes: usize,
    buffer: Vec<u8>,
}

/// Asks for `path` over so many connections at once for the time of `window`, and says how many
/// answers came a second. The connections are made, and used once, before that.
///
/// # Errors
///
/// An answer is not 200 with `body_bytes` bytes, the server ends a connection, or takes too long.
pub fn http_answers(
    server: SocketAddr,
    path: &str,
    body_bytes: usize,
    connections: usize,
    window: Duration,
) -> anyhow::Result<f64> {
    let opened = at_once(vec![(); connections], |()| Conversation::open(server, path, body_bytes))?;
    let began = Instant::now();
    let counts = at_once(opened, |mut conversation| conversation.repeat(began + window))?;
    Ok(counts.into_iter().sum::<u64>() as f64 / began.elapsed().as_secs_f64())
}

impl Conversation {
    fn open(server: SocketAddr, path: &str, body_bytes: usize) -> anyhow::Result<Self> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n").into_bytes();
        let stream = connect(server)?;
        let mut conversation =
            Self { stream, request, answer_bytes: 0, buffer: vec![0; BLOCK_BYTES] };
        conversation.stream.write_all(&conversation.request).context("ask")?;
        let head = conversation.read_head()?;
        let text = String::from_utf8_lossy(&conversation.buffer[..head.end]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        if length.and_then(|length| length.trim().parse().ok()) != Some(body_bytes) {
            bail!("the answer does not have the file's length: {text:?}");
        }
        conversation.answer_bytes = head.end + body_bytes;
        conversation.read_rest(head.read)?;
        Ok(conversation)
    }

    /// Reads until the head is complete.
    fn read_head(&mut self) -> anyhow::Result<Head> {
        let mut read = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[read..HEAD_BYTES]).context("read")?;
            read += count;
            let seen = &self.buffer[..read];
            if let Some(place) = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                if !seen.starts_with(GOOD_ANSWER) {
                    let line = String::from_utf8_lossy(seen).lines().next().map(str::to_owned);
                    bail!("the answer is {:?}", line.unwrap_or_default());
                }
                return Ok(Head { end: place + 4, read });
            }
            if count == 0 || read == HEAD_BYTES {
                bail!("{read} bytes came, and no complete head");
            }
        }
    }

    /// Reads an answer of which `read` bytes have come already.
    fn read_rest(&mut self, mut read: usize) -> anyhow::Result<()> {
        while read < self.answer_bytes {
            let wanted = BLOCK_BYTES.min(self.answer_bytes - read);
            let count = self.stream.read(&mut self.buffer[..wanted]).context("read")?;
            if count == 0 {
                bail!("the server ended the connection");
            }
            let looked_at = GOOD_ANSWER.len().min(count);
            if read == 0 && self.buffer[..looked_at] != GOOD_ANSWER[..looked_at] {
                bail!("an answer does not begin with that of the first");
            }
            read += count;
        }
        Ok(())
    }

    /// Asks again and again until `deadline`, and says how often.
    fn repeat(&mut self, deadline: Instant) -> anyhow::Result<u64> {
        let mut count = 0;
        while Instant::now() < deadline {
            self.stream.write_all(&self.request).context("ask")?;
            self.read_rest(0)?;
            count += 1;
        }
        Ok(count)
    }
}

/// The first bytes of an answer: where its head ends, and how many bytes have been read.
struct Head {
    end: usize,
    read: usize,
}

/// Sends so many bytes while it reads their echo, and says how many MiB came back a second.
///
/// # Errors
///
/// Another number of bytes comes back, or none for too long.
pub fn tcp_throughput(server: SocketAddr, bytes: usize) -> anyhow::Result<f64> {
    let stream = connect(server)?;
    let began = Instant::now();
    let echoed = thread::scope(|scope| {
        let send = || {
            let block = vec![b'e'; BLOCK_BYTES];
            for _ in 0..bytes / BLOCK_BYTES {
                (&stream).write_all(&block)?;
            }
            stream.shutdown(Shutdown::Write)
        };
        let sender = thread::Builder::new().spawn_scoped(scope, send)?;
        let echoed = read_to_end(&stream);
        // A sender that still waits for room must not wait for a reader that has given up.
        _ = stream.shutdown(Shutdown::Both);
        let sent = sender.join().map_err(|_| anyhow!("the sender panicked"))?;
        let echoed = echoed.context("read the echo")?;
        sent.context("send")?;
        anyhow::Ok(echoed)
    })?;
    if echoed != bytes {
        bail!("{echoed} of {bytes} bytes came back");
    }
    Ok(bytes as f64 / f64::from(1 << 20) / began.elapsed().as_secs_f64())
}

fn read_to_end(mut stream: &TcpStream) -> std::io::Result<usize> {
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => total += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends a small message, waits for its echo, and so on; says how many came back a second.
///
/// # Errors
///
/// Something else comes back, or nothing for too long.
pub fn tcp_round_trips(server: SocketAddr, window: Duration) -> anyhow::Result<f64> {
    let mut stream = connect(server)?;
    round_trips(window, |message, echo| {
        stream.write_all(message)?;
        stream.read_exact(echo)?;
        Ok(echo.len())
    })
}

/// As [`tcp_round_trips`], in datagrams.
///
/// # Errors
///
/// Something else comes back, or nothing for too long, since a datagram was lost.
pub fn udp_round_trips(server: SocketAddr, window: Duration) -> anyhow::Result<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("bind")?;
    socket.connect(server).context("connect")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    round_trips(window, |message, echo| {
        socket.send(message)?;
        socket.recv(echo)
    })
}

fn round_trips(
    window: Duration,
    mut exchange: impl FnMut(&[u8], &mut [u8]) -> std::io::Result<usize>,
) -> anyhow::Result<f64> {
    let (mut message, mut echo) = ([0; MESSAGE_BYTES], [0; MESSAGE_BYTES]);
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < window {
        // Each message is a new one: an answer to another is none.
        message[..8].copy_from_slice(&count.to_be_bytes());
        let length = exchange(&message, &mut echo).context("wait for an echo")?;
        if length != MESSAGE_BYTES || echo != message {
            bail!("something else than the message came back");
        }
        count += 1;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn connect(server: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE).context("connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Does the same with each of `items`, all at once, a thread each.
fn at_once<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let work = &work;
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for item in items {
            threads.push(thread::Builder::new().spawn_scoped(scope, move || work(item))?);
        }
        let join = |thread: thread::ScopedJoinHandle<'_, anyhow::Result<R>>| {
            thread.join().map_err(|_| anyhow!("a client panicked"))?
        };
        threads.into_iter().map(join).collect()
    })
}
