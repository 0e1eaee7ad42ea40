//! `cargo xtask report`: one HTML file for whoever teaches the class.
//!
//! The file needs no server, no script and nothing from elsewhere, and says so itself: its policy
//! (`Content-Security-Policy`) lets a browser load nothing. The results are read one after the
//! other, so a large class takes no more memory than a small one but for a line each.

mod html;
mod learner;
mod misconceptions;
mod overview;
mod survey;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::export::{Class, Graded};
use crate::interrupt;
use crate::workspace::Workspace;
use html::{Page, counted, escaped};
use misconceptions::Known;
use survey::Survey;

const STYLE: &str = include_str!("report/style.css");

/// Write the report of a class as one HTML file.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it is there already.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    graded: Graded,
}

/// Runs the command.
///
/// # Errors
///
/// Wrong usage, or something that cannot be read or written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let class = Class::find(&arguments.graded)?;
    let workspace = Workspace::find()?;
    let mut known = Known::default();
    for module in &class.rules().assignment().modules {
        known.read(module, &workspace.checks_folder(module).join("wrong"))?;
    }
    match &arguments.out {
        None if io::stdout().is_terminal() => {
            bail!("the report is a file for a browser; give it a name with --out FILE")
        }
        None => match write(&class, &known, &mut BufWriter::new(io::stdout().lock())) {
            // A reader that has gone away (`… | head`) is no failure.
            Err(error) if is_closed_pipe(&error) => {}
            other => other?,
        },
        Some(path) => to_file(&class, &known, path, arguments.force)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the file whole or not at all.
fn to_file(class: &Class, known: &Known, path: &Path, force: bool) -> anyhow::Result<()> {
    let attempt = || format!("write the report to {}", path.display());
    if path.is_dir() {
        bail!("cannot {}: it is a folder", attempt());
    }
    if path.exists() && !force {
        bail!("{} is there already; give another name, or --force to replace it", path.display());
    }
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".report-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Points are nobody's business but the instructor's.
        builder.permissions(std::fs::Permissions::from_mode(0o600));
    }
    let file = builder.tempfile_in(folder).with_context(attempt)?;
    let mut out = BufWriter::new(file);
    write(class, known, &mut out).with_context(attempt)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error).with_context(attempt)?;
    let _whole = interrupt::hold();
    file.persist(path).map_err(|error| error.error).with_context(attempt)?;
    anstream::eprintln!("{} in {}", counted(class.len(), "submission"), path.display());
    Ok(())
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes the report.
///
/// # Errors
///
/// A result cannot be read, or those of the output.
fn write(class: &Class, known: &Known, out: &mut dyn Write) -> anyhow::Result<()> {
    let survey = Survey::of(class, known)?;
    let no_result = class.without_result()?;
    let mut page = Page::new(out);
    begin(&mut page, class, &survey)?;
    overview::write(&mut page, class, &survey, known, &no_result)?;
    for (index, entry) in class.entries().enumerate() {
        learner::write(&mut page, &entry?, index, survey.rows.len())?;
    }
    page.markup("</body>\n</html>\n")?;
    out.flush()?;
    Ok(())
}

fn begin(page: &mut Page, class: &Class, survey: &Survey) -> io::Result<()> {
    let assignment = class.rules().assignment();
    let title = escaped(&assignment.title);
    page.markup(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}: report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#learners\">Skip to the learners</a>\n\
         <header class=\"overview\">\n<h1>{title}</h1>\n"
    ))?;
    let mut about =
        format!("{}: {}", counted(survey.rows.len(), "submission"), assignment.modules.join(", "));
    if let Some(due) = &assignment.due {
        about.push_str(&format!("; due {due}"));
    }
    page.markup(format!(
        "<p class=\"soft\">{}</p>\n<nav aria-label=\"Contents\"><ul>\n",
        escaped(&about)
    ))?;
    for (anchor, name) in [
        ("distribution", "Distribution"),
        ("checks", "Checks"),
        ("misconceptions", "Misconceptions"),
        ("late", "Late and missing"),
        ("learners", "Learners"),
    ] {
        page.markup(format!("<li><a href=\"#{anchor}\">{name}</a></li>\n"))?;
    }
    page.markup("</ul></nav>\n</header>\n")
}
