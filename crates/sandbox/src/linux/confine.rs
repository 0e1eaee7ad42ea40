//! What a program gives up before it starts: writing outside its folders, and root's powers over
//! the machine.

use std::io;
use std::path::Path;

use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};

use super::landlock::{Place, Ruleset};
use crate::job::Job;

/// Devices that take anything from anybody and keep nothing.
const HARMLESS_DEVICES: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom"];

/// Restricts this thread and all that it starts: it writes below the job's folders only, reads
/// there and in what the job names only if it names anything, and signals and reaches by abstract
/// sockets only what it started itself.
///
/// The kernel enforces what it knows of this; a kernel without Landlock enforces nothing. Needs
/// `no_new_privs`.
///
/// # Errors
/// Names the path that is not there.
pub(super) fn restrict_files(job: &Job) -> io::Result<()> {
    let disk = job.disk.as_ref().map(|disk| disk.path.as_path());
    let writable = job.writable.iter().map(|path| path.as_path());
    let mut places = Vec::new();
    for path in std::iter::once(job.directory.as_path()).chain(writable).chain(disk) {
        places.push(find("writing to", path)?);
    }
    let mut readable = Vec::new();
    for path in job.readable.iter().flatten() {
        readable.push(find("reading", path)?);
    }
    // A container may lack some of them.
    places.extend(HARMLESS_DEVICES.iter().filter_map(|path| Place::find(Path::new(path)).ok()));
    let Some(ruleset) = Ruleset::new(job.readable.is_some())? else { return Ok(()) };
    for place in &places {
        ruleset.allow_everything(place)?;
    }
    for place in &readable {
        ruleset.allow_reading(place)?;
    }
    ruleset.restrict_self()
}

fn find(doing: &str, path: &Path) -> io::Result<Place> {
    Place::find(path).map_err(|error| {
        let text = format!("allow {doing} {}: {error}", path.display());
        io::Error::new(error.kind(), text)
    })
}

/// What root may do beyond its own files: trace and signal others, mount, load modules, change the
/// network, make devices, raise its own limits.
const POWERS: [CapabilitySet; 25] = [
    CapabilitySet::KILL,
    CapabilitySet::SETPCAP,
    CapabilitySet::LINUX_IMMUTABLE,
    CapabilitySet::NET_ADMIN,
    CapabilitySet::NET_RAW,
    CapabilitySet::IPC_OWNER,
    CapabilitySet::SYS_MODULE,
    CapabilitySet::SYS_RAWIO,
    CapabilitySet::SYS_CHROOT,
    CapabilitySet::SYS_PTRACE,
    CapabilitySet::SYS_PACCT,
    CapabilitySet::SYS_ADMIN,
    CapabilitySet::SYS_BOOT,
    CapabilitySet::SYS_NICE,
    CapabilitySet::SYS_RESOURCE,
    CapabilitySet::SYS_TIME,
    CapabilitySet::SYS_TTY_CONFIG,
    CapabilitySet::MKNOD,
    CapabilitySet::AUDIT_CONTROL,
    CapabilitySet::MAC_OVERRIDE,
    CapabilitySet::MAC_ADMIN,
    CapabilitySet::SYSLOG,
    CapabilitySet::PERFMON,
    CapabilitySet::BPF,
    CapabilitySet::CHECKPOINT_RESTORE,
];

/// Gives up root's powers over the machine, from the next exec on. Root's access to files stays: a
/// learner's folder, mounted into a container, often belongs to somebody else.
pub(super) fn drop_powers() {
    // Setting the limit that exec imposes is itself a power, so it goes last. Whoever lacks it
    // has none of the others to lose, except where a container took this one alone.
    let (last, others) = (CapabilitySet::SETPCAP, POWERS.iter());
    for &power in others.filter(|&&power| power != last) {
        // Kernels do not know the powers that later ones have.
        let _ = remove_capability_from_bounding_set(power);
    }
    let _ = remove_capability_from_bounding_set(last);
}
