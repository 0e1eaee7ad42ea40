//! From a request's target to names below the folder.
//!
//! The order of the steps is the lesson: first cut the query off, then decode, then split at the
//! slashes, then look for `..`. Decoding after the look would let `%2e%2e` through; cutting the
//! query after decoding would cut a file's name at its `%3F`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::message::is_host;

/// Where a target points to, below the folder that is served.
#[derive(Debug)]
pub struct TargetPath {
    /// The names on the way, none of them empty, `.` or `..`, none with a slash in it.
    pub names: Vec<Vec<u8>>,
    /// Whether it ends with a slash, and so means a folder.
    pub is_folder: bool,
}

impl TargetPath {
    /// The names as the file system takes them.
    pub fn os_names(&self) -> impl Iterator<Item = OsString> {
        self.names.iter().cloned().map(OsString::from_vec)
    }

    /// The same target with a slash at its end, encoded for a `Location` field. It is made of the
    /// names: given back as it came, `//example.org` would lead to another server.
    pub fn with_slash(&self) -> String {
        let mut location = String::from("/");
        for name in &self.names {
            for byte in name {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                    location.push(char::from(*byte));
                } else {
                    location.push_str(&format!("%{byte:02X}"));
                }
            }
            location.push('/');
        }
        location
    }
}

/// Reads a target; `None` if it is malformed or leads upwards.
pub fn path(target: &[u8]) -> Option<TargetPath> {
    let target = origin_form(target)?;
    let question = target.iter().position(|byte| *byte == b'?');
    let decoded = decode(&target[..question.unwrap_or(target.len())])?;
    // The system calls take a path up to its first NUL: `secret%00.txt` would open `secret`.
    if decoded.contains(&0) {
        return None;
    }
    let segments: Vec<&[u8]> = decoded.split(|byte| *byte == b'/').collect();
    // A client resolves `..` before it asks (RFC 3986, section 5.2.4): one that has not is refused,
    // even where it would stay inside.
    if segments.iter().any(|segment| *segment == b"..") {
        return None;
    }
    let is_name = |segment: &&[u8]| !segment.is_empty() && *segment != b".";
    let is_folder = segments.last().is_none_or(|last| !is_name(last));
    let names = segments.into_iter().filter(is_name).map(<[u8]>::to_vec).collect();
    Some(TargetPath { names, is_folder })
}

/// The part of a target that begins with the path. A client that talks to a proxy sends the
/// absolute form, `http://host/path`, and every server has to take it (RFC 9112, section 3.2.2).
fn origin_form(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return Some(target);
    }
    let (scheme, rest) = target.split_at_checked(b"http://".len())?;
    if !scheme.eq_ignore_ascii_case(b"http://") {
        return Some(target);
    }
    let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    is_host(str::from_utf8(host).ok()?).then_some(path)
}

/// Replaces each `%` and its two hexadecimal digits by the byte that they stand for; `None` for a
/// `%` without them.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}
