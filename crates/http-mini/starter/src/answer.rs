//! What a server answered: the head, parsed, and a body that ends where the head says.

use std::io::{BufRead, Read, Write};

use anyhow::Result;

use crate::message::Fields;

/// How many bytes a head may have.
const HEAD_BYTES: u64 = 64 * 1024;

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

impl Answer {
    /// Reads the head of the answer. Interim answers (1xx) are skipped.
    ///
    /// # Errors
    /// Fails if the connection breaks or what comes is not HTTP.
    pub fn read(input: &mut impl BufRead) -> Result<Self> {
        let head = input.take(HEAD_BYTES);
        todo!("status line and fields from these {} bytes", head.limit())
    }

    /// Copies the body to `output`. Who says where it ends?
    ///
    /// # Errors
    /// Fails if the body is cut short or malformed, or if `output` takes no more.
    pub fn copy_body<R: BufRead>(&self, input: &mut R, output: &mut impl Write) -> Result<()> {
        let buffered = input.fill_buf()?.len();
        output.flush()?;
        todo!("{self:?}: status, chunks, length, or the close; {buffered} bytes have come already")
    }
}
