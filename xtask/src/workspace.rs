//! Where things lie: the root of the course, its folders, and the folder that cargo builds into.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use grader::manifest::Manifest;
use grader::module::Module;

use crate::modules;

/// The course's folder on this machine.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

/// Whose program is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The learner's, in `exercises/`.
    Learner,
    /// The reference, in `solutions/`.
    Reference,
}

impl Workspace {
    /// Finds the course from `CARGO_MANIFEST_DIR`, which `cargo run` sets, or from the working
    /// directory upwards.
    ///
    /// # Errors
    ///
    /// Neither lies inside a course.
    pub fn find() -> anyhow::Result<Self> {
        let here = env::current_dir().context("find the working directory")?;
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let Some(root) = manifest.iter().chain([&here]).find_map(|start| course_around(start))
        else {
            bail!(
                "{} is not inside the course: no folder above it holds Cargo.toml, crates/ and \
                 exercises/; \
                 change into the course's folder and try again",
                here.display()
            );
        };
        let root = fs_err::canonicalize(root)?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) if !folder.is_empty() => here.join(folder),
            _ => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A course at `root`, whatever stands there.
    #[cfg(test)]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf(), target: root.join("target") }
    }

    /// The course's folder, absolute and without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The runner's own corner of cargo's target folder.
    pub fn own_target(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// The folder of a module's program.
    pub fn program_folder(&self, module: &str, owner: Owner) -> PathBuf {
        self.root.join(owner.folder()).join(module)
    }

    /// The folder of a module's checks.
    pub fn checks_folder(&self, module: &str) -> PathBuf {
        self.root.join("crates").join(module)
    }

    /// Makes sure that this course has the program of `owner`: handouts come without references.
    ///
    /// # Errors
    ///
    /// It has no reference of `module`.
    pub fn expect_program(&self, module: &str, owner: Owner) -> anyhow::Result<()> {
        if owner == Owner::Reference && !self.has_reference(module) {
            bail!(
                "this course has no reference of {module}: there is no folder solutions/{module}. \
                 Courses are handed out without it where the work counts"
            );
        }
        Ok(())
    }

    /// Whether this course has the reference of `module`.
    pub fn has_reference(&self, module: &str) -> bool {
        self.program_folder(module, Owner::Reference).join("src").is_dir()
    }

    /// Reads a module's manifest.
    ///
    /// # Errors
    ///
    /// The file cannot be read or breaks the format; the message names file, line and column.
    pub fn manifest(&self, module: &str) -> anyhow::Result<Manifest> {
        let path = self.checks_folder(module).join("module.toml");
        Ok(Manifest::load(&path)?)
    }

    /// The module in whose folder the user stands, if that is so.
    pub fn module_stood_in(&self) -> Option<&'static Module> {
        let (_, name) = self.folder_stood_in()?;
        modules::TAUGHT.iter().find(|module| name == module.name)
    }

    /// The folder below the root in which the user stands, in its two first parts.
    fn folder_stood_in(&self) -> Option<(OsString, OsString)> {
        let here = fs_err::canonicalize(env::current_dir().ok()?).ok()?;
        let mut parts = here.strip_prefix(&self.root).ok()?.iter();
        let kind = parts.next()?;
        let is_known = ["exercises", "solutions", "crates"].iter().any(|known| kind == *known);
        is_known.then_some((kind.to_owned(), parts.next()?.to_owned()))
    }

    /// The module named, or without a name the one in whose folder the user stands. `command` is
    /// what the user runs.
    ///
    /// # Errors
    ///
    /// No module has that name, or none is named and the user stands in no module's folder.
    pub fn one_module(&self, name: Option<&str>, command: &str) -> anyhow::Result<&'static Module> {
        if let Some(name) = name {
            return modules::find(name);
        }
        let Some(module) = self.module_stood_in() else {
            let names: Vec<&str> = modules::TAUGHT.iter().map(|module| module.name).collect();
            bail!(
                "which module? Name it, as in `cargo xtask {command} {}`; there are {}",
                names.first().unwrap_or(&"MODULE"),
                names.join(", ")
            );
        };
        Ok(module)
    }

    /// The modules named, in the taught order and each once; without names the one stood in, else
    /// all.
    ///
    /// # Errors
    ///
    /// A name is no module's, or without names the user stands in an exercise that has no checks.
    pub fn chosen_modules(&self, names: &[String]) -> anyhow::Result<Vec<&'static Module>> {
        if names.is_empty() {
            let stood_in = self.module_stood_in();
            if stood_in.is_none()
                && let Some((kind, name)) = self.folder_stood_in()
                && kind != "crates"
            {
                let folder = Path::new(&kind).join(name);
                bail!(
                    "{} has no checks yet, so there is nothing to grade it by; \
                     `cargo xtask list` shows the modules that can be graded",
                    folder.display()
                );
            }
            return Ok(stood_in.map_or_else(|| modules::TAUGHT.iter().collect(), |one| vec![one]));
        }
        for name in names {
            modules::find(name)?;
        }
        Ok(modules::TAUGHT
            .iter()
            .filter(|module| names.iter().any(|name| name == module.name))
            .collect())
    }
}

impl Owner {
    /// The folder at the root in which such programs lie.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Learner => "exercises",
            Self::Reference => "solutions",
        }
    }

    /// The package of a module's program, which is also its binary's name.
    pub fn package(self, module: &str) -> String {
        match self {
            Self::Learner => module.to_owned(),
            Self::Reference => format!("{module}-solution"),
        }
    }
}

fn course_around(start: &Path) -> Option<PathBuf> {
    let is_course = |folder: &&Path| {
        folder.join("Cargo.toml").is_file()
            && folder.join("crates").is_dir()
            && folder.join("exercises").is_dir()
    };
    start.ancestors().find(is_course).map(Path::to_path_buf)
}
