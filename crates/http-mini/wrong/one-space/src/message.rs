//! What requests and answers have in common: lines, and header fields.
//!
//! Both begin with a line of their own kind; then come field lines, `Name: value`, and an empty
//! line. Each line ends with CR LF; RFC 9112, section 2.2, lets a recipient take a bare LF as well,
//! and so do we, because it makes a conversation by hand possible.

use std::io::{self, BufRead};

/// Header fields in the order in which they came.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Adds a field.
    pub fn push(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }

    /// Adds `text` to the value of the last field: an answer may have folded its line.
    pub fn extend_last(&mut self, text: &str) {
        if let Some((_, value)) = self.0.last_mut() {
            value.push(' ');
            value.push_str(text);
        }
    }

    /// The values of all fields of this name. Names have no case: `HOST` is `Host`.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The value of the field of this name, if there is exactly one.
    pub fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether a field of this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Whether `word` stands in the comma-separated lists of the fields of this name, in any case.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|item| item.eq_ignore_ascii_case(word))
    }
}

/// Reads a line into `line`, without its end; `false` if the stream, or what may be read of it,
/// ended first. What came before an error or the end is in `line`.
///
/// # Errors
/// The stream's own.
pub fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    input.read_until(b'\n', line)?;
    if line.pop_if(|last| *last == b'\n').is_none() {
        return Ok(false);
    }
    line.pop_if(|last| *last == b'\r');
    Ok(true)
}

/// Cuts a field line at its first colon into name and value. The white space around the value is no
/// part of it. `None` without a colon, or with a control character in the value.
pub fn split_field(line: &[u8]) -> Option<(&[u8], String)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let value = &line[colon + 1..];
    let value = value.strip_prefix(b" ").unwrap_or(value);
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return None;
    }
    // Beyond ASCII no encoding is promised, and none of the fields that we read has any of it.
    Some((&line[..colon], String::from_utf8_lossy(value).into_owned()))
}

/// Whether `text` is a token (RFC 9110, section 5.6.2), as methods and field names are.
pub fn is_token(text: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(fits)
}

/// Reads a number that is nothing but digits: `u64::from_str` would take a leading `+` too. A
/// number beyond 64 bits becomes the largest one.
pub fn parse_digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Whether `text` is `HOST` or `HOST:PORT` (RFC 3986, section 3.2), HOST not empty.
pub fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inner, rest)) if inner.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", rest),
        Some(_) => return false,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    !host.is_empty()
        && host.bytes().all(fits)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}
