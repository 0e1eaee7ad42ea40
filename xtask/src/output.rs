//! Writing results: files as a whole or not at all, and standard output that may be a closed pipe.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use grader::page::Page;

use crate::{interrupt, terminal};

/// A file that a result will be written to. Existing content stays until the new one stands
/// complete.
#[derive(Debug)]
pub struct ResultFile {
    shown_as: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A regular file, or none yet: written beside it, then renamed over it.
    File { folder: PathBuf, path: PathBuf },
    /// A terminal, pipe or device, which a rename would replace: written to as it is.
    Special(PathBuf),
}

impl ResultFile {
    /// Finds out whether `path` can be written, before the work whose result it will hold.
    ///
    /// # Errors
    ///
    /// It is a folder, its folder is missing, or nothing can be written there.
    pub fn prepare(path: &Path) -> anyhow::Result<Self> {
        let attempt = || format!("write the result to {}", path.display());
        // A symbolic link stays one: the file that it points at is replaced.
        let full = fs_err::canonicalize(path).or_else(|_| std::path::absolute(path));
        let full = full.with_context(attempt)?;
        let shown_as = path.to_path_buf();
        if full.is_dir() {
            bail!("cannot {}: it is a folder", attempt());
        }
        if full.exists() && !full.is_file() {
            return Ok(Self { shown_as, place: Place::Special(full) });
        }
        let Some(folder) = full.parent().map(Path::to_path_buf) else {
            bail!("cannot {}: it names no file", attempt());
        };
        if !folder.is_dir() {
            bail!("cannot {}: there is no folder {}", attempt(), folder.display());
        }
        beside(&folder, &full).with_context(attempt)?;
        Ok(Self { shown_as, place: Place::File { folder, path: full } })
    }

    /// Writes the whole content.
    ///
    /// # Errors
    ///
    /// It does not fit, or the folder can no longer be written. The old file then stands as it was.
    pub fn write(&self, content: &[u8]) -> anyhow::Result<()> {
        let attempt = || format!("write the result to {}", self.shown_as.display());
        let _whole = interrupt::hold();
        match &self.place {
            Place::File { folder, path } => {
                let mut file = beside(folder, path).with_context(attempt)?;
                file.write_all(content).and_then(|()| file.flush()).with_context(attempt)?;
                file.persist(path).map_err(|error| error.error).with_context(attempt)?;
            }
            Place::Special(path) => {
                let mut file = fs_err::OpenOptions::new().write(true).open(path)?;
                file.write_all(content).with_context(attempt)?;
            }
        }
        Ok(())
    }
}

/// A file of its own in the same folder, with the rights that `path` has or would get; removed
/// unless persisted.
fn beside(folder: &Path, path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".xtask-");
    #[cfg(unix)]
    {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;
        let mode = path.metadata().map_or(0o666, |metadata| metadata.permissions().mode());
        builder.permissions(Permissions::from_mode(mode & 0o777)).tempfile_in(folder)
    }
    #[cfg(not(unix))]
    {
        _ = path;
        builder.tempfile_in(folder)
    }
}

/// Writes to standard output. A reader that has gone away (`… | head`) is no failure.
///
/// # Errors
///
/// Standard output takes no more for another reason, such as a full disk.
pub fn print(content: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(content).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("write the result to standard output")
        }
        _ => Ok(()),
    }
}

/// Prints sentences, filled to the width of the terminal; a line that begins with two spaces is a
/// command to copy, and stays whole.
///
/// # Errors
///
/// As [`print`].
pub fn tell(text: &str) -> anyhow::Result<()> {
    let mut page = Page::new(&terminal::text_options(false));
    page.sentences(text);
    print(page.text().as_bytes())
}

/// Text as it may stand in XML, and so in an SVG picture.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
