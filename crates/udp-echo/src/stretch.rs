//! What a learner can do beyond the 100 points.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use grader::retell::told_as;
use grader::wording::steps;
use grader::{Check, Failure, Symptom, Verdict};

use crate::server::{client, converse, start};

/// How many datagrams a burst has. The default receive buffer of Linux keeps more than twice as
/// many of this size.
const BURST: usize = 100;
/// How soon the client has to say that nobody listens, once it runs.
const REPORT_LIMIT: Duration = Duration::from_secs(1);

/// A burst comes while the server does something else, and all of it is answered, in any order.
pub fn burst(check: &mut Check) -> Verdict {
    let server = start(check)?;
    converse(check, &server)?;
    let mut client = client(check)?;
    let mut missing = BTreeSet::new();
    server.pause()?;
    for number in 0..BURST {
        let text = format!("{number:03} {}", check.random_text(16));
        client.send_to(&server, server.address(), text.as_bytes())?;
        missing.insert(text.into_bytes());
    }
    server.resume()?;
    while !missing.is_empty() {
        let (expected, got) = steps::datagrams_back(BURST, BURST - missing.len());
        let limit = check.deadline();
        let Some(datagram) = client.receive_within(&server, &expected, limit)? else {
            return Err(Failure::new(Symptom::Named("datagrams-lost"), expected, got).into());
        };
        if !missing.remove(&datagram.bytes) {
            let (expected, got) = steps::no_more_datagrams(&server.name(), &datagram.bytes);
            return Err(Failure::new(Symptom::ExtraBytes, expected, got).into());
        }
    }
    client.expect_nothing_more(&server)
}

/// Nobody has the port: the other kernel says so (ICMP, port unreachable), and a connected socket
/// is told. How fast the machine starts a program at all is measured first.
pub fn client_closed_port(check: &mut Check) -> Verdict {
    let host = check.own_loopback();
    let mut peer = check.datagram_peer(&host)?;
    let began = Instant::now();
    let client = check.start(["client", &peer.address().to_string(), "hello"])?;
    let datagram = peer.expect(&client, b"hello")?;
    peer.send_to(&client, datagram.from, b"hello")?;
    client.finish_with(0)?;
    let start_takes = began.elapsed();

    let closed = check.closed_datagram_port(&host)?;
    let began = Instant::now();
    let client = check.start(["client", &closed.address().to_string(), "hello"])?;
    client.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    let took = began.elapsed();
    let limit = REPORT_LIMIT + start_takes * 2;
    if took <= limit {
        return Ok(());
    }
    let (expected, got) = steps::reports_within(REPORT_LIMIT, took);
    Err(Failure::new(Symptom::Named("reports-too-late"), expected, got).into())
}

/// The same over IPv6.
pub fn ipv6(check: &mut Check) -> Verdict {
    let mut peer = check.datagram_peer("::1")?;
    let client = check.start(["client", &peer.address().to_string(), "hello"])?;
    let datagram = peer.expect(&client, b"hello")?;
    peer.send_to(&client, datagram.from, b"hello")?;
    client.finish_with(0)?.expect_stdout(b"hello\n")?;

    let server = check.start_datagram_server(["server", "[::1]:0"])?;
    peer.send_to(&server, server.address(), b"hello")?;
    peer.expect_from(&server, server.address(), b"hello")?;
    let unlike = [Symptom::NoReadyLine, Symptom::BadReadyLine];
    told_as(server.expect_ready_line(), &unlike, "wrong-ready-line")
}
