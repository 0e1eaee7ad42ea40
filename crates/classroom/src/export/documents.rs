//! One document a submission: what the harness's own formats need beside the points, and the two
//! formats that only a class needs.

use grader::report::Status;
use grader::report::formats::{Scored, ScoredCheck, ScoredModule, Worth, classroom50, plain, utc};
use serde_json::{Value, json};

use super::class::Entry;
use super::score::Score;
use crate::moment::Moment;

/// How large PrairieLearn lets results be, with room for what it adds.
const PRAIRIELEARN_BYTES: usize = 1_000_000;

/// The results of a PrairieLearn external grader, `/grade/results/results.json`.
///
/// <https://prairielearn.readthedocs.io/en/latest/externalGrading/#grading-results>: the score is
/// a share from 0 to 1, so extra points fill up what is missing and no more; the file holds at most
/// 1 MB, for which the ladders are left out if they have to be. Hidden checks are left out.
pub fn prairielearn(scored: &Scored) -> Vec<u8> {
    let share = match scored.max_points {
        0 => 1.0,
        max => (scored.points / f64::from(max)).clamp(0.0, 1.0),
    };
    let document = |message: fn(&ScoredCheck) -> String| {
        let tests: Vec<Value> = scored
            .checks()
            .filter(|(_, check)| !check.hidden)
            .map(|(module, check)| {
                let promise = check.feedback.as_ref().map(|told| plain(&told.promise));
                json!({
                    "name": plain(&format!("{}: {}", module.name, check.title)),
                    "description": promise.unwrap_or_default(),
                    "points": check.points,
                    "max_points": check.max_points,
                    "message": worth(check),
                    "output": message(check),
                })
            })
            .collect();
        let mut text = serde_json::to_vec_pretty(&json!({
            "gradable": true,
            "score": (share * 10_000.0).round() / 10_000.0,
            "message": plain(&scored.remark),
            "output": scored.summary(),
            "tests": tests,
        }))
        .unwrap_or_default();
        text.push(b'\n');
        text
    };
    let whole = document(ScoredCheck::message);
    if whole.len() <= PRAIRIELEARN_BYTES {
        return whole;
    }
    let brief = document(ScoredCheck::brief);
    if brief.len() <= PRAIRIELEARN_BYTES { brief } else { document(|_| String::new()) }
}

/// The output of an Autolab autograder: text, and a last line with the points of each problem.
///
/// <https://docs.autolabproject.com/lab/#writing-autograders>. A problem is a module, and has to be
/// called so in Autolab.
pub fn autolab(score: &Score) -> Vec<u8> {
    let scored = &score.scored;
    let mut text = scored.summary();
    text.push_str("\n\n");
    for (module, check) in scored.checks().filter(|(_, check)| !check.hidden) {
        text.push_str(&plain(&format!(
            "{}/{}: {}, {} of {} points\n",
            module.name,
            check.id,
            check.status.as_str(),
            check.points,
            check.max_points
        )));
        let message = check.message();
        for line in message.lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    let points = |module: &ScoredModule| (score.module_points(module) * 100.0).round() / 100.0;
    let problems: serde_json::Map<String, Value> =
        scored.modules.iter().map(|module| (module.name.clone(), json!(points(module)))).collect();
    text.push_str(&format!("{}\n", json!({ "scores": problems })));
    text.into_bytes()
}

/// Which submission a result for Classroom 50 is of.
///
/// Outside of Classroom 50's own runner nobody knows the tag or the links. A result that a teacher
/// enters by hand has a tag "submit/manual-TIME" in the place of all of them, and so has this one;
/// the time is that of handing in, or else of the export.
///
/// # Errors
///
/// The submission's account is unknown.
pub fn classroom50(
    entry: &Entry,
    classroom: &str,
    assignment: &str,
    now_seconds: i64,
) -> Result<classroom50::Origin, String> {
    let submission = &entry.result.submission;
    let owner = submission.people.iter().find_map(|person| person.username.clone());
    let owner = owner.ok_or("its account on GitHub is not known; give a roster with usernames")?;
    let handed_in = submission.submitted_at.as_deref().and_then(Moment::parse);
    let datetime = utc(handed_in.map_or(now_seconds, |moment| moment.0.div_euclid(1000)));
    let tag = format!("submit/manual-{}", datetime.replace(':', "-"));
    Ok(classroom50::Origin {
        classroom: classroom.to_owned(),
        assignment: assignment.to_owned(),
        group: submission.people.len() > 1,
        owner: plain(&owner),
        submission: tag.clone(),
        commit: tag.clone(),
        release: tag.clone(),
        review: tag,
        datetime,
    })
}

/// What a check's points mean, where that is not plain.
fn worth(check: &ScoredCheck) -> &'static str {
    match (check.status, check.worth) {
        (Status::Unsupported, _) => "This could not be shown where it was graded.",
        (Status::Skipped, _) => "Not run, since a check that it needs failed.",
        (_, Worth::Extra) => "Extra credit.",
        (_, Worth::Nothing) => "This does not count.",
        (_, Worth::Points) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::score::Verdict;
    use super::super::score::tests::{graded, rules};
    use super::{Score, autolab, prairielearn};

    fn score() -> Score {
        let mut result = graded(&[
            ("a", "core", "passed", 60),
            ("b", "core", "failed", 40),
            ("c", "stretch", "passed", 50),
        ]);
        let told = result.modules[0].checks[1].feedback.as_mut().expect("feedback");
        told.transcript = "│ x │\n".repeat(200_000);
        match rules("").judge(&result) {
            Verdict::Points(score) => *score,
            other => panic!("no points: {other:?}"),
        }
    }

    #[test]
    fn prairielearn_gets_a_share_and_at_most_a_megabyte() {
        let text = prairielearn(&score().scored);
        assert!(text.len() < 1_000_000, "{}", text.len());
        let results: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(results["score"], 1.0, "110 of 100 points are all that there is");
        let tests = results["tests"].as_array().expect("tests");
        assert_eq!((&tests[1]["points"], &tests[1]["max_points"]), (&0.into(), &40.into()));
        assert!(tests[1]["output"].as_str().is_some_and(|output| output.contains("Got: nothing")));
    }

    #[test]
    fn autolab_reads_the_last_line() {
        let text = String::from_utf8(autolab(&score())).expect("UTF-8");
        assert_eq!(text.lines().last(), Some("{\"scores\":{\"tcp-echo\":110.0}}"));
        assert_eq!(text.lines().filter(|line| line.starts_with('{')).count(), 1);
    }
}
