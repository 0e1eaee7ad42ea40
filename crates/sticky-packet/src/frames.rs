//! Messages as they stand in the stream, and as a receiver prints them.

use Framing::{Delimiter, Length};

/// A framing that keeps messages apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A newline after each message; `\\` and `\n` inside.
    Delimiter,
    /// Four bytes before each message, big-endian: its length in bytes.
    Length,
}

/// Both framings that work: what is said of one message holds for each.
pub(crate) const BOTH: [Framing; 2] = [Delimiter, Length];

impl Framing {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Delimiter => "delimiter",
            Length => "length",
        }
    }

    /// The bytes that stand for `message` in the stream.
    pub(crate) fn frame(self, message: impl AsRef<[u8]>) -> Vec<u8> {
        let message = message.as_ref();
        if self == Length {
            return [&big_endian(message.len()), message].concat();
        }
        let mut frame = Vec::with_capacity(message.len() + 1);
        for piece in message.split_inclusive(|byte| matches!(byte, b'\\' | b'\n')) {
            let (escape, plain) = match piece {
                [plain @ .., b'\\'] => (b"\\\\".as_slice(), plain),
                [plain @ .., b'\n'] => (b"\\n".as_slice(), plain),
                plain => (b"".as_slice(), plain),
            };
            frame.extend_from_slice(plain);
            frame.extend_from_slice(escape);
        }
        frame.push(b'\n');
        frame
    }

    /// All frames, one directly after the other.
    pub(crate) fn frames(self, messages: &[&str]) -> Vec<u8> {
        messages.iter().flat_map(|message| self.frame(message)).collect()
    }
}

fn big_endian(length: usize) -> [u8; 4] {
    // The longest message of a check is a little over 1 MiB.
    (length as u32).to_be_bytes()
}

/// The line that a receiver prints for a message.
pub(crate) fn line_for(text: &str) -> String {
    format!("message {text:?}")
}

/// The text that a `message` line stands for; `None` if it is no such line, or its quotes or
/// escapes are not Rust's.
pub(crate) fn text_of(line: &str) -> Option<String> {
    let quoted = line.strip_prefix("message \"")?.strip_suffix('"')?;
    let mut text = String::new();
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        text.push(match letters.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            'u' => {
                let digits: String =
                    letters.by_ref().skip(1).take_while(|digit| *digit != '}').collect();
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
            }
            same => same,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Framing, line_for, text_of};

    #[test]
    fn frames_are_those_of_the_handout() {
        assert_eq!(Framing::Delimiter.frame("a\nb"), b"a\\nb\n");
        assert_eq!(Framing::Delimiter.frame("C:\\"), b"C:\\\\\n");
        assert_eq!(Framing::Delimiter.frame(""), b"\n");
        assert_eq!(Framing::Length.frame("hi"), [0, 0, 0, 2, b'h', b'i']);
    }

    #[test]
    fn a_line_gives_its_text_back() {
        for text in ["", "say \"é\"\tnow\\", "a\nb\r\0\u{7}"] {
            assert_eq!(text_of(&line_for(text)).as_deref(), Some(text));
        }
        assert_eq!(text_of("closed"), None);
    }
}
