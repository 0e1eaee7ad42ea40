//! Finding and ending whole trees of processes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, setpriority_process, wait, waitpid,
};

use super::signals::signal_set;

/// How often the tree is searched for processes that are not yet stopped before all are killed; a
/// round that finds none is the last one.
const FREEZE_ROUNDS_MAX: usize = 20;
/// How long to wait for a process that was killed before looking at the tree again.
const REAP_WAIT: Duration = Duration::from_millis(2);
/// When to give up on processes that do not die: they hang inside the kernel.
const END_DEADLINE: Duration = Duration::from_secs(50);

/// The processes below `root`, parents before their children, ended ones that nobody has waited
/// for included.
///
/// A tree that changes meanwhile may be seen in part (`proc_pid_task_children(5)`).
pub(super) fn descendants(root: Pid) -> Vec<Pid> {
    let mut found = children(root);
    let mut known: BTreeSet<i32> = found.iter().map(|pid| pid.as_raw_pid()).collect();
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        let new = |child: &Pid| known.insert(child.as_raw_pid());
        found.extend(children(parent).into_iter().filter(new));
    }
    found
}

/// Whether the process runs, sleeps or is stopped: one that has ended, but was not waited for, is
/// not living.
pub(super) fn is_living(pid: Pid) -> bool {
    stat_fields(pid).is_some_and(|fields| !matches!(fields.state, b'Z' | b'X'))
}

/// Stops every process below this one but the children in `spared` and what is below those, so
/// that none can fork while the tree is counted and killed. Returns them.
///
/// Each is stopped before its children are looked up, which makes the list of them the last one,
/// but for a fork that was under way: hence the rounds.
pub(super) fn freeze(spared: &BTreeSet<i32>) -> Vec<Pid> {
    let mut stopped = BTreeSet::new();
    for _ in 0..FREEZE_ROUNDS_MAX {
        let known = stopped.len();
        let mut found = unspared_children(spared);
        while let Some(pid) = found.pop() {
            if stopped.insert(pid.as_raw_pid()) {
                // One that has ended meanwhile needs no stopping.
                let _ = kill_process(pid, Signal::STOP);
            }
            found.extend(children(pid));
        }
        if stopped.len() == known {
            break;
        }
    }
    stopped.into_iter().filter_map(Pid::from_raw).collect()
}

/// Kills every process below this one but the children in `spared` and what is below those, and
/// waits until none is left.
///
/// # Errors
/// `TimedOut` if something killed does not die.
pub(super) fn end_all(spared: &BTreeSet<i32>) -> io::Result<()> {
    let deadline = Instant::now() + END_DEADLINE;
    // Against many that compete for the processor; refused, and done without, where this user has
    // no privileges.
    let _ = setpriority_process(None, -20);
    loop {
        reap(spared)?;
        if no_child_but(spared) {
            return Ok(());
        }
        for victim in freeze(spared) {
            // One that has ended meanwhile is what is wanted; it is waited for below.
            let _ = kill_process(victim, Signal::KILL);
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a killed process does not end"));
        }
        wait_for_a_child();
    }
}

/// Waits for each child that has ended, except those in `spared`.
pub(super) fn reap(spared: &BTreeSet<i32>) -> io::Result<()> {
    if spared.is_empty() {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) | Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    for child in unspared_children(spared) {
        // It may be alive, or have been waited for: neither is a failure.
        let _ = waitpid(Some(child), WaitOptions::NOHANG);
    }
    Ok(())
}

/// How many processes and threads the user has; 0 if that cannot be told.
pub(super) fn tasks_of_user(user: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let tasks = |pid: Pid| {
        let tasks = fs::metadata(format!("/proc/{}/task", pid.as_raw_pid())).ok()?;
        // A folder has a link for itself, one from above and one from each folder in it.
        (tasks.uid() == user).then(|| tasks.nlink().saturating_sub(2))
    };
    every_process().into_iter().filter_map(tasks).sum()
}

fn unspared_children(spared: &BTreeSet<i32>) -> Vec<Pid> {
    let mut own = children(getpid());
    own.retain(|child| !spared.contains(&child.as_raw_pid()));
    own
}

fn no_child_but(spared: &BTreeSet<i32>) -> bool {
    if spared.is_empty() {
        return matches!(wait(WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD));
    }
    unspared_children(spared).is_empty()
}

fn wait_for_a_child() {
    let set = signal_set(&[libc::SIGCHLD]);
    let timeout =
        libc::timespec { tv_sec: 0, tv_nsec: i64::from(REAP_WAIT.subsec_nanos()) as libc::c_long };
    // SAFETY: all pointers are to live values of the right types; SIGCHLD is blocked in every
    // process that ends trees, so that it stays pending until it is taken here.
    unsafe { libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const timeout) };
}

fn children(pid: Pid) -> Vec<Pid> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid())) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => {
                let pids = list.split_ascii_whitespace().filter_map(|word| word.parse().ok());
                found.extend(pids.filter_map(Pid::from_raw));
            }
            // The file is an option of the kernel's build.
            Err(_) if !has_children_files() => return children_by_search(pid),
            // The thread has ended.
            Err(_) => {}
        }
    }
    found
}

fn has_children_files() -> bool {
    let own = getpid().as_raw_pid();
    Path::new(&format!("/proc/{own}/task/{own}/children")).exists()
}

fn children_by_search(parent: Pid) -> Vec<Pid> {
    let is_child =
        |pid: &Pid| stat_fields(*pid).is_some_and(|fields| fields.parent == parent.as_raw_pid());
    every_process().into_iter().filter(is_child).collect()
}

fn every_process() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

struct StatFields {
    state: u8,
    parent: i32,
}

/// The fields that follow the name, which may itself hold spaces and parentheses; see
/// `proc_pid_stat(5)`.
fn stat_fields(pid: Pid) -> Option<StatFields> {
    let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?.split_ascii_whitespace();
    Some(StatFields {
        state: *fields.next()?.as_bytes().first()?,
        parent: fields.next()?.parse().ok()?,
    })
}
