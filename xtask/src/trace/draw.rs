//! The ladder on a terminal.

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
/// How many lines the data of a packet may fill, if it is short enough to be read.
const DATA_LINES: usize = 2;
/// See [`DATA_LINES`].
const SHORT_BYTES: u64 = 120;
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

/// A row, or what stands for several.
pub enum Item<'a> {
    Row(&'a Row),
    /// So many packets; data packets and their bytes to the left and to the right.
    Gap {
        packets: u64,
        carrying: [(u64, u64); 2],
        conversation: usize,
    },
}

/// What of a story is drawn: long runs of data and acknowledgements lose their middle.
pub fn items(story: &Story) -> Vec<Item<'_>> {
    let is_plain = |row: &Row| matches!(&row.what, Happening::Packet(step) if step.is_plain);
    let (first, last) = SHOWN_OF_RUN;
    let mut items = Vec::new();
    let mut rest = story.rows.as_slice();
    while !rest.is_empty() {
        let run = rest.iter().take_while(|row| is_plain(row)).count();
        if run <= first + last + 2 {
            let taken = run.max(1);
            items.extend(rest[..taken].iter().map(Item::Row));
            rest = &rest[taken..];
            continue;
        }
        items.extend(rest[..first].iter().map(Item::Row));
        items.push(gap(&rest[first..run - last]));
        items.extend(rest[run - last..run].iter().map(Item::Row));
        rest = &rest[run..];
    }
    items
}

fn gap(rows: &[Row]) -> Item<'_> {
    let mut carrying = [(0, 0); 2];
    let mut conversation = 0;
    for row in rows {
        if let Happening::Packet(step) = &row.what {
            conversation = step.conversation;
            if step.bytes > 0 {
                let side = &mut carrying[usize::from(step.to_right)];
                *side = (side.0 + 1, side.1 + step.bytes);
            }
        }
    }
    Item::Gap { packets: rows.len() as u64, carrying, conversation }
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
            Item::Gap { packets, carrying, conversation } => {
                let parties = &story.conversations[conversation].parties;
                let text = told::gap(packets, carrying, [&parties[0].name, &parties[1].name]);
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
pub fn common_name(conversations: &[Conversation], side: usize) -> String {
    let mut names = conversations.iter().map(|conversation| &conversation.parties[side].name);
    let Some(first) = names.next() else { return String::new() };
    if names.all(|name| name == first) { first.clone() } else { String::new() }
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
        let names = |side: usize| common_name(conversations, side);
        if !is_single {
            for (index, conversation) in conversations.iter().enumerate() {
                let [left, right] = &conversation.parties;
                let text = format!(
                    "#{} {} {}, {} {}",
                    index + 1,
                    left.name,
                    left.address,
                    right.name,
                    right.address
                );
                for (nth, part) in
                    fill(&words(&text), self.inner, self.inner - 4).iter().enumerate()
                {
                    let indent = TIME_COLUMNS + if nth == 0 { 0 } else { 4 };
                    self.lines.push(format!("{:indent$}{part}", ""));
                }
            }
        }
        let mut lines = vec![(names(0), names(1))];
        if is_single {
            let [left, right] = &first.parties;
            lines.push((left.address.to_string(), right.address.to_string()));
        }
        for (index, (left, right)) in lines.iter().enumerate() {
            let time = if index == 0 {
                format!("{:>1$}  ", "ms", TIME_COLUMNS - 2)
            } else {
                format!("{:TIME_COLUMNS$}", "")
            };
            let gap = (self.inner + 2).saturating_sub(left.width() + right.width()).max(2);
            let line = format!("{time}{left}{:gap$}{right}", "");
            let line = self.bold(line.trim_end(), index == 0);
            self.lines.push(line);
        }
        if let (true, Some(states)) = (is_single, first.began) {
            self.states(0, states);
        }
    }

    fn row(&mut self, row: &Row) {
        let time = time(row.at);
        match &row.what {
            Happening::Packet(step) => self.packet(&time, step),
            Happening::States(conversation, states) => self.states(*conversation, *states),
            Happening::Said(text) => self.sentence(&time, self.glyphs.bullet, text),
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
            fill(&words(&plain(text, self.style.unicode)), width, width).iter().enumerate()
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
        parts.extend(bytes::show_atoms(data, width * lines - ROOM_COLUMNS, unicode));
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
        // Kept in one line if it can be.
        parts.push(format!("[{call}]"));
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
