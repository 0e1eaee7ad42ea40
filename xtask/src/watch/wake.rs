//! What says that it is time to look at the files: the kernel's events, or the clock where no
//! events come.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often files are looked at where no events come.
pub const POLL_PERIOD: Duration = Duration::from_millis(200);

/// The source of the hints that something may have changed.
pub enum Wake {
    /// inotify(7) of the folders.
    Events(OwnedFd),
    /// The clock, and why.
    Clock(Why),
}

/// Why files are looked at by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Asked for with `--poll`.
    Asked,
    /// This system's events are not used.
    #[cfg(not(target_os = "linux"))]
    System,
    /// A file system that has no events for what others do, such as a network drive: its name.
    Drive(&'static str),
    /// Among the files are symbolic links.
    Links,
    /// The events cannot be had.
    Refused(String),
}

impl Wake {
    /// Events for `folders` of the course at `root`, if they are to be had.
    pub fn on(root: &Path, folders: &BTreeSet<PathBuf>, has_links: bool, asked: bool) -> Self {
        if asked {
            return Self::Clock(Why::Asked);
        }
        if has_links {
            return Self::Clock(Why::Links);
        }
        events_of(root, folders)
    }

    /// The descriptor that is readable when there are events.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Events(events) => Some(events.as_fd()),
            Self::Clock(_) => None,
        }
    }

    /// Takes the events that are there; what they say does not matter, the files are looked at.
    pub fn drain(&self) {
        let Self::Events(events) = self else { return };
        let mut buffer = [0; 4096];
        while rustix::io::read(events, &mut buffer).is_ok_and(|bytes| bytes > 0) {}
    }

    /// Sees to events of folders that are new. Gives the reason if from now on the clock decides.
    pub fn follow(&mut self, folders: &BTreeSet<PathBuf>) -> Option<Why> {
        let Self::Events(events) = self else { return None };
        let error = add_all(events, folders).err()?;
        let why = Why::Refused(error.to_string());
        *self = Self::Clock(why.clone());
        Some(why)
    }
}

impl Why {
    /// What to tell the user, if anything: that looking takes a moment longer, and why.
    pub fn told(&self) -> Option<String> {
        let every = format!("the files are looked at every {} ms", POLL_PERIOD.as_millis());
        match self {
            Self::Asked => None,
            #[cfg(not(target_os = "linux"))]
            Self::System => None,
            Self::Drive(name) => {
                Some(format!("a drive of the kind {name} tells no saves: {every}"))
            }
            Self::Links => Some(format!("a symbolic link leads out of the folder: {every}")),
            Self::Refused(error) => {
                Some(format!("no events of saves to be had ({error}): {every}"))
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn events_of(root: &Path, folders: &BTreeSet<PathBuf>) -> Wake {
    use rustix::fs::inotify::{CreateFlags, init};

    if let Some(name) = drive_without_events(root) {
        return Wake::Clock(Why::Drive(name));
    }
    let started = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(Into::into);
    let added = started.and_then(|events| add_all(&events, folders).map(|()| events));
    match added {
        Ok(events) => Wake::Events(events),
        Err(error) => Wake::Clock(Why::Refused(error.to_string())),
    }
}

#[cfg(not(target_os = "linux"))]
fn events_of(_: &Path, _: &BTreeSet<PathBuf>) -> Wake {
    Wake::Clock(Why::System)
}

/// A folder that is watched already is not watched twice; one that vanished is no error.
#[cfg(target_os = "linux")]
fn add_all(events: &OwnedFd, folders: &BTreeSet<PathBuf>) -> std::io::Result<()> {
    use rustix::fs::inotify::{WatchFlags, add_watch};
    use rustix::io::Errno;

    let wanted = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::ATTRIB
        | WatchFlags::ONLYDIR;
    for folder in folders {
        match add_watch(events, folder, wanted) {
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn add_all(_: &OwnedFd, _: &BTreeSet<PathBuf>) -> std::io::Result<()> {
    Ok(())
}

/// The kind of the file system, if it is one whose files others change without this kernel's
/// knowledge (statfs(2), `linux/magic.h`).
#[cfg(target_os = "linux")]
fn drive_without_events(root: &Path) -> Option<&'static str> {
    const KINDS: &[(u32, &str)] = &[
        (0x6969, "nfs"),
        (0x517B, "smb"),
        (0xFF53_4D42, "cifs"),
        (0xFE53_4D42, "smb2"),
        (0x0102_1997, "9p"),
        (0x6573_5546, "fuse"),
        (0x786F_4256, "vboxsf"),
        (0x00C3_6400, "ceph"),
        (0x5346_414F, "afs"),
    ];
    let kind = rustix::fs::statfs(root).ok()?.f_type;
    // Some kinds are numbers whose highest bit is set: what counts is the lower half.
    let kind = (kind & 0xFFFF_FFFF) as u32;
    KINDS.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::{Wake, Why};

    fn has_events(wake: &Wake) -> bool {
        let Some(descriptor) = wake.descriptor() else { return false };
        let mut polled = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec::default())).expect("poll") > 0
    }

    #[test]
    fn saves_and_new_folders_are_told() {
        let root = tempfile::tempdir().expect("a folder");
        let source = root.path().join("src");
        fs::create_dir(&source).expect("make it");
        let mut folders = BTreeSet::from([source.clone()]);
        let mut wake = Wake::on(root.path(), &folders, false, false);
        assert!(wake.descriptor().is_some(), "this file system tells of saves");
        assert!(!has_events(&wake));
        fs::write(source.join("main.rs"), "x").expect("write");
        assert!(has_events(&wake));
        wake.drain();
        assert!(!has_events(&wake));
        let below = source.join("net");
        fs::create_dir(&below).expect("make it");
        assert!(has_events(&wake));
        wake.drain();
        folders.insert(below.clone());
        folders.insert(root.path().join("gone"));
        assert_eq!(wake.follow(&folders), None);
        fs::write(below.join("wire.rs"), "x").expect("write");
        assert!(has_events(&wake));
    }

    #[test]
    fn the_clock_decides_where_it_is_asked_for_or_links_lead_away() {
        let root = tempfile::tempdir().expect("a folder");
        let folders = BTreeSet::new();
        for (links, asked, why) in [(false, true, Why::Asked), (true, false, Why::Links)] {
            let wake = Wake::on(root.path(), &folders, links, asked);
            assert!(wake.descriptor().is_none());
            assert!(matches!(wake, Wake::Clock(told) if told == why));
        }
    }
}
