//! What would change: who, which check, from what to what.

use std::collections::BTreeMap;
use std::path::Path;

use super::intake::Found;
use crate::output;
use crate::results::{CheckResult, ModuleResult, Outcome, SubmissionResult, printable};

/// Compares the results in `new` with those in `old`, one after the other.
///
/// # Errors
///
/// A result cannot be read.
pub fn tell(old: &Path, new: &Path, chosen: &[Found]) -> anyhow::Result<()> {
    let mut changed = 0;
    for found in chosen {
        let after = SubmissionResult::load(&SubmissionResult::path(new, &found.name))?;
        let before = SubmissionResult::path(old, &found.name);
        let lines = match before.is_file() {
            true => differences(&SubmissionResult::load(&before)?, &after),
            false => vec![format!("new: {}", summary(&after))],
        };
        if lines.is_empty() {
            continue;
        }
        changed += 1;
        let mut text = format!("\n{}\n", found.name);
        for line in lines {
            text.push_str(&format!("  {}\n", printable(&line)));
        }
        output::print(text.as_bytes())?;
    }
    let told = match changed {
        0 => "\nno verdict changes\n".to_owned(),
        1 => "\n1 submission changes\n".to_owned(),
        more => format!("\n{more} submissions change\n"),
    };
    output::print(told.as_bytes())
}

/// What differs between two results of one submission, a line each.
fn differences(before: &SubmissionResult, after: &SubmissionResult) -> Vec<String> {
    let mut lines = Vec::new();
    if before.status != after.status {
        lines.push(format!("{} → {}", word(before.status), word(after.status)));
    }
    if before.key.files_hash != after.key.files_hash {
        lines.push("other files were handed in".to_owned());
    }
    let old: BTreeMap<&str, &ModuleResult> =
        before.modules.iter().map(|module| (module.module.as_str(), module)).collect();
    for module in &after.modules {
        match old.get(module.module.as_str()) {
            Some(old) => module_differences(old, module, &mut lines),
            None => {
                lines.push(format!("{}: new, {}/{}", module.module, module.score, module.max_score))
            }
        }
    }
    for gone in &before.modules {
        if !after.modules.iter().any(|module| module.module == gone.module) {
            lines.push(format!("{}: {}/{} → not graded", gone.module, gone.score, gone.max_score));
        }
    }
    lines
}

fn module_differences(before: &ModuleResult, after: &ModuleResult, lines: &mut Vec<String>) {
    let name = &after.module;
    let old: BTreeMap<&str, &CheckResult> =
        before.checks.iter().map(|check| (check.id.as_str(), check)).collect();
    let mut checks = Vec::new();
    for check in &after.checks {
        match old.get(check.id.as_str()) {
            Some(old) if old.status == check.status && old.points == check.points => {}
            Some(old) => checks.push(format!(
                "{name}/{}: {} ({}) → {} ({})",
                check.id, old.status, old.points, check.status, check.points
            )),
            None => checks
                .push(format!("{name}/{}: new → {} ({})", check.id, check.status, check.points)),
        }
    }
    for gone in &before.checks {
        if !after.checks.iter().any(|check| check.id == gone.id) {
            checks.push(format!(
                "{name}/{}: {} ({}) → no such check",
                gone.id, gone.status, gone.points
            ));
        }
    }
    let points =
        |module: &ModuleResult| format!("{}/{} + {}", module.score, module.max_score, module.bonus);
    if points(before) != points(after) {
        lines.push(format!("{name}: {} → {}", points(before), points(after)));
    }
    lines.extend(checks);
}

fn summary(result: &SubmissionResult) -> String {
    let points = |module: &ModuleResult| {
        format!("{} {}/{} + {}", module.module, module.score, module.max_score, module.bonus)
    };
    match result.status {
        Outcome::Graded => result.modules.iter().map(points).collect::<Vec<_>>().join(", "),
        other => word(other).to_owned(),
    }
}

fn word(status: Outcome) -> &'static str {
    match status {
        Outcome::Graded => "graded",
        Outcome::Error => "not graded",
        Outcome::Missing => "missing",
    }
}
