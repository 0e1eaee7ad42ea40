//! The plain conversation of each module: what one looks at first.

use grader::lab::Faults;
use grader::udp::DatagramPeer;
use grader::{Check, CheckFn, Connection, Program, Stop, Symptom, Verdict};

/// A conversation to look at.
pub struct Scene {
    /// The module.
    pub module: &'static str,
    /// What there is to see, as a heading.
    pub about: &'static str,
    /// How it goes.
    pub play: CheckFn,
    /// The seed unless another one is given.
    pub seed: u64,
}

/// One for each module.
pub static SCENES: &[Scene] = &[
    Scene {
        module: "tcp-echo",
        about: "a server and a client: handshake, echo and close",
        play: tcp_echo,
        seed: 1,
    },
    Scene {
        module: "udp-echo",
        about: "a client over a wire that loses a datagram",
        play: udp_echo,
        // It loses the first datagram, and no other.
        seed: 9,
    },
    Scene {
        module: "sticky-packet",
        about: "three sends, first without TCP_NODELAY, then with it, over a wire of 20 ms",
        play: sticky_packet,
        seed: 1,
    },
    Scene {
        module: "broadcast",
        about: "one sends to 172.60.50.255, three hosts listen",
        play: broadcast,
        seed: 1,
    },
    Scene {
        module: "sockopt-inspect",
        about: "a connection that SO_LINGER=0 ends",
        play: sockopt_inspect,
        seed: 1,
    },
    Scene {
        module: "http-mini",
        about: "two requests on one connection that is kept",
        play: http_mini,
        seed: 1,
    },
    Scene { module: "file-transfer", about: "a file is put", play: file_transfer, seed: 1 },
];

/// How long the way to the peer's host is in sticky-packet, in milliseconds: longer than a program
/// needs for three sends on a busy machine.
const WAY_MS: u32 = 20;
/// What udp-echo's wire does.
const LOSSY: Faults =
    Faults { loss: 0.25, duplicate: 0.0, reorder: 0.0, corrupt: 0.0, delay_ms: 0 };
/// How many bytes of an answer are read at the most.
const ANSWER_BYTES: usize = 64 << 10;

fn tcp_echo(check: &mut Check) -> Verdict {
    let server = check.start_server(["server", "127.0.0.1:0"])?;
    let mut client = server.connect()?;
    client.send(b"hello")?;
    client.expect_echo()?;
    client.finish_sending()?;
    client.expect_end()?;
    client.close();
    Ok(())
}

fn udp_echo(check: &mut Check) -> Verdict {
    let lab = check.lab()?;
    let mut peer = check.datagram_peer("127.0.0.1")?;
    lab.set_faults(&lab.host("alpha")?, LOSSY);
    let client = check.start(["client", &peer.address().to_string(), "one", "two", "three"])?;
    echo(check, &client, &mut peer)?;
    client.finish()?.expect_status(&[0])?.expect_stdout(b"one\ntwo\nthree\n")?;
    Ok(())
}

/// Sends back whatever comes until the program ends.
fn echo(check: &Check, program: &Program, peer: &mut DatagramPeer) -> Verdict {
    let expected = format!("{} sends a datagram or ends", program.name());
    loop {
        match peer.receive_within(program, &expected, check.deadline()) {
            Ok(Some(datagram)) => peer.send_to(program, datagram.from, &datagram.bytes)?,
            Ok(None) => return Ok(()),
            Err(Stop::Failed(failure))
                if matches!(failure.symptom, Symptom::Exited | Symptom::Crashed) =>
            {
                return Ok(());
            }
            Err(other) => return Err(other),
        }
    }
}

fn sticky_packet(check: &mut Check) -> Verdict {
    let receiver = check.start_server(["receive", "127.0.0.1:0", "none"])?;
    let lab = check.lab()?;
    lab.set_faults(&lab.host("beta")?, Faults { delay_ms: WAY_MS, ..Faults::default() });
    let mut line = 0;
    for nodelay in [false, true] {
        let mut sender = receiver.connect()?;
        sender.set_nodelay(nodelay)?;
        for message in ["one", "two", "three"] {
            sender.send(message.as_bytes())?;
        }
        // The FIN is to stand alone.
        await_line(&receiver, &mut line, "three")?;
        sender.finish_sending()?;
        sender.expect_end()?;
        sender.close();
        // The next one begins when this one is told.
        await_line(&receiver, &mut line, "closed")?;
    }
    Ok(())
}

/// Waits for a line with this text, from the line of this number on, which then is the next one's.
fn await_line(program: &Program, number: &mut usize, text: &str) -> Verdict {
    loop {
        let told = program.expect_line(*number, &format!("a line with `{text}`"))?;
        *number += 1;
        if String::from_utf8_lossy(&told).contains(text) {
            return Ok(());
        }
    }
}

fn broadcast(check: &mut Check) -> Verdict {
    let lab = check.lab()?;
    let mut address = "0.0.0.0:0".to_owned();
    let mut port = 0;
    let mut listeners = Vec::new();
    for name in ["alpha", "beta", "gamma"] {
        let listener = check.start_datagram_server_on(&lab.host(name)?, ["listen", &address])?;
        port = listener.address().port();
        address = format!("0.0.0.0:{port}");
        listeners.push(listener);
    }
    let to = format!("172.60.50.255:{port}");
    let sender = check.start_on(&lab.host("sender")?, ["send", &to, "hello, everybody"])?;
    sender.finish()?.expect_status(&[0])?;
    for listener in &listeners {
        // The first line says where it listens.
        listener.expect_line(1, "the listener prints the message")?;
    }
    Ok(())
}

fn sockopt_inspect(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let program = check.start(["tcp", &peer.address().to_string(), "SO_LINGER=0"])?;
    let mut connection = peer.accept(&program)?;
    program.expect_line(0, "the report")?;
    check.note("the program's standard input ends, so it closes its socket");
    program.close_stdin();
    connection.await_any_end()?;
    program.finish()?.expect_status(&[0])?;
    Ok(())
}

fn http_mini(check: &mut Check) -> Verdict {
    let site = check.folder().join("site");
    fs_err::create_dir(&site)?;
    fs_err::write(site.join("index.html"), "<p>hello</p>\n")?;
    fs_err::write(site.join("about.txt"), "about\n")?;
    let server = check.start_server(["serve", "127.0.0.1:0", "site"])?;
    let mut client = server.connect()?;
    client.forget_sent();
    client.send(b"GET / HTTP/1.1\r\nHost: alpha\r\n\r\n")?;
    answer(&mut client, b"<p>hello</p>\n")?;
    client.send(b"GET /about.txt HTTP/1.1\r\nHost: alpha\r\nConnection: close\r\n\r\n")?;
    answer(&mut client, b"about\n")?;
    client.expect_end()?;
    client.close();
    Ok(())
}

/// Reads an answer up to the end of its body.
fn answer(client: &mut Connection, body: &'static [u8]) -> Verdict {
    client.read_until("an answer with its body", |bytes| {
        let is_whole = bytes.ends_with(body) || bytes.len() > ANSWER_BYTES;
        is_whole.then_some(bytes.len())
    })?;
    Ok(())
}

fn file_transfer(check: &mut Check) -> Verdict {
    fs_err::create_dir(check.folder().join("files"))?;
    let server = check.start_server(["serve", "127.0.0.1:0", "files"])?;
    let mut client = server.connect()?;
    client.forget_sent();
    client.send(b"PUT 14 hello.txt\n")?;
    client.expect_bytes(b"OK\n")?;
    client.send(b"hello, server\n")?;
    client.expect_bytes(b"OK\n")?;
    client.expect_end()?;
    client.close();
    Ok(())
}
