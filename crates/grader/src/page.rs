//! A page of text that grows line by line, filled to the width of a terminal.

use std::ops::RangeInclusive;

use anstyle::{Effects, Style as Paint};
use unicode_width::UnicodeWidthStr;

use crate::bytes::clean;
use crate::ladder::{self, fill, words};

/// The columns that a text can have.
const COLUMNS: RangeInclusive<usize> = 60..=120;
/// Prose is not set wider than this: longer lines are hard to read.
const PROSE_COLUMNS: usize = 90;
/// How a command begins in a text.
const COMMAND: &str = "`cargo ";
/// What stands out.
pub const BOLD: Paint = Paint::new().effects(Effects::BOLD);

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// The width in terminal columns; what is below 60 or above 120 counts as that.
    pub columns: usize,
    /// Colours, with ANSI escapes; they say nothing that the words don't.
    pub colour: bool,
    /// Unicode; otherwise everything is ASCII.
    pub unicode: bool,
    /// Every failure in full and every module line by line.
    pub all: bool,
    /// At the end the next step, with the command that shows whether it helped.
    pub step: bool,
    /// Whether all checks were run, also where their points add up to less than 100: a handout may
    /// hold some of them only.
    pub whole: bool,
    /// The key that tells the next hint for the first failure, where one key does.
    pub hint_key: Option<char>,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            columns: 80,
            colour: false,
            unicode: true,
            all: false,
            step: true,
            whole: false,
            hint_key: None,
        }
    }
}

/// A text while it grows.
#[derive(Debug, Clone)]
pub struct Page {
    pub(crate) options: TextOptions,
    pub(crate) columns: usize,
    pub(crate) text: String,
}

impl Page {
    /// An empty page.
    pub fn new(options: &TextOptions) -> Self {
        let columns = options.columns.clamp(*COLUMNS.start(), *COLUMNS.end());
        Self { options: *options, columns, text: String::new() }
    }

    /// What was written so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The width in columns, between 60 and 120.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// A text at the left and one at the right margin, or below each other.
    pub fn two_sides(&mut self, left: &str, right: &str) {
        let left = self.printable(left);
        let gap = self.columns.saturating_sub(left.width() + right.width());
        let left = self.paint(BOLD, &left);
        if gap < 2 {
            self.line(&left);
            self.prose(2, right);
        } else {
            self.line(&format!("{left}{:gap$}{right}", ""));
        }
    }

    /// A line of its own in bold.
    pub fn heading(&mut self, indent: usize, text: &str) {
        let room = self.columns - indent;
        for line in fill(&phrases(&self.printable(text), room), room, room) {
            let line = self.paint(BOLD, &line);
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// Text with line ends of its own; each line is filled, and one with a caret stays below its
    /// bytes.
    pub fn block(&mut self, indent: usize, text: &str) {
        let lines: Vec<&str> = text.trim_end().trim_start_matches('\n').lines().collect();
        let mut index = 0;
        while let Some(line) = lines.get(index) {
            let below = lines.get(index + 1).copied();
            let pair = below.and_then(|below| self.with_caret(line, below));
            let room = self.columns - indent;
            // A pair wider than the page is prose: filled lines lose the place, not the words.
            let pair = pair.filter(|(line, below)| line.width().max(below.width()) <= room);
            if let Some((line, below)) = pair {
                self.line(&format!("{:indent$}{line}", ""));
                self.line(&format!("{:indent$}{below}", ""));
                index += 2;
            } else {
                self.prose(indent, line);
                index += 1;
            }
        }
    }

    /// A line and the caret line below it, which moves along where the line grows by escapes.
    fn with_caret(&self, line: &str, below: &str) -> Option<(String, String)> {
        let column = caret_column(below)?;
        let mut columns = 0;
        let before: String = line
            .chars()
            .take_while(|character| {
                columns += unicode_width::UnicodeWidthChar::width(*character).unwrap_or(0);
                columns <= column
            })
            .collect();
        let moved = self.printable(&before).width().saturating_sub(before.width());
        let below = format!("{:moved$}{}", "", self.printable(below));
        Some((self.printable(line), below))
    }

    /// One paragraph; its own indent is kept by every line of it.
    pub fn prose(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            let own = line.len() - line.trim_start_matches(' ').len();
            self.hanging(indent + own, 0, line.trim_start_matches(' '));
        }
    }

    /// A line whose continuations are indented by `hang` more.
    pub fn hanging(&mut self, indent: usize, hang: usize, text: &str) {
        let width = self.columns.min(PROSE_COLUMNS).saturating_sub(indent).max(20);
        let text = self.printable(text);
        let rest = width.saturating_sub(hang).max(20);
        let lines = fill(&phrases(&text, rest), width, rest);
        for (index, line) in lines.iter().enumerate() {
            let indent = if index == 0 { indent } else { indent + hang };
            self.line(&format!("{:indent$}{line}", ""));
        }
    }

    /// Paragraphs, a line each; one that begins with two spaces is a command to copy.
    pub fn sentences(&mut self, text: &str) {
        for line in text.lines() {
            let own = line.len() - line.trim_start_matches(' ').len();
            match own {
                2.. => self.command(own, &line[own..]),
                _ if line.is_empty() => self.blank(),
                _ => self.prose(0, line),
            }
        }
    }

    /// Such paragraphs, of which the first begins with a word in a colour: `error:`.
    pub fn labelled(&mut self, paint: Paint, label: &str, text: &str) {
        let mut plain = Self::new(&TextOptions { columns: self.columns, ..self.options });
        plain.sentences(&format!("{label} {text}"));
        self.text.push_str(&plain.text.replacen(label, &self.paint(paint, label), 1));
    }

    /// A command that a learner copies, on a line of its own; where it would not fit otherwise, its
    /// indent gives way. One that is wider than the page is left to the terminal: a line that the
    /// terminal breaks is still copied as one.
    pub fn command(&mut self, indent: usize, command: &str) {
        let command = self.printable(command);
        let room = self.columns.saturating_sub(command.width());
        let fits = command.width() <= self.columns;
        let indent = if fits { indent.min(room) } else { indent };
        self.line(&format!("{:indent$}{command}", ""));
    }

    /// One line of text that a terminal can show, in ASCII if asked.
    pub fn printable(&self, text: &str) -> String {
        let text = clean(&text.replace('\t', "    "));
        if self.options.unicode { text } else { ladder::ascii(&text) }
    }

    /// A line in one colour.
    pub fn painted_line(&mut self, paint: Paint, text: &str) {
        let text = self.paint(paint, text);
        self.line(&text);
    }

    /// `text` in a colour, where the page has colours.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if self.options.colour { format!("{paint}{text}{paint:#}") } else { text.to_owned() }
    }

    /// A line as it is: `text` is [`printable`](Self::printable) already, or painted.
    pub fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end_matches(' '));
        self.text.push('\n');
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.text.push('\n');
    }
}

/// A text in its words, but for commands in backquotes: one that fits on a line of its own stays
/// whole, so that it can be copied.
fn phrases(text: &str, room: usize) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(COMMAND) {
        let length = rest[at + 1..].find('`').map(|end| end + 2);
        let Some(length) = length.filter(|length| rest[at..at + length].width() <= room) else {
            parts.extend(words(&rest[..at + COMMAND.len()]));
            rest = &rest[at + COMMAND.len()..];
            continue;
        };
        // What stands before the first backquote and behind the last belongs to it: a bracket, a
        // full stop.
        let begin = rest[..at].rfind(' ').map_or(0, |space| space + 1);
        let behind = &rest[at + length..];
        let end = at + length + behind.find(' ').map_or(behind.len(), |space| space + 1);
        parts.extend(words(&rest[..begin]));
        parts.push(rest[begin..end].to_owned());
        rest = &rest[end..];
    }
    parts.extend(words(rest));
    parts
}

/// The column of the caret of a line that stands below bytes, as `bytes::first_difference` makes
/// it.
fn caret_column(line: &str) -> Option<usize> {
    let is_first = line.trim_start().starts_with('^');
    let is_last = line.ends_with(" ^");
    (is_first || is_last).then(|| line.find('^').map(|at| line[..at].width()))?
}

/// `text` without ANSI escape sequences and other control characters; line ends and tabs stay.
pub fn without_escapes(text: &str) -> String {
    keep_colours(text, false)
}

/// `text` without control characters; line ends and tabs stay, and colours if asked.
pub(crate) fn keep_colours(text: &str, colours: bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| character.is_control()) {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let sequence = escape_sequence(rest);
        if sequence.is_empty() {
            let control = rest.chars().next().unwrap_or_default();
            if matches!(control, '\n' | '\t') {
                kept.push(control);
            }
            rest = &rest[control.len_utf8()..];
        } else {
            if colours && sequence.ends_with('m') {
                kept.push_str(sequence);
            }
            rest = &rest[sequence.len()..];
        }
    }
    kept.push_str(rest);
    kept
}

/// The control sequence that `text` begins with (ECMA-48, section 5.4), or nothing.
fn escape_sequence(text: &str) -> &str {
    let Some(parameters) = text.strip_prefix("\x1b[") else { return "" };
    match parameters.find(|character: char| !matches!(character, ' '..='?')) {
        Some(end) if matches!(parameters.as_bytes()[end], b'@'..=b'~') => &text[..end + 3],
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{Page, TextOptions};

    #[test]
    fn prose_is_filled_and_hangs_below_its_label() {
        let mut page = Page::new(&TextOptions { columns: 60, ..TextOptions::default() });
        page.hanging(2, 3, &format!("a) {}the end", "word ".repeat(11)));
        let rows = format!("  a) {}word\n     the end\n", "word ".repeat(10));
        assert_eq!(page.text(), rows);
    }

    #[test]
    fn a_command_in_a_text_stays_on_one_line_if_it_fits_on_one() {
        let mut page = Page::new(&TextOptions { columns: 60, ..TextOptions::default() });
        page.prose(0, "It was not graded yet; what to do first (`cargo xtask grade tcp-echo`).");
        page.heading(0, "Then, for a clearer hint than the one before: `cargo xtask hint`");
        let long = format!("`cargo xtask trace {}`", "word ".repeat(9));
        page.prose(0, &long);
        let told = "It was not graded yet; what to do first\n(`cargo xtask grade tcp-echo`).\n\
             Then, for a clearer hint than the one before:\n`cargo xtask hint`\n";
        assert!(page.text().starts_with(told), "{}", page.text());
        let rest = &page.text()[told.len()..];
        assert!(rest.lines().count() == 2 && rest.starts_with("`cargo xtask trace word"), "{rest}");
    }

    #[test]
    fn a_label_is_painted_and_its_text_filled() {
        let options = TextOptions { columns: 60, colour: true, ..TextOptions::default() };
        let mut page = Page::new(&options);
        page.labelled(super::BOLD, "error:", &"words ".repeat(12));
        let (first, second) = page.text().split_once('\n').expect("two lines");
        assert_eq!(first, format!("\x1b[1merror:\x1b[0m {}", "words ".repeat(9).trim_end()));
        assert_eq!(second, "words words words\n");
    }

    #[test]
    fn the_indent_of_a_command_gives_way_where_it_then_fits() {
        let mut page = Page::new(&TextOptions { columns: 60, ..TextOptions::default() });
        for (width, indent) in [(58, 2), (59, 1), (60, 0), (61, 2)] {
            let command = "x".repeat(width);
            page.sentences(&format!("  {command}"));
            assert_eq!(page.text().lines().last(), Some(&*format!("{:indent$}{command}", "")));
        }
    }
}
