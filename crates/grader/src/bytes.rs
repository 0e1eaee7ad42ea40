//! Bytes as a person can read them: escaped, counted, cut with care, and compared.

use unicode_width::UnicodeWidthStr;

use crate::record::Sample;
use crate::wording;

/// How many terminal columns [`first_difference`] shows before the first differing byte.
const COLUMNS_BEFORE: usize = 18;
/// How many terminal columns [`first_difference`] shows from the first differing byte on, at least.
const COLUMNS_AFTER: usize = 27;
/// How many bytes around the first difference decide whether both sides are text.
const JUDGED_BYTES: usize = 64;
/// A note that would end beyond this column does not stand after its caret.
const NOTE_ENDS_AT_COLUMN: usize = 54;
/// The fewest columns of the beginning of a long piece of data that [`show`] gives.
const LEAST_HEAD_COLUMNS: usize = 8;
/// How many combining marks a letter may carry; more would climb over the lines above.
const MARKS_A_LETTER: u32 = 2;

/// How a piece of data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Escaped text in quotes.
    Text,
    /// Escaped text in quotes, everything beyond ASCII escaped too.
    Ascii,
    /// Two hexadecimal digits a byte.
    Hex,
}

/// A part of a piece of data that is never split: a character, its escape, or one byte in hex.
#[derive(Debug, Clone)]
struct Atom {
    /// How it is written.
    text: String,
    /// How many bytes of the data it stands for.
    bytes: usize,
}

/// `bytes` as text that a terminal can show: printable characters as they are, the usual escapes
/// (`\n \r \t \0 \\ \"`), other control characters and whatever is invisible or turns the direction
/// of writing as `\u{..}`, and bytes that are not UTF-8 as `\xNN`.
pub fn escape(bytes: &[u8]) -> String {
    join(&text_atoms(bytes))
}

/// `text` with every character that a terminal would act upon, or not show, written as an escape.
///
/// Quotes, backslashes and line feeds stay: it is for prose that may hold a program's words.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut marks = MARKS_A_LETTER;
    for character in text.chars() {
        match character {
            '"' | '\\' | '\n' => clean.push(character),
            _ => push_character(&mut clean, character, &mut marks),
        }
    }
    clean
}

/// A number with commas between its thousands: `1,048,576`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A sample in at most `max_columns` terminal columns: `5 bytes "hello"`, `1,048,576 bytes "abc" …
/// "xyz"`, and in hex when it is not text: `3 bytes 00 ff 80`.
///
/// The count and a few bytes of the beginning are shown even where that takes more columns.
pub fn show(sample: &Sample, max_columns: usize) -> String {
    show_atoms(sample, max_columns, true).concat()
}

/// As [`show`], in parts between which a line may be broken.
pub fn show_atoms(sample: &Sample, max_columns: usize, unicode: bool) -> Vec<String> {
    let count = format!("{} ", wording::byte_count(sample.total_bytes));
    if sample.total_bytes == 0 {
        return vec![count.trim_end().to_owned()];
    }
    let mut shown = vec![count];
    let room = max_columns.saturating_sub(shown[0].width());
    shown.extend(data_atoms(sample, room, unicode));
    shown
}

/// The bytes of a sample, without their count, in at most `room` columns.
pub(crate) fn data_atoms(sample: &Sample, room: usize, unicode: bool) -> Vec<String> {
    let is_whole = sample.total_bytes == (sample.head.len() + sample.tail.len()) as u64;
    let (head, tail) = if is_whole {
        ([sample.head.as_slice(), &sample.tail].concat(), Vec::new())
    } else {
        (without_cut_end(&sample.head).to_vec(), without_cut_begin(&sample.tail).to_vec())
    };
    let form = form_of(&[&head, &tail], unicode);
    let head = atoms(&head, form);
    if is_whole && width(&head) + form.frame_columns() <= room {
        return framed(&head, form);
    }
    let ellipsis = if unicode { "…" } else { "..." };
    let tail = if is_whole { head.clone() } else { atoms(&tail, form) };
    let room = room.saturating_sub(2 * form.frame_columns() + ellipsis.width() + 2);
    let tail = last_within(&tail, room / 3);
    let head = first_within(&head, (room - width(tail)).max(LEAST_HEAD_COLUMNS));
    let mut shown = framed(head, form);
    shown.push(format!(" {ellipsis}"));
    let tail = framed(tail, form);
    if !tail.is_empty() {
        shown.push(" ".to_owned());
    }
    // The end of text is short enough to stay in one line.
    if form == Form::Hex {
        shown.extend(tail)
    } else {
        shown.push(tail.concat())
    }
    shown
}

/// The texts for "expected" and "got" around the first byte that differs.
///
/// `offset` says how many bytes, the same on both sides, came before the two slices. Both texts
/// begin with the place where the context begins, if that isn't the first byte of all, and end with
/// a line whose caret stands below the first differing byte. Both sides are in hex unless both are
/// text.
pub fn first_difference(expected: &[u8], got: &[u8], offset: u64) -> (String, String) {
    let lengths = (expected.len() as u64, got.len() as u64);
    first_difference_in(expected, got, offset, lengths)
}

/// As [`first_difference`], where both slices are only the beginning of what there is: `lengths`
/// says how many bytes each side has in all from `offset` on.
pub fn first_difference_in(
    expected: &[u8],
    got: &[u8],
    offset: u64,
    lengths: (u64, u64),
) -> (String, String) {
    let same = expected.iter().zip(got).take_while(|(one, other)| one == other).count();
    if same == expected.len() && same == got.len() {
        let text = show(&Sample::of(got), NOTE_ENDS_AT_COLUMN);
        return (text.clone(), text);
    }
    let form = form_of(&[around(expected, same), around(got, same)], true);
    let missing = lengths.0 - same as u64;
    let surplus = lengths.1 - same as u64;
    let (expected_note, got_note) = if got.len() == same {
        (String::new(), wording::ends_short(missing, offset == 0 && same == 0))
    } else if expected.len() == same {
        (wording::end_expected(), wording::too_many(surplus))
    } else {
        (String::new(), wording::right_until(offset + same as u64))
    };
    (side(expected, same, offset, form, &expected_note), side(got, same, offset, form, &got_note))
}

/// One side of a difference at `bytes[at]`, or at the end if `at` is the length.
fn side(bytes: &[u8], at: usize, offset: u64, form: Form, note: &str) -> String {
    if bytes.is_empty() && offset == 0 {
        return wording::nothing(note);
    }
    let begin = boundary(bytes, at.saturating_sub(JUDGED_BYTES), form);
    let end = boundary(bytes, (at + JUDGED_BYTES).min(bytes.len()), form);
    let shown = atoms(&bytes[begin..end], form);
    let mut reached = begin;
    let split = shown.iter().position(|atom| {
        reached += atom.bytes;
        reached > at
    });
    let (before, after) = shown.split_at(split.unwrap_or(shown.len()));
    let before = last_within(before, COLUMNS_BEFORE);
    // What the beginning leaves free goes to the end.
    let after = first_within(after, COLUMNS_BEFORE - width(before) + COLUMNS_AFTER);
    let from = before.iter().fold(bytes_until(&shown, split) + begin, |at, atom| at - atom.bytes);
    let until = from + length(before) + length(after);

    let mut text = String::new();
    let from_offset = offset + from as u64;
    if from_offset > 0 {
        text = format!("{}\n... ", wording::from_byte(from_offset));
    }
    let line_begin = text.rfind('\n').map_or(0, |end| end + 1);
    let quote = if form == Form::Hex { "" } else { "\"" };
    text.push_str(quote);
    text.push_str(&join(before));
    let column = text[line_begin..].width();
    text.push_str(&join(after));
    if form == Form::Hex {
        text.truncate(text.trim_end().len());
    }
    text.push_str(quote);
    if until < bytes.len() {
        text.push_str(" ...");
    }
    text.push('\n');
    text.push_str(&caret(column, note));
    text
}

/// The line with the caret at `column`, and the note on the side where there is room, else below.
fn caret(column: usize, note: &str) -> String {
    if note.is_empty() {
        format!("{:column$}^", "")
    } else if column + 2 + note.width() <= NOTE_ENDS_AT_COLUMN {
        format!("{:column$}^ {note}", "")
    } else if note.width() < column {
        format!("{note:>width$} ^", width = column - 1)
    } else {
        format!("{:column$}^\n{note}", "")
    }
}

/// The bytes before the atom at `index`, or all.
fn bytes_until(atoms: &[Atom], index: Option<usize>) -> usize {
    length(&atoms[..index.unwrap_or(atoms.len())])
}

fn length(atoms: &[Atom]) -> usize {
    atoms.iter().map(|atom| atom.bytes).sum()
}

fn around(bytes: &[u8], at: usize) -> &[u8] {
    let begin = boundary(bytes, at.saturating_sub(JUDGED_BYTES), Form::Text);
    let end = boundary(bytes, (at + JUDGED_BYTES).min(bytes.len()), Form::Text);
    &bytes[begin..end]
}

/// `at`, moved back to where a character begins if it is inside one.
fn boundary(bytes: &[u8], at: usize, form: Form) -> usize {
    if form == Form::Hex || at >= bytes.len() {
        return at;
    }
    let back = (0..4.min(at + 1)).find(|back| bytes[at - back] & 0xC0 != 0x80);
    at - back.unwrap_or(0)
}

/// Without the beginning of a character whose end was cut off.
fn without_cut_end(bytes: &[u8]) -> &[u8] {
    let cut = bytes.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
    let is_begun = cut > 0 && bytes[bytes.len() - cut] >= 0xC2;
    if is_begun { &bytes[..bytes.len() - cut] } else { bytes }
}

/// Without the end of a character whose beginning was cut off.
fn without_cut_begin(bytes: &[u8]) -> &[u8] {
    let cut = bytes.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
    &bytes[cut..]
}

/// Text if at most a quarter of the characters is neither printable nor a usual escape, else hex.
///
/// A byte that is not UTF-8 counts as a character, and so does what a lossy conversion makes of it:
/// what was sent and what came back then look alike.
fn form_of(pieces: &[&[u8]], unicode: bool) -> Form {
    let (mut strange, mut readable, mut total) = (0, 0, 0);
    for chunk in pieces.iter().flat_map(|piece| piece.utf8_chunks()) {
        strange += chunk.invalid().len();
        total += chunk.invalid().len();
        for character in chunk.valid().chars() {
            total += 1;
            match character {
                '\0' => {}
                '\n' | '\r' | '\t' => readable += 1,
                _ if is_hidden(character) => strange += 1,
                _ => readable += 1,
            }
        }
    }
    match (strange * 4 <= total && readable > 0, unicode) {
        (false, _) => Form::Hex,
        (true, true) => Form::Text,
        (true, false) => Form::Ascii,
    }
}

impl Form {
    /// How many columns the quotes take.
    fn frame_columns(self) -> usize {
        if self == Self::Hex { 0 } else { 2 }
    }
}

/// The atoms as they are written: text in quotes, which stay with what they enclose.
fn framed(atoms: &[Atom], form: Form) -> Vec<String> {
    let mut texts: Vec<String> = atoms.iter().map(|atom| atom.text.clone()).collect();
    let Some(last) = texts.last_mut() else { return texts };
    if form == Form::Hex {
        last.truncate(last.trim_end().len());
    } else {
        last.push('"');
        texts[0].insert(0, '"');
    }
    texts
}

fn atoms(bytes: &[u8], form: Form) -> Vec<Atom> {
    match form {
        Form::Text => text_atoms(bytes),
        Form::Ascii => text_atoms(bytes).into_iter().map(Atom::ascii).collect(),
        Form::Hex => {
            bytes.iter().map(|byte| Atom { text: format!("{byte:02x} "), bytes: 1 }).collect()
        }
    }
}

impl Atom {
    /// The same, with everything beyond ASCII escaped.
    fn ascii(self) -> Self {
        let mut text = String::new();
        for character in self.text.chars() {
            if character.is_ascii() {
                text.push(character);
            } else {
                text.extend(character.escape_unicode());
            }
        }
        Self { text, ..self }
    }
}

fn text_atoms(bytes: &[u8]) -> Vec<Atom> {
    let mut atoms = Vec::new();
    // A mark at the very beginning has no letter to stand on, so it is escaped.
    let mut marks = MARKS_A_LETTER;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut text = String::new();
            push_character(&mut text, character, &mut marks);
            atoms.push(Atom { text, bytes: character.len_utf8() });
        }
        for byte in chunk.invalid() {
            atoms.push(Atom { text: format!("\\x{byte:02x}"), bytes: 1 });
            marks = MARKS_A_LETTER;
        }
    }
    atoms
}

/// Writes one character, escaped unless it is printable. `marks` counts those that the last letter
/// carries.
fn push_character(text: &mut String, character: char, marks: &mut u32) {
    if character == '\'' {
        text.push(character);
        *marks = 0;
    } else if is_invisible(character) {
        text.extend(character.escape_unicode());
        *marks = MARKS_A_LETTER;
    } else if is_mark(character) && *marks < MARKS_A_LETTER {
        text.push(character);
        *marks += 1;
    } else {
        text.extend(character.escape_debug());
        let is_letter = character.escape_debug().len() == 1;
        *marks = if is_letter { 0 } else { MARKS_A_LETTER };
    }
}

/// Whether a character combines with the one before it, and could be printed there.
fn is_mark(character: char) -> bool {
    // `char` escapes every combining mark, `str` only one at its beginning: the difference tells
    // marks.
    !character.is_ascii()
        && character.escape_debug().next() == Some('\\')
        && format!("a{character}").escape_debug().nth(1) == Some(character)
}

/// Whether a character has no visible form; a combining mark has one.
fn is_hidden(character: char) -> bool {
    let printable = character.is_ascii_graphic() || character.escape_debug().len() == 1;
    is_invisible(character) || !(printable || is_mark(character))
}

/// Characters without a visible form that Rust's `escape_debug` lets through, and the replacement
/// character, which looks like a fault of the terminal.
///
/// The ranges are those of `Default_Ignorable_Code_Point` (Unicode, `DerivedCoreProperties.txt`)
/// that are letters or marks, and the empty Braille pattern.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fffd}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn width(atoms: &[Atom]) -> usize {
    atoms.iter().map(|atom| atom.text.width()).sum()
}

fn join(atoms: &[Atom]) -> String {
    atoms.iter().map(|atom| atom.text.as_str()).collect()
}

/// As many atoms from the beginning as fit into `room` columns.
fn first_within(atoms: &[Atom], room: usize) -> &[Atom] {
    let mut used = 0;
    let fitting = atoms.iter().take_while(|atom| {
        used += atom.text.width();
        used <= room
    });
    &atoms[..fitting.count()]
}

/// As many atoms up to the end as fit into `room` columns.
fn last_within(atoms: &[Atom], room: usize) -> &[Atom] {
    let mut used = 0;
    let fitting = atoms.iter().rev().take_while(|atom| {
        used += atom.text.width();
        used <= room
    });
    &atoms[atoms.len() - fitting.count()..]
}
