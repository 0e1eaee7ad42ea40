//! The bar of progress on standard error, and a line for each submission on standard output.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use crate::{output, terminal};

/// How far a run is; nothing is drawn where standard error is no terminal.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Begins with nothing done of `count`.
    pub fn begin(count: usize) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new(count as u64)
        } else {
            ProgressBar::hidden()
        };
        let template = "{wide_bar} {pos} of {len}, {elapsed} gone{left}";
        let drawn = if terminal::text_options(false).unicode { "█▌ " } else { "#- " };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars(drawn).with_key("left", tell_left));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        Self { bar }
    }

    /// One more is done, and `line` says what came of it.
    ///
    /// # Errors
    ///
    /// Standard output takes no more.
    pub fn done(&self, line: &str) -> anyhow::Result<()> {
        let printed = self.bar.suspend(|| output::print(line.as_bytes()));
        self.bar.inc(1);
        printed
    }
}

/// Before anything is done, nobody can tell.
fn tell_left(state: &ProgressState, out: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        // A line of progress that cannot be drawn is no failure.
        _ = write!(out, ", about {} left", HumanDuration(state.eta()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
