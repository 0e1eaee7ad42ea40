//! Ending work whose result nobody wants any more: a build, a grading.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sandbox::Sandbox;

use crate::interrupt::Group;

/// One piece of work that somebody may end before it is done. The worker names what has to be ended
/// for it; whoever no longer wants the result says so once.
#[derive(Default)]
pub struct Cancel {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    group: Weak<Group>,
    sandbox: Weak<Sandbox>,
}

impl Cancel {
    /// Ends the work: the process group at once, the sandbox on a thread of its own, since the last
    /// of its programs may take a moment to die.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        if let Some(group) = state.group.upgrade() {
            group.end();
        }
        if let Some(sandbox) = state.sandbox.upgrade() {
            close_aside(sandbox);
        }
    }

    /// As [`Cancel::cancel`], and returns when the programs are gone.
    pub fn cancel_and_wait(&self) {
        self.cancel();
        let sandbox = self.lock().sandbox.upgrade();
        if let Some(sandbox) = sandbox {
            // A second call waits for the first.
            sandbox.close();
        }
    }

    /// Whether the result is no longer wanted.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// The work now lies with this group of processes, for as long as the worker keeps it.
    pub fn ends_group(&self, group: &Arc<Group>) {
        let mut state = self.lock();
        state.group = Arc::downgrade(group);
        if state.cancelled {
            group.end();
        }
    }

    /// The work now lies with the programs of this sandbox, for as long as the worker keeps it.
    pub fn closes_sandbox(&self, sandbox: &Arc<Sandbox>) {
        let mut state = self.lock();
        state.sandbox = Arc::downgrade(sandbox);
        if state.cancelled {
            sandbox.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close_aside(sandbox: Arc<Sandbox>) {
    let here = Arc::clone(&sandbox);
    let close = move || sandbox.close();
    if std::thread::Builder::new().name("close".into()).spawn(close).is_err() {
        here.close();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};
    use std::sync::Arc;

    use super::Cancel;
    use crate::interrupt::Group;

    fn sleeper() -> (Child, Arc<Group>) {
        let child = Command::new("sleep").arg("600").process_group(0).spawn().expect("start sleep");
        let group = Arc::new(Group::of(&child));
        (child, group)
    }

    #[test]
    fn work_ends_whether_it_is_cancelled_before_or_after_it_begins() {
        for cancelled_first in [false, true] {
            let cancel = Cancel::default();
            if cancelled_first {
                cancel.cancel();
            }
            let (mut child, group) = sleeper();
            cancel.ends_group(&group);
            if !cancelled_first {
                assert!(!cancel.is_cancelled());
                cancel.cancel();
            }
            assert!(cancel.is_cancelled());
            assert!(!child.wait().expect("wait for sleep").success());
        }
    }

    #[test]
    fn work_that_is_done_is_left_alone() {
        let cancel = Cancel::default();
        let (mut child, group) = sleeper();
        cancel.ends_group(&group);
        drop(group);
        cancel.cancel();
        assert_eq!(child.try_wait().expect("look at sleep"), None, "it runs on");
        child.kill().expect("end sleep");
        child.wait().expect("wait for sleep");
    }
}
