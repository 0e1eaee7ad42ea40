//! Writing HTML: what is markup stands in the program, everything else is escaped.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use crate::results::printable;

/// Text as it may stand in an element or in a quoted attribute; it holds no control character but
/// the line end.
pub fn escaped(text: &str) -> String {
    let text = printable(text);
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // HTML has no place for these (WHATWG, "noncharacter").
            '\u{fdd0}'..='\u{fdef}' => escaped.push('\u{fffd}'),
            other if (other as u32) & 0xfffe == 0xfffe => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A page while it is written.
pub struct Page<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Page<'a> {
    /// A page that is written to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    /// Writes markup.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn markup(&mut self, markup: impl Display) -> io::Result<()> {
        write!(self.out, "{markup}")
    }

    /// Writes an element with text in it.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn element(&mut self, name: &str, text: &str) -> io::Result<()> {
        writeln!(self.out, "<{name}>{}</{name}>", escaped(text))
    }

    /// Writes a block of text as it is, which the keyboard can scroll where it is too wide.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn block(&mut self, label: &str, text: &str) -> io::Result<()> {
        let text = text.trim_matches('\n');
        writeln!(
            self.out,
            "<pre tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</pre>",
            escaped(label),
            escaped(text)
        )
    }
}

/// "1 submission", "2 submissions".
pub fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// A share in percent, without decimals; never 0 % or 100 % for what is neither.
pub fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let share = 100.0 * part as f64 / whole as f64;
    match share.round() as usize {
        0 if part > 0 => "under 1 %".to_owned(),
        100 if part < whole => "over 99 %".to_owned(),
        rounded => format!("{rounded} %"),
    }
}

/// The names as links to their pages, in a list.
pub fn links<'a>(names: impl IntoIterator<Item = (usize, &'a str)>) -> String {
    let mut list = String::from("<ul class=\"names\">\n");
    for (index, name) in names {
        // Writing to a string cannot fail.
        _ = writeln!(list, "<li><a href=\"#p{index}\">{}</a></li>", escaped(name));
    }
    list.push_str("</ul>\n");
    list
}

#[cfg(test)]
mod tests {
    use super::{escaped, percent};

    #[test]
    fn nothing_is_obeyed() {
        assert_eq!(
            escaped("<script>'\"&amp;]]>\x1b[31m\u{202e}\0\u{ffff}\u{fdd0}ö\n"),
            "&lt;script&gt;&#39;&quot;&amp;amp;]]&gt;\\u{1b}[31m\\u{202e}\\u{0}\u{fffd}\u{fffd}ö\n"
        );
    }

    #[test]
    fn few_are_not_none() {
        assert_eq!(percent(1, 1000), "under 1 %");
        assert_eq!(percent(999, 1000), "over 99 %");
        assert_eq!(percent(0, 10), "0 %");
        assert_eq!(percent(1, 3), "33 %");
        assert_eq!(percent(0, 0), "–");
    }
}
