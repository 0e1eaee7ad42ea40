//! What the client promises.

use std::time::Duration;

use grader::retell::{of_message, of_stdout, told_as};
use grader::udp::{Datagram, DatagramPeer, MOST_BYTES};
use grader::wording::steps;
use grader::{Check, Failure, Program, Symptom, Verdict};

use crate::mistakes::{of_time_limit, of_tries};

/// Two sends of one message are 500 ms apart; a clock that ticks coarsely may take a little off.
const LEAST_GAP: Duration = Duration::from_millis(450);
/// A second try that comes later than this waited longer than 500 ms, unless the machine was busy.
const MOST_GAP: Duration = Duration::from_millis(900);
/// A wait that is longer than the one before by more than this was meant to be, unless the machine
/// was busy.
const MOST_GROWTH: Duration = Duration::from_millis(300);
/// How many runs a busy machine has to let one try through in time.
const RUNS: u32 = 3;
/// How soon something else than the echo comes again while the client waits.
const DISTURBANCE: Duration = Duration::from_millis(60);
/// How often it comes: for some seconds, in which a client that keeps its clock has tried again
/// long ago.
const DISTURBANCES: u32 = 60;

/// Starts a client that sends `messages` to a server of the grader's.
fn start(check: &mut Check, messages: &[&str]) -> Verdict<(Program, DatagramPeer)> {
    let host = check.own_loopback();
    start_at(check, &host, messages)
}

/// As [`start`], the server being at `host`.
fn start_at(check: &mut Check, host: &str, messages: &[&str]) -> Verdict<(Program, DatagramPeer)> {
    let peer = check.datagram_peer(host)?;
    let address = peer.address().to_string();
    let arguments = ["client", &address].into_iter().chain(messages.iter().copied());
    let client = check.start(arguments)?;
    Ok((client, peer))
}

/// Sends a datagram back to where it came from.
fn answer(client: &Program, peer: &mut DatagramPeer, datagram: &Datagram) -> Verdict {
    peer.answer(client, datagram)
}

/// Each message is one datagram, whatever is in it, and each reply is printed with a newline.
pub fn messages(check: &mut Check) -> Verdict {
    let messages = ["hello", "two words", "", "世界", " a ", "a line\n", "the seventh"];
    let (client, mut peer) = start(check, &messages)?;
    for (number, message) in messages.iter().enumerate() {
        let came = peer.expect(&client, message.as_bytes());
        let datagram = of_message(came, &messages, number, peer.newest())?;
        answer(&client, &mut peer, &datagram)?;
    }
    let printed: String = messages.map(|message| format!("{message}\n")).concat();
    of_stdout(client.finish_with(0)?.expect_stdout(printed.as_bytes()))?;
    peer.expect_nothing_more(&client)
}

/// No reply to the first try: the client waits 500 ms and tries again. That it waits no longer
/// shows in the best of some runs, for a busy machine may be late with any of them.
pub fn retry(check: &mut Check) -> Verdict {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        best = best.min(retry_once(check)?);
        if best <= MOST_GAP {
            return Ok(());
        }
    }
    let (expected, got) = steps::second_try(MOST_GAP, best);
    Err(Failure::new(Symptom::Named("tries-too-late"), expected, got).into())
}

/// How long after the first try the second one came; none at all where the kernel gives no stamps.
fn retry_once(check: &mut Check) -> Verdict<Duration> {
    let (client, mut peer) = start(check, &["hello"])?;
    let first = peer.expect(&client, b"hello")?;
    let second = of_time_limit(peer.expect(&client, b"hello"))?;
    first.expect_gap(&second, LEAST_GAP)?;
    answer(&client, &mut peer, &second)?;
    client.finish_with(0)?.expect_stdout(b"hello\n")?;
    peer.expect_nothing_more(&client)?;
    Ok(first.gap(&second).unwrap_or_default())
}

/// A server that never answers: three tries, then the client says so. That the second wait is no
/// longer than the first shows in the best of some runs.
pub fn gives_up(check: &mut Check) -> Verdict {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        best = best.min(gives_up_once(check)?);
        if best <= MOST_GROWTH {
            return Ok(());
        }
    }
    let (expected, got) = steps::third_try(best);
    Err(Failure::new(Symptom::Named("waits-grow"), expected, got).into())
}

/// By how much the second wait was longer than the first; not at all where the kernel gives no
/// stamps. Here somebody has the port and is silent, so no closed port gives the answer away.
fn gives_up_once(check: &mut Check) -> Verdict<Duration> {
    let (client, mut peer) = start(check, &["hello"])?;
    let first = peer.expect(&client, b"hello")?;
    let second = of_time_limit(peer.expect(&client, b"hello"))?;
    let third = of_time_limit(peer.expect(&client, b"hello"))?;
    let finished = client.finish_with(1)?;
    let age = first.expect_age(Duration::from_millis(1400), Duration::from_secs(4));
    told_as(age, &[Symptom::TooLate], "gave-up-too-late")?;
    let complaint = format!("no reply from {} after 3 tries", peer.address());
    finished.expect_error_containing(&complaint)?.expect_stdout(b"")?;
    of_tries(peer.expect_nothing_more(&client), &peer, b"hello")?;
    let wait = |one: &Datagram, next: &Datagram| one.gap(next).unwrap_or_default();
    Ok(wait(&second, &third).saturating_sub(wait(&first, &second)))
}

/// The second of three messages gets no reply: the first one's stays printed, and the third is not
/// sent.
pub fn earlier_replies(check: &mut Check) -> Verdict {
    let (client, mut peer) = start(check, &["one", "two", "three"])?;
    let datagram = peer.expect(&client, b"one")?;
    answer(&client, &mut peer, &datagram)?;
    for _ in 0..3 {
        let came = of_time_limit(peer.expect(&client, b"two"));
        of_tries(came, &peer, b"two")?;
    }
    let finished = client.finish_with(1)?;
    let printed = finished.expect_some_error()?.expect_stdout(b"one\n");
    told_as(printed, &[Symptom::CutShort], "reply-not-printed")?;
    of_tries(peer.expect_nothing_more(&client), &peer, b"two")
}

/// Strangers send the very bytes that the client waits for, and they are no answer: what the client
/// does next shows whether it took them for one. One has the server's IP address and another port,
/// one the server's port at another IP address.
pub fn stranger(check: &mut Check) -> Verdict {
    let (host, elsewhere) = (check.own_loopback(), check.own_loopback());
    let (client, mut peer) = start_at(check, &host, &["hello", "again"])?;
    let first = peer.expect(&client, b"hello")?;
    for mut stranger in
        [check.datagram_peer(&host)?, check.datagram_peer_near(&elsewhere, peer.address().port())?]
    {
        stranger.send_to(&client, first.from, b"something else")?;
        stranger.send_to(&client, first.from, b"hello")?;
    }
    let second = peer.expect(&client, b"hello")?;
    answer(&client, &mut peer, &second)?;
    let third = peer.expect(&client, b"again")?;
    answer(&client, &mut peer, &third)?;
    client.finish_with(0)?.expect_stdout(b"hello\nagain\n")?;
    Ok(())
}

/// The reply to the first message comes twice, so the second one is there already when the next
/// message goes out.
pub fn late_duplicate(check: &mut Check) -> Verdict {
    let messages = ["first", "second", "third"];
    let (client, mut peer) = start(check, &messages)?;
    for message in messages {
        let datagram = peer.expect(&client, message.as_bytes())?;
        answer(&client, &mut peer, &datagram)?;
        answer(&client, &mut peer, &datagram)?;
    }
    client.finish_with(0)?.expect_stdout(b"first\nsecond\nthird\n")?;
    Ok(())
}

/// What is not the echo comes all the time: it neither ends the 500 ms nor lets them begin anew.
/// Longer and shorter datagrams that begin as the message does are among it.
pub fn clock(check: &mut Check) -> Verdict {
    let (client, mut peer) = start(check, &["hello"])?;
    let first = peer.expect(&client, b"hello")?;
    let others: [&[u8]; 5] = [b"hello, world", b"hell", b"", b"other", b"hello\n"];
    let expected = steps::tries_again(&client.name(), b"hello");
    for number in 0..DISTURBANCES {
        peer.send_to(&client, first.from, others[number as usize % others.len()])?;
        if let Some(again) = peer.receive_within(&client, &expected, DISTURBANCE)? {
            first.expect_gap(&again, LEAST_GAP)?;
            answer(&client, &mut peer, &again)?;
            client.finish_with(0)?.expect_stdout(b"hello\n")?;
            return Ok(());
        }
    }
    let got = steps::too_late(DISTURBANCE * DISTURBANCES, "");
    Err(Failure::new(Symptom::Named("never-tries-again"), expected, got).into())
}

/// A message is one datagram also if it is long, and the client has room for its echo.
pub fn large_message(check: &mut Check) -> Verdict {
    let text = check.random_text(MOST_BYTES);
    let (client, mut peer) = start(check, &[&text])?;
    let datagram = peer.expect(&client, text.as_bytes())?;
    answer(&client, &mut peer, &datagram)?;
    client.finish_with(0)?.expect_stdout(format!("{text}\n").as_bytes())?;
    Ok(())
}
