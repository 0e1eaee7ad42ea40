//! http-mini: one program, a web server for a folder and a client for one URL.
//!
//! This file turns a command line into a [`Command`], runs it, and turns the outcome into an exit
//! status. Two functions are yours: `parse` (its last arm) and `resolve`. The other files give you
//! types and signatures; what stands inside, and which helpers you add, is yours. The task is in
//! `README.md`.

// Some of what is given is not called by anything yet. Take this line out when you have finished.
#![allow(dead_code)]

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;

use crate::url::Url;

mod answer;
mod chunks;
mod client;
mod conditions;
mod files;
mod listener;
mod message;
mod request;
mod response;
mod server;
mod target;
mod url;

const USAGE: &str = "\
usage: http-mini serve ADDR DIR
       http-mini get URL

ADDR is HOST:PORT: 127.0.0.1:7000, [::1]:7000, localhost:7000
URL is http://HOST[:PORT][/PATH]";

/// Something was attempted and failed: the network's, the peer's or the file's fault.
const STATUS_FAILED: u8 = 1;
/// Nothing was attempted, because the command line makes no sense.
const STATUS_WRONG_USAGE: u8 = 2;

/// What the command line asks for.
enum Command<'a> {
    /// Listen on `address` and serve the files below `folder` until killed.
    Serve { address: &'a str, folder: &'a str },
    /// Get `url` and print the body.
    Get { url: Url },
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
        Ok(Command::Serve { address, folder }) => server::run(address, folder),
        Ok(Command::Get { url }) => client::run(url),
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
        ["serve", address, folder] => Ok(Command::Serve { address, folder }),
        ["get", url] => Ok(Command::Get { url: Url::parse(url)? }),
        ref wrong => todo!("return Err with a line that names what is wrong with {wrong:?}"),
    }
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them.
///
/// # Errors
/// Fails if the text is no `HOST:PORT` or the name is unknown; the error names `address`.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    todo!("resolve {address:?}")
}

fn wrong_usage(mistake: String) -> ExitCode {
    complain(format_args!("{mistake}\n{USAGE}"));
    ExitCode::from(STATUS_WRONG_USAGE)
}

/// Writes a line to stderr. `eprintln!` panics when stderr is closed.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
