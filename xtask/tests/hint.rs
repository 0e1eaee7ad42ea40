//! What `hint` tells after which grading, and `explain` without one. The gradings stand in a
//! progress file that is written here; that `grade` writes such a file is tested with it.
#![cfg(unix)]

mod support;

use std::path::Path;

use grader::Manifest;
use support::{Ended, course, folder, run, small_course, xtask};

const UNTOUCHED: &str = "fn main() {\n    todo!(\"write it\")\n}\n";

/// Progress of tcp-echo, built or not, that stopped at a check, with a line for each.
fn progress(root: &Path, builds: bool, stopped_at: &str, checks: &[&str]) {
    let text = format!(
        "[tcp-echo]\nbuilds = {builds}\ngraded = \"2026-01-01T00:00:00Z\"\n\
         stopped_at = \"{stopped_at}\"\n\n[tcp-echo.checks]\n{}\n",
        checks.join("\n")
    );
    fs_err::write(root.join(".progress.toml"), text).expect("write the progress");
}

fn hint(root: &Path, arguments: &[&str]) -> Ended {
    let scratch = folder();
    run(xtask(root, scratch.path()).arg("hint").args(arguments))
}

/// What `hint` tells, its lines joined.
fn told(root: &Path, arguments: &[&str]) -> String {
    let ended = hint(root, arguments);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The hints of the real manifest for a symptom of `half-close`, each in one line.
fn hints(symptom: &str) -> Vec<String> {
    let path = course().join("crates/tcp-echo/module.toml");
    let manifest = Manifest::load(&path).expect("the manifest is right");
    let check = manifest.checks.iter().find(|check| check.id == "half-close");
    let hints = check.expect("there is such a check").hints_for(symptom);
    hints.iter().map(|hint| hint.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

const FAILED: &str = "half-close = { best = \"failed\", last = \"failed\", symptom = \"reset\" }";

#[test]
fn each_call_is_clearer_and_the_last_says_so() {
    let root = folder();
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    progress(root.path(), true, "half-close", &[FAILED]);
    let hints = hints("reset");
    assert!(hints.len() > 2, "the manifest has a chain here");
    for call in 1..=hints.len() + 1 {
        let text = told(root.path(), &["tcp-echo"]);
        assert!(text.starts_with("tcp-echo, half-close: "), "{text}");
        assert!(text.contains("reset, the connection was broken off"), "{text}");
        let shown: Vec<bool> = hints.iter().map(|hint| text.contains(hint)).collect();
        let expected: Vec<bool> = (1..=hints.len()).map(|number| call >= number).collect();
        assert_eq!(shown, expected, "call {call}: {text}");
        let is_last = call >= hints.len();
        assert_eq!(text.contains("That was the last hint."), is_last, "{text}");
        assert_eq!(text.contains("cargo xtask solution tcp-echo --anyway"), is_last, "{text}");
    }
    let again = told(root.path(), &["tcp-echo", "half-close", "--again"]);
    assert!(again.contains("Hint 1 of 3") && !again.contains("Hint 2 of 3"), "{again}");
    let next = told(root.path(), &[]);
    assert!(next.contains("Hint 2 of 3") && !next.contains("Hint 3 of 3"), "{next}");
}

#[test]
fn another_mistake_has_hints_of_its_own() {
    let root = folder();
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    progress(root.path(), true, "half-close", &[FAILED]);
    told(root.path(), &["tcp-echo"]);
    let path = root.path().join(".progress.toml");
    let known = fs_err::read_to_string(&path).expect("the progress is there");
    assert!(known.contains("hints = { reset = 1 }"), "{known}");
    let other = known.replace("symptom = \"reset\"", "symptom = \"still-open\"");
    fs_err::write(&path, other).expect("write the progress");
    let told = told(root.path(), &["tcp-echo"]);
    assert!(told.contains(&hints("still-open")[0]), "{told}");
    assert!(told.contains("Hint 1 of 3") && !told.contains("Hint 2 of 3"), "{told}");
    let known = fs_err::read_to_string(&path).expect("the progress is there");
    assert!(known.contains("hints = { reset = 1, still-open = 1 }"), "{known}");
}

#[test]
fn a_program_that_is_not_begun_is_pointed_to_its_todo() {
    let root = folder();
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    let todo = FAILED.replace("\"reset\"", "\"not-implemented\"");
    progress(root.path(), true, "half-close", &[&todo]);
    let told = told(root.path(), &["tcp-echo"]);
    assert!(told.contains("Your program ran into a `todo!()`."), "{told}");
}

#[test]
fn without_a_failure_it_says_what_else_to_do() {
    let root = folder();
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    hint(root.path(), &[]).refuses(&["nothing was graded yet", "cargo xtask grade tcp-echo"]);
    hint(root.path(), &["tcp-echo"]).refuses(&["tcp-echo was not graded yet", "first run"]);
    progress(root.path(), false, "half-close", &[FAILED]);
    assert!(told(root.path(), &["tcp-echo"]).contains("did not build"));
    let checks = [
        "half-close = { best = \"passed\", last = \"skipped\" }",
        "one-message = { best = \"failed\", last = \"failed\", symptom = \"stalled\" }",
        "usage = { best = \"passed\", last = \"passed\" }",
        "ipv6 = { best = \"unsupported\", last = \"unsupported\" }",
    ];
    progress(root.path(), true, "gone", &checks);
    let of = |check: &str| told(root.path(), &["tcp-echo", check]);
    assert!(of("half-close").contains("cargo xtask hint tcp-echo one-message"));
    assert!(of("usage").contains("It passed when last graded"));
    assert!(of("ipv6").contains("When last graded it was unsupported"));
    assert!(told(root.path(), &[]).starts_with("tcp-echo, one-message:"));
    assert!(told(root.path(), &["one-message"]).starts_with("tcp-echo, one-message:"));
    hint(root.path(), &["tcp-echo", "port-taken"]).refuses(&["`port-taken` was not run yet"]);
    hint(root.path(), &["tcp-echo", "halfclose"]).refuses(&["`halfclose`", "`half-close`"]);
    hint(root.path(), &["tpc-echo"]).refuses(&["did you mean `tcp-echo`?"]);
    progress(root.path(), true, "gone", &checks[2..]);
    assert!(told(root.path(), &[]).contains("Nothing failed when tcp-echo was last graded"));
}

#[test]
fn a_check_is_explained_without_a_grading() {
    let root = folder();
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    let explain = |arguments: &[&str]| {
        let scratch = folder();
        let mut command = xtask(root.path(), scratch.path());
        command.arg("explain").args(arguments).env("COLUMNS", "60").env("LC_ALL", "C");
        run(&mut command)
    };
    let ended = explain(&["tcp-echo", "client-message"]);
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let text = &ended.stdout;
    assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 64), "{text}");
    let parts =
        ["core, 5 points", "It was not run yet.", "  The promise", "  Step by step", "    1. "];
    for part in
        parts.into_iter().chain(["  The rule", "README.md#your-task", "--check client-message"])
    {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    progress(root.path(), true, "half-close", &[FAILED]);
    let text = explain(&["tcp-echo", "half-close"]).stdout;
    assert!(text.contains("When last graded it failed: reset,"), "{text}");
    assert!(text.contains("it runs if one-message passed"), "{text}");
    explain(&["tcp-echo", "halfclose"]).refuses(&["`halfclose`", "`half-close`"]);
    explain(&["tpc-echo", "usage"]).refuses(&["did you mean `tcp-echo`?"]);
    explain(&["tcp-echo"]).refuses(&["name the module and the check"]);
}
