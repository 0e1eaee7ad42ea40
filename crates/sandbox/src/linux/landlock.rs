//! Landlock's three system calls, `landlock(7)`, which the C library has no functions for.
//! Structures and numbers are those of the kernel's `include/uapi/linux/landlock.h`.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const CREATE_RULESET_VERSION: libc::c_uint = 1 << 0;
/// `LANDLOCK_RULE_PATH_BENEATH`.
const RULE_PATH_BENEATH: libc::c_uint = 1;

/// `LANDLOCK_ACCESS_FS_EXECUTE` (bit 0), `READ_FILE` (bit 2) and `READ_DIR` (bit 3).
const READ: u64 = 1 << 0 | 1 << 2 | 1 << 3;
/// Of these, what a rule on something other than a folder may name.
const READ_OF_FILES: u64 = 1 << 0 | 1 << 2;
/// `LANDLOCK_ACCESS_FS_WRITE_FILE`.
const WRITE_FILE: u64 = 1 << 1;
/// All that changes a folder: `LANDLOCK_ACCESS_FS_REMOVE_DIR` (bit 4), `REMOVE_FILE`, `MAKE_CHAR`,
/// `MAKE_DIR`, `MAKE_REG`, `MAKE_SOCK`, `MAKE_FIFO`, `MAKE_BLOCK` and `MAKE_SYM` (bit 12).
const CHANGE_FOLDER: u64 = (1 << 13) - (1 << 4);
/// `LANDLOCK_ACCESS_FS_REFER`: moving and linking between folders.
const REFER: u64 = 1 << 13;
/// `LANDLOCK_ACCESS_FS_TRUNCATE`.
const TRUNCATE: u64 = 1 << 14;
/// The rights that a rule on something other than a folder may name.
const OF_FILES: u64 = WRITE_FILE | TRUNCATE | READ_OF_FILES;

/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `LANDLOCK_SCOPE_SIGNAL`.
const SCOPES: u64 = 1 << 0 | 1 << 1;

/// `struct landlock_ruleset_attr` as of version 6. Older kernels take it too, as long as what they
/// do not know is 0.
#[derive(Debug, PartialEq, Eq)]
#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

impl RulesetAttr {
    /// What a kernel of this version of the interface enforces of the rights to write, of the
    /// scopes and, if wanted, of the rights to read. Version 5 adds device ioctls, which a program
    /// that writes to its terminal may need.
    fn for_version(version: i64, reading: bool) -> Self {
        let read = if reading { READ } else { 0 };
        let rights = [(1, read | WRITE_FILE | CHANGE_FOLDER), (2, REFER), (3, TRUNCATE)];
        let known = rights.into_iter().filter(|&(since, _)| since <= version);
        Self {
            handled_access_fs: known.map(|(_, right)| right).sum(),
            handled_access_net: 0,
            scoped: if version >= 6 { SCOPES } else { 0 },
        }
    }
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

/// Rules under which nothing is written, and perhaps nothing read, but where that is allowed, and
/// which keep signals and abstract sockets inside.
#[derive(Debug)]
pub(super) struct Ruleset {
    descriptor: OwnedFd,
    handled_access_fs: u64,
}

impl Ruleset {
    /// Rules with as much of that as the kernel knows, about reading only if that is wanted; none
    /// where it has no Landlock, or where it is switched off.
    ///
    /// # Errors
    /// Those of `landlock_create_ruleset(2)`.
    pub(super) fn new(reading: bool) -> io::Result<Option<Self>> {
        // SAFETY: a question, in which the kernel reads no structure.
        let version = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                std::ptr::null::<RulesetAttr>(),
                0_usize,
                CREATE_RULESET_VERSION,
            )
        };
        if version < 1 {
            return Ok(None);
        }
        let attributes = RulesetAttr::for_version(version, reading);
        // SAFETY: the structure is live and of the size told; the kernel only reads.
        let raw = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const attributes,
                size_of::<RulesetAttr>(),
                0,
            )
        };
        let raw = i32::try_from(checked(raw)?).map_err(io::Error::other)?;
        // SAFETY: the descriptor is new, closed on exec, and belongs to nobody else.
        let descriptor = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Some(Self { descriptor, handled_access_fs: attributes.handled_access_fs }))
    }

    /// Allows reading and writing this file, or this folder and all below it.
    ///
    /// # Errors
    /// Those of `landlock_add_rule(2)`.
    pub(super) fn allow_everything(&self, place: &Place) -> io::Result<()> {
        self.allow(place, u64::MAX)
    }

    /// Allows reading and executing this file, or what is in this folder and below it.
    ///
    /// # Errors
    /// Those of `landlock_add_rule(2)`.
    pub(super) fn allow_reading(&self, place: &Place) -> io::Result<()> {
        self.allow(place, READ)
    }

    fn allow(&self, place: &Place, rights: u64) -> io::Result<()> {
        let possible = if place.is_folder { u64::MAX } else { OF_FILES };
        let rule = PathBeneathAttr {
            allowed_access: self.handled_access_fs & possible & rights,
            parent_fd: place.descriptor.as_raw_fd(),
        };
        // SAFETY: the structure is live and the one of this kind of rule; the kernel only reads.
        let result = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.descriptor.as_raw_fd(),
                RULE_PATH_BENEATH,
                &raw const rule,
                0,
            )
        };
        checked(result).map(drop)
    }

    /// Puts the rules in force for this thread and all that it will start, for good. Needs
    /// `no_new_privs`.
    ///
    /// # Errors
    /// Those of `landlock_restrict_self(2)`.
    pub(super) fn restrict_self(self) -> io::Result<()> {
        // SAFETY: the call takes no pointers.
        let result = unsafe {
            libc::syscall(libc::SYS_landlock_restrict_self, self.descriptor.as_raw_fd(), 0)
        };
        checked(result).map(drop)
    }
}

/// A file or folder that a rule may name.
#[derive(Debug)]
pub(super) struct Place {
    descriptor: OwnedFd,
    is_folder: bool,
}

impl Place {
    /// # Errors
    /// It is not there, or out of reach.
    pub(super) fn find(path: &Path) -> io::Result<Self> {
        let descriptor = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let kind = FileType::from_raw_mode(fstat(&descriptor)?.st_mode);
        Ok(Self { descriptor, is_folder: kind.is_dir() })
    }
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::{PathBeneathAttr, RulesetAttr};

    #[test]
    fn structures_are_the_kernels() {
        assert_eq!(size_of::<RulesetAttr>(), 24);
        assert_eq!(size_of::<PathBeneathAttr>(), 12);
    }

    #[test]
    fn each_version_is_asked_for_what_it_knows() {
        for (version, handled_access_fs, scoped) in [
            (1, 0x1ff2, 0),
            (2, 0x3ff2, 0),
            (3, 0x7ff2, 0),
            (5, 0x7ff2, 0),
            (6, 0x7ff2, 3),
            (99, 0x7ff2, 3),
        ] {
            let expected = RulesetAttr { handled_access_fs, handled_access_net: 0, scoped };
            assert_eq!(RulesetAttr::for_version(version, false), expected, "version {version}");
            let reading = RulesetAttr { handled_access_fs: handled_access_fs | 0xd, ..expected };
            assert_eq!(RulesetAttr::for_version(version, true), reading, "version {version}");
        }
    }
}
