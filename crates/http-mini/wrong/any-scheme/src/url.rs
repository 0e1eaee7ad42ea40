//! Where a URL leads: a host, a port, and the target to ask for there.
//!
//!     http://127.0.0.1:7000/notes/a b.txt?x=1#part
//!            └─ host ─┘└port┘└──── target ──┘└ fragment: never sent

use std::fmt;

use crate::message::is_host;

/// The port of a URL that names none.
const DEFAULT_PORT: u16 = 80;
/// The characters that have to be encoded in a target although they are printable ASCII.
const NOT_IN_TARGETS: &[u8] = b"\"<>\\^`{|}";

/// A URL of the scheme `http`.
#[derive(Debug, Clone)]
pub struct Url {
    /// A name or an address, an IPv6 address in its brackets.
    host: String,
    port: u16,
    /// Path and query, ready for a request line: it begins with a slash and has no spaces.
    target: String,
}

impl Url {
    /// Reads a URL; an error says in a line what is wrong with it.
    ///
    /// # Errors
    /// The scheme is not `http`, or host or port are malformed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((_scheme, rest)) = text.split_once("://") else {
            return Err(format!("URL {text:?} does not begin with http://"));
        };
        let rest = without_fragment(rest);
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if !is_host(authority) {
            return Err(format!("URL {text:?}: {authority:?} is not HOST or HOST:PORT"));
        }
        // The last colon, if no bracket follows it: an IPv6 address has colons of its own.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, ""),
        };
        let port = match port {
            "" => DEFAULT_PORT,
            port => port.parse().map_err(|_| format!("URL {text:?}: no port {port:?}"))?,
        };
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target = encode(&format!("{slash}{target}"));
        Ok(Self { host: host.to_string(), port, target })
    }

    /// `HOST:PORT`, to connect to.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The value of the `Host` field: the port is named unless it is the default.
    pub fn authority(&self) -> String {
        if self.port == DEFAULT_PORT { self.host.clone() } else { self.address() }
    }

    /// What to ask for in the request line.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Where `reference`, seen at this URL, leads to (RFC 3986, section 5.2).
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, reference: &str) -> Result<Self, String> {
        let reference = without_fragment(reference);
        let colon = reference.find(':').unwrap_or(usize::MAX);
        if colon < reference.find(['/', '?']).unwrap_or(usize::MAX) {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("http:{reference}"));
        }
        let path = &self.target[..self.target.find('?').unwrap_or(self.target.len())];
        let folder = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
        let target = match reference.as_bytes().first() {
            None => return Ok(self.clone()),
            Some(b'/') => reference.to_string(),
            Some(b'?') => format!("{path}{reference}"),
            Some(_) => format!("{folder}{reference}"),
        };
        Ok(Self { target: without_dots(&encode(&target)), ..self.clone() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority(), self.target)
    }
}

/// The part of a URL that a server gets to see: where in a page to look is the reader's affair.
fn without_fragment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(before, _)| before)
}

/// Encodes what must not stand in a request line. A space there would end the target, and a line
/// break would begin a header line of somebody else's choice.
fn encode(target: &str) -> String {
    let mut encoded = String::with_capacity(target.len());
    for byte in target.bytes() {
        if byte.is_ascii_graphic() && !NOT_IN_TARGETS.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Resolves `.` and `..` in the path of a target (RFC 3986, section 5.2.4).
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
        // After a dot at the very end the path still ends with a slash.
        if is_last && matches!(segment, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}{query}", kept.join("/"))
}
