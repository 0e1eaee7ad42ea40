//! Cure 2: a structure, here the length of each message before it.
//!
//!     "hi"            00 00 00 02   68 69
//!     ""              00 00 00 00
//!     "你好"          00 00 00 06   e4 bd a0 e5 a5 bd         bytes are counted, not characters
//!
//! The idea: who knows the length need not look for the end. The header has a fixed size and a
//! fixed order of bytes (big-endian, the network's), so that both ends read the same number.
//!
//! What it costs: the sender has to know the whole message before its first byte leaves, and one
//! wrong length shifts everything after it. What it gives: a message may contain any byte, is
//! copied in one go, and a receiver knows beforehand whether it can take it.

use std::mem;

use crate::framing::{MAX_MESSAGE_BYTES, into_text};

/// The size of the header: a `u32`.
const HEADER_BYTES: usize = 4;

/// The header and the message.
pub fn encode(message: &str) -> Vec<u8> {
    // No truncation: a message comes from the command line, which is far shorter than 4 GiB.
    let length = message.len() as u32;
    let mut frame = Vec::with_capacity(HEADER_BYTES + message.len());
    frame.extend(length.to_be_bytes());
    frame.extend(message.as_bytes());
    frame
}

/// What is known of the message that is arriving.
#[derive(Default)]
pub struct Decoder {
    /// The bytes of its header so far: a read may end inside the header, too.
    header: Vec<u8>,
    /// Its bytes so far.
    message: Vec<u8>,
}

impl Decoder {
    /// See [`crate::framing::Decoder::next`].
    pub fn next(&mut self, arrived: &mut &[u8]) -> Result<Option<String>, String> {
        if self.header.is_empty() {
            if arrived.is_empty() {
                return Ok(None);
            }
            self.header = arrived[..HEADER_BYTES].to_vec();
            *arrived = &arrived[HEADER_BYTES..];
        }
        let header = [self.header[0], self.header[1], self.header[2], self.header[3]];
        let length = u32::from_be_bytes(header);

        // The length is a stranger's claim. Whoever reserves memory by it before checking it gives
        // 4 GiB to everybody who sends four bytes.
        if length as usize > MAX_MESSAGE_BYTES {
            return Err(format!("a message of {length} bytes, more than {MAX_MESSAGE_BYTES}"));
        }

        // The memory grows with what arrives, not with what was announced.
        fill(&mut self.message, length as usize, arrived);
        if self.message.len() < length as usize {
            return Ok(None);
        }
        self.header.clear();
        into_text(mem::take(&mut self.message)).map(Some)
    }

    /// Whether a message has begun that is not complete. It begins with the first byte of its
    /// header.
    pub fn is_inside_message(&self) -> bool {
        !self.header.is_empty()
    }
}

/// Moves bytes from the front of `arrived` into `buffer` until it has `wanted` bytes, or as many as
/// there are.
fn fill(buffer: &mut Vec<u8>, wanted: usize, arrived: &mut &[u8]) {
    let count = arrived.len().min(wanted - buffer.len());
    let (taken, rest) = arrived.split_at(count);
    buffer.extend_from_slice(taken);
    *arrived = rest;
}
