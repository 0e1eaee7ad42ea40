//! Mistakes that a step tells alike and a learner mends differently.

use grader::retell::told_by;
use grader::{Server, Symptom, Verdict};

/// A result that did not come at all is another mistake than a wrong one.
pub(crate) fn of_result<T>(verdict: Verdict<T>) -> Verdict<T> {
    told_by(verdict, |failure| {
        let nothing = failure.symptom == Symptom::CutShort && failure.got.contains("nothing");
        nothing.then_some("prints-nothing")
    })
}

/// White space that is missing at the beginning or the end of the message in line `number`.
pub(crate) fn of_trimmed(
    verdict: Verdict,
    listener: &Server,
    number: usize,
    message: &[u8],
) -> Verdict {
    if verdict.is_ok() {
        return verdict;
    }
    let heard = listener.heard()?;
    let line = String::from_utf8_lossy(heard.get(number).map_or(&[][..], Vec::as_slice));
    let text = line.split_once('"').and_then(|(_, rest)| rest.strip_suffix('"'));
    // What is all there, with its newline as an escape, is no failure, so less of it is.
    let trimmed = text.is_some_and(|text| text.trim().as_bytes() == message.trim_ascii());
    told_by(verdict, |failure| {
        (trimmed && failure.symptom == Symptom::WrongStdout).then_some("trimmed")
    })
}
