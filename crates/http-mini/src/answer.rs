//! A lenient reader of HTTP heads and chunks: it takes what it can make sense of, since each check
//! judges one rule only.

/// The head of an answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The number in the status line.
    pub status: u16,
    /// The status line, without its end.
    pub status_line: String,
    /// Names and values of the header fields, in the order in which they came.
    pub fields: Vec<(String, String)>,
    /// All of it, with the empty line.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Reads a head that ends with its empty line; `None` if it does not begin with a status line.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines();
        let status_line = lines.next()?.to_owned();
        let status = status_of(&status_line)?;
        let fields = lines.filter_map(field).collect();
        Some(Self { status, status_line, fields, bytes })
    }

    /// The value of the first field of this name, which has no case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all fields of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        all(&self.fields, name)
    }

    /// The words of all fields of this name, in small letters: a field may be a list.
    pub fn words(&self, name: &str) -> Vec<String> {
        let words = self.all(name).flat_map(|value| value.split(','));
        words.map(|word| word.trim().to_ascii_lowercase()).collect()
    }

    /// How the end of its body is told; `to_head` if it answers HEAD.
    pub fn body_end(&self, to_head: bool) -> BodyEnd {
        if to_head || self.status < 200 || matches!(self.status, 204 | 304) {
            return BodyEnd::After(0);
        }
        if self.words("transfer-encoding").iter().any(|word| word == "chunked") {
            return BodyEnd::LastChunk;
        }
        let length = self.field("content-length").and_then(|value| value.parse().ok());
        length.map_or(BodyEnd::Close, BodyEnd::After)
    }
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// It has so many bytes.
    After(usize),
    /// A chunk of size 0 is the last.
    LastChunk,
    /// The connection ends.
    Close,
}

/// The values of all fields of this name, which has no case.
pub fn all<'a>(fields: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    fields
        .iter()
        .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Name and value of a header line; white space around either does not count.
pub fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().to_owned(), value.trim().to_owned()))
}

fn status_of(line: &str) -> Option<u16> {
    let mut words = line.strip_prefix("HTTP/")?.split_ascii_whitespace();
    words.next()?;
    words.next()?.parse().ok().filter(|status| (100..1000).contains(status))
}

/// How many bytes a head has that begins here, if its empty line has come.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            let line = &bytes[start..index];
            // Before the first line there is none that could be the last.
            if start > 0 && matches!(line, [] | [b'\r']) {
                return Some(index + 1);
            }
            start = index + 1;
        }
    }
    None
}

/// How many bytes a chunked body has that begins here, and the bytes in its chunks, if all of it
/// has come. A body that is no chunks ends where that shows.
pub fn chunks(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let line_end = at + bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
        let line = String::from_utf8_lossy(&bytes[at..line_end]);
        let digits = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(digits, 16) else { return Some((at, body)) };
        at = line_end;
        if size == 0 {
            break;
        }
        body.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size;
        at += bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
    }
    loop {
        let line_end = at + bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
        let is_empty = matches!(&bytes[at..line_end], b"\n" | b"\r\n");
        at = line_end;
        if is_empty {
            return Some((at, body));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, BodyEnd, chunks, head_length};

    #[test]
    fn a_head_is_read_leniently() {
        let text = b"HTTP/1.1 404\nCONTENT-length : 5 \n\nhello";
        let length = head_length(text).expect("it has an empty line");
        assert_eq!(&text[length..], b"hello");
        let answer = Answer::parse(text[..length].to_vec()).expect("it is a head");
        assert_eq!((answer.status, answer.body_end(false)), (404, BodyEnd::After(5)));
        assert_eq!(answer.body_end(true), BodyEnd::After(0));
    }

    #[test]
    fn what_is_no_head_is_not_taken_for_one() {
        for text in ["", "hello\n\n", "HTTP/1.1\n\n", "HTTP/1.1 abc\n\n", "HTTP/1.1 7 seven\n\n"] {
            assert!(Answer::parse(text.as_bytes().to_vec()).is_none(), "{text:?}");
        }
        assert_eq!(head_length(b"HTTP/1.1 200 OK\r\nA: b\r\n"), None);
    }

    #[test]
    fn chunks_are_put_together() {
        let text = b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: 1\r\n\r\nmore";
        assert_eq!(chunks(text), Some((text.len() - 4, b"hello world".to_vec())));
        assert_eq!(chunks(&text[..20]), None);
    }
}
