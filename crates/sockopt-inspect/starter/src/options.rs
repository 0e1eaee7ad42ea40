//! The options: their names, their values, and how to set them.
//!
//! One is here as a pattern. The seven others are yours: a variant, an arm of `parse`, one of
//! `apply`.

use anyhow::{Context, Result};
use socket2::Socket;

use crate::Transport;

/// One option with the value that it is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// SO_REUSEADDR: bind beside connections that a dead server left.
    ReuseAddress(bool),
}

impl Setting {
    /// Reads `NAME=VALUE`; an error names it and says what is wrong.
    pub fn parse(argument: &str, transport: Transport) -> Result<Self, String> {
        let Some((name, value)) = argument.split_once('=') else {
            todo!("an error that names {argument:?}");
        };
        match name {
            "SO_REUSEADDR" => Ok(Self::ReuseAddress(switch(name, value)?)),
            _ => {
                todo!("the other options, and an error for what {transport:?} has not: {argument}")
            }
        }
    }

    /// Sets the option: setsockopt.
    ///
    /// # Errors
    /// Fails if the kernel refuses; the error names the option.
    pub fn apply(self, socket: &Socket) -> Result<()> {
        match self {
            Self::ReuseAddress(on) => socket.set_reuse_address(on).context("set SO_REUSEADDR"),
        }
    }
}

/// Reads the value of the switch `name`; an error names both.
fn switch(name: &str, value: &str) -> Result<bool, String> {
    todo!("0 or 1, else an error that names {name} and {value:?}")
}
