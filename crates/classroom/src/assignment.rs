//! `assignment.toml`: what an instructor asks of a class, and by when.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use grader::manifest::ManifestError;
use serde::{Deserialize, Serialize};

use crate::modules;
use crate::moment::Moment;

/// What `assignment.toml` says. Whatever it leaves out is as in the modules' own manifests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// The title that learners read.
    pub title: String,
    /// The modules, by name.
    pub modules: Vec<String>,
    /// When it is due, as RFC 3339 writes a moment ("2026-12-01T23:59:00+01:00").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// For how many minutes after that a submission is not late.
    #[serde(default)]
    pub grace_minutes: u64,
    /// What a late submission loses.
    #[serde(default)]
    pub late: LatePolicy,
    /// Single checks, by "MODULE/CHECK", that count otherwise than their manifest says.
    #[serde(default, rename = "check", skip_serializing_if = "BTreeMap::is_empty")]
    pub checks: BTreeMap<String, CheckRule>,
}

/// What a late submission loses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "policy")]
pub enum LatePolicy {
    /// Nothing.
    #[default]
    Accept,
    /// All points.
    Refuse,
    /// A share of the points earned, for each day begun.
    PerDay {
        /// The share, in percent of the points earned.
        percent: f64,
        /// The most that may be lost, in percent of the points earned.
        #[serde(default = "everything")]
        at_most_percent: f64,
    },
}

/// How one check counts in this assignment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRule {
    /// What it is worth, if not what the manifest says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
    /// Whether it counts; if not, it is told and earns nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<bool>,
    /// Whether its points come on top of the others, if that differs from the manifest's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<bool>,
    /// Whether it is kept from the handout altogether.
    #[serde(default)]
    pub hidden: bool,
}

fn everything() -> f64 {
    100.0
}

impl Assignment {
    /// The assignment of some modules, all as in their manifests.
    pub fn plain(modules: Vec<String>) -> Self {
        Self {
            title: modules.join(", "),
            modules,
            due: None,
            grace_minutes: 0,
            late: LatePolicy::Accept,
            checks: BTreeMap::new(),
        }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be read, breaks the format, or names no module or one that there is not.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = fs_err::read_to_string(path)?;
        let assignment: Self =
            toml::from_str(&text).map_err(|error| ManifestError::of_toml(&error, &text, path))?;
        if assignment.modules.is_empty() {
            bail!("{}: `modules` names no module; name at least one", path.display());
        }
        if let Some(due) = &assignment.due
            && Moment::parse(due).is_none()
        {
            bail!(
                "{}: `due` is {due:?}; write the moment with its offset, as in \
                 \"2026-12-01T23:59:00+01:00\"",
                path.display()
            );
        }
        for module in &assignment.modules {
            modules::find(module).with_context(|| path.display().to_string())?;
        }
        Ok(assignment)
    }
}
