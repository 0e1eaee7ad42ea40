//! The workspace of a handout, or of an autograder: the course's own files, as far as they are for
//! its reader.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use walkdir::WalkDir;

use super::plan::{CORE_POINTS, ModulePlan, Plan};
use super::shell::Cargo;
use super::{edit, hide, manifest, packages};
use crate::interrupt;
use crate::workspace::{Owner, Workspace};

/// Folders of a package that only the course's own tests and proofs read.
const NOT_HANDED_OUT: [&str; 6] = ["tests", "wrong", "target", "benches", "examples", "kept"];
/// Files at the course's root that are handed out as they are, where they exist.
const AS_THEY_ARE: [&str; 5] =
    ["LICENSE", ".cargo/config.toml", ".gitignore", "rustfmt.toml", ".vscode/extensions.json"];
/// The commands that need what a handout does not have.
const WITH_REFERENCE: [&str; 2] = ["solution", "peer"];

/// Whom a workspace is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// Learners: no hidden checks, and points as the assignment has them.
    Learner,
    /// A machine that grades: all checks as they are, and the instructor's commands.
    Autograder,
}

/// Lays the workspace out in the empty folder `to`.
///
/// # Errors
///
/// A file cannot be read or written, or is written in a way that this does not follow.
pub fn lay_out(
    workspace: &Workspace,
    plan: &Plan,
    reader: Reader,
    cargo: &Cargo,
    to: &Path,
) -> anyhow::Result<()> {
    let root = workspace.root();
    let mut wanted: Vec<&str> = vec!["xtask"];
    let names: Vec<String> =
        plan.modules.iter().map(|module| format!("crates/{}", module.module.name)).collect();
    wanted.extend(names.iter().map(String::as_str));
    if reader == Reader::Autograder {
        wanted.push("crates/classroom");
    }
    for folder in packages::closure(root, &wanted, plan)? {
        copy_package(&root.join(&folder), &to.join(&folder), plan, reader, &folder)?;
    }
    for module in &plan.modules {
        copy_exercise(workspace, module, reader, to)?;
        if reader == Reader::Learner {
            let file = to.join("crates").join(module.module.name).join("module.toml");
            write(&file, &manifest::for_learners(module)?)?;
        }
    }
    for name in AS_THEY_ARE {
        if root.join(name).is_file() {
            copy(&root.join(name), &to.join(name))?;
        }
    }
    if reader == Reader::Learner {
        tasks(workspace, plan, to)?;
    }
    write_workspace(root, to)?;
    copy(&root.join("Cargo.lock"), &to.join("Cargo.lock"))?;
    // Cargo drops from the lock file what nothing needs any more, and changes no version.
    cargo.must(to, &["update", "--quiet", "--workspace"], "trim the handout's Cargo.lock")?;
    if reader == Reader::Learner {
        for module in &plan.modules {
            hide::hide(to, module.module.name, &module.hidden(), cargo)?;
        }
    }
    Ok(())
}

fn copy_package(
    from: &Path,
    to: &Path,
    plan: &Plan,
    reader: Reader,
    folder: &str,
) -> anyhow::Result<()> {
    // The harness's own tests say whether it works on a learner's machine; those of the runner and
    // of the checks are about the whole course.
    let has_tests = ["crates/grader", "crates/sandbox", "crates/netlab"].contains(&folder);
    let strips = !has_tests && reader == Reader::Learner;
    let (mut left_out, mut sources) = (BTreeSet::new(), String::new());
    for file in files(from)? {
        let relative = file.strip_prefix(from)?;
        if relative.ancestors().any(|part| left_out.contains(part)) {
            continue;
        }
        let target = to.join(relative);
        if !strips || relative.extension().is_none_or(|kind| kind != "rs") {
            if relative.extension().is_some_and(|kind| kind == "rs") {
                sources.push_str(&fs_err::read_to_string(&file)?);
            }
            copy(&file, &target)?;
            continue;
        }
        let text = fs_err::read_to_string(&file)?;
        let (mut text, modules) =
            edit::without_authors(&text).with_context(|| format!("read {}", file.display()))?;
        let stem = relative.with_extension("");
        let is_root = ["src/main", "src/lib"].iter().any(|root| stem == Path::new(root));
        let beside = if is_root { Path::new("src") } else { &stem };
        for module in modules {
            left_out.insert(beside.join(&module));
            left_out.insert(beside.join(&module).with_extension("rs"));
        }
        match relative.to_str().filter(|_| folder == "xtask") {
            Some("src/modules.rs") => text = chosen_modules(&text, plan),
            Some("src/main.rs") => text = unused_is_fine(&text),
            _ => {}
        }
        sources.push_str(&text);
        write(&target, &text)?;
    }
    if reader == Reader::Autograder && folder == "xtask" {
        let file = to.join("src/modules.rs");
        let text = fs_err::read_to_string(&file)?;
        write(&file, &chosen_modules(&text, plan))?;
    }
    for path in left_out {
        // One that was copied before the file that declares it was read.
        let path = to.join(path);
        if path.is_dir() {
            fs_err::remove_dir_all(path)?;
        } else if path.is_file() {
            fs_err::remove_file(path)?;
        }
    }
    let file = to.join("Cargo.toml");
    let text = fs_err::read_to_string(&file)?;
    // Without its tests a package has nothing that only they need.
    let tested = if strips { "" } else { &sources };
    let text = packages::package(&text, plan, tested, reader == Reader::Autograder);
    write(&file, &text)
}

/// The registry with the chosen modules only.
fn chosen_modules(text: &str, plan: &Plan) -> String {
    let is_kept = |line: &&str| {
        let package = line.trim().strip_suffix("::MODULE,").map(|name| name.replace('_', "-"));
        package.is_none_or(|package| !plan.leaves_out(&package))
    };
    text.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect()
}

/// What the authors' commands alone have used stays, and is no reason for a warning.
fn unused_is_fine(text: &str) -> String {
    let end = text.lines().take_while(|line| line.starts_with("//!")).map(|line| line.len() + 1);
    let end = end.sum();
    format!(
        "{}\n// The commands of those who make the course are not in a handout; some of what they \
         used is.\n#![allow(dead_code)]\n{}",
        &text[..end],
        &text[end..]
    )
}

/// The starter as the course has it, whatever stands in `exercises/` by now, and the lesson.
fn copy_exercise(
    workspace: &Workspace,
    module: &ModulePlan,
    reader: Reader,
    to: &Path,
) -> anyhow::Result<()> {
    let name = module.module.name;
    let starter = workspace.checks_folder(name).join("starter");
    let target = to.join("exercises").join(name);
    for file in files(&starter)? {
        copy(&file, &target.join(file.strip_prefix(&starter)?))?;
    }
    if reader == Reader::Autograder {
        return Ok(());
    }
    let lesson = workspace.program_folder(name, Owner::Learner).join("README.md");
    let text = fs_err::read_to_string(lesson)?;
    let points = format!("**Core**, {} points", module.core_points());
    let text = text.replace(&format!("**Core**, {CORE_POINTS} points"), &points);
    let needs_reference = |line: &&str| {
        WITH_REFERENCE.iter().any(|command| line.contains(&format!("cargo xtask {command}")))
    };
    let kept = text.lines().filter(|line| !needs_reference(line));
    write(&target.join("README.md"), &kept.flat_map(|line| [line, "\n"]).collect::<String>())
}

/// The editor's tasks, for these modules and without those that need a reference.
fn tasks(workspace: &Workspace, plan: &Plan, to: &Path) -> anyhow::Result<()> {
    let file = workspace.root().join(".vscode/tasks.json");
    if !file.is_file() {
        return Ok(());
    }
    let mut tasks: Value = serde_json::from_str(&fs_err::read_to_string(&file)?)
        .with_context(|| format!("read {}", file.display()))?;
    if let Some(list) = tasks["tasks"].as_array_mut() {
        list.retain(|task| {
            let words = task["args"].as_array().into_iter().flatten();
            !words.filter_map(Value::as_str).any(|word| WITH_REFERENCE.contains(&word))
        });
        for task in list {
            if task["detail"].as_str().is_some_and(|detail| detail.contains("of the seven")) {
                task["detail"] = "Choose a module, then grade it".into();
            }
        }
    }
    let names = plan.names();
    for input in tasks["inputs"].as_array_mut().into_iter().flatten() {
        if input["id"] == "module" {
            input["default"] = names.first().copied().unwrap_or_default().into();
            input["options"] = names.clone().into();
        }
    }
    let mut text = serde_json::to_string_pretty(&tasks)?;
    text.push('\n');
    write(&to.join(".vscode/tasks.json"), &text)
}

/// The root's Cargo.toml for the packages that are there.
fn write_workspace(root: &Path, to: &Path) -> anyhow::Result<()> {
    let (mut names, mut used) = (BTreeSet::new(), BTreeSet::new());
    for file in files(to)?.into_iter().filter(|file| file.ends_with("Cargo.toml")) {
        if file.iter().any(|part| part == "starter") {
            continue;
        }
        let text = fs_err::read_to_string(&file)?;
        let table: toml::Table = toml::from_str(&text)?;
        let name = table.get("package").and_then(|package| package.get("name"));
        names.extend(name.and_then(toml::Value::as_str).map(str::to_owned));
        used.extend(packages::mentioned(&text));
    }
    let text = fs_err::read_to_string(root.join("Cargo.toml"))?;
    write(&to.join("Cargo.toml"), &packages::workspace(&text, &names, &used))
}

/// The files of a package that may be handed out, in order.
pub fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let is_handed_out = |entry: &walkdir::DirEntry| {
        !entry.file_type().is_dir()
            || entry.depth() == 0
            || !NOT_HANDED_OUT.iter().any(|name| entry.file_name() == *name)
            // A module of this name is no folder of tests.
            || entry.path().strip_prefix(folder).is_ok_and(|path| path.starts_with("src"))
    };
    for entry in WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(is_handed_out) {
        let entry = entry?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// Writes a file, with the folders above it. Whoever is told to stop while it does so waits: the
/// folder that is then removed would otherwise come back.
///
/// # Errors
///
/// It cannot be written.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let _whole = interrupt::hold();
    make_parent(path)?;
    Ok(fs_err::write(path, text)?)
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let _whole = interrupt::hold();
    make_parent(to)?;
    fs_err::copy(from, to)?;
    Ok(())
}

fn make_parent(path: &Path) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    Ok(())
}
