//! A CSV file whose cells are exchanged in place: whatever is not exchanged stays byte for byte.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::bail;

/// What sets cells apart, in the order of preference.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A sheet and what is to be exchanged in it.
#[derive(Debug, Clone)]
pub struct Sheet {
    bytes: Vec<u8>,
    delimiter: u8,
    /// The place of each cell, quotes included; the first row is that of the headings.
    rows: Vec<Vec<Range<usize>>>,
    changes: Vec<(Range<usize>, Vec<u8>)>,
    /// By row and column: cells beyond the end of a row.
    beyond: BTreeMap<usize, BTreeMap<usize, Vec<u8>>>,
}

impl Sheet {
    /// Reads a sheet as RFC 4180 describes it, and with semicolons or tabs instead of commas.
    ///
    /// # Errors
    ///
    /// It is empty or UTF-16, or a quote is never closed.
    pub fn parse(bytes: Vec<u8>) -> anyhow::Result<Self> {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            bail!("it is UTF-16; save it as \"CSV UTF-8\"");
        }
        let mut start = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let mut delimiter = None;
        // Excel's own line for what sets cells apart.
        if let Some([one, b'\r' | b'\n', ..]) = bytes[start..].strip_prefix(b"sep=") {
            delimiter = Some(*one);
            let line = bytes[start..].iter().position(|byte| *byte == b'\n').unwrap_or(0);
            start += line + 1;
        }
        let delimiter = delimiter.unwrap_or_else(|| most_used(&bytes[start..]));
        let rows = rows(&bytes, start, delimiter)?;
        if rows.len() < 2 {
            bail!("it has no rows below its headings");
        }
        Ok(Self { bytes, delimiter, rows, changes: Vec::new(), beyond: BTreeMap::new() })
    }

    /// How many columns the widest row has.
    pub fn columns(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The numbers of the rows below the headings.
    pub fn body(&self) -> Range<usize> {
        1..self.rows.len()
    }

    /// The text of a cell, without quotes and white space around it; empty if there is none.
    pub fn text(&self, row: usize, column: usize) -> String {
        let Some(place) = self.rows.get(row).and_then(|row| row.get(column)) else {
            return String::new();
        };
        decoded(&unquoted(&self.bytes[place.clone()])).trim().to_owned()
    }

    /// Exchanges the text of a cell. It is quoted if it was quoted before, or has to be.
    pub fn set(&mut self, row: usize, column: usize, text: &str) {
        let Some(cells) = self.rows.get(row) else { return };
        match cells.get(column) {
            Some(place) => {
                let was_quoted = self.bytes[place.clone()].starts_with(b"\"");
                let value = self.quoted(text, was_quoted);
                self.changes.push((place.clone(), value));
            }
            None => {
                let value = self.quoted(text, false);
                self.beyond.entry(row).or_default().insert(column, value);
            }
        }
    }

    /// The bytes with all changes.
    pub fn finish(mut self) -> Vec<u8> {
        for (row, cells) in std::mem::take(&mut self.beyond) {
            let mut column = self.rows[row].len() - 1;
            let mut tail = Vec::new();
            for (wanted, value) in cells {
                tail.resize(tail.len() + wanted - column, self.delimiter);
                tail.extend(value);
                column = wanted;
            }
            let end = self.rows[row].last().map_or(0, |last| last.end);
            self.changes.push((end..end, tail));
        }
        // Sorting keeps what is new at the end of a row behind what is exchanged before it.
        self.changes.sort_by_key(|(place, _)| place.start);
        let mut written = Vec::with_capacity(self.bytes.len() + 16 * self.changes.len());
        let mut done = 0;
        for (place, value) in &self.changes {
            written.extend_from_slice(&self.bytes[done..place.start]);
            written.extend_from_slice(value);
            done = place.end;
        }
        written.extend_from_slice(&self.bytes[done..]);
        written
    }

    fn quoted(&self, text: &str, always: bool) -> Vec<u8> {
        let special = |byte: &u8| matches!(byte, b'"' | b'\r' | b'\n') || *byte == self.delimiter;
        if always || text.as_bytes().iter().any(special) {
            return format!("\"{}\"", text.replace('"', "\"\"")).into_bytes();
        }
        text.as_bytes().to_vec()
    }
}

/// Text that a spreadsheet program takes for text: what would begin a formula gets an apostrophe
/// before it, as OWASP's "CSV Injection" advises.
pub fn guarded(text: &str) -> Cow<'_, str> {
    let begins_formula = |letter: char| {
        matches!(letter, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
    };
    // Some programs pass over white space before they look.
    let first = text.trim_start_matches(' ').chars().next();
    match first {
        Some(first) if begins_formula(first) => Cow::Owned(format!("'{text}")),
        _ => Cow::Borrowed(text),
    }
}

/// The delimiter that the headings use most.
fn most_used(bytes: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut in_quotes = false;
    for byte in bytes {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\n' | b'\r' if !in_quotes => break,
            other if !in_quotes => {
                for (count, delimiter) in counts.iter_mut().zip(DELIMITERS) {
                    *count += usize::from(*other == delimiter);
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let first = counts.iter().position(|count| *count == most).unwrap_or(0);
    DELIMITERS[first]
}

fn rows(bytes: &[u8], start: usize, delimiter: u8) -> anyhow::Result<Vec<Vec<Range<usize>>>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut at = start;
    while at < bytes.len() {
        let begin = at;
        if bytes[at] == b'"' {
            at = closing_quote(bytes, at)?;
        }
        while at < bytes.len() && !matches!(bytes[at], b'\r' | b'\n') && bytes[at] != delimiter {
            at += 1;
        }
        row.push(begin..at);
        match bytes.get(at) {
            Some(byte) if *byte == delimiter => {
                at += 1;
                if matches!(bytes.get(at), None | Some(b'\r' | b'\n')) {
                    row.push(at..at);
                    at = line_end(bytes, at, &mut rows, &mut row);
                }
            }
            _ => at = line_end(bytes, at, &mut rows, &mut row),
        }
    }
    Ok(rows)
}

/// Ends the row at the line end that stands `at`, and returns where the next begins.
fn line_end(
    bytes: &[u8],
    at: usize,
    rows: &mut Vec<Vec<Range<usize>>>,
    row: &mut Vec<Range<usize>>,
) -> usize {
    rows.push(std::mem::take(row));
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => at + 2,
        (Some(_), _) => at + 1,
        (None, _) => at,
    }
}

/// Where the quotes that open `at` are closed: the place after it.
fn closing_quote(bytes: &[u8], at: usize) -> anyhow::Result<usize> {
    let mut place = at + 1;
    while place < bytes.len() {
        match (bytes[place], bytes.get(place + 1)) {
            (b'"', Some(b'"')) => place += 2,
            (b'"', _) => return Ok(place + 1),
            _ => place += 1,
        }
    }
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    bail!("the quotation mark that opens a cell in line {line} is never closed")
}

fn unquoted(cell: &[u8]) -> Vec<u8> {
    let Some(inner) = cell.strip_prefix(b"\"") else { return cell.to_vec() };
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        plain.push(*byte);
        if *byte == b'"' {
            bytes.next();
        }
    }
    plain
}

/// UTF-8, or else Latin-1, in which every byte is a character.
fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Sheet, guarded};

    fn changed(bytes: &[u8], changes: &[(usize, usize, &str)]) -> Vec<u8> {
        let mut sheet = Sheet::parse(bytes.to_vec()).expect("a sheet");
        for (row, column, text) in changes {
            sheet.set(*row, *column, text);
        }
        sheet.finish()
    }

    #[test]
    fn everything_else_stays_byte_for_byte() {
        let original =
            b"\xef\xbb\xbfN\xc3\xa4me;\"No;te\";x\r\n\"a \"\"q\"\"\nb\";\"1\"; \r\n\xff;;\r\n;2";
        assert_eq!(changed(original, &[]), original);
        let new = changed(original, &[(1, 1, "9"), (2, 2, "a;b"), (3, 1, "7")]);
        let expected = b"\xef\xbb\xbfN\xc3\xa4me;\"No;te\";x\r\n\
            \"a \"\"q\"\"\nb\";\"9\"; \r\n\xff;;\"a;b\"\r\n;7";
        assert_eq!(new, expected);
    }

    #[test]
    fn cells_are_read_as_a_spreadsheet_reads_them() {
        let text = "sep=;\nA;\"B, C\"\n \"\"x ;\"y \"\"z\"\"\"\r;;\n\n\"last\"";
        let sheet = Sheet::parse(text.as_bytes().to_vec()).expect("a sheet");
        assert_eq!(sheet.text(0, 1), "B, C");
        assert_eq!((sheet.text(1, 0), sheet.text(1, 1)), ("\"\"x".into(), "y \"z\"".into()));
        assert_eq!((sheet.columns(), sheet.body()), (3, 1..5));
        assert_eq!(sheet.text(4, 0), "last");
        assert_eq!(Sheet::parse(b"n\n\xe4\n".to_vec()).expect("a sheet").text(1, 0), "ä");
    }

    #[test]
    fn a_row_that_ends_early_gets_the_cells_it_lacks() {
        assert_eq!(changed(b"a,b,c\n1\n", &[(1, 2, "z"), (1, 1, "y")]), b"a,b,c\n1,y,z\n");
    }

    #[test]
    fn what_is_no_sheet_is_told() {
        for (bytes, told) in [
            (&b"\xff\xfea\0"[..], "UTF-16"),
            (b"", "no rows"),
            (b"a,b\n", "no rows"),
            (b"a,b\n1,\"2\n3\n", "line 2"),
        ] {
            let error = Sheet::parse(bytes.to_vec()).expect_err("it is none").to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn what_would_be_a_formula_is_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"] {
            assert_eq!(guarded(text), format!("'{text}"));
        }
        for text in ["", "Ada", "1-1", "a=b", "'=1"] {
            assert_eq!(guarded(text), text);
        }
    }
}
