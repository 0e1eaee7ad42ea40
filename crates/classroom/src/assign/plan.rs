//! What an assignment asks of each check: the assignment's rules laid over the modules' manifests.

use std::path::Path;

use anyhow::{Context, bail};
use grader::manifest::{CheckEntry, Kind, Manifest, ManifestError};
use grader::module::Module;

use crate::assignment::Assignment;
use crate::export::score::Rules;
use crate::modules;
use crate::workspace::Workspace;

/// What the core checks of a module add up to, unless its manifest says otherwise.
pub const CORE_POINTS: u32 = 100;

/// An assignment whose rules fit the course.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What was asked.
    pub assignment: Assignment,
    /// Its modules, in the taught order.
    pub modules: Vec<ModulePlan>,
}

/// One module of it.
#[derive(Debug, Clone)]
pub struct ModulePlan {
    /// The module.
    pub module: &'static Module,
    /// The title of its lesson.
    pub title: String,
    /// Its manifest as the course has it.
    pub manifest: String,
    /// Its checks, in the manifest's order.
    pub checks: Vec<CheckPlan>,
}

/// How one check counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckPlan {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Whether its points come on top; a check that does not count is extra, too.
    pub kind: Kind,
    /// What it is worth: nothing, if it does not count.
    pub points: u32,
    /// Whether learners do not get it.
    pub hidden: bool,
}

impl ModulePlan {
    /// The checks that learners get.
    pub fn visible(&self) -> impl Iterator<Item = &CheckPlan> {
        self.checks.iter().filter(|check| !check.hidden)
    }

    /// The ids of the checks that learners do not get.
    pub fn hidden(&self) -> Vec<&str> {
        let hidden = self.checks.iter().filter(|check| check.hidden);
        hidden.map(|check| check.id.as_str()).collect()
    }

    /// What the core checks that learners get add up to.
    pub fn core_points(&self) -> u32 {
        sum(self.visible(), Kind::Core)
    }

    /// What the extra checks that learners get add up to.
    pub fn extra_points(&self) -> u32 {
        sum(self.visible(), Kind::Stretch)
    }

    /// What the other core checks add up to.
    pub fn hidden_points(&self) -> u32 {
        sum(self.checks.iter().filter(|check| check.hidden), Kind::Core)
    }
}

fn sum<'a>(checks: impl Iterator<Item = &'a CheckPlan>, kind: Kind) -> u32 {
    checks.filter(|check| check.kind == kind).map(|check| check.points).sum()
}

impl Plan {
    /// The plan of the assignment in `file`, or of the modules in `names` with all as in their
    /// manifests. With both, they have to name the same modules.
    ///
    /// # Errors
    ///
    /// The file cannot be read or breaks the format, or it names a module or check that there is
    /// not; the error has the file and the line. No module is named. A module keeps no check.
    pub fn find(
        workspace: &Workspace,
        names: &[String],
        file: Option<&Path>,
    ) -> anyhow::Result<Self> {
        for name in names {
            modules::find(name)?;
        }
        let mut assignment = match file {
            Some(file) => Assignment::load(file)?,
            None if names.is_empty() => bail!(
                "name the modules to hand out, as in `cargo xtask assign tcp-echo --out DIR`, or \
                 give an assignment with --assignment FILE"
            ),
            None => Assignment::plain(names.to_vec()),
        };
        if let Some(file) = file {
            same_modules(&assignment, names, file)?;
        }
        let is_asked = |module: &&Module| assignment.modules.iter().any(|name| name == module.name);
        let mut planned = Vec::new();
        for module in modules::TAUGHT.iter().filter(is_asked) {
            planned.push(ModulePlan::of(workspace, module, &assignment)?);
        }
        assignment.modules = planned.iter().map(|one| one.module.name.to_owned()).collect();
        if let Some(file) = file {
            known_checks(&assignment, &planned, file)?;
            Rules::of(assignment.clone()).with_context(|| file.display().to_string())?;
        }
        for module in &planned {
            if module.visible().next().is_none() {
                bail!(
                    "every check of {} is hidden, so a learner would have nothing to grade by; \
                     leave one visible, or the module out",
                    module.module.name
                );
            }
        }
        Ok(Self { assignment, modules: planned })
    }

    /// The names of the modules.
    pub fn names(&self) -> Vec<&'static str> {
        self.modules.iter().map(|module| module.module.name).collect()
    }

    /// Whether a package of the course belongs to a module that is not handed out.
    pub fn leaves_out(&self, package: &str) -> bool {
        let mut others =
            modules::TAUGHT.iter().filter(|module| !self.names().contains(&module.name));
        others.any(|module| {
            package.strip_suffix("-grading") == Some(module.name) || package == module.name
        })
    }
}

impl ModulePlan {
    fn of(
        workspace: &Workspace,
        module: &'static Module,
        assignment: &Assignment,
    ) -> anyhow::Result<Self> {
        let path = workspace.checks_folder(module.name).join("module.toml");
        let text = fs_err::read_to_string(&path)?;
        let manifest = Manifest::parse(&text, &path)?;
        let planned = |check: &CheckEntry| {
            let name = format!("{}/{}", module.name, check.id);
            let rule = assignment.checks.get(&name).cloned().unwrap_or_default();
            let counts = rule.counts.unwrap_or(true);
            CheckPlan {
                id: check.id.clone(),
                title: check.title.clone(),
                kind: match rule.extra {
                    _ if !counts => Kind::Stretch,
                    Some(true) => Kind::Stretch,
                    Some(false) => Kind::Core,
                    None => check.kind,
                },
                points: if counts { rule.points.unwrap_or(check.points) } else { 0 },
                hidden: rule.hidden,
            }
        };
        let checks = manifest.checks.iter().map(planned).collect();
        Ok(Self { module, title: manifest.title, manifest: text, checks })
    }
}

fn same_modules(assignment: &Assignment, names: &[String], file: &Path) -> anyhow::Result<()> {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        names
    };
    if names.is_empty() || sorted(names) == sorted(&assignment.modules) {
        return Ok(());
    }
    bail!(
        "the command line names {}, and {} names {}; name the modules in one place, or the same",
        names.join(", "),
        file.display(),
        assignment.modules.join(", ")
    )
}

/// Every rule has to name a check: a typing mistake would otherwise hand out what is to be hidden.
fn known_checks(
    assignment: &Assignment,
    planned: &[ModulePlan],
    file: &Path,
) -> anyhow::Result<()> {
    let all: Vec<String> = planned
        .iter()
        .flat_map(|module| {
            module.checks.iter().map(|check| format!("{}/{}", module.module.name, check.id))
        })
        .collect();
    let Some(name) = assignment.checks.keys().find(|name| !all.contains(*name)) else {
        return Ok(());
    };
    let text = fs_err::read_to_string(file)?;
    let at = text.find(&format!("\"{name}\"")).or_else(|| text.find(name.as_str()));
    let known: Vec<&str> = all.iter().map(String::as_str).collect();
    let of = format!("the checks of {}", assignment.modules.join(", "));
    let advice =
        format!("a check is named \"MODULE/CHECK\": {}", modules::suggest(name, &known, &of));
    let problem = format!("there is no check `{name}` in this assignment");
    Err(ManifestError::at(at.unwrap_or(0), &text, file, problem, &advice).into())
}
