//! `cargo xtask list`: the modules, what they are worth, and how far the learner is.

use std::process::ExitCode;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use grader::manifest::{Kind, Manifest};

use crate::last::{self, Last};
use crate::workspace::Workspace;
use crate::{modules, output, terminal};

/// Runs the command.
///
/// # Errors
///
/// There is no course here, or a manifest is broken.
pub fn run() -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(terminal::columns())
        .set_header(["module", "title", "checks", "core", "stretch", "last graded"]);
    for module in modules::TAUGHT {
        let manifest = workspace.manifest(module.name)?;
        table.add_row([
            module.name.to_owned(),
            manifest.title.clone(),
            manifest.checks.len().to_string(),
            points(&manifest, Kind::Core).to_string(),
            points(&manifest, Kind::Stretch).to_string(),
            last::read(&workspace, module.name).map_or_else(|| "never".to_owned(), state),
        ]);
    }
    for column in 2..=4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let told = table.trim_fmt();
    output::print(format!("{told}\n").as_bytes())?;
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
