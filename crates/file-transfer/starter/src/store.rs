//! Files on disk: one appears under its name whole or not at all.
//!
//! Data that is still coming goes to a temporary name in the same folder, and only a complete file
//! is renamed. Both sides store their files with this.

use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

/// How many bytes go from a socket to a file, or back, at a time.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// A file that is still coming. Dropped before [`Incoming::keep`] it is to leave nothing behind.
pub struct Incoming {
    target: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
}

impl Incoming {
    /// Creates a temporary file for what is to become `target`.
    ///
    /// # Errors
    /// Fails if `target` is something else than a file, or if its folder takes no new file.
    pub fn create(target: &Path) -> io::Result<Self> {
        let temporary = temporary_name(target);
        let file = BufWriter::with_capacity(BUFFER_BYTES, File::create_new(&temporary)?);
        Ok(Self { target: target.to_path_buf(), temporary, file })
    }

    /// Takes the next `size` bytes of `source`, and not one more.
    ///
    /// # Errors
    /// Fails if fewer come, if reading fails, or if writing does: the disk may be full.
    pub fn fill(&mut self, source: &mut impl Read, size: u64) -> io::Result<()> {
        let source: &mut dyn Read = source;
        todo!("io::copy {size} bytes from {:p} to {:?}; flush; were they all?", source, self.file)
    }

    /// Gives the file its name, in place of an older one.
    ///
    /// # Errors
    /// Fails if the file system does not let it; then nothing has changed.
    pub fn keep(self) -> io::Result<()> {
        todo!("rename {:?} to {:?}", self.temporary, self.target)
    }
}

/// A path in the folder of `target` that no other transfer uses, and no listing shows.
fn temporary_name(target: &Path) -> PathBuf {
    todo!("beside {target:?}, whose name may have 255 bytes already")
}

/// Opens the file at `path` for reading, and tells its size in bytes.
///
/// # Errors
/// Fails if there is none, or if it is a link, a FIFO, a folder.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    todo!("what is {path:?}? only then open it")
}

/// The files of `folder` that can be asked for, as name and size, sorted by the bytes of the name.
///
/// # Errors
/// Fails if the folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    todo!("read_dir {folder:?}: regular files with a proper name, and nothing else")
}
