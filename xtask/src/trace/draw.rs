//! The ladder on a terminal.

use std::collections::HashSet;
use std::ops::Range;

use anstyle::{Effects, Style as Paint};
use grader::bytes;
use grader::ladder::{Style, ascii, fill, words};
use unicode_width::UnicodeWidthStr;

use super::story::{Conversation, Happening, Row, Step, Story};
use super::tcp::States;
use super::words as told;

/// The columns of the time and the space after it.
const TIME_COLUMNS: usize = 8;
/// The columns of an arrow's beginning, and of the indent below it.
const LEAD_COLUMNS: usize = 4;
/// The widths that a ladder can have, in columns.
const COLUMNS: std::ops::RangeInclusive<usize> = 60..=120;
/// Of a long run of data and acknowledgements so many are shown at its beginning and at its end.
const SHOWN_OF_RUN: (usize, usize) = (3, 2);
/// Of very many conversations so many are shown at the beginning and at the end.
const SHOWN_OF_MANY: (usize, usize) = (6, 3);
/// How many different names stand above one side.
const NAMES: usize = 2;
/// How many lines the data of a packet may fill, if it is short enough to be read.
const DATA_LINES: usize = 2;
/// See [`DATA_LINES`].
const SHORT_BYTES: u64 = 120;
/// A word of the data that is longer than this is broken anywhere.
const WORD_COLUMNS: usize = 24;
/// The columns that are left for other words than the data.
const ROOM_COLUMNS: usize = 20;

struct Glyphs {
    rail: &'static str,
    line: &'static str,
    left: &'static str,
    right: &'static str,
    lost: &'static str,
    bullet: &'static str,
    ellipsis: &'static str,
}

const UNICODE: Glyphs =
    Glyphs {
        rail: "│", line: "─", left: "◀", right: "▶", lost: "✗", bullet: "·", ellipsis: "…"
    };
const ASCII: Glyphs =
    Glyphs { rail: "|", line: "-", left: "<", right: ">", lost: "X", bullet: "*", ellipsis: "..." };

/// A row, or words that stand for several.
pub enum Item<'a> {
    Row(&'a Row),
    Gap(String),
}

/// The conversations that are left out, since there are very many.
pub fn hidden(story: &Story) -> Range<usize> {
    let (first, last) = SHOWN_OF_MANY;
    let count = story.conversations.len();
    if count <= first + last + 3 { 0..0 } else { first..count - last }
}

/// What of a story is drawn: long runs of data and acknowledgements lose their middle, and so do
/// very many conversations.
pub fn items(story: &Story) -> Vec<Item<'_>> {
    let is_plain = |row: &Row| matches!(&row.what, Happening::Packet(step) if step.is_plain);
    let (first, last) = SHOWN_OF_RUN;
    let mut items = Vec::new();
    for shown in stretches(story) {
        let Stretch::Shown(mut rest) = shown else {
            items.push(Item::Gap(told::hidden(story, hidden(story))));
            continue;
        };
        while !rest.is_empty() {
            let run = rest.iter().take_while(|row| is_plain(row)).count();
            if run <= first + last + 2 {
                let taken = run.max(1);
                items.extend(rest[..taken].iter().copied().map(Item::Row));
                rest = rest.split_off(taken);
                continue;
            }
            items.extend(rest[..first].iter().copied().map(Item::Row));
            items.push(Item::Gap(told::gap(story, &rest[first..run - last])));
            items.extend(rest[run - last..run].iter().copied().map(Item::Row));
            rest = rest.split_off(run);
        }
    }
    items
}

/// Rows that are shown, and the place at which others are left out.
enum Stretch<'a> {
    Shown(Vec<&'a Row>),
    Hidden,
}

fn stretches(story: &Story) -> Vec<Stretch<'_>> {
    let hidden = hidden(story);
    if hidden.is_empty() {
        return vec![Stretch::Shown(story.rows.iter().collect())];
    }
    let names = |is_hidden: bool| -> HashSet<&str> {
        let all = story.conversations.iter().enumerate();
        let own = all.filter(|(index, _)| hidden.contains(index) == is_hidden);
        own.flat_map(|(_, own)| own.parties.iter().map(|party| party.name.as_str())).collect()
    };
    let (left_out, shown) = (names(true), names(false));
    let is_shown = |row: &&Row| match &row.what {
        Happening::Packet(step) => !hidden.contains(&step.conversation),
        Happening::States(conversation, _) => !hidden.contains(conversation),
        Happening::Said { program, .. } => {
            shown.contains(program.as_str()) || !left_out.contains(program.as_str())
        }
    };
    let is_hidden = |row: &Row| !is_shown(&row);
    let at = story.rows.iter().position(is_hidden).unwrap_or(story.rows.len());
    let (before, after) = story.rows.split_at(at);
    let after = after.iter().filter(is_shown).collect();
    vec![Stretch::Shown(before.iter().collect()), Stretch::Hidden, Stretch::Shown(after)]
}

/// Draws the story, one or more lines a row, each with its line end.
pub fn draw(story: &Story, style: &Style) -> String {
    let columns = style.columns.clamp(*COLUMNS.start(), *COLUMNS.end());
    let glyphs = if style.unicode { &UNICODE } else { &ASCII };
    let inner = columns - TIME_COLUMNS - 2;
    let mut ladder = Ladder { story, style, glyphs, inner, lines: Vec::new() };
    ladder.header();
    for item in items(story) {
        match item {
            Item::Row(row) => ladder.row(row),
            Item::Gap(text) => {
                ladder.line("", "");
                ladder.sentence("", glyphs.ellipsis, &text);
                ladder.line("", "");
            }
        }
    }
    let mut drawn = ladder.lines.join("\n");
    drawn.push('\n');
    drawn
}

/// What a side of the ladder is called, if it is the same in all conversations.
pub fn common_name(conversations: &[Conversation], side: usize) -> Option<&str> {
    match names(conversations, side)[..] {
        [name] => Some(name),
        _ => None,
    }
}

/// What stands above a side of the ladder.
pub fn heading(conversations: &[Conversation], side: usize) -> String {
    match &names(conversations, side)[..] {
        many if many.len() > NAMES => told::SEVERAL.to_owned(),
        few => few.join(", "),
    }
}

/// The names of a side, each once, in the order in which they came.
fn names(conversations: &[Conversation], side: usize) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for conversation in conversations {
        let name = conversation.parties[side].name.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

struct Ladder<'a> {
    story: &'a Story,
    style: &'a Style,
    glyphs: &'static Glyphs,
    /// The columns between the two rails.
    inner: usize,
    lines: Vec<String>,
}

impl Ladder<'_> {
    fn header(&mut self) {
        let conversations = &self.story.conversations;
        let Some(first) = conversations.first() else { return };
        let is_single = conversations.len() == 1;
        let names = [0, 1].map(|side| heading(conversations, side));
        self.two_sides("ms", &names, true);
        let hidden = hidden(self.story);
        for (index, conversation) in conversations.iter().enumerate() {
            if index == hidden.start && !hidden.is_empty() {
                self.two_sides("", &[self.glyphs.ellipsis.to_owned(), String::new()], false);
            }
            if hidden.contains(&index) {
                continue;
            }
            let ends = [0, 1].map(|side| {
                let party = &conversation.parties[side];
                let tag = if side == 0 { self.tag(index) } else { String::new() };
                let name = match common_name(conversations, side) {
                    Some(_) => "",
                    None => &party.name,
                };
                format!("{tag} {name} {}", party.address)
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            self.two_sides("", &ends, false);
        }
        if let (true, Some(states)) = (is_single, first.began) {
            self.states(0, states);
        }
    }

    /// A line above the rails; two, if it has no room for both texts.
    fn two_sides(&mut self, time: &str, [left, right]: &[String; 2], is_bold: bool) {
        let room = self.inner + 2;
        let time = format!("{time:>0$}  ", TIME_COLUMNS - 2);
        let used = left.width() + right.width();
        if used + 2 > room && !left.is_empty() && !right.is_empty() {
            self.two_sides(time.trim(), &[left.clone(), String::new()], is_bold);
            self.two_sides("", &[String::new(), right.clone()], is_bold);
            return;
        }
        let line = format!("{time}{left}{:1$}{right}", "", room.saturating_sub(used));
        let line = self.bold(line.trim_end(), is_bold);
        self.lines.push(line);
    }

    fn row(&mut self, row: &Row) {
        let time = time(row.at);
        match &row.what {
            Happening::Packet(step) => self.packet(&time, step),
            Happening::States(conversation, states) => self.states(*conversation, *states),
            Happening::Said { text, .. } => self.sentence(&time, self.glyphs.bullet, text),
        }
    }

    fn packet(&mut self, time: &str, step: &Step) {
        let tag = self.tag(step.conversation);
        let tail = if step.is_lost { 9 } else { 3 };
        let tail = tail + if tag.is_empty() { 0 } else { tag.width() + 4 };
        let width = self.inner - LEAD_COLUMNS - 1;
        let texts = fill(&parts(step, width, self.style.unicode), width - tail, width);
        for (index, text) in texts.iter().enumerate() {
            let (time, body) = match index {
                0 => (time, self.arrow(step, &tag, text)),
                _ => ("", format!("{:LEAD_COLUMNS$}{text}", "")),
            };
            self.line(time, &body);
        }
    }

    /// The line with the arrow. One that is lost ends before it arrives.
    fn arrow(&self, step: &Step, tag: &str, text: &str) -> String {
        let Glyphs { line, left, right, lost, .. } = self.glyphs;
        let tag = if tag.is_empty() { String::new() } else { format!(" {tag} {line}{line}") };
        let (lead, tail) = match (step.to_right, step.is_lost) {
            (true, false) => (format!("{line}{line}{line} "), format!("{tag}{line}{right}")),
            (true, true) => (format!("{line}{line}{line} "), format!("{tag}{line}{lost}      ")),
            (false, false) => (format!("{left}{line}{line} "), format!("{tag}{line}{line}")),
            (false, true) => (format!("  {lost} "), format!("{tag}{line}{line}")),
        };
        // Data may end with a space that is no part of it.
        let text = text.trim_end();
        let used = lead.width() + text.width() + 1 + tail.width();
        let fill = line.repeat(self.inner.saturating_sub(used));
        format!("{lead}{text} {fill}{tail}")
    }

    fn states(&mut self, conversation: usize, [left, right]: States) {
        let (left, right) = (left.name(), right.name());
        let tag = self.tag(conversation);
        let room = self.inner - 2 - left.width() - right.width();
        let before = room.saturating_sub(tag.width()) / 2;
        let after = room.saturating_sub(tag.width() + before);
        let body = format!("{left}{:before$}{tag}{:after$}{right}", "", "");
        let line = self.dim(self.glyphs.rail);
        let body = self.bold(&body, true);
        self.lines.push(format!("{:TIME_COLUMNS$}{line} {body} {line}", ""));
    }

    fn sentence(&mut self, time: &str, mark: &str, text: &str) {
        let width = self.inner - LEAD_COLUMNS - 1;
        let lead = format!("{mark:>width$} ", width = LEAD_COLUMNS - 1);
        for (index, text) in
            fill(&prose(&plain(text, self.style.unicode)), width, width).iter().enumerate()
        {
            match index {
                0 => self.line(time, &format!("{lead}{text}")),
                _ => self.line("", &format!("{:LEAD_COLUMNS$}{text}", "")),
            }
        }
    }

    /// One line between its rails.
    fn line(&mut self, time: &str, body: &str) {
        let rail = self.dim(self.glyphs.rail);
        let time = self.dim(&format!("{time:>width$}", width = TIME_COLUMNS - 2));
        let space = self.inner.saturating_sub(body.width());
        self.lines.push(format!("{time}  {rail}{body}{:space$}{rail}", ""));
    }

    /// Which conversation a row belongs to, where there are several.
    fn tag(&self, conversation: usize) -> String {
        let conversations: &[Conversation] = &self.story.conversations;
        if conversations.len() > 1 { format!("#{}", conversation + 1) } else { String::new() }
    }

    fn dim(&self, text: &str) -> String {
        self.painted(text, Effects::DIMMED)
    }

    fn bold(&self, text: &str, is_bold: bool) -> String {
        if is_bold { self.painted(text, Effects::BOLD) } else { text.to_owned() }
    }

    fn painted(&self, text: &str, effects: Effects) -> String {
        let paint = Paint::new().effects(effects);
        if self.style.colour { format!("{paint}{text}{paint:#}") } else { text.to_owned() }
    }
}

/// `data, 5 bytes "hello", also acknowledges 3 bytes [send 5 bytes]`, in parts between which a line
/// may be broken.
pub fn parts(step: &Step, width: usize, unicode: bool) -> Vec<String> {
    let mut parts = words(&step.label);
    let glue = |parts: &mut Vec<String>, glue: &str| {
        if let Some(last) = parts.last_mut() {
            last.push_str(glue);
        }
    };
    if let Some(data) = &step.data {
        glue(&mut parts, " ");
        let lines = if data.total_bytes <= SHORT_BYTES { DATA_LINES } else { 1 };
        parts.extend(by_words(bytes::show_atoms(data, width * lines - ROOM_COLUMNS, unicode)));
    }
    for (before, text) in
        [(if step.data.is_some() { ", " } else { ": " }, &step.meaning), ("; ", &step.fate)]
    {
        if !text.is_empty() {
            glue(&mut parts, before);
            parts.extend(words(&plain(text, unicode)));
        }
    }
    if let Some(call) = &step.call {
        glue(&mut parts, " ");
        let call = format!("[{call}]");
        // Kept in one line if it can be.
        match call.width() <= width {
            true => parts.push(call),
            false => parts.extend(words(&call)),
        }
    }
    parts
}

/// Escaped text is broken between its words and after its lines, where these are short.
fn by_words(atoms: Vec<String>) -> Vec<String> {
    let is_text = |atom: &String| atom.starts_with('"');
    let Some(begin) = atoms.iter().position(is_text) else { return atoms };
    let ends =
        |one: &String, next: &String| one == "\\n" || one.contains(' ') || next.contains(' ');
    let (before, text) = atoms.split_at(begin);
    let mut parts = before.to_vec();
    for word in text.chunk_by(|one, next| !ends(one, next)) {
        let whole = word.concat();
        if whole.width() <= WORD_COLUMNS {
            parts.push(whole)
        } else {
            parts.extend_from_slice(word)
        }
    }
    parts
}

/// The words of a sentence; a percent sign stays with its number.
pub fn prose(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in words(text) {
        match parts.last_mut() {
            Some(last) if word.starts_with('%') => last.push_str(&word),
            _ => parts.push(word),
        }
    }
    parts
}

/// Words that may hold anything, so that they can be drawn.
pub fn plain(text: &str, unicode: bool) -> String {
    let text = bytes::clean(&text.replace('\n', " "));
    if unicode { text } else { ascii(&text) }
}

/// Milliseconds, with as many digits as the column has room for.
pub fn time(at: std::time::Duration) -> String {
    let ms = at.as_secs_f64() * 1000.0;
    match ms {
        0.0..99.9995 => format!("{ms:.3}"),
        ..9_999.95 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}
