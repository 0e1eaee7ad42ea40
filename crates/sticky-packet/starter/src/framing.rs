//! Framing: how a receiver can tell where one message ends and the next begins.
//!
//! One read may return half a message, or ten. A decoder is fed with what each read returned, and
//! keeps what it does not understand yet for the next time.

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
            _ => todo!("an error that names {name:?}"),
        }
    }
}

impl Framing {
    /// The bytes that stand for `message` in the stream.
    pub fn encode(self, message: &str) -> Vec<u8> {
        match self {
            Self::None | Self::Delay => todo!("the bytes of {message:?} as they are"),
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
            Framing::None | Framing::Delay => Self::Unframed,
            Framing::Delimiter => Self::Delimiter(delimiter::Decoder::default()),
            Framing::Length => Self::Length(length::Decoder::default()),
        }
    }

    /// Takes bytes from the front of `arrived` until a message is complete, and returns it; `None`
    /// when all bytes are taken and the message goes on. To take a byte from the front is
    /// `let Some((&byte, rest)) = arrived.split_first()` and `*arrived = rest`.
    ///
    /// # Errors
    /// The bytes break the framing; the error says how. Nothing after them can be understood.
    pub fn next(&mut self, arrived: &mut &[u8]) -> Result<Option<String>, String> {
        match self {
            Self::Unframed => todo!("take all of {arrived:?} as a message; invalid UTF-8 replaced"),
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
