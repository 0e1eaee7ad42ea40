//! Other symptoms, and names of a module's own, for failures that a step tells alike and a learner
//! mends differently.

use crate::failure::{Failure, Symptom, Verdict};

/// Tells a failure by the symptom that `tell` finds for it, or as it was where it finds none.
///
/// # Errors
///
/// The failure.
pub fn retold<T>(
    verdict: Verdict<T>,
    tell: impl FnOnce(&Failure) -> Option<Symptom>,
) -> Verdict<T> {
    verdict.map_err(|stop| {
        stop.changed(|failure| failure.symptom = tell(failure).unwrap_or(failure.symptom))
    })
}

/// Tells a failure by the name that `name` finds for it, or as it was where it finds none.
///
/// # Errors
///
/// The failure.
pub fn told_by<T>(
    verdict: Verdict<T>,
    name: impl FnOnce(&Failure) -> Option<&'static str>,
) -> Verdict<T> {
    retold(verdict, |failure| name(failure).map(Symptom::Named))
}

/// Tells a failure with one of `symptoms` by `name`.
///
/// # Errors
///
/// The failure.
pub fn told_as<T>(verdict: Verdict<T>, symptoms: &[Symptom], name: &'static str) -> Verdict<T> {
    told_by(verdict, |failure| symptoms.contains(&failure.symptom).then_some(name))
}

/// Tells a failure that says no more than that something awaited did not come by `symptom`.
///
/// # Errors
///
/// The failure.
pub fn of_silence<T>(verdict: Verdict<T>, symptom: Symptom) -> Verdict<T> {
    retold(verdict, |failure| failure.symptom.is_silence().then_some(symptom))
}

/// What stands on standard output, judged apart from what went over a socket: however it differs,
/// it is wrong output.
///
/// # Errors
///
/// The failure.
pub fn of_stdout<T>(verdict: Verdict<T>) -> Verdict<T> {
    let different =
        [Symptom::CutShort, Symptom::ExtraBytes, Symptom::WrongBytes, Symptom::WrongStdout];
    retold(verdict, |failure| different.contains(&failure.symptom).then_some(Symptom::WrongStdout))
}

/// The end of a program with a wrong command line: one that took it for a good one
/// (`wrong-usage-accepted`) has another mistake in it than one that complained with another status.
///
/// # Errors
///
/// The failure.
pub fn of_usage<T>(verdict: Verdict<T>) -> Verdict<T> {
    told_by(verdict, |failure| {
        let went_to_work = match failure.symptom {
            Symptom::Stalled | Symptom::TooLate | Symptom::StillRunning => true,
            Symptom::WrongStatus => is_success(failure),
            _ => false,
        };
        went_to_work.then_some("wrong-usage-accepted")
    })
}

/// Whether a program that should have failed ended with status 0.
pub fn is_success(failure: &Failure) -> bool {
    failure.symptom == Symptom::WrongStatus && failure.got.contains("ended with exit status 0")
}

/// A line on standard error that is not as it should be: nothing at all (`says-nothing`) and a
/// print over several lines (`several-lines`) are other mistakes than a line without a name.
///
/// # Errors
///
/// The failure.
pub fn of_error_line<T>(verdict: Verdict<T>) -> Verdict<T> {
    told_by(verdict, |failure| {
        let last = failure.got.strip_prefix("the last line: \"");
        match failure.symptom {
            Symptom::WrongStderr if failure.got.starts_with("nothing") => Some("says-nothing"),
            Symptom::WrongStderr if failure.got.contains(" lines: \"") => Some("several-lines"),
            // A line of a Debug print: the causes of an error stand indented.
            Symptom::WrongStderr if last.is_some_and(|last| last.starts_with(' ')) => {
                Some("several-lines")
            }
            _ => None,
        }
    })
}

/// A datagram that is not the message `messages[number]`, of which `came` is told: the next one in
/// its place (`message-left-out`), several in one (`messages-joined`), or without the white space
/// at its ends (`trimmed`).
///
/// # Errors
///
/// The failure.
pub fn of_message<T>(
    verdict: Verdict<T>,
    messages: &[&str],
    number: usize,
    came: &[u8],
) -> Verdict<T> {
    let came = String::from_utf8_lossy(came);
    let wanted = messages.get(number).copied().unwrap_or_default();
    let next = messages.get(number + 1).copied();
    told_by(verdict, |failure| {
        let differs = [Symptom::WrongBytes, Symptom::ExtraBytes, Symptom::Named("shortened")];
        match failure.symptom {
            symptom if !differs.contains(&symptom) => None,
            _ if next == Some(&*came) => Some("message-left-out"),
            _ if next.is_some_and(|next| came.contains(wanted) && came.contains(next)) => {
                Some("messages-joined")
            }
            _ if came.len() < wanted.len() && came.trim() == wanted.trim() => Some("trimmed"),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Stop;

    fn named(symptom: Symptom, got: &str, tell: impl Fn(Verdict) -> Verdict) -> &'static str {
        match tell(Err(Failure::new(symptom, "", got).into())) {
            Err(Stop::Failed(failure)) => failure.symptom.as_str(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_message_is_told_by_what_came_instead() {
        let messages = ["hello", "two words", "", "next", " a "];
        let told = |symptom, number, came: &str| {
            named(symptom, "", |verdict| of_message(verdict, &messages, number, came.as_bytes()))
        };
        assert_eq!(told(Symptom::ExtraBytes, 0, "hello\n"), "extra-bytes");
        assert_eq!(told(Symptom::ExtraBytes, 0, "hello two words  next"), "messages-joined");
        assert_eq!(told(Symptom::ExtraBytes, 2, "next"), "message-left-out");
        assert_eq!(told(Symptom::WrongBytes, 4, "a"), "trimmed");
        assert_eq!(told(Symptom::Named("shortened"), 4, " a"), "trimmed");
        assert_eq!(told(Symptom::WrongBytes, 0, "HELLO"), "wrong-bytes");
        assert_eq!(told(Symptom::Stalled, 0, ""), "stalled");
    }

    #[test]
    fn silence_is_told_by_what_it_means_and_nothing_else_is() {
        let told = |symptom| named(symptom, "", |verdict| of_silence(verdict, Symptom::StillOpen));
        assert_eq!(told(Symptom::Stalled), "still-open");
        assert_eq!(told(Symptom::TooLate), "still-open");
        assert_eq!(told(Symptom::Reset), "reset");
    }

    #[test]
    fn what_is_no_failure_is_not_retold() {
        assert!(matches!(of_silence(Ok(7), Symptom::StillOpen), Ok(7)));
        let unsupported: Verdict = Err(Stop::Unsupported("no IPv6".to_owned()));
        let told = retold(unsupported, |_| panic!("there is no failure to look at"));
        assert!(matches!(told, Err(Stop::Unsupported(_))));
    }

    #[test]
    fn an_error_line_is_told_by_what_is_wrong_with_it() {
        let told = |got| named(Symptom::WrongStderr, got, of_error_line);
        assert_eq!(told("nothing on standard error"), "says-nothing");
        assert_eq!(told("3 lines: \"bind\\n\\nCaused by\\n\""), "several-lines");
        assert_eq!(told("the last line: \"    Address in use\""), "several-lines");
        assert_eq!(told("the last line: \"Address in use\""), "wrong-stderr");
        assert_eq!(told("one line: \"Address in use\\n\""), "wrong-stderr");
    }

    #[test]
    fn a_program_that_works_with_a_wrong_command_line_has_another_mistake_than_its_status() {
        let told = |symptom, got| named(symptom, got, of_usage);
        assert_eq!(told(Symptom::Stalled, ""), "wrong-usage-accepted");
        let good = "your server ended with exit status 0 and wrote nothing to standard error";
        assert_eq!(told(Symptom::WrongStatus, good), "wrong-usage-accepted");
        let failed = "your server ended with exit status 1; on standard error:\n    usage";
        assert_eq!(told(Symptom::WrongStatus, failed), "wrong-status");
        assert_eq!(told(Symptom::Crashed, ""), "crashed");
    }
}
