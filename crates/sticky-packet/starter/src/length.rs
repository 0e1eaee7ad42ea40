//! Cure 2: a structure, here the length of each message before it.
//!
//!     "hi"            00 00 00 02   68 69
//!     ""              00 00 00 00
//!     "你好"          00 00 00 06   e4 bd a0 e5 a5 bd         bytes are counted, not characters

use crate::framing::MAX_MESSAGE_BYTES;

/// The size of the header: a `u32`.
const HEADER_BYTES: usize = 4;

/// The header and the message.
pub fn encode(message: &str) -> Vec<u8> {
    todo!("{HEADER_BYTES} bytes, big-endian: the length of {message:?} in bytes; then the message")
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
        todo!(
            "fill the header {:?} up to {HEADER_BYTES} bytes from {arrived:?}; an error if it says \
             more than {MAX_MESSAGE_BYTES}; then fill {:?} up to that length, which is a message, \
             or an error if it is not UTF-8",
            self.header,
            self.message
        )
    }

    /// Whether a message has begun that is not complete.
    pub fn is_inside_message(&self) -> bool {
        todo!("true if anything came since the last message was complete")
    }
}
