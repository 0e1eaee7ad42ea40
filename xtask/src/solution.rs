//! `cargo xtask solution`: the reference beside the learner's own, file by file.

mod diff;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use grader::page::Page;

use crate::progress::{self, Standing};
use crate::terminal::STRONG;
use crate::workspace::{Owner, Workspace};
use crate::{modules, output, starter, terminal};
use diff::Comparison;

/// The width from which on both stand side by side, in columns: most lines then fit in a half.
const SIDE_BY_SIDE_COLUMNS: usize = 160;

/// Show the reference beside yours, once the core checks of a module have passed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The module; without it, the one in whose folder you stand.
    #[arg(value_name = "MODULE")]
    module: Option<String>,
    /// Only these files, such as server.rs.
    #[arg(value_name = "SOURCE")]
    files: Vec<String>,
    /// Show it before the core checks have passed.
    #[arg(long)]
    anyway: bool,
}

/// Runs the command. The status is 1 if there is nothing to show, or not yet.
///
/// # Errors
///
/// No such module or file, or one that cannot be read.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let module = workspace.one_module(arguments.module.as_deref(), "solution")?.name;
    let reference = workspace.program_folder(module, Owner::Reference);
    if !reference.join("src").is_dir() {
        output::tell(&format!(
            "This course has no reference of {module}: there is no folder solutions/{module}. \
             Courses are handed out without it where the work counts.\n"
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    let earned = last_grading(&workspace, module);
    if !arguments.anyway && !is_earned(earned.as_ref()) {
        output::tell(&not_yet(module, earned))?;
        return Ok(ExitCode::FAILURE);
    }
    let own = workspace.program_folder(module, Owner::Learner);
    let files = chosen_files(&own, &reference, &arguments.files)?;
    let columns = terminal::full_columns();
    let options = terminal::text_options(true);
    let mut page = Page::new(&options);
    page.heading(0, &format!("{module}: yours and the reference"));
    let marks = if columns < SIDE_BY_SIDE_COLUMNS {
        "A line with - is yours, one with + the reference's"
    } else {
        "Yours is on the left; < marks a line of yours, > the reference's, | one for another"
    };
    page.prose(0, &format!("{marks}. The reference's files lie in solutions/{module}."));
    let mut told = page.text().to_owned();
    for file in files {
        let compared = Comparison::of(&own.join(&file), &reference.join(&file))?;
        let mut page = Page::new(&options);
        page.blank();
        page.labelled(STRONG, &format!("{}:", file.display()), &compared.summary());
        told.push_str(page.text());
        told.push_str(&if columns < SIDE_BY_SIDE_COLUMNS {
            compared.unified()
        } else {
            compared.side_by_side(columns)
        });
    }
    if !terminal::stdout_colours() {
        told = anstream::adapter::strip_str(&told).to_string();
    }
    output::print(told.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// How far the learner has come with a module.
struct Earned {
    /// Whether all core checks passed.
    is_done: bool,
    /// Whether the program built at the last grading; the points are those of the last that did.
    builds: bool,
    score: u32,
    max_score: u32,
}

/// What the last grading showed, if there was one.
fn last_grading(workspace: &Workspace, module: &str) -> Option<Earned> {
    let manifest = workspace.manifest(module).ok()?;
    let standing = progress::read(workspace).standing(&manifest)?;
    let Standing { is_done, builds, score, max_score, .. } = standing;
    Some(Earned { is_done, builds, score, max_score })
}

fn is_earned(earned: Option<&Earned>) -> bool {
    earned.is_some_and(|earned| earned.is_done)
}

fn not_yet(module: &str, earned: Option<Earned>) -> String {
    let state = earned.map_or_else(
        || "it was not graded yet".to_owned(),
        |Earned { builds, score, max_score, .. }| match (builds, score) {
            (true, _) => format!("at the last grading {score} of {max_score} core points"),
            (false, 0) => "at the last grading the program did not build".to_owned(),
            (false, _) => format!(
                "at the last grading the program did not build; before, it had {score} of \
                 {max_score} core points"
            ),
        },
    );
    format!(
        "The reference of {module} is shown once all its core checks have passed; {state}.\n\
         \n\
         See what to mend:\n  cargo xtask grade {module}\n\
         Get a hint:\n  cargo xtask hint {module}\n\
         Look at it all the same:\n  cargo xtask solution {module} --anyway\n"
    )
}

/// The sources of both, relative to the module's folder, or those of them that are asked for.
fn chosen_files(own: &Path, reference: &Path, wanted: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let sources = Path::new("src");
    let mut files = starter::files_at(own, sources)?;
    files.extend(starter::files_at(reference, sources)?);
    files.sort();
    files.dedup();
    if wanted.is_empty() {
        return Ok(files);
    }
    let mut chosen = Vec::new();
    for name in wanted {
        let path = Path::new(name);
        let relative = path.strip_prefix(sources).unwrap_or(path);
        let Some(file) = files.iter().find(|file| file.strip_prefix(sources) == Ok(relative))
        else {
            let names: Vec<String> = files
                .iter()
                .filter_map(|file| Some(file.strip_prefix(sources).ok()?.display().to_string()))
                .collect();
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            bail!("there is no file `{name}`; {}", modules::suggest(name, &known, "the files"));
        };
        chosen.push(file.clone());
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::{Earned, is_earned, not_yet};

    #[test]
    fn the_reference_is_earned_by_all_core_checks() {
        let earned = |is_done, score| Earned { is_done, builds: true, score, max_score: 100 };
        assert!(is_earned(Some(&earned(true, 100))));
        // A check that this machine cannot show is no hindrance, if the grading says so.
        assert!(is_earned(Some(&earned(true, 95))));
        assert!(!is_earned(Some(&earned(false, 95))));
        assert!(!is_earned(None));
        let told = not_yet("udp-echo", Some(earned(false, 95)));
        assert!(told.contains("at the last grading 95 of 100 core points"), "{told}");
        assert!(told.contains("cargo xtask grade udp-echo\n"), "{told}");
        let broken =
            |score| not_yet("udp-echo", Some(Earned { builds: false, ..earned(false, score) }));
        let told = broken(80);
        assert!(told.contains("did not build; before, it had 80 of 100 core points"), "{told}");
        assert!(!broken(0).contains("points"), "{}", broken(0));
    }
}
