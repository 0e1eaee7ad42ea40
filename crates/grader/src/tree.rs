//! The files below a folder, to compare before and after.

use std::collections::BTreeMap;
use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file and all its bytes.
    File(Vec<u8>),
    /// A folder.
    Folder,
    /// A symbolic link and where it leads.
    Link(PathBuf),
    /// A FIFO, a socket or a device.
    Special,
}

/// Everything below `folder`, by path relative to it; links are not followed.
///
/// # Errors
///
/// Those of reading the folder and its files; a file that vanishes meanwhile is left out.
pub fn snapshot(folder: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(current) = open.pop() {
        for item in fs_err::read_dir(&current)? {
            let item = item?;
            let path = item.path();
            let name = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
            match entry(&path, item.file_type()?) {
                Ok(entry) => {
                    if entry == Entry::Folder {
                        open.push(path);
                    }
                    found.insert(name, entry);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

fn entry(path: &Path, kind: FileType) -> io::Result<Entry> {
    if kind.is_dir() {
        Ok(Entry::Folder)
    } else if kind.is_symlink() {
        Ok(Entry::Link(fs_err::read_link(path)?))
    } else if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device()
    {
        Ok(Entry::Special)
    } else {
        Ok(Entry::File(fs_err::read(path)?))
    }
}
