//! Mistakes that a step tells alike and a learner mends differently.

use grader::{Failure, Stop, Symptom, Verdict};

/// Tells a failure with one of `symptoms` by a name of this module's own.
pub(crate) fn told_as<T>(
    verdict: Verdict<T>,
    symptoms: &[Symptom],
    name: &'static str,
) -> Verdict<T> {
    retold(verdict, |failure| symptoms.contains(&failure.symptom).then_some(Symptom::Named(name)))
}

/// What stands on standard output is judged apart from what went over the connection.
pub(crate) fn of_stdout<T>(verdict: Verdict<T>) -> Verdict<T> {
    let different =
        [Symptom::CutShort, Symptom::ExtraBytes, Symptom::WrongBytes, Symptom::WrongStdout];
    retold(verdict, |failure| different.contains(&failure.symptom).then_some(Symptom::WrongStdout))
}

/// As [`of_stdout`], for data that is no text: too little is another mistake than other bytes, and so are the bytes
/// of U+FFFD where a String was made of it.
pub(crate) fn of_binary_stdout<T>(verdict: Verdict<T>) -> Verdict<T> {
    let verdict = told_as(verdict, &[Symptom::CutShort], "printed-too-little");
    retold(of_stdout(verdict), |failure| {
        let replaced = failure.symptom == Symptom::WrongStdout && failure.got.contains("ef bf bd");
        replaced.then_some(Symptom::Named("printed-as-text"))
    })
}

/// Tells the end of a program that complains of bytes that are no text by a name of this module's own.
pub(crate) fn of_text_reader<T>(verdict: Verdict<T>, name: &'static str) -> Verdict<T> {
    retold(verdict, |failure| {
        let complains = failure.symptom == Symptom::Exited && failure.got.contains("UTF-8");
        complains.then_some(Symptom::Named(name))
    })
}

/// Tells an end that came after some bytes by a name of this module's own: they were no obstacle.
pub(crate) fn of_early_end<T>(verdict: Verdict<T>, name: &'static str) -> Verdict<T> {
    retold(verdict, |failure| {
        let is_end = [Symptom::CutShort, Symptom::Reset].contains(&failure.symptom);
        let after_some = failure.got.contains(" after ") && !failure.got.contains(" after 0 ");
        (is_end && after_some).then_some(Symptom::Named(name))
    })
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
