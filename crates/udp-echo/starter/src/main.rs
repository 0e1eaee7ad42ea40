//! udp-echo: one program, two roles, and datagrams between them.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into an exit
//! status. Two functions are yours: `parse` (its last arm) and `resolve`. The sockets are in
//! `server.rs` and `client.rs`. The task is in `README.md`.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;

mod client;
mod server;

const USAGE: &str = "\
usage: udp-echo server ADDR
       udp-echo client ADDR MESSAGE...

ADDR is HOST:PORT: 127.0.0.1:7000, [::1]:7000, localhost:7000";

/// Something was attempted and failed: the network's, the peer's or the file's fault.
const STATUS_FAILED: u8 = 1;
/// Nothing was attempted, because the command line makes no sense.
const STATUS_WRONG_USAGE: u8 = 2;
/// Room for any datagram: the length in its header has 16 bits.
const BUFFER_BYTES: usize = 64 * 1024;

/// What the command line asks for.
enum Command<'a> {
    /// Receive at `address` and send back until killed.
    Server { address: &'a str },
    /// Send each of `messages` to `address` and print what comes back.
    Client { address: &'a str, messages: &'a [&'a str] },
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
        Ok(Command::Server { address }) => server::run(address),
        Ok(Command::Client { address, messages }) => client::run(address, messages),
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
        ["server", address] => Ok(Command::Server { address }),
        ["client", address, messages @ ..] if !messages.is_empty() => {
            Ok(Command::Client { address, messages })
        }
        wrong => todo!(
            "return Err with a line that names what is wrong with {wrong:?}: \
             no role, an unknown role, too few or too many arguments"
        ),
    }
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them. A name may have
/// several: `localhost` has `::1` and `127.0.0.1`, and not every machine has IPv6.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    todo!("resolve {address:?} with std::net::ToSocketAddrs; add what was attempted to the error")
}

fn wrong_usage(mistake: String) -> ExitCode {
    complain(format_args!("{mistake}\n{USAGE}"));
    ExitCode::from(STATUS_WRONG_USAGE)
}

/// Writes a line to stderr. `eprintln!` panics when stderr is closed.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
