//! What the kernel accounts to a process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

use super::threads::children;

/// The most memory that a process ever had resident (`VmHWM`), in bytes.
///
/// # Errors
///
/// `NotFound` if there is no such process, `InvalidData` if it has ended and has no memory left.
pub fn peak_memory_bytes(pid: u32) -> io::Result<u64> {
    memory_bytes(pid, "VmHWM:")
}

/// The most address space that a process ever had (`VmPeak`), in bytes: what it reserved, used or
/// not.
///
/// # Errors
///
/// As [`peak_memory_bytes`].
pub fn peak_address_space_bytes(pid: u32) -> io::Result<u64> {
    memory_bytes(pid, "VmPeak:")
}

/// The memory that a process has resident (`VmRSS`), in bytes, the files it has mapped included.
///
/// # Errors
///
/// As [`peak_memory_bytes`].
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    memory_bytes(pid, "VmRSS:")
}

/// The resident memory that is no file's (`RssAnon`), in bytes: stacks and heap.
///
/// # Errors
///
/// As [`peak_memory_bytes`].
pub fn anonymous_bytes(pid: u32) -> io::Result<u64> {
    memory_bytes(pid, "RssAnon:")
}

fn memory_bytes(pid: u32, key: &str) -> io::Result<u64> {
    const BYTES_A_KIB: u64 = 1_024;
    let kibibytes = status_value(pid, key)?;
    let kibibytes = kibibytes.trim_end_matches("kB").trim().parse::<u64>();
    Ok(kibibytes.map_err(|_| io::ErrorKind::InvalidData)? * BYTES_A_KIB)
}

/// The value of one line of `/proc/PID/status` (proc_pid_status(5)).
fn status_value(pid: u32, key: &str) -> io::Result<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(key));
    Ok(value.ok_or(io::ErrorKind::InvalidData)?.trim().to_owned())
}

/// The processor time that all threads of a process have used, those that have ended included and
/// its children not, to the nanosecond (clock_getcpuclockid(3)).
///
/// # Errors
///
/// `ESRCH` if there is no such process.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the call writes a clock id to a variable of that type.
    let error = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes a `timespec` to a variable of that type.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Ok(Duration::from_secs(seconds) + Duration::from_nanos(time.tv_nsec.unsigned_abs()))
}

/// How long each thread of a process has run, and how long it has waited for a processor, by thread
/// id (`/proc/PID/task/TID/schedstat`).
///
/// # Errors
///
/// `NotFound` if there is no such process, or the kernel keeps no such account.
pub fn processor_waits(pid: u32) -> io::Result<BTreeMap<u32, (Duration, Duration)>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        let account = match fs::read_to_string(entry.path().join("schedstat")) {
            Ok(account) => account,
            // The thread has ended between the two calls.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => continue,
            Err(error) => return Err(error),
        };
        let mut numbers = account.split_ascii_whitespace().filter_map(|word| word.parse().ok());
        let (ran, waited) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            threads.insert(tid, (Duration::from_nanos(ran), Duration::from_nanos(waited)));
        }
    }
    Ok(threads)
}

/// The open descriptors of a process and what each stands for ("socket:[4711]"), rising.
///
/// # Errors
///
/// `NotFound` if there is no such process, `PermissionDenied` if the kernel forbids the look.
pub fn descriptors(pid: u32) -> io::Result<Vec<(i32, String)>> {
    let mut descriptors = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        let target = match fs::read_link(entry.path()) {
            Ok(target) => target.to_string_lossy().into_owned(),
            // Closed between the two calls.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let fd = entry.file_name().to_str().and_then(|name| name.parse().ok());
        descriptors.push((fd.ok_or(io::ErrorKind::InvalidData)?, target));
    }
    descriptors.sort_unstable();
    Ok(descriptors)
}

/// How many threads a process has.
///
/// # Errors
///
/// `NotFound` if there is no such process.
pub fn threads(pid: u32) -> io::Result<usize> {
    status_value(pid, "Threads:")?.parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

/// How many of the processes and of their children, as far down as they go, have ended without
/// being asked for their status.
pub fn zombies(pids: &[u32]) -> usize {
    let mut pids = pids.to_vec();
    let mut next = 0;
    while let Some(&pid) = pids.get(next) {
        let threads = fs::read_dir(format!("/proc/{pid}/task"));
        let threads = threads.into_iter().flatten().flatten();
        for tid in threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            for child in children(pid, tid) {
                if !pids.contains(&child) {
                    pids.push(child);
                }
            }
        }
        next += 1;
    }
    let is_zombie = |pid: &&u32| status_value(**pid, "State:").is_ok_and(|s| s.starts_with('Z'));
    pids.iter().filter(is_zombie).count()
}
