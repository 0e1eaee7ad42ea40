//! What the server promises.

use grader::udp::{DatagramPeer, MOST_BYTES};
use grader::wording::steps;
use grader::{Check, Failure, Server, Symptom, Verdict};

use crate::mistakes::{of_collected, of_lost_tail, of_trimmed};

/// Every check of the server begins so: any free port, and the address taken from the ready line.
const ANY_PORT: [&str; 2] = ["server", "127.0.0.1:0"];

pub(crate) fn start(check: &mut Check) -> Verdict<Server> {
    check.start_datagram_server(ANY_PORT)
}

/// A client of the grader's, at an address that no other check uses.
pub(crate) fn client(check: &mut Check) -> Verdict<DatagramPeer> {
    let host = check.own_loopback();
    check.datagram_peer(&host)
}

/// A whole exchange with a server that should be well: a datagram and its echo.
pub(crate) fn converse(check: &mut Check, server: &Server) -> Verdict {
    let mut client = client(check)?;
    let text = check.random_text(12);
    client.send_to(server, server.address(), text.as_bytes())?;
    client.expect(server, text.as_bytes())?;
    Ok(())
}

/// A datagram comes back once, from the address to which it was sent.
pub fn one_datagram(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = client(check)?;
    client.send_to(&server, server.address(), b"hello")?;
    client.expect_from(&server, server.address(), b"hello")?;
    client.send_to(&server, server.address(), b"once more")?;
    client.expect_from(&server, server.address(), b"once more")
}

/// Bytes come back that are no text: every value, and sequences that UTF-8 does not know. Newlines
/// and spaces at either end are bytes like others.
pub fn arbitrary_bytes(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = client(check)?;
    let every_value: Vec<u8> = (0..=255).collect();
    let random = check.random_bytes(1000);
    let texts: [&[u8]; 4] = [b"a line\n", b"\r\n", b"  spaces around  ", b"zeros at the end\0\0"];
    let others = [&[0x00, 0xff, 0x0d, 0x0a, 0xc3, 0x28], &every_value[..], &random];
    for bytes in texts.into_iter().chain(others) {
        client.send_to(&server, server.address(), bytes)?;
        let came = client.expect(&server, bytes);
        of_trimmed(came, client.newest(), bytes)?;
    }
    Ok(())
}

/// Three datagrams wait when the server asks for the next, and three come back, each with its own
/// size: the call returns one of them, however much room there is. What comes after them is the
/// answer to what is sent after them.
pub fn edges(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = client(check)?;
    let texts = [check.random_text(700), check.random_text(3), check.random_text(11)];
    server.pause()?;
    for text in &texts {
        client.send_to(&server, server.address(), text.as_bytes())?;
    }
    server.resume()?;
    let came = client.expect_each(&server, &texts);
    of_collected(came, client.newest(), &texts)?;
    client.send_to(&server, server.address(), b"after them")?;
    client.expect(&server, b"after them")?;
    Ok(())
}

/// A datagram of no bytes is one all the same, and not the end of anything.
pub fn empty_datagram(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = client(check)?;
    client.send_to(&server, server.address(), b"")?;
    client.expect(&server, b"")?;
    client.send_to(&server, server.address(), b"after it")?;
    client.expect(&server, b"after it")?;
    Ok(())
}

/// The longest datagram of IPv4 comes back whole, and so does a short one after it.
pub fn largest_datagram(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut client = client(check)?;
    for size in [3000, MOST_BYTES, 5] {
        let bytes = check.random_bytes(size);
        client.send_to(&server, server.address(), &bytes)?;
        let came = client.expect(&server, &bytes);
        of_lost_tail(came, client.newest(), &bytes)?;
    }
    Ok(())
}

/// After an exchange with the one, two clients send in turns before anything is answered, and each
/// gets its own back, in any order, and nothing else.
pub fn two_clients(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut clients = [client(check)?, client(check)?];
    let texts: Vec<String> = (0..6).map(|_| check.random_text(10)).collect();
    clients[0].send_to(&server, server.address(), b"first")?;
    clients[0].expect(&server, b"first")?;
    server.pause()?;
    for (number, text) in texts.iter().enumerate() {
        clients[number % 2].send_to(&server, server.address(), text.as_bytes())?;
    }
    server.resume()?;
    for (first, client) in clients.iter_mut().enumerate() {
        let own: Vec<String> = texts.iter().skip(first).step_by(2).cloned().collect();
        let came = client.expect_each(&server, &own);
        of_collected(came, client.newest(), &texts)?;
    }
    for client in &mut clients {
        client.expect_nothing_more(&server)?;
    }
    Ok(())
}

/// A client is gone before the server answers it: the answer meets a closed port, and nobody else
/// notices.
pub fn vanished_client(check: &mut Check) -> Verdict {
    let server = start(check)?;
    converse(check, &server)?;
    for _ in 0..3 {
        let mut vanishing = client(check)?;
        server.pause()?;
        vanishing.send_to(&server, server.address(), b"I am gone")?;
        drop(vanishing);
        server.resume()?;
        converse(check, &server)?;
    }
    server.expect_running()
}

/// A server whose port is taken says so and exits 1.
pub fn port_taken(check: &mut Check) -> Verdict {
    let host = check.own_loopback();
    let holder = check.datagram_peer(&host)?;
    let server = check.start(["server", &holder.address().to_string()])?;
    server.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    Ok(())
}

/// The server's port is its own: a second socket cannot share it, not even one that is willing to
/// (`SO_REUSEADDR`, `SO_REUSEPORT`).
pub fn own_port(check: &mut Check) -> Verdict {
    let server = start(check)?;
    converse(check, &server)?;
    if check.can_share_port(server.address())? {
        let (expected, got) = steps::keeps_its_port(server.address(), "SO_REUSEADDR");
        return Err(Failure::new(Symptom::Named("shares-its-port"), expected, got).into());
    }
    if check.can_take_turns_at(server.address())? {
        let (expected, got) = steps::keeps_its_port(server.address(), "SO_REUSEPORT");
        return Err(Failure::new(Symptom::Named("takes-turns"), expected, got).into());
    }
    converse(check, &server)
}
