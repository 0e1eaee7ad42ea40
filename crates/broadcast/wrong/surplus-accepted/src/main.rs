//! broadcast: the address of everybody, one who sends to it, and many who listen.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into what a
//! shell can see: an exit status and at most one line of complaint. The arithmetic of addresses is
//! in `cidr.rs`, the sockets are in `listen.rs` and `send.rs`.
//!
//! We read the arguments by hand, because three roles need no more. A program with options would
//! leave that to a crate such as `clap`.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use anyhow::{Context, Result};

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
        ["address", cidr, ..] => {
            let network = cidr.parse().map_err(|reason| format!("bad CIDR {cidr:?}: {reason}"))?;
            Ok(Command::Address { network })
        }
        ["listen", address] => Ok(Command::Listen { address }),
        ["send", address, messages @ ..] if !messages.is_empty() => {
            Ok(Command::Send { address, messages })
        }
        [] => Err("the role is missing: address, listen or send".to_string()),
        ["address"] => Err("address: CIDR is missing".to_string()),
        [role @ ("listen" | "send")] => Err(format!("{role}: ADDR is missing")),
        ["send", ..] => Err("send: MESSAGE is missing".to_string()),
        ["address" | "listen", _, extra, ..] => Err(format!("one argument too many: {extra:?}")),
        [role, ..] => Err(format!("unknown role {role:?}: it is address, listen or send")),
    }
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them. IPv4 comes first,
/// since IPv6 has no broadcast: `localhost` is often both.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    let addresses = address.to_socket_addrs().with_context(|| format!("resolve {address:?}"))?;
    let mut addresses: Vec<SocketAddr> = addresses.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

/// Writes a line to stdout at once. Whoever waits for it waits behind a pipe as well as a terminal,
/// so it is flushed; and `println!` would panic when the pipe has no reader any more.
fn print_line(line: impl Display) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("write to stdout")
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
