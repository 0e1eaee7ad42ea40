//! Files on disk: one appears under its name whole or not at all.
//!
//! The idea: data that is still coming goes to a temporary name in the same folder, and only a
//! complete file is renamed. rename is one step for the file system, and it replaces an old file in
//! that same step: whoever opens the name finds all of the old file or all of the new one. The
//! same folder, because a rename cannot move data from one file system to another. A temporary
//! name of our own for each transfer, because two may bring the same name at the same time.
//!
//! What it leaves out: we flush to the kernel, so a file survives our own end, but not a power cut
//! (that takes `File::sync_all`, and another one for the folder). A program that is killed leaves
//! its temporary file behind; a real server would sweep at its start. We look at a file before we
//! open it: nobody can put a link or a FIFO there through the protocol, but a local user could do
//! so between the two (`O_NOFOLLOW` and `O_NONBLOCK` leave no such gap).

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::check_name;

/// How many bytes go from a socket to a file, or back, at a time.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// The number of the next temporary file of this process.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// A file that is still coming. Dropped before [`Incoming::keep`] it leaves nothing behind.
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
        match fs::symlink_metadata(target) {
            Ok(metadata) => require_regular(&metadata)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        loop {
            // Not made from the target's name: that may have 255 bytes already.
            let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
            let temporary = target.with_file_name(format!(".incoming-{}-{number}", process::id()));
            // O_EXCL: two programs can never write to one temporary file.
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => {
                    let file = BufWriter::with_capacity(BUFFER_BYTES, file);
                    return Ok(Self { target: target.to_path_buf(), temporary, file });
                }
                // Left behind by a process that had our number and was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the next `size` bytes of `source`, and not one more.
    ///
    /// # Errors
    /// Fails if fewer come, if reading fails, or if writing does: the disk may be full.
    pub fn fill(&mut self, source: &mut impl Read, size: u64) -> io::Result<()> {
        // io::copy reads into the BufWriter's own buffer: 256 KiB at a time instead of 8, and no
        // more memory for a file of any size.
        let count = io::copy(&mut source.take(size), &mut self.file)?;
        if count < size {
            let message = format!("the stream ended after {count} of {size} bytes");
            return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
        }
        // The last bytes are still in the buffer, and only this tells whether they fit on the disk:
        // dropping a BufWriter writes them too, but keeps the error to itself.
        self.file.flush()
    }

    /// Gives the file its name, in place of an older one.
    ///
    /// # Errors
    /// Fails if the file system does not let it; then nothing has changed.
    pub fn keep(self) -> io::Result<()> {
        // The drop that follows finds no temporary file any more.
        let _ = fs::rename(&self.temporary, &self.target);
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Runs on every way out: a peer that went, a full disk, a panic in the thread.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Opens the file at `path` for reading, and tells its size in bytes.
///
/// # Errors
/// Fails if there is none, or if it is a link, a FIFO, a folder.
pub fn open(path: &Path) -> io::Result<(File, u64)> {
    // Before it is opened: open would follow the link, and wait for somebody to write to the FIFO.
    require_regular(&fs::symlink_metadata(path)?)?;
    open_any(path)
}

/// As [`open`], but follows links: for a path of the user's own.
///
/// # Errors
/// Fails if there is none, or if it is a FIFO or a folder.
pub fn open_own(path: &Path) -> io::Result<(File, u64)> {
    require_regular(&fs::metadata(path)?)?;
    open_any(path)
}

fn open_any(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    // The open file's size: a new version may have taken the name since we looked.
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn require_regular(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
}

/// The files of `folder` that can be asked for, as name and size, sorted by the bytes of the name.
///
/// # Errors
/// Fails if the folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Not every file name is UTF-8, or one that could be asked for.
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Of the entry itself, not of what a link leads to. A file that has gone meanwhile is none.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && check_name(&name).is_ok() {
            files.push((name, metadata.len()));
        }
    }
    // Strings compare by their bytes, which no language's alphabet changes.
    files.sort();
    Ok(files)
}
