//! The starters as the course gave them, in `crates/MODULE/starter`: what `reset` puts back.
//!
//! A learner's clone may have commits of their own, and a handout has no history at all, so a
//! starter is not taken from git. `cargo xtask verify` holds the copy to the files in `exercises/`.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::workspace::Workspace;

/// A module's starter.
#[derive(Debug, Clone)]
pub struct Starter {
    folder: PathBuf,
}

impl Starter {
    /// The starter of `module`.
    ///
    /// # Errors
    ///
    /// This copy of the course has none.
    pub fn of(workspace: &Workspace, module: &str) -> anyhow::Result<Self> {
        let folder = workspace.checks_folder(module).join("starter");
        if !folder.join("src").is_dir() {
            bail!(
                "there is no starter in {}, so nothing can be put back; get that folder from the \
                 course's own files",
                folder.display()
            );
        }
        Ok(Self { folder })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names at its top: `Cargo.toml`, `src`.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn parts(&self) -> anyhow::Result<Vec<PathBuf>> {
        names(&self.folder)
    }

    /// Which files at or below the starter's names differ between `folder` and the starter:
    /// changed, missing or added. Relative to both, in order.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn differences(&self, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut differ = Vec::new();
        for part in self.parts()? {
            differ.extend(differences(&self.folder, folder, &part)?);
        }
        Ok(differ)
    }
}

/// What stands in a folder, by name, in order.
///
/// # Errors
///
/// The folder cannot be read.
pub fn names(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        names.push(PathBuf::from(entry?.file_name()));
    }
    names.sort();
    Ok(names)
}

/// The files at or below `part` that are not the same in `left` and `right`.
///
/// # Errors
///
/// A file cannot be read.
pub fn differences(left: &Path, right: &Path, part: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = files_at(left, part)?;
    files.extend(files_at(right, part)?);
    files.sort();
    files.dedup();
    let mut differ = Vec::new();
    for file in files {
        if content(&left.join(&file))? != content(&right.join(&file))? {
            differ.push(file);
        }
    }
    Ok(differ)
}

/// The files at or below `root/part`, relative to `root`. A link counts as a file.
///
/// # Errors
///
/// A folder cannot be read.
pub fn files_at(root: &Path, part: &Path) -> anyhow::Result<Vec<PathBuf>> {
    match fs_err::symlink_metadata(root.join(part)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
        Ok(metadata) if !metadata.is_dir() => Ok(vec![part.to_path_buf()]),
        Ok(_) => {
            let mut files = Vec::new();
            for name in names(&root.join(part))? {
                files.extend(files_at(root, &part.join(name))?);
            }
            Ok(files)
        }
    }
}

/// A file's bytes; none where there is no file.
fn content(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs_err::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
