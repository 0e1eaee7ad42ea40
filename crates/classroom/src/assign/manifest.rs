//! The manifest of a handout: the course's own, text for text, with the points of the assignment
//! and without what is hidden.

use std::path::Path;

use anyhow::{Context, bail};
use grader::manifest::{Kind, Manifest};

use super::plan::{CORE_POINTS, CheckPlan, ModulePlan};

/// The manifest that a learner gets.
///
/// # Errors
///
/// The course's manifest is written in a way that this does not follow; nothing is guessed.
pub fn for_learners(plan: &ModulePlan) -> anyhow::Result<String> {
    let lines: Vec<&str> = plan.manifest.lines().collect();
    let starts = starts(&lines);
    let (Some(first), true) = (starts.first(), starts.len() == plan.checks.len()) else {
        bail!("module.toml of {} does not begin each check with [[check]]", plan.module.name);
    };
    let mut kept: Vec<String> = lines[..*first].iter().map(|line| (*line).to_owned()).collect();
    add_totals(&mut kept, plan);
    for (index, check) in plan.checks.iter().enumerate().filter(|(_, check)| !check.hidden) {
        let end = starts.get(index + 1).copied().unwrap_or(lines.len());
        kept.extend(block(&lines[starts[index]..end], check, plan));
    }
    let mut text = kept.join("\n");
    text.truncate(text.trim_end().len());
    text.push('\n');
    verify(&text, plan)?;
    Ok(text)
}

/// Where the checks begin, with the comments above them.
fn starts(lines: &[&str]) -> Vec<usize> {
    let headers = (0..lines.len()).filter(|index| lines[*index].trim() == "[[check]]");
    headers
        .map(|mut start| {
            while start > 0 && lines[start - 1].starts_with('#') {
                start -= 1;
            }
            start
        })
        .collect()
}

/// The totals stand behind the title, before the blank lines that end the head of the file.
fn add_totals(head: &mut Vec<String>, plan: &ModulePlan) {
    let (core, hidden) = (plan.core_points(), plan.hidden_points());
    if core == CORE_POINTS && hidden == 0 {
        return;
    }
    let at = head.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    let mut totals = vec![
        "# What the core checks below add up to in this assignment.".to_owned(),
        format!("core_points = {core}"),
    ];
    if hidden > 0 {
        totals.push("# What checks that are not in this handout give besides.".to_owned());
        totals.push(format!("hidden_points = {hidden}"));
    }
    head.splice(at..at, totals);
}

fn block(lines: &[&str], check: &CheckPlan, plan: &ModulePlan) -> Vec<String> {
    let hidden = plan.hidden();
    let mut kept = Vec::new();
    let mut is_head = true;
    let mut index = 0;
    while index < lines.len() {
        let line = lines[index];
        index += 1;
        is_head &= !line.trim_start().starts_with("[[check.");
        let key = line.split_once('=').map(|(key, _)| key.trim());
        match key.filter(|_| is_head && !line.starts_with([' ', '#'])) {
            Some("points") => kept.push(format!("points = {}", check.points)),
            Some("kind") => {
                let kind = if check.kind == Kind::Core { "core" } else { "stretch" };
                kept.push(format!("kind = \"{kind}\""));
            }
            Some("needs") => {
                let mut whole = line.to_owned();
                while !whole.contains(']') && index < lines.len() {
                    whole.push_str(lines[index]);
                    index += 1;
                }
                let needs: Vec<&str> = whole.split('"').skip(1).step_by(2).collect();
                let left: Vec<String> = needs
                    .iter()
                    .filter(|need| !hidden.contains(need))
                    .map(|need| format!("{need:?}"))
                    .collect();
                if !left.is_empty() {
                    kept.push(format!("needs = [{}]", left.join(", ")));
                }
            }
            _ => kept.push(line.to_owned()),
        }
    }
    kept
}

/// Reads the text back: it has to say what the plan says, and nothing of what is hidden.
fn verify(text: &str, plan: &ModulePlan) -> anyhow::Result<()> {
    let name = plan.module.name;
    let manifest = Manifest::parse(text, Path::new("module.toml"))
        .with_context(|| format!("rewrite module.toml of {name}"))?;
    let same = |(entry, check): (&grader::manifest::CheckEntry, &CheckPlan)| {
        entry.id == check.id && entry.kind == check.kind && entry.points == check.points
    };
    let is_same = manifest.checks.len() == plan.visible().count()
        && manifest.checks.iter().zip(plan.visible()).all(same);
    if !is_same {
        bail!("module.toml of {name} is written in a way that cannot be rewritten for a handout");
    }
    Ok(())
}
