//! The README of a handout: what is asked, by when, and the commands to begin with.

use std::fmt::Write;

use grader::report::formats::number;

use super::plan::{ModulePlan, Plan};
use crate::assignment::LatePolicy;

/// The text for learners.
pub fn for_learners(plan: &Plan, is_vendored: bool) -> String {
    let first = plan.names().first().copied().unwrap_or("MODULE");
    let mut text = format!("# {}\n\n", plan.assignment.title.trim());
    when(&mut text, plan);
    points(&mut text, plan);
    text.push_str(
        "\n    cargo xtask grade         # the main job: build your programs and grade them\n    \
         cargo test --workspace    # all tests: whether the grader works here, and your own\n",
    );
    begin(&mut text, first, is_vendored);
    commands(&mut text, first);
    text.push_str(
        "\nThe exit status is 0 if all core checks passed, 1 if not all, 2 for wrong usage or if \
         the grader itself\nfailed. The reference solutions are not in this handout, so \
         `solution`, `peer` and `grade --solutions`\nhave nothing to show here.\n\n\
         The licence is [MIT](LICENSE).\n",
    );
    text
}

fn when(text: &mut String, plan: &Plan) {
    let assignment = &plan.assignment;
    let Some(due) = &assignment.due else { return };
    _ = writeln!(text, "**Due: {}.**", moment(due));
    match assignment.grace_minutes {
        0 => {}
        1 => text.push_str("One minute after that is still in time.\n"),
        minutes => _ = writeln!(text, "Up to {minutes} minutes after that are still in time."),
    }
    match assignment.late {
        LatePolicy::Accept => text.push_str("What comes later counts in full, too.\n"),
        LatePolicy::Refuse => text.push_str("What comes later earns no points.\n"),
        LatePolicy::PerDay { percent, at_most_percent } => {
            let each = number(percent);
            _ = write!(text, "Later, each day begun takes {each} % of the points earned");
            if at_most_percent < 100.0 {
                _ = write!(text, ", but no more than {} %", number(at_most_percent));
            }
            text.push_str(".\n");
        }
    }
    text.push('\n');
}

/// RFC 3339's moment as people read it, with its offset from UTC.
fn moment(text: &str) -> String {
    let (Some(date), Some(time)) = (text.get(..10), text.get(11..16)) else {
        return text.to_owned();
    };
    let offset = text.get(16..).unwrap_or_default().trim_start_matches([':', '.']);
    let offset = offset.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    match offset {
        "Z" | "z" => format!("{date}, {time} UTC"),
        _ => format!("{date}, {time} (UTC{offset})"),
    }
}

fn points(text: &mut String, plan: &Plan) {
    text.push_str("| module | what it teaches | points | extra |\n|---|---|---|---|\n");
    for module in &plan.modules {
        let name = module.module.name;
        let extra = match module.extra_points() {
            0 => "–".to_owned(),
            points => format!("up to {points}"),
        };
        _ = writeln!(
            text,
            "| [{name}](exercises/{name}/README.md) | {} | {} | {extra} |",
            lower(&module.title),
            module.core_points()
        );
    }
    let hidden: u32 = plan.modules.iter().map(ModulePlan::hidden_points).sum();
    let core: u32 = plan.modules.iter().map(ModulePlan::core_points).sum();
    let total = core + hidden;
    let given = if hidden == 0 {
        "all by checks that you can run".to_owned()
    } else {
        format!("{core} by checks that you can run, {hidden} by hidden checks")
    };
    _ = writeln!(text, "\nThere are {total} points: {given}.");
}

fn lower(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn begin(text: &mut String, first: &str, is_vendored: bool) {
    let network = if is_vendored {
        " All dependencies are in the folder `vendor`, so nothing is downloaded."
    } else {
        ""
    };
    _ = write!(
        text,
        "\n## Begin\n\n\
         You need [Rust](https://rustup.rs) (1.88 or newer) and Linux or macOS.{network} In this \
         folder:\n\n    \
         cargo xtask                    # where you are, and the one next thing to do\n    \
         cargo xtask grade {first}\n\n\
         The first time this builds the grader, too (half a minute). At first every check says \
         \"not implemented\nyet\". Read [the lesson](exercises/{first}/README.md), fill in a \
         `todo!()` below `exercises/{first}/src`, and\ngrade again. Each failure tells what your \
         program promises, what happened, what was expected, what came\ninstead, and a hint. Hand \
         in this folder, or the folders `exercises/MODULE/src`: nothing else is read.\n"
    );
}

fn commands(text: &mut String, first: &str) {
    let rows = [
        (format!("list {first}"), "the checks, with their ids and points"),
        (format!("grade {first} --check ID"), "one check only; --seed repeats random input"),
        (format!("hint {first}"), "the next hint for what the last grading showed"),
        (format!("explain {first} ID"), "a check step by step, and the rule behind it"),
        (format!("quiz {first}"), "questions on the theory, each answer explained"),
        (format!("reset {first}"), "the starter back; your work is kept, --back brings it back"),
        ("doctor".to_owned(), "what this machine can show, and what to do otherwise"),
    ];
    let width = rows.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
    text.push_str("\n## More\n\n");
    for (command, what) in rows {
        _ = writeln!(text, "    cargo xtask {command:width$}   # {what}");
    }
}

/// The text for the instructor, beside the handout.
pub fn for_instructors(plan: &Plan, slug: &str) -> String {
    let mut hidden = String::new();
    for module in &plan.modules {
        for id in module.hidden() {
            _ = writeln!(hidden, "- {}/{id}", module.module.name);
        }
    }
    let hidden = match hidden.as_str() {
        "" => "No check is hidden.\n".to_owned(),
        list => format!("Hidden, and so neither in `handout` nor in `classroom50`:\n\n{list}"),
    };
    format!(
        "# {}: for the instructor\n\n\
         - `handout`: what learners get, and all that they get. It stands alone; put it into a \
         repository or an archive.\n\
         - `gradescope.zip`: the autograder for Gradescope, with all checks. Not for learners. \
         Upload it under \"Configure\n  Autograder\"; learners hand in their folder as a zip \
         archive or a repository. Gradescope applies its own due date\n  and late rules.\n\
         - `classroom50/{slug}`: the autograder for Classroom 50; `classroom50/README.md` says \
         where it goes.\n\
         - `assignment.toml`: the rules of this assignment, for `cargo xtask batch` and \
         `export`.\n\n{hidden}",
        plan.assignment.title.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_moment_is_told_with_its_zone() {
        assert_eq!(moment("2026-12-01T23:59:00+01:00"), "2026-12-01, 23:59 (UTC+01:00)");
        assert_eq!(moment("2026-12-01T23:59:00.5-03:30"), "2026-12-01, 23:59 (UTC-03:30)");
        assert_eq!(moment("2026-12-01T23:59:00Z"), "2026-12-01, 23:59 UTC");
    }
}
