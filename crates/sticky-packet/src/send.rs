//! What the sender promises.

use std::time::Duration;

use grader::bytes::first_difference;
use grader::retell::of_silence;
use grader::tcp::Arrival;
use grader::wording::{steps, sticky_packet};
use grader::{Check, Connection, Program, Stop, Symptom, Verdict};

use crate::frames::Framing;

/// The least pause between two messages that counts as 100 ms.
const LEAST_GAP: Duration = Duration::from_millis(90);
/// What only a delimiter makes it necessary to escape.
const UNESCAPED: &str = "a\\\nb";
/// How often the pauses are looked at again if the grader itself was late.
const GAP_TRIES: u32 = 8;

/// Starts a sender of `messages` to `host`, where the grader listens, and accepts its connection.
pub(crate) fn start(
    check: &mut Check,
    host: &str,
    framing: &str,
    messages: &[&str],
) -> Verdict<(Program, Connection)> {
    let mut peer = check.listen(host)?;
    let address = peer.address().to_string();
    let arguments = ["send", &address, framing].into_iter().chain(messages.iter().copied());
    let sender = check.start(arguments)?;
    let connection = peer.accept(&sender)?;
    Ok((sender, connection))
}

/// Expects exactly these bytes. Where they are wrong, `tell` may know better what they show.
fn expect_sent(
    check: &Check,
    sender: &Program,
    connection: &mut Connection,
    expected: &[u8],
    tell: impl Fn(&[u8]) -> Option<(Symptom, (String, String))>,
) -> Verdict {
    let goal = steps::sends_bytes(&sender.name(), expected, 0);
    let came = connection
        .read_until(&goal, |bytes| (bytes.len() >= expected.len()).then_some(expected.len()))?;
    if came == expected {
        return connection.expect_no_more();
    }
    if let Some((symptom, (expected, got))) = tell(&came) {
        return check.fail(symptom, expected, got);
    }
    let is_short = expected.starts_with(&came);
    let symptom = if is_short { Symptom::CutShort } else { Symptom::WrongBytes };
    let lengths = (expected.len() as u64, came.len() as u64);
    let (expected, got) = first_difference(expected, &came, 0);
    let (expected, got) = sticky_packet::sent_bytes(&expected, &got, lengths.0, lengths.1);
    check.fail(symptom, expected, got)
}

/// Four messages: plain, with letters of several bytes, empty, and longer than a byte can count.
fn messages(long: &str) -> [&str; 4] {
    ["one", "你好 é", "", long]
}

/// Each message and a newline, the last and the empty one too. Here alone it is judged that the
/// stream ends after it, and that the sender ends too, while the receiver keeps the connection.
pub fn delimiter(check: &mut Check) -> Verdict {
    let long = "x".repeat(300);
    let messages = messages(&long);
    let (sender, mut connection) = start(check, "127.0.0.1", "delimiter", &messages)?;
    let expected = Framing::Delimiter.frames(&messages);
    expect_sent(check, &sender, &mut connection, &expected, |_| None)?;
    connection.expect_end()?;
    of_silence(sender.finish_with(0), Symptom::Named("waits"))?;
    Ok(())
}

/// A length of four bytes before each message, the most significant first, in bytes and not in
/// characters.
pub fn length(check: &mut Check) -> Verdict {
    let long = "x".repeat(300);
    let mut messages = messages(&long).to_vec();
    messages.push(UNESCAPED);
    let with = |header: fn(&str) -> [u8; 4]| {
        let frames = messages.iter().map(|text| [&header(text)[..], text.as_bytes()].concat());
        frames.collect::<Vec<_>>().concat()
    };
    let little_endian = with(|text| (text.len() as u32).to_le_bytes());
    let characters = with(|text| (text.chars().count() as u32).to_be_bytes());
    let escaped: Vec<u8> = messages
        .iter()
        .flat_map(|text| Framing::Length.frame(without_delimiter(Framing::Delimiter.frame(text))))
        .collect();
    let (sender, mut connection) = start(check, "127.0.0.1", "length", &messages)?;
    let expected = Framing::Length.frames(&messages);
    expect_sent(check, &sender, &mut connection, &expected, |came| {
        let symptom = match came {
            _ if escaped.starts_with(came) => Symptom::Named("escaped"),
            _ if came == little_endian => Symptom::Named("little-endian"),
            _ if came == characters => Symptom::Named("counts-characters"),
            _ => Symptom::WrongBytes,
        };
        wrong_header(&messages, came).map(|words| (symptom, words))
    })
}

/// What stands in the stream for a message with its escapes, and nothing after it.
fn without_delimiter(mut frame: Vec<u8>) -> Vec<u8> {
    frame.pop();
    frame
}

/// What is said of the first header that is wrong, if all before it is right.
fn wrong_header(messages: &[&str], came: &[u8]) -> Option<(String, String)> {
    let mut rest = came;
    for message in messages {
        let frame = Framing::Length.frame(message);
        let header = rest.get(..4)?;
        if header != &frame[..4] {
            return Some(sticky_packet::headers_differ(message, &frame[..4], header));
        }
        rest = rest.strip_prefix(frame.as_slice())?;
    }
    None
}

/// The bytes of the messages and nothing else, also where other framings would escape; and nothing
/// on standard output.
pub fn none(check: &mut Check) -> Verdict {
    let long = "x".repeat(300);
    let mut all = messages(&long).to_vec();
    all.push(UNESCAPED);
    let (sender, mut connection) = start(check, "127.0.0.1", "none", &all)?;
    expect_sent(check, &sender, &mut connection, all.concat().as_bytes(), |_| None)?;
    connection.close();
    // How it ends is judged by `delimiter`.
    if let Err(Stop::Error(error)) = sender.finish() {
        return Err(error.into());
    }
    let printed = sender.stdout_so_far()?;
    if !printed.is_empty() {
        let (expected, got) = sticky_packet::prints_nothing(&sender.name(), &printed);
        return check.fail(Symptom::WrongStdout, expected, got);
    }
    Ok(())
}

/// Between messages the wire is silent for 90 ms at least, by the stamps of the kernel that
/// received them; and there are no other bytes.
pub fn delay(check: &mut Check) -> Verdict {
    let messages = ["one", "two", "three"];
    for _ in 0..GAP_TRIES {
        let mut peer = check.listen("127.0.0.1")?;
        let before = peer.stamp_arrivals();
        let address = peer.address().to_string();
        let sender = check.start(["send", &address, "delay"].into_iter().chain(messages))?;
        let (mut connection, arrivals) =
            peer.accept_arrivals(&sender, before, |all| position(all, "three").is_some())?;
        if gaps_seen(check, &messages, &arrivals)? {
            return connection.expect_no_more();
        }
        // The kernel had queued two messages when the grader came to look: how far apart they came
        // is not known.
        sender.kill()?;
    }
    Err(std::io::Error::other(sticky_packet::never_in_time(GAP_TRIES)).into())
}

/// Whether each pause was seen to be long enough; false if the grader came too late to see it.
fn gaps_seen(check: &Check, messages: &[&str], arrivals: &[Arrival]) -> Verdict<bool> {
    let all: Vec<u8> = arrivals.iter().flat_map(|arrival| arrival.bytes.clone()).collect();
    let wanted = messages.concat();
    if all != wanted.as_bytes() {
        let (expected, got) = sticky_packet::messages_in_order(wanted.as_bytes(), &all);
        return check.fail(Symptom::WrongBytes, expected, got);
    }
    let mut seen = true;
    for pair in messages.windows(2) {
        let [one, next] = pair else { continue };
        let (Some(end), Some(begin)) = (position(&all, one), position(&all, next)) else {
            continue;
        };
        let before = read_with(arrivals, end + one.len() - 1);
        let after = read_with(arrivals, begin);
        let together = std::ptr::eq(before, after);
        // The longest that the pause can have been; unknown if the clock was set back meanwhile.
        let since = if together { before.nothing_before } else { before.earliest };
        let Some(gap) = after.latest.checked_sub(since) else { return Ok(false) };
        if gap < LEAST_GAP {
            let (expected, got) = sticky_packet::gap(one, next, LEAST_GAP, gap);
            return check.fail(Symptom::Named("no-gap"), expected, got);
        }
        seen &= !together;
    }
    Ok(seen)
}

/// The read that brought the byte at `offset`.
fn read_with(arrivals: &[Arrival], offset: usize) -> &Arrival {
    let mut end = 0;
    let brought = |arrival: &&Arrival| {
        end += arrival.bytes.len();
        end > offset
    };
    arrivals.iter().find(brought).expect("the offset is one of a byte that came")
}

fn position(all: &[u8], text: &str) -> Option<usize> {
    all.windows(text.len()).position(|window| window == text.as_bytes())
}

/// Nobody listens.
pub fn refused(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let sender = check.start(["send", &nobody.address().to_string(), "length", "x"])?;
    sender.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    Ok(())
}

/// Escapes inside of a delimited message; called by the stretch check.
pub(crate) fn escapes(check: &mut Check, messages: &[&str]) -> Verdict {
    let (sender, mut connection) = start(check, "127.0.0.1", "delimiter", messages)?;
    let expected = Framing::Delimiter.frames(messages);
    expect_sent(check, &sender, &mut connection, &expected, |_| None)
}
