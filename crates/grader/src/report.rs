//! The result of a grading, as data. `report/text.rs`, `report/json.rs` and those in
//! `report/formats` tell it.

pub mod formats;
pub mod json;
pub mod text;

use std::borrow::Cow;
use std::time::Duration;

use crate::ladder::{self, Style};
use crate::manifest::Kind;
use crate::record::Event;
use crate::wording;

/// The result of one run of the grader over one or more modules.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed of all random input.
    pub seed: u64,
    /// One entry a module, in the taught order.
    pub modules: Vec<ModuleReport>,
    /// Why the grader itself failed, if it did.
    pub error: Option<String>,
}

/// The result of one module.
#[derive(Debug, Clone)]
pub struct ModuleReport {
    /// The module's name ("tcp-echo").
    pub module: String,
    /// What was graded, as the reader knows it ("exercises/tcp-echo", or the path given with
    /// `--program`).
    pub program: String,
    /// One entry a check, in the manifest's order.
    pub checks: Vec<CheckReport>,
    /// The compiler's messages, if the program does not build.
    pub error: Option<String>,
}

/// The result of one check.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// The check's id ("half-close").
    pub id: String,
    /// Its title.
    pub title: String,
    /// Core or stretch.
    pub kind: Kind,
    /// What came of it.
    pub status: Status,
    /// Points it is worth.
    pub max_points: u32,
    /// How long it ran.
    pub duration: Duration,
    /// What to tell the learner, if it did not pass.
    pub feedback: Option<Feedback>,
    /// What this machine lacked, so that the check ran in a form that some wrong programs pass
    /// which the whole one would fail.
    pub weaker_form: Option<String>,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The program keeps its promise.
    Passed,
    /// It does not.
    Failed,
    /// A check that this one needs failed, so it was not run.
    Skipped,
    /// This machine cannot show it.
    Unsupported,
    /// The grader failed: never the learner's loss.
    Error,
}

/// The parts of a failure, in the order in which they are told.
#[derive(Debug, Clone, Default)]
pub struct Feedback {
    /// The symptom's name ("cut-short", "not-implemented"), empty where there is none.
    pub symptom: String,
    /// What the program promises, in one sentence.
    pub promise: String,
    /// The ladder of the conversation, drawn for 80 columns without colour; empty if there was
    /// none.
    pub transcript: String,
    /// What `transcript` is drawn from, for drawings of another width; empty if nothing was
    /// recorded.
    pub events: Vec<Event>,
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub got: String,
    /// The hint for this mistake.
    pub hint: String,
    /// Where the lesson tells of it ("exercises/tcp-echo/README.md#half-close").
    pub lesson: String,
}

impl Feedback {
    /// The conversation as text: `transcript`, or else drawn from `events`.
    pub fn conversation(&self) -> Cow<'_, str> {
        if self.transcript.is_empty() {
            ladder::draw(&self.events, &Style::plain()).into()
        } else {
            self.transcript.as_str().into()
        }
    }
}

impl CheckReport {
    /// The points earned.
    pub fn points(&self) -> u32 {
        if self.status == Status::Passed { self.max_points } else { 0 }
    }

    /// The symptom's name, empty where there is none.
    pub fn symptom(&self) -> &str {
        self.feedback.as_ref().map_or("", |feedback| &feedback.symptom)
    }

    /// Whether the program ran into a `todo!()`.
    pub fn is_not_implemented(&self) -> bool {
        self.symptom() == wording::NOT_IMPLEMENTED
    }
}

impl ModuleReport {
    /// Points earned with core checks.
    pub fn score(&self) -> u32 {
        self.sum(Kind::Core, CheckReport::points)
    }

    /// Points that core checks are worth.
    pub fn max_score(&self) -> u32 {
        self.sum(Kind::Core, |check| check.max_points)
    }

    /// Points earned with stretch checks.
    pub fn bonus(&self) -> u32 {
        self.sum(Kind::Stretch, CheckReport::points)
    }

    /// Points that stretch checks are worth.
    pub fn max_bonus(&self) -> u32 {
        self.sum(Kind::Stretch, |check| check.max_points)
    }

    /// Whether every core check passed.
    pub fn core_passed(&self) -> bool {
        self.error.is_none()
            && self
                .checks
                .iter()
                .all(|check| check.kind != Kind::Core || check.status == Status::Passed)
    }

    /// The failed checks in the order in which they are told. What is written and wrong comes
    /// before what is not written yet; of both, core before stretch.
    pub fn failures(&self) -> Vec<&CheckReport> {
        let failed = self.checks.iter().filter(|check| check.status == Status::Failed);
        let mut failed: Vec<&CheckReport> = failed.collect();
        failed.sort_by_key(|check| (check.is_not_implemented(), check.kind == Kind::Stretch));
        failed
    }

    fn sum(&self, kind: Kind, points: impl Fn(&CheckReport) -> u32) -> u32 {
        self.checks.iter().filter(|check| check.kind == kind).map(points).sum()
    }
}

impl Status {
    /// The name used in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unsupported => "unsupported",
            Self::Error => "error",
        }
    }
}
