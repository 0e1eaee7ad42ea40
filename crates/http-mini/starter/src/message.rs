//! What requests and answers have in common: lines, and header fields.

use std::io::{self, BufRead};

/// Header fields in the order in which they came: name and value.
#[derive(Debug, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The values of all fields of this name, in any case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        todo!("the values of every {name:?} in {self:?}, whatever the case of the name")
    }

    /// Whether `word` stands in the comma-separated lists of the fields of this name, in any case.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        todo!("look for {word:?} among the items of {name:?} in {self:?}")
    }
}

/// Reads a line into `line`, without its end; `false` if the stream, or what may be read of it (see
/// [`std::io::Read::take`]), ended first.
///
/// # Errors
/// The stream's own.
pub fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let count = input.read_until(b'\n', line)?;
    todo!("{count} bytes came, {line:?}: is the line whole? take its end off")
}

/// Cuts a field line at its first colon into name and value; `None` without a colon.
pub fn split_field(line: &[u8]) -> Option<(&[u8], String)> {
    todo!("cut {line:?}; white space around the value is no part of it")
}
