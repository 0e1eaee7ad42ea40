//! The instructor's own sheet, filled: Canvas' gradebook export, Moodle's grading worksheet.
//!
//! Neither is known by its headings, which Moodle writes in the language of whoever downloads it:
//! the column of the points is told by its form (or by `--column`), that of the people by what
//! stands in it. Nothing is guessed: who is found twice, or not at all, is told and left alone.
//!
//! - Canvas: the heading of an assignment ends in its number, "Homework 1 (12345)"; the columns
//!   before the first of these say who it is. The row that says how many points are possible names
//!   nobody (`lib/gradebook_exporter.rb` and `gradebook_importer.rb` of canvas-lms).
//! - Moodle: the column after that of the grades holds the maximum, the same in all rows
//!   (`mod/assign/gradingtable.php`); the first one a word and the number of the participant
//!   ("Participant 4711"), which is also the number in the names of handed-in files.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use grader::report::formats::number;

use super::class::{Class, Entry};
use super::score::{Score, Verdict};
use super::sheet::{Sheet, guarded};
use crate::batch::intake;
use crate::results::{Person, printable};

/// Whose sheet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Canvas.
    Canvas,
    /// Moodle.
    Moodle,
}

/// What the instructor says of the sheet.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// The column of the points: its heading, the number in it (Canvas), or its place from 1.
    pub column: Option<String>,
    /// The column that says whose a row is, likewise.
    pub key: Option<String>,
    /// The column for a remark, likewise.
    pub comments: Option<String>,
    /// Whether points are converted to the sheet's maximum.
    pub scale: bool,
    /// Whether whoever handed in nothing gets a zero.
    pub missing_as_zero: bool,
}

/// A filled sheet, and what is to be told of it.
#[derive(Debug)]
pub struct Filled {
    /// The sheet.
    pub bytes: Vec<u8>,
    /// What the instructor should know.
    pub notes: Vec<String>,
    /// Whether points could not be handed in that there are.
    pub incomplete: bool,
}

/// A person, and what goes into their row.
struct Candidate {
    label: String,
    keys: BTreeSet<(Kind, String)>,
    /// Points, the maximum and the remark; none if nothing was handed in.
    points: Option<(f64, u32, String)>,
    /// Another submission of the same person says something else.
    disputed: bool,
}

/// By what a person is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Id,
    Email,
    Username,
    /// The name of the submission, where nothing is known of its people.
    Submission,
}

const KINDS: [Kind; 4] = [Kind::Id, Kind::Email, Kind::Username, Kind::Submission];

/// Fills the sheet with the points of the class.
///
/// # Errors
///
/// The columns cannot be told, the maximum is another one, or a result cannot be read.
pub fn fill(
    bytes: Vec<u8>,
    system: System,
    class: &Class,
    choices: &Choices,
) -> anyhow::Result<Filled> {
    let sheet = Sheet::parse(bytes)?;
    let title = &class.rules().assignment().title;
    let grade = grade_column(&sheet, system, choices.column.as_deref(), title)?;
    let people = candidates(class)?;
    let place = |wanted: &Option<String>| {
        wanted.as_deref().map(|wanted| named_column(&sheet, wanted)).transpose()
    };
    let (key, comments) = (place(&choices.key)?, place(&choices.comments)?);
    let mut filler =
        Filler { system, grade, comments, choices, people, sheet, notes: Vec::new(), lost: 0 };
    filler.run(key)?;
    Ok(Filled { incomplete: filler.lost > 0, notes: filler.notes, bytes: filler.sheet.finish() })
}

struct Filler<'a> {
    system: System,
    grade: usize,
    comments: Option<usize>,
    choices: &'a Choices,
    people: Vec<Candidate>,
    sheet: Sheet,
    notes: Vec<String>,
    /// How many people's points are not handed in.
    lost: usize,
}

/// What is counted while rows are filled.
#[derive(Default)]
struct Counts {
    filled: usize,
    replaced: usize,
    capped: usize,
    remarks_kept: usize,
    /// Who handed in nothing and keeps an empty cell.
    without: Vec<String>,
}

/// How the sheet writes points.
struct Scale {
    maximum: Option<f64>,
    factor: f64,
    decimal_comma: bool,
}

impl Filler<'_> {
    fn run(&mut self, key: Option<usize>) -> anyhow::Result<()> {
        let columns = match key {
            Some(column) => KINDS.map(|kind| (kind, column)).to_vec(),
            None => self.key_columns()?,
        };
        let maximum = self.maximum();
        let factor = self.factor(maximum)?;
        let scale = Scale { maximum, factor, decimal_comma: self.has_decimal_comma() };
        let owners = self.owners(&columns);
        let mut by_person: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, owner) in &owners {
            if let Some(owner) = owner {
                by_person.entry(*owner).or_default().push(*row);
            }
        }
        let mut counts = Counts::default();
        for (person, rows) in &by_person {
            match rows.as_slice() {
                [row] => self.fill_row(*person, *row, &scale, &mut counts),
                several => self.leave_several(*person, several),
            }
        }
        self.tell_rows(&owners, &by_person, &counts.without);
        self.tell_counts(&columns, &counts);
        Ok(())
    }

    fn leave_several(&mut self, person: usize, rows: &[usize]) {
        let lines: Vec<String> = rows.iter().map(|row| (row + 1).to_string()).collect();
        self.notes.push(format!(
            "left alone, since {} rows are {}'s: {}",
            rows.len(),
            self.people[person].label,
            lines.join(", ")
        ));
        self.lost += 1;
    }

    fn fill_row(&mut self, person: usize, row: usize, scale: &Scale, counts: &mut Counts) {
        let person = &self.people[person];
        if person.disputed {
            return;
        }
        let (points, remark) = match &person.points {
            Some((points, _, remark)) => (points * scale.factor, remark.clone()),
            None if self.choices.missing_as_zero => (0.0, "nothing was handed in".to_owned()),
            None => {
                counts.without.push(person.label.clone());
                return;
            }
        };
        // Moodle refuses a grade above the maximum.
        let ceiling = scale.maximum.filter(|_| self.system == System::Moodle);
        let is_above = ceiling.is_some_and(|ceiling| points > ceiling);
        let points = ceiling.map_or(points, |ceiling| points.min(ceiling));
        let old = self.sheet.text(row, self.grade);
        let is_open = matches!(old.as_str(), "" | "-" | "–");
        match numeric(&old) {
            None if !is_open => {
                let (old, label) = (printable(&old), &person.label);
                self.notes.push(format!("left alone, since the sheet says {old:?}: {label}"));
                self.lost += 1;
                return;
            }
            // The same number stays as it is written.
            Some(old) if (old - points).abs() < 0.005 => {}
            _ => {
                counts.replaced += usize::from(!is_open);
                let text = number(points);
                let text = if scale.decimal_comma { text.replace('.', ",") } else { text };
                self.sheet.set(row, self.grade, &text);
            }
        }
        counts.filled += 1;
        counts.capped += usize::from(is_above);
        if let Some(column) = self.comments {
            if self.sheet.text(row, column).is_empty() {
                self.sheet.set(row, column, &guarded(&remark));
            } else {
                counts.remarks_kept += 1;
            }
        }
    }

    fn tell_counts(&mut self, columns: &[(Kind, usize)], counts: &Counts) {
        for (count, what) in [
            (counts.replaced, "had other points in the sheet, which are replaced"),
            (
                counts.capped,
                "had more than the maximum, which Moodle refuses; they got the maximum",
            ),
            (counts.remarks_kept, "have a remark in the sheet already, which stays"),
        ] {
            if count > 0 {
                self.notes.push(format!("{count} {what}"));
            }
        }
        let heading = |column: usize| format!("{:?}", printable(&self.sheet.text(0, column)));
        let keys: BTreeSet<usize> = columns.iter().map(|(_, column)| *column).collect();
        let keys: Vec<String> = keys.into_iter().map(heading).collect();
        let told = format!(
            "{} filled in the column {}; people by {}",
            counts.filled,
            heading(self.grade),
            keys.join(" and ")
        );
        self.notes.insert(0, told);
    }

    /// The columns that say whose a row is: for each kind of name, the one that fits most people.
    fn key_columns(&self) -> anyhow::Result<Vec<(Kind, usize)>> {
        let end = self.identity_columns();
        let rows = self.sheet.body().len();
        let mut chosen = Vec::new();
        let mut best = (0, 0, 0);
        for kind in KINDS {
            let known: BTreeSet<&str> = self
                .people
                .iter()
                .flat_map(|person| &person.keys)
                .filter(|(other, _)| *other == kind)
                .map(|(_, key)| key.as_str())
                .collect();
            let fits = |column: usize| {
                let cells = self.sheet.body().map(|row| self.cell(row, column, kind));
                cells.filter(|keys| keys.iter().any(|key| known.contains(key.as_str()))).count()
            };
            // Of two that fit alike, the one further left.
            let most = (0..end).map(|column| (fits(column), usize::MAX - column)).max();
            let Some((count, place)) = most.filter(|(count, _)| *count > 0) else { continue };
            let column = usize::MAX - place;
            let enough = known.len().min(rows);
            if count * 2 > enough {
                chosen.push((kind, column));
            } else if count > best.0 {
                best = (count, enough, column);
            }
        }
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let headings = self.headings();
        match best {
            (0, ..) => bail!(
                "no column of the sheet names the people of the results by id, email or username; \
                 give a roster that knows what the sheet calls them (--roster), or the column \
                 (--key); its headings are {headings}"
            ),
            (count, of, column) => bail!(
                "the column {:?} names {count} of {of} people, too few to be sure; if it is the \
                 right one, say so with --key; the headings are {headings}",
                printable(&self.sheet.text(0, column))
            ),
        }
    }

    /// How many of the first columns may say whose a row is.
    fn identity_columns(&self) -> usize {
        match self.system {
            System::Canvas => (0..self.sheet.columns())
                .find(|column| canvas_number(&self.sheet.text(0, *column)).is_some())
                .unwrap_or(self.grade)
                .min(self.grade),
            System::Moodle => self.grade,
        }
    }

    /// What a cell may call a person.
    fn cell(&self, row: usize, column: usize, kind: Kind) -> Vec<String> {
        let text = folded(&self.sheet.text(row, column));
        let mut keys = Vec::new();
        if self.system == System::Moodle && kind == Kind::Id {
            let digits =
                text.len() - text.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
            let (word, id) = text.split_at(text.len() - digits);
            // "Participant 4711" in any language.
            if digits > 0 && !word.is_empty() && !word.contains('@') {
                keys.push(id.to_owned());
            }
        }
        keys.push(text);
        keys.retain(|key| !key.is_empty());
        keys
    }

    /// Whose each row is; rows that fit nobody, or two people, are nobody's.
    fn owners(&mut self, columns: &[(Kind, usize)]) -> Vec<(usize, Option<usize>)> {
        let mut by_key: BTreeMap<(Kind, &str), BTreeSet<usize>> = BTreeMap::new();
        for (index, person) in self.people.iter().enumerate() {
            for (kind, key) in &person.keys {
                by_key.entry((*kind, key)).or_default().insert(index);
            }
        }
        let mut owners = Vec::new();
        let mut notes = Vec::new();
        for row in self.sheet.body() {
            let mut found = BTreeSet::new();
            for (kind, column) in columns {
                for key in self.cell(row, *column, *kind) {
                    found.extend(by_key.get(&(*kind, key.as_str())).into_iter().flatten().copied());
                }
            }
            if found.len() > 1 {
                let labels: Vec<&str> =
                    found.iter().map(|index| self.people[*index].label.as_str()).collect();
                let line = row + 1;
                notes.push(format!("left alone, since row {line} fits {}", labels.join(" and ")));
            }
            let owner = if found.len() == 1 { found.first().copied() } else { None };
            owners.push((row, owner));
        }
        self.lost += notes.len();
        self.notes.extend(notes);
        owners
    }

    fn tell_rows(
        &mut self,
        owners: &[(usize, Option<usize>)],
        by_person: &BTreeMap<usize, Vec<usize>>,
        without: &[String],
    ) {
        let disputed = self.people.iter().filter(|person| person.disputed);
        let disputed: Vec<String> = disputed.map(|person| person.label.clone()).collect();
        let absent = self.people.iter().enumerate().filter(|(index, person)| {
            person.points.is_some() && !person.disputed && !by_person.contains_key(index)
        });
        let absent: Vec<String> = absent.map(|(_, person)| person.label.clone()).collect();
        let rows =
            owners.iter().filter(|(row, owner)| owner.is_none() && self.names_somebody(*row));
        let rows: Vec<String> = rows.map(|(row, _)| self.row_label(*row)).collect();
        self.lost += disputed.len() + absent.len();
        for (names, what) in [
            (disputed, "left alone, since two submissions of theirs have different points"),
            (absent, "not in the sheet"),
            (without.to_vec(), "handed in nothing, and keep an empty cell"),
            (rows, "rows without a result"),
        ] {
            if !names.is_empty() {
                self.notes.push(format!("{what} ({}): {}", names.len(), names.join(", ")));
            }
        }
    }

    /// Whether a row is one of a person: Canvas' rows that describe the assignments name nobody.
    fn names_somebody(&self, row: usize) -> bool {
        let from = usize::from(self.system == System::Canvas);
        (from..self.identity_columns()).any(|column| !self.sheet.text(row, column).is_empty())
    }

    fn row_label(&self, row: usize) -> String {
        let cells = (0..self.identity_columns()).map(|column| self.sheet.text(row, column));
        let cells: Vec<String> = cells.filter(|cell| !cell.is_empty()).take(2).collect();
        printable(&cells.join(" "))
    }

    /// The most that the sheet lets somebody earn, if it says so.
    fn maximum(&self) -> Option<f64> {
        match self.system {
            System::Canvas => self
                .sheet
                .body()
                .filter(|row| !self.names_somebody(*row))
                .find_map(|row| numeric(&self.sheet.text(row, self.grade))),
            System::Moodle => constant(&self.sheet, self.grade + 1),
        }
        .filter(|maximum| *maximum > 0.0)
    }

    /// By how much points are multiplied.
    fn factor(&self, maximum: Option<f64>) -> anyhow::Result<f64> {
        let own = self.people.iter().find_map(|person| person.points.as_ref());
        let own = own.map(|(_, maximum, _)| f64::from(*maximum)).filter(|own| *own > 0.0);
        match (maximum, own) {
            (Some(sheet), Some(own)) if (sheet - own).abs() > 0.005 => {
                if !self.choices.scale {
                    bail!(
                        "the sheet's maximum is {}, the assignment's {}; give --scale to convert \
                         the points, or set the same maximum in both",
                        number(sheet),
                        number(own)
                    );
                }
                Ok(sheet / own)
            }
            _ => Ok(1.0),
        }
    }

    /// Whether the sheet writes numbers with a decimal comma.
    fn has_decimal_comma(&self) -> bool {
        let columns = self.grade..=self.grade + usize::from(self.system == System::Moodle);
        let mut cells = self
            .sheet
            .body()
            .flat_map(|row| columns.clone().map(move |column| (row, column)))
            .map(|(row, column)| self.sheet.text(row, column));
        cells.any(|cell| cell.contains(',') && numeric(&cell).is_some())
    }

    fn headings(&self) -> String {
        headings(&self.sheet)
    }
}

/// The people of the class, each once.
fn candidates(class: &Class) -> anyhow::Result<Vec<Candidate>> {
    let mut people: Vec<Candidate> = Vec::new();
    let mut known: BTreeMap<BTreeSet<(Kind, String)>, usize> = BTreeMap::new();
    for entry in class.entries() {
        let entry = entry?;
        let points = match &entry.verdict {
            Verdict::Points(score) => {
                Some((score.scored.points, score.scored.max_points, remark(score)))
            }
            Verdict::Missing => None,
            // These are told by whoever exports; nothing is handed in for them.
            Verdict::Open(_) => continue,
        };
        for (label, keys) in who(&entry) {
            match known.get(&keys) {
                Some(index) => {
                    let other = &mut people[*index];
                    let differ =
                        |one: &(f64, u32, String), two: &(f64, u32, String)| one.0 != two.0;
                    match (&other.points, &points) {
                        (Some(one), Some(two)) => other.disputed |= differ(one, two),
                        (None, _) => other.points.clone_from(&points),
                        (Some(_), None) => {}
                    }
                }
                None => {
                    known.insert(keys.clone(), people.len());
                    people.push(Candidate { label, keys, points: points.clone(), disputed: false });
                }
            }
        }
    }
    Ok(people)
}

/// The people of a submission, each with what they may be called.
fn who(entry: &Entry) -> Vec<(String, BTreeSet<(Kind, String)>)> {
    let submission = &entry.result.submission;
    let named = |person: &&Person| {
        person.id.is_some() || person.email.is_some() || person.username.is_some()
    };
    let people: Vec<&Person> = submission.people.iter().filter(named).collect();
    if people.is_empty() {
        let keys = BTreeSet::from([(Kind::Submission, folded(&submission.name))]);
        return vec![(entry.label(), keys)];
    }
    let keys = |person: &Person| {
        let mut keys = BTreeSet::new();
        for (kind, text) in [
            (Kind::Id, &person.id),
            (Kind::Email, &person.email),
            (Kind::Username, &person.username),
        ] {
            keys.extend(text.as_deref().map(|text| (kind, folded(text))));
        }
        // Many schools' accounts are the first part of the address.
        let account = person.email.as_deref().and_then(|email| email.split_once('@'));
        if person.username.is_none() {
            keys.extend(account.map(|(account, _)| (Kind::Username, folded(account))));
        }
        keys.retain(|(_, key)| !key.is_empty());
        keys
    };
    people.into_iter().map(|person| (intake::label(person), keys(person))).collect()
}

/// What a remark says: no text of a submission's own.
fn remark(score: &Score) -> String {
    let points = format!("{} of {} points", number(score.scored.points), score.scored.max_points);
    let mut parts = vec![points];
    parts.extend(Some(score.scored.remark.clone()).filter(|remark| !remark.is_empty()));
    let not_passed = score.not_passed();
    if !not_passed.is_empty() {
        parts.push(format!("not passed: {}", not_passed.join(", ")));
    }
    parts.join("; ")
}

/// The column of the points.
fn grade_column(
    sheet: &Sheet,
    system: System,
    wanted: Option<&str>,
    title: &str,
) -> anyhow::Result<usize> {
    if let Some(wanted) = wanted {
        return named_column(sheet, wanted);
    }
    let columns = 0..sheet.columns();
    let candidates: Vec<usize> = match system {
        System::Canvas => {
            let all: Vec<usize> =
                columns.filter(|column| canvas_number(&sheet.text(0, *column)).is_some()).collect();
            let is_title = |column: &usize| {
                canvas_number(&sheet.text(0, *column)).is_some_and(|(name, _)| name == title)
            };
            let of_title: Vec<usize> = all.iter().copied().filter(is_title).collect();
            if of_title.len() == 1 { of_title } else { all }
        }
        System::Moodle => columns
            .skip(1)
            .filter(|column| {
                let is_open = |text: &str| matches!(text, "" | "-" | "–");
                let holds_grades = sheet.body().all(|row| {
                    let text = sheet.text(row, *column);
                    is_open(&text) || numeric(&text).is_some()
                });
                holds_grades && constant(sheet, column + 1).is_some_and(|maximum| maximum > 0.0)
            })
            .collect(),
    };
    match candidates.as_slice() {
        [only] => Ok(*only),
        [] => bail!(
            "no column of the sheet can be told to hold the points; name it with --column; the \
             headings are {}",
            headings(sheet)
        ),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|column| format!("{:?}", printable(&sheet.text(0, *column))))
                .collect();
            bail!(
                "{} columns of the sheet may hold the points: {}; name one with --column",
                several.len(),
                names.join(", ")
            )
        }
    }
}

/// The column that an instructor names: by its heading, Canvas' number, or its place from 1.
fn named_column(sheet: &Sheet, wanted: &str) -> anyhow::Result<usize> {
    let wanted = wanted.trim();
    let columns = || 0..sheet.columns();
    let by_heading = |matches: &dyn Fn(&str) -> bool| {
        columns().filter(|column| matches(&sheet.text(0, *column))).collect::<Vec<_>>()
    };
    let is_heading = |heading: &str| heading == wanted;
    let is_canvas = |heading: &str| {
        canvas_number(heading).is_some_and(|(name, id)| name == wanted || id == wanted)
    };
    let mut found = by_heading(&is_heading);
    if found.is_empty() {
        found = by_heading(&is_canvas);
    }
    if found.is_empty() {
        let place = wanted.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
        found.extend(place.filter(|place| columns().contains(place)));
    }
    match found.as_slice() {
        [only] => Ok(*only),
        [] => bail!("the sheet has no column {wanted:?}; its headings are {}", headings(sheet)),
        _ => bail!("{} columns are called {wanted:?}; give the place instead, from 1", found.len()),
    }
}

fn headings(sheet: &Sheet) -> String {
    let headings = (0..sheet.columns()).map(|column| printable(&sheet.text(0, column)));
    headings.map(|heading| format!("{heading:?}")).collect::<Vec<_>>().join(", ")
}

/// The name and the number of Canvas' "Homework 1 (12345)".
fn canvas_number(heading: &str) -> Option<(&str, &str)> {
    let (name, number) = heading.strip_suffix(')')?.rsplit_once('(')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (name.trim_end(), number))
}

/// The number that all rows of a column have, if they do.
fn constant(sheet: &Sheet, column: usize) -> Option<f64> {
    let mut numbers = sheet.body().map(|row| numeric(&sheet.text(row, column)));
    let first = numbers.next()??;
    numbers.all(|number| number == Some(first)).then_some(first)
}

/// A number with a point or a comma before its decimals.
fn numeric(text: &str) -> Option<f64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','));
    let commas = text.matches([',', '.']).count();
    if !is_number || commas > 1 || !text.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    text.replace(',', ".").parse().ok()
}

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Reads the sheet at `path`.
///
/// # Errors
///
/// It cannot be read.
pub fn read(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    fs_err::read(path).with_context(|| {
        "give the sheet as you downloaded it, as in --format canvas=gradebook.csv".to_owned()
    })
}
