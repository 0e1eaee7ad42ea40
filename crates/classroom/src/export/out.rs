//! Where an export goes: whole or not at all, and over nothing that is there already.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::interrupt;
use crate::output::ResultFile;

/// A folder of files that appears with all of them.
pub struct Folder {
    to: PathBuf,
    stage: tempfile::TempDir,
    names: Vec<PathBuf>,
    force: bool,
}

impl Folder {
    /// Prepares the folder `to`.
    ///
    /// # Errors
    ///
    /// It is there and not empty (`force` lets files of the same names be replaced), is no folder,
    /// or the folder that it is to stand in takes no files.
    pub fn prepare(to: &Path, force: bool) -> anyhow::Result<Self> {
        let attempt = || format!("write the export to {}", to.display());
        if to.exists() {
            if !to.is_dir() {
                bail!("cannot {}: it is no folder", attempt());
            }
            let is_empty = fs_err::read_dir(to)?.next().is_none();
            if !is_empty && !force {
                bail!(
                    "{} is not empty; give another folder, or --force to replace files of the \
                     same names in it",
                    to.display()
                );
            }
        }
        let to = std::path::absolute(to).with_context(attempt)?;
        let Some(parent) = to.parent().filter(|parent| parent.is_dir()) else {
            bail!("cannot {}: the folder that it is to stand in is not there", attempt());
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".export-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o755));
        }
        let stage = builder.tempdir_in(parent).with_context(attempt)?;
        Ok(Self { to, stage, names: Vec::new(), force })
    }

    /// Adds a file, by its path in the folder.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn add(&mut self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        let full = self.stage.path().join(path);
        if let Some(parent) = full.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(&full, content)?;
        self.names.push(path.to_path_buf());
        Ok(())
    }

    /// Makes everything appear.
    ///
    /// # Errors
    ///
    /// A file cannot be put in its place.
    pub fn finish(self) -> anyhow::Result<()> {
        let _whole = interrupt::hold();
        let attempt = || format!("write the export to {}", self.to.display());
        let is_empty = !self.to.exists() || fs_err::read_dir(&self.to)?.next().is_none();
        if is_empty {
            // A folder may be renamed over an empty one (rename(2)).
            let stage = self.stage.keep();
            return fs_err::rename(&stage, &self.to).with_context(|| {
                _ = std::fs::remove_dir_all(&stage);
                attempt()
            });
        }
        if !self.force {
            bail!("{} is no longer empty; nothing was written", self.to.display());
        }
        for name in &self.names {
            let target = self.to.join(name);
            if let Some(parent) = target.parent() {
                fs_err::create_dir_all(parent).with_context(attempt)?;
            }
            fs_err::rename(self.stage.path().join(name), target).with_context(attempt)?;
        }
        Ok(())
    }
}

/// Prepares one file.
///
/// # Errors
///
/// It is there already (`force` lets it be replaced), or cannot be written.
pub fn file(path: &Path, force: bool) -> anyhow::Result<ResultFile> {
    if path.is_file() && !force {
        bail!("{} is there already; give another name, or --force to replace it", path.display());
    }
    ResultFile::prepare(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Folder;

    #[test]
    fn a_folder_appears_whole_and_over_nothing() {
        let scratch = tempfile::tempdir().expect("a folder");
        let to = scratch.path().join("out");
        let mut folder = Folder::prepare(&to, false).expect("prepare it");
        folder.add(Path::new("a/b.txt"), b"new").expect("add a file");
        assert!(!to.exists(), "nothing is there before all of it is");
        drop(folder);
        assert_eq!(std::fs::read_dir(scratch.path()).expect("read it").count(), 0);

        let mut folder = Folder::prepare(&to, false).expect("prepare it");
        folder.add(Path::new("a/b.txt"), b"new").expect("add a file");
        folder.finish().expect("finish");
        std::fs::write(to.join("mine"), "mine").expect("write");
        assert!(Folder::prepare(&to, false).is_err());
        let mut folder = Folder::prepare(&to, true).expect("prepare it");
        folder.add(Path::new("a/b.txt"), b"newer").expect("add a file");
        folder.finish().expect("finish");
        assert_eq!(std::fs::read(to.join("a/b.txt")).expect("read"), b"newer");
        assert_eq!(std::fs::read(to.join("mine")).expect("read"), b"mine");
        assert_eq!(std::fs::read_dir(scratch.path()).expect("read it").count(), 1);
    }
}
