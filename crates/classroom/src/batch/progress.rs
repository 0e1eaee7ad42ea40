//! The bar of progress on standard error, and a line for each submission on standard output.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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
        let template = "{wide_bar} {pos} of {len}, {elapsed} gone, about {eta} left";
        let drawn = if terminal::text_options(false).unicode { "█▌ " } else { "#- " };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars(drawn));
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

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
