//! Where a URL leads: a host, a port, and the target to ask for there.

/// A URL of the scheme `http`.
#[derive(Debug, Clone)]
pub struct Url {
    /// A name or an address, an IPv6 address in its brackets.
    pub host: String,
    /// The port, 80 if none is named.
    pub port: u16,
    /// Path and query, ready for a request line: it begins with a slash and has no spaces.
    pub target: String,
}

impl Url {
    /// Reads a URL; an error says in a line what is wrong with it.
    ///
    /// # Errors
    /// The scheme is not `http`, or host or port are malformed.
    pub fn parse(text: &str) -> Result<Self, String> {
        todo!("scheme, host, port, target; no fragment: {text:?}")
    }

    /// Where `reference`, seen at this URL, leads to (RFC 3986, section 5.2; stretch).
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, reference: &str) -> Result<Self, String> {
        todo!("{reference:?}, absolute or relative, seen at {self:?}")
    }
}
