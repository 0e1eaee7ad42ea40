//! What Linux tells (inotify(7)).

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use grader::Verdict;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::{Event, What};
use crate::folder::Folder;

/// How many bytes of events one read takes.
const EVENTS_BYTES: usize = 16 << 10;

/// The events of a folder from some time on, and of those in it.
pub(super) struct Account {
    events: OwnedFd,
    /// The number of the folder's own watch.
    here: i32,
}

impl Account {
    /// The account of `folder` and the folders that stand in it, from now on; `None` where the
    /// kernel gives no watch.
    pub fn of(folder: &Folder) -> Verdict<Option<Self>> {
        let flags = WatchFlags::MODIFY | WatchFlags::DELETE | WatchFlags::MOVE;
        let watched =
            inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).and_then(|events| {
                let here = inotify::add_watch(&events, folder.path(), flags)?;
                Ok(Self { events, here })
            });
        let Ok(account) = watched else { return Ok(None) };
        for entry in fs_err::read_dir(folder.path())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                let _ = inotify::add_watch(&account.events, entry.path(), flags);
            }
        }
        Ok(Some(account))
    }

    /// All that has happened; `None` if the kernel has lost some of it.
    pub fn read(&self) -> Verdict<Option<Vec<Event>>> {
        let mut buffer = vec![MaybeUninit::uninit(); EVENTS_BYTES];
        let mut reader = inotify::Reader::new(&self.events, &mut buffer);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => return Ok(None),
                Ok(event) => {
                    events.extend(
                        what(event.events()).map(|what| Event {
                            what,
                            is_here: event.wd() == self.here,
                            cookie: event.cookie(),
                            name: event
                                .file_name()
                                .map_or_else(Vec::new, |name| name.to_bytes().to_vec()),
                        }),
                    )
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Some(events)),
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
        }
    }
}

/// What has happened; nothing where the watch itself is over, since its folder has gone.
fn what(flags: ReadFlags) -> Option<What> {
    let known = [
        (ReadFlags::MODIFY, What::Modified),
        (ReadFlags::DELETE, What::Deleted),
        (ReadFlags::MOVED_FROM, What::MovedFrom),
        (ReadFlags::MOVED_TO, What::MovedTo),
    ];
    known.into_iter().find(|(flag, _)| flags.contains(*flag)).map(|(_, what)| what)
}
