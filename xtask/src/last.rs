//! What the last grading of the learner's programs showed, kept in cargo's target folder.

use std::path::PathBuf;

use grader::report::{ModuleReport, Status};
use grader::wording;
use serde::{Deserialize, Serialize};

use crate::output::ResultFile;
use crate::workspace::Workspace;

/// The last result of one module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// Core points.
    pub score: u32,
    /// Core points that there are.
    pub max_score: u32,
    /// Stretch points.
    pub bonus: u32,
    /// Stretch points that there are; not in results of earlier versions.
    #[serde(default)]
    pub max_bonus: u32,
    /// Whether every core check passed.
    pub core_passed: bool,
    /// Whether the program was built.
    pub builds: bool,
    /// Whether any check got beyond a `todo!()`.
    pub begun: bool,
}

impl Last {
    fn of(module: &ModuleReport) -> Self {
        Self {
            score: module.score(),
            max_score: module.max_score(),
            bonus: module.bonus(),
            max_bonus: module.max_bonus(),
            core_passed: module.core_passed(),
            builds: module.error.is_none(),
            begun: module.checks.iter().any(|check| match &check.feedback {
                _ if check.status == Status::Passed => true,
                Some(feedback) => {
                    check.status == Status::Failed && feedback.symptom != wording::NOT_IMPLEMENTED
                }
                None => false,
            }),
        }
    }
}

/// Keeps the results. A result that cannot be kept costs a note: the grading itself stands.
pub fn keep(workspace: &Workspace, modules: &[ModuleReport]) {
    for module in modules {
        if let Err(error) = keep_one(workspace, module) {
            anstream::eprintln!("note: this result is not kept for `cargo xtask list`: {error:#}");
        }
    }
}

/// The last result of a module, if there is one that can be read.
pub fn read(workspace: &Workspace, module: &str) -> Option<Last> {
    let document = fs_err::read(path(workspace, module)).ok()?;
    serde_json::from_slice(&document).ok()
}

fn keep_one(workspace: &Workspace, module: &ModuleReport) -> anyhow::Result<()> {
    let path = path(workspace, &module.module);
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    ResultFile::prepare(&path)?.write(&serde_json::to_vec(&Last::of(module))?)
}

fn path(workspace: &Workspace, module: &str) -> PathBuf {
    workspace.own_target().join("last").join(format!("{module}.json"))
}
