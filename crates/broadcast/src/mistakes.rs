//! Mistakes that a step tells alike and a learner mends differently.

use std::net::{IpAddr, SocketAddr};

use grader::{Failure, Server, Stop, Symptom, Verdict};

/// What stands on standard output is judged apart from the datagrams.
pub(crate) fn of_stdout<T>(verdict: Verdict<T>) -> Verdict<T> {
    let different =
        [Symptom::CutShort, Symptom::ExtraBytes, Symptom::WrongBytes, Symptom::WrongStdout];
    retold(verdict, |failure| different.contains(&failure.symptom).then_some(Symptom::WrongStdout))
}

/// A result that did not come at all is another mistake than a wrong one.
pub(crate) fn of_result<T>(verdict: Verdict<T>) -> Verdict<T> {
    retold(verdict, |failure| {
        let nothing = failure.symptom == Symptom::CutShort && failure.got.contains("nothing");
        nothing.then_some(Symptom::Named("prints-nothing"))
    })
}

/// Judges the ready line of a listener that was asked to listen at `asked`, and any free port: its text, and against what
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

/// A port that the listener keeps for itself.
pub(crate) fn cannot_be_shared(address: SocketAddr) -> Failure {
    let expected = format!("a second socket with SO_REUSEADDR can be bound to {address} as well");
    let got = "it cannot: the address is in use, since the listener did not set SO_REUSEADDR";
    Failure::new(Symptom::Named("keeps-its-port"), expected, got)
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
