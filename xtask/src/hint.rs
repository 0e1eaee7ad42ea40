//! `cargo xtask hint`: the next hint for what the last grading showed, each call a clearer one.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use grader::manifest::{CheckEntry, Manifest};
use grader::page::Page;
use grader::report::Status;
use grader::report::text::TextOptions;
use grader::wording;

use crate::progress::{self, Progress, Seen};
use crate::watch::{EXPLAIN_KEY, HINT_KEY};
use crate::workspace::Workspace;
use crate::{links, modules, output, terminal};

/// Tell the next hint for a failure that the last grading showed; each call a clearer one.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The module; without one, that in whose folder you stand, else the one graded last.
    #[arg(value_name = "MODULE")]
    module: Option<String>,
    /// The check; without one, the failure that the last grading told first.
    #[arg(value_name = "CHECK")]
    check: Option<String>,
    /// Begin again with the first hint.
    #[arg(long)]
    again: bool,
    /// The watch asks, whose keys tell the next hint and the explanation.
    #[arg(long, hide = true)]
    by_key: bool,
}

/// Runs the command.
///
/// # Errors
///
/// There is no such module or check, or it was not graded yet, so that no mistake is known.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let progress = progress::read(&workspace);
    let (name, check) = chosen(&workspace, arguments, &progress)?;
    let manifest = workspace.manifest(name)?;
    let check = check.map(|id| manifest_check(&manifest, id)).transpose()?;
    let options = terminal::text_options(terminal::stdout_colours());
    let about = find(&manifest, &progress, check)?;
    let (told, level) = tell(&manifest, &about, arguments, &options);
    output::print(&links::linked(told.into_bytes()))?;
    if let (About::Failure(check, _), Some(level)) = (about, level) {
        let noted = progress::change(&workspace, |progress| {
            progress.told_hints(name, &check.id, level);
        });
        if let Err(error) = noted {
            terminal::note(&format!("the next call tells the same hint again: {error:#}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The check of this id, or an error that suggests the nearest.
///
/// # Errors
///
/// The module has no such check.
pub fn manifest_check<'a>(manifest: &'a Manifest, id: &str) -> anyhow::Result<&'a CheckEntry> {
    if let Some(check) = manifest.checks.iter().find(|check| check.id == id) {
        return Ok(check);
    }
    let ids: Vec<&str> = manifest.checks.iter().map(|check| check.id.as_str()).collect();
    let nearest = modules::suggest(id, &ids, "its checks");
    bail!("there is no check `{id}` in {}; {nearest}", manifest.name)
}

/// The module and the check that are meant. Inside a module its name may be left out.
fn chosen<'a>(
    workspace: &Workspace,
    arguments: &'a Arguments,
    progress: &Progress,
) -> anyhow::Result<(&'static str, Option<&'a str>)> {
    let check = arguments.check.as_deref();
    let here = workspace.module_stood_in().map(|module| module.name);
    let names = modules::TAUGHT.iter().map(|module| module.name);
    let usual = here.or_else(|| progress.last_graded(names));
    match (arguments.module.as_deref(), usual) {
        (Some(given), usual) => match (modules::find(given), usual) {
            (Ok(module), _) => Ok((module.name, check)),
            (Err(_), Some(usual)) if check.is_none() && is_check(workspace, usual, given)? => {
                Ok((usual, Some(given)))
            }
            (Err(error), _) => Err(error),
        },
        (None, Some(usual)) => Ok((usual, check)),
        (None, None) => bail!(
            "nothing was graded yet, and a hint is for a mistake that a grading has shown; begin \
             with `cargo xtask grade {}`",
            modules::TAUGHT.first().map_or("MODULE", |module| module.name)
        ),
    }
}

fn is_check(workspace: &Workspace, module: &str, id: &str) -> anyhow::Result<bool> {
    Ok(workspace.manifest(module)?.checks.iter().any(|check| check.id == id))
}

/// What there is to tell.
#[derive(Debug, Clone, Copy)]
enum About<'a> {
    /// The program does not build.
    Build,
    /// Nothing failed.
    Nothing,
    /// The check did not fail, but this came of it.
    Other(&'a CheckEntry, Seen<'a>, Option<&'a str>),
    Failure(&'a CheckEntry, Seen<'a>),
}

fn find<'a>(
    manifest: &'a Manifest,
    progress: &'a Progress,
    check: Option<&'a CheckEntry>,
) -> anyhow::Result<About<'a>> {
    let name = &manifest.name;
    let status_of = |id: &str| progress.check(name, id);
    let first = || {
        let id = progress.first_failure(manifest)?;
        manifest.checks.iter().find(|check| check.id == id)
    };
    match progress.builds(name) {
        None => bail!(
            "{name} was not graded yet, and a hint is for a mistake that a grading has shown; \
             first run `cargo xtask grade {name}`"
        ),
        Some(false) => return Ok(About::Build),
        Some(true) => {}
    }
    let Some(entry) = check.or_else(first) else { return Ok(About::Nothing) };
    let id = &entry.id;
    let Some(seen) = status_of(id) else {
        bail!(
            "the check `{id}` was not run yet, and a hint is for a mistake that a grading has \
             shown; first run `cargo xtask grade {name} --check {id}`"
        )
    };
    if seen.status == Status::Failed.as_str() {
        return Ok(About::Failure(entry, seen));
    }
    let passed =
        |id: &str| status_of(id).is_some_and(|seen| seen.status == Status::Passed.as_str());
    let missing = entry.needs.iter().map(String::as_str).find(|need| !passed(need));
    Ok(About::Other(entry, seen, missing))
}

/// The text, and how many hints of a failure are told with it.
fn tell(
    manifest: &Manifest,
    about: &About,
    arguments: &Arguments,
    options: &TextOptions,
) -> (String, Option<usize>) {
    let name = &manifest.name;
    let mut page = Page::new(options);
    let mut level = None;
    match *about {
        About::Build => {
            page.prose(0, &format!("{name} did not build when it was last graded."));
            page.prose(
                0,
                "Mend the first error that the compiler tells; later ones often follow \
                           from it:",
            );
            page.command(2, &format!("cargo xtask grade {name}"));
        }
        About::Nothing => {
            page.prose(
                0,
                &format!(
                    "Nothing failed when {name} was last graded, so there is no mistake to hint at."
                ),
            );
            page.prose(0, "Where you are, and what comes next:");
            page.command(2, "cargo xtask");
        }
        About::Other(entry, seen, missing) => other(&mut page, name, entry, seen, missing),
        About::Failure(entry, seen) => {
            level = Some(failure(&mut page, name, entry, seen, arguments));
        }
    }
    (page.text().to_owned(), level)
}

/// A check that was asked for and did not fail.
fn other(page: &mut Page, name: &str, entry: &CheckEntry, seen: Seen, missing: Option<&str>) {
    title(page, name, entry);
    let id = &entry.id;
    match (seen.status, missing) {
        ("passed", _) => {
            page.prose(0, "It passed when last graded, so there is no mistake to hint at.");
            page.prose(0, "What it does, step by step:");
            page.command(2, &format!("cargo xtask explain {name} {id}"));
        }
        ("skipped", Some(missing)) => {
            page.prose(0, &format!("It was skipped: it needs `{missing}`, which has not passed."));
            page.prose(0, "Hints for that one:");
            page.command(2, &format!("cargo xtask hint {name} {missing}"));
        }
        (status, _) => {
            page.prose(0, &format!("When last graded it was {status}: no mistake is known."));
            page.prose(0, "Run it again:");
            page.command(2, &format!("cargo xtask grade {name} --check {id}"));
        }
    }
}

fn title(page: &mut Page, name: &str, entry: &CheckEntry) {
    page.heading(0, &format!("{name}, {}: {}", entry.id, entry.title));
}

/// The hints told so far and the next one; returns how many that are.
fn failure(
    page: &mut Page,
    name: &str,
    entry: &CheckEntry,
    seen: Seen,
    arguments: &Arguments,
) -> usize {
    let &Arguments { again, by_key, .. } = arguments;
    let hints = entry.hints_for(seen.symptom);
    let told = if again { 0 } else { seen.hints };
    let level = (told + 1).min(hints.len());
    let id = &entry.id;
    title(page, name, entry);
    page.prose(0, &format!("When last graded: {}.", wording::heading(seen.symptom)));
    page.blank();
    for (index, hint) in hints.iter().take(level).enumerate() {
        page.heading(2, &format!("Hint {} of {}", index + 1, hints.len()));
        page.prose(4, hint);
        page.blank();
    }
    page.prose(0, &format!("Lesson: exercises/{name}/README.md#{}", entry.lesson));
    page.prose(0, "What happened, what was expected and what came (Got):");
    page.command(2, &format!("cargo xtask grade {name} --check {id}"));
    let mut next = |what: &str, key: char, command: &str| {
        if by_key {
            page.prose(0, &format!("{what} {}", wording::press(key)));
        } else {
            page.prose(0, what);
            page.command(2, &format!("cargo xtask {command} {name} {id}"));
        }
    };
    if level < hints.len() {
        next("A clearer hint:", HINT_KEY, "hint");
        return level;
    }
    next("That was the last hint. What the check does, step by step:", EXPLAIN_KEY, "explain");
    if Workspace::find().is_ok_and(|workspace| workspace.has_reference(name)) {
        page.prose(0, "A working partner to try your program with:");
        page.command(2, &format!("cargo xtask peer {name}"));
        page.prose(0, "The reference, to compare with yours:");
        page.command(2, &format!("cargo xtask solution {name} --anyway"));
    }
    level
}
