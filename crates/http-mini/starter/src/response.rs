//! An answer: a status line, header fields, an empty line, and a body whose length they tell.

use std::fs::File;
use std::io;
use std::net::TcpStream;

/// A status: its number and its phrase. Add those that you need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16, pub &'static str);

pub const OK: Status = Status(200, "OK");
pub const NOT_FOUND: Status = Status(404, "Not Found");

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
    pub status: Status,
    pub fields: Vec<(&'static str, String)>,
    pub body: Body,
}

impl Response {
    /// An answer whose body is its status.
    pub fn error(status: Status) -> Self {
        todo!("an answer with {status:?}: which fields has every answer?")
    }

    /// Sends the answer; to a HEAD request the same head and no body. `keep` says whether the
    /// connection goes on, and the client is told if not.
    ///
    /// # Errors
    /// Fails if the client is gone, or if the file became shorter meanwhile.
    pub fn send(self, stream: &TcpStream, is_head: bool, keep: bool) -> io::Result<()> {
        todo!("send {self:?} on {stream:?}; is_head: {is_head}, keep: {keep}; io::copy for files")
    }
}
