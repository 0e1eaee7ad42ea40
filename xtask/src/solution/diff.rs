//! Two versions of a file, compared line by line, and drawn one below the other or side by side.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Effects, Style};
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline, group_diff_ops};
use unicode_width::UnicodeWidthChar;

/// How many lines that are the same stand around those that differ.
const CONTEXT_LINES: usize = 3;
/// After this long a coarser comparison will do.
const COMPARING: Duration = Duration::from_secs(2);
/// How wide a tab is drawn, in columns.
const TAB_COLUMNS: usize = 4;

const YOURS: Style = AnsiColor::Red.on_default();
const REFERENCE: Style = AnsiColor::Green.on_default();
const QUIET: Style = Style::new().effects(Effects::DIMMED);

/// Both versions, and where they differ.
pub struct Comparison {
    yours: Option<Vec<String>>,
    reference: Option<Vec<String>>,
    groups: Vec<Vec<DiffOp>>,
}

impl Comparison {
    /// Compares two files. One that is not there has no lines.
    ///
    /// # Errors
    ///
    /// A file is there and cannot be read.
    pub fn of(yours: &Path, reference: &Path) -> anyhow::Result<Self> {
        Ok(Self::between(lines(yours)?, lines(reference)?))
    }

    fn between(yours: Option<Vec<String>>, reference: Option<Vec<String>>) -> Self {
        let slice = |lines: &Option<Vec<String>>| lines.clone().unwrap_or_default();
        let operations = capture_diff_slices_deadline(
            Algorithm::Patience,
            &slice(&yours),
            &slice(&reference),
            Some(Instant::now() + COMPARING),
        );
        let mut groups = group_diff_ops(operations, CONTEXT_LINES);
        groups.retain(|group| group.iter().any(|each| !matches!(each, DiffOp::Equal { .. })));
        Self { yours, reference, groups }
    }

    /// How far they differ, in words.
    pub fn summary(&self) -> String {
        let count = |side: fn(&DiffOp) -> usize| {
            let changes = self.groups.iter().flatten();
            changes.filter(|each| !matches!(each, DiffOp::Equal { .. })).map(side).sum::<usize>()
        };
        let lines = |count: usize| match count {
            1 => "1 line".to_owned(),
            count => format!("{count} lines"),
        };
        match (&self.yours, &self.reference) {
            (None, _) => "you have no such file".to_owned(),
            (_, None) => "yours only; the reference has no such file".to_owned(),
            _ if self.groups.is_empty() => "the same in both".to_owned(),
            _ => format!(
                "{} of yours, {} of the reference's in their place",
                lines(count(|each| each.old_range().len())),
                lines(count(|each| each.new_range().len())),
            ),
        }
    }

    /// The differences, yours above the reference's.
    pub fn unified(&self) -> String {
        let mut told = String::new();
        for group in &self.groups {
            self.heading(&mut told, group);
            for each in group {
                if let DiffOp::Equal { .. } = each {
                    for line in self.yours(each) {
                        _ = writeln!(told, "  {line}");
                    }
                    continue;
                }
                for line in self.yours(each) {
                    _ = writeln!(told, "{YOURS}- {line}{YOURS:#}");
                }
                for line in self.reference(each) {
                    _ = writeln!(told, "{REFERENCE}+ {line}{REFERENCE:#}");
                }
            }
        }
        told
    }

    /// The differences side by side, in so many columns; longer lines are wrapped.
    pub fn side_by_side(&self, columns: usize) -> String {
        let half = (columns.saturating_sub(3) / 2).max(1);
        let mut told = String::new();
        for group in &self.groups {
            self.heading(&mut told, group);
            for each in group {
                let same = matches!(each, DiffOp::Equal { .. });
                let (left, right) = (self.yours(each), self.reference(each));
                for index in 0..left.len().max(right.len()) {
                    row(&mut told, left.get(index), right.get(index), same, half);
                }
            }
        }
        told
    }

    fn heading(&self, told: &mut String, group: &[DiffOp]) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return;
        };
        let place = |start: usize, end: usize| {
            if end > start { format!("{}-{end}", start + 1) } else { "none".to_owned() }
        };
        let yours = place(first.old_range().start, last.old_range().end);
        let reference = place(first.new_range().start, last.new_range().end);
        let words = match (&self.yours, &self.reference) {
            (None, _) => format!("lines {reference} of the reference"),
            (_, None) => format!("lines {yours} of yours"),
            _ => format!("lines {yours} of yours, {reference} of the reference"),
        };
        _ = writeln!(told, "{QUIET}  ~~ {words}{QUIET:#}");
    }

    fn yours(&self, each: &DiffOp) -> &[String] {
        self.yours.as_deref().and_then(|lines| lines.get(each.old_range())).unwrap_or_default()
    }

    fn reference(&self, each: &DiffOp) -> &[String] {
        self.reference.as_deref().and_then(|lines| lines.get(each.new_range())).unwrap_or_default()
    }
}

/// One line of each, or of one of them.
fn row(told: &mut String, left: Option<&String>, right: Option<&String>, same: bool, half: usize) {
    let mark = match (left, right) {
        _ if same => ' ',
        (Some(_), Some(_)) => '|',
        (Some(_), None) => '<',
        _ => '>',
    };
    let (yours, reference) = if same { (Style::new(), Style::new()) } else { (YOURS, REFERENCE) };
    let pieces = |line: Option<&String>| line.map_or(Vec::new(), |line| wrap(line, half));
    let (left, right) = (pieces(left), pieces(right));
    for index in 0..left.len().max(right.len()) {
        let none = (String::new(), 0);
        let (text, width) = left.get(index).unwrap_or(&none);
        let (other, _) = right.get(index).unwrap_or(&none);
        let gap = " ".repeat(half - (*width).min(half));
        let right = match other.as_str() {
            "" => String::new(),
            other => format!(" {reference}{other}{reference:#}"),
        };
        let left = format!("{yours}{text}{yours:#}{gap} {mark}{right}");
        told.push_str(left.trim_end());
        told.push('\n');
    }
}

/// The line in pieces of at most `columns`, each with its width; at least one.
fn wrap(line: &str, columns: usize) -> Vec<(String, usize)> {
    let mut pieces = vec![(String::new(), 0)];
    for letter in line.chars() {
        let wide = letter.width().unwrap_or(0);
        if pieces.last().is_some_and(|(_, width)| width + wide > columns) {
            pieces.push((String::new(), 0));
        }
        if let Some((text, width)) = pieces.last_mut() {
            text.push(letter);
            *width += wide;
        }
    }
    pieces
}

/// A file's lines as a terminal may show them; none where there is no file.
fn lines(path: &Path) -> anyhow::Result<Option<Vec<String>>> {
    match fs_err::read(path) {
        Ok(content) => Ok(Some(String::from_utf8_lossy(&content).lines().map(printable).collect())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Tabs drawn as spaces; other control characters, which could change the terminal, as their
/// escapes.
fn printable(line: &str) -> String {
    let mut told = String::new();
    for letter in line.chars() {
        match letter {
            '\t' => told.push_str(&" ".repeat(TAB_COLUMNS)),
            letter if letter.is_control() => told.extend(letter.escape_default()),
            letter => told.push(letter),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::{Comparison, printable, wrap};

    fn compare(yours: &str, reference: &str) -> Comparison {
        let lines = |text: &str| Some(text.lines().map(str::to_owned).collect());
        Comparison::between(lines(yours), lines(reference))
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    const YOURS: &str = "a\nb\nc\nd\ne\nf\ng\nh\ni\nmine\nk\n";
    const REFERENCE: &str = "a\nB\nc\nd\ne\nf\ng\nh\ni\nk\nnew\n";

    #[test]
    fn differences_stand_among_three_lines_that_are_the_same() {
        let compared = compare(YOURS, REFERENCE);
        assert_eq!(
            plain(&compared.unified()),
            "  ~~ lines 1-5 of yours, 1-5 of the reference\n  a\n- b\n+ B\n  c\n  d\n  e\n\
             \x20 ~~ lines 7-11 of yours, 7-11 of the reference\n  g\n  h\n  i\n- mine\n  k\n\
             + new\n"
        );
        assert_eq!(
            compared.summary(),
            "2 lines of yours, 2 lines of the reference's in their place"
        );
        assert_eq!(compare("a\n", "a\n").summary(), "the same in both");
        assert_eq!(compare("a\n", "a\n").unified(), "");
    }

    #[test]
    fn side_by_side_marks_what_differs_without_colour() {
        let drawn = plain(&compare("same\nlong long\nmine\n", "same\nshort\n").side_by_side(13));
        assert_eq!(
            drawn,
            "  ~~ lines 1-3 of yours, 1-2 of the reference\n\
             same    same\nlong  | short\nlong  |\nmine  <\n"
        );
    }

    #[test]
    fn a_missing_file_is_said() {
        let lines = || Some(vec!["a".to_owned()]);
        assert_eq!(Comparison::between(None, lines()).summary(), "you have no such file");
        let told = Comparison::between(lines(), None);
        assert!(told.summary().starts_with("yours only"));
        assert_eq!(plain(&told.unified()), "  ~~ lines 1-1 of yours\n- a\n");
    }

    #[test]
    fn wide_letters_take_two_columns_and_control_characters_do_nothing() {
        assert_eq!(wrap("网络编", 4), [("网络".to_owned(), 4), ("编".to_owned(), 2)]);
        assert_eq!(wrap("", 4), [(String::new(), 0)]);
        assert_eq!(printable("\tx\u{1b}[2J"), "    x\\u{1b}[2J");
    }
}
