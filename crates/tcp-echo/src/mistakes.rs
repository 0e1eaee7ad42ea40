//! Mistakes that a step tells alike and a learner mends differently.

use grader::retell::{of_stdout, told_as, told_by};
use grader::{Symptom, Verdict};

/// As [`of_stdout`], for data that is no text: too little is another mistake than other bytes, and
/// so are the bytes of U+FFFD where a String was made of it.
pub(crate) fn of_binary_stdout<T>(verdict: Verdict<T>) -> Verdict<T> {
    let verdict = told_as(verdict, &[Symptom::CutShort], "printed-too-little");
    told_by(of_stdout(verdict), |failure| {
        let replaced = failure.symptom == Symptom::WrongStdout && failure.got.contains("ef bf bd");
        replaced.then_some("printed-as-text")
    })
}

/// Tells the end of a program that complains of bytes that are no text by a name of this module's
/// own.
pub(crate) fn of_text_reader<T>(verdict: Verdict<T>, name: &'static str) -> Verdict<T> {
    told_by(verdict, |failure| {
        let complains = failure.symptom == Symptom::Exited && failure.got.contains("UTF-8");
        complains.then_some(name)
    })
}

/// Tells an end that came after some bytes by a name of this module's own: they were no obstacle.
pub(crate) fn of_early_end<T>(verdict: Verdict<T>, name: &'static str) -> Verdict<T> {
    told_by(verdict, |failure| {
        let is_end = [Symptom::CutShort, Symptom::Reset].contains(&failure.symptom);
        let after_some = failure.got.contains(" after ") && !failure.got.contains(" after 0 ");
        (is_end && after_some).then_some(name)
    })
}
