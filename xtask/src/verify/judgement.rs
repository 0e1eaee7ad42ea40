//! What the reports of the starter, the reference and the known-wrong programs must say.

use std::collections::BTreeSet;

use grader::manifest::Manifest;
use grader::report::{CheckReport, Feedback, ModuleReport, Status};
use grader::wording::NOT_IMPLEMENTED;

use super::wrong::{HintWanted, Meaning, Shown};

/// Which checks and hints no known-wrong program has reached yet.
pub struct Coverage {
    checks: BTreeSet<String>,
    hints: BTreeSet<(String, String)>,
}

impl Coverage {
    /// Nothing reached so far.
    pub fn of(manifest: &Manifest) -> Self {
        let mut coverage = Self { checks: BTreeSet::new(), hints: BTreeSet::new() };
        for check in &manifest.checks {
            coverage.checks.insert(check.id.clone());
            let symptoms = check.mistakes.iter().map(|mistake| mistake.symptom.clone());
            coverage.hints.extend(symptoms.map(|symptom| (check.id.clone(), symptom)));
        }
        coverage
    }

    /// Asks nothing of a check that this machine cannot show.
    pub fn excuse(&mut self, check: &str) {
        self.checks.remove(check);
        self.hints.retain(|(of, _)| of != check);
    }

    /// The hints that a program is to show are reached, or it is not this machine that can tell.
    fn reach_hints(&mut self, shown: &Shown) {
        for symptom in shown.or.iter().chain([&shown.symptom]) {
            self.hints.remove(&(shown.check.clone(), symptom.clone()));
        }
    }

    /// What is still not reached, as sentences that say what to do.
    pub fn gaps(&self) -> Vec<String> {
        let checks = self.checks.iter().map(|check| {
            format!("no known-wrong program fails `{check}`; write one, or strike the check")
        });
        let hints = self.hints.iter().map(|(check, symptom)| {
            format!(
                "no known-wrong program reaches the hint for `{symptom}` of `{check}`; \
                 write one that shows it, or strike the hint"
            )
        });
        checks.chain(hints).collect()
    }
}

/// The starter passes nothing: every check fails by a `todo!()`, or is skipped for one that did.
pub fn starter(report: &ModuleReport) -> Vec<String> {
    let mut problems = Vec::new();
    for check in &report.checks {
        let symptom = symptom(check);
        match check.status {
            Status::Skipped | Status::Unsupported => {}
            Status::Failed if symptom == NOT_IMPLEMENTED => {}
            Status::Failed => problems.push(format!(
                "the starter fails `{}` with `{symptom}`; it should reach a todo!() first",
                check.id
            )),
            Status::Passed => problems.push(format!(
                "the starter passes `{}`; leave a todo!() where the check looks",
                check.id
            )),
            Status::Error => problems.push(grader_failed(check)),
        }
    }
    let reached = report.checks.iter().any(|check| symptom(check) == NOT_IMPLEMENTED);
    if !reached {
        problems.push("no check finds the starter's todo!(); see what it runs into".to_owned());
    }
    problems
}

/// The reference passes all that this machine can show.
pub fn reference(report: &ModuleReport) -> Vec<String> {
    let lacking = report.checks.iter().filter_map(|check| match check.status {
        Status::Passed | Status::Unsupported => None,
        Status::Error => Some(grader_failed(check)),
        _ => Some(format!(
            "the reference does not pass `{}`; mend the one or the other\n{}",
            check.id,
            summary(check)
        )),
    });
    lacking.collect()
}

/// A known-wrong program fails what it names and nothing unrelated, and is told so by the right
/// hint.
pub fn wrong(
    meaning: &Meaning,
    report: &ModuleReport,
    manifest: &Manifest,
    coverage: &mut Coverage,
) -> Vec<String> {
    let mut problems = Vec::new();
    let shown = meaning.shows.iter().map(|shown| &shown.check);
    for id in meaning.fails.iter().chain(&meaning.may_fail).chain(shown) {
        if !manifest.checks.iter().any(|check| check.id == *id) {
            problems.push(format!("its wrong.toml names `{id}`, which is no check; mend the name"));
        }
    }
    for check in &report.checks {
        let named = meaning.fails.contains(&check.id);
        let allowed = named || meaning.may_fail.contains(&check.id);
        let id = &check.id;
        match check.status {
            Status::Failed if named => _ = coverage.checks.remove(id),
            Status::Failed if !allowed => problems.push(format!(
                "it fails `{id}`, which has nothing to do with it; \
                 mend the check, or name it in `may_fail`\n{}",
                summary(check)
            )),
            // Another machine shows that it fails.
            Status::Passed if named && is_let_through(check) => {
                coverage.checks.remove(id);
            }
            Status::Passed if named => problems.push(format!(
                "it passes `{id}`, which it should fail; sharpen the check, or the mistake"
            )),
            Status::Skipped if named => problems.push(format!(
                "`{id}` was skipped, since a check that it needs failed; take it out of `fails`"
            )),
            Status::Error => problems.push(grader_failed(check)),
            _ => {}
        }
    }
    for shown in &meaning.shows {
        problems.extend(show(shown, report, manifest, coverage));
    }
    problems
}

/// The ids of the checks that a program should fail and passes, since they had to take a weaker
/// form on this machine.
pub fn let_through(meaning: &Meaning, report: &ModuleReport) -> Vec<String> {
    let passed = report.checks.iter().filter(|check| is_let_through(check));
    let ids = passed.map(|check| &check.id);
    ids.filter(|id| meaning.fails.contains(id)).cloned().collect()
}

/// Whether a pass says nothing, since the check had to take a weaker form.
fn is_let_through(check: &CheckReport) -> bool {
    check.status == Status::Passed && check.weaker_form.is_some()
}

/// The ids of the checks that failed, in order.
pub fn failed_ids(report: &ModuleReport) -> Vec<String> {
    let failed = report.checks.iter().filter(|check| check.status == Status::Failed);
    failed.map(|check| check.id.clone()).collect()
}

fn show(
    shown: &Shown,
    report: &ModuleReport,
    manifest: &Manifest,
    coverage: &mut Coverage,
) -> Option<String> {
    let Shown { check: id, symptom: wanted, or, hint } = shown;
    let check = report.checks.iter().find(|check| check.id == *id)?;
    let entry = manifest.checks.iter().find(|entry| entry.id == *id)?;
    if check.status == Status::Unsupported {
        return None;
    }
    if is_let_through(check) {
        coverage.reach_hints(shown);
        return None;
    }
    let Some(Feedback { symptom, hint: told, .. }) = &check.feedback else {
        return Some(format!("it should show `{wanted}` at `{id}`, which it does not fail"));
    };
    if symptom != wanted && !or.contains(symptom) {
        let seen = summary(check);
        return Some(format!(
            "it shows `{symptom}` at `{id}`, and should show `{wanted}`; \
             mend the check or its wrong.toml\n{seen}"
        ));
    }
    let own = entry.mistakes.iter().find(|mistake| mistake.symptom == *symptom);
    let expected = match (hint, own) {
        (Some(HintWanted::First), _) => entry.hints.first(),
        (None, Some(own)) => Some(&own.hint),
        (None, None) => {
            return Some(format!(
                "`{id}` has no hint of its own for `{symptom}`; write a [[check.mistake]], \
                 or say `hint = \"first\"`"
            ));
        }
    };
    if expected.is_none_or(|expected| expected.trim() != told.trim()) {
        return Some(format!("at `{id}` another hint is shown than the one meant: {told}"));
    }
    if hint.is_none() {
        coverage.reach_hints(shown);
    }
    None
}

fn symptom(check: &CheckReport) -> &str {
    check.feedback.as_ref().map_or("", |feedback| feedback.symptom.as_str())
}

fn grader_failed(check: &CheckReport) -> String {
    format!("the grader itself failed at `{}`; mend it\n{}", check.id, summary(check))
}

/// What a check had to say, indented to stand below a problem.
fn summary(check: &CheckReport) -> String {
    let Some(feedback) = &check.feedback else {
        return format!("    {}", check.status.as_str());
    };
    let Feedback { symptom, expected, got, .. } = feedback;
    let told = format!("symptom: {symptom}\nexpected: {expected}\ngot: {got}");
    told.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
