//! What the server promises.

use grader::retell::told_as;
use grader::tcp::Buffers;
use grader::{Check, Connection, Server, Symptom, Verdict};

use crate::mistakes::of_early_end;

/// Every check of the server begins so: any free port, and the address taken from the ready line.
const ANY_PORT: [&str; 2] = ["server", "127.0.0.1:0"];

pub(crate) fn start(check: &mut Check) -> Verdict<Server> {
    check.start_server(ANY_PORT)
}

/// A conversation with a server that should be well: a message and its echo. That the server closes
/// after it is judged by `empty_conversation` and `half_close` alone, so that one mistake does not
/// cost every check.
pub(crate) fn converse(check: &mut Check, server: &Server) -> Verdict {
    let mut client = server.connect()?;
    client.send(check.random_text(12).as_bytes())?;
    client.finish_sending()?;
    client.expect_echo()
}

/// A message comes back, and nothing besides.
pub fn one_message(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = server.connect()?;
    client.send(b"hello")?;
    client.finish_sending()?;
    client.expect_echo()?;
    client.expect_no_more()
}

/// Bytes come back that are no text, or only white space or zeros: every value, and sequences that
/// UTF-8 does not know.
pub fn arbitrary_bytes(check: &mut Check) -> Verdict {
    // Each time another server, since that it serves a second client is for other checks to say.
    for (text, name) in [(" \t two words \r\n", "trimmed"), ("zeros\0\0", "zeros-lost")] {
        let server = start(check)?;
        let mut client = server.connect()?;
        client.send(text.as_bytes())?;
        client.finish_sending()?;
        let trimmed = [Symptom::CutShort, Symptom::WrongBytes, Symptom::Reset];
        told_as(client.expect_echo(), &trimmed, name)?;
    }

    let server = start(check)?;
    let mut client = server.connect()?;
    let every_value: Vec<u8> = (0..=255).collect();
    client.send(&[0x00, 0xff, 0x0d, 0x0a, 0xc3, 0x28])?;
    // What the server does with these alone tells a reader of text from one that reads once.
    client.await_read()?;
    client.send(&every_value)?;
    client.send(&check.random_bytes(1000))?;
    client.finish_sending()?;
    of_early_end(client.expect_echo(), "ended-after-a-piece")
}

/// A payload that no single read returns comes back whole and in order, also while the reader is
/// late.
pub fn large_payload(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let small = Buffers { receive_bytes: Some(128 << 10), send_bytes: None };
    let mut client = Connection::open_with(&server, server.address(), &small)?;
    client.send(&check.long_text(2 << 20))?;
    client.finish_sending()?;
    client.expect_echo()
}

/// The echo comes while the client still sends; a server that waits for the end, or for a newline,
/// sends nothing.
pub fn echo_as_it_comes(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = server.connect()?;
    for length in [1, 5, 1, 2000] {
        client.send(check.random_text(length).as_bytes())?;
        client.expect_echo()?;
    }
    Ok(())
}

/// A client that sends nothing gets the end of the stream.
pub fn empty_conversation(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = server.connect()?;
    client.finish_sending()?;
    client.expect_end()
}

/// A client that has finished sending still gets every byte that is on its way, then the end of the
/// stream.
pub fn half_close(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = server.connect()?;
    client.send(&check.long_text(300_000))?;
    client.finish_sending()?;
    client.expect_echo()?;
    client.expect_end()
}

/// The server goes on after its first client.
pub fn second_client(check: &mut Check) -> Verdict {
    let server = start(check)?;
    converse(check, &server)?;
    converse(check, &server)
}

/// Sixteen clients are connected, and the one that came last speaks first. A connect succeeds
/// before anyone accepts, so only the answers prove that all are served.
pub fn many_clients(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(server.connect()?);
    }
    for client in clients.iter_mut().rev() {
        client.send(check.random_text(20).as_bytes())?;
        client.finish_sending()?;
        client.expect_echo()?;
    }
    Ok(())
}

/// A client that resets its connection ends its own conversation and nobody else's.
pub fn reset_mid_way(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut bystander = server.connect()?;
    bystander.send(b"before")?;
    bystander.expect_echo()?;
    let before = server.footprint()?;
    let mut client = server.connect()?;
    client.send(b"hello")?;
    client.expect_echo()?;
    client.send(&check.long_text(100_000))?;
    client.reset()?;
    server.await_footprint(&before)?;
    bystander.send(b"after")?;
    bystander.expect_echo()?;
    for _ in 0..3 {
        converse(check, &server)?;
    }
    server.expect_running()
}

/// A client that is gone before the server accepted it: accept still returns the connection, and
/// its peer has no address. One client only, since a server may let no more than one wait: a
/// backlog of 0 is room for one (listen(2)).
pub fn reset_before_accept(check: &mut Check) -> Verdict {
    let server = start(check)?;
    converse(check, &server)?;
    server.pause()?;
    server.connect()?.reset()?;
    server.resume()?;
    for _ in 0..3 {
        converse(check, &server)?;
    }
    server.expect_running()
}

/// A server that is killed with a client still connected can be started again on its port at once.
/// The killed server's end closed first, so the port is still in use by that connection: without
/// `SO_REUSEADDR` bind fails.
pub fn restart_at_once(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = server.connect()?;
    client.send(b"hello")?;
    client.await_read()?;
    server.kill()?;
    client.await_any_end()?;
    let second = check.restart_server("server", server.address())?;
    converse(check, &second)
}

/// A server whose port is taken says so and exits 1: taken by a stranger, and by another of its
/// kind.
pub fn port_taken(check: &mut Check) -> Verdict {
    let stranger = check.listen("127.0.0.1")?;
    let first = start(check)?;
    for taken in [stranger.address(), first.address()] {
        let server = check.start(["server", &taken.to_string()])?;
        server.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    }
    Ok(())
}
