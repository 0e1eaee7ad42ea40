//! What can be proved of a module without running anything: its manifest, its handout, its folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use grader::manifest::{CheckEntry, Kind, Manifest};
use grader::module::Module;

use crate::quiz;
use crate::starter::Starter;
use crate::workspace::{Owner, Workspace};

/// What a module's core checks are worth together.
const CORE_POINTS: u32 = 100;
/// In how many steps a check is explained at least: one that does something, one that expects.
const MIN_STEPS: usize = 2;
/// How many hints a check has at least, each clearer than the one before.
const MIN_HINTS: usize = 3;

/// Everything wrong with the module's texts, as sentences that say what to do.
pub fn problems(workspace: &Workspace, module: &Module, manifest: &Manifest) -> Vec<String> {
    let mut problems = points_and_names(module, manifest);
    for check in &manifest.checks {
        problems.extend(wording(check));
    }
    problems.extend(handout(workspace, module, manifest));
    problems.extend(quiz::problems(workspace, module.name));
    problems.extend(same_files(workspace, module.name));
    problems.extend(starter_copy(workspace, module.name));
    problems
}

fn points_and_names(module: &Module, manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    if manifest.name != module.name {
        problems.push(format!(
            "module.toml is named `{}`, the module `{}`; name both the same",
            manifest.name, module.name
        ));
    }
    let told: BTreeSet<&str> = manifest.checks.iter().map(|check| check.id.as_str()).collect();
    let written: BTreeSet<&str> = module.checks.iter().map(|(id, _)| *id).collect();
    for id in told.difference(&written) {
        problems.push(format!(
            "the check `{id}` of module.toml has no function; write it, or take the entry out"
        ));
    }
    for id in written.difference(&told) {
        problems.push(format!(
            "the check `{id}` has a function and no entry in module.toml; write the entry"
        ));
    }
    if written.len() != module.checks.len() {
        problems.push("two functions go by one check id; give each its own".to_owned());
    }
    let core: u32 = manifest
        .checks
        .iter()
        .filter(|check| check.kind == Kind::Core)
        .map(|check| check.points)
        .sum();
    if core != CORE_POINTS {
        problems.push(format!(
            "the core checks are worth {core} points together; make them {CORE_POINTS}"
        ));
    }
    problems
}

fn wording(check: &CheckEntry) -> Vec<String> {
    let id = &check.id;
    let mut problems = Vec::new();
    if check.points == 0 {
        problems.push(format!("the check `{id}` is worth nothing; give it points"));
    }
    for (name, text) in [
        ("title", &check.title),
        ("promise", &check.promise),
        ("rule", &check.rule),
        ("lesson", &check.lesson),
    ] {
        if text.trim().is_empty() {
            problems.push(format!("the check `{id}` has an empty {name}; write one"));
        }
    }
    if check.steps.len() < MIN_STEPS {
        let count = check.steps.len();
        problems.push(format!(
            "the check `{id}` is explained in {count} steps; write {MIN_STEPS} or more: what is \
             sent, what is expected"
        ));
    }
    if check.steps.iter().any(|step| step.trim().is_empty()) {
        problems.push(format!("the check `{id}` has an empty step; write it or take it out"));
    }
    if check.hints.len() < MIN_HINTS {
        let count = check.hints.len();
        problems
            .push(format!("the check `{id}` has {count} hints; write {MIN_HINTS}, each clearer"));
    }
    let mistakes = check.mistakes.iter();
    let mistakes = mistakes.flat_map(|mistake| mistake.further.iter().chain([&mistake.hint]));
    if check.hints.iter().chain(mistakes).any(|hint| hint.trim().is_empty()) {
        problems.push(format!("the check `{id}` has an empty hint; write it or take it out"));
    }
    for (index, mistake) in check.mistakes.iter().enumerate() {
        if check.mistakes[..index].iter().any(|other| other.symptom == mistake.symptom) {
            let symptom = &mistake.symptom;
            problems.push(format!("the check `{id}` has two hints for `{symptom}`; keep one"));
        }
    }
    problems
}

fn handout(workspace: &Workspace, module: &Module, manifest: &Manifest) -> Vec<String> {
    let path = workspace.program_folder(module.name, Owner::Learner).join("README.md");
    let shown = format!("exercises/{}/README.md", module.name);
    let Ok(text) = fs_err::read_to_string(&path) else {
        return vec![format!("there is no handout {shown}; write it")];
    };
    let anchors = anchors(&text);
    let mut problems = Vec::new();
    for check in &manifest.checks {
        let lesson = check.lesson.trim_start_matches('#');
        if !anchors.iter().any(|anchor| anchor == lesson) {
            problems.push(format!(
                "the check `{}` points to {shown}#{lesson}, which is no heading; there are: {}",
                check.id,
                anchors.join(", ")
            ));
        }
    }
    for link in links(&text) {
        if !is_alive(&link, &path, &anchors) {
            problems.push(format!("{shown} links to {link}, which is not there; mend the link"));
        }
    }
    problems
}

/// A learner's file has the same path in the starter and in the reference.
fn same_files(workspace: &Workspace, module: &str) -> Vec<String> {
    let files = |owner| {
        let folder = workspace.program_folder(module, owner).join("src");
        super::files_below(&folder).unwrap_or_default()
    };
    let starter: BTreeSet<PathBuf> = files(Owner::Learner).into_iter().collect();
    let reference: BTreeSet<PathBuf> = files(Owner::Reference).into_iter().collect();
    let differ = starter.symmetric_difference(&reference).map(|file| {
        format!(
            "src/{} is in only one of exercises/{module} and solutions/{module}; \
             starter and reference have the same files",
            file.display()
        )
    });
    differ.collect()
}

/// What `cargo xtask reset` puts back is the starter in `exercises/`.
fn starter_copy(workspace: &Workspace, module: &str) -> Vec<String> {
    let exercise = workspace.program_folder(module, Owner::Learner);
    let differ = Starter::of(workspace, module).and_then(|starter| starter.differences(&exercise));
    match differ {
        Err(error) => vec![format!("{error:#}")],
        Ok(files) => {
            let told = files.iter().map(|file| {
                let file = file.display();
                format!(
                    "exercises/{module}/{file} is not crates/{module}/starter/{file}, which \
                     `cargo xtask reset` puts back; copy the starter there if you changed it, or \
                     put it back with `cargo xtask reset {module}`"
                )
            });
            told.collect()
        }
    }
}

/// The anchors of a Markdown text's headings, made as GitHub makes them.
pub fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for line in outside_code(text) {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        let Some(heading) = line[hashes..].strip_prefix(' ').filter(|_| (1..=6).contains(&hashes))
        else {
            continue;
        };
        let slug = slug(heading.trim().trim_end_matches('#').trim());
        let same = anchors
            .iter()
            .filter(|other| {
                other.strip_prefix(&slug).is_some_and(|rest| {
                    rest.is_empty()
                        || rest
                            .strip_prefix('-')
                            .is_some_and(|number| number.parse::<u32>().is_ok())
                })
            })
            .count();
        anchors.push(if same == 0 { slug } else { format!("{slug}-{same}") });
    }
    anchors
}

/// Lower case, white space to hyphens, and of the rest only letters, digits, hyphens and
/// underscores.
fn slug(heading: &str) -> String {
    let keep = |letter: char| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ if letter.is_alphanumeric() => Some(letter),
        _ => None,
    };
    heading.to_lowercase().chars().filter_map(keep).collect()
}

/// The targets of all inline links.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in outside_code(text) {
        // The odd pieces between backticks are code, where brackets mean something else.
        for prose in line.split('`').step_by(2) {
            let starts = prose.match_indices("](").map(|(at, mark)| at + mark.len());
            let targets = starts.filter_map(|start| prose[start..].split_once(')'));
            links.extend(
                targets
                    .filter_map(|(target, _)| target.split_whitespace().next())
                    .map(str::to_owned),
            );
        }
    }
    links
}

fn outside_code(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Whether a link leads somewhere in the course. Links out of it are not followed: no network is
/// used.
fn is_alive(link: &str, from: &Path, own_anchors: &[String]) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    if file.is_empty() {
        return own_anchors.iter().any(|own| own == anchor);
    }
    let target = from.with_file_name(file);
    if !target.exists() {
        return false;
    }
    anchor.is_empty()
        || fs_err::read_to_string(&target)
            .is_ok_and(|text| anchors(&text).iter().any(|other| other == anchor))
}

#[cfg(test)]
mod tests {
    use super::{anchors, links};

    #[test]
    fn anchors_are_made_as_github_makes_them() {
        let text = "# TCP echo: `read` & write\n## Half-close\n\
                    ```sh\n# no heading\n```\n## Half-close\n####x\n";
        assert_eq!(anchors(text), ["tcp-echo-read--write", "half-close", "half-close-1"]);
    }

    #[test]
    fn links_in_code_are_none() {
        let text = "[a](b.md#c) `[x](y)` ![d](e.png \"title\")\n```\n[f](g)\n```\n";
        assert_eq!(links(text), ["b.md#c", "e.png"]);
    }
}
