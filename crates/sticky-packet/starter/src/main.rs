//! sticky-packet: messages over a stream that knows of none.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into an exit
//! status. The last arm of `parse` and `resolve` are yours. `send.rs` and `receive.rs` are the two
//! ends of a connection; `framing.rs` chooses what marks a message in it, and `delimiter.rs` and
//! `length.rs` are the two ways that work.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;

use crate::framing::Framing;

mod delimiter;
mod framing;
mod length;
mod receive;
mod send;

const USAGE: &str = "\
usage: sticky-packet send ADDR FRAMING MESSAGE...
       sticky-packet receive ADDR FRAMING

ADDR is HOST:PORT: 127.0.0.1:7000, [::1]:7000, localhost:7000
FRAMING is none, delay, delimiter or length";

/// Something was attempted and failed: the network's or the peer's fault.
const STATUS_FAILED: u8 = 1;
/// Nothing was attempted, because the command line makes no sense.
const STATUS_WRONG_USAGE: u8 = 2;

/// What the command line asks for.
enum Command<'a> {
    /// Connect to `address` and send each message.
    Send { address: &'a str, framing: Framing, messages: &'a [&'a str] },
    /// Listen on `address` and print the messages of one sender after another.
    Receive { address: &'a str, framing: Framing },
}

fn main() -> ExitCode {
    // The first item is the program's own name.
    let arguments: Result<Vec<String>, OsString> =
        env::args_os().skip(1).map(OsString::into_string).collect();
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(argument) => return wrong_usage(format!("argument {argument:?} is not UTF-8")),
    };

    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match parse(&arguments) {
        Ok(Command::Send { address, framing, messages }) => send::run(address, framing, messages),
        Ok(Command::Receive { address, framing }) => receive::run(address, framing),
        Err(mistake) => return wrong_usage(mistake),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}` prints the whole chain on one line: what was attempted, on what, and why not.
            complain(format_args!("{error:#}"));
            ExitCode::from(STATUS_FAILED)
        }
    }
}

/// Reads the arguments that follow the program's name; an error says what is wrong with them.
fn parse<'a>(arguments: &'a [&'a str]) -> Result<Command<'a>, String> {
    match arguments {
        ["send", address, framing, messages @ ..] if !messages.is_empty() => {
            Ok(Command::Send { address, framing: framing.parse()?, messages })
        }
        ["receive", address, framing] => {
            Ok(Command::Receive { address, framing: framing.parse()? })
        }
        wrong => todo!(
            "return Err with a line that names what is wrong with {wrong:?}: no role, an unknown \
             role, too few or too many arguments"
        ),
    }
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    todo!(
        "every address that HOST of {address:?} has (ToSocketAddrs), as in tcp-echo; an error says \
         what was attempted and why it failed"
    )
}

fn wrong_usage(mistake: String) -> ExitCode {
    complain(format_args!("{mistake}\n{USAGE}"));
    ExitCode::from(STATUS_WRONG_USAGE)
}

/// Writes a line to stderr. `eprintln!` panics when stderr is closed.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
