//! The `results.json` of an Exercism test runner, version 3.
//!
//! <https://exercism.org/docs/building/tooling/test-runners/interface>. There is no state for a
//! test that was not run, so these are errors, and all tests have to pass for a pass, those for
//! extra credit too. `test_code` (the checks are no code that a learner would read), `output` and
//! `task_id` are left out, as the specification allows for practice exercises.

use serde::Serialize;

use super::{Scored, ScoredCheck, ScoredModule, document, plain};
use crate::report::Status;

/// How long the message of the whole may be, in bytes.
const MESSAGE_BYTES: usize = 65_535;

#[derive(Serialize)]
struct Document {
    version: u32,
    status: &'static str,
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<Vec<Test>>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    status: &'static str,
    message: Option<String>,
}

/// Writes the document.
pub fn write(scored: &Scored) -> Vec<u8> {
    let builds = scored.modules.iter().any(|module| module.error.is_none());
    if !builds {
        let errors = scored.modules.iter().filter_map(|module| module.error.as_deref());
        let told = plain(errors.collect::<Vec<_>>().join("\n").trim());
        let told = if told.is_empty() { "nothing was graded".to_owned() } else { told };
        return document(&Document {
            version: 3,
            status: "error",
            message: Some(cut(told)),
            tests: None,
        });
    }
    let shown = || scored.checks().filter(|(_, check)| !check.hidden);
    let passed = shown().all(|(_, check)| check.status == Status::Passed);
    document(&Document {
        version: 3,
        status: if passed { "pass" } else { "fail" },
        message: None,
        tests: Some(shown().map(|(module, check)| test(module, check)).collect()),
    })
}

fn test(module: &ScoredModule, check: &ScoredCheck) -> Test {
    let status = match check.status {
        Status::Passed => "pass",
        Status::Failed if module.error.is_none() => "fail",
        Status::Failed | Status::Skipped | Status::Unsupported | Status::Error => "error",
    };
    let told = match &module.error {
        Some(error) => plain(error.trim()),
        None => check.message(),
    };
    let told = if told.is_empty() { check.status.as_str().to_owned() } else { told };
    Test {
        name: plain(&format!("{}: {}", module.name, check.title)),
        status,
        message: (status != "pass").then_some(told),
    }
}

/// The beginning, if it is too long, at the end of a character.
fn cut(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES {
        let mut end = MESSAGE_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, sample};
    use super::write;

    #[test]
    fn the_document_is_as_published() {
        let results = read(&write(&sample()));
        assert_eq!((&results["version"], &results["status"]), (&3.into(), &"fail".into()));
        assert!(results["message"].is_null());
        let tests = results["tests"].as_array().expect("a list of tests");
        assert_eq!(tests.len(), 6);
        for test in tests {
            let passed = test["status"] == "pass";
            assert_eq!(test["message"].is_string(), !passed, "{test}");
        }
        assert_eq!(tests[2]["status"], "error");
    }

    #[test]
    fn what_does_not_build_is_an_error_of_limited_length() {
        let mut sample = sample();
        sample.modules.remove(0);
        sample.modules[0].error = Some("ä".repeat(40_000));
        let results = read(&write(&sample));
        assert_eq!(results["status"], "error");
        assert!(results.get("tests").is_none());
        assert_eq!(results["message"].as_str().map(str::len), Some(65_534));
    }
}
