//! sockopt-inspect: makes a socket, sets what it is told to, and asks the kernel what came of it.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into an exit
//! status and at most one line of complaint. `options.rs` knows which options there are,
//! `socket.rs` makes the socket and sets them, `report.rs` reads them back.
//!
//! What it leaves out: of some fifty options that Linux has for a socket, eight are here. We assume
//! a command line with at most one address: options come after it.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

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
    // The first item is the program's own name. `env::args` would panic on an argument that is not
    // UTF-8; `args_os` hands it over, so that it becomes wrong usage like any other.
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
        [] => return Err("the kind of socket is missing: tcp or udp".to_string()),
        [other, ..] => return Err(format!("unknown kind of socket {other:?}: it is tcp or udp")),
    };
    // An address has a colon and no equals sign, so a setting cannot be taken for one.
    let (address, settings) = match rest {
        [first, settings @ ..] if first.contains(':') && !first.contains('=') => {
            (Some(*first), settings)
        }
        settings => (None, settings),
    };
    let settings: Result<Vec<Setting>, String> =
        settings.iter().map(|argument| Setting::parse(argument, transport)).collect();
    Ok(Command { transport, address, settings: settings? })
}

/// Makes the socket, reports what the kernel says of it, and keeps it until stdin ends.
fn run(command: &Command) -> Result<()> {
    let socket = socket::open(command)?;
    let report = report::report(&socket)?;
    // stdout hands over each line by itself in a terminal and in a pipe, but that is std's choice
    // and not a promise: whoever reads the report while we wait below needs the flush.
    let mut stdout = io::stdout().lock();
    stdout.write_all(report.as_bytes()).and_then(|()| stdout.flush()).context("write to stdout")?;

    // Lines on stdin are no reason to go. Meanwhile others can look: ss -tanpoe, /proc/PID/fd.
    for line in io::stdin().lines() {
        line.context("read stdin")?;
    }
    // Here the socket is dropped, which closes the descriptor. With SO_LINGER=0 that is a reset.
    Ok(())
}

fn wrong_usage(mistake: String) -> ExitCode {
    complain(format_args!("{mistake}\n{USAGE}"));
    ExitCode::from(STATUS_WRONG_USAGE)
}

/// Writes a line to stderr. `eprintln!` panics when stderr is closed; there is nobody left to tell
/// then, and the exit status still says it.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
