//! The rules that hold for every program of the course.

use grader::retell::told_by;
use grader::wording::{steps, sticky_packet};
use grader::{Check, Stop, Symptom, Verdict};

use crate::frames::{Framing, line_for};
use crate::receiver::{Receiver, is_result};
use crate::send;

/// The receiver says where it listens, in one line, and then prints results only. Whether these are
/// right is for other checks to say.
pub fn ready_line(check: &mut Check) -> Verdict {
    let mut receiver = Receiver::start(check, Framing::Length)?;
    let real = receiver.server.address();
    let elsewhere = receiver.server.first_line_address()?.is_some_and(|said| said != real);
    let ready = receiver.server.expect_ready_line();
    told_by(ready, |_| elsewhere.then_some("ready-line-with-another-address"))?;
    for _ in 0..2 {
        if let Err(Stop::Error(error)) = converse(&mut receiver) {
            return Err(error.into());
        }
    }
    // A sender that breaks off, or that breaks the framing, is no reason for other lines either.
    for garbage in [b"\0\0\0\x05hel".as_slice(), b"\0\0\0\x01\xff"] {
        if let Err(Stop::Error(error)) = misbehave(&mut receiver, garbage) {
            return Err(error.into());
        }
    }
    let printed = receiver.server.results()?;
    match printed.iter().find(|line| !is_result(line)) {
        Some(line) => {
            let (expected, got) = sticky_packet::no_result(line);
            check.fail(Symptom::WrongStdout, expected, got)
        }
        None => Ok(()),
    }
}

/// A sender that should be well: a message, and the end.
fn converse(receiver: &mut Receiver) -> Verdict {
    let _sender = receiver.sender_of([Framing::Length.frame("hi")])?;
    receiver.expect_conversation(&["hi"])
}

/// A sender that resets after these bytes, and one that is well.
fn misbehave(receiver: &mut Receiver, garbage: &[u8]) -> Verdict {
    let mut sender = receiver.sender()?;
    sender.send_in_segments([garbage])?;
    sender.reset()?;
    receiver.next(&sticky_packet::prints_anything(&receiver.server.name()))?;
    converse(receiver)
}

/// A receiver whose port is taken says so and exits 1: taken by a stranger, and by another of its
/// kind.
pub fn port_taken(check: &mut Check) -> Verdict {
    let stranger = check.listen("127.0.0.1")?;
    let first = Receiver::start(check, Framing::Length)?;
    for taken in [stranger.address(), first.server.address()] {
        let receiver = check.start(["receive", &taken.to_string(), "none"])?;
        receiver.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    }
    Ok(())
}

/// A wrong command line ends with status 2 and a line on standard error; an address that cannot be
/// read, with 1 or 2.
pub fn usage(check: &mut Check) -> Verdict {
    // Somebody listens there: a program that attempts what it should not does not fail by accident.
    let peer = check.listen("127.0.0.1")?;
    let address = peer.address().to_string();
    let wrong: [&[&str]; 10] = [
        &[],
        &["x"],
        &["x", &address, "none", "hi"],
        &["send"],
        &["receive"],
        &["send", &address, "none"],
        &["receive", "127.0.0.1:0"],
        &["receive", "127.0.0.1:0", "morse"],
        &["send", &address, "Length", "hi"],
        &["receive", "127.0.0.1:0", "none", "more"],
    ];
    for arguments in wrong {
        check.start(arguments)?.finish_with(2)?.expect_stdout(b"")?.expect_some_error()?;
    }
    for unreadable in ["127.0.0.1", "127.0.0.1:70000", "127.0.0.1:port"] {
        let finished = check.start(["send", unreadable, "none", "hi"])?.finish()?;
        finished.expect_status(&[1, 2])?.expect_stdout(b"")?.expect_some_error()?;
    }
    Ok(())
}

/// A failure is one line on standard error that names what was attempted and on what.
pub fn error_line(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let sender = check.start(["send", &nobody.address().to_string(), "length", "x"])?;
    sender.finish()?.expect_error_line_about(nobody.address())?;

    let stranger = check.listen("127.0.0.1")?;
    let receiver = check.start(["receive", &stranger.address().to_string(), "none"])?;
    receiver.finish()?.expect_last_error_line_about(stranger.address())?;
    reset_midway(check)
}

/// A receiver that resets while messages are still to be sent: a write of the sender fails.
fn reset_midway(check: &mut Check) -> Verdict {
    const TRIES: u32 = 8;
    const MESSAGES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

    for _ in 0..TRIES {
        let (sender, mut connection) = send::start(check, "127.0.0.1", "delay", &MESSAGES)?;
        let expected = steps::sends_bytes(&sender.name(), MESSAGES[0].as_bytes(), 0);
        connection.read_until(&expected, |bytes| (!bytes.is_empty()).then_some(0))?;
        sender.pause()?;
        connection.take_in()?;
        // One that has sent everything has nothing left to fail. Its pauses are judged elsewhere.
        if connection.end().is_some() || connection.unread() >= MESSAGES.len() {
            sender.kill()?;
            continue;
        }
        connection.reset()?;
        sender.resume()?;
        let failed = sender.finish_with(1).and_then(|finished| {
            finished.expect_some_error()?;
            Ok(())
        });
        return told_by(failed, |failure| {
            (!failure.symptom.is_silence()).then_some("reset-unnoticed")
        });
    }
    Ok(())
}

/// HOST may be a name, and a sender tries each address that the name has: the one that answers may
/// be the last. What the bytes are is judged elsewhere.
pub fn host_names(check: &mut Check) -> Verdict {
    for mut peer in check.named_peers()? {
        let sender = check.start(["send", peer.named_address(), "none", "hi"])?;
        let mut connection = peer.accept(&sender)?;
        connection.read_to_end(64)?;
        sender.finish_with(0)?;
    }

    let mut receiver = Receiver::start_with(check, "localhost:0", Framing::Delimiter.name())?;
    let _sender = receiver.sender_of([Framing::Delimiter.frame("hi")])?;
    receiver.expect(&line_for("hi"), |_| None)
}
