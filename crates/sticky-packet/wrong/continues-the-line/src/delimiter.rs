//! Cure 1: a mark after each message, here a newline.
//!
//!     "hi"            68 69 0a
//!     "a\nb"          61 5c 6e 62 0a         the newline inside is sent as backslash and n
//!     "C:\"           43 3a 5c 5c 0a         a backslash is sent twice
//!
//! The idea: the mark must not occur inside a message, or one message becomes two. So a newline
//! inside is replaced by something else, an escape; and since escapes begin with a backslash, a
//! backslash itself has to be escaped too.
//!
//! What it costs: both ends look at every byte, and a message grows to up to twice its size. What
//! it gives: a person can read the stream, and type it.

use std::mem;

use crate::framing::{MAX_MESSAGE_BYTES, into_text};

/// What ends a message: a newline, 0x0A.
const DELIMITER: u8 = b'\n';
/// What begins an escape.
const ESCAPE: u8 = b'\\';

/// The message with its escapes, and the delimiter.
pub fn encode(message: &str) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + 1);
    // Byte by byte is safe: in UTF-8, every byte of a longer character is 0x80 or more.
    for byte in message.bytes() {
        match byte {
            ESCAPE => frame.extend(b"\\\\"),
            DELIMITER => frame.extend(b"\\n"),
            _ => frame.push(byte),
        }
    }
    frame.push(DELIMITER);
    frame
}

/// What is known of the message that is arriving.
#[derive(Default)]
pub struct Decoder {
    /// Its bytes so far, without escapes.
    message: Vec<u8>,
    /// Whether the last byte began an escape: a read may end between its two bytes.
    escaping: bool,
}

impl Decoder {
    /// See [`crate::framing::Decoder::next`].
    pub fn next(&mut self, arrived: &mut &[u8]) -> Result<Option<String>, String> {
        while let Some((&byte, rest)) = arrived.split_first() {
            *arrived = rest;
            let plain = match (mem::take(&mut self.escaping), byte) {
                (false, DELIMITER) => return into_text(mem::take(&mut self.message)).map(Some),
                (false, ESCAPE) => {
                    self.escaping = true;
                    continue;
                }
                (false, plain) => plain,
                (true, ESCAPE) => ESCAPE,
                (true, b'n' | DELIMITER) => DELIMITER,
                (true, other) => return Err(format!("a backslash before byte 0x{other:02x}")),
            };
            // Here and not at the delimiter: from a sender that never sends one, no more than this
            // is ever kept. What counts is the message, not its length on the wire.
            if self.message.len() == MAX_MESSAGE_BYTES {
                return Err(format!("a message of more than {MAX_MESSAGE_BYTES} bytes"));
            }
            self.message.push(plain);
        }
        Ok(None)
    }

    /// Whether a message has begun that is not complete. One that is empty so far has not begun.
    pub fn is_inside_message(&self) -> bool {
        !self.message.is_empty() || self.escaping
    }
}
