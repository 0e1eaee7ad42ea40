//! `cargo xtask list`: the modules, what they are worth, and how far the learner is; or the checks
//! of one module.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use grader::manifest::{Kind, Manifest};
use grader::wording;

use crate::progress;
use crate::workspace::Workspace;
use crate::{modules, output, terminal};

/// With fewer columns than this the numbers that matter least leave their room to the titles.
const WIDE: u16 = 80;

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
        Some(name) => list_checks(&workspace, &workspace.manifest(modules::find(name)?.name)?),
        None => list_modules(&workspace),
    }
}

fn list_checks(workspace: &Workspace, manifest: &Manifest) -> anyhow::Result<ExitCode> {
    let progress = progress::read(workspace);
    let mut table = table(&["check", "kind", "points", "last", "title"]);
    for check in &manifest.checks {
        let kind = match check.kind {
            Kind::Core => "core",
            Kind::Stretch => "stretch",
        };
        let points = check.points.to_string();
        let seen = progress.check(&manifest.name, &check.id);
        let last = seen.map_or("", |seen| seen.in_a_word()).to_owned();
        table.add_row([check.id.clone(), kind.to_owned(), points, last, check.title.clone()]);
    }
    if let Some(points) = table.column_mut(2) {
        points.set_cell_alignment(CellAlignment::Right);
    }
    keep_names_whole(&mut table);
    let told = table.trim_fmt();
    let name = &manifest.name;
    let how = format!("One of them alone, told in full: cargo xtask grade {name} --check CHECK");
    let hidden = match manifest.hidden_points {
        0 => String::new(),
        hidden => format!("{}\n", wording::hidden_points(name, manifest.core_sum(), hidden)),
    };
    output::print(format!("{told}\n\n{hidden}{how}\n").as_bytes())?;
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

/// What stands in the first column is typed again: it is never broken into two lines.
fn keep_names_whole(table: &mut Table) {
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
}

fn list_modules(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let progress = progress::read(workspace);
    let mut table = table(&["module", "title", "checks", "core", "stretch", "last graded"]);
    for module in modules::TAUGHT {
        let manifest = workspace.manifest(module.name)?;
        table.add_row([
            module.name.to_owned(),
            manifest.title.clone(),
            manifest.checks.len().to_string(),
            points(&manifest, Kind::Core).to_string(),
            points(&manifest, Kind::Stretch).to_string(),
            progress
                .standing(&manifest)
                .map_or_else(|| "never".to_owned(), |standing| standing.in_words()),
        ]);
    }
    for index in 2..=4 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
            if terminal::columns() < WIDE && index < 4 {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
    }
    keep_names_whole(&mut table);
    let told = table.trim_fmt();
    let how = "The checks of one: cargo xtask list MODULE";
    output::print(format!("{told}\n\n{how}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn points(manifest: &Manifest, kind: Kind) -> u32 {
    manifest.checks.iter().filter(|check| check.kind == kind).map(|check| check.points).sum()
}
