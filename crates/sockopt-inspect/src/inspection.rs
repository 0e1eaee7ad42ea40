//! A program that was started, what it reported, and the truth.

use grader::wording::sockopt;
use grader::{Check, Failure, Finished, Program, Stop, Symptom, Verdict};
use socket2::Type;

use crate::truth::Truth;

/// The lines of a report on a datagram socket, in their order.
pub(crate) const UDP_LINES: &[&str] = TCP_LINES.split_at(12).0;

/// The lines of a report on a stream socket, in their order.
pub(crate) const TCP_LINES: &[&str] = &[
    "family",
    "type",
    "fd",
    "local",
    "peer",
    "SO_REUSEADDR",
    "SO_BROADCAST",
    "SO_KEEPALIVE",
    "SO_RCVBUF",
    "SO_SNDBUF",
    "SO_RCVTIMEO",
    "SO_LINGER",
    "TCP_NODELAY",
];

/// The symptom of a value that is not the socket's.
pub(crate) const NOT_THE_TRUTH: &str = "not-the-truth";

/// The lines of a report as names and values.
type Lines = Vec<(String, String)>;

/// What one program reported of its socket, and the socket.
pub(crate) struct Inspection {
    arguments: Vec<String>,
    lines: Lines,
    truth: Truth,
    /// As long as it lives, its program is not ended.
    _program: Program,
}

impl Inspection {
    /// Starts the program, waits for its report, and takes a second descriptor for its socket.
    ///
    /// # Errors
    ///
    /// A failure if the program ends instead, or has no socket.
    pub(crate) fn of(check: &mut Check, arguments: &[&str]) -> Verdict<Self> {
        let program = check.start(arguments)?;
        Self::of_started(program, arguments)
    }

    /// As [`Inspection::of`], of a program that was started with `arguments`.
    ///
    /// # Errors
    ///
    /// As [`Inspection::of`].
    pub(crate) fn of_started(program: Program, arguments: &[&str]) -> Verdict<Self> {
        let kind = if arguments[0] == "udp" { Type::DGRAM } else { Type::STREAM };
        let wanted = if arguments[0] == "udp" { UDP_LINES } else { TCP_LINES };
        let (lines, truth) = report(&program, wanted, kind).map_err(|stop| on(arguments, stop))?;
        let Some(truth) = truth else { return Err(without_socket(&program, arguments)) };
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Ok(Self { arguments, lines, truth, _program: program })
    }

    /// Expects that the line `name` says what the kernel says.
    ///
    /// # Errors
    ///
    /// A failure that shows both.
    pub(crate) fn expect_truth(&self, name: &str) -> Verdict<&Self> {
        let Some(printed) = self.line(name) else {
            let value = self.truth.value(name)?;
            let (expected, got) = sockopt::line_missing(&self.arguments, name, &value);
            return Err(Failure::new(Symptom::WrongStdout, expected, got).into());
        };
        if self.truth.agrees(name, printed)? {
            return Ok(self);
        }
        let value = self.truth.value(name)?;
        let (expected, got) = sockopt::line_differs(&self.arguments, name, &value, printed);
        Err(Failure::new(Symptom::WrongStdout, expected, got).because(NOT_THE_TRUTH).into())
    }

    /// Expects that the socket itself has `value` for `name`, whatever the report says.
    ///
    /// # Errors
    ///
    /// A failure that shows what the socket has.
    pub(crate) fn expect_socket(&self, name: &str, value: &str) -> Verdict<&Self> {
        if self.truth.value(name)? != value {
            return Err(self.not_as_asked(name, value, NOT_THE_TRUTH)?);
        }
        Ok(self)
    }

    /// Expects that the socket itself has `value` for `name`, and that the line says so.
    ///
    /// # Errors
    ///
    /// A failure that shows what the socket has, or what the line says.
    pub(crate) fn expect(&self, name: &str, value: &str) -> Verdict<&Self> {
        self.expect_socket(name, value)?.expect_truth(name)
    }

    /// Expects that the socket's read limit is `limit_ms`, give or take a tick of the kernel's, and
    /// that the line says so.
    ///
    /// # Errors
    ///
    /// As [`Inspection::expect`].
    pub(crate) fn expect_timeout(&self, limit_ms: u128) -> Verdict<&Self> {
        const TICK_US: u128 = 10_000;

        if self.truth.timeout_us()?.abs_diff(limit_ms * 1000) > TICK_US {
            return Err(self.not_as_asked("SO_RCVTIMEO", &limit_ms.to_string(), NOT_THE_TRUTH)?);
        }
        self.expect_truth("SO_RCVTIMEO")
    }

    /// Expects that the kernel has made of a buffer what it made of the same setting on the
    /// grader's own socket, and that the line says so. `unset` is the size that nobody has set.
    ///
    /// # Errors
    ///
    /// As [`Inspection::expect`]; `not-set` if the socket still has the size of a new one, and
    /// `set-otherwise` if it has yet another.
    pub(crate) fn expect_size(&self, name: &str, size: &str, unset: &str) -> Verdict<&Self> {
        let has = self.truth.value(name)?;
        if has != size {
            let symptom = if has == unset { "not-set" } else { "set-otherwise" };
            return Err(self.not_as_asked(name, size, symptom)?);
        }
        self.expect_truth(name)
    }

    fn not_as_asked(&self, name: &str, value: &str, symptom: &'static str) -> Verdict<Stop> {
        let has = self.truth.value(name)?;
        let (expected, got) = sockopt::not_as_asked(&self.arguments, name, value, &has);
        Ok(Failure::new(Symptom::WrongStdout, expected, got).because(symptom).into())
    }

    fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Waits until every line of `wanted` has come, in whatever order, and takes a second descriptor
/// for the socket. Of a program that prints less, or keeps the report in a buffer, what it has
/// printed when its standard input has ended: that is for other checks to judge.
pub(crate) fn report(
    program: &Program,
    wanted: &[&str],
    kind: Type,
) -> Verdict<(Lines, Option<Truth>)> {
    let mut lines = Lines::new();
    let is_there =
        |lines: &[(String, String)], name: &str| lines.iter().any(|(own, _)| own == name);
    while !wanted.iter().all(|name| is_there(&lines, name)) {
        match program.await_result(lines.len(), &sockopt::reports(&program.name())) {
            Ok(line) => lines.push(read_line(&line)),
            Err(Stop::Failed(failure)) if failure.symptom.is_silence() => {
                let truth = Truth::of(program, kind)?;
                let printed = printed_to_the_end(program)?;
                let lines: Vec<_> = printed.split(|byte| *byte == b'\n').map(read_line).collect();
                if wanted.iter().any(|name| is_there(&lines, name)) {
                    return Ok((lines, truth));
                }
                return Err(Stop::Failed(failure));
            }
            Err(stop) => return Err(ended_instead(program, stop)),
        }
    }
    Ok((lines, Truth::of(program, kind)?))
}

/// The name and the value of a line, leniently: how a line is written is judged by the checks of
/// the report's shape.
pub(crate) fn read_line(line: &[u8]) -> (String, String) {
    let line = String::from_utf8_lossy(line);
    let line = line.trim();
    let is_end_of_name = |letter: char| letter.is_whitespace() || letter == ':' || letter == '=';
    let (name, rest) = line.split_at(line.find(is_end_of_name).unwrap_or(line.len()));
    let rest = rest.trim_start();
    let value = rest.strip_prefix([':', '=']).unwrap_or(rest);
    (name.to_owned(), value.trim().to_owned())
}

/// All that it prints until it ends, or that it has printed if it goes on after the end of its
/// standard input.
pub(crate) fn printed_to_the_end(program: &Program) -> Verdict<Vec<u8>> {
    match program.finish() {
        Ok(finished) => Ok(finished.stdout().to_vec()),
        Err(Stop::Failed(failure)) if goes_on(&failure) => program.stdout_so_far(),
        Err(other) => Err(other),
    }
}

/// Whether a program that should have ended has not.
fn goes_on(failure: &Failure) -> bool {
    failure.symptom.is_silence() || failure.symptom == Symptom::StillRunning
}

/// A program whose socket cannot be compared with its report, since it has closed it, or has ended.
fn without_socket(program: &Program, arguments: &[&str]) -> Stop {
    let ended = match program.expect_running() {
        Ok(()) => None,
        Err(Stop::Failed(failure)) => Some(*failure),
        Err(other) => return other,
    };
    let words = ended.as_ref().map(|failure| failure.got.as_str());
    let (expected, got) = sockopt::no_socket(arguments, &program.name(), words);
    match ended {
        Some(crash) if crash.symptom == Symptom::Crashed => {
            Failure::new(Symptom::Crashed, expected, got).into()
        }
        _ => Failure::new(Symptom::Exited, expected, got).because("no-socket").into(),
    }
}

/// The same failure, with the command line that it is about.
pub(crate) fn on(arguments: &[&str], stop: Stop) -> Stop {
    stop.changed(|failure| failure.expected = sockopt::on(arguments, &failure.expected))
}

/// A program that ended with a status of its own has not reported, but failed.
pub(crate) fn ended_instead(program: &Program, stop: Stop) -> Stop {
    let has_failed = |finished: Finished| finished.status().is_some_and(|status| status != 0);
    stop.changed(|failure| {
        if failure.symptom == Symptom::Exited && program.finish().is_ok_and(has_failed) {
            failure.symptom = Symptom::WrongStatus;
        }
    })
}

/// Waits for the report and the program's end, and gives all that it printed.
///
/// # Errors
///
/// A failure if the program ends with a status that says that it failed, before it has reported all
/// of `wanted`.
pub(crate) fn whole_output(program: &Program, wanted: &[&str]) -> Verdict<Vec<u8>> {
    let printed = printed_to_the_end(program)?;
    let lines: Vec<_> = printed.split(|byte| *byte == b'\n').map(read_line).collect();
    let is_whole = wanted.iter().all(|name| lines.iter().any(|(own, _)| own == name));
    if !is_whole && let Ok(finished) = program.finish() {
        finished.expect_status(&[0]).map_err(|stop| {
            stop.changed(|failure| failure.expected = sockopt::reports(&program.name()))
        })?;
    }
    Ok(printed)
}
