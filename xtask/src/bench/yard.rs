//! A copy of the course with a target folder of its own: nobody's work is touched, and a cold build
//! is really cold.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::measure::timed;
use crate::build;
use crate::interrupt::PassingFolder;
use crate::workspace::{Owner, Workspace};

/// A copy of the course in which everything is measured.
pub struct Yard {
    /// The copy.
    pub tree: PathBuf,
    /// The copy's target folder.
    pub target: PathBuf,
    /// Holds both, and has room for more. Gone on every way out.
    pub folder: PassingFolder,
}

impl Yard {
    /// Copies the course.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written.
    pub fn lay_out(workspace: &Workspace) -> anyhow::Result<Self> {
        let folder = PassingFolder::make(workspace.own_target().join("bench"))?;
        let tree = folder.path().join("tree");
        copy_tree(workspace.root(), &tree)?;
        let target = folder.path().join("target");
        Ok(Self { tree, target, folder })
    }

    /// A cargo command in the copy.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = build::cargo(&self.tree);
        command.args(arguments).env("CARGO_TARGET_DIR", &self.target);
        // A terminal's width and colours are no part of what is measured.
        command.env("NO_COLOR", "1");
        command
    }

    /// The runner as built in the copy, without the cargo around it.
    pub fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.target.join("debug/xtask"));
        build::end_with_runner(&mut command);
        command.args(arguments).current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target);
        command.env("CARGO_MANIFEST_DIR", self.tree.join("xtask")).env("NO_COLOR", "1");
        command
    }

    /// Builds the reference of `module` as a release, and says where it is.
    ///
    /// # Errors
    ///
    /// It cannot be built.
    pub fn release_of(&self, module: &str) -> anyhow::Result<PathBuf> {
        let package = Owner::Reference.package(module);
        timed(&mut self.cargo(&["build", "--release", "--package", &package]), &[0])?;
        Ok(self.target.join("release").join(package))
    }
}

/// Copies the course or a folder of it, but neither what was built nor what belongs to git.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_left_out = name == "target" || name == ".git";
        let (source, copy) = (entry.path(), to.join(&name));
        if is_left_out || to.starts_with(&source) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_tree(&source, &copy)?;
        } else if entry.file_type()?.is_file() {
            fs_err::copy(&source, &copy)?;
        }
    }
    Ok(())
}
