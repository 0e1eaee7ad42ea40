//! What a server answered: the head, parsed, and a body that ends where the head says.
//!
//! The one question that a client must get right is who says where the body ends: the status (204
//! and 304 have none), the chunks, Content-Length, or the end of the connection, in this order (RFC
//! 9112, section 6.3). Only the first three can tell a complete body from a broken connection.

use std::io::{self, BufRead, Read, Write};

use anyhow::{Context, Result, bail};

use crate::chunks::Chunks;
use crate::message::{Fields, parse_digits, read_line, split_field};

/// How many bytes a head may have.
const HEAD_BYTES: u64 = 64 * 1024;
/// How many interim answers (1xx) may come before the answer.
const MOST_INTERIM: usize = 100;

/// The head of an answer.
#[derive(Debug)]
pub struct Answer {
    /// The number in the status line.
    pub status: u16,
    /// The whole status line.
    pub status_line: String,
    /// The header fields.
    pub fields: Fields,
}

/// How the end of a body is told.
enum End {
    Length(u64),
    Chunks,
    Close,
}

impl Answer {
    /// Reads the head of the answer. Interim answers, such as `100 Continue`, are skipped.
    ///
    /// # Errors
    /// Fails if the connection breaks or what comes is not HTTP.
    pub fn read(input: &mut impl BufRead) -> Result<Self> {
        for _ in 0..=MOST_INTERIM {
            let answer = Self::read_head(&mut input.take(HEAD_BYTES))?;
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
        bail!("more than {MOST_INTERIM} interim answers")
    }

    fn read_head(head: &mut impl BufRead) -> Result<Self> {
        let mut line = Vec::new();
        next_line(head, &mut line).context("read the status line")?;
        let Some(status) = parse_status(&line) else {
            bail!("not HTTP: the answer begins with {:?}", beginning(&line));
        };
        let status_line = String::from_utf8_lossy(&line).into_owned();
        let mut fields = Fields::default();
        loop {
            next_line(head, &mut line).context("read the header")?;
            match line.first() {
                None => return Ok(Self { status, status_line, fields }),
                // A folded line goes on with the value of the one before. Forbidden by now, but a
                // client is asked to bear it (RFC 9112, section 5.2).
                Some(b' ' | b'\t') => fields.extend_last(String::from_utf8_lossy(&line).trim()),
                Some(_) => match split_field(&line) {
                    Some((name, value)) => {
                        fields.push(String::from_utf8_lossy(name.trim_ascii()).into(), value);
                    }
                    None => bail!("not HTTP: the header line {:?}", beginning(&line)),
                },
            }
        }
    }

    /// Where the client is sent, if it is.
    pub fn redirect(&self) -> Option<&str> {
        let moved = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        self.fields.only("location").filter(|_| moved)
    }

    /// Copies the body to `output`.
    ///
    /// # Errors
    /// Fails if the body is cut short or malformed, or if `output` takes no more.
    pub fn copy_body(&self, input: &mut impl BufRead, output: &mut impl Write) -> Result<()> {
        match self.end()? {
            End::Length(length) => {
                let count = io::copy(&mut input.take(length), output).context("copy the body")?;
                if count < length {
                    bail!("the body is cut short: {count} of {length} bytes came");
                }
            }
            End::Chunks => {
                io::copy(&mut Chunks::new(input), output).context("copy the body")?;
            }
            End::Close => {
                // Whatever ends the connection ends the body.
                let _ = io::copy(input, output);
            }
        }
        output.flush().context("write to stdout")
    }

    fn end(&self) -> Result<End> {
        if matches!(self.status, 204 | 304) {
            return Ok(End::Length(0));
        }
        // Chunks overrule a length: a proxy may have put them in its place.
        let mut codings = self.fields.all("transfer-encoding");
        if let Some(coding) = codings.next() {
            if !coding.eq_ignore_ascii_case("chunked") || codings.next().is_some() {
                bail!("unknown Transfer-Encoding {coding:?}");
            }
            return Ok(End::Chunks);
        }
        let mut length = None;
        // A list of equal lengths is a length that was repeated on the way.
        for text in self.fields.all("content-length").flat_map(|value| value.split(',')) {
            match parse_digits(text.trim()) {
                Some(value) if length.is_none_or(|earlier| earlier == value) => {
                    length = Some(value);
                }
                _ => bail!("not HTTP: the Content-Length {text:?}"),
            }
        }
        Ok(length.map_or(End::Close, End::Length))
    }
}

/// The number in a status line, `HTTP/1.1 200 OK`. The phrase may be missing.
fn parse_status(line: &[u8]) -> Option<u16> {
    let text = line.strip_prefix(b"HTTP/1.")?;
    let [minor, b' ', status @ ..] = text else { return None };
    let (status, phrase) = status.split_at_checked(3)?;
    let is_phrase = phrase.is_empty() || phrase.starts_with(b" ");
    if !minor.is_ascii_digit() || !is_phrase || line.iter().any(u8::is_ascii_control) {
        return None;
    }
    let status = parse_digits(str::from_utf8(status).ok()?)?;
    u16::try_from(status).ok().filter(|status| *status >= 100)
}

/// Reads the next line; the end of the stream is an error here, and so is a line without end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    if read_line(input, line)? {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer ended, or is too long, here"))
}

/// As much of a line as fits into a message.
fn beginning(line: &[u8]) -> String {
    String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned()
}
