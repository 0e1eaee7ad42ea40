//! A room: namespaces of its own, and a file system that shows little; `namespaces(7)`.
//!
//! ```text
//! caller           waits; when it is killed, so is the next
//!   └─ first       process 1 of the room: waits for orphans, keeps an eye on memory;
//!        │         when it ends, the kernel kills whatever is left in the room
//!        └─ guest  runs what the caller wants to run there
//! ```
//!
//! Root builds the room with the powers it has and then becomes "nobody" in a user namespace, so
//! that nothing in the room is root outside; everybody else needs the user namespace first.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Gid, Uid};
use rustix::io::retry_on_intr;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    unmount,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, getegid, geteuid, getpid, kill_process,
    pivot_root, set_dumpable_behavior, set_parent_process_death_signal, setsid, wait, waitpid,
};
use rustix::thread::UnshareFlags;

use super::signals::{block_signals, signal_set, unblock_signals};
use super::{fork, message, namespace};
use crate::room::Room;

/// The user that root becomes: the kernel's own number for "nobody" (`user_namespaces(7)`).
const NOBODY: u32 = 65_534;
/// What any program needs to start, and the compiler's linker to link.
const SYSTEM: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];
/// What there is on some systems of the same kind.
const SYSTEM_MORE: [&str; 6] = [
    "/lib32",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf.d",
];
/// Devices that keep nothing.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// The room's own small files.
const FILES: [(&str, &str); 5] = [
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("etc/host.conf", "multi on\n"),
    ("etc/group", "nogroup:x:65534:\n"),
    ("etc/passwd", "nobody:x:65534:65534:nobody:/:/bin/sh\n"),
];
/// How much of shared memory there is in `/dev/shm`.
const SHARED_MEMORY_BYTES: u64 = 64 << 20;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A step that this machine refuses.
type Refused = (&'static str, io::Error);

/// Builds the room, runs `guest` in it, in a process of its own, and returns its exit status when
/// nothing of the room is left; 128 and the signal's number if it was killed.
///
/// Called by a process with one thread, which gives up the namespaces it had.
///
/// # Errors
///
/// Names the step that this machine refuses, before `guest` runs.
pub fn enter_room(room: &Room, guest: impl FnOnce() -> i32) -> io::Result<i32> {
    let explain = |(step, error): Refused| {
        io::Error::new(io::ErrorKind::Unsupported, format!("cannot {step}: {error}"))
    };
    // Else the files by which this process maps its user belong to root.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let is_mapped = unshare_all().map_err(explain)?;
    let (fault, fault_end) = pipe_with(PipeFlags::CLOEXEC)?;
    // Its end shows in the room that the caller is gone.
    let (life, life_end) = pipe_with(PipeFlags::CLOEXEC)?;
    let (mut fault_end, mut life_end) = (Some(fs::File::from(fault_end)), Some(life_end));
    let first = fork(|| {
        drop(life_end.take());
        let entered = die_with_caller(&life)
            .map_err(|error| ("tie the room to its caller", error))
            .and_then(|()| build(room, is_mapped))
            .and_then(|()| if is_mapped { Ok(()) } else { become_nobody(&life) });
        if let Err((step, error)) = entered {
            // The caller is waiting for this; if it is gone, nobody is.
            let _ = fault_end.take().map(|mut end| write!(end, "cannot {step}: {error}"));
            return 1;
        }
        drop(fault_end.take());
        be_first(room, guest)
    })?;
    drop(fault_end);
    let mut reason = String::new();
    fs::File::from(fault).read_to_string(&mut reason)?;
    let (_, status) = retry_on_intr(|| waitpid(Some(first), WaitOptions::empty()))?
        .ok_or(io::ErrorKind::NotFound)?;
    drop(life_end);
    if !reason.is_empty() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    }
    Ok(status_of(status))
}

/// The exit status, or 128 and the signal's number.
fn status_of(status: WaitStatus) -> i32 {
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap_or(0))
}

/// Makes all namespaces; whether a user namespace was needed for that.
fn unshare_all() -> Result<bool, Refused> {
    let wanted = UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    namespace::unshare(wanted)
}

/// `life` is a pipe whose other end the caller holds: the caller may have died before this, and
/// its number cannot be compared, since in the new namespace it has none.
fn die_with_caller(life: &OwnedFd) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_gone = message::wait_readable(life, Duration::ZERO)?;
    if is_gone { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
}

/// Lays out the room's file system and makes it the root.
fn build(room: &Room, is_mapped: bool) -> Result<(), Refused> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|error| ("make its mounts its own", error.into()))?;
    namespace::bring_loopback_up().map_err(|error| ("bring the loopback interface up", error))?;
    let is_nobodys = !is_mapped && knows_nobody();
    let own = (geteuid().as_raw(), getegid().as_raw());
    let user = if is_nobodys { (NOBODY, NOBODY) } else { own };
    let root = room.at.as_path();
    let layers = [
        ("lay out the room's root", lay_root as fn(&Room, &Path, (u32, u32)) -> io::Result<()>),
        ("show the system's folders", show_system),
        ("give the room its devices", make_devices),
        ("show what the room is for", show_rest),
    ];
    for (step, lay) in layers {
        lay(room, root, user).map_err(|error| (step, error))?;
    }
    mount("proc", root.join("proc"), "proc", harmless(), None::<&CStr>)
        .map_err(|error| ("mount a /proc of the room's own", error.into()))?;
    std::env::set_current_dir(root)
        .and_then(|()| Ok(pivot_root(".", ".")?))
        .and_then(|()| Ok(unmount(".", UnmountFlags::DETACH)?))
        .and_then(|()| std::env::set_current_dir("/"))
        .map_err(|error| ("leave the machine's root behind", error))?;
    set_read_only(Path::new("/"), false).map_err(|error| ("protect the room's root", error))
}

fn harmless() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV
}

fn lay_root(_: &Room, root: &Path, _: (u32, u32)) -> io::Result<()> {
    mount_memory(root, harmless(), "size=4m,nr_inodes=4096,mode=0755".to_owned())?;
    for folder in ["proc", "etc", "dev", "tmp", "var"] {
        fs::create_dir(root.join(folder))?;
    }
    for (file, text) in FILES {
        fs::write(root.join(file), text)?;
    }
    Ok(())
}

fn show_system(_: &Room, root: &Path, _: (u32, u32)) -> io::Result<()> {
    for path in SYSTEM.iter().chain(&SYSTEM_MORE).map(Path::new) {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => {
                symlink(fs::read_link(path)?, below(root, path))?;
            }
            Ok(_) => show(root, path, path)?,
            // Systems differ.
            Err(_) => {}
        }
    }
    Ok(())
}

fn make_devices(_: &Room, root: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    let folder = root.join("dev");
    for device in DEVICES {
        let source = Path::new("/dev").join(device);
        if source.exists() {
            let place = folder.join(device);
            fs::write(&place, "")?;
            mount_bind_recursive(&source, &place)?;
        }
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(target, folder.join(name))?;
    }
    let shared = folder.join("shm");
    fs::create_dir(&shared)?;
    let limits =
        format!("size={SHARED_MEMORY_BYTES},nr_inodes=1024,mode=1777,uid={user},gid={group}");
    mount_memory(&shared, harmless() | MountFlags::NOEXEC, limits)?;
    let terminals = folder.join("pts");
    fs::create_dir(&terminals)?;
    let options = CString::new("newinstance,ptmxmode=0666,mode=0620")?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    Ok(mount("devpts", &terminals, "devpts", flags, options.as_c_str())?)
}

fn show_rest(room: &Room, root: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    for path in &room.hidden {
        let place = below(root, path);
        // Hidden already where nothing above it is shown.
        if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_dir()) {
            mount_memory(&place, harmless(), "size=64k,nr_inodes=64,mode=0755".to_owned())?;
        }
    }
    let place = below(root, &room.work);
    fs::create_dir_all(&place)?;
    let (bytes, inodes) = (room.work_bytes, room.work_inodes);
    let limits = format!("size={bytes},nr_inodes={inodes},mode=0755,uid={user},gid={group}");
    mount_memory(&place, harmless(), limits)?;
    // Last, so that nothing above covers it.
    for shown in &room.shown {
        show(root, &shown.source, &shown.place)?;
    }
    Ok(())
}

/// Shows the folder or file `source` at `place` in the room, for reading only.
fn show(root: &Path, source: &Path, place: &Path) -> io::Result<()> {
    let explain =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", source.display()));
    let target = below(root, place);
    let shown = || {
        if fs::metadata(source)?.is_dir() {
            fs::create_dir_all(&target)?;
        } else {
            target.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::write(&target, "")?;
        }
        mount_bind_recursive(source, &target)?;
        set_read_only(&target, true)
    };
    shown().map_err(explain)
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn mount_memory(place: &Path, flags: MountFlags, options: String) -> io::Result<()> {
    let options = CString::new(options)?;
    Ok(mount("tmpfs", place, "tmpfs", flags, options.as_c_str())?)
}

/// `mount_setattr(2)`, which adds to the flags that a mount has and may not lose.
fn set_read_only(path: &Path, recursive: bool) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path and structure are live and of the size told; the kernel only reads.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Root becomes nobody, in a user namespace in which nobody else is: its count of processes is the
/// room's alone.
fn become_nobody(life: &OwnedFd) -> Result<(), Refused> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let change = || -> io::Result<()> {
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
        // A change of user undoes both.
        set_dumpable_behavior(DumpableBehavior::Dumpable)?;
        die_with_caller(life)
    };
    if knows_nobody() {
        change().map_err(|error| ("become another user than root", error))?;
    }
    namespace::unshare_users(UnshareFlags::empty(), (NOBODY, NOBODY))
}

/// Whether there is such a user: in a container without privileges, root may be the only one, and
/// is an ordinary user outside.
fn knows_nobody() -> bool {
    let Ok(map) = fs::read_to_string("/proc/self/uid_map") else { return false };
    map.lines().any(|line| {
        let numbers: Vec<u32> =
            line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [first, _, count] = numbers[..] else { return false };
        (first..first.saturating_add(count)).contains(&NOBODY)
    })
}

/// Process 1 of the room: starts the guest, waits for it and for every orphan. Returns the guest's
/// exit status; with the return, and this process's end, everything else in the room ends.
fn be_first(room: &Room, guest: impl FnOnce() -> i32) -> i32 {
    let prepared = block_signals(&[libc::SIGCHLD])
        .and_then(|()| Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?));
    if prepared.is_err() {
        return 1;
    }
    let guest = fork(|| {
        // A session of the room's own: the group that it would else belong to has no number here.
        let freed = setsid()
            .map_err(io::Error::from)
            .and_then(|_| unblock_signals())
            .and_then(|()| Ok(set_parent_process_death_signal(Some(Signal::KILL))?))
            .and_then(|()| Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?));
        if freed.is_err() {
            return 1;
        }
        guest()
    });
    let Ok(guest) = guest else { return 1 };
    loop {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == guest {
                return status_of(status);
            }
        }
        end_the_largest(guest, room.memory_bytes);
        wait_a_moment();
    }
}

fn wait_a_moment() {
    let set = signal_set(&[libc::SIGCHLD]);
    let timeout =
        libc::timespec { tv_sec: 0, tv_nsec: i64::from(LOOK_EVERY.subsec_nanos()) as libc::c_long };
    // SAFETY: all pointers are to live values of the right types; SIGCHLD is blocked here.
    unsafe { libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const timeout) };
}

/// Kills processes, the largest first, until what is left uses at most half of what is allowed;
/// none if all together use no more than that.
fn end_the_largest(guest: Pid, limit_bytes: u64) {
    let spared = [getpid(), guest];
    let mut sizes: Vec<(u64, Pid)> = processes()
        .into_iter()
        .filter(|pid| !spared.contains(pid))
        .filter_map(|pid| Some((resident_bytes(pid)?, pid)))
        .collect();
    let mut total: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
    if total <= limit_bytes {
        return;
    }
    sizes.sort_unstable_by_key(|(bytes, pid)| (std::cmp::Reverse(*bytes), pid.as_raw_pid()));
    for (bytes, pid) in sizes {
        if total <= limit_bytes / 2 {
            return;
        }
        // One that has ended meanwhile is what is wanted.
        let _ = kill_process(pid, Signal::KILL);
        total = total.saturating_sub(bytes);
    }
}

fn processes() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let number = |name: &OsStr| name.to_str()?.parse().ok().and_then(Pid::from_raw);
    entries.flatten().filter_map(|entry| number(&entry.file_name())).collect()
}

/// What a process has in memory that is no file's: its own, and what it shares.
fn resident_bytes(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    Some((field("RssAnon:")? + field("RssShmem:")?) * 1024)
}
