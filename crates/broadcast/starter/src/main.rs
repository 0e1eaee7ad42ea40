//! broadcast: the address of everybody, one who sends to it, and many who listen.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into an exit
//! status. Three functions are yours: `parse` (its last arm), `resolve` and `print_line`. The
//! arithmetic of addresses is in `cidr.rs`, the sockets are in `listen.rs` and `send.rs`. The task
//! is in `README.md`.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;

mod cidr;
mod listen;
mod send;

use cidr::Network;

const USAGE: &str = "\
usage: broadcast address CIDR
       broadcast listen ADDR
       broadcast send ADDR MESSAGE...

CIDR is a network: 172.60.50.0/24
ADDR is HOST:PORT: 127.0.0.1:7000, [::1]:7000, localhost:7000";

/// Something was attempted and failed: the network's, the peer's or the file's fault.
const STATUS_FAILED: u8 = 1;
/// Nothing was attempted, because the command line makes no sense.
const STATUS_WRONG_USAGE: u8 = 2;

/// What the command line asks for.
enum Command<'a> {
    /// Print the broadcast address of `network`.
    Address { network: Network },
    /// Print every datagram that comes to `address`, until killed.
    Listen { address: &'a str },
    /// Send each of `messages` to `address`.
    Send { address: &'a str, messages: &'a [&'a str] },
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
        Ok(Command::Address { network }) => print_line(network.broadcast()),
        Ok(Command::Listen { address }) => listen::run(address),
        Ok(Command::Send { address, messages }) => send::run(address, messages),
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

/// Reads the arguments that follow the program's name; an error says what is wrong with them. A bad
/// CIDR is wrong usage too: nothing has been attempted.
fn parse<'a>(arguments: &'a [&'a str]) -> Result<Command<'a>, String> {
    match arguments {
        ["address", cidr] => {
            let network = cidr.parse().map_err(|reason| format!("bad CIDR {cidr:?}: {reason}"))?;
            Ok(Command::Address { network })
        }
        ["listen", address] => Ok(Command::Listen { address }),
        ["send", address, messages @ ..] if !messages.is_empty() => {
            Ok(Command::Send { address, messages })
        }
        wrong => todo!("return Err with a line that names what is wrong with {wrong:?}"),
    }
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    todo!("resolve {address:?}; IPv4 addresses first, since IPv6 has no broadcast")
}

/// Writes a line to stdout, at once.
fn print_line(line: impl Display) -> Result<()> {
    todo!("write \"{line}\" and a newline to stdout; flush; no panic when stdout is closed")
}

fn wrong_usage(mistake: String) -> ExitCode {
    complain(format_args!("{mistake}\n{USAGE}"));
    ExitCode::from(STATUS_WRONG_USAGE)
}

/// Writes a line to stderr. `eprintln!` panics when stderr is closed.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
