//! `cargo xtask explain`: a check as a spec. It reads the manifest alone and runs nothing.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use grader::manifest::{CheckEntry, Kind, Manifest};
use grader::page::Page;
use grader::report::Status;
use grader::report::text::TextOptions;
use grader::wording;

use crate::hint::manifest_check;
use crate::progress::{self, Seen};
use crate::workspace::Workspace;
use crate::{links, modules, output, terminal};

/// Explain a check: what is sent and expected, step by step, and the rule behind it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The module; it may be left out inside its folder.
    #[arg(value_name = "MODULE")]
    module: String,
    /// The check; `cargo xtask list MODULE` shows them all.
    #[arg(value_name = "CHECK")]
    check: Option<String>,
}

/// Runs the command.
///
/// # Errors
///
/// There is no such module or check, or the manifest is broken.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let (module, check) = match (&arguments.check, workspace.module_stood_in()) {
        (Some(check), _) => (modules::find(&arguments.module)?, check),
        (None, Some(here)) => (here, &arguments.module),
        (None, None) => bail!(
            "name the module and the check, as in `cargo xtask explain tcp-echo half-close`; \
             `cargo xtask list MODULE` shows a module's checks"
        ),
    };
    let manifest = workspace.manifest(module.name)?;
    let check = manifest_check(&manifest, check)?;
    let progress = progress::read(&workspace);
    let seen = progress.check(&manifest.name, &check.id);
    let options = terminal::text_options(terminal::stdout_colours());
    let told = tell(&manifest, check, seen, &options);
    output::print(&links::linked(told.into_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

fn tell(
    manifest: &Manifest,
    check: &CheckEntry,
    seen: Option<Seen>,
    options: &TextOptions,
) -> String {
    let (name, id) = (&manifest.name, &check.id);
    let mut page = Page::new(options);
    page.heading(0, &format!("{name}, {id}: {}", check.title));
    page.prose(0, &worth(check));
    page.prose(0, &last(seen));
    page.blank();
    page.heading(2, wording::PROMISE);
    page.prose(4, &check.promise);
    page.blank();
    page.heading(2, "Step by step");
    for (index, step) in check.steps.iter().enumerate() {
        let number = format!("{}. ", index + 1);
        page.hanging(4, number.len(), &format!("{number}{step}"));
    }
    page.blank();
    page.heading(2, "The rule");
    page.prose(4, &check.rule);
    page.blank();
    page.prose(0, &format!("{} exercises/{name}/README.md#{}", wording::LESSON, check.lesson));
    page.prose(0, "This check alone, with what happens on the wire if it fails:");
    page.command(2, &format!("cargo xtask grade {name} --check {id}"));
    page.text().to_owned()
}

/// "core, 5 points, after one-message".
fn worth(check: &CheckEntry) -> String {
    let kind = match check.kind {
        Kind::Core => "core",
        Kind::Stretch => "stretch",
    };
    let points = wording::counted(check.points.into(), "point", "points");
    let needs = match check.needs.as_slice() {
        [] => String::new(),
        needs => format!("; it runs if {} passed", needs.join(" and ")),
    };
    let alone = if check.alone { "; no other check runs beside it" } else { "" };
    format!("{kind}, {points}{needs}{alone}")
}

/// What the last grading showed of it.
fn last(seen: Option<Seen>) -> String {
    match seen {
        None => "It was not run yet.".to_owned(),
        Some(Seen { status, symptom, .. }) if status == Status::Failed.as_str() => {
            format!("When last graded it failed: {}.", wording::heading(symptom))
        }
        Some(seen) => format!("When last graded: {}.", seen.status),
    }
}
