//! Classroom 50's `result.json`, of the schema `classroom50/result/v1`.
//!
//! <https://github.com/foundation50/classroom50/wiki/Advanced-Autograding>, "The result.json
//! contract", and `schemas/result-v1.schema.json` of that repository. Scores are whole numbers and
//! not above their maximum, so extra points fill up what is missing and no more. Tests that do not
//! count or are extra have a maximum of 0, with the points beside it as `extra-points`, which the
//! contract lets pass. Classroom 50's runner stamps `owner`, `assignment_type` and `datetime`
//! again.

use std::env;

use serde::Serialize;

use super::{Scored, ScoredCheck, ScoredModule, Worth, document, plain};
use crate::report::Status;

/// Which submission of which assignment a result is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The classroom's short name.
    pub classroom: String,
    /// The assignment's slug.
    pub assignment: String,
    /// Whether several people share the repository.
    pub group: bool,
    /// The account that owns the repository.
    pub owner: String,
    /// The tag, "submit/…".
    pub submission: String,
    /// The link to the commit.
    pub commit: String,
    /// The link to the release.
    pub release: String,
    /// The link to all that the learner changed.
    pub review: String,
    /// When it was handed in, "2026-06-01T14:32:01Z".
    pub datetime: String,
}

impl Origin {
    /// What Classroom 50's runner says of the submission that it has graded here.
    ///
    /// # Errors
    ///
    /// The names of the environment variables that are not set.
    pub fn from_environment(datetime: String) -> Result<Self, Vec<&'static str>> {
        let mut missing = Vec::new();
        let mut said = |name: &'static str| {
            let value = env::var(name).ok().filter(|value| !value.is_empty());
            value.unwrap_or_else(|| {
                missing.push(name);
                String::new()
            })
        };
        let commit = said("COMMIT_URL");
        let origin = Self {
            classroom: said("CLASSROOM"),
            assignment: said("ASSIGNMENT"),
            submission: said("SUBMISSION_TAG"),
            release: said("RELEASE_URL"),
            owner: env::var("OWNER").unwrap_or_else(|_| said("USERNAME")),
            group: env::var("ASSIGNMENT_TYPE").is_ok_and(|kind| kind == "group"),
            review: env::var("REVIEW_URL").ok().filter(|url| !url.is_empty()).unwrap_or_else(
                || {
                    // With nothing to compare, the commit stands for its own review.
                    commit.clone()
                },
            ),
            commit,
            datetime,
        };
        if missing.is_empty() { Ok(origin) } else { Err(missing) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Test {
    test_name: String,
    passed: bool,
    score: u32,
    max_score: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_points: Option<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    classroom: &'a str,
    assignment: &'a str,
    assignment_type: &'static str,
    owner: &'a str,
    submission: &'a str,
    commit: &'a str,
    release: &'a str,
    review: &'a str,
    datetime: &'a str,
    score: u32,
    #[serde(rename = "max-score")]
    max_score: u32,
    tests: Vec<Test>,
}

/// Writes the document.
pub fn write(scored: &Scored, origin: &Origin) -> Vec<u8> {
    // Rust's conversion stops at the ends of u32; below zero there is nothing.
    let points = scored.points.round() as u32;
    document(&Document {
        schema: "classroom50/result/v1",
        classroom: &origin.classroom,
        assignment: &origin.assignment,
        assignment_type: if origin.group { "group" } else { "individual" },
        owner: &origin.owner,
        submission: &origin.submission,
        commit: &origin.commit,
        release: &origin.release,
        review: &origin.review,
        datetime: &origin.datetime,
        score: points.min(scored.max_points),
        max_score: scored.max_points,
        tests: scored
            .checks()
            .filter(|(_, check)| !check.hidden)
            .map(|(module, check)| test(module, check))
            .collect(),
    })
}

fn test(module: &ScoredModule, check: &ScoredCheck) -> Test {
    let counts = check.worth == Worth::Points;
    Test {
        test_name: plain(&format!("{}: {}", module.name, check.title)),
        passed: check.status == Status::Passed,
        score: if counts { check.points } else { 0 },
        max_score: if counts { check.max_points } else { 0 },
        status: check.status.as_str(),
        extra_points: (check.worth == Worth::Extra).then_some(check.points),
        message: check.message(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scored;
    use super::super::tests::{read, sample};
    use super::{Origin, write};

    fn origin() -> Origin {
        let link = || "https://example.org/x".to_owned();
        Origin {
            classroom: "sockets".into(),
            assignment: "echo".into(),
            group: false,
            owner: "ada".into(),
            submission: "submit/2026-06-01T14-32-05Z-a1b2c3d".into(),
            commit: link(),
            release: link(),
            review: link(),
            datetime: "2026-06-01T14:32:01Z".into(),
        }
    }

    #[test]
    fn the_document_keeps_the_contract() {
        let result = read(&write(&sample(), &origin()));
        let names: Vec<&String> = result.as_object().expect("an object").keys().collect();
        let required = [
            "assignment",
            "assignment_type",
            "classroom",
            "commit",
            "datetime",
            "max-score",
            "owner",
            "release",
            "review",
            "schema",
            "score",
            "submission",
            "tests",
        ];
        // The schema allows no other.
        assert_eq!(names, required);
        assert_eq!((&result["score"], &result["max-score"]), (&53.into(), &100.into()));
        let tests = result["tests"].as_array().expect("a list of tests");
        assert_eq!(tests.len(), 6, "the hidden check is public in a release, so it is left out");
        for test in tests {
            assert!(test["passed"].is_boolean() && test["test-name"].is_string(), "{test}");
            assert!(test["score"].as_u64() <= test["max-score"].as_u64(), "{test}");
        }
        assert_eq!(tests[3]["extra-points"], 10);
    }

    #[test]
    fn a_score_is_never_above_its_maximum() {
        let best = Scored { points: 140.0, ..sample() };
        assert_eq!(read(&write(&best, &origin()))["score"], 100);
    }
}
