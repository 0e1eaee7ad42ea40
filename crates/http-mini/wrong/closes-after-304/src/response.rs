//! An answer: a status line, header fields, an empty line, and a body whose length they tell.
//!
//!     HTTP/1.1 200 OK␍␊
//!     Date: Sun, 22 Nov 2026 12:00:00 GMT␍␊
//!     Content-Type: text/plain; charset=utf-8␍␊
//!     Content-Length: 6␍␊
//!     ␍␊
//!     hello␊

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

/// How much of a file is sent in one call.
const BUFFER_BYTES: usize = 128 * 1024;

/// A status: its number, which programs read, and its phrase, which people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u16, &'static str);

pub const OK: Status = Status(200, "OK");
pub const PARTIAL_CONTENT: Status = Status(206, "Partial Content");
const MOVED_PERMANENTLY: Status = Status(301, "Moved Permanently");
pub const NOT_MODIFIED: Status = Status(304, "Not Modified");
pub const BAD_REQUEST: Status = Status(400, "Bad Request");
pub const NOT_FOUND: Status = Status(404, "Not Found");
pub const METHOD_NOT_ALLOWED: Status = Status(405, "Method Not Allowed");
pub const REQUEST_TIMEOUT: Status = Status(408, "Request Timeout");
pub const CONTENT_TOO_LARGE: Status = Status(413, "Content Too Large");
pub const RANGE_NOT_SATISFIABLE: Status = Status(416, "Range Not Satisfiable");
pub const TOO_LARGE_HEADER_FIELDS: Status = Status(431, "Request Header Fields Too Large");
pub const INTERNAL_ERROR: Status = Status(500, "Internal Server Error");
pub const NOT_IMPLEMENTED: Status = Status(501, "Not Implemented");
pub const VERSION_NOT_SUPPORTED: Status = Status(505, "HTTP Version Not Supported");

/// The first second after the year 9999, which no HTTP date can tell, since 1970.
const END_OF_DATES: Duration = Duration::from_secs(253_402_300_800);

/// What follows the head.
#[derive(Debug)]
pub enum Body {
    /// Nothing, and no Content-Length: the status says that there is no body.
    Nothing,
    /// A few words.
    Text(String),
    /// `length` bytes of the file, from where it stands.
    File { file: File, length: u64 },
}

/// An answer that is ready to be sent.
#[derive(Debug)]
pub struct Response {
    status: Status,
    fields: Vec<(&'static str, String)>,
    body: Body,
}

impl Response {
    /// An answer with the fields that every one has.
    pub fn new(status: Status, body: Body) -> Self {
        let mut response = Self { status, fields: Vec::new(), body };
        response = response.with_some("Date", http_date(SystemTime::now()));
        let length = match &response.body {
            Body::Nothing => return response,
            Body::Text(text) => text.len() as u64,
            Body::File { length, .. } => *length,
        };
        response.with("Content-Length", &length.to_string())
    }

    /// An answer whose body is its status.
    pub fn error(status: Status) -> Self {
        let text = format!("{} {}\n", status.0, status.1);
        Self::new(status, Body::Text(text)).with("Content-Type", "text/plain; charset=utf-8")
    }

    /// An answer that sends the client to `location`.
    pub fn moved(location: &str) -> Self {
        Self::error(MOVED_PERMANENTLY).with("Location", location)
    }

    /// The same answer with one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }

    /// The same answer with one more field, if there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with(name, &value),
            None => self,
        }
    }

    /// Sends the answer; to a HEAD request the same head and no body. `keep` says whether the
    /// connection goes on, and the client is told if not.
    ///
    /// # Errors
    /// Fails if the client is gone, or if the file became shorter meanwhile: then the client has
    /// been promised bytes that do not exist, and only the end of the connection tells it so.
    pub fn send(self, mut stream: &TcpStream, is_head: bool, keep: bool) -> io::Result<()> {
        // Nothing was sent, so there is nothing to go on with.
        let is_over = matches!(self.status, NOT_MODIFIED | RANGE_NOT_SATISFIABLE);
        let keep = keep && !is_over;
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status.0, self.status.1);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !keep {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        match self.body {
            // One write, one segment.
            Body::Text(text) if !is_head => head.push_str(&text),
            Body::File { file, length } if !is_head => {
                // Head and body through one buffer: the head shares its segment with the beginning
                // of the body, and the rest goes out in large pieces, which `io::copy` fills from
                // the file. (Linux's sendfile would spare the copy: see
                // `socket2::Socket::sendfile`.)
                let whole = head.len() as u64 + length;
                let mut source = head.as_bytes().chain(file.take(length));
                let mut output = BufWriter::with_capacity(BUFFER_BYTES, stream);
                if io::copy(&mut source, &mut output)? < whole {
                    return Err(io::Error::other("the file became shorter while it was sent"));
                }
                output.flush()?;
                return Ok(());
            }
            _ => {}
        }
        stream.write_all(head.as_bytes())?;
        if is_over { stream.shutdown(std::net::Shutdown::Write) } else { Ok(()) }
    }
}

/// `time` as in `Sun, 22 Nov 2026 12:00:00 GMT`; `None` if no HTTP date can tell it (`httpdate`
/// would panic before 1970 and after 9999).
pub fn http_date(time: SystemTime) -> Option<String> {
    let age = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (age < END_OF_DATES).then(|| httpdate::fmt_http_date(time))
}
