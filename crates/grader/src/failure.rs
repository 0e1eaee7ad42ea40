//! Why a check did not pass.

use std::fmt;

/// What a step of a check returns: `Ok`, or the reason why the check stops here.
pub type Verdict<T = ()> = Result<T, Stop>;

/// Why a check stops before its end.
#[derive(Debug)]
pub enum Stop {
    /// The program did not do what it promises.
    Failed(Box<Failure>),
    /// This machine cannot show it, and why.
    Unsupported(String),
    /// The grader itself failed: never the learner's loss.
    Error(anyhow::Error),
}

/// What a program did instead of what it promises.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind of mistake, which picks the hint.
    pub symptom: Symptom,
    /// What was expected, in one or more lines.
    pub expected: String,
    /// What came instead, in one or more lines.
    pub got: String,
}

impl Failure {
    /// A failure with its symptom, what was expected and what came.
    pub fn new(symptom: Symptom, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self { symptom, expected: expected.into(), got: got.into() }
    }

    /// The same failure told by a symptom that only this check can name.
    #[must_use]
    pub fn because(mut self, symptom: &'static str) -> Self {
        self.symptom = Symptom::Named(symptom);
        self
    }
}

impl Stop {
    /// Whether it says no more than that something awaited did not come.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.symptom.is_silence())
    }

    /// The same stop; a failure as `change` makes it. What is no failure stays as it is.
    #[must_use]
    pub fn changed(self, change: impl FnOnce(&mut Failure)) -> Self {
        match self {
            Self::Failed(mut failure) => {
                change(&mut failure);
                Self::Failed(failure)
            }
            other => other,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Error(error.into())
    }
}

/// What kind of mistake a failure shows. A manifest's `[[check.mistake]]` gives a symptom its own
/// hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Symptom {
    /// The program ran into a `todo!()`.
    NotImplemented,
    /// No answer, and every thread waits: nothing will ever come.
    Stalled,
    /// No answer before the deadline, though something in the program still moves.
    TooLate,
    /// The bytes differ from those expected.
    WrongBytes,
    /// The stream ended before everything had come.
    CutShort,
    /// More came than expected.
    ExtraBytes,
    /// The connection stayed open though it should have ended.
    StillOpen,
    /// The connection was reset.
    Reset,
    /// The connection was refused.
    Refused,
    /// The program ended though it should go on.
    Exited,
    /// The program was ended by a signal, or panicked.
    Crashed,
    /// The program goes on though it should have ended.
    StillRunning,
    /// No `listening on IP:PORT` line came.
    NoReadyLine,
    /// The `listening on IP:PORT` line is not as it should be.
    BadReadyLine,
    /// The `listening on IP:PORT` line came, and no newline after it.
    UnendedReadyLine,
    /// The ready line came when a client had connected, and not before.
    LateReadyLine,
    /// The exit status is not the one expected.
    WrongStatus,
    /// Standard output is not as expected.
    WrongStdout,
    /// Standard error is not as expected.
    WrongStderr,
    /// The program printed without end.
    Flood,
    /// The program uses more memory than it may.
    TooMuchMemory,
    /// The program uses more processor time than it may.
    TooMuchCpu,
    /// The program keeps threads, descriptors or processes that it no longer needs.
    Leak,
    /// A symptom that only one check can name.
    Named(&'static str),
}

impl Symptom {
    /// Whether it says no more than that something awaited did not come.
    pub fn is_silence(self) -> bool {
        matches!(self, Self::Stalled | Self::TooLate)
    }

    /// The name used in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotImplemented => "not-implemented",
            Self::Stalled => "stalled",
            Self::TooLate => "too-late",
            Self::WrongBytes => "wrong-bytes",
            Self::CutShort => "cut-short",
            Self::ExtraBytes => "extra-bytes",
            Self::StillOpen => "still-open",
            Self::Reset => "reset",
            Self::Refused => "refused",
            Self::Exited => "exited",
            Self::Crashed => "crashed",
            Self::StillRunning => "still-running",
            Self::NoReadyLine => "no-ready-line",
            Self::BadReadyLine => "bad-ready-line",
            Self::UnendedReadyLine => "unended-ready-line",
            Self::LateReadyLine => "late-ready-line",
            Self::WrongStatus => "wrong-status",
            Self::WrongStdout => "wrong-stdout",
            Self::WrongStderr => "wrong-stderr",
            Self::Flood => "flood",
            Self::TooMuchMemory => "too-much-memory",
            Self::TooMuchCpu => "too-much-cpu",
            Self::Leak => "leak",
            Self::Named(name) => name,
        }
    }
}

impl fmt::Display for Symptom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
