//! What happens to a name while a transfer gives it to a file, step by step, by the kernel's own
//! account (inotify(7)): what is over before anybody could look.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use grader::wording::file_transfer as words;
use grader::{Failure, Symptom, Verdict};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use crate::folder::Folder;

/// A file was written under its own name.
pub(crate) const WRITTEN_TO: &str = "written-under-its-name";
/// What was still to be written came when the file had its name already.
const WRITTEN_LATE: &str = "written-after-the-rename";
/// A transfer that broke had no temporary file.
pub(crate) const WRITTEN_IN_PLACE: &str = "written-in-place";
/// The old file went before the new one had the name.
const GONE_MEANWHILE: &str = "gone-for-a-moment";
/// The temporary file was in another folder.
const FROM_ELSEWHERE: &str = "from-another-folder";
/// The temporary file could be seen.
pub(crate) const IN_SIGHT: &str = "in-sight";

/// How many bytes of events one read takes.
const EVENTS_BYTES: usize = 16 << 10;

/// A folder that is being watched.
pub(crate) struct Watch<'a> {
    folder: &'a Folder,
    /// `None` where the kernel gives no watch, since others hold them all: then nothing is judged.
    events: Option<(OwnedFd, i32)>,
}

/// Something that happened to a name.
struct Event {
    what: ReadFlags,
    /// Whether it was in the folder itself, and not in one below it.
    is_here: bool,
    /// What the two halves of a rename have in common.
    cookie: u32,
    name: Vec<u8>,
}

impl<'a> Watch<'a> {
    /// Watches `folder` from now on, and the folders that stand in it: a temporary file in one of
    /// those moves no data either, and is seen by nobody.
    pub fn of(folder: &'a Folder) -> Verdict<Self> {
        let flags = WatchFlags::MODIFY | WatchFlags::DELETE | WatchFlags::MOVE;
        let watched =
            inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).and_then(|events| {
                let here = inotify::add_watch(&events, folder.path(), flags)?;
                Ok((events, here))
            });
        let Ok((events, here)) = watched else { return Ok(Self { folder, events: None }) };
        for entry in fs_err::read_dir(folder.path())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let _ = inotify::add_watch(&events, entry.path(), flags);
            }
        }
        Ok(Self { folder, events: Some((events, here)) })
    }

    /// Expects that `name` got its new file in one step: it was not written to, it was never away,
    /// and what it got had a name with a dot in the same folder.
    pub fn expect_one_step(&self, name: &str) -> Verdict {
        let Some(events) = self.read()? else { return Ok(()) };
        match fault(&events, name.as_bytes()) {
            None => Ok(()),
            Some((symptom, from)) => {
                let shown = self.folder.shown(name);
                let got = match symptom {
                    WRITTEN_TO => words::written_to(&shown),
                    WRITTEN_LATE => words::written_late(&shown),
                    GONE_MEANWHILE => words::gone_meanwhile(&shown),
                    FROM_ELSEWHERE => words::from_elsewhere(&shown),
                    _ => words::from_in_sight(&self.folder.shown(&from), &shown),
                };
                let expected = words::in_one_step(&shown);
                Err(Failure::new(Symptom::Named(symptom), expected, got).into())
            }
        }
    }

    /// Whether bytes have been written to `name` itself.
    pub fn was_written_to(&self, name: &str) -> Verdict<bool> {
        let events = self.read()?.unwrap_or_default();
        Ok(matches!(fault(&events, name.as_bytes()), Some((WRITTEN_TO, _))))
    }

    /// All that has happened; `None` if the kernel does not tell, or has lost some of it.
    fn read(&self) -> Verdict<Option<Vec<Event>>> {
        let Some((descriptor, here)) = &self.events else { return Ok(None) };
        let mut buffer = vec![MaybeUninit::uninit(); EVENTS_BYTES];
        let mut reader = inotify::Reader::new(descriptor, &mut buffer);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => return Ok(None),
                Ok(event) => events.push(Event {
                    what: event.events(),
                    is_here: event.wd() == *here,
                    cookie: event.cookie(),
                    name: event.file_name().map_or_else(Vec::new, |name| name.to_bytes().to_vec()),
                }),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Some(events)),
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
    }
}

/// The first thing that happened to `name` and should not have, and the name that its file had
/// before.
fn fault(events: &[Event], name: &[u8]) -> Option<(&'static str, String)> {
    let origins: BTreeMap<u32, &Event> = events
        .iter()
        .filter(|event| event.what.contains(ReadFlags::MOVED_FROM))
        .map(|event| (event.cookie, event))
        .collect();
    let own = events.iter().filter(|event| event.is_here && event.name == name);
    let mut has_new_file = false;
    for event in own {
        let symptom = match event.what {
            what if what.contains(ReadFlags::MODIFY) && has_new_file => WRITTEN_LATE,
            what if what.contains(ReadFlags::MODIFY) => WRITTEN_TO,
            what if what.contains(ReadFlags::DELETE) => GONE_MEANWHILE,
            // One half of an exchange is no loss (renameat2(2), RENAME_EXCHANGE).
            what if what.contains(ReadFlags::MOVED_FROM) => {
                if is_exchanged(events, &origins, event) {
                    continue;
                }
                GONE_MEANWHILE
            }
            what if what.contains(ReadFlags::MOVED_TO) => match origins.get(&event.cookie) {
                None => FROM_ELSEWHERE,
                Some(origin) if origin.is_here && !origin.name.starts_with(b".") => {
                    return Some((IN_SIGHT, String::from_utf8_lossy(&origin.name).into_owned()));
                }
                Some(_) => {
                    has_new_file = true;
                    continue;
                }
            },
            _ => continue,
        };
        return Some((symptom, String::new()));
    }
    None
}

/// Whether the file that left its name for another one did so against the file that stood there.
fn is_exchanged(events: &[Event], origins: &BTreeMap<u32, &Event>, left: &Event) -> bool {
    let arrival = |event: &&Event| event.what.contains(ReadFlags::MOVED_TO);
    let Some(away) = events.iter().filter(arrival).find(|event| event.cookie == left.cookie) else {
        return false;
    };
    events
        .iter()
        .filter(arrival)
        .filter(|event| event.is_here && event.name == left.name)
        .filter_map(|event| origins.get(&event.cookie))
        .any(|origin| origin.is_here == away.is_here && origin.name == away.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: ReadFlags = ReadFlags::MOVED_FROM;
    const TO: ReadFlags = ReadFlags::MOVED_TO;

    fn found(happened: &[(ReadFlags, u32, &str)]) -> Option<&'static str> {
        let events: Vec<Event> = happened
            .iter()
            .map(|(what, cookie, name)| Event {
                what: *what,
                is_here: !name.contains('/'),
                cookie: *cookie,
                name: name.rsplit('/').next().unwrap_or_default().as_bytes().to_vec(),
            })
            .collect();
        fault(&events, b"v").map(|(symptom, _)| symptom)
    }

    #[test]
    fn a_rename_is_one_step() {
        assert_eq!(found(&[(ReadFlags::MODIFY, 0, ".t"), (FROM, 1, ".t"), (TO, 1, "v")]), None);
        // Out of a folder below; and a hard link, which shows nothing at all.
        assert_eq!(found(&[(FROM, 1, ".parts/t"), (TO, 1, "v")]), None);
        assert_eq!(found(&[(ReadFlags::DELETE, 0, ".t")]), None);
    }

    #[test]
    fn an_exchange_is_one_step_in_either_order() {
        let new = [(FROM, 1, ".t"), (TO, 1, "v")];
        let old = [(FROM, 2, "v"), (TO, 2, ".t")];
        let end = [(ReadFlags::DELETE, 0, ".t")];
        assert_eq!(found(&[&new[..], &old[..], &end[..]].concat()), None);
        assert_eq!(found(&[&old[..], &new[..], &end[..]].concat()), None);
    }

    #[test]
    fn what_is_no_single_step_is_told_apart() {
        let (delete, modify) = (ReadFlags::DELETE, ReadFlags::MODIFY);
        let rename = [(FROM, 1, ".t"), (TO, 1, "v")];
        let after =
            |first: &[(ReadFlags, u32, &'static str)]| found(&[first, &rename[..]].concat());
        assert_eq!(after(&[(modify, 0, "v")]), Some(WRITTEN_TO));
        let late = [rename[0], rename[1], (modify, 0, "v")];
        assert_eq!(found(&late), Some(WRITTEN_LATE));
        assert_eq!(after(&[(delete, 0, "v")]), Some(GONE_MEANWHILE));
        assert_eq!(after(&[(FROM, 2, "v"), (TO, 2, ".old")]), Some(GONE_MEANWHILE));
        assert_eq!(found(&[(TO, 1, "v")]), Some(FROM_ELSEWHERE));
        assert_eq!(found(&[(FROM, 1, "v.part"), (TO, 1, "v")]), Some(IN_SIGHT));
    }
}
