//! A server of the grader's that answers one request of `get` as well, or as badly, as a check asks
//! for.

use std::net::SocketAddr;

use grader::retell::of_silence;
use grader::wording::http_mini as words;
use grader::{Check, Connection, Finished, Listener, Program, Stop, Symptom, Verdict};

use crate::answer::{field, head_length};

/// A request that came.
pub struct Request {
    /// The request line, without its end.
    pub line: String,
    /// Names and values of the header fields.
    pub fields: Vec<(String, String)>,
    /// All of it, with the empty line.
    pub bytes: Vec<u8>,
}

/// A running `get` and its connection.
pub struct Exchange {
    /// The program.
    pub client: Program,
    /// Its connection.
    pub connection: Connection,
    /// What it asks for.
    pub request: Request,
}

impl Exchange {
    /// Starts `get` for `target` of a listener of its own, and reads its request.
    ///
    /// # Errors
    ///
    /// A failure if no request comes.
    pub fn begin(check: &mut Check, target: &str) -> Verdict<Self> {
        let mut peer = check.listen("127.0.0.1")?;
        let url = format!("http://{}{target}", peer.address());
        let client = check.start(["get", &url])?;
        Self::accept(&mut peer, &client)
    }

    /// Accepts the program's next connection, and reads its request.
    ///
    /// # Errors
    ///
    /// A failure if no request comes.
    pub fn accept(peer: &mut Listener, client: &Program) -> Verdict<Self> {
        let mut connection = peer.accept(client)?;
        let expected = words::sends_request(&client.name());
        let read = connection.read_until(&expected, head_length);
        let bytes = of_silence(read, Symptom::Named("no-request"))?;
        if head_length(&bytes).is_none() {
            let got = words::ended_unanswered(false, &bytes);
            return connection.fail(Symptom::CutShort, expected, got);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let fields = lines.filter_map(field).collect();
        let request = Request { line, fields, bytes };
        Ok(Self { client: client.clone(), connection, request })
    }

    /// Sends these bytes and finishes sending.
    ///
    /// # Errors
    ///
    /// A failure if the program takes nothing.
    pub fn answer_and_close(&mut self, answer: &[u8]) -> Verdict {
        self.connection.send(answer)?;
        self.connection.finish_sending()
    }

    /// Waits until the program ends, while the connection stays as it is.
    ///
    /// # Errors
    ///
    /// A failure if it goes on.
    pub fn finish(&self) -> Verdict<Finished> {
        finish(&self.client)
    }
}

/// Waits until `client` ends. One that waits for more than it needs is told as still running,
/// whether or not it has a timeout.
///
/// # Errors
///
/// A failure if it goes on.
pub fn finish(client: &Program) -> Verdict<Finished> {
    of_silence(client.finish(), Symptom::StillRunning)
}

/// Runs `get` against a peer that sends `answer`, and closes then if it `closes`.
///
/// # Errors
///
/// A failure if no request comes, or the program goes on.
pub fn run(check: &mut Check, answer: &[u8], closes: bool) -> Verdict<Finished> {
    let mut exchange = Exchange::begin(check, "/file")?;
    exchange.connection.send(answer)?;
    if closes {
        exchange.connection.finish_sending()?;
    }
    exchange.finish()
}

/// Whether `get` takes `answer` for `body`. What it makes of a plain answer is judged in one check;
/// others that need it ask so, and leave it at that if the answer is no.
///
/// # Errors
///
/// The grader's error.
pub fn takes(check: &mut Check, answer: &[u8], body: &[u8]) -> Verdict<bool> {
    match run(check, answer, true) {
        Ok(finished) => Ok(finished.status() == Some(0) && finished.stdout() == body),
        Err(Stop::Failed(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

/// An answer of status 200 with these header lines and this body.
pub fn ok(fields: &[&str], body: &[u8]) -> Vec<u8> {
    with_status("HTTP/1.1 200 OK", fields, body)
}

/// An answer with this status line.
pub fn with_status(line: &str, fields: &[&str], body: &[u8]) -> Vec<u8> {
    let mut answer = format!("{line}\r\n").into_bytes();
    for field in fields {
        answer.extend_from_slice(field.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body);
    answer
}

/// An address on the loopback network that nobody else uses, with the port that a URL without one
/// means.
pub fn default_port(check: &mut Check) -> SocketAddr {
    let mut octet = || 1 + u8::try_from(check.random().below(250)).unwrap_or(1);
    SocketAddr::from(([127, octet(), octet(), octet()], 80))
}
