//! `cargo xtask list`: the modules, what they are worth, and how far the learner is; or the checks of
//! one module.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use grader::manifest::{Kind, Manifest};

use crate::last::{self, Last};
use crate::workspace::Workspace;
use crate::{modules, output, terminal};

/// List the modules, what they are worth and how far you are; or the checks of one module.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The module whose checks to list: their ids, kinds and points.
    #[arg(value_name = "MODULE")]
    module: Option<String>,
}

/// Runs the command.
///
/// # Errors
///
/// There is no course here, a manifest is broken, or no module has that name.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    match &arguments.module {
        Some(name) => list_checks(&workspace.manifest(modules::find(name)?.name)?),
        None => list_modules(&workspace),
    }
}

fn list_checks(manifest: &Manifest) -> anyhow::Result<ExitCode> {
    let mut table = table(&["check", "kind", "points", "title"]);
    for check in &manifest.checks {
        let kind = match check.kind {
            Kind::Core => "core",
            Kind::Stretch => "stretch",
        };
        let points = check.points.to_string();
        table.add_row([check.id.clone(), kind.to_owned(), points, check.title.clone()]);
    }
    if let Some(points) = table.column_mut(2) {
        points.set_cell_alignment(CellAlignment::Right);
    }
    let told = table.trim_fmt();
    let name = &manifest.name;
    let how = format!("One of them alone, told in full: cargo xtask grade {name} --check CHECK");
    output::print(format!("{told}\n\n{how}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(terminal::columns())
        .set_header(header);
    table
}

fn list_modules(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let mut table = table(&["module", "title", "checks", "core", "stretch", "last graded"]);
    for module in modules::TAUGHT {
        let manifest = workspace.manifest(module.name)?;
        table.add_row([
            module.name.to_owned(),
            manifest.title.clone(),
            manifest.checks.len().to_string(),
            points(&manifest, Kind::Core).to_string(),
            points(&manifest, Kind::Stretch).to_string(),
            last::read(workspace, module.name).map_or_else(|| "never".to_owned(), state),
        ]);
    }
    for column in 2..=4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let told = table.trim_fmt();
    let how = "The checks of one: cargo xtask list MODULE";
    output::print(format!("{told}\n\n{how}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The last result in a few words.
pub fn state(last: Last) -> String {
    let Last { score, max_score, bonus, .. } = last;
    match last {
        Last { builds: false, .. } => "does not build".to_owned(),
        Last { begun: false, .. } => "not begun".to_owned(),
        _ if bonus > 0 => format!("{score} of {max_score}, and {bonus} stretch"),
        _ => format!("{score} of {max_score}"),
    }
}

fn points(manifest: &Manifest, kind: Kind) -> u32 {
    manifest.checks.iter().filter(|check| check.kind == kind).map(|check| check.points).sum()
}
