//! The runs of this process, for a signal handler's thread that ends them all.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::platform::Run;

/// The runs that are open.
static OPEN: Mutex<Vec<Arc<Run>>> = Mutex::new(Vec::new());
/// Whether the process is about to exit. Set under the lock of `OPEN`, so that no run begins after
/// it.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Says whether a sandbox was closed, to whoever waits for programs in it and would like to know
/// at once that nothing more will come.
#[derive(Clone, Debug, Default)]
pub struct Closed(Arc<AtomicBool>);

impl Closed {
    /// Whether [`crate::Sandbox::close`] or its like was called; the programs may still be ending.
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Closes every sandbox of this process, as [`crate::Sandbox::close`] does, and returns when
/// nothing of them is left. For a process that is about to exit, called by the thread that waits
/// for Ctrl-C.
///
/// The other threads see their programs end. So that none takes that for a result and tells it, a
/// thread that starts a run or a program, ends a program or drops a sandbox from now on waits there
/// for the process's exit.
pub fn close_all_for_exit() {
    let runs = {
        let mut open = lock();
        ENDING.store(true, Ordering::SeqCst);
        std::mem::take(&mut *open)
    };
    for run in runs {
        run.close();
    }
}

/// Starts a run and keeps it in mind.
pub(crate) fn open(start: impl FnOnce() -> io::Result<Run>) -> io::Result<Arc<Run>> {
    let mut open = lock();
    if ENDING.load(Ordering::SeqCst) {
        drop(open);
        wait_for_exit();
    }
    let run = Arc::new(start()?);
    open.push(Arc::clone(&run));
    Ok(run)
}

/// Closes a run that its owner is done with.
pub(crate) fn close(run: &Arc<Run>) {
    run.close();
    stay_if_ending();
    lock().retain(|other| !Arc::ptr_eq(other, run));
}

/// Never returns if the process is about to exit.
pub(crate) fn stay_if_ending() {
    if ENDING.load(Ordering::SeqCst) {
        wait_for_exit();
    }
}

fn wait_for_exit() -> ! {
    loop {
        std::thread::park();
    }
}

fn lock() -> MutexGuard<'static, Vec<Arc<Run>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
