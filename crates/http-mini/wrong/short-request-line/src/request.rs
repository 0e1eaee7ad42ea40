//! A request: read line by line, and judged as soon as there is something to judge.
//!
//!     GET /notes.txt HTTP/1.1␍␊       the request line: method, target, version
//!     Host: 127.0.0.1:7000␍␊          header fields
//!     Content-Length: 5␍␊
//!     ␍␊                              an empty line ends the head
//!     hello                           the body: as many bytes as Content-Length says
//!
//! A server that guesses what a malformed request means guesses differently from the proxy in front
//! of it, and an attacker hides a second request in the difference. So every doubt about where a
//! request ends is a refusal, and the end of the connection.

use std::io::{self, BufRead, Read};

use crate::message::{Fields, is_host, is_token, parse_digits, read_line, split_field};
use crate::response::{
    BAD_REQUEST, CONTENT_TOO_LARGE, NOT_IMPLEMENTED, REQUEST_TIMEOUT, Status,
    TOO_LARGE_HEADER_FIELDS, VERSION_NOT_SUPPORTED,
};

/// How many bytes a head may have: request line, fields, and all line ends.
const HEAD_BYTES: u64 = 16 * 1024;

/// How many bytes of it are the request line's.
const REQUEST_LINE_BYTES: usize = 4096;

/// A request whose head is well-formed. Its body is still to be read.
#[derive(Debug)]
pub struct Request {
    /// The method, such as `GET`. Methods do have a case.
    pub method: String,
    /// What is asked for, as it came.
    pub target: Vec<u8>,
    /// The header fields.
    pub fields: Fields,
    /// How many bytes of body follow the head.
    pub body_bytes: u64,
    /// Whether the client would use this connection again.
    pub keep: bool,
}

impl Request {
    /// Whether only the head of the answer is wanted.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

/// Why there is no request.
#[derive(Debug)]
pub enum Stop {
    /// The client has finished, or was silent for too long, between two requests.
    Closed,
    /// The connection broke.
    Failed(io::Error),
    /// The request is answered with `status`, and the connection ends.
    Refused { status: Status, is_head: bool },
}

/// Reads the head of the next request.
///
/// # Errors
/// [`Stop`] tells why there is none.
pub fn read(input: &mut impl BufRead) -> Result<Request, Stop> {
    let mut first_line = Vec::new();
    // A read may take in more than this head; the rest stays in `input` for the next one.
    let mut head = input.take(HEAD_BYTES);
    // Some clients send an empty line too many after a body (RFC 9112, section 2.2).
    let mut outcome = Ok(());
    while outcome.is_ok() && first_line.is_empty() {
        outcome = next_line(&mut head, &mut first_line);
    }
    if first_line.is_empty() && !matches!(outcome, Err(Trouble::Failed(_))) {
        return Err(Stop::Closed);
    }
    if first_line.len() > REQUEST_LINE_BYTES {
        outcome = Err(TOO_LARGE_HEADER_FIELDS.into());
    }
    outcome.and_then(|()| read_rest(&mut head, &first_line)).map_err(|trouble| match trouble {
        Trouble::Failed(error) => Stop::Failed(error),
        // The answer to HEAD has no body even if it is a refusal.
        Trouble::Refused(status) => {
            Stop::Refused { status, is_head: first_line.starts_with(b"HEAD ") }
        }
    })
}

/// What can be wrong with one line of the head.
enum Trouble {
    Failed(io::Error),
    Refused(Status),
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// Reads the next line of the head into `line`.
fn next_line<R: BufRead>(head: &mut io::Take<R>, line: &mut Vec<u8>) -> Result<(), Trouble> {
    match read_line(head, line) {
        Ok(true) => Ok(()),
        Ok(false) if head.limit() == 0 => Err(TOO_LARGE_HEADER_FIELDS.into()),
        // The client finished in the middle of a head.
        Ok(false) => Err(BAD_REQUEST.into()),
        // What a read reports when the socket's timeout is over, on Linux and elsewhere.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            Err(REQUEST_TIMEOUT.into())
        }
        Err(error) => Err(Trouble::Failed(error)),
    }
}

/// Judges the request line before anything else is read, then reads the fields and judges them.
fn read_rest<R: BufRead>(head: &mut io::Take<R>, first_line: &[u8]) -> Result<Request, Trouble> {
    let (method, target, minor_version) = parse_request_line(first_line)?;
    let mut fields = Fields::default();
    let mut line = Vec::new();
    loop {
        next_line(head, &mut line)?;
        if line.is_empty() {
            break;
        }
        // A name is a token, so white space before it (a folded line) or after it is refused here.
        let field = split_field(&line).filter(|(name, _)| is_token(name));
        let (name, value) = field.ok_or(BAD_REQUEST)?;
        fields.push(String::from_utf8_lossy(name).into_owned(), value);
    }
    judge_host(&fields, minor_version)?;
    let body_bytes = judge_body(&fields)?;
    // HTTP/1.1 connections persist unless somebody says otherwise, 1.0's did not.
    let keep = minor_version >= b'1' && !fields.lists("connection", "close");
    Ok(Request { method, target, fields, body_bytes, keep })
}

/// `METHOD TARGET HTTP/1.x`, with one space between: method, target, and the digit x.
fn parse_request_line(line: &[u8]) -> Result<(String, Vec<u8>, u8), Status> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else { return Err(BAD_REQUEST) };
    let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] = *version else {
        return Err(BAD_REQUEST);
    };
    let is_target = !target.is_empty() && !target.iter().any(u8::is_ascii_control);
    if !is_token(method) || !is_target || !major.is_ascii_digit() || !minor.is_ascii_digit() {
        return Err(BAD_REQUEST);
    }
    if major != b'1' {
        return Err(VERSION_NOT_SUPPORTED);
    }
    Ok((String::from_utf8_lossy(method).into_owned(), target.to_vec(), minor))
}

/// One machine may serve many names, so HTTP/1.1 demands to hear which (RFC 9112, section 3.2).
fn judge_host(fields: &Fields, minor_version: u8) -> Result<(), Status> {
    match fields.only("host") {
        Some(host) if is_host(host) => Ok(()),
        None if minor_version == b'0' && !fields.has("host") => Ok(()),
        _ => Err(BAD_REQUEST),
    }
}

/// How many bytes of body follow.
fn judge_body(fields: &Fields) -> Result<u64, Status> {
    if fields.has("transfer-encoding") {
        return Err(NOT_IMPLEMENTED);
    }
    let mut length = None;
    for value in fields.all("content-length") {
        let value = parse_digits(value).ok_or(BAD_REQUEST)?;
        if length.is_some_and(|earlier| earlier != value) {
            return Err(BAD_REQUEST);
        }
        length = Some(value);
    }
    match length {
        Some(u64::MAX) => Err(CONTENT_TOO_LARGE),
        length => Ok(length.unwrap_or(0)),
    }
}
