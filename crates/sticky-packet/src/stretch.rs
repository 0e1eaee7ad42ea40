//! What a learner can do beyond the 100 points.

use std::time::Duration;

use grader::retell::told_as;
use grader::wording::{steps, sticky_packet};
use grader::{Check, Connection, Program, Stop, Symptom, Verdict};

use crate::frames::{BOTH, Framing, line_for};
use crate::receive::MOST_MESSAGE_BYTES;
use crate::receiver::{Receiver, is_result, rejected};
use crate::send;

const MIB: usize = 1 << 20;
/// By how many bytes on the wire a message without an end has to be rejected.
const ENDLESS_BYTES: usize = 2 * MIB + (64 << 10);
/// How much more is sent to a receiver that has rejected it and goes on reading.
const FURTHER_BYTES: usize = 64 * MIB;
/// What a receiver's peak memory may grow by meanwhile: the message, copied a few times.
const MEMORY_LIMIT_BYTES: u64 = 24 << 20;
/// How many small messages come in one go.
const SMALL_MESSAGES: usize = 100_000;
/// What they may take of the receiver's processor time.
const CPU_LIMIT: Duration = Duration::from_secs(1);
/// How much is sent between two looks at that.
const PIECE_BYTES: usize = 256 << 10;

/// Newlines and backslashes, alone and beside each other, and a backslash before an `n`.
const ESCAPED: &str = "a\nb\\c\\n\n\n\\\\";

/// The sender escapes what would end a message, and what would be taken for an escape.
pub fn escapes_sent(check: &mut Check) -> Verdict {
    send::escapes(check, &[ESCAPED, "\\", "\n", "\r"])
}

/// The receiver takes the escapes out again, wherever a segment ends, and counts a message without
/// them.
pub fn escapes_received(check: &mut Check) -> Verdict {
    let framing = Framing::Delimiter;
    let frame = framing.frame(ESCAPED);
    let newlines = "\n".repeat(MOST_MESSAGE_BYTES);
    let mut receiver = Receiver::start(check, framing)?;
    let mut sender = receiver.sender()?;
    sender.send_in_segments([&frame])?;
    sender.send_bytewise(&frame)?;
    // A carriage return before the delimiter belongs to the message.
    sender.send(&framing.frame("no Windows\r"))?;
    sender.send(&framing.frame(&newlines))?;
    sender.finish_sending()?;
    receiver.expect_message(ESCAPED)?;
    // In one segment it came out right: what is wrong now is so since a read ended in an escape.
    receiver.expect(&line_for(ESCAPED), |_| Some("cut-in-two"))?;
    receiver.expect(&line_for("no Windows\r"), |came| {
        (came == line_for("no Windows")).then_some("carriage-return-lost").or(rejected(came))
    })?;
    receiver.expect(&line_for(&newlines), |came| rejected(came).and(Some("counts-escapes")))?;
    receiver.expect("closed", rejected)?;

    // The newline is one of the bytes that make no escape.
    for unknown in [b"a\\tb\n", b"a\\\nb\n"] {
        let mut receiver = Receiver::start(check, framing)?;
        let mut sender = receiver.sender()?;
        sender.send_in_segments([b"ok\n".as_slice(), unknown])?;
        receiver.expect_message("ok")?;
        receiver.expect_rejection()?;
    }

    let mut receiver = Receiver::start(check, framing)?;
    let _sender = receiver.sender_of([b"\\"])?;
    receiver.expect("truncated", |came| rejected(came).or(Some("not-told")))
}

/// A byte more than there may be, with an end; and a message without one, which is neither awaited
/// nor kept.
pub fn endless_message(check: &mut Check) -> Verdict {
    a_byte_too_long(check)?;
    without_an_end(check)
}

fn a_byte_too_long(check: &mut Check) -> Verdict {
    let framing = Framing::Delimiter;
    let mut receiver = Receiver::start(check, framing)?;
    let mut sender = receiver.sender()?;
    sender.send_in_segments([framing.frame("ok")])?;
    sender.send(&framing.frame(vec![b'y'; MOST_MESSAGE_BYTES + 1]))?;
    receiver.expect_message("ok")?;
    receiver.expect_rejection()?;
    Ok(())
}

fn without_an_end(check: &mut Check) -> Verdict {
    let framing = Framing::Delimiter;
    let mut receiver = Receiver::start(check, framing)?;
    let mut sender = receiver.sender()?;
    sender.send_in_segments([b"x"])?;
    let before = receiver.server.peak_memory_bytes()?;
    sender.send(&vec![b'x'; ENDLESS_BYTES - 1])?;
    let taken = [Symptom::Named("not-rejected")];
    told_as(receiver.expect_rejection(), &taken, "waits-for-the-end")?;
    send_further(&mut sender)?;
    let growth = receiver.growth(before, Program::peak_memory_bytes)?;
    if growth >= MEMORY_LIMIT_BYTES {
        let (expected, got) = sticky_packet::peak_memory(MEMORY_LIMIT_BYTES, growth);
        return check.fail(Symptom::TooMuchMemory, expected, got);
    }
    Ok(())
}

/// Goes on sending to a receiver that keeps the connection, until it takes no more. Whether it may
/// keep it is judged elsewhere.
fn send_further(sender: &mut Connection) -> Verdict {
    let piece = vec![b'x'; MIB];
    for _ in 0..FURTHER_BYTES / MIB {
        match sender.send(&piece) {
            Ok(()) if sender.end().is_none() => {}
            Ok(()) => return Ok(()),
            Err(stop) if stop.is_silence() => return Ok(()),
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// What costs something for each byte or message, or costs more the more is waiting, adds up.
pub fn many_small(check: &mut Check) -> Verdict {
    let (messages, lines) = small_messages();
    for framing in BOTH {
        let mut stream = Vec::with_capacity(messages.len() * 2);
        let (before, after): (&[u8], &[u8]) = match framing {
            Framing::Delimiter => (b"", b"\n"),
            Framing::Length => (&[0, 0, 0, SMALL_BYTES as u8], b""),
        };
        for message in messages.chunks(SMALL_BYTES) {
            stream.extend_from_slice(before);
            stream.extend_from_slice(message);
            stream.extend_from_slice(after);
        }
        let mut receiver = Receiver::start(check, framing)?;
        let mut sender = receiver.sender()?;
        let before = receiver.server.cpu_time()?;
        let printed = exchange(&mut receiver, &mut sender, &stream, before);
        let used = receiver.server.cpu_time()?.saturating_sub(before);
        if used >= CPU_LIMIT {
            let (expected, got) = sticky_packet::processor_time(CPU_LIMIT, used);
            return check.fail(Symptom::TooMuchCpu, expected, got);
        }
        compare(&receiver, &lines, &printed?)?;
    }
    Ok(())
}

/// Where the line that ends a conversation is looked for: a few lines of a log may follow it.
const LAST_BYTES: usize = 512;
/// How long a small message is.
const SMALL_BYTES: usize = 30;

/// All small messages, and the lines that stand for them and for the end.
fn small_messages() -> (Vec<u8>, Vec<u8>) {
    let mut message = *b"message 000000 of a hundred th";
    let mut messages = Vec::with_capacity(SMALL_MESSAGES * SMALL_BYTES);
    let mut lines = Vec::with_capacity(SMALL_MESSAGES * (SMALL_BYTES + 11));
    for _ in 0..SMALL_MESSAGES {
        messages.extend_from_slice(&message);
        lines.extend_from_slice(b"message \"");
        lines.extend_from_slice(&message);
        lines.extend_from_slice(b"\"\n");
        for digit in message[8..14].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
    }
    lines.extend_from_slice(b"closed\n");
    (messages, lines)
}

/// Sends `stream`, and gives what the receiver prints of it: as much as it should be, or up to the
/// end of the conversation, or until it has used all its processor time.
fn exchange(
    receiver: &mut Receiver,
    sender: &mut Connection,
    stream: &[u8],
    before: Duration,
) -> Verdict<Vec<u8>> {
    let server = receiver.server.clone();
    let over = || Ok::<_, Stop>(server.cpu_time()?.saturating_sub(before) >= CPU_LIMIT);
    for piece in stream.chunks(PIECE_BYTES) {
        if over()? {
            return Ok(Vec::new());
        }
        sender.send(piece)?;
    }
    sender.finish_sending()?;
    let expected = sticky_packet::prints_all(&server.name(), SMALL_MESSAGES);
    loop {
        let used = server.cpu_time()?;
        let enough = |come: &[u8]| Ok((has_ended(come) || over()?).then_some(come.len()));
        match receiver.lines.take(&expected, enough) {
            // What counts is its own time: on a busy machine it may have had little of it.
            Err(Stop::Failed(failure))
                if failure.symptom == Symptom::TooLate && server.cpu_time()? > used => {}
            other => return other,
        }
    }
}

/// Whether the last lines tell that the conversation is over.
fn has_ended(printed: &[u8]) -> bool {
    let last = &printed[printed.len().saturating_sub(LAST_BYTES)..];
    [b"\nclosed\n".as_slice(), b"\ntruncated\n", b"\nrejected"]
        .iter()
        .any(|end| last.windows(end.len()).any(|window| window == *end))
}

/// Compares all lines, those that are no results left out.
fn compare(receiver: &Receiver, expected: &[u8], came: &[u8]) -> Verdict {
    if expected == came {
        return Ok(());
    }
    let results = |bytes: &[u8]| -> Vec<String> {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| is_result(line));
        lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    };
    let (expected, came) = (results(expected), results(came));
    let Some(at) = (0..expected.len()).find(|at| came.get(*at) != Some(&expected[*at])) else {
        return Ok(());
    };
    let wanted = steps::prints_line(&receiver.server.name(), &expected[at]);
    let got = came.get(at).map_or("", String::as_str);
    let symptom = match rejected(got) {
        Some(mistake) => Symptom::Named(mistake),
        None if came.len() < expected.len() => Symptom::Named("messages-lost"),
        None => Symptom::WrongStdout,
    };
    Err(receiver.lines.failure(symptom, wanted, sticky_packet::line(got.as_bytes())))
}

/// The same over IPv6.
pub fn ipv6(check: &mut Check) -> Verdict {
    let framing = Framing::Delimiter;
    let (sender, mut connection) = send::start(check, "::1", framing.name(), &["hi"])?;
    connection.expect_bytes(&framing.frame("hi"))?;
    connection.expect_end()?;
    sender.finish_with(0)?;

    let mut receiver = Receiver::start_with(check, "[::1]:0", framing.name())?;
    let _sender = receiver.sender_of([framing.frame("hi")])?;
    receiver.expect(&line_for("hi"), rejected)
}
