//! The files below one folder, and nothing beside it.
//!
//! A path may leave a folder through a symbolic link as well as through `..`. So the file system
//! is asked where a path really ends (`canonicalize`), and the answer has to lie below the folder.
//!
//! What it leaves out: we assume that nobody plants links in the folder at the very moment between
//! this question and the opening. On Linux `openat2` with `RESOLVE_BENEATH` asks and opens at once.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::response::{INTERNAL_ERROR, NOT_FOUND, Status};
use crate::target::TargetPath;

/// What a folder gives when it is asked for.
const INDEX: &str = "index.html";
/// The type of everything whose extension is not below.
const ANY_TYPE: &str = "application/octet-stream";
/// Extensions in lower case, and their types.
const TYPES: [(&str, &str); 10] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("txt", "text/plain; charset=utf-8"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("svg", "image/svg+xml"),
    ("ico", "image/vnd.microsoft.icon"),
    ("wasm", "application/wasm"),
];
/// The last second that an HTTP date can tell, of the year 9999, since 1970.
const LAST_SECOND: u64 = 253_402_300_799;

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
    /// When it was last changed; `None` before 1970 and after 9999, which no HTTP date can tell
    /// (`httpdate` would panic).
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
        let root = fs::canonicalize(path).with_context(|| format!("serve {path:?}"))?;
        if !root.is_dir() {
            bail!("serve {path:?}: not a folder");
        }
        Ok(Self { root })
    }

    /// What `target` stands for.
    ///
    /// # Errors
    /// The status to answer with. Whatever lies outside is not found, like what does not exist: the
    /// answer does not tell which.
    pub fn find(&self, target: &TargetPath) -> Result<Found, Status> {
        let mut path = self.root.clone();
        path.extend(target.os_names());
        let mut place = self.inside(&path)?;
        let media_type = if target.is_folder { ANY_TYPE } else { media_type(&path) };
        if target.is_folder {
            if !place.is_dir() {
                return Err(NOT_FOUND);
            }
            path.push(INDEX);
            place = self.inside(&path)?;
        } else if place.is_dir() {
            return Ok(Found::Folder);
        }
        // Asked before it is opened: to open a FIFO is to wait for somebody who writes to it.
        if !place.is_file() {
            return Err(NOT_FOUND);
        }
        // The type is that of the requested name, whatever the name of a link's goal.
        let document = Document::open(&place, media_type);
        document.map(Found::File).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => NOT_FOUND,
            _ => INTERNAL_ERROR,
        })
    }

    /// Where `path` ends when every link is followed, if that is inside.
    fn inside(&self, path: &Path) -> Result<PathBuf, Status> {
        let place = fs::canonicalize(path).map_err(|_| NOT_FOUND)?;
        // `Path::starts_with` compares whole names: as text, /srv/site-old begins with /srv/site.
        if place.starts_with(&self.root) { Ok(place) } else { Err(NOT_FOUND) }
    }
}

impl Document {
    fn open(place: &Path, media_type: &'static str) -> io::Result<Self> {
        let file = File::open(place)?;
        // The open file's own, so that size and bytes are of the same file.
        let metadata = file.metadata()?;
        // An HTTP date has whole seconds, a file's time has nanoseconds. It must not be later than
        // the answer's Date either (RFC 9110, section 8.8.2.1).
        let modified = metadata.modified()?.min(SystemTime::now());
        let seconds = modified.duration_since(SystemTime::UNIX_EPOCH).map(|age| age.as_secs());
        let modified = seconds
            .ok()
            .filter(|seconds| *seconds <= LAST_SECOND)
            .map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        Ok(Self { file, size: metadata.len(), modified, media_type })
    }
}

/// The media type by the name's extension.
fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().map(OsString::from).unwrap_or_default();
    let known = TYPES.iter().find(|(name, _)| extension.eq_ignore_ascii_case(name));
    known.map_or(ANY_TYPE, |(_, media_type)| media_type)
}
