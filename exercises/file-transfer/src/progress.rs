//! How far a transfer is, for somebody who watches. This is stretch: as it stands, nothing is
//! shown.

use std::io::{self, Read};

/// A source of `total_bytes` that shows how many of them have been read.
pub struct Watched<R> {
    source: R,
    total_bytes: u64,
    read_bytes: u64,
}

impl<R: Read> Watched<R> {
    /// Watches what is read from `source`.
    pub fn new(source: R, total_bytes: u64) -> Self {
        Self { source, total_bytes, read_bytes: 0 }
    }

    /// Draws the line again: on stderr, only if that is a terminal, and not at every read.
    fn draw(&self) {
        let _line = format!("{} of {} bytes", self.read_bytes, self.total_bytes);
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read_bytes += count as u64;
        self.draw();
        Ok(count)
    }
}
