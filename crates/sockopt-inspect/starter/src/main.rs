//! sockopt-inspect: makes a socket, sets what it is told to, and asks the kernel what came of it.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into an exit
//! status and at most one line of complaint. `options.rs` knows which options there are,
//! `socket.rs` makes the socket and sets them, `report.rs` reads them back.
//!
//! Yours here: `parse`, `split_address` and the end of `run`. The task is in `README.md`.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

use crate::options::Setting;

mod options;
mod report;
mod socket;

const USAGE: &str = "\
usage: sockopt-inspect tcp|udp [ADDR] [NAME=VALUE]...

ADDR is HOST:PORT: 127.0.0.1:7000, [::1]:7000, localhost:7000
NAME=VALUE is SO_REUSEADDR, SO_BROADCAST or SO_KEEPALIVE with 0 or 1, SO_RCVBUF or SO_SNDBUF with
bytes, SO_RCVTIMEO with milliseconds (0 for none), SO_LINGER with off or seconds, or (tcp only)
TCP_NODELAY with 0 or 1";

/// Something was attempted and failed: the kernel's or the peer's refusal.
const STATUS_FAILED: u8 = 1;
/// Nothing was attempted, because the command line makes no sense.
const STATUS_WRONG_USAGE: u8 = 2;

/// What kind of socket is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A stream socket.
    Tcp,
    /// A datagram socket.
    Udp,
}

/// What the command line asks for.
pub struct Command<'a> {
    /// The kind of socket.
    transport: Transport,
    /// Where to connect, if anywhere.
    address: Option<&'a str>,
    /// What to set before that, in this order.
    settings: Vec<Setting>,
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
        Ok(command) => run(&command),
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
///
/// All of them are read before anything is done: a program that connects and only then finds that
/// it was asked for nonsense has already disturbed somebody.
fn parse<'a>(arguments: &[&'a str]) -> Result<Command<'a>, String> {
    let (transport, rest) = match arguments {
        ["tcp", rest @ ..] => (Transport::Tcp, rest),
        ["udp", rest @ ..] => (Transport::Udp, rest),
        wrong => todo!("an error that says what is wrong with {wrong:?}: neither tcp nor udp"),
    };
    let (address, settings) = split_address(rest);
    let settings: Result<Vec<Setting>, String> =
        settings.iter().map(|argument| Setting::parse(argument, transport)).collect();
    Ok(Command { transport, address, settings: settings? })
}

/// The address, if the first of `arguments` is one, and the others.
fn split_address<'a, 'b>(arguments: &'b [&'a str]) -> (Option<&'a str>, &'b [&'a str]) {
    todo!("is the first of {arguments:?} an address (a colon) or NAME=VALUE (an equals sign)?")
}

/// Makes the socket, reports what the kernel says of it, and keeps it until stdin ends.
fn run(command: &Command) -> Result<()> {
    let socket = socket::open(command)?;
    let report = report::report(&socket)?;
    todo!("write {report:?} to stdout and flush; then read stdin to its end, and keep {socket:?}")
}

fn wrong_usage(mistake: String) -> ExitCode {
    complain(format_args!("{mistake}\n{USAGE}"));
    ExitCode::from(STATUS_WRONG_USAGE)
}

/// Writes a line to stderr. `eprintln!` panics when stderr is closed.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
