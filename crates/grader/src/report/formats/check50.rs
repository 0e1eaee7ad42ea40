//! The report that `check50 --output json` writes.
//!
//! <https://cs50.readthedocs.io/projects/check50/en/latest/json_specification/>, and `CheckResult`
//! in check50's `runner.py`: `passed` is `null` for a check that was not run.

use serde::Serialize;

use super::{Scored, ScoredCheck, ScoredModule, document, plain};
use crate::report::Status;
use crate::wording;

/// The version of check50 whose form this is.
const VERSION: &str = "3.5.0";

#[derive(Serialize)]
struct Document {
    slug: String,
    results: Vec<CheckResult>,
    version: &'static str,
}

#[derive(Serialize)]
struct CheckResult {
    name: String,
    description: String,
    passed: Option<bool>,
    log: Vec<String>,
    cause: Option<Cause>,
    data: Data,
    dependency: Option<String>,
}

#[derive(Serialize)]
struct Cause {
    rationale: String,
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Error>,
}

#[derive(Serialize)]
struct Error {
    r#type: &'static str,
    value: String,
    traceback: Vec<String>,
    data: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Data {
    points: u32,
    max_points: u32,
    status: &'static str,
}

/// Writes the document.
pub fn write(scored: &Scored) -> Vec<u8> {
    document(&Document {
        slug: plain(&scored.title),
        results: scored
            .checks()
            .filter(|(_, check)| !check.hidden)
            .map(|(module, check)| result(module, check))
            .collect(),
        version: VERSION,
    })
}

fn result(module: &ScoredModule, check: &ScoredCheck) -> CheckResult {
    let log: Vec<String> = match &module.error {
        // Once is enough.
        Some(error) if module.checks.first().is_some_and(|first| first.id == check.id) => {
            plain(error).lines().map(str::to_owned).collect()
        }
        _ => {
            let ladder = check.feedback.as_ref().map(|told| plain(&told.transcript));
            ladder.unwrap_or_default().lines().map(str::to_owned).collect()
        }
    };
    CheckResult {
        // check50 names a check as the Python function that it is.
        name: format!("{}_{}", module.name, check.id).replace('-', "_"),
        description: plain(&format!("{}: {}", module.name, check.title)),
        passed: match check.status {
            Status::Passed => Some(true),
            Status::Failed => Some(false),
            Status::Skipped | Status::Unsupported | Status::Error => None,
        },
        log,
        cause: (check.status != Status::Passed).then(|| cause(check)),
        data: Data {
            points: check.points,
            max_points: check.max_points,
            status: check.status.as_str(),
        },
        dependency: None,
    }
}

fn cause(check: &ScoredCheck) -> Cause {
    let told = check.feedback.clone().unwrap_or_default();
    let rationale = [
        told.promise.clone(),
        match told.expected.as_str() {
            "" => String::new(),
            expected => format!("{}: {expected}", wording::EXPECTED),
        },
        match told.got.as_str() {
            "" => String::new(),
            got => format!("{}: {got}", wording::GOT),
        },
    ];
    let rationale: Vec<String> = rationale.into_iter().filter(|part| !part.is_empty()).collect();
    let rationale = plain(&rationale.join("\n"));
    let error = (check.status == Status::Error).then(|| Error {
        r#type: "GraderError",
        value: plain(&told.got),
        traceback: Vec::new(),
        data: serde_json::Map::new(),
    });
    Cause {
        rationale: if rationale.is_empty() { check.status.as_str().to_owned() } else { rationale },
        help: Some(plain(&told.hint)).filter(|hint| !hint.is_empty()),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, sample};
    use super::write;

    #[test]
    fn the_document_is_as_check50_writes_it() {
        let report = read(&write(&sample()));
        assert!(report["slug"].is_string() && report["version"].is_string());
        let results = report["results"].as_array().expect("a list of results");
        assert_eq!(results.len(), 6);
        for result in results {
            for field in ["name", "description", "passed", "log", "cause", "data", "dependency"] {
                assert!(result.get(field).is_some(), "{field} is missing in {result}");
            }
            assert_eq!(result["cause"].is_null(), result["passed"] == true, "{result}");
        }
        assert_eq!(results[1]["name"], "tcp_echo_bad");
        assert_eq!(results[1]["passed"], false);
        assert_eq!(results[1]["cause"]["help"], "Read on.");
        assert!(results[2]["passed"].is_null());
    }
}
