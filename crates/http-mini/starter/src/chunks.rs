//! A body that comes in chunks, read as if it came in one piece.

use std::io::{self, BufRead, Read};

/// The body inside a chunked stream. What it has to remember between two reads is yours to add.
#[derive(Debug)]
pub struct Chunks<'a, R> {
    /// The stream, at the beginning of the body.
    pub input: &'a mut R,
}

impl<R: BufRead> Read for Chunks<'_, R> {
    /// Reads bytes of the chunks' data; 0 behind the last chunk. An end before that is an error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waiting = self.input.fill_buf()?.len();
        todo!("size lines, data, line ends: {waiting} bytes wait, room for {}", buffer.len())
    }
}
