//! `cargo xtask export`: hands in the points of a class, in the form that another system reads.

mod class;
mod documents;
mod gradebook;
mod out;
mod plagiarism;
pub mod score;
mod sheet;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use grader::report::formats;

pub use class::{Class, Entry, Graded};
use gradebook::{Choices, System};
use out::Folder;
use score::{Lateness, Score, Verdict};

use crate::batch::intake;
use crate::batch::roster::Roster;
use crate::output;
use crate::results::{printable, some_of};
use crate::workspace::Workspace;

/// Hand in the points, in the form of a gradebook.
#[derive(Debug, Args)]
#[command(next_line_help = true)]
pub struct Arguments {
    /// gradescope, classroom50, prairielearn, autolab, junit, check50 or exercism: one file a
    /// submission; csv: one file for the class; canvas=FILE or moodle=FILE: your own downloaded
    /// sheet, filled; jplag or dolos: the handed-in files, ready for a search for copied code.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// Where to: a folder, or with csv, canvas and moodle a file.
    #[arg(long, value_name = "DIR|FILE")]
    out: Option<PathBuf>,
    /// Replace files that are there already.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    graded: Graded,
    /// canvas, moodle: the column of the points, by its heading, Canvas' number, or its place.
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,
    /// canvas, moodle: the column that says whose a row is.
    #[arg(long, value_name = "COLUMN")]
    key: Option<String>,
    /// canvas, moodle: the column for a remark, such as the checks that did not pass.
    #[arg(long, value_name = "COLUMN")]
    comments: Option<String>,
    /// canvas, moodle: convert the points to the sheet's maximum.
    #[arg(long)]
    scale: bool,
    /// canvas, moodle: give a zero to whoever handed in nothing.
    #[arg(long)]
    missing_as_zero: bool,
    /// classroom50: the classroom's short name.
    #[arg(long, value_name = "NAME")]
    classroom: Option<String>,
    /// classroom50: the assignment's slug.
    #[arg(long, value_name = "NAME")]
    slug: Option<String>,
    /// jplag, dolos: the folder or archive with the submissions, as given to `batch`.
    #[arg(long, value_name = "SUBMISSIONS")]
    submissions: Option<PathBuf>,
}

/// The form of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    Gradescope,
    Classroom50,
    PrairieLearn,
    Autolab,
    Junit,
    Check50,
    Exercism,
    Csv,
    Sheet(System, PathBuf),
    JPlag,
    Dolos,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) =
            text.split_once('=').map_or((text, None), |(name, file)| (name, Some(file)));
        let format = match name {
            "gradescope" => Self::Gradescope,
            "classroom50" => Self::Classroom50,
            "prairielearn" => Self::PrairieLearn,
            "autolab" => Self::Autolab,
            "junit" => Self::Junit,
            "check50" => Self::Check50,
            "exercism" => Self::Exercism,
            "csv" => Self::Csv,
            "jplag" => Self::JPlag,
            "dolos" => Self::Dolos,
            "canvas" | "moodle" => {
                let file = file.filter(|file| !file.is_empty());
                let file = file.ok_or_else(|| {
                    format!("{name} fills a sheet of yours: {name}=FILE, the one you downloaded")
                })?;
                let system = if name == "canvas" { System::Canvas } else { System::Moodle };
                return Ok(Self::Sheet(system, PathBuf::from(file)));
            }
            _ => {
                return Err(
                    "the formats are gradescope, classroom50, prairielearn, autolab, junit, \
                     check50, exercism, csv, canvas=FILE, moodle=FILE, jplag and dolos"
                        .to_owned(),
                );
            }
        };
        match file {
            None => Ok(format),
            Some(_) => Err(format!("{name} takes no file; --out says where the export goes")),
        }
    }
}

/// What is to be told at the end.
#[derive(Debug, Default)]
struct Told {
    notes: Vec<String>,
    /// What was handed in, and where to.
    done: String,
    /// Whether there are points, or should be, that could not be handed in.
    incomplete: bool,
}

/// Runs the command. The status is 0 if the points of everybody who handed in went out, 1 if not.
///
/// # Errors
///
/// Wrong usage, or something that cannot be read or written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    refuse_useless(arguments)?;
    let class = Class::find(&arguments.graded)?;
    let mut told = match &arguments.format {
        Format::Csv => table_of(arguments, &class)?,
        Format::Sheet(system, path) => fill_sheet(arguments, &class, *system, path)?,
        Format::JPlag | Format::Dolos => handed_in_files(arguments, &class)?,
        _ => documents(arguments, &class)?,
    };
    tell_of_class(&class, arguments, &mut told)?;
    for note in &told.notes {
        anstream::eprintln!("note: {note}");
    }
    if !told.done.is_empty() {
        anstream::eprintln!("{}", told.done);
    }
    Ok(if told.incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// An option that has no meaning for the format is a misunderstanding.
fn refuse_useless(arguments: &Arguments) -> anyhow::Result<()> {
    let is_sheet = matches!(arguments.format, Format::Sheet(..));
    let is_classroom50 = arguments.format == Format::Classroom50;
    let takes_files = matches!(arguments.format, Format::JPlag | Format::Dolos);
    for (given, name, fits, formats) in [
        (arguments.column.is_some(), "--column", is_sheet, "canvas and moodle"),
        (arguments.key.is_some(), "--key", is_sheet, "canvas and moodle"),
        (arguments.comments.is_some(), "--comments", is_sheet, "canvas and moodle"),
        (arguments.scale, "--scale", is_sheet, "canvas and moodle"),
        (arguments.missing_as_zero, "--missing-as-zero", is_sheet, "canvas and moodle"),
        (arguments.classroom.is_some(), "--classroom", is_classroom50, "classroom50"),
        (arguments.slug.is_some(), "--slug", is_classroom50, "classroom50"),
        (arguments.submissions.is_some(), "--submissions", takes_files, "jplag and dolos"),
    ] {
        if given && !fits {
            bail!("{name} is for {formats} alone");
        }
    }
    if arguments.out.is_none() && arguments.format != Format::Csv {
        bail!("--out says where the export goes; give it");
    }
    Ok(())
}

/// The class as one table, in a file or on standard output.
fn table_of(arguments: &Arguments, class: &Class) -> anyhow::Result<Told> {
    let file = arguments.out.as_deref().map(|path| out::file(path, arguments.force)).transpose()?;
    let table = table::write(class)?;
    let (Some(file), Some(path)) = (file, &arguments.out) else {
        output::print(&table)?;
        return Ok(Told::default());
    };
    file.write(&table)?;
    let done = format!("{} submissions in {}", class.len(), path.display());
    Ok(Told { done, ..Told::default() })
}

fn fill_sheet(
    arguments: &Arguments,
    class: &Class,
    system: System,
    path: &Path,
) -> anyhow::Result<Told> {
    let bytes = gradebook::read(path)?;
    let file = arguments.out.as_deref().map(|path| out::file(path, arguments.force)).transpose()?;
    let choices = Choices {
        column: arguments.column.clone(),
        key: arguments.key.clone(),
        comments: arguments.comments.clone(),
        scale: arguments.scale,
        missing_as_zero: arguments.missing_as_zero,
    };
    let filled = gradebook::fill(bytes, system, class, &choices)
        .with_context(|| format!("fill {}", path.display()))?;
    if let Some(file) = file {
        file.write(&filled.bytes)?;
    }
    let done = arguments.out.as_deref().map(|out| format!("the filled sheet is {}", out.display()));
    Ok(Told { notes: filled.notes, done: done.unwrap_or_default(), incomplete: filled.incomplete })
}

fn handed_in_files(arguments: &Arguments, class: &Class) -> anyhow::Result<Told> {
    let Some(path) = &arguments.submissions else {
        bail!("--submissions names the folder or archive with the handed-in files; give it");
    };
    let Some(out) = &arguments.out else { bail!("--out says where the export goes; give it") };
    if !path.exists() {
        bail!("there is no folder or archive {}", path.display());
    }
    let workspace = Workspace::find()?;
    let roster = arguments.graded.roster.as_deref().map(Roster::load).transpose()?;
    let unpacked = crate::batch::unpack::if_archive(path, &workspace)?;
    let folder = unpacked.as_ref().map_or(path.as_path(), |unpacked| unpacked.folder());
    let submissions = intake::Class::find(folder, roster.as_ref())?;
    let mut told = Told::default();
    let mut target = Folder::prepare(out, arguments.force)?;
    let write =
        if arguments.format == Format::JPlag { plagiarism::jplag } else { plagiarism::dolos };
    let count = write(class, &submissions, &workspace, &mut target, &mut told.notes)?;
    target.finish()?;
    told.done =
        format!("{count} submissions in {0}; {0}/README.txt has the commands", out.display());
    Ok(told)
}

/// One document a submission.
fn documents(arguments: &Arguments, class: &Class) -> anyhow::Result<Told> {
    let Some(out) = &arguments.out else { bail!("--out says where the export goes; give it") };
    let origin = (arguments.classroom.as_deref(), arguments.slug.as_deref());
    if arguments.format == Format::Classroom50 && !matches!(origin, (Some(_), Some(_))) {
        bail!(
            "classroom50 also needs --classroom and --slug, the short names of the classroom \
             and of the assignment"
        );
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or_default();
    let mut target = Folder::prepare(out, arguments.force)?;
    let mut told = Told::default();
    let mut count = 0;
    for entry in class.entries() {
        let entry = entry?;
        let Verdict::Points(score) = &entry.verdict else { continue };
        let (content, ending) = match (&arguments.format, origin) {
            (Format::Classroom50, (Some(classroom), Some(slug))) => {
                match documents::classroom50(&entry, classroom, slug, now) {
                    Ok(origin) => (formats::classroom50::write(&score.scored, &origin), "json"),
                    Err(why) => {
                        told.notes.push(format!("left out, since {why}: {}", entry.label()));
                        told.incomplete = true;
                        continue;
                    }
                }
            }
            (format, _) => document(format, score),
        };
        let name = format!("{}.{ending}", entry.result.submission.name);
        target.add(Path::new(&name), &content)?;
        count += 1;
    }
    if count == 0 {
        told.notes.push("there are no points to hand in, so nothing was written".to_owned());
        return Ok(told);
    }
    target.finish()?;
    told.done = format!("{count} of {} submissions in {}", class.len(), out.display());
    Ok(told)
}

fn document(format: &Format, score: &Score) -> (Vec<u8>, &'static str) {
    let scored = &score.scored;
    match format {
        Format::PrairieLearn => (documents::prairielearn(scored), "json"),
        Format::Autolab => (documents::autolab(score), "txt"),
        Format::Junit => (formats::junit::write(scored), "xml"),
        Format::Check50 => (formats::check50::write(scored), "json"),
        Format::Exercism => (formats::exercism::write(scored), "json"),
        _ => (formats::gradescope::write(scored), "json"),
    }
}

/// Who has no points and why, and whose lateness is unknown.
fn tell_of_class(class: &Class, arguments: &Arguments, told: &mut Told) -> anyhow::Result<()> {
    let (mut open, mut missing, mut unknown, mut late) = (Vec::new(), Vec::new(), 0, 0);
    for entry in class.entries() {
        let entry = entry?;
        match &entry.verdict {
            Verdict::Open(why) => open.push(format!("{} ({})", entry.label(), printable(why))),
            Verdict::Missing => missing.push(entry.label()),
            Verdict::Points(score) => {
                unknown += usize::from(score.lateness == Lateness::Unknown);
                late += usize::from(
                    entry.result.submission.late == Some(true)
                        && score.lateness == Lateness::NoDueDate,
                );
            }
        }
    }
    told.incomplete |= !open.is_empty() || !class.open.is_empty();
    let no_result = class.without_result()?;
    for (names, what) in [
        (open, "without points, and no zero either; run `batch` again"),
        (class.open.clone(), "not graded yet; run `batch` again"),
        (missing, "handed in nothing"),
        (no_result, "in the roster and without a result"),
    ] {
        if !names.is_empty() {
            told.notes.push(format!("{what} ({}): {}", names.len(), some_of(&names)));
        }
    }
    if unknown > 0 {
        told.notes.push(format!(
            "{unknown} counted as in time, since nobody knows when they were handed in"
        ));
    }
    if late > 0 && arguments.graded.assignment.is_none() {
        told.notes.push(format!(
            "{late} late by the assignment they were graded with; give it with --assignment for \
             its late policy to count"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Format;
    use super::gradebook::System;

    #[test]
    fn a_sheet_is_named_with_its_format() {
        let sheet = Format::Sheet(System::Canvas, "a=b.csv".into());
        assert_eq!("canvas=a=b.csv".parse(), Ok(sheet));
        assert_eq!("check50".parse(), Ok(Format::Check50));
        for (text, word) in [
            ("canvas", "canvas=FILE"),
            ("moodle=", "moodle=FILE"),
            ("csv=x", "takes no file"),
            ("excel", "prairielearn"),
        ] {
            let error = text.parse::<Format>().expect_err("it is none");
            assert!(error.contains(word), "{error}");
        }
    }
}
