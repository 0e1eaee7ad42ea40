//! A report as one JSON document, "grade/v1".

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::{CheckReport, Feedback, ModuleReport, Report};
use crate::manifest::Kind;
use crate::report::text::without_escapes;

/// The name and version of the document's form. Fields may be added to it; what stands keeps its
/// meaning.
pub const SCHEMA: &str = "grade/v1";

/// A report in the form of the document. Its fields are serialised in the documented order, which
/// is why this is not a `serde_json::Value`.
///
/// `Display` writes indented JSON without a line end after it; any other form is serde's business.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    schema: &'static str,
    seed: u64,
    modules: Vec<Module<'a>>,
    error: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Module<'a> {
    module: &'a str,
    program: &'a str,
    score: u32,
    max_score: u32,
    bonus: u32,
    checks: Vec<Check<'a>>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Check<'a> {
    id: &'a str,
    title: &'a str,
    kind: &'static str,
    status: &'static str,
    points: u32,
    max_points: u32,
    duration_ms: u64,
    feedback: Option<Told<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weaker_form: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    promise: &'a str,
    transcript: Cow<'a, str>,
    expected: &'a str,
    got: &'a str,
    hint: &'a str,
}

/// The document of a report.
pub fn document(report: &Report) -> Document<'_> {
    Document {
        schema: SCHEMA,
        seed: report.seed,
        modules: report.modules.iter().map(Module::of).collect(),
        error: report.error.as_deref(),
    }
}

impl fmt::Display for Document<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string_pretty(self).map_err(|_| fmt::Error)?;
        formatter.write_str(&text)
    }
}

impl<'a> Module<'a> {
    fn of(module: &'a ModuleReport) -> Self {
        Self {
            module: &module.module,
            program: &module.program,
            score: module.score(),
            max_score: module.max_score(),
            bonus: module.bonus(),
            checks: module.checks.iter().map(Check::of).collect(),
            // The compiler's colours are for terminals.
            error: module.error.as_deref().map(without_escapes),
        }
    }
}

impl<'a> Check<'a> {
    fn of(check: &'a CheckReport) -> Self {
        Self {
            id: &check.id,
            title: &check.title,
            kind: match check.kind {
                Kind::Core => "core",
                Kind::Stretch => "stretch",
            },
            status: check.status.as_str(),
            points: check.points(),
            max_points: check.max_points,
            duration_ms: u64::try_from(check.duration.as_millis()).unwrap_or(u64::MAX),
            feedback: check.feedback.as_ref().map(Told::of),
            weaker_form: check.weaker_form.as_deref(),
        }
    }
}

impl<'a> Told<'a> {
    fn of(feedback: &'a Feedback) -> Self {
        Self {
            promise: &feedback.promise,
            transcript: feedback.conversation(),
            expected: &feedback.expected,
            got: &feedback.got,
            hint: &feedback.hint,
        }
    }
}
