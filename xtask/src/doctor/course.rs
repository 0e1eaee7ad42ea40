//! Whether the learner's files are whole.

use std::path::Path;

use super::{Finding, State};
use crate::modules;
use crate::starter::Starter;
use crate::workspace::{Owner, Workspace};

/// Compares each exercise with its starter.
pub(super) fn exercises(workspace: &Workspace) -> Vec<Finding> {
    let (mut findings, mut begun) = (Vec::new(), Vec::new());
    for module in modules::TAUGHT {
        match exercise(workspace, module.name) {
            Ok(None) => {}
            Ok(Some(finding)) if finding.state == State::Good => begun.push(finding.name),
            Ok(Some(finding)) => findings.push(finding),
            Err(error) => findings.push(
                Finding::limited(module.name, format!("compared it with its starter: {error:#}"))
                    .means("`cargo xtask reset` cannot put the starter back")
                    .advice(format!("get crates/{}/starter from the course again", module.name)),
            ),
        }
    }
    if findings.is_empty() {
        let changed = match begun.as_slice() {
            [] => "all are the starters, not begun yet".to_owned(),
            begun => format!("all are whole; you have changed {}", begun.join(", ")),
        };
        findings.push(Finding::good(
            "exercises",
            format!("compared them with the starters: {changed}"),
        ));
    }
    findings
}

/// What is to be said of one exercise: nothing of a starter; a good finding if it was changed.
fn exercise(workspace: &Workspace, module: &str) -> anyhow::Result<Option<Finding>> {
    let folder = workspace.program_folder(module, Owner::Learner);
    let differ = Starter::of(workspace, module)?.differences(&folder)?;
    let gone = differ.iter().filter(|file| !folder.join(file).exists());
    let gone: Vec<String> = gone.map(|file| file.display().to_string()).collect();
    if gone.iter().any(|file| file == "Cargo.toml" || file == "src/main.rs") {
        let tried = format!("exercises/{module} lacks {}", gone.join(", "));
        return Ok(Some(
            Finding::missing(module, tried)
                .means("this module cannot be built")
                .advice(format!("`cargo xtask reset {module}`; what you have is kept")),
        ));
    }
    if differ.iter().any(|file| file == Path::new("Cargo.toml")) {
        let tried = format!("exercises/{module}/Cargo.toml is not as it was given");
        return Ok(Some(
            Finding::limited(module, tried)
                .means("it is graded here; an instructor's grading takes the original one")
                .advice(format!("copy crates/{module}/starter/Cargo.toml over it")),
        ));
    }
    if !folder.join("README.md").is_file() {
        return Ok(Some(
            Finding::limited(module, format!("there is no exercises/{module}/README.md"))
                .means("the task is not there to read")
                .advice("get the file from the course again"),
        ));
    }
    Ok((!differ.is_empty()).then(|| Finding::good(module, "changed")))
}
