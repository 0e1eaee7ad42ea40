//! The run's scratch folder.

use std::fs::{self, DirBuilder, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

const NAME_CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// What a run needs at the least; less is told as a full disk before anything is started.
const ROOM_BYTES: usize = 64 * 1024;

/// Makes a folder below `base` that only this user may enter.
///
/// # Errors
/// Names the folder when it is missing, not writable or full.
pub(crate) fn make(base: &Path) -> io::Result<PathBuf> {
    let explain = |error: io::Error| {
        let text = format!("make a folder for this run in {}: {error}", base.display());
        io::Error::new(error.kind(), text)
    };
    loop {
        let path = base.join(format!("socket-course-{}", random_name()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {
                if let Err(error) = check_room(&path) {
                    // The first failure is the one to tell.
                    let _ = fs::remove_dir_all(&path);
                    return Err(explain(error));
                }
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(explain(error)),
        }
    }
}

/// Removes the folder and all below it, folders that a program locked included.
///
/// # Errors
/// Something below it cannot be removed all the same.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {}
    }
    unlock(path);
    fs::remove_dir_all(path)
}

fn check_room(folder: &Path) -> io::Result<()> {
    let file = folder.join("room");
    fs::write(&file, vec![0; ROOM_BYTES])?;
    fs::remove_file(&file)
}

/// Gives this user back the right to enter and change each folder. Never follows a symlink.
fn unlock(folder: &Path) {
    // What cannot be unlocked shows when it is removed.
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
        }
    }
}

fn random_name() -> String {
    // The standard library seeds its hash maps from the system's randomness: enough for a name.
    let mut bits = RandomState::new().hash_one(std::process::id());
    let mut name = String::new();
    for _ in 0..6 {
        name.push(char::from(NAME_CHARACTERS[(bits % 32) as usize]));
        bits /= 32;
    }
    name
}
