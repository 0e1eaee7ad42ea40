//! What the receiver promises when a sender misbehaves.

use grader::wording::sticky_packet;
use grader::{Check, Program, Stop, Symptom, Verdict};

use crate::frames::{BOTH, Framing, line_for};
use crate::receive::MOST_MESSAGE_BYTES;
use crate::receiver::{Receiver, expect_any_end, is_ending};

const MIB: u64 = 1 << 20;
/// What a receiver's address space may grow by for a header of four bytes.
const ADDRESS_SPACE_LIMIT_BYTES: u64 = 64 * MIB;

/// A sender resets in mid-message, another before it was accepted, a third sends garbage: the next
/// is served in full.
pub fn after_reset(check: &mut Check) -> Verdict {
    let mut receiver = Receiver::start(check, Framing::Length)?;
    in_mid_message(&mut receiver)?;
    before_it_is_accepted(&mut receiver)
        .map_err(|stop| told_by_its_end(&receiver.server, stop, asks_for_the_peer))?;
    after_garbage(&mut receiver).map_err(|stop| {
        told_by_its_end(&receiver.server, stop, |_| Some("exited-after-garbage"))
    })?;
    receiver.server.expect_running()
}

/// If the receiver has ended by itself, the same failure with its last words, under the name of the
/// mistake that `tell` sees in them.
fn told_by_its_end(
    receiver: &Program,
    stop: Stop,
    tell: impl FnOnce(&str) -> Option<&'static str>,
) -> Stop {
    let Stop::Failed(mut failure) = stop else { return stop };
    // It may have ended just now: then no more is known yet than that the next sender was refused.
    if matches!(failure.symptom, Symptom::Refused | Symptom::Reset | Symptom::CutShort)
        && receiver.await_rest().is_ok()
        && let Err(Stop::Failed(ended)) = receiver.expect_running()
    {
        failure.symptom = ended.symptom;
        failure.got = format!("{}\n{}", failure.got, ended.got);
    }
    let ended = failure.symptom == Symptom::Exited;
    match ended.then(|| tell(&failure.got)).flatten() {
        Some(mistake) => failure.because(mistake).into(),
        None => Stop::Failed(failure),
    }
}

/// The mistake of a receiver that asks for the peer of a connection which has none any more.
fn asks_for_the_peer(last_words: &str) -> Option<&'static str> {
    let told = ["endpoint is not connected", "NotConnected"];
    told.iter().any(|word| last_words.contains(word)).then_some("no-peer-address")
}

fn in_mid_message(receiver: &mut Receiver) -> Verdict {
    let framing = Framing::Length;
    let mut sender = receiver.sender()?;
    let unfinished = framing.frame("unfinished");
    sender.send_in_segments([&framing.frame("x"), &unfinished[..6]])?;
    sender.reset()?;
    receiver.expect_message("x")?;
    let expected = sticky_packet::tells_the_end(&receiver.server.name());
    let came = receiver.next(&expected)?;
    if !is_end(&came) {
        let got = sticky_packet::line(came.as_bytes());
        return Err(receiver.lines.failure(Symptom::WrongStdout, expected, got));
    }
    Ok(())
}

fn before_it_is_accepted(receiver: &mut Receiver) -> Verdict {
    receiver.server.pause()?;
    receiver.sender()?.reset()?;
    receiver.server.resume()?;
    let _sender = receiver.sender_of([Framing::Length.frame("y")])?;
    // Of a connection that was gone before it was accepted nothing need be told.
    receiver.expect_message_after("y", is_end)?;
    receiver.expect_conversation(&[])
}

/// What is said of garbage is judged elsewhere; here, that the next sender is served.
fn after_garbage(receiver: &mut Receiver) -> Verdict {
    let framing = Framing::Length;
    let _sender = receiver.sender_of([framing.frame(b"\xff\xfe")])?;
    let name = receiver.server.name();
    while receiver.next(&sticky_packet::prints_anything(&name))?.starts_with("message") {}
    let _sender = receiver.sender_of([framing.frame("z")])?;
    receiver.expect(&line_for("z"), |came| is_ending(came).then_some("told-twice"))
}

fn is_end(line: &str) -> bool {
    line == "truncated" || line == "closed"
}

/// A length above the limit is rejected: at once where it is absurd, and where it is hardly too
/// long.
pub fn length_too_long(check: &mut Check) -> Verdict {
    four_gibibytes(check)?;
    little_too_long(check)?;
    after_a_message(check)
}

/// The same four bytes in one segment with a message that is right, which is kept.
fn after_a_message(check: &mut Check) -> Verdict {
    let mut receiver = Receiver::start(check, Framing::Length)?;
    let mut sender = receiver.sender()?;
    sender.send(&[Framing::Length.frame("ok").as_slice(), &[0xff; 4]].concat())?;
    receiver.expect_kept("ok")?;
    receiver.expect_rejection()?;
    Ok(())
}

/// Four bytes announce 4 GiB. The receiver says no at once, and takes neither memory nor address
/// space for it.
fn four_gibibytes(check: &mut Check) -> Verdict {
    // The sandbox's own limit on memory must not answer for the receiver.
    let server = check.start_server_job(["receive", "127.0.0.1:0", "length"], |job| {
        job.limits.data_bytes = Some(6 << 30);
    })?;
    let mut receiver = Receiver::of(server)?;
    let mut sender = receiver.sender()?;
    sender.send_in_segments([Framing::Length.frame("ok")])?;
    // The line says that whatever a conversation needs (a thread, a buffer) has been reserved. That
    // it comes in time is judged elsewhere.
    let kept = match receiver.expect_message("ok") {
        Err(stop) if stop.is_silence() => false,
        other => other.map(|()| true)?,
    };
    let before = receiver.server.peak_address_space_bytes()?;
    sender.send(&[0xff; 4])?;
    if !kept {
        receiver.expect_message("ok")?;
    }
    receiver.expect_rejection()?;
    let growth = receiver.growth(before, Program::peak_address_space_bytes)?;
    if growth >= ADDRESS_SPACE_LIMIT_BYTES {
        let (expected, got) = sticky_packet::address_space(ADDRESS_SPACE_LIMIT_BYTES, growth);
        return check.fail(Symptom::TooMuchMemory, expected, got);
    }
    expect_any_end(&mut sender)
}

/// Two bytes more than there may be, sent whole. Bytes are counted: it has half as many characters.
fn little_too_long(check: &mut Check) -> Verdict {
    let mut receiver = Receiver::start(check, Framing::Length)?;
    let mut sender = receiver.sender()?;
    sender.send(&Framing::Length.frame("é".repeat(MOST_MESSAGE_BYTES / 2 + 1)))?;
    receiver.expect_rejection()?;
    Ok(())
}

/// Bytes that are no text are rejected, with a reason, and what came before is kept, in a read of
/// its own or in the same.
pub fn not_utf8(check: &mut Check) -> Verdict {
    for framing in BOTH {
        let mut receiver = Receiver::start(check, framing)?;
        let mut sender = receiver.sender()?;
        sender.send_in_segments([framing.frame("ok"), framing.frame(b"ab\xff\xfec")])?;
        receiver.expect_message("ok")?;
        let came = receiver.expect_rejection()?;
        if came.strip_prefix("rejected: ").is_none_or(|reason| reason.trim().is_empty()) {
            let expected = sticky_packet::rejects(&receiver.server.name());
            let got = sticky_packet::line(came.as_bytes());
            return Err(receiver.lines.failure(Symptom::Named("no-reason"), expected, got));
        }
        expect_any_end(&mut sender)?;

        let mut receiver = Receiver::start(check, framing)?;
        let mut sender = receiver.sender()?;
        sender.send(&[framing.frame("ok"), framing.frame(b"ab\xff\xfec")].concat())?;
        receiver.expect_kept("ok")?;
        receiver.expect_rejection()?;
    }
    Ok(())
}
