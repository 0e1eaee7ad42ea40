//! The client: asks for one URL and prints the body, and goes where it is sent.
//!
//! What it leaves out: it opens a connection for each request, where a browser keeps some open for
//! the next. It does not speak `https`, which is the same protocol inside an encrypted stream.

use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use socket2::{Domain, Protocol, Socket, Type};

use crate::answer::Answer;
use crate::resolve;
use crate::url::Url;

/// How often the client lets itself be sent elsewhere.
const MOST_REDIRECTS: usize = 5;
/// How long a read or a write may wait for the server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Gets `url` and prints the body of the answer; of several, after redirects, the last one's.
///
/// # Errors
/// Fails if no server can be reached, if the answer is not HTTP or is cut short, if its status is
/// 400 or more, or if it sends the client on too often.
pub fn run(url: Url) -> Result<()> {
    let mut place = url.clone();
    for _ in 0..=MOST_REDIRECTS {
        let stream = connect(&place.address())?;
        // The connection is used for reading and, through the reader, for writing.
        let mut input = BufReader::new(&stream);
        send_request(&stream, &place, &url).with_context(|| format!("send a request to {place}"))?;
        let answer = Answer::read(&mut input).with_context(|| format!("get {place}"))?;
        let Some(location) = answer.redirect() else {
            return print(&answer, &mut input).with_context(|| format!("get {place}"));
        };
        let next = place.join(location).map_err(|mistake| anyhow!("redirect: {mistake}"));
        place = next.with_context(|| format!("get {place}"))?;
    }
    bail!("get {url}: more than {MOST_REDIRECTS} redirects")
}

/// Connects to the first address of `HOST:PORT` that answers: a server need not listen on all.
fn connect(address: &str) -> Result<TcpStream> {
    let mut failure = anyhow!("resolve {address:?}: the name has no address");
    for candidate in resolve(address)? {
        // A socket whose connect has failed is of no further use: each attempt gets a new one.
        let domain = Domain::for_address(candidate);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))
            .context("create a stream socket")?;
        match socket.connect(&candidate.into()) {
            Ok(()) => return Ok(socket.into()),
            Err(error) => failure = anyhow!(error).context(format!("connect to {candidate}")),
        }
    }
    Err(failure)
}

/// Sends the request in one write. It has no body, so its head is all of it.
fn send_request(mut stream: &TcpStream, url: &Url, first: &Url) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (target, host) = (url.target(), first.authority());
    // Without `Connection: close` the server would keep the connection for a request that we will
    // never send. The sending half stays open all the same: some servers take a client that has
    // finished sending for one that has gone away.
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())
}

/// Prints the body. Of an error too: it is meant to be read.
fn print(answer: &Answer, input: &mut BufReader<&TcpStream>) -> Result<()> {
    let outcome = answer.copy_body(input, &mut io::stdout().lock());
    if answer.status < 400 {
        return outcome;
    }
    // If the body failed as well, the one line says both.
    match outcome {
        Ok(()) => bail!("{}", answer.status_line),
        Err(error) => Err(error.context(answer.status_line.clone())),
    }
}
