//! The protocol: how a line, a request, a name and a size look on the wire, for both sides.
//!
//! A line tells how many bytes follow, then exactly these follow. Believe nothing that a peer
//! sends: a line has a limit, a name cannot lead anywhere, and a size is digits and nothing else.

use std::io::{self, BufRead, Write};

use anyhow::{Context, Result};

/// How long a line may be, with its newline: without a limit a peer could fill the memory.
const LINE_BYTES_MAX: u64 = 4096;
/// How long a name may be. Most file systems take no longer one.
const NAME_BYTES_MAX: usize = 255;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Send the file `name`.
    Get { name: &'a str },
    /// Store the `size` bytes that follow as `name`.
    Put { size: u64, name: &'a str },
    /// Tell the name and the size of each file.
    List,
}

/// Reads a request from its line, which comes without its newline.
///
/// # Errors
/// Says what is wrong with it: an unknown request, a bad size or a bad name.
pub fn parse_request(line: &str) -> Result<Request<'_>, String> {
    if line == "LIST" {
        return Ok(Request::List);
    }
    if let Some(name) = line.strip_prefix("GET ") {
        check_name(name)?;
        return Ok(Request::Get { name });
    }
    if let Some(rest) = line.strip_prefix("PUT ") {
        // The size ends at the first space; all after it is the name, further spaces included.
        let (size, name) = rest.split_once(' ').ok_or("PUT takes a size and a name")?;
        let size = parse_number(size).ok_or("the size is no number, or too large a one")?;
        check_name(name)?;
        return Ok(Request::Put { size, name });
    }
    Err("unknown request: it is GET NAME, PUT SIZE NAME or LIST".to_string())
}

/// Whether `name` is a plain file name, which can only mean an entry of the folder it is looked up
/// in: not the folder above, not a folder below, and no line of its own in a listing.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    todo!("refuse {name:?} unless it has 1 to {NAME_BYTES_MAX} bytes and is a plain file name")
}

/// Reads a number from decimal digits; `None` if it is anything else, or does not fit.
pub fn parse_number(text: &str) -> Option<u64> {
    todo!("parse {text:?}; digits only")
}

/// Reads a line and takes its newline away; `None` when the stream ends before the first byte.
///
/// # Errors
/// Fails if reading does, if the stream ends inside the line, or if the line is longer than 4,096
/// bytes or not UTF-8.
pub fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let reader: &mut dyn BufRead = reader;
    todo!("read up to the newline, at most {LINE_BYTES_MAX} bytes, from {:p}", reader)
}

/// Sends a line.
///
/// # Errors
/// Fails if the peer has gone.
pub fn send_line(stream: &mut impl Write, line: &str) -> io::Result<()> {
    let stream: &mut dyn Write = stream;
    todo!("write {line:?} and a newline to {:p}", stream)
}

/// Reads an answer that is `OK` and a number: how many bytes, or lines, follow.
///
/// # Errors
/// Fails if it is anything else; an `ERR` with its reason, word for word.
pub fn expect_number(reader: &mut impl BufRead) -> Result<u64> {
    let line = read_line(reader)?.context("the server closed without an answer")?;
    match line.strip_prefix("OK ").and_then(parse_number) {
        Some(number) => Ok(number),
        None => todo!("return an error: {line:?} is `ERR` and a reason, or nonsense"),
    }
}
