//! Mistakes that a step tells alike and a learner mends differently.

use std::net::IpAddr;
use std::time::Duration;

use grader::{Failure, Server, Stop, Symptom, Verdict};

/// What stands on standard output is judged apart from the datagrams.
pub(crate) fn of_stdout<T>(verdict: Verdict<T>) -> Verdict<T> {
    let different =
        [Symptom::CutShort, Symptom::ExtraBytes, Symptom::WrongBytes, Symptom::WrongStdout];
    retold(verdict, |failure| different.contains(&failure.symptom).then_some(Symptom::WrongStdout))
}

/// A client that ended since its time limit struck: the kernel calls that EAGAIN, "try again", and Rust `WouldBlock`.
pub(crate) fn of_time_limit<T>(verdict: Verdict<T>) -> Verdict<T> {
    retold(verdict, |failure| {
        let told = ["os error 11)", "Errno 11]", "temporarily unavailable", "WouldBlock"];
        let ended = matches!(failure.symptom, Symptom::Exited | Symptom::Crashed);
        let timed_out = told.iter().any(|word| failure.got.contains(word));
        (ended && timed_out).then_some(Symptom::Named("would-block"))
    })
}

/// Judges the ready line of a server that was asked to listen at `asked`, and any free port: its text, and against what
/// the kernel knows of its sockets, where that can be read.
pub(crate) fn expect_ready_line(server: &Server, asked: IpAddr) -> Verdict {
    let bound = server.bound_addresses();
    if !bound.is_empty() && !bound.iter().any(|one| one.ip().to_canonical() == asked) {
        let symptom = Symptom::Named("bound-elsewhere");
        let expected = format!("a socket that is bound to {asked}, as the command line says");
        let got = format!("its socket is bound to {}", bound[0]);
        return Err(Failure::new(symptom, expected, got).into());
    }
    let another = server.first_line_address()?.is_some_and(|said| said != server.address());
    retold(server.expect_ready_line(), |_| {
        another.then_some(Symptom::Named("ready-line-with-another-address"))
    })
}

/// How much later than it should the second try came at the best.
pub(crate) fn tries_too_late(most: Duration, gap: Duration) -> Failure {
    let (most, gap) = (most.as_millis(), gap.as_millis());
    let expected = format!("the second try 500 ms after the first, {most} ms at the most");
    let got = format!("it came {gap} ms after the first, and in no run sooner");
    Failure::new(Symptom::Named("tries-too-late"), expected, got)
}

fn retold<T>(verdict: Verdict<T>, tell: impl FnOnce(&Failure) -> Option<Symptom>) -> Verdict<T> {
    verdict.map_err(|stop| match stop {
        Stop::Failed(mut failure) => {
            failure.symptom = tell(&failure).unwrap_or(failure.symptom);
            Stop::Failed(failure)
        }
        other => other,
    })
}
