//! What the machine has of descriptors, memory, processors, and what its terminal shows.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::thread;

use super::Finding;
use super::disk::size;
use crate::terminal;
use crate::workspace::Workspace;

/// With fewer, checks with many connections cannot be run.
const NEEDED_DESCRIPTORS: usize = 256;
/// As many as the checks of a module use at the same time, with room to spare.
const WANTED_DESCRIPTORS: usize = 1024;
/// What a build and a grading side by side use.
const WANTED_MEMORY_BYTES: u64 = 1 << 30;

/// Opens as many as are wanted.
pub(super) fn descriptors(_: &Workspace) -> Vec<Finding> {
    let name = "descriptors";
    let mut open = Vec::new();
    let refused = loop {
        if open.len() == WANTED_DESCRIPTORS {
            break None;
        }
        match File::open("/dev/null") {
            Ok(file) => open.push(file),
            Err(error) => break Some(error),
        }
    };
    let count = open.len();
    drop(open);
    let Some(error) = refused else {
        return vec![Finding::good(name, format!("opened {count} at the same time"))];
    };
    let tried = format!("opened {count}, then: {error}");
    let found = if count < NEEDED_DESCRIPTORS {
        Finding::missing(name, tried).means("checks with several connections cannot be run")
    } else {
        Finding::limited(name, tried).means("checks with hundreds of connections may not be run")
    };
    vec![found.advice("raise the limit with `ulimit -n 4096`, or end other programs")]
}

/// What is free of it. To take it would be no kindness to a small machine.
pub(super) fn memory(_: &Workspace) -> Vec<Finding> {
    let Some(free) = free_memory_bytes() else {
        return Vec::new();
    };
    let tried = format!("{} are free", size(free));
    if free >= WANTED_MEMORY_BYTES {
        return vec![Finding::good("memory", tried)];
    }
    vec![
        Finding::limited("memory", tried)
            .means("a build may be slow or be ended by the system, and programs with it")
            .advice("close other programs; `CARGO_BUILD_JOBS=1` builds with less"),
    ]
}

/// What the system can give, and no more than the group of processes may have (`cgroups(7)`).
#[cfg(target_os = "linux")]
fn free_memory_bytes() -> Option<u64> {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let available = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = available.split_whitespace().next()?.parse::<u64>().ok()?.saturating_mul(1024);
    let limit = number("/sys/fs/cgroup/memory.max");
    let used = number("/sys/fs/cgroup/memory.current");
    let left = limit.zip(used).map(|(limit, used)| limit.saturating_sub(used));
    Some(left.map_or(free, |left| left.min(free)))
}

#[cfg(not(target_os = "linux"))]
fn free_memory_bytes() -> Option<u64> {
    None
}

/// How many programs run at the same time.
pub(super) fn processors(_: &Workspace) -> Vec<Finding> {
    let count = thread::available_parallelism().map_or(1, usize::from);
    if count > 1 {
        return vec![Finding::good("processors", format!("{count} may be used"))];
    }
    vec![
        Finding::limited("processors", "1 may be used")
            .means("a grading takes longer; checks that measure time may need a second try")
            .advice("nothing is needed; `--deadline-ms 30000` gives slow programs more time"),
    ]
}

/// What a report looks like here.
pub(super) fn terminal(_: &Workspace) -> Vec<Finding> {
    let columns = terminal::full_columns();
    let mut parts = vec![if io::stdout().is_terminal() {
        format!("{columns} columns")
    } else {
        format!("standard output is no terminal; reports are {columns} columns wide")
    }];
    parts.push(match (terminal::stdout_colours(), env::var_os("NO_COLOR").is_some()) {
        (true, _) => "with colours".to_owned(),
        (false, true) => "without colours, as NO_COLOR asks".to_owned(),
        (false, false) => "without colours".to_owned(),
    });
    if terminal::unicode() {
        parts.push("lines drawn with Unicode".to_owned());
        return vec![Finding::good("terminal", parts.join(", "))];
    }
    vec![
        Finding::limited("terminal", parts.join(", "))
            .means("the locale is not UTF-8: conversations are drawn with ASCII, nothing is lost")
            .advice("`export LANG=C.UTF-8`, if your terminal shows UTF-8"),
    ]
}
