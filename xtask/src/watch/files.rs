//! Which files of the exercises a grading depends on, and which of them have changed.
//!
//! What an editor leaves beside them (swap files, backups, locks) is not among them, and what it
//! does to save (write twice, rename) shows as one change, since only the state afterwards is
//! compared.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::modules;

/// How deep folders below `src` are followed; a symbolic link may lead round in a circle.
const DEPTH: usize = 8;
/// A file longer than this is judged by its time and length alone.
const COMPARED_BYTES: u64 = 1 << 20;

/// The files as they were when they were last looked at.
pub struct Files {
    root: PathBuf,
    seen: BTreeMap<PathBuf, State>,
}

/// A file that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The module that it belongs to.
    pub module: &'static str,
    /// Where it is, from the course's folder on.
    pub path: PathBuf,
    /// What happened to it.
    pub what: What,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It has a new content, or is new.
    Saved,
    /// It was written again with the content that it had.
    SavedUnchanged,
    /// It is gone, or empty: often the first half of a save.
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
    digest: u64,
}

/// What a look found.
pub struct Look {
    /// The files and their states.
    found: BTreeMap<PathBuf, State>,
    /// What differs from the look before.
    pub changes: Vec<Change>,
}

impl Files {
    /// Of the course at `root`, as they are now.
    pub fn of(root: &Path) -> Self {
        let mut files = Self { root: root.to_path_buf(), seen: BTreeMap::new() };
        let look = files.look();
        files.accept(look);
        files
    }

    /// Looks for changes; nothing is taken for seen yet.
    pub fn look(&self) -> Look {
        let mut found = BTreeMap::new();
        for module in modules::TAUGHT {
            let folder = self.root.join("exercises").join(module.name);
            self.note(&folder.join("Cargo.toml"), &mut found);
            self.note_all(&folder.join("src"), DEPTH, &mut found);
        }
        let mut changes = Vec::new();
        for (path, state) in &found {
            let before = self.seen.get(path);
            if before == Some(state) {
                continue;
            }
            let was_empty = before.is_none_or(|before| before.bytes == 0);
            let what = match before {
                _ if state.bytes == 0 && !was_empty => What::Removed,
                Some(before) if before.digest == state.digest && before.bytes == state.bytes => {
                    What::SavedUnchanged
                }
                _ => What::Saved,
            };
            changes.extend(self.change(path, what));
        }
        let gone = self.seen.keys().filter(|path| !found.contains_key(*path));
        changes.extend(gone.filter_map(|path| self.change(path, What::Removed)));
        Look { found, changes }
    }

    /// Takes what a look found for seen.
    pub fn accept(&mut self, look: Look) {
        self.seen = look.found;
    }

    /// The folders in which something may happen that is worth a look.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let exercises = self.root.join("exercises");
        let mut folders = BTreeSet::new();
        for module in modules::TAUGHT {
            let folder = exercises.join(module.name);
            note_folders(&folder.join("src"), DEPTH, &mut folders);
            folders.extend(folder.is_dir().then_some(folder));
        }
        folders.insert(exercises);
        folders
    }

    /// Whether a symbolic link is among the files: what happens where it leads is not told in the
    /// folder where it lies.
    pub fn have_links(&self) -> bool {
        let is_link = |path: &Path| path.is_symlink();
        self.seen.keys().any(|path| is_link(path))
            || self.folders().iter().any(|path| is_link(path))
    }

    fn change(&self, path: &Path, what: What) -> Option<Change> {
        let path = path.strip_prefix(&self.root).ok()?;
        let name = path.iter().nth(1)?;
        let module = modules::TAUGHT.iter().find(|module| name == module.name)?.name;
        Some(Change { module, path: path.to_path_buf(), what })
    }

    fn note_all(&self, folder: &Path, depth: usize, found: &mut BTreeMap<PathBuf, State>) {
        for path in entries(folder) {
            if path.is_dir() {
                if depth > 0 {
                    self.note_all(&path, depth - 1, found);
                }
            } else {
                self.note(&path, found);
            }
        }
    }

    fn note(&self, path: &Path, found: &mut BTreeMap<PathBuf, State>) {
        // One that vanishes while it is looked at is gone.
        let Ok(metadata) = std::fs::metadata(path) else { return };
        if !metadata.is_file() {
            return;
        }
        let mut state = State {
            modified: metadata.modified().ok(),
            bytes: metadata.len(),
            inode: metadata.ino(),
            digest: 0,
        };
        state.digest = match self.seen.get(path) {
            Some(before) if State { digest: before.digest, ..state.clone() } == *before => {
                before.digest
            }
            _ => digest(path, &state),
        };
        found.insert(path.to_path_buf(), state);
    }
}

/// What stands in a folder and is not an editor's.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter(|name| !is_by_product(&name.to_string_lossy()))
        .map(|name| folder.join(name))
        .collect()
}

fn note_folders(folder: &Path, depth: usize, folders: &mut BTreeSet<PathBuf>) {
    if !folder.is_dir() {
        return;
    }
    folders.insert(folder.to_path_buf());
    if depth > 0 {
        for path in entries(folder) {
            note_folders(&path, depth - 1, folders);
        }
    }
}

/// Whether a file of this name is one that editors and tools leave for themselves, never a part of
/// a program.
fn is_by_product(name: &str) -> bool {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    // Vim tries whether it may create files here with the name 4913 (and 123 more each time that
    // one is there).
    let is_probe = name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_digit());
    // `sed -i` writes to a file of such a name before it renames it.
    let is_sed = name.len() == 9 && name.starts_with("sed") && !name.contains('.');
    name.starts_with('.')
        || name == "target"
        || (name.starts_with('#') && name.ends_with('#'))
        || ends(&["~", ".swp", ".swo", ".swx", ".tmp", ".bak", ".orig", ".rej", ".part"])
        || ends(&["___jb_tmp___", "___jb_old___"])
        || name.contains(".tmp.")
        || is_probe
        || is_sed
}

fn digest(path: &Path, state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    if state.bytes <= COMPARED_BYTES
        && let Ok(content) = std::fs::read(path)
    {
        hasher.write(&content);
    } else if let Some(Ok(since)) =
        state.modified.map(|time| time.duration_since(SystemTime::UNIX_EPOCH))
    {
        hasher.write_u128(since.as_nanos());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{Change, Files, What};

    fn course() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for module in ["tcp-echo", "udp-echo"] {
            let folder = root.path().join("exercises").join(module);
            fs::create_dir_all(folder.join("src/net")).expect("make the folders");
            fs::write(folder.join("Cargo.toml"), "[package]\n").expect("write a file");
            fs::write(folder.join("src/main.rs"), "fn main() {}\n").expect("write a file");
            fs::write(folder.join("src/net/wire.rs"), "//\n").expect("write a file");
        }
        root
    }

    fn changes(files: &mut Files) -> Vec<(String, What)> {
        let look = files.look();
        let told = look.changes.iter().map(|Change { module, path, what }| {
            assert!(path.starts_with(Path::new("exercises").join(module)));
            (
                path.file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                *what,
            )
        });
        let told = told.collect();
        files.accept(look);
        told
    }

    fn main_of(root: &Path) -> PathBuf {
        root.join("exercises/tcp-echo/src/main.rs")
    }

    #[test]
    fn a_save_is_one_change_however_the_editor_does_it() {
        let root = course();
        let mut files = Files::of(root.path());
        assert_eq!(changes(&mut files), []);
        let main = main_of(root.path());
        let saved = |name: &str| vec![(name.to_owned(), What::Saved)];

        fs::write(&main, "fn main() { one() }\n").expect("write in place");
        fs::write(&main, "fn main() { two() }\n").expect("write twice");
        assert_eq!(changes(&mut files), saved("main.rs"));

        let new = main.with_file_name("main.rs.tmp.1234");
        fs::write(&new, "fn main() { three() }\n").expect("write beside it");
        fs::rename(&new, &main).expect("rename over it");
        assert_eq!(changes(&mut files), saved("main.rs"));

        fs::rename(&main, main.with_file_name("main.rs~")).expect("keep a backup");
        fs::write(&main, "fn main() { four() }\n").expect("write anew");
        assert_eq!(changes(&mut files), saved("main.rs"));

        fs::write(main.with_file_name("net/wire.rs"), "// deep\n").expect("write below");
        assert_eq!(changes(&mut files), saved("wire.rs"));
        fs::write(root.path().join("exercises/udp-echo/Cargo.toml"), "[x]\n").expect("write");
        assert_eq!(changes(&mut files), saved("Cargo.toml"));
    }

    #[test]
    fn what_editors_leave_for_themselves_is_no_change() {
        let root = course();
        let mut files = Files::of(root.path());
        let source = main_of(root.path());
        for name in [
            ".main.rs.swp",
            "main.rs~",
            "4913",
            "5036",
            "#main.rs#",
            ".#main.rs",
            "sedAb1x9Q",
            "main.rs.bak",
            "main.rs___jb_tmp___",
            ".goutputstream-X1",
            "main.rs.tmp.42.17",
        ] {
            fs::write(source.with_file_name(name), "x").expect("write it");
            assert_eq!(changes(&mut files), [], "{name}");
        }
        let exercise = root.path().join("exercises/tcp-echo");
        fs::create_dir_all(exercise.join("target/debug")).expect("make a folder");
        for name in ["README.md", "notes.txt", "target/debug/main.rs", ".env"] {
            fs::write(exercise.join(name), "x").expect("write it");
            assert_eq!(changes(&mut files), [], "{name}");
        }
    }

    #[test]
    fn a_save_without_a_change_and_a_removal_are_told_apart() {
        let root = course();
        let mut files = Files::of(root.path());
        let main = main_of(root.path());
        let told = |what| vec![("main.rs".to_owned(), what)];
        let text = fs::read(&main).expect("read it");
        // Another file of the same content, so that the clock's steps do not matter.
        let copy = main.with_file_name("main.rs.tmp");
        fs::write(&copy, &text).expect("write a copy");
        fs::rename(&copy, &main).expect("rename over it");
        assert_eq!(changes(&mut files), told(What::SavedUnchanged));
        fs::write(&main, "").expect("truncate it");
        assert_eq!(changes(&mut files), told(What::Removed));
        fs::write(&main, &text).expect("write it");
        assert_eq!(changes(&mut files), told(What::Saved));
        fs::remove_file(&main).expect("remove it");
        assert_eq!(changes(&mut files), told(What::Removed));
        fs::write(&main, "fn main() {}").expect("write it");
        assert_eq!(changes(&mut files), told(What::Saved));
    }

    #[test]
    fn links_are_noticed_and_followed() {
        let root = course();
        assert!(!Files::of(root.path()).have_links());
        let elsewhere = root.path().join("mine.rs");
        fs::write(&elsewhere, "fn main() {}\n").expect("write it");
        let main = main_of(root.path());
        fs::remove_file(&main).expect("remove it");
        std::os::unix::fs::symlink(&elsewhere, &main).expect("link it");
        let mut files = Files::of(root.path());
        assert!(files.have_links());
        fs::write(&elsewhere, "fn main() { mine() }\n").expect("write it");
        assert_eq!(changes(&mut files), [("main.rs".to_owned(), What::Saved)]);
        let circle = main.with_file_name("circle");
        std::os::unix::fs::symlink(main.parent().expect("src"), &circle).expect("link it");
        assert!(Files::of(root.path()).folders().len() < 100);
    }
}
