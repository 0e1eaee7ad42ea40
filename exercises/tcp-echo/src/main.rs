//! tcp-echo: one program, two roles, and a stream socket between them.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into an exit
//! status. Two functions are yours: `parse` (its last arm) and `resolve`. The sockets are in
//! `server.rs` and `client.rs`. The task is in `README.md`.

// Your code will need more names: `std::net::ToSocketAddrs` and `anyhow::Context`.
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
usage: tcp-echo server ADDR
       tcp-echo client ADDR [MESSAGE]

ADDR is HOST:PORT: 127.0.0.1:7000, [::1]:7000, localhost:7000";

/// Something was attempted and failed: the network's, the peer's or the file's fault.
const STATUS_FAILED: u8 = 1;
/// Nothing was attempted, because the command line makes no sense.
const STATUS_WRONG_USAGE: u8 = 2;

/// What the command line asks for.
enum Command<'a> {
    /// Listen on `address` and echo until killed.
    Server { address: &'a str },
    /// Send `message`, or all of stdin without one, to `address` and print what comes back.
    Client { address: &'a str, message: Option<&'a str> },
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
        Ok(Command::Client { address, message }) => client::run(address, message),
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
fn parse<'a>(arguments: &[&'a str]) -> Result<Command<'a>, String> {
    match *arguments {
        ["server", address] => Ok(Command::Server { address }),
        ["client", address] => Ok(Command::Client { address, message: None }),
        ["client", address, message] => Ok(Command::Client { address, message: Some(message) }),
        ref wrong => todo!(
            "return Err with a line that names what is wrong with {wrong:?}: \
             no role, an unknown role, too few or too many arguments"
        ),
    }
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them. A name may have
/// several: `localhost` has `::1` and `127.0.0.1`, and not every machine has IPv6.
///
/// # Errors
/// Fails if the text is no `HOST:PORT` or the name is unknown; the error names `address`.
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
