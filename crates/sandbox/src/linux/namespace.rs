//! A network, a disk and an `/etc/hosts` that only one program sees.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{DumpableBehavior, getegid, geteuid, getpid, set_dumpable_behavior};
use rustix::thread::{UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::job::{Disk, Job, Network, NetworkNamespace};

/// The file that the C library's resolver asks first, `hosts(5)`.
const HOSTS: &str = "/etc/hosts";

/// Moves this process, which has one thread, into the namespaces that the job asks for. Returns a
/// descriptor of the disk's root, if there is a disk: good for reaching it from outside, for as
/// long as the descriptor is open, whether or not the program still runs. `scratch` is the run's
/// scratch folder, in which nothing of this stays.
///
/// # Errors
/// Names the step that this machine refuses.
pub(super) fn enter(
    job: &Job,
    scratch: &Path,
) -> Result<Option<OwnedFd>, (&'static str, io::Error)> {
    let is_lonely = matches!(job.network, Network::Lonely);
    let mut wanted = UnshareFlags::empty();
    wanted.set(UnshareFlags::NEWNET, is_lonely);
    wanted.set(UnshareFlags::NEWNS, job.disk.is_some() || job.hosts.is_some());
    if let Network::Given(network) = &job.network {
        // First, since its user namespace, once entered, is the one that owns the mounts.
        join(network).map_err(|error| ("join the network", error))?;
    }
    if wanted.is_empty() {
        return Ok(None);
    }
    unshare(wanted)?;
    if is_lonely {
        bring_loopback_up().map_err(|error| ("bring the loopback interface up", error))?;
    }
    if wanted.contains(UnshareFlags::NEWNS) {
        // Else the mounts would show in the namespace that this one was copied from.
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(|error| ("make its mounts its own", error.into()))?;
    }
    if let Some(hosts) = &job.hosts {
        replace_hosts(hosts, scratch)
            .map_err(|error| ("give it an /etc/hosts of its own", error))?;
    }
    match &job.disk {
        None => Ok(None),
        Some(disk) => mount_disk(disk).map(Some).map_err(|error| ("mount a small disk", error)),
    }
}

fn join(network: &NetworkNamespace) -> io::Result<()> {
    for namespace in network.in_order() {
        // Both are what their maker says they are, or this fails.
        move_into_link_name_space(namespace, None)?;
    }
    Ok(())
}

/// Moves this process, which has one thread, into new namespaces, and into a new user namespace
/// first where this user may not do so otherwise; says whether it had to. The user and the group
/// stay what they are.
///
/// # Errors
/// Names the step that this machine refuses.
pub fn unshare(wanted: UnshareFlags) -> Result<bool, (&'static str, io::Error)> {
    // SAFETY: UnshareFlags::FILES is not asked for.
    if unsafe { unshare_unsafe(wanted) }.is_ok() {
        // With root's power over the machine no user namespace is needed; in one that maps root
        // alone, files of all other users would be closed to a program that may now read them.
        return Ok(false);
    }
    let own = (geteuid().as_raw(), getegid().as_raw());
    unshare_users(wanted, own).map(|()| true)
}

/// Makes the namespaces inside a new user namespace, in which this user alone is known, by the
/// numbers `inside`.
pub(super) fn unshare_users(
    wanted: UnshareFlags,
    inside: (u32, u32),
) -> Result<(), (&'static str, io::Error)> {
    let outside = (geteuid().as_raw(), getegid().as_raw());
    // SAFETY: UnshareFlags::FILES is not asked for.
    unsafe { unshare_unsafe(wanted | UnshareFlags::NEWUSER) }
        .map_err(|error| ("make a user namespace", error.into()))?;
    // The files below belong to root while this process is not dumpable, as it is by inheritance.
    set_dumpable_behavior(DumpableBehavior::Dumpable)
        .map_err(io::Error::from)
        .and_then(|()| write_maps(inside, outside))
        .map_err(|error| ("map this user into a user namespace", error))
}

fn write_maps(inside: (u32, u32), outside: (u32, u32)) -> io::Result<()> {
    // Without privileges, groups may be mapped only once they can no longer be dropped.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{} {} 1", inside.0, outside.0))?;
    fs::write("/proc/self/gid_map", format!("{} {} 1", inside.1, outside.1))
}

/// In a new network namespace the loopback interface is down and has no address.
pub(super) fn bring_loopback_up() -> io::Result<()> {
    use rustix::fd::AsRawFd;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

    let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all zeros is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = *byte as libc::c_char;
    }
    // The kernel adds what it keeps itself (IFF_LOOPBACK, IFF_RUNNING).
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the request is live and of the type that this ioctl reads.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn mount_disk(disk: &Disk) -> io::Result<OwnedFd> {
    let options = format!("size={},nr_inodes={},mode=0755", disk.bytes, disk.inodes);
    let options = CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", &disk.path, "tmpfs", flags, options.as_c_str())?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(&disk.path, flags, Mode::empty())?)
}

/// Puts a file with this text in the place of [`HOSTS`], which has to be there.
fn replace_hosts(text: &str, scratch: &Path) -> io::Result<()> {
    // No other process of the run has this number now.
    let file = scratch.join(format!("hosts-{}", getpid().as_raw_pid()));
    let written = fs::write(&file, text);
    let mounted = written.and_then(|()| Ok(mount_bind(&file, HOSTS)?));
    // The mount keeps the file. Without a name below the folders where the program may write, the
    // file is not the program's to change.
    let removed = fs::remove_file(&file);
    mounted.and(removed)
}
