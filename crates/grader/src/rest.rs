//! A program that has read what it was given, and waits again.

use std::time::{Duration, Instant};

use crate::context::Goal;
use crate::failure::Verdict;
use crate::look::{self, View, Waiting};
use crate::process::Program;

/// How long a program gets to come to rest before a check goes on without having seen it.
const PATIENCE: Duration = Duration::from_millis(250);

impl Program {
    /// Gives the program a moment to read all that was written to its standard input and to wait
    /// again, or to end; no failure if neither is seen. What it does because of its input it has
    /// done after this.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end; the grader's error.
    pub fn await_rest(&self) -> Verdict {
        let mut before = None;
        self.give_time(PATIENCE, || {
            Ok(self.context.has_ended(self.index) || self.rests(&mut before))
        })
    }

    /// Waits until `enough` says so, and no longer than `patience`: that is no failure.
    pub(crate) fn give_time(
        &self,
        patience: Duration,
        mut enough: impl FnMut() -> Verdict<bool>,
    ) -> Verdict {
        let began = Instant::now();
        let goal = Goal { quick: true, who: None, ..Goal::of(self.index, String::new()) };
        let waited = self
            .context
            .wait(&goal, || Ok((enough()? || began.elapsed() > patience).then_some(())));
        match waited {
            Err(stop) if stop.is_silence() => Ok(()),
            other => other,
        }
    }

    /// Whether nothing is left in its standard input and two looks, one after the other, saw the
    /// same threads wait. The threads of one look are not seen at one moment: a look between two of
    /// them could miss what one told the other.
    fn rests(&self, before: &mut Option<View>) -> bool {
        if self.is_fed() {
            return false;
        }
        let unread = self.with(|state| state.stdin.as_ref().map(rustix::io::ioctl_fionread));
        if unread.is_some_and(|unread| !matches!(unread, Ok(0))) {
            return false;
        }
        let now = look::look(&self.pids());
        let rests =
            !now.threads.is_empty() && now.threads.iter().all(|thread| waits(&thread.waiting));
        let same = before.as_ref() == Some(&now);
        *before = Some(now);
        rests && same
    }
}

fn waits(waiting: &Waiting) -> bool {
    match waiting {
        Waiting::Running | Waiting::Stopped | Waiting::Unknown => false,
        Waiting::Descriptor { on, .. } => !on.ready(),
        Waiting::Several { ready, .. } => !ready,
        _ => true,
    }
}
