//! The points of a submission in this assignment: the one place where points, extra credit, checks
//! that do not count and lateness are reckoned.

use std::time::Duration;

use anyhow::{Context, bail};
use grader::report::Status;
use grader::report::formats::{Scored, ScoredCheck, ScoredModule, Told, Worth, number};

use crate::assignment::{Assignment, CheckRule, LatePolicy};
use crate::moment::Moment;
use crate::results::{CheckResult, ModuleResult, Outcome, SubmissionResult};

/// The milliseconds of a minute, and of a day.
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// An assignment whose rules have been looked through.
#[derive(Debug, Clone)]
pub struct Rules {
    assignment: Assignment,
    due: Option<Moment>,
}

/// What a submission is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The checks and the final points, ready to be told.
    pub scored: Scored,
    /// The points before lateness took any, extra ones included.
    pub earned: f64,
    /// Extra points among them.
    pub extra: f64,
    /// Whether it came in time.
    pub lateness: Lateness,
}

/// Whether a submission came in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lateness {
    /// There is no due date.
    NoDueDate,
    /// There is one, and nobody knows when the submission was handed in; it counts as in time.
    Unknown,
    /// Before the due date, or within the grace.
    InTime,
    /// After it.
    Late {
        /// Days begun since the due date.
        days: u32,
        /// The points that this takes.
        lost: f64,
    },
}

/// What can be said of a submission's points.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// These are its points.
    Points(Box<Score>),
    /// Nothing was handed in.
    Missing,
    /// The grader or the machine failed, and this is why: no points, and no zero either.
    Open(String),
}

impl Rules {
    /// Looks through the rules of `assignment`.
    ///
    /// # Errors
    ///
    /// The due date is no moment, or the late policy takes less than nothing.
    pub fn of(assignment: Assignment) -> anyhow::Result<Self> {
        let due = match &assignment.due {
            None => None,
            Some(text) => Some(Moment::parse(text).with_context(|| {
                format!(
                    "the assignment's due date {text:?} is no moment with an offset, such as \
                     2026-12-01T23:59:00+01:00"
                )
            })?),
        };
        if let LatePolicy::PerDay { percent, at_most_percent } = assignment.late {
            let share = |name: &str, value: f64| match value {
                0.0..=100.0 => Ok(()),
                _ => bail!("the late policy's {name} is {value}; it is a share from 0 to 100"),
            };
            share("percent", percent)?;
            share("at_most_percent", at_most_percent)?;
        }
        Ok(Self { assignment, due })
    }

    /// The assignment.
    pub fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// The rules that name no check of this graded submission.
    pub fn strays(&self, result: &SubmissionResult) -> Vec<&str> {
        let is_known = |name: &str| {
            let (module, id) = name.split_once('/').unwrap_or((name, ""));
            let module = result.modules.iter().find(|one| one.module == module);
            module.is_some_and(|module| module.checks.iter().any(|check| check.id == id))
        };
        let names = self.assignment.checks.keys().map(String::as_str);
        names.filter(|name| !is_known(name)).collect()
    }

    /// What the submission is worth.
    pub fn judge(&self, result: &SubmissionResult) -> Verdict {
        match result.status {
            Outcome::Missing => return Verdict::Missing,
            Outcome::Error => return Verdict::Open(result.error.clone()),
            Outcome::Graded => {}
        }
        let mut modules = Vec::new();
        for name in &self.assignment.modules {
            let Some(module) = result.modules.iter().find(|module| module.module == *name) else {
                return Verdict::Open(format!("{name} was not graded"));
            };
            match self.module(module) {
                Ok(module) => modules.push(module),
                Err(why) => return Verdict::Open(why),
            }
        }
        let sum = |worth: Worth, points: fn(&ScoredCheck) -> u32| {
            let checks = modules.iter().flat_map(|module: &ScoredModule| &module.checks);
            checks.filter(|check| check.worth == worth).map(points).map(f64::from).sum::<f64>()
        };
        let extra = sum(Worth::Extra, |check| check.points);
        let earned = sum(Worth::Points, |check| check.points) + extra;
        let max_points = sum(Worth::Points, |check| check.max_points) as u32;
        let lateness = self.lateness(result, earned);
        let points = match lateness {
            Lateness::Late { lost, .. } => earned - lost,
            _ => earned,
        };
        Verdict::Points(Box::new(Score {
            scored: Scored {
                title: self.assignment.title.clone(),
                seed: result.key.seed,
                points,
                max_points,
                remark: lateness.remark(),
                modules,
            },
            earned,
            extra,
            lateness,
        }))
    }

    fn module(&self, module: &ModuleResult) -> Result<ScoredModule, String> {
        let mut checks = Vec::new();
        for check in &module.checks {
            let name = format!("{}/{}", module.module, check.id);
            let plain = CheckRule::default();
            let rule = self.assignment.checks.get(&name).unwrap_or(&plain);
            checks.push(scored(check, rule).map_err(|why| format!("{name}: {why}"))?);
        }
        Ok(ScoredModule { name: module.module.clone(), error: module.error.clone(), checks })
    }

    fn lateness(&self, result: &SubmissionResult, earned: f64) -> Lateness {
        let Some(due) = self.due else { return Lateness::NoDueDate };
        let handed_in = result.submission.submitted_at.as_deref().and_then(Moment::parse);
        let Some(handed_in) = handed_in else { return Lateness::Unknown };
        let grace_ms = i64::try_from(self.assignment.grace_minutes)
            .unwrap_or(i64::MAX)
            .saturating_mul(MINUTE_MS);
        let late_ms = handed_in.0.saturating_sub(due.0);
        if late_ms <= grace_ms.max(0) {
            return Lateness::InTime;
        }
        let days = u32::try_from((late_ms - 1) / DAY_MS + 1).unwrap_or(u32::MAX);
        let lost = match self.assignment.late {
            LatePolicy::Accept => 0.0,
            LatePolicy::Refuse => earned,
            LatePolicy::PerDay { percent, at_most_percent } => {
                earned * (percent * f64::from(days)).min(at_most_percent) / 100.0
            }
        };
        Lateness::Late { days, lost }
    }
}

impl Score {
    /// The points without extra credit, with their share of what lateness took.
    pub fn core_points(&self) -> f64 {
        if self.earned == 0.0 {
            return 0.0;
        }
        (self.earned - self.extra) * self.scored.points / self.earned
    }

    /// The points of one module, with its share of what lateness took.
    pub fn module_points(&self, module: &ScoredModule) -> f64 {
        let earned: u32 = module.checks.iter().map(|check| check.points).sum();
        if self.earned == 0.0 {
            return 0.0;
        }
        f64::from(earned) * self.scored.points / self.earned
    }

    /// The checks that did not pass, as "MODULE/CHECK"; hidden ones are left out.
    pub fn not_passed(&self) -> Vec<String> {
        let failed = self
            .scored
            .checks()
            .filter(|(_, check)| check.status != Status::Passed && !check.hidden);
        failed.map(|(module, check)| format!("{}/{}", module.name, check.id)).collect()
    }
}

impl Lateness {
    /// What the learner is told of it; nothing if there is nothing to tell.
    pub fn remark(self) -> String {
        match self {
            Self::NoDueDate | Self::InTime | Self::Unknown => String::new(),
            Self::Late { days, lost } => {
                let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
                match lost {
                    0.0 => format!("up to {days} late, which takes no points"),
                    lost => format!("up to {days} late: {} points less", number(lost)),
                }
            }
        }
    }
}

/// The check as it counts here; the reason if there is no verdict on it, though it counts.
fn scored(check: &CheckResult, rule: &CheckRule) -> Result<ScoredCheck, String> {
    let worth = match (rule.counts, rule.extra) {
        (Some(false), _) => Worth::Nothing,
        (_, Some(true)) => Worth::Extra,
        (_, Some(false)) => Worth::Points,
        (_, None) if check.kind == "stretch" => Worth::Extra,
        (_, None) => Worth::Points,
    };
    let status = status(&check.status)?;
    let reason = || check.feedback.as_ref().map_or("", |told| told.got.as_str());
    match (status, worth) {
        (_, Worth::Nothing) => {}
        (Status::Error, _) => return Err(format!("the grader failed: {}", reason())),
        // Extra credit that nobody can earn here is nobody's loss.
        (Status::Unsupported, Worth::Points) => {
            return Err(format!("the machine that graded it could not show it: {}", reason()));
        }
        _ => {}
    }
    let max_points =
        if worth == Worth::Nothing { 0 } else { rule.points.unwrap_or(check.max_points) };
    Ok(ScoredCheck {
        id: check.id.clone(),
        title: check.title.clone(),
        status,
        worth,
        points: if status == Status::Passed { max_points } else { 0 },
        max_points,
        hidden: rule.hidden,
        duration: Duration::from_millis(check.duration_ms),
        feedback: check.feedback.as_ref().map(|told| Told {
            symptom: told.symptom.clone(),
            promise: told.promise.clone(),
            transcript: told.transcript.clone(),
            expected: told.expected.clone(),
            got: told.got.clone(),
            hint: told.hint.clone(),
        }),
    })
}

fn status(name: &str) -> Result<Status, String> {
    let all = [Status::Passed, Status::Failed, Status::Skipped, Status::Unsupported, Status::Error];
    let found = all.into_iter().find(|status| status.as_str() == name);
    found.ok_or_else(|| format!("its status {name:?} is unknown"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::results::{FeedbackText, Key, Submission};

    /// A graded submission of `tcp-echo`: id, kind, status and points of each check.
    pub(crate) fn graded(checks: &[(&str, &str, &str, u32)]) -> SubmissionResult {
        let check = |(id, kind, status, points): &(&str, &str, &str, u32)| CheckResult {
            id: (*id).to_owned(),
            title: format!("Title of {id}"),
            kind: (*kind).to_owned(),
            status: (*status).to_owned(),
            points: if *status == "passed" { *points } else { 0 },
            max_points: *points,
            duration_ms: 5,
            feedback: (*status != "passed").then(|| FeedbackText {
                promise: "It holds.".into(),
                got: "nothing".into(),
                symptom: "cut-short".into(),
                ..FeedbackText::default()
            }),
        };
        let submission = Submission { name: "ada".into(), ..Submission::default() };
        let key = Key { seed: 7, ..Key::default() };
        let mut result = SubmissionResult::empty(submission, key, Outcome::Graded, String::new());
        result.modules.push(ModuleResult {
            module: "tcp-echo".into(),
            program: "tcp-echo".into(),
            score: 0,
            max_score: 0,
            bonus: 0,
            checks: checks.iter().map(check).collect(),
            error: None,
        });
        result
    }

    pub(crate) fn rules(toml: &str) -> Rules {
        let text = format!("title = \"Echo\"\nmodules = [\"tcp-echo\"]\n{toml}");
        Rules::of(toml::from_str(&text).expect("an assignment")).expect("rules")
    }

    const CLASS: &[(&str, &str, &str, u32)] = &[
        ("a", "core", "passed", 60),
        ("b", "core", "failed", 40),
        ("c", "stretch", "passed", 10),
        ("d", "stretch", "unsupported", 10),
    ];

    fn points(rules: &Rules, result: &SubmissionResult) -> (f64, u32) {
        match rules.judge(result) {
            Verdict::Points(score) => (score.scored.points, score.scored.max_points),
            other => panic!("no points: {other:?}"),
        }
    }

    #[test]
    fn points_are_counted_as_the_assignment_says() {
        let result = graded(CLASS);
        assert_eq!(points(&rules(""), &result), (70.0, 100));
        let toml = "[check.\"tcp-echo/a\"]\npoints = 5\n[check.\"tcp-echo/b\"]\ncounts = false\n";
        assert_eq!(points(&rules(toml), &result), (15.0, 5));
        let toml = "[check.\"tcp-echo/a\"]\nextra = true\n[check.\"tcp-echo/c\"]\nextra = false\n";
        assert_eq!(points(&rules(toml), &result), (70.0, 50));
        let stray = rules("[check.\"tcp-echo/x\"]\nhidden = true\n");
        assert_eq!(stray.strays(&result), ["tcp-echo/x"]);
    }

    #[test]
    fn lateness_takes_what_the_policy_says() {
        let due = "due = \"2026-12-01T12:00:00+01:00\"\ngrace_minutes = 15\n";
        let at = |time: &str| {
            let mut result = graded(CLASS);
            result.submission.submitted_at = Some(time.to_owned());
            result
        };
        let per_day = rules(&format!(
            "{due}[late]\npolicy = \"per-day\"\npercent = 10.0\nat_most_percent = 25.0\n"
        ));
        for (time, left) in [
            ("2026-12-01T11:00:00Z", 70.0),
            ("2026-12-01T11:15:00Z", 70.0),
            ("2026-12-01T11:15:01Z", 63.0),
            ("2026-12-02T11:00:00Z", 63.0),
            ("2026-12-02T11:00:01Z", 56.0),
            ("2026-12-09T11:00:00Z", 52.5),
        ] {
            assert_eq!(points(&per_day, &at(time)).0, left, "{time}");
        }
        let refuse = rules(&format!("{due}[late]\npolicy = \"refuse\"\n"));
        assert_eq!(points(&refuse, &at("2026-12-01T11:16:00Z")), (0.0, 100));
        assert_eq!(points(&rules(due), &at("2026-12-03T11:16:00Z")), (70.0, 100));
        let Verdict::Points(score) = refuse.judge(&graded(CLASS)) else { panic!("no points") };
        assert_eq!((score.lateness, score.earned), (Lateness::Unknown, 70.0));
    }

    #[test]
    fn what_the_grader_failed_at_is_no_zero() {
        let failed = graded(&[("a", "core", "error", 100)]);
        assert!(
            matches!(rules("").judge(&failed), Verdict::Open(why) if why.contains("tcp-echo/a"))
        );
        let unsupported = graded(&[("a", "core", "unsupported", 100)]);
        assert!(matches!(rules("").judge(&unsupported), Verdict::Open(_)));
        let uncounted = rules("[check.\"tcp-echo/a\"]\ncounts = false\n");
        assert_eq!(points(&uncounted, &failed), (0.0, 0));
        let mut broken = graded(CLASS);
        broken.status = Outcome::Error;
        assert!(matches!(rules("").judge(&broken), Verdict::Open(_)));
        broken.status = Outcome::Graded;
        broken.modules.clear();
        assert!(matches!(rules("").judge(&broken), Verdict::Open(why) if why.contains("tcp-echo")));
    }

    #[test]
    fn an_assignment_that_makes_no_sense_is_refused() {
        let parse = |toml: &str| {
            let text = format!("title = \"Echo\"\nmodules = [\"tcp-echo\"]\n{toml}");
            Rules::of(toml::from_str(&text).expect("an assignment"))
        };
        assert!(parse("due = \"tomorrow\"\n").is_err());
        assert!(parse("[late]\npolicy = \"per-day\"\npercent = -1.0\n").is_err());
        assert!(parse("[late]\npolicy = \"per-day\"\npercent = nan\n").is_err());
    }
}
