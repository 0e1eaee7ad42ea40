//! The checks that the hostile programs meet.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use grader::{Check, Module, Server, Verdict};

pub const MODULE: Module = Module {
    name: "hostile",
    checks: &[
        ("converse", converse),
        ("converse-twice", converse_twice),
        ("ready-line", ready_line),
        ("no-more", no_more),
        ("takes-much", takes_much),
        ("survives-sigterm", survives_sigterm),
        ("client", client),
    ],
};

/// Where programs and the grader's peers listened, by the run's scratch folder.
static ADDRESSES: LazyLock<Mutex<HashMap<PathBuf, Vec<SocketAddr>>>> =
    LazyLock::new(Mutex::default);

/// Where somebody listened in the run with this scratch folder.
pub fn addresses_of(scratch: &Path) -> Vec<SocketAddr> {
    let mut addresses = ADDRESSES.lock().unwrap_or_else(PoisonError::into_inner);
    addresses.remove(scratch).unwrap_or_default()
}

fn note_address(check: &Check, address: SocketAddr) {
    let scratch = check.folder().parent().unwrap_or(check.folder()).to_path_buf();
    let mut addresses = ADDRESSES.lock().unwrap_or_else(PoisonError::into_inner);
    addresses.entry(scratch).or_default().push(address);
}

fn start(check: &mut Check) -> Verdict<Server> {
    let server = check.start_server(["server", "127.0.0.1:0"])?;
    note_address(check, server.address());
    Ok(server)
}

fn talk(server: &Server) -> Verdict {
    let mut client = server.connect()?;
    client.send(b"hello")?;
    client.finish_sending()?;
    client.expect_echo()?;
    client.expect_end()
}

/// A whole conversation.
fn converse(check: &mut Check) -> Verdict {
    let server = start(check)?;
    talk(&server)
}

/// Two of them.
fn converse_twice(check: &mut Check) -> Verdict {
    let server = start(check)?;
    talk(&server)?;
    talk(&server)
}

/// The one line, after a conversation.
fn ready_line(check: &mut Check) -> Verdict {
    let server = start(check)?;
    talk(&server)?;
    server.expect_ready_line()
}

/// The answer and nothing after it.
fn no_more(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = server.connect()?;
    client.send(b"hello")?;
    client.expect_echo()?;
    client.expect_no_more()
}

/// More than the kernel's buffers hold.
fn takes_much(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = server.connect()?;
    client.forget_sent();
    client.send(&vec![0; 32 << 20])
}

/// A signal that a program may ignore.
fn survives_sigterm(check: &mut Check) -> Verdict {
    let server = start(check)?;
    server.signal(rustix::process::Signal::TERM)?;
    talk(&server)?;
    server.expect_running()
}

/// A client from its connect to its end.
fn client(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    note_address(check, peer.address());
    let client = check.start(["client", &peer.address().to_string(), "hello"])?;
    let mut connection = peer.accept(&client)?;
    connection.expect_bytes(b"hello")?;
    connection.send(b"hello")?;
    connection.finish_sending()?;
    client.finish_with(0)?.expect_stdout(b"hello")?;
    Ok(())
}
