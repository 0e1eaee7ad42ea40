//! A request: read line by line, and judged. Every doubt about where it ends is a refusal.

use std::io::{self, BufRead, Read};

use crate::message::Fields;
use crate::response::Status;

/// How many bytes a head may have: request line, fields, and all line ends.
const HEAD_BYTES: u64 = 16 * 1024;

/// A request whose head is well-formed. Its body is still to be read.
#[derive(Debug)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// What is asked for, as it came.
    pub target: Vec<u8>,
    /// The header fields.
    pub fields: Fields,
    /// How many bytes of body follow the head.
    pub body_bytes: u64,
    /// Whether the client would use this connection again.
    pub keep: bool,
}

impl Request {
    /// Whether only the head of the answer is wanted.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

/// Why there is no request.
#[derive(Debug)]
pub enum Stop {
    /// The client has finished, or was silent for too long, between two requests.
    Closed,
    /// The connection broke.
    Failed(io::Error),
    /// The request is answered with `status`, and the connection ends.
    Refused { status: Status, is_head: bool },
}

/// Reads the head of the next request, and nothing behind it.
///
/// # Errors
/// [`Stop`] tells why there is none.
pub fn read(input: &mut impl BufRead) -> Result<Request, Stop> {
    let head = input.take(HEAD_BYTES);
    todo!("read the request line and the fields from these {} bytes; judge them", head.limit())
}
