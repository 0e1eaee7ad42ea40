//! Gradescope's `results.json`.
//!
//! <https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format>: the score of the
//! whole stands above those of the tests, whose sum it need not be.

use serde::Serialize;

use super::{Points, Scored, ScoredCheck, ScoredModule, Worth, document, plain};
use crate::report::Status;

#[derive(Serialize)]
struct Results {
    score: Points,
    execution_time: Points,
    output: String,
    output_format: &'static str,
    test_output_format: &'static str,
    test_name_format: &'static str,
    stdout_visibility: &'static str,
    tests: Vec<Test>,
    extra_data: Extra,
}

#[derive(Serialize)]
struct Test {
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_score: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    name: String,
    output: String,
    tags: Vec<&'static str>,
    visibility: &'static str,
    extra_data: Extra,
}

#[derive(Serialize)]
struct Extra {
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_points: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

/// Writes the document.
pub fn write(scored: &Scored) -> Vec<u8> {
    document(&Results {
        score: Points(scored.points),
        execution_time: Points(scored.seconds()),
        output: scored.summary(),
        output_format: "text",
        test_output_format: "text",
        test_name_format: "text",
        stdout_visibility: "hidden",
        tests: scored.checks().map(|(module, check)| test(module, check)).collect(),
        extra_data: Extra {
            seed: Some(scored.seed),
            max_points: Some(scored.max_points),
            check: None,
        },
    })
}

fn test(module: &ScoredModule, check: &ScoredCheck) -> Test {
    // What could not be shown here is neither passed nor failed, and without a score it is neither.
    let has_score = check.worth != Worth::Nothing && check.status != Status::Unsupported;
    Test {
        score: has_score.then_some(check.points),
        max_score: has_score.then_some(check.max_points),
        status: match check.status {
            Status::Passed => Some("passed"),
            Status::Failed | Status::Skipped | Status::Error => Some("failed"),
            Status::Unsupported => None,
        },
        name: plain(&format!("{}: {}", module.name, check.title)),
        output: check.message(),
        tags: match check.worth {
            Worth::Points => vec![check.status.as_str()],
            Worth::Extra => vec![check.status.as_str(), "extra credit"],
            Worth::Nothing => vec![check.status.as_str(), "does not count"],
        },
        visibility: if check.hidden { "after_published" } else { "visible" },
        extra_data: Extra {
            seed: None,
            max_points: None,
            check: Some(format!("{}/{}", module.name, check.id)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, sample};
    use super::write;

    #[test]
    fn the_document_is_as_published() {
        let results = read(&write(&sample()));
        assert_eq!(results["score"], 52.5);
        let tests = results["tests"].as_array().expect("a list of tests");
        assert_eq!(tests.len(), 7);
        for test in tests {
            assert!(["visible", "after_published"].map(Into::into).contains(&test["visibility"]));
            let status = &test["status"];
            assert!(status.is_null() || status == "passed" || status == "failed", "{test}");
            assert_eq!(test["score"].is_null(), test["max_score"].is_null(), "{test}");
        }
        assert_eq!(tests[0]["name"], "tcp-echo: The <good> & \"its\" title");
        assert_eq!((&tests[1]["score"], &tests[1]["max_score"]), (&0.into(), &20.into()));
        assert!(tests[1]["output"].as_str().expect("a text").contains("Hint: Read on."));
        assert!(tests[4]["status"].is_null() && tests[4]["score"].is_null());
        assert!(tests[5]["score"].is_null());
        assert_eq!(tests[6]["visibility"], "after_published");
    }
}
