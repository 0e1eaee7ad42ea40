//! A small class whose results are made up.

use std::path::Path;

use classroom::results::{
    BATCH_SCHEMA, BatchFile, CheckResult, FeedbackText, Key, ModuleResult, Outcome, Person,
    Submission, SubmissionResult,
};

/// What attacks whoever shows it.
pub const ATTACK: &str =
    "</pre><script>alert(1)</script> ]]> & \"' \\u{1b}[31m <img src=x onerror=alert(2)> {{7*7}}";

/// A person with all that is known.
pub fn person(name: &str, id: &str, email: &str, username: &str) -> Person {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Person { name: some(name), id: some(id), email: some(email), username: some(username) }
}

/// A check with its status.
pub fn check(id: &str, kind: &str, status: &str, max_points: u32, symptom: &str) -> CheckResult {
    let feedback = FeedbackText {
        promise: "The server returns every byte.".into(),
        transcript: format!("    ms  grader            your server\n     0  │── {ATTACK} ──▶│\n"),
        expected: "5 bytes: \"hello\"".into(),
        got: ATTACK.to_owned(),
        hint: "Read until the end.".into(),
        symptom: symptom.to_owned(),
        lesson: "exercises/tcp-echo/README.md#your-task".into(),
    };
    CheckResult {
        id: id.to_owned(),
        title: format!("Title of <{id}>"),
        kind: kind.to_owned(),
        status: status.to_owned(),
        points: if status == "passed" { max_points } else { 0 },
        max_points,
        duration_ms: 41,
        feedback: (status != "passed").then_some(feedback),
    }
}

/// A submission of tcp-echo, graded.
pub fn graded(name: &str, people: Vec<Person>, checks: Vec<CheckResult>) -> SubmissionResult {
    let submission = Submission {
        name: name.to_owned(),
        people,
        source: name.to_owned(),
        ..Submission::default()
    };
    let key = Key { seed: 7, modules: vec!["tcp-echo".into()], ..Key::default() };
    let mut result = SubmissionResult::empty(submission, key, Outcome::Graded, String::new());
    let sum = |kind: &str, points: fn(&CheckResult) -> u32| {
        checks.iter().filter(|check| check.kind == kind).map(points).sum()
    };
    result.layer = "namespaces".into();
    result.modules.push(ModuleResult {
        module: "tcp-echo".into(),
        program: "tcp-echo".into(),
        score: sum("core", |check| check.points),
        max_score: sum("core", |check| check.max_points),
        bonus: sum("stretch", |check| check.points),
        checks,
        error: None,
    });
    result
}

/// Checks worth 100 points, of which `points` (of 60 and 40) are earned.
pub fn checks(first: bool, second: bool) -> Vec<CheckResult> {
    let status = |passed: bool| if passed { "passed" } else { "failed" };
    vec![
        check("one-message", "core", status(first), 60, "wrong-bytes"),
        check("half-close", "core", status(second), 40, "cut-short"),
        check("later", "stretch", "skipped", 10, ""),
    ]
}

/// Writes the results and what tells of their run.
pub fn write(folder: &Path, results: &[SubmissionResult]) {
    std::fs::create_dir_all(folder).expect("make the folder");
    for result in results {
        result.save(folder).expect("save a result");
    }
    let run = BatchFile {
        schema: BATCH_SCHEMA.into(),
        title: "Echo".into(),
        modules: vec!["tcp-echo".into()],
        seed: 7,
        deadline_ms: 10_000,
        grader_hash: "00".into(),
        grader_version: "0.1.0".into(),
        toolchain: "rustc 1.95.0".into(),
        layer: "namespaces".into(),
        shard: None,
        submissions: results.iter().map(|result| result.submission.name.clone()).collect(),
        class: results.iter().map(|result| result.submission.name.clone()).collect(),
        assignment_hash: "00".into(),
        notes: Vec::new(),
    };
    run.save(folder).expect("save the run");
}

/// Ada (100 points, late by 1.5 days), Grace and Heidi together (60), Ivan (the grader failed), and
/// Judy (nothing handed in).
pub fn small(folder: &Path) {
    let ada = person("Ada Lovelace", "100", "ada@example.org", "ada");
    let mut first = graded("ada", vec![ada], checks(true, true));
    first.submission.submitted_at = Some("2026-12-02T23:00:00Z".into());
    let pair = vec![
        person("=Grace Hopper", "101", "grace@example.org", "ghopper"),
        person("Heidi Ö", "102", "heidi@example.org", "heidi"),
    ];
    let mut second = graded("pair", pair, checks(true, false));
    second.submission.submitted_at = Some("2026-12-01T10:00:00Z".into());
    let mut third =
        graded("ivan", vec![person("Ivan", "103", "ivan@example.org", "ivan")], Vec::new());
    third.status = Outcome::Error;
    third.error = "no room on the disk".into();
    third.modules.clear();
    let mut fourth =
        graded("judy", vec![person("Judy", "104", "judy@example.org", "judy")], Vec::new());
    fourth.status = Outcome::Missing;
    fourth.modules.clear();
    write(folder, &[first, second, third, fourth]);
}

/// An assignment with a due date, a late policy and a hidden check.
pub const ASSIGNMENT: &str = "title = \"Echo\"\nmodules = [\"tcp-echo\"]\n\
    due = \"2026-12-01T12:00:00+01:00\"\n[late]\npolicy = \"per-day\"\npercent = 10.0\n\
    [check.\"tcp-echo/half-close\"]\nhidden = true\n";
