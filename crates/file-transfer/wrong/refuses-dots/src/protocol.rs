//! The protocol: how a line, a request, a name and a size look on the wire, for both sides.
//!
//! The idea: a line tells how many bytes follow, then exactly these follow. Text where a person
//! wants to read along, a counted block where any byte may come. Everything in this file is about
//! a peer that one should not believe: a line has a limit, a name cannot lead anywhere, and a size
//! is digits and nothing else.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use anyhow::{Context, Result, bail};

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
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(format!("a name has 1 to {NAME_BYTES_MAX} bytes, this has {}", name.len()));
    }
    if name.contains('/') || name.contains("..") {
        return Err(format!("the name {name:?} leads out"));
    }
    // `.` and `..` are folders. Other names with a dot are ours, for what is not complete yet.
    if name.starts_with('.') {
        return Err(format!("the name {name:?} begins with a dot"));
    }
    if name.contains(char::is_control) {
        return Err(format!("the name {name:?} contains a control character"));
    }
    Ok(())
}

/// Reads a number from decimal digits. `str::parse` alone would take a leading `+` as well.
/// `None` too from 2^63 on: no file is that long, since its length is kept with a sign (`off_t`).
pub fn parse_number(text: &str) -> Option<u64> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| digits_only && number <= i64::MAX as u64)
}

/// Reads a line and takes its newline away; `None` when the stream ends before the first byte.
///
/// # Errors
/// Fails if reading does, if the stream ends inside the line, or if the line is longer than 4,096
/// bytes or not UTF-8.
pub fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    // The line may come in any number of segments, and what follows it in the same one: this takes
    // up to the newline and leaves the rest in the reader. `take` makes a line without end end.
    reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop_if(|last| *last == b'\n').is_none() {
        return Err(if line.len() as u64 == LINE_BYTES_MAX {
            io::Error::new(ErrorKind::InvalidData, "a line is longer than 4096 bytes")
        } else {
            io::Error::new(ErrorKind::UnexpectedEof, "the stream ended inside a line")
        });
    }
    let line = String::from_utf8(line)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "a line is not UTF-8"))?;
    Ok(Some(line))
}

/// Sends a line.
///
/// # Errors
/// Fails if the peer has gone.
pub fn send_line(stream: &mut impl Write, line: &str) -> io::Result<()> {
    // In one write: `writeln!` would make a small packet of each of its pieces.
    stream.write_all(format!("{line}\n").as_bytes())
}

/// Reads an answer that is `OK` alone.
///
/// # Errors
/// Fails if it is anything else; an `ERR` with the server's own words.
pub fn expect_ok(reader: &mut impl BufRead) -> Result<()> {
    let line = read_answer(reader)?;
    let rest = accept_answer(&line)?;
    if !rest.is_empty() {
        bail!("the server answered {line:?} instead of OK");
    }
    Ok(())
}

/// Reads an answer that is `OK` and a number: how many bytes, or lines, follow.
///
/// # Errors
/// Fails if it is anything else; an `ERR` with the server's own words.
pub fn expect_number(reader: &mut impl BufRead) -> Result<u64> {
    let line = read_answer(reader)?;
    let rest = accept_answer(&line)?;
    let number = rest.strip_prefix(' ').and_then(parse_number);
    number.with_context(|| format!("the server answered {line:?} instead of OK and a number"))
}

fn read_answer(reader: &mut impl BufRead) -> Result<String> {
    let line = read_line(reader).context("read the answer")?;
    line.context("the server closed without an answer")
}

/// What follows the `OK` of an answer.
///
/// # Errors
/// `ERR` becomes an error with its reason, word for word; so does a line that is neither.
pub fn accept_answer(line: &str) -> Result<&str> {
    if let Some(rest) = line.strip_prefix("OK") {
        return Ok(rest);
    }
    match line.strip_prefix("ERR") {
        Some(reason) => bail!("the server refused:{reason}"),
        None => bail!("the server answered {line:?} instead of OK or ERR"),
    }
}
