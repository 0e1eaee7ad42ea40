//! udp-echo: one program, two roles, and datagrams between them.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into what a
//! shell can see: an exit status and at most one line of complaint. The sockets are in `server.rs`
//! and `client.rs`.
//!
//! We read the arguments by hand, because two roles need no more. A program with options would
//! leave that to a crate such as `clap`.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use anyhow::{Context, Result};

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
/// Room for any datagram: the length in its header has 16 bits. A smaller buffer would lose the
/// tail of a longer datagram, and nobody would be told.
const BUFFER_BYTES: usize = 64 * 1024;

/// What the command line asks for.
enum Command<'a> {
    /// Receive at `address` and send back until killed.
    Server { address: &'a str },
    /// Send each of `messages` to `address` and print what comes back.
    Client { address: &'a str, messages: &'a [&'a str] },
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
        [] => Err("the role is missing: server or client".to_string()),
        [role @ ("server" | "client")] => Err(format!("{role}: ADDR is missing")),
        ["client", ..] => Err("client: MESSAGE is missing".to_string()),
        ["server", _, extra, ..] => Err(format!("one argument too many: {extra:?}")),
        [role, ..] => Err(format!("unknown role {role:?}: it is server or client")),
    }
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them. A name may have
/// several: `localhost` has `::1` and `127.0.0.1`, and not every machine has IPv6.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    let addresses = address.to_socket_addrs().with_context(|| format!("resolve {address:?}"))?;
    Ok(addresses.collect())
}

fn wrong_usage(mistake: String) -> ExitCode {
    let _ = mistake;
    complain(USAGE);
    ExitCode::from(STATUS_WRONG_USAGE)
}

/// Writes a line to stderr. `eprintln!` panics when stderr is closed; there is nobody left to tell
/// then, and the exit status still says it.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
