//! How far a transfer is, for somebody who watches.
//!
//! The idea: whatever reads the data passes by here, and a line on stderr is drawn again and again
//! (`\r` goes back to its beginning). Only on a terminal: in a file or a pipe it would be garbage,
//! and whoever reads that expects errors there and nothing else.

use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant};

/// How long a line stands before it is drawn again: drawing must not slow the transfer down.
const REDRAW_AFTER: Duration = Duration::from_millis(100);

/// A source of `total` bytes that shows how many of them have been read.
pub struct Watched<R> {
    source: R,
    total_bytes: u64,
    read_bytes: u64,
    on_terminal: bool,
    drawn_at: Instant,
}

impl<R: Read> Watched<R> {
    /// Watches what is read from `source`, and begins the line.
    pub fn new(source: R, total_bytes: u64) -> Self {
        let on_terminal = io::stderr().is_terminal();
        let watched =
            Self { source, total_bytes, read_bytes: 0, on_terminal, drawn_at: Instant::now() };
        watched.draw();
        watched
    }
}

impl<R> Watched<R> {
    fn draw(&self) {
        if self.on_terminal {
            let (read, total) = (u128::from(self.read_bytes), u128::from(self.total_bytes));
            let percent = (read * 100).checked_div(total).unwrap_or(100);
            let _ = format!("{read} of {total} bytes, {percent} %");
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read_bytes += count as u64;
        if self.drawn_at.elapsed() >= REDRAW_AFTER {
            self.draw();
            self.drawn_at = Instant::now();
        }
        Ok(count)
    }
}

impl<R> Drop for Watched<R> {
    /// Ends the line, so that what is printed next gets its own: the result or the error.
    fn drop(&mut self) {
        self.draw();
        if self.on_terminal {
            write_stderr("\n");
        }
    }
}

/// In one write, or the line would flicker.
fn write_stderr(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
