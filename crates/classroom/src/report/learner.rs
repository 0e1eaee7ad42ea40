//! One learner's page: the points, every check, and each failure with its ladder.

use std::io;

use grader::report::Status;
use grader::report::formats::{ScoredCheck, ScoredModule, number};

use super::html::{Page, escaped};
use super::survey::worth;
use crate::export::Entry;
use crate::export::score::{Score, Verdict};

/// Writes the page of the submission at `index` of `count`.
///
/// # Errors
///
/// Those of the output.
pub fn write(page: &mut Page, entry: &Entry, index: usize, count: usize) -> io::Result<()> {
    let label = entry.label();
    page.markup(format!(
        "<article class=\"learner\" id=\"p{index}\" aria-labelledby=\"n{index}\">\n"
    ))?;
    page.markup(
        "<nav aria-label=\"Learners\"><ul>\n<li><a href=\"#learners\">All learners</a></li>\n",
    )?;
    if index > 0 {
        page.markup(format!("<li><a href=\"#p{}\">Previous</a></li>\n", index - 1))?;
    }
    if index + 1 < count {
        page.markup(format!("<li><a href=\"#p{}\">Next</a></li>\n", index + 1))?;
    }
    page.markup("</ul></nav>\n")?;
    page.markup(format!("<h2 id=\"n{index}\">{}</h2>\n", escaped(&label)))?;
    if label != entry.result.submission.name {
        page.element("p", &format!("Submission {}", entry.result.submission.name))?;
    }
    match &entry.verdict {
        Verdict::Points(score) => points(page, score)?,
        Verdict::Missing => page.element("p", "Nothing was handed in.")?,
        Verdict::Open(why) => {
            page.element("p", &format!("There is no verdict, and that is no zero: {why}"))?;
        }
    }
    for note in &entry.result.notes {
        page.element("p", &format!("Note: {note}"))?;
    }
    if let Verdict::Points(_) = &entry.verdict {
        origin(page, entry)?;
    }
    page.markup("</article>\n")
}

fn points(page: &mut Page, score: &Score) -> io::Result<()> {
    let scored = &score.scored;
    let mut text = format!("{} of {} points", number(scored.points), scored.max_points);
    if score.extra > 0.0 {
        text.push_str(&format!(", {} of them extra", number(score.extra)));
    }
    if !scored.remark.is_empty() {
        text.push_str(&format!("; {}", scored.remark));
    }
    page.markup(format!("<p><strong>{}</strong></p>\n", escaped(&text)))?;
    for module in &scored.modules {
        checks(page, module)?;
        match &module.error {
            Some(error) => {
                page.element("p", "The program does not build, so no check was run:")?;
                page.block("Compiler messages", error)?;
            }
            None => {
                for check in module.checks.iter().filter(|check| check.status == Status::Failed) {
                    failure(page, check)?;
                }
            }
        }
    }
    Ok(())
}

fn checks(page: &mut Page, module: &ScoredModule) -> io::Result<()> {
    page.element("h3", &module.name)?;
    page.markup(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Checks\">\n\
         <table><thead><tr><th scope=\"col\">Check</th><th scope=\"col\">Result</th>\
         <th scope=\"col\">Counts as</th><th scope=\"col\" class=\"number\">Points</th></tr>\
         </thead><tbody>\n",
    )?;
    for check in &module.checks {
        let class = match check.status {
            Status::Passed => "passed",
            Status::Failed | Status::Error => "failed",
            Status::Skipped | Status::Unsupported => "soft",
        };
        page.markup(format!(
            "<tr><th scope=\"row\">{}</th><td class=\"{class}\">{}</td><td>{}</td>\
             <td class=\"number\">{} of {}</td></tr>\n",
            escaped(&check.title),
            check.status.as_str(),
            worth(check.worth),
            check.points,
            check.max_points
        ))?;
    }
    page.markup("</tbody></table>\n</div>\n")
}

fn failure(page: &mut Page, check: &ScoredCheck) -> io::Result<()> {
    let Some(told) = &check.feedback else { return Ok(()) };
    page.markup(format!(
        "<details open>\n<summary><span class=\"failed\">failed</span>: {} <span class=\"soft\">\
         ({})</span></summary>\n",
        escaped(&check.title),
        escaped(&check.id)
    ))?;
    page.element("p", &told.promise)?;
    if !told.transcript.trim().is_empty() {
        page.block("What happened", &told.transcript)?;
    }
    page.markup("<dl class=\"parts\">\n")?;
    for (name, class, text) in [
        ("Expected", "exact", &told.expected),
        ("Got", "exact", &told.got),
        ("Hint", "", &told.hint),
    ] {
        if !text.is_empty() {
            page.markup(format!("<dt>{name}</dt><dd class=\"{class}\">{}</dd>\n", escaped(text)))?;
        }
    }
    page.markup("</dl>\n</details>\n")
}

/// What gives the same result again.
fn origin(page: &mut Page, entry: &Entry) -> io::Result<()> {
    let (key, submission) = (&entry.result.key, &entry.result.submission);
    page.markup("<details>\n<summary>How this was graded</summary>\n<dl class=\"parts\">\n")?;
    let again = format!(
        "cargo xtask batch SUBMISSIONS --out RESULTS --only {} --seed {}",
        submission.name, key.seed
    );
    let unknown = "unknown".to_owned();
    for (name, text) in [
        ("Handed in", submission.submitted_at.as_ref().unwrap_or(&unknown)),
        ("Layer of the sandbox", &entry.result.layer),
        ("Compiler", &key.toolchain),
        ("SHA-256 of the files", &key.files_hash),
        ("SHA-256 of the grader", &key.grader_hash),
        ("Again", &again),
    ] {
        page.markup(format!("<dt>{name}</dt><dd class=\"hash\">{}</dd>\n", escaped(text)))?;
    }
    page.markup("</dl>\n</details>\n")
}
