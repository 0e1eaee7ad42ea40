//! What happens to a name while a transfer gives it to a file, step by step, by the kernel's own
//! account (inotify(7)): what is over before anybody could look. Other kernels than Linux give none
//! that says as much, and nothing is judged there.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

use std::collections::BTreeMap;

use grader::wording::file_transfer as words;
use grader::{Failure, Symptom, Verdict};

use crate::folder::Folder;
#[cfg(target_os = "linux")]
use linux::Account;
#[cfg(not(target_os = "linux"))]
use other::Account;

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

/// A folder that is being watched.
pub(crate) struct Watch<'a> {
    folder: &'a Folder,
    /// `None` where the kernel gives no watch, such as when others hold them all: then nothing is
    /// judged.
    account: Option<Account>,
}

/// What may happen to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no kernel tells there"))]
enum What {
    /// Bytes were written to its file.
    Modified,
    Deleted,
    /// It was taken away from its file, by a rename.
    MovedFrom,
    /// It was given to a file, by a rename.
    MovedTo,
}

/// Something that happened to a name.
struct Event {
    what: What,
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
        Ok(Self { folder, account: Account::of(folder)? })
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
        self.account.as_ref().map_or(Ok(None), Account::read)
    }
}

/// The first thing that happened to `name` and should not have, and the name that its file had
/// before.
fn fault(events: &[Event], name: &[u8]) -> Option<(&'static str, String)> {
    let origins: BTreeMap<u32, &Event> = events
        .iter()
        .filter(|event| event.what == What::MovedFrom)
        .map(|event| (event.cookie, event))
        .collect();
    let own = events.iter().filter(|event| event.is_here && event.name == name);
    let mut has_new_file = false;
    for event in own {
        let symptom = match event.what {
            What::Modified if has_new_file => WRITTEN_LATE,
            What::Modified => WRITTEN_TO,
            What::Deleted => GONE_MEANWHILE,
            // One half of an exchange is no loss (renameat2(2), RENAME_EXCHANGE).
            What::MovedFrom if is_exchanged(events, &origins, event) => continue,
            What::MovedFrom => GONE_MEANWHILE,
            What::MovedTo => match origins.get(&event.cookie) {
                None => FROM_ELSEWHERE,
                Some(origin) if origin.is_here && !origin.name.starts_with(b".") => {
                    return Some((IN_SIGHT, String::from_utf8_lossy(&origin.name).into_owned()));
                }
                Some(_) => {
                    has_new_file = true;
                    continue;
                }
            },
        };
        return Some((symptom, String::new()));
    }
    None
}

/// Whether the file that left its name for another one did so against the file that stood there.
fn is_exchanged(events: &[Event], origins: &BTreeMap<u32, &Event>, left: &Event) -> bool {
    let arrival = |event: &&Event| event.what == What::MovedTo;
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

    const FROM: What = What::MovedFrom;
    const TO: What = What::MovedTo;

    fn found(happened: &[(What, u32, &str)]) -> Option<&'static str> {
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
        assert_eq!(found(&[(What::Modified, 0, ".t"), (FROM, 1, ".t"), (TO, 1, "v")]), None);
        // Out of a folder below; and a hard link, which shows nothing at all.
        assert_eq!(found(&[(FROM, 1, ".parts/t"), (TO, 1, "v")]), None);
        assert_eq!(found(&[(What::Deleted, 0, ".t")]), None);
    }

    #[test]
    fn an_exchange_is_one_step_in_either_order() {
        let new = [(FROM, 1, ".t"), (TO, 1, "v")];
        let old = [(FROM, 2, "v"), (TO, 2, ".t")];
        let end = [(What::Deleted, 0, ".t")];
        assert_eq!(found(&[&new[..], &old[..], &end[..]].concat()), None);
        assert_eq!(found(&[&old[..], &new[..], &end[..]].concat()), None);
    }

    #[test]
    fn what_is_no_single_step_is_told_apart() {
        let (delete, modify) = (What::Deleted, What::Modified);
        let rename = [(FROM, 1, ".t"), (TO, 1, "v")];
        let after = |first: &[(What, u32, &'static str)]| found(&[first, &rename[..]].concat());
        assert_eq!(after(&[(modify, 0, "v")]), Some(WRITTEN_TO));
        let late = [rename[0], rename[1], (modify, 0, "v")];
        assert_eq!(found(&late), Some(WRITTEN_LATE));
        assert_eq!(after(&[(delete, 0, "v")]), Some(GONE_MEANWHILE));
        assert_eq!(after(&[(FROM, 2, "v"), (TO, 2, ".old")]), Some(GONE_MEANWHILE));
        assert_eq!(found(&[(TO, 1, "v")]), Some(FROM_ELSEWHERE));
        assert_eq!(found(&[(FROM, 1, "v.part"), (TO, 1, "v")]), Some(IN_SIGHT));
    }
}
