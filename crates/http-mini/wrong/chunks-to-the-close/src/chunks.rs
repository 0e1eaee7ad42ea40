//! A body that comes in chunks, read as if it came in one piece.
//!
//!     5;note=x␍␊      the size, hexadecimal; what follows a semicolon is an extension
//!     hello␍␊         so many bytes, and a line end that is not among them
//!     0␍␊             a chunk of size 0 is the last
//!     Expires: 0␍␊    trailer fields may follow
//!     ␍␊              and an empty line ends it
//!
//! The server can begin before it knows how much it will send, and the client still knows at the
//! end that everything came.

use std::io::{self, BufRead, Read};

use crate::message::read_line;

/// How many bytes the line before a chunk, or all trailer fields together, may have.
const LINE_BYTES: u64 = 64 * 1024;

/// The body inside a chunked stream.
#[derive(Debug)]
pub struct Chunks<'a, R> {
    input: &'a mut R,
    state: State,
}

/// Where in the stream we are.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Before a chunk's size.
    Size,
    /// Inside a chunk, so many bytes before its end.
    Data(u64),
    /// Behind everything.
    Over,
}

impl<'a, R: BufRead> Chunks<'a, R> {
    /// The body that begins where `input` stands.
    pub fn new(input: &'a mut R) -> Self {
        Self { input, state: State::Size }
    }

    /// Reads the line before a chunk; behind the last chunk, the trailer too.
    fn read_size(&mut self) -> io::Result<State> {
        let mut line = Vec::new();
        next_line(&mut self.input.take(LINE_BYTES), &mut line)?;
        let size = parse_size(&line).ok_or_else(|| malformed("a chunk without its size"))?;
        if size > 0 {
            return Ok(State::Data(size));
        }
        let mut trailer = self.input.take(LINE_BYTES);
        while !line.is_empty() {
            next_line(&mut trailer, &mut line)?;
        }
        io::copy(self.input, &mut io::sink())?;
        Ok(State::Over)
    }
}

impl<R: BufRead> Read for Chunks<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if matches!(self.state, State::Size) {
            self.state = self.read_size()?;
        }
        let State::Data(left) = self.state else { return Ok(0) };
        let count = self.input.take(left).read(buffer)?;
        if count == 0 {
            return Err(cut_short());
        }
        self.state = State::Data(left - count as u64);
        if count as u64 == left {
            let mut line = Vec::new();
            next_line(&mut self.input.take(2), &mut line)?;
            if !line.is_empty() {
                return Err(malformed("a chunk longer than its size"));
            }
            self.state = State::Size;
        }
        Ok(count)
    }
}

/// The size that a chunk's line tells, in bytes. `from_str_radix` alone would take a sign.
fn parse_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    if read_line(input, line)? { Ok(()) } else { Err(cut_short()) }
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the body is cut short, or has a line too long")
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what}"))
}
