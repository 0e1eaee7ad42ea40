//! `cargo xtask reset`: the starter back, one's work kept beside it; `--back` brings the work back.
//!
//! What is kept lies in `exercises/MODULE/kept/1`, `2`, …, where neither cargo nor a grading looks.
//! Old and new change places in one step (`renameat2(2)`, `RENAME_EXCHANGE`), so that at no moment
//! either is missing, and nothing is ever written over.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::Args;

use crate::starter::{self, Starter};
use crate::workspace::{Owner, Workspace};
use crate::{interrupt, output, progress, terminal};

/// The folder, in a module's exercise, of what `reset` keeps.
const KEPT: &str = "kept";

/// Put a module's starter back; your work is kept beside it, and `--back` brings it back.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The module; without it, the one in whose folder you stand.
    #[arg(value_name = "MODULE")]
    module: Option<String>,
    /// Bring kept work back: the last, or that of this number. What stands there now is kept.
    #[arg(long, value_name = "N")]
    #[expect(clippy::option_option, reason = "absent, without a number, with one")]
    back: Option<Option<u32>>,
}

/// Runs the command.
///
/// # Errors
///
/// No such module or kept work, or a file that cannot be moved; all then stands as it was.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let module = workspace.one_module(arguments.module.as_deref(), "reset")?.name;
    let desk = Desk {
        module,
        shown: format!("exercises/{module}"),
        folder: workspace.program_folder(module, Owner::Learner),
        starter: Starter::of(&workspace, module)?,
    };
    desk.refuse_links()?;
    let moved = desk.stands_in_sources();
    let mut told = match arguments.back {
        None => desk.reset()?,
        Some(number) => desk.back(number)?,
    };
    if told.moved
        && let Err(error) = progress::change(&workspace, |known| known.begin_anew(module))
    {
        terminal::note(&format!("`cargo xtask` still tells of the last grading: {error:#}"));
    }
    if moved && told.moved {
        told.words.push_str(
            "Your shell stands in a folder that was moved. This takes it to the new one:\n  \
             cd \"$PWD\"\n",
        );
    }
    output::tell(&told.words)?;
    Ok(ExitCode::SUCCESS)
}

/// A learner's module and its starter.
struct Desk {
    module: &'static str,
    /// The exercise's folder as the reader knows it.
    shown: String,
    folder: PathBuf,
    starter: Starter,
}

/// What was done.
struct Told {
    words: String,
    /// Whether anything was.
    moved: bool,
}

impl Desk {
    fn reset(&self) -> anyhow::Result<Told> {
        let Self { module, shown, .. } = self;
        let changed = self.starter.differences(&self.folder)?;
        if changed.is_empty() {
            let words = format!("{shown} is the starter already: nothing to do.\n");
            return Ok(Told { words, moved: false });
        }
        // All of it is kept, changed or not, so that what is kept is whole by itself.
        let parts = self.starter.parts()?;
        let (number, place) = self.new_place()?;
        let copied = parts.iter().try_for_each(|part| {
            starter::files_at(self.starter.folder(), part)?
                .iter()
                .try_for_each(|file| copy(self.starter.folder(), &place, file))
        });
        if let Err(error) = copied.and_then(|()| self.change_places(&place, &parts)) {
            // What lies there is a copy of the starter, as far as it came.
            _ = fs_err::remove_dir_all(&place);
            return Err(error.context(format!("{shown} stands as it was")));
        }
        let mut words = format!("{shown} is the starter again.\n");
        if self.tidy(&place)? {
            words.push_str("Nothing had to be kept: only files of the starter were missing.\n");
        } else {
            let files = changed.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
            words.push_str(&format!(
                "Your work is kept in {shown}/{KEPT}/{number}; it differs from the starter in \
                 {}.\nTo get it back:\n  cargo xtask reset {module} --back {number}\n",
                files.join(", ")
            ));
        }
        Ok(Told { words, moved: true })
    }

    fn back(&self, number: Option<u32>) -> anyhow::Result<Told> {
        let Self { module, shown, .. } = self;
        let kept = self.kept_numbers()?;
        let Some(last) = kept.last() else {
            bail!("no work of {module} is kept: there is nothing in {shown}/{KEPT}");
        };
        let number = number.unwrap_or(*last);
        if !kept.contains(&number) {
            let numbers = kept.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            bail!("no work of {module} is kept under {number}; there is {numbers}");
        }
        let place = self.folder.join(KEPT).join(number.to_string());
        if !place.join("src").is_dir() {
            bail!("{shown}/{KEPT}/{number} holds no src, so there is nothing to bring back");
        }
        let parts = self.starter.parts()?;
        self.change_places(&place, &parts).context(format!("{shown} stands as it was"))?;
        let mut words = format!("{shown} is your work again, as kept under {number}.\n");
        words.push_str(&if self.tidy(&place)? {
            "What stood there was the starter.\n".to_owned()
        } else {
            format!(
                "What stood there is kept in {shown}/{KEPT}/{number} now.\n\
                 To change them again:\n  cargo xtask reset {module} --back {number}\n"
            )
        });
        Ok(Told { words, moved: true })
    }

    /// The numbers under which work is kept, the last one last.
    fn kept_numbers(&self) -> anyhow::Result<Vec<u32>> {
        let folder = self.folder.join(KEPT);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let names = starter::names(&folder)?;
        let numbers = names.iter().filter_map(|name| name.to_str()?.parse().ok());
        let mut numbers: Vec<u32> = numbers.collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes the next free folder to keep something in. Of two runs at the same time, each gets its
    /// own.
    fn new_place(&self) -> anyhow::Result<(u32, PathBuf)> {
        let folder = self.folder.join(KEPT);
        fs_err::create_dir_all(&folder)?;
        let mut number = self.kept_numbers()?.last().map_or(1, |last| last.saturating_add(1));
        loop {
            let place = folder.join(number.to_string());
            match fs_err::create_dir(&place) {
                Ok(()) => return Ok((number, place)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets the parts of the exercise and of `place` change places: all of them or, if that fails,
    /// none.
    fn change_places(&self, place: &Path, parts: &[PathBuf]) -> anyhow::Result<()> {
        let _whole = interrupt::hold();
        for (index, part) in parts.iter().enumerate() {
            if let Err(error) = exchange(&self.folder.join(part), &place.join(part)) {
                for part in &parts[..index] {
                    _ = exchange(&self.folder.join(part), &place.join(part));
                }
                return Err(error)
                    .with_context(|| format!("move {} to {}", part.display(), place.display()));
            }
        }
        // Cargo goes by a file's time: one that comes back older than the last build would not be
        // built again, and the program graded would be the other one.
        let now = SystemTime::now();
        for part in parts {
            for file in starter::files_at(&self.folder, part)? {
                let path = self.folder.join(file);
                let touched = File::open(&path).and_then(|file| file.set_modified(now));
                touched.with_context(|| {
                    format!(
                        "set the time of {}; save it once in your editor, or cargo may not build \
                         it again",
                        path.display()
                    )
                })?;
            }
        }
        Ok(())
    }

    /// Removes `place` if it holds nothing but the starter, or nothing: that is not worth keeping.
    fn tidy(&self, place: &Path) -> anyhow::Result<bool> {
        for name in starter::names(place)? {
            if !starter::differences(self.starter.folder(), place, &name)?.is_empty() {
                return Ok(false);
            }
        }
        fs_err::remove_dir_all(place)?;
        // The folder around it goes with the last of what was kept.
        _ = std::fs::remove_dir(self.folder.join(KEPT));
        Ok(true)
    }

    /// A link that changed places would point elsewhere, or leave the work where it is.
    fn refuse_links(&self) -> anyhow::Result<()> {
        for part in self.starter.parts()? {
            let path = self.folder.join(&part);
            if path.is_symlink() {
                bail!(
                    "{}/{} is a symbolic link; put what it points at in its place, then reset",
                    self.shown,
                    part.display()
                );
            }
        }
        Ok(())
    }

    fn stands_in_sources(&self) -> bool {
        let here = std::env::current_dir().and_then(fs_err::canonicalize);
        let sources = fs_err::canonicalize(self.folder.join("src"));
        matches!((here, sources), (Ok(here), Ok(sources)) if here.starts_with(&sources))
    }
}

fn copy(from: &Path, to: &Path, file: &Path) -> anyhow::Result<()> {
    let new = to.join(file);
    if let Some(folder) = new.parent() {
        fs_err::create_dir_all(folder)?;
    }
    // The content alone: a handout may be read-only, what the learner works on may not.
    fs_err::write(new, fs_err::read(from.join(file))?)?;
    Ok(())
}

/// Lets two files or folders change places; where only one is there, it moves.
fn exchange(left: &Path, right: &Path) -> io::Result<()> {
    match (left.symlink_metadata().is_ok(), right.symlink_metadata().is_ok()) {
        (true, true) => exchange_both(left, right),
        (true, false) => std::fs::rename(left, right),
        (false, _) => std::fs::rename(right, left),
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange_both(left: &Path, right: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, left, CWD, right, RenameFlags::EXCHANGE) {
        // File systems that cannot do it: some network drives.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => exchange_in_steps(left, right),
        other => Ok(other?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange_both(left: &Path, right: &Path) -> io::Result<()> {
    exchange_in_steps(left, right)
}

/// The same by way of a third name, which must not be taken. What fails is undone.
fn exchange_in_steps(left: &Path, right: &Path) -> io::Result<()> {
    let mut third = right.as_os_str().to_owned();
    third.push(".moving");
    let third = PathBuf::from(third);
    if third.symlink_metadata().is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} is in the way", third.display()),
        ));
    }
    std::fs::rename(left, &third)?;
    if let Err(error) = std::fs::rename(right, left) {
        std::fs::rename(&third, left)?;
        return Err(error);
    }
    std::fs::rename(&third, right)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::thread;

    use super::{Desk, exchange, exchange_in_steps};
    use crate::starter::Starter;
    use crate::workspace::Workspace;

    /// Makes two folders, lets `how` change them, and reads what is in them afterwards.
    fn after(how: fn(&Path, &Path) -> std::io::Result<()>) -> [String; 2] {
        let root = tempfile::tempdir().expect("a temporary folder");
        let [left, right] = ["left", "right"].map(|name| {
            let folder = root.path().join(name);
            fs_err::create_dir(&folder).expect("make a folder");
            fs_err::write(folder.join("file"), name).expect("write a file");
            folder
        });
        how(&left, &right).expect("they change places");
        let names = std::fs::read_dir(root.path()).expect("read the folder").count();
        assert_eq!(names, 2, "nothing else is left");
        [left, right].map(|folder| fs_err::read_to_string(folder.join("file")).expect("read"))
    }

    #[test]
    fn two_folders_change_places_in_one_step_or_in_three() {
        assert_eq!(after(exchange), ["right", "left"]);
        assert_eq!(after(exchange_in_steps), ["right", "left"]);
    }

    #[test]
    fn runs_at_the_same_time_get_places_of_their_own() {
        let workspace = Workspace::find().expect("the tests run inside the course");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let desk = Desk {
            module: "tcp-echo",
            shown: "exercises/tcp-echo".to_owned(),
            folder: folder.path().to_path_buf(),
            starter: Starter::of(&workspace, "tcp-echo").expect("the starter"),
        };
        let places =
            || -> Vec<u32> { (0..50).map(|_| desk.new_place().expect("a place").0).collect() };
        let numbers: Vec<u32> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(places)).collect();
            threads.into_iter().flat_map(|each| each.join().expect("it ends")).collect()
        });
        let different: BTreeSet<&u32> = numbers.iter().collect();
        assert_eq!((numbers.len(), different.len()), (200, 200));
    }

    #[test]
    fn what_is_in_the_way_of_the_steps_is_not_written_over() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| root.path().join(name);
        for name in ["left", "right", "right.moving"] {
            fs_err::write(path(name), name).expect("write a file");
        }
        assert!(exchange_in_steps(&path("left"), &path("right")).is_err());
        for name in ["left", "right", "right.moving"] {
            assert_eq!(fs_err::read_to_string(path(name)).expect("read it"), name);
        }
    }
}
