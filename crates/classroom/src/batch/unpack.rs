//! An export that is one archive: unpacked entry by entry into a passing folder.

use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};

use super::files::{self, Kind, Source, Stop, Visitor};
use crate::interrupt::PassingFolder;
use crate::results::printable;
use crate::workspace::Workspace;

/// How much a whole class may be, in bytes.
const CLASS_BYTES: u64 = 4 << 30;

/// An unpacked export; gone with this value.
pub struct Unpacked {
    _passing: PassingFolder,
    folder: PathBuf,
    notes: Vec<String>,
}

impl Unpacked {
    /// The folder that holds the submissions.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Unpacks the export if it is an archive.
///
/// # Errors
///
/// It is a file and no archive, is damaged or too large, or there is no room for it.
pub fn if_archive(path: &Path, workspace: &Workspace) -> anyhow::Result<Option<Unpacked>> {
    if path.is_dir() {
        return Ok(None);
    }
    let Some(source) = Source::archive(path) else {
        bail!("{} is neither a folder nor a zip, tar or tar.gz archive", path.display());
    };
    let all = workspace.own_target().join("classroom/unpacked");
    remove_abandoned(&all);
    // The number keeps runs apart that go on at the same time.
    let own = all.join(std::process::id().to_string());
    let passing = PassingFolder::make(own).context("make a folder for the unpacked submissions")?;
    let mut unpacker =
        Unpacker { to: passing.path().to_path_buf(), total: 0, notes: Vec::new(), left_out: 0 };
    match files::visit(&source, &mut unpacker) {
        Ok(()) => {}
        Err(Stop::Refused(why)) => bail!("{}: {why}; unpack it yourself", path.display()),
        Err(Stop::Error(error)) => {
            return Err(error).with_context(|| format!("unpack {}", path.display()));
        }
    }
    let mut notes = unpacker.notes;
    if unpacker.left_out > notes.len() {
        notes.push(format!("and {} more were left out", unpacker.left_out - notes.len()));
    }
    let folder = only_folder(passing.path())?;
    Ok(Some(Unpacked { _passing: passing, folder, notes }))
}

/// Removes the folders of runs that were killed: those called as no living process.
fn remove_abandoned(all: &Path) {
    for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
        let is_abandoned = Path::new("/proc/self").exists()
            && !Path::new("/proc").join(entry.file_name()).exists();
        if is_abandoned {
            // What cannot be removed is in nobody's way.
            _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Some exports have all in one folder.
fn only_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut entries = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        entries.push(entry?.path());
    }
    match entries.as_slice() {
        [only] if only.is_dir() && !only.join("src").is_dir() => Ok(only.clone()),
        _ => Ok(folder.to_path_buf()),
    }
}

struct Unpacker {
    to: PathBuf,
    total: u64,
    notes: Vec<String>,
    left_out: usize,
}

impl Unpacker {
    fn leave_out(&mut self, path: &[u8], why: &str) {
        self.left_out += 1;
        if self.notes.len() < 20 {
            let shown = printable(&String::from_utf8_lossy(path)).replace('\n', "\\n");
            self.notes.push(format!("left out, since it is {why}: {shown}"));
        }
    }
}

impl Visitor for Unpacker {
    fn wants(&mut self, path: &[u8], kind: Kind) -> bool {
        let text = String::from_utf8_lossy(path).into_owned();
        let is_inside = Path::new(&text)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        match kind {
            Kind::Folder => false,
            Kind::Other(what) => {
                self.leave_out(path, what);
                false
            }
            Kind::File if !is_inside || text.chars().any(char::is_control) => {
                self.leave_out(path, "a path that leads out, or has control characters");
                false
            }
            Kind::File => true,
        }
    }

    fn take(&mut self, path: &[u8], content: &mut dyn Read) -> Result<(), Stop> {
        let text = String::from_utf8_lossy(path).into_owned();
        let place = self.to.join(&text);
        let made = place.parent().map_or(Ok(()), std::fs::create_dir_all);
        let file = made.and_then(|()| std::fs::File::create_new(&place));
        let mut file = match file {
            Ok(file) => file,
            // A name that is too long, or stands there already: nothing of the machine's.
            Err(error) => {
                self.leave_out(path, &format!("not to be written ({error})"));
                return Ok(());
            }
        };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = content.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.total += count as u64;
            if self.total > CLASS_BYTES {
                let most = CLASS_BYTES >> 30;
                return Err(Stop::Refused(format!("it unpacks to more than {most} GiB")));
            }
            file.write_all(&buffer[..count])?;
        }
    }
}
