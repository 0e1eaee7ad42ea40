//! `cargo xtask list`: the modules, what they are worth, and how far the learner is; or the checks
//! of one module.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use grader::manifest::{Kind, Manifest};
use grader::module::Module;
use grader::page::Page;
use grader::report::text::TextOptions;
use grader::wording;

use crate::progress;
use crate::workspace::Workspace;
use crate::{modules, output, terminal};

/// With fewer columns than this each title stands on a line of its own.
const WIDE: usize = 80;
/// The columns of numbers.
const NUMBERS: [&str; 4] = ["checks", "core", "stretch", "points"];
/// How far such a title is indented.
const TITLE_INDENT: usize = 4;

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
    let rows = manifest.checks.iter().map(|check| {
        let kind = match check.kind {
            Kind::Core => "core",
            Kind::Stretch => "stretch",
        };
        let seen = progress.check(&manifest.name, &check.id);
        let last = seen.map_or("", |seen| seen.in_a_word()).to_owned();
        let cells = vec![check.id.clone(), kind.to_owned(), check.points.to_string(), last];
        Row { cells, title: check.title.clone() }
    });
    let told = drawn(&["check", "kind", "points", "last"], 4, rows.collect());
    let name = &manifest.name;
    let hidden = match manifest.hidden_points {
        0 => String::new(),
        hidden => format!("{}\n", wording::hidden_points(name, manifest.core_sum(), hidden)),
    };
    let how = format!("One of them alone, told in full:\n  cargo xtask grade {name} --check CHECK");
    output::print(told.as_bytes())?;
    output::tell(&format!("\n{hidden}{how}"))?;
    Ok(ExitCode::SUCCESS)
}

fn list_modules(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let progress = progress::read(workspace);
    let row = |module: &Module| {
        let manifest = workspace.manifest(module.name)?;
        let last = progress.standing(&manifest);
        let cells = vec![
            module.name.to_owned(),
            manifest.checks.len().to_string(),
            points(&manifest, Kind::Core).to_string(),
            points(&manifest, Kind::Stretch).to_string(),
            last.map_or_else(|| "never".to_owned(), |standing| standing.in_words()),
        ];
        Ok(Row { cells, title: manifest.title })
    };
    let rows = modules::TAUGHT.iter().map(row).collect::<anyhow::Result<Vec<Row>>>()?;
    let header = ["module", "checks", "core", "stretch", "last graded"];
    output::print(drawn(&header, 1, rows).as_bytes())?;
    output::tell("\nThe checks of one: cargo xtask list MODULE")?;
    Ok(ExitCode::SUCCESS)
}

/// A line of a list, and the title of what it is about.
struct Row {
    cells: Vec<String>,
    title: String,
}

/// The rows as a table, with the titles in a column `at` this place, or where it is narrow below
/// each row.
fn drawn(header: &[&str], at: usize, rows: Vec<Row>) -> String {
    let options = terminal::text_options(false);
    let is_narrow = options.columns < WIDE;
    let mut header = header.to_vec();
    if !is_narrow {
        header.insert(at, "title");
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(terminal::columns())
        .set_header(&header);
    let mut titles = Vec::new();
    for Row { mut cells, title } in rows {
        if is_narrow {
            titles.push(title);
        } else {
            cells.insert(at, title);
        }
        table.add_row(cells);
    }
    for (name, column) in header.iter().zip(table.column_iter_mut()) {
        if NUMBERS.contains(name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // What stands in the first column is typed again: it is never broken into two lines.
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
    with_titles(&table.trim_fmt(), titles, &options)
}

/// The lines of a table, with a title below the lines of each row but the header.
fn with_titles(table: &str, titles: Vec<String>, options: &TextOptions) -> String {
    let mut page = Page::new(options);
    let mut titles = titles.into_iter();
    let mut lines = table.lines().peekable();
    let mut is_header = true;
    while let Some(line) = lines.next() {
        page.line(line);
        // Where a cell goes on in a further line, its row has no name in that one.
        let goes_on = lines.peek().is_some_and(|next| next.starts_with("  "));
        if !goes_on {
            let title = if is_header { None } else { titles.next() };
            title.into_iter().for_each(|title| page.prose(TITLE_INDENT, &title));
            is_header = false;
        }
    }
    page.text().to_owned()
}

fn points(manifest: &Manifest, kind: Kind) -> u32 {
    manifest.checks.iter().filter(|check| check.kind == kind).map(|check| check.points).sum()
}

#[cfg(test)]
mod tests {
    use grader::report::text::TextOptions;

    use super::with_titles;

    #[test]
    fn a_title_stands_below_all_lines_of_its_row() {
        let table = " module    last\n tcp-echo  does not\n           build\n udp-echo  never";
        let titles = vec!["The life".to_owned(), "Edges".to_owned()];
        assert_eq!(
            with_titles(table, titles, &TextOptions::default()),
            " module    last\n tcp-echo  does not\n           build\n    The life\n \
             udp-echo  never\n    Edges\n"
        );
    }
}
