//! The socket: made, set up, connected, in this order.

use std::net::SocketAddr;

use anyhow::Result;
use socket2::{Domain, Socket};

use crate::{Command, Transport};

/// The socket, with everything set, connected if that was asked for.
///
/// # Errors
/// Fails if the kernel refuses an option, or no address of HOST can be connected to.
pub fn open(command: &Command) -> Result<Socket> {
    match command.address {
        None => create(Domain::IPV4, command),
        Some(address) => {
            todo!(
                "for each of {:?} a new socket of its family, until one connects; else the last \
                 error, with the address",
                resolve(address)?
            )
        }
    }
}

/// A new socket with everything set.
fn create(domain: Domain, command: &Command) -> Result<Socket> {
    let socket = new_socket(domain, command.transport)?;
    for setting in &command.settings {
        setting.apply(&socket)?;
    }
    Ok(socket)
}

/// A new socket as the kernel makes it.
fn new_socket(domain: Domain, transport: Transport) -> Result<Socket> {
    todo!("a socket of {domain:?} for {transport:?}")
}

/// The addresses that `HOST:PORT` stands for, in the order in which to try them.
fn resolve(address: &str) -> Result<Vec<SocketAddr>> {
    todo!(
        "every address that HOST of {address:?} has (ToSocketAddrs), as in tcp-echo; an error says \
         what was attempted and why it failed"
    )
}
