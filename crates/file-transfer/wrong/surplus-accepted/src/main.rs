//! file-transfer: one program that keeps files for others, puts them there, gets them, lists them.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into what a
//! shell can see: an exit status and at most one line of complaint. `server.rs` (with
//! `conversation.rs`) and `client.rs` are the two sides; both speak `protocol.rs` and store files
//! with `store.rs`, and only the client shows its `progress.rs`.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;

use anyhow::{Context, Result};

mod client;
mod conversation;
mod progress;
mod protocol;
mod server;
mod store;

const USAGE: &str = "\
usage: file-transfer serve ADDR DIR
       file-transfer put ADDR FILE [NAME]
       file-transfer get ADDR NAME [DEST]
       file-transfer list ADDR

ADDR is HOST:PORT: 127.0.0.1:7000, [::1]:7000, localhost:7000";

/// Something was attempted and failed: the network's, the peer's or the file's fault.
const STATUS_FAILED: u8 = 1;
/// Nothing was attempted, because the command line makes no sense.
const STATUS_WRONG_USAGE: u8 = 2;

/// What the command line asks for.
enum Command<'a> {
    /// Listen on `address` and keep files in `folder` until killed.
    Serve { address: &'a str, folder: &'a str },
    /// Store the file at `path` on the server, under `name` or else its own.
    Put { address: &'a str, path: &'a str, name: Option<&'a str> },
    /// Fetch the server's file `name` to `destination`, or else to `name` in the working directory.
    Get { address: &'a str, name: &'a str, destination: Option<&'a str> },
    /// Print what the server has.
    List { address: &'a str },
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
        Ok(Command::Serve { address, folder }) => server::run(address, folder),
        Ok(Command::Put { address, path, name }) => client::put(address, path, name),
        Ok(Command::Get { address, name, destination }) => client::get(address, name, destination),
        Ok(Command::List { address }) => client::list(address),
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
    let (role, rest) = match arguments {
        [role, rest @ ..] => (*role, rest),
        [] => return Err("the role is missing: serve, put, get or list".to_string()),
    };
    match (role, rest) {
        ("serve", &[address, folder, ..]) => Ok(Command::Serve { address, folder }),
        ("put", &[address, path]) => Ok(Command::Put { address, path, name: None }),
        ("put", &[address, path, name, ..]) => Ok(Command::Put { address, path, name: Some(name) }),
        ("get", &[address, name]) => Ok(Command::Get { address, name, destination: None }),
        ("get", &[address, name, destination, ..]) => {
            Ok(Command::Get { address, name, destination: Some(destination) })
        }
        ("list", &[address, ..]) => Ok(Command::List { address }),
        ("serve" | "put" | "get" | "list", []) => Err(format!("{role}: ADDR is missing")),
        ("serve", [_]) => Err("serve: DIR is missing".to_string()),
        ("put", [_]) => Err("put: FILE is missing".to_string()),
        ("get", [_]) => Err("get: NAME is missing".to_string()),
        _ => Err(format!("unknown role {role:?}: it is serve, put, get or list")),
    }
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them. A name may have
/// several: `localhost` has `::1` and `127.0.0.1`, and not every machine has IPv6.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    let addresses = address.to_socket_addrs().with_context(|| format!("resolve {address:?}"))?;
    Ok(addresses.collect())
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
