//! Mistakes that a step tells alike and a learner mends differently.

use grader::retell::{told_as, told_by};
use grader::{DatagramPeer, Symptom, Verdict};

/// A client that ended since its time limit struck: the kernel calls that EAGAIN, "try again", and
/// Rust `WouldBlock`.
pub(crate) fn of_time_limit<T>(verdict: Verdict<T>) -> Verdict<T> {
    told_by(verdict, |failure| {
        let told = ["os error 11)", "Errno 11]", "temporarily unavailable", "WouldBlock"];
        let ended = matches!(failure.symptom, Symptom::Exited | Symptom::Crashed);
        let timed_out = told.iter().any(|word| failure.got.contains(word));
        (ended && timed_out).then_some("would-block")
    })
}

/// What came although the three tries of `lost` were over: a fourth one, or the message after it.
pub(crate) fn of_tries<T>(verdict: Verdict<T>, peer: &DatagramPeer, lost: &[u8]) -> Verdict<T> {
    told_by(verdict, |failure| match failure.symptom {
        Symptom::ExtraBytes if peer.newest() == lost => Some("too-many-tries"),
        Symptom::ExtraBytes | Symptom::WrongBytes => Some("went-on-after-the-failure"),
        _ => None,
    })
}

/// Several of `texts`, which were sent one after the other, that came back as one datagram.
pub(crate) fn of_collected(verdict: Verdict, came: &[u8], texts: &[String]) -> Verdict {
    let sent = texts.concat();
    let longest = texts.iter().map(String::len).max().unwrap_or_default();
    let joined = came.len() > longest && sent.contains(&*String::from_utf8_lossy(came));
    told_by(verdict, |failure| {
        (failure.symptom == Symptom::ExtraBytes && joined).then_some("datagrams-joined")
    })
}

/// White space that is missing at the end or the beginning of what was sent, or zeros at the end.
pub(crate) fn of_trimmed<T>(verdict: Verdict<T>, came: &[u8], sent: &[u8]) -> Verdict<T> {
    let trimmed = came.len() < sent.len() && came.trim_ascii() == sent.trim_ascii();
    let zeros_lost = sent.strip_prefix(came).is_some_and(|rest| rest.iter().all(|byte| *byte == 0));
    let differs = [Symptom::Named("shortened"), Symptom::WrongBytes];
    told_by(verdict, |failure| {
        if !differs.contains(&failure.symptom) {
            return None;
        }
        if trimmed { Some("trimmed") } else { zeros_lost.then_some("zeros-lost") }
    })
}

/// A datagram that lost its tail: where the first byte 00 stood, or where a buffer ended.
pub(crate) fn of_lost_tail<T>(verdict: Verdict<T>, came: &[u8], sent: &[u8]) -> Verdict<T> {
    let at_a_zero = sent.get(came.len()) == Some(&0) && !came.contains(&0);
    let name = if at_a_zero { "ends-at-a-zero" } else { "tail-lost" };
    told_as(verdict, &[Symptom::Named("shortened")], name)
}
