//! The Cargo.toml files of a handout: the course's own, without what is not there any more.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;

use super::plan::Plan;

/// The packages that the packages `wanted` need, by their folders in `crates` or at the root.
///
/// # Errors
///
/// A Cargo.toml cannot be read.
pub fn closure(root: &Path, wanted: &[&str], plan: &Plan) -> anyhow::Result<BTreeSet<String>> {
    let course = table(&root.join("Cargo.toml"))?;
    let known = course.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = wanted.iter().map(|folder| (*folder).to_owned()).collect();
    while let Some(folder) = open.pop() {
        if !found.insert(folder.clone()) {
            continue;
        }
        for name in dependencies(&table(&root.join(&folder).join("Cargo.toml"))?) {
            let path = known.and_then(|known| known.get(&name)).and_then(|known| known.get("path"));
            if let Some(path) = path.and_then(toml::Value::as_str)
                && !plan.leaves_out(&name)
            {
                open.push(path.to_owned());
            }
        }
    }
    Ok(found)
}

/// The names under `[dependencies]` and those of single platforms, without those of tests.
fn dependencies(package: &toml::Table) -> Vec<String> {
    let platforms = package.get("target").and_then(toml::Value::as_table);
    let tables = platforms.into_iter().flat_map(|platforms| platforms.values());
    let tables = tables.filter_map(toml::Value::as_table).chain([package]);
    let names = tables.filter_map(|table| table.get("dependencies")?.as_table());
    names.flat_map(|names| names.keys().cloned()).collect()
}

fn table(path: &Path) -> anyhow::Result<toml::Table> {
    let text = fs_err::read_to_string(path)?;
    toml::from_str(&text).with_context(|| format!("{} is not valid TOML", path.display()))
}

/// A package's Cargo.toml without: modules that are left out, features of authors, tests in files
/// of their own, and what only these depend on (`sources` is the text of all that is left). With
/// `with_features`, the features stay.
pub fn package(text: &str, plan: &Plan, sources: &str, with_features: bool) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for section in sections(text) {
        let header = section.iter().find(|line| line.starts_with('[')).map_or("", |line| *line);
        if ["[[test]]", "[[bench]]", "[[example]]"].contains(&header)
            || (header == "[features]" && !with_features)
        {
            continue;
        }
        let is_of_tests = header == "[dev-dependencies]";
        let is_used = |name: &str| sources.contains(&format!("{}::", name.replace('-', "_")));
        let lines: Vec<&str> = section
            .iter()
            .copied()
            .filter(|line| {
                let name = dependency(line);
                !name.is_some_and(|name| plan.leaves_out(name))
                    && (!is_of_tests || name.is_none_or(is_used))
            })
            .collect();
        if !is_of_tests || lines.iter().any(|line| dependency(line).is_some()) {
            kept.extend(lines);
        }
    }
    finish(&kept)
}

/// The workspace's Cargo.toml for these packages, by their names, and these dependencies of theirs.
pub fn workspace(text: &str, packages: &BTreeSet<String>, used: &BTreeSet<String>) -> String {
    let mut kept: Vec<String> = Vec::new();
    for section in sections(text) {
        let header = section.iter().find(|line| line.starts_with('[')).map_or("", |line| *line);
        let profile = header.strip_prefix("[profile.dev.package.");
        let of = profile.map(|rest| rest.trim_end_matches(']').trim_matches('"'));
        if of.is_some_and(|package| package != "*" && !packages.contains(package)) {
            // What is said above the first of several holds for the others, too.
            kept.extend(
                section
                    .iter()
                    .take_while(|line| line.starts_with('#'))
                    .map(|line| (*line).to_owned()),
            );
            continue;
        }
        let is_list = header == "[workspace.dependencies]";
        for line in &section {
            if is_list && dependency(line).is_some_and(|name| !used.contains(name)) {
                continue;
            }
            kept.push(match line.strip_prefix("members = ") {
                Some(members) => format!("members = {}", members.replace(" \"solutions/*\",", "")),
                None => (*line).to_owned(),
            });
        }
    }
    // A heading over nothing.
    let mut index = 0;
    while index < kept.len() {
        let is_over_nothing = kept[index].starts_with("# ")
            && kept[index].ends_with('.')
            && kept.get(index + 1).is_none_or(|next| next.is_empty())
            && (index == 0 || kept[index - 1].is_empty());
        if is_over_nothing {
            kept.remove(index);
        } else {
            index += 1;
        }
    }
    finish(&kept.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The names of all dependencies that a package's Cargo.toml mentions.
pub fn mentioned(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().filter_map(dependency).map(str::to_owned)
}

/// The name at the beginning of a line such as `anyhow.workspace = true`.
fn dependency(line: &str) -> Option<&str> {
    let (name, _) = line.split_once([' ', '.', '='])?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// The lines by section; the comments directly above a header belong to it.
fn sections(text: &str) -> Vec<Vec<&str>> {
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with('[') {
            let mut above = Vec::new();
            if let Some(last) = sections.last_mut() {
                while last.last().is_some_and(|line| line.starts_with('#')) {
                    above.splice(0..0, last.pop());
                }
            }
            sections.push(above);
        }
        if let Some(last) = sections.last_mut() {
            last.push(line);
        }
    }
    sections
}

/// One text, with no two blank lines on end.
fn finish(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        if !line.is_empty() || (!text.is_empty() && !text.ends_with("\n\n")) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
