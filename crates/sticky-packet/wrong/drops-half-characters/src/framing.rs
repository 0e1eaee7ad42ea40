//! Framing: how a receiver can tell where one message ends and the next begins.
//!
//! The idea: TCP carries bytes, not the writes that brought them. The two ends run at different
//! speeds and the kernels cut the stream as suits them, so one read may return half a message, or
//! ten. Whoever wants messages has to put their boundaries into the bytes, and the receiver has to
//! find them there, whatever the cuts. So a decoder is fed with what each read returned, and keeps
//! what it does not understand yet for the next time.
//!
//! What it leaves out: we assume that a receiver which has lost its place in the stream can only
//! give up. A protocol for a noisy line would have marks by which to find it again.

use std::str::FromStr;

use crate::{delimiter, length};

/// The longest message in bytes, before any escaping. Without a limit, a sender that never ends its
/// message fills the receiver's memory.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// What marks the messages in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Nothing does.
    None,
    /// Nothing does, but the sender waits between messages.
    Delay,
    /// A newline after each message.
    Delimiter,
    /// The length of each message before it.
    Length,
}

impl FromStr for Framing {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "none" => Ok(Self::None),
            "delay" => Ok(Self::Delay),
            "delimiter" => Ok(Self::Delimiter),
            "length" => Ok(Self::Length),
            _ => Err(format!("unknown framing {name:?}: it is none, delay, delimiter or length")),
        }
    }
}

impl Framing {
    /// The bytes that stand for `message` in the stream.
    pub fn encode(self, message: &str) -> Vec<u8> {
        match self {
            Self::None | Self::Delay => message.as_bytes().to_vec(),
            Self::Delimiter => delimiter::encode(message),
            Self::Length => length::encode(message),
        }
    }
}

/// Finds the messages in what one sender sends.
pub enum Decoder {
    /// Whatever a read returned is taken for a message.
    Unframed,
    /// See `delimiter.rs`.
    Delimiter(delimiter::Decoder),
    /// See `length.rs`.
    Length(length::Decoder),
}

impl Decoder {
    /// A decoder for a new connection.
    pub fn new(framing: Framing) -> Self {
        match framing {
            // A pause leaves no trace in the stream: there is nothing to look for.
            Framing::None | Framing::Delay => Self::Unframed,
            Framing::Delimiter => Self::Delimiter(delimiter::Decoder::default()),
            Framing::Length => Self::Length(length::Decoder::default()),
        }
    }

    /// Takes bytes from the front of `arrived` until a message is complete, and returns it; `None`
    /// when all bytes are taken and the message goes on.
    ///
    /// # Errors
    /// The bytes break the framing; the error says how. Nothing after them can be understood.
    pub fn next(&mut self, arrived: &mut &[u8]) -> Result<Option<String>, String> {
        match self {
            Self::Unframed if arrived.is_empty() => Ok(None),
            Self::Unframed => {
                let bytes = std::mem::take(arrived);
                // What is no text cannot be printed.
                Ok(std::str::from_utf8(bytes).ok().map(str::to_string))
            }
            Self::Delimiter(decoder) => decoder.next(arrived),
            Self::Length(decoder) => decoder.next(arrived),
        }
    }

    /// Whether a message has begun that is not complete.
    pub fn is_inside_message(&self) -> bool {
        match self {
            Self::Unframed => false,
            Self::Delimiter(decoder) => decoder.is_inside_message(),
            Self::Length(decoder) => decoder.is_inside_message(),
        }
    }
}

/// The text of a complete message. Not sooner: a read, or a segment, may end inside a character.
///
/// # Errors
/// The bytes are not UTF-8.
pub fn into_text(message: Vec<u8>) -> Result<String, String> {
    String::from_utf8(message).map_err(|_| "a message that is not UTF-8".to_string())
}
