//! The files below one folder, and nothing beside it.

use std::fs::File;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Result;

use crate::response::Status;
use crate::target::TargetPath;

/// What a folder gives when it is asked for.
const INDEX: &str = "index.html";
/// The type of everything whose extension you do not know.
const ANY_TYPE: &str = "application/octet-stream";

/// The folder that is served.
#[derive(Debug)]
pub struct Folder {
    /// Its path without symbolic links.
    root: PathBuf,
}

/// What stands at a path.
#[derive(Debug)]
pub enum Found {
    /// A file to serve.
    File(Document),
    /// A folder that was asked for without the slash at its end.
    Folder,
}

/// An open file and what is told about it.
#[derive(Debug)]
pub struct Document {
    /// The file, at its beginning.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed, in whole seconds; `None` before 1970 and after 9999, which no HTTP
    /// date can tell (`httpdate::fmt_http_date` panics).
    pub modified: Option<SystemTime>,
    /// Its media type.
    pub media_type: &'static str,
}

impl Folder {
    /// The folder at `path`, which may be a symbolic link to it.
    ///
    /// # Errors
    /// Fails if there is nothing at `path`, or something that is no folder.
    pub fn open(path: &str) -> Result<Self> {
        todo!("where does {path:?} really end, and is that a folder?")
    }

    /// What `target` stands for; for a folder, the index in it.
    ///
    /// # Errors
    /// The status to answer with.
    pub fn find(&self, target: &TargetPath) -> Result<Found, Status> {
        todo!("where below {:?} does {target:?} really end? {INDEX}, {ANY_TYPE}", self.root)
    }
}
