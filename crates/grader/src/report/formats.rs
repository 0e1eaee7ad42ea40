//! A result in the forms that other systems read: one file a format.
//!
//! All of them are written from [`Scored`], in which the points are final: whoever has a late
//! policy or counts a check otherwise has applied it before. Nothing in it is markup, and [`plain`]
//! takes out of every text what a terminal, a page or XML would obey or refuse.

pub mod check50;
pub mod classroom50;
pub mod exercism;
pub mod gradescope;
pub mod junit;

use std::time::Duration;

use serde::Serialize;

use super::text::without_escapes;
use super::{CheckReport, Feedback, ModuleReport, Report, Status};
use crate::manifest::Kind;
use crate::wording;

/// A graded submission, ready to be told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scored {
    /// What was asked for ("tcp-echo").
    pub title: String,
    /// The seed of all random input.
    pub seed: u64,
    /// What is handed in, extra points included and a late policy applied.
    pub points: f64,
    /// What all checks that count are worth, extra ones left out.
    pub max_points: u32,
    /// What the learner should know of the points, such as what lateness took; may be empty.
    pub remark: String,
    /// The modules, in the taught order.
    pub modules: Vec<ScoredModule>,
}

/// One module of a graded submission.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoredModule {
    /// Its name.
    pub name: String,
    /// The compiler's messages, if the program does not build.
    pub error: Option<String>,
    /// Its checks, in the manifest's order.
    pub checks: Vec<ScoredCheck>,
}

/// One check of a graded submission.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredCheck {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What came of it.
    pub status: Status,
    /// How its points count.
    pub worth: Worth,
    /// Points earned.
    pub points: u32,
    /// Points that it is worth.
    pub max_points: u32,
    /// Whether it is kept from learners until the points are out.
    pub hidden: bool,
    /// How long it ran.
    pub duration: Duration,
    /// What to tell the learner, if it did not pass.
    pub feedback: Option<Told>,
}

/// How the points of a check count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// Towards the maximum.
    Points,
    /// On top of the maximum.
    Extra,
    /// Not at all: the check is told and earns nothing.
    Nothing,
}

/// The parts of a failure, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The symptom's name, empty where there is none.
    pub symptom: String,
    /// What the program promises.
    pub promise: String,
    /// The ladder of the conversation.
    pub transcript: String,
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub got: String,
    /// The hint for this mistake.
    pub hint: String,
}

impl Scored {
    /// What `cargo xtask grade` found, with the points as the manifests count them.
    pub fn of(report: &Report) -> Self {
        let names: Vec<&str> = report.modules.iter().map(|one| one.module.as_str()).collect();
        let points = report.modules.iter().map(|one| one.score() + one.bonus()).sum::<u32>();
        Self {
            title: names.join(", "),
            seed: report.seed,
            points: f64::from(points),
            max_points: report.modules.iter().map(ModuleReport::max_score).sum(),
            remark: String::new(),
            modules: report.modules.iter().map(ScoredModule::of).collect(),
        }
    }

    /// How long all checks ran, in seconds. They run side by side, so less time passed.
    pub fn seconds(&self) -> f64 {
        self.checks().map(|(_, check)| check.duration.as_secs_f64()).sum()
    }

    /// All checks, each with its module.
    pub fn checks(&self) -> impl Iterator<Item = (&ScoredModule, &ScoredCheck)> {
        self.modules
            .iter()
            .flat_map(|module| module.checks.iter().map(move |check| (module, check)))
    }

    /// What is told of the submission as a whole: the points, the remark, the compiler's messages.
    pub fn summary(&self) -> String {
        let mut parts = vec![format!("{} of {} points", number(self.points), self.max_points)];
        parts.extend(Some(plain(&self.remark)).filter(|remark| !remark.is_empty()));
        for module in &self.modules {
            if let Some(error) = &module.error {
                let checks = module.checks.len() as u64;
                parts.push(wording::does_not_build(&module.name, checks));
                parts.push(plain(error.trim_matches('\n')));
            }
        }
        parts.push(format!("Seed of the random input: {}", self.seed));
        parts.join("\n\n")
    }
}

impl ScoredModule {
    fn of(module: &ModuleReport) -> Self {
        Self {
            name: module.module.clone(),
            error: module.error.clone(),
            checks: module.checks.iter().map(ScoredCheck::of).collect(),
        }
    }
}

impl ScoredCheck {
    fn of(check: &CheckReport) -> Self {
        Self {
            id: check.id.clone(),
            title: check.title.clone(),
            status: check.status,
            worth: match check.kind {
                Kind::Core => Worth::Points,
                Kind::Stretch => Worth::Extra,
            },
            points: check.points(),
            max_points: check.max_points,
            hidden: false,
            duration: check.duration,
            feedback: check.feedback.as_ref().map(Told::of),
        }
    }

    /// The whole feedback as text, its parts in the order in which they are told; empty if there is
    /// none.
    pub fn message(&self) -> String {
        self.feedback.as_ref().map(Told::text).unwrap_or_default()
    }

    /// The feedback without the ladder: what was promised, expected and got, and the hint.
    pub fn brief(&self) -> String {
        let Some(told) = &self.feedback else { return String::new() };
        Told { transcript: String::new(), ..told.clone() }.text()
    }

    /// The symptom's name, or else the state's.
    pub fn symptom(&self) -> &str {
        let named = self.feedback.as_ref().map(|told| told.symptom.as_str());
        named.filter(|name| !name.is_empty()).unwrap_or(self.status.as_str())
    }
}

impl Told {
    fn of(feedback: &Feedback) -> Self {
        Self {
            symptom: feedback.symptom.clone(),
            promise: feedback.promise.clone(),
            transcript: feedback.conversation().into_owned(),
            expected: feedback.expected.clone(),
            got: feedback.got.clone(),
            hint: feedback.hint.clone(),
        }
    }

    /// All parts that are not empty.
    fn text(&self) -> String {
        let labelled = |label: &str, text: &str| match text {
            "" => String::new(),
            text => format!("{label}: {text}"),
        };
        let parts = [
            self.promise.clone(),
            self.transcript.trim_end().to_owned(),
            labelled(wording::EXPECTED, &self.expected),
            labelled(wording::GOT, &self.got),
            labelled(wording::HINT, &self.hint),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        plain(&parts.join("\n\n"))
    }
}

/// The text without escape sequences and control characters other than line ends and tabs; what
/// turns the direction of writing stands as Rust escapes it, and what XML 1.0 (section 2.2) has no
/// place for as U+FFFD.
pub fn plain(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for character in without_escapes(text).chars() {
        match character {
            '\u{fffe}' | '\u{ffff}' => kept.push('\u{fffd}'),
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => kept.extend(character.escape_default()),
            other => kept.push(other),
        }
    }
    kept
}

/// Points with at most two decimals: "85", "42.5".
pub fn number(points: f64) -> String {
    let text = format!("{points:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A moment in UTC, as RFC 3339 writes it to the second: "2026-06-01T14:32:01Z".
///
/// `seconds` are those since 1970-01-01T00:00:00Z.
pub fn utc(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years are counted from 1 March of the year 0, so that the leap day ends a year; an era of 400
    // of them has 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A JSON document, indented, with a line end after it.
fn document(value: &impl Serialize) -> Vec<u8> {
    // A structure of texts and numbers has a form in JSON in any case.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}

/// Points as the number that readers expect: without a fraction if there is none.
#[derive(Debug, Clone, Copy)]
struct Points(f64);

impl Serialize for Points {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded = (self.0 * 100.0).round() / 100.0;
        if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
            serializer.serialize_i64(rounded as i64)
        } else {
            serializer.serialize_f64(rounded)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One of each state, with feedback that attacks its reader.
    pub(crate) fn sample() -> Scored {
        let check = |id: &str, status: Status, worth: Worth, max_points: u32| ScoredCheck {
            id: id.to_owned(),
            title: format!("The <{id}> & \"its\" title"),
            status,
            worth,
            points: if status == Status::Passed { max_points } else { 0 },
            max_points,
            hidden: id == "secret",
            duration: Duration::from_millis(41),
            feedback: (status != Status::Passed).then(|| Told {
                symptom: if status == Status::Failed { "cut-short".into() } else { "".into() },
                promise: "It keeps <its> word.".into(),
                transcript: "0 │─── \"]]>\" ──▶│\n".into(),
                expected: "5 bytes".into(),
                got: "\x1b[31m</failure>\0\u{202e}\u{ffff} & nothing".into(),
                hint: "Read on.".into(),
            }),
        };
        Scored {
            title: "tcp-echo, udp-echo".into(),
            seed: 42,
            points: 52.5,
            max_points: 100,
            remark: "1 day late: 7.5 points less".into(),
            modules: vec![
                ScoredModule {
                    name: "tcp-echo".into(),
                    error: None,
                    checks: vec![
                        check("good", Status::Passed, Worth::Points, 50),
                        check("bad", Status::Failed, Worth::Points, 20),
                        check("later", Status::Skipped, Worth::Points, 20),
                        check("extra", Status::Passed, Worth::Extra, 10),
                        check("elsewhere", Status::Unsupported, Worth::Extra, 10),
                        check("told", Status::Failed, Worth::Nothing, 5),
                    ],
                },
                ScoredModule {
                    name: "udp-echo".into(),
                    error: Some("\x1b[1merror\x1b[0m: expected `;`\n".into()),
                    checks: vec![check("secret", Status::Failed, Worth::Points, 10)],
                },
            ],
        }
    }

    /// Reads a document back.
    pub(crate) fn read(document: &[u8]) -> serde_json::Value {
        let text = std::str::from_utf8(document).expect("it is UTF-8");
        assert!(text.ends_with("}\n"), "{text}");
        let harmful = |letter: char| letter.is_control() && letter != '\n';
        assert!(!text.chars().any(harmful), "{text}");
        serde_json::from_str(text).expect("it is JSON")
    }

    #[test]
    fn a_message_has_all_parts_and_nothing_to_obey() {
        let sample = sample();
        let (_, bad) = sample.checks().nth(1).expect("the second check");
        assert_eq!(
            bad.message(),
            "It keeps <its> word.\n\n0 │─── \"]]>\" ──▶│\n\nExpected: 5 bytes\n\n\
             Got: </failure>\\u{202e}\u{fffd} & nothing\n\nHint: Read on."
        );
        assert!(!bad.brief().contains("───"));
        assert_eq!(bad.symptom(), "cut-short");
        let summary = sample.summary();
        assert!(summary.starts_with("52.5 of 100 points\n\n1 day late"), "{summary}");
        assert!(summary.contains("error: expected `;`"), "{summary}");
    }

    #[test]
    fn moments_are_told_in_utc() {
        for (seconds, told) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_825_600, "2000-02-29T12:00:00Z"),
            (1_796_165_940, "2026-12-01T22:59:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), told);
        }
    }

    #[test]
    fn points_have_no_needless_decimals() {
        assert_eq!(number(85.0), "85");
        assert_eq!(number(42.5), "42.5");
        assert_eq!(number(33.333), "33.33");
        assert_eq!(number(100.0), "100");
        assert_eq!(serde_json::to_string(&Points(85.0)).expect("a number"), "85");
        assert_eq!(serde_json::to_string(&Points(33.333)).expect("a number"), "33.33");
    }
}
