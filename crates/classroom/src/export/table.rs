//! One CSV file for the whole class, a line a person.

use grader::report::formats::number;

use super::class::{Class, Entry};
use super::score::{Lateness, Verdict};
use super::sheet::guarded;
use crate::results::{Person, printable};

/// Writes the table. Texts of learners are guarded against being taken for formulas.
///
/// # Errors
///
/// A result cannot be read.
pub fn write(class: &Class) -> anyhow::Result<Vec<u8>> {
    let modules = &class.rules().assignment().modules;
    let mut table = csv::Writer::from_writer(Vec::new());
    let fixed = [
        "name",
        "email",
        "id",
        "username",
        "submission",
        "status",
        "submitted_at",
        "days_late",
        "points",
        "max_points",
        "earned",
        "extra",
    ];
    let headings = fixed.into_iter().chain(modules.iter().map(String::as_str));
    table.write_record(headings.chain(["not_passed"]))?;
    for entry in class.entries() {
        let entry = entry?;
        let nobody = [Person::default()];
        let people = match entry.result.submission.people.as_slice() {
            [] => &nobody,
            people => people,
        };
        for person in people {
            let cells = cells(&entry, person, modules.len());
            table.write_record(cells.iter().map(|cell| guarded(cell).into_owned()))?;
        }
    }
    Ok(table.into_inner()?)
}

fn cells(entry: &Entry, person: &Person, modules: usize) -> Vec<String> {
    let submission = &entry.result.submission;
    let mut cells: Vec<String> = [&person.name, &person.email, &person.id, &person.username]
        .into_iter()
        .map(|text| printable(text.as_deref().unwrap_or_default()))
        .collect();
    cells.push(printable(&submission.name));
    let status = match &entry.verdict {
        Verdict::Points(_) => "graded",
        Verdict::Missing => "missing",
        Verdict::Open(_) => "not graded",
    };
    cells.push(status.to_owned());
    cells.push(printable(submission.submitted_at.as_deref().unwrap_or_default()));
    let Verdict::Points(score) = &entry.verdict else {
        cells.resize(cells.len() + 5 + modules + 1, String::new());
        return cells;
    };
    cells.push(match score.lateness {
        Lateness::Late { days, .. } => days.to_string(),
        Lateness::InTime => "0".to_owned(),
        Lateness::NoDueDate | Lateness::Unknown => String::new(),
    });
    cells.push(number(score.scored.points));
    cells.push(score.scored.max_points.to_string());
    cells.push(number(score.earned));
    cells.push(number(score.extra));
    cells.extend(score.scored.modules.iter().map(|module| number(score.module_points(module))));
    cells.push(score.not_passed().join(" "));
    cells
}
