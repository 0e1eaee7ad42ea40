//! What the receiver promises of messages, however they arrive.

use grader::retell::of_silence;
use grader::wording::{steps, sticky_packet};
use grader::{Check, Symptom, Verdict};

use crate::frames::{BOTH, Framing, line_for, text_of};
use crate::receiver::{Receiver, is_ending, rejected};

/// The longest message, in bytes.
pub(crate) const MOST_MESSAGE_BYTES: usize = 1 << 20;

/// A message is a line, with the text as Rust's `{:?}` prints it, and the sender's end another.
pub fn one_message(check: &mut Check) -> Verdict {
    for framing in BOTH {
        for text in ["hi", "say \"é\"\tnow"] {
            let mut receiver = Receiver::start(check, framing)?;
            let _sender = receiver.sender_of([framing.frame(text)])?;
            receiver.expect(&line_for(text), |came| match text_of(came) {
                Some(other) if other != text => Some("another-text"),
                _ => rejected(came),
            })?;
            receiver.expect("closed", rejected)?;
        }
    }
    Ok(())
}

/// What sticks together in one segment comes apart again.
pub fn three_in_one(check: &mut Check) -> Verdict {
    for framing in BOTH {
        // With a length before it, a message is sent as it is, whatever is in it.
        let last = if framing == Framing::Length { "th\\n\nree" } else { "three" };
        let texts = ["one", "two", last];
        let mut receiver = Receiver::start(check, framing)?;
        let _sender = receiver.sender_of([framing.frames(&texts)])?;
        for (number, text) in texts.into_iter().enumerate() {
            receiver.expect(&line_for(text), |came| match text_of(came) {
                Some(longer) if longer.len() > text.len() && longer.contains(text) => {
                    Some("stuck-together")
                }
                Some(_) if framing == Framing::Length && number == 2 => Some("unescaped"),
                None if number > 0 && rejected(came).is_none() => Some("messages-lost"),
                _ => rejected(came),
            })?;
        }
        receiver.expect("closed", rejected)?;
    }
    Ok(())
}

/// A message that arrives byte by byte is one message.
pub fn one_byte_segments(check: &mut Check) -> Verdict {
    for framing in BOTH {
        let mut receiver = Receiver::start(check, framing)?;
        let _sender = receiver.sender_of(framing.frame("hello world").chunks(1))?;
        receiver.expect(&line_for("hello world"), |came| match text_of(came) {
            Some(piece) if "hello world".contains(&piece) => Some("in-pieces"),
            _ => rejected(came),
        })?;
        receiver.expect("closed", rejected)?;
    }
    Ok(())
}

/// A read ends inside a character, or inside the header.
pub fn cut_anywhere(check: &mut Check) -> Verdict {
    for framing in BOTH {
        let frame = framing.frame("a你b");
        let (header_cuts, letter_at): (&[usize], usize) = match framing {
            Framing::Delimiter => (&[], 1),
            Framing::Length => (&[1, 2, 3], 5),
        };
        for cut in header_cuts.iter().copied().chain([letter_at + 1, letter_at + 2]) {
            let mut receiver = Receiver::start(check, framing)?;
            let _sender = receiver.sender_of([&frame[..cut], &frame[cut..]])?;
            receiver.expect_conversation(&["a你b"])?;
        }
    }
    Ok(())
}

/// A message without a byte is a message: the first, the last, each in a segment of its own.
pub fn empty_message(check: &mut Check) -> Verdict {
    for framing in BOTH {
        let texts = ["", "x", ""];
        let mut receiver = Receiver::start(check, framing)?;
        let _sender = receiver.sender_of(texts.map(|text| framing.frame(text)))?;
        for text in texts {
            receiver.expect(&line_for(text), |came| {
                rejected(came).or(text.is_empty().then_some("not-told"))
            })?;
        }
        receiver.expect("closed", rejected)?;
    }
    Ok(())
}

/// The longest message that there may be, from letters that need no escape.
pub fn one_mebibyte(check: &mut Check) -> Verdict {
    for framing in BOTH {
        let text = String::from_utf8_lossy(&check.long_text(MOST_MESSAGE_BYTES)).into_owned();
        let mut receiver = Receiver::start(check, framing)?;
        let mut sender = receiver.sender()?;
        sender.send(&framing.frame(&text))?;
        sender.finish_sending()?;
        receiver.expect_conversation(&[&text])?;
    }
    Ok(())
}

/// Lines come while the sender stays: after each message, also when the next has begun.
pub fn as_they_complete(check: &mut Check) -> Verdict {
    for framing in BOTH {
        let mut receiver = Receiver::start(check, framing)?;
        let mut sender = receiver.sender()?;
        for text in ["one", "two"] {
            sender.send(&framing.frame(text))?;
            receiver.expect_message(text)?;
        }
        let next = framing.frame("four");
        let (begun, last_byte) = next.split_at(next.len() - 1);
        sender.send(&[&framing.frame("three"), begun].concat())?;
        of_silence(receiver.expect_message("three"), Symptom::Named("held-back"))?;
        sender.send(last_byte)?;
        receiver.expect_message("four")?;
    }
    Ok(())
}

/// The stream ends inside a message, which begins with the first byte of its header. That is told
/// once, and the message before it is kept, also if one read brings both.
pub fn truncated(check: &mut Check) -> Verdict {
    for framing in BOTH {
        let whole = framing.frame("cut");
        let mut unfinished = vec![&whole[..whole.len() - 1]];
        if framing == Framing::Length {
            unfinished.extend([&whole[..1], &whole[..3], &whole[..4]]);
        }
        for piece in unfinished {
            let mut receiver = Receiver::start(check, framing)?;
            let _sender = receiver.sender_of([&framing.frame("kept"), piece])?;
            receiver.expect_message("kept")?;
            expect_truncated(&mut receiver)?;
        }
        let mut receiver = Receiver::start(check, framing)?;
        let in_one = [framing.frame("kept").as_slice(), &whole[..whole.len() - 1]].concat();
        let _sender = receiver.sender_of([in_one])?;
        receiver.expect(&line_for("kept"), |came| {
            ["truncated", "closed"].contains(&came).then_some("messages-lost").or(rejected(came))
        })?;
        expect_truncated(&mut receiver)?;
        let _sender = receiver.sender_of([framing.frame("next")])?;
        receiver.expect(&line_for("next"), |came| is_ending(came).then_some("told-twice"))?;
    }
    Ok(())
}

fn expect_truncated(receiver: &mut Receiver) -> Verdict {
    receiver.expect("truncated", |came| match came {
        "closed" => Some("not-told"),
        _ if came.starts_with("message") => Some("printed-anyway"),
        _ => rejected(came),
    })
}

/// While one sender is served, another one connects, sends and finishes: its lines come after the
/// first one's end.
pub fn next_sender(check: &mut Check) -> Verdict {
    for framing in BOTH {
        let mut receiver = Receiver::start(check, framing)?;
        let mut first = receiver.sender()?;
        first.send_in_segments([framing.frame("first")])?;
        let mut second = receiver.sender()?;
        second.send(&framing.frame("second"))?;
        second.finish_sending()?;
        // Each of these segments is read before the next: time enough for whoever serves both to
        // print the second's.
        let more = ["still", "the", "first"];
        first.send_in_segments(more.map(|text| framing.frame(text)))?;
        first.finish_sending()?;
        let mixed = |came: &str| (came == line_for("second")).then_some("mixed");
        for text in ["first"].into_iter().chain(more) {
            receiver.expect(&line_for(text), |came| mixed(came).or(rejected(came)))?;
        }
        receiver.expect("closed", mixed)?;
        receiver.expect_conversation(&["second"])?;
    }
    Ok(())
}

/// Without framing each read is a line. How the bytes fall into reads is the kernel's affair and
/// the program's, so the texts of all lines together are judged, and that each stands as `{:?}`
/// prints it; here alone bytes that are no text are replaced.
pub fn without_framing(check: &mut Check) -> Verdict {
    for framing in ["none", "delay"] {
        let mut receiver = Receiver::start_with(check, "127.0.0.1:0", framing)?;
        let segments: [&[u8]; 4] = [b"it's\r\0one", b"two\n", &[0xc3], &[0xa9]];
        let _sender = receiver.sender_of(segments)?;
        let mut together = String::new();
        loop {
            let came = receiver.next(&sticky_packet::prints_anything(&receiver.server.name()))?;
            match text_of(&came) {
                Some(text) if came == line_for(&text) => together.push_str(&text),
                Some(text) => {
                    receiver.compare(&line_for(&text), &came, |_| Some("written-otherwise"))?;
                }
                None if came == "closed" => break,
                None => {
                    let expected = steps::prints_line(&receiver.server.name(), "closed");
                    let symptom = rejected(&came).map_or(Symptom::WrongStdout, Symptom::Named);
                    let got = sticky_packet::line(came.as_bytes());
                    return Err(receiver.lines.failure(symptom, expected, got));
                }
            }
        }
        // Both halves in one read are the character.
        let replaced = "it's\r\0onetwo\n\u{fffd}\u{fffd}";
        if together != replaced && together != "it's\r\0onetwo\né" {
            let name = receiver.server.name();
            let (expected, got) = sticky_packet::texts(&name, replaced, &together);
            let trimmed =
                ["it's\r\0onetwo\u{fffd}\u{fffd}", "it's\r\0onetwoé"].contains(&together.as_str());
            let mistake = if trimmed { "trimmed" } else { "not-told" };
            return check.fail(Symptom::Named(mistake), expected, got);
        }
    }
    Ok(())
}
