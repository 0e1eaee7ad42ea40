//! Ctrl-C and its kin: the runner ends at once, and nothing that it started outlives it.
//!
//! Whatever happens to this process, SIGKILL included, the sandbox's keeper ends the graded
//! programs once it is gone. After a Ctrl-C it is waited for, so that the prompt comes back to a
//! clean machine. The cargo and rustc processes that the runner itself started are ended here.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// The signals that end the runner in order.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// What has to go before the runner may.
static PENDING: Mutex<Pending> =
    Mutex::new(Pending { groups: Vec::new(), folders: Vec::new(), last: Vec::new() });

struct Pending {
    groups: Vec<Pid>,
    folders: Vec<PathBuf>,
    last: Vec<fn()>,
}

/// From now on SIGINT, SIGTERM and SIGHUP end the runner in order, with status 128 and the signal's
/// number.
///
/// # Errors
///
/// The signals cannot be taken over: no free descriptor, or no room for a thread.
pub fn arm() -> anyhow::Result<()> {
    let mut signals = Signals::new(SIGNALS).context("take over Ctrl-C")?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            end(signal);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).context("take over Ctrl-C")?;
    Ok(())
}

/// Has `last` called when a signal ends the runner: for what has changed a terminal's settings.
pub fn at_the_end(last: fn()) {
    lock().last.push(last);
}

/// Keeps a signal from ending the runner until the guard is dropped: for a few writes that belong
/// together.
#[must_use]
pub fn hold() -> Hold {
    Hold { _pending: lock() }
}

/// See [`hold`].
pub struct Hold {
    _pending: MutexGuard<'static, Pending>,
}

/// A process group of the runner's own, ended with it.
pub struct Group {
    leader: Option<Pid>,
}

impl Group {
    /// Takes care of `child`, which was started with a process group of its own.
    pub fn of(child: &Child) -> Self {
        let leader = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        lock().groups.extend(leader);
        Self { leader }
    }

    /// Ends it now. What it was for then fails, as if somebody had killed it.
    pub fn end(&self) {
        if let Some(leader) = self.leader {
            // The group may have ended by itself a moment ago.
            _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        lock().groups.retain(|group| Some(*group) != self.leader);
    }
}

/// A folder that is removed when this is dropped, or when a signal ends the runner.
pub struct PassingFolder {
    path: PathBuf,
}

impl PassingFolder {
    /// Makes the folder afresh: what an earlier run left there goes first.
    ///
    /// # Errors
    ///
    /// The folder cannot be made.
    pub fn make(path: PathBuf) -> io::Result<Self> {
        if path.exists() {
            fs_err::remove_dir_all(&path)?;
        }
        fs_err::create_dir_all(&path)?;
        lock().folders.push(path.clone());
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for PassingFolder {
    fn drop(&mut self) {
        lock().folders.retain(|folder| *folder != self.path);
        // What cannot be removed now is removed by the next run that makes the same folder.
        _ = fs_err::remove_dir_all(&self.path);
    }
}

fn lock() -> MutexGuard<'static, Pending> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(signal: i32) -> ! {
    // The lock is never given back: whoever holds it has finished, and whoever wants it is too
    // late.
    let pending = lock();
    for again in SIGNALS {
        // Whoever asks twice does not want to wait; the keeper does its work all the same.
        _ = flag::register_conditional_shutdown(again, 128 + again, Arc::new(true.into()));
    }
    for group in &pending.groups {
        // The group may have ended by itself a moment ago.
        _ = kill_process_group(*group, Signal::KILL);
    }
    sandbox::close_all_for_exit();
    for folder in &pending.folders {
        _ = fs_err::remove_dir_all(folder);
    }
    for last in &pending.last {
        last();
    }
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        // A progress line may stand half-drawn, with the cursor hidden.
        _ = stderr.write_all(b"\r\x1b[K\x1b[?25h");
    }
    _ = writeln!(stderr, "interrupted");
    std::process::exit(128 + signal)
}
