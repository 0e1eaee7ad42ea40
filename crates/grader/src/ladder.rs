//! The ladder: a recorded conversation between two columns, the grader on the left, the program on
//! the right.
//!
//! Rows with an arrow say what the grader does ("sends", "receives"), so that the words alone tell
//! the direction; rows without one are sentences of their own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anstyle::{Effects, Style as Paint};
use unicode_width::UnicodeWidthStr;

use crate::bytes::{clean, data_atoms, show_atoms, thousands};
use crate::record::{Event, Sample, What};
use crate::wording;

/// How many events of a long conversation are drawn before the gap.
const FIRST_EVENTS: usize = 12;
/// How many events of a long conversation are drawn after the gap.
const LAST_EVENTS: usize = 20;
/// The fewest events that a gap hides.
const LEAST_HIDDEN_EVENTS: usize = 3;
/// The widths that a ladder can have, in columns.
const COLUMNS: std::ops::RangeInclusive<usize> = 50..=120;
/// The columns of the time and the space after it.
const TIME_COLUMNS: usize = 8;
/// The columns around the name of a lane in an arrow.
const TAG_FRAME_COLUMNS: usize = 7;
/// The columns of an arrow's beginning, and of the indent below it.
const LEAD_COLUMNS: usize = 4;
/// The columns of a row's words that a name in the arrow leaves at the least.
const LEAST_COLUMNS: usize = 12;
/// How many lines a row's data may fill: a text that is there as a whole. Of what is long or no
/// text, one line is enough to tell it from other data, and the story stays in sight.
const DATA_LINES: usize = 3;
/// The same while it happens, where a request or an answer is read for its own sake.
const LIVE_LINES: usize = 12;
/// Up to so many bytes are shown in full, text or not.
const SHORT_BYTES: u64 = 32;
/// How many lines of standard error a row shows, from the beginning and from the end.
const STDERR_LINES: (usize, usize) = (8, 4);
/// Of a program that writes more than this to standard error, a row shows these lines from the
/// beginning and says how much followed: it mostly repeats itself, to no end.
const FLOOD_BYTES: u64 = 1 << 20;
const FLOOD_LINES: usize = 4;
/// What stands between the parts of a row between which its line has to end.
const LINE_END: &str = "\n";

/// How a ladder is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// The width in terminal columns; what is below 50 or above 120 counts as that.
    pub columns: usize,
    /// Lines, arrows and the program's text as Unicode; otherwise everything is ASCII.
    pub unicode: bool,
    /// Dims what frames the conversation, with ANSI escapes.
    pub colour: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { columns: 80, unicode: true, colour: false }
    }
}

impl Style {
    /// 80 columns, Unicode, no colour: how documents show it.
    pub fn plain() -> Self {
        Self::default()
    }

    fn glyphs(&self) -> &'static Glyphs {
        if self.unicode { &UNICODE } else { &ASCII }
    }

    /// The columns between the two rails.
    fn inner_columns(&self) -> usize {
        self.columns.clamp(*COLUMNS.start(), *COLUMNS.end()) - TIME_COLUMNS - 2
    }
}

/// Draws what was recorded, one or more lines an event, without a line end after the last.
///
/// A long conversation is drawn without its middle, and says what it left out.
pub fn draw(events: &[Event], style: &Style) -> String {
    if events.is_empty() {
        return String::new();
    }
    let ladder = Ladder::new(events, style);
    let mut lines = vec![ladder.header()];
    let hides = events.len() >= FIRST_EVENTS + LAST_EVENTS + LEAST_HIDDEN_EVENTS;
    let (first, rest) = events.split_at(if hides { FIRST_EVENTS } else { events.len() });
    let (hidden, last) = rest.split_at(rest.len().saturating_sub(LAST_EVENTS));
    for event in first {
        ladder.row(event, &mut lines);
    }
    if !hidden.is_empty() {
        ladder.gap(hidden, &mut lines);
    }
    for event in last {
        ladder.row(event, &mut lines);
    }
    lines.join("\n")
}

/// Draws a conversation while it happens, one event after another, between columns with names of
/// the caller's. Its times are seconds, since such a conversation may last for hours.
#[derive(Debug, Clone)]
pub struct Live {
    style: Style,
    left: String,
    right: String,
    names_connections: bool,
}

impl Live {
    /// A ladder whose columns are called `left` (it sends to the right) and `right`.
    pub fn new(style: Style, left: &str, right: &str) -> Self {
        Self { style, left: left.to_owned(), right: right.to_owned(), names_connections: false }
    }

    /// The line that names the columns.
    pub fn header(&self) -> String {
        self.ladder().header()
    }

    /// The lines of one event, without a line end after the last. From the second connection on,
    /// each row says to which it belongs.
    pub fn event(&mut self, event: &Event) -> String {
        self.names_connections |= event.lane.connection.is_some_and(|number| number > 1);
        let mut lines = Vec::new();
        self.ladder().row(event, &mut lines);
        lines.join("\n")
    }

    fn ladder(&self) -> Ladder<'_> {
        let Self { style, left, right, names_connections } = self;
        Ladder {
            style,
            glyphs: style.glyphs(),
            inner: style.inner_columns(),
            left_header: left,
            right_header: clean(right),
            is_live: true,
            names_programs: false,
            names_connections: *names_connections,
            names_addresses: (false, true),
            first_datagram: None,
        }
    }
}

/// Which way an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrow {
    /// From the grader to the program.
    Right,
    /// From the program to the grader.
    Left,
    /// Neither: a sentence.
    Not,
}

/// What the whole conversation needs to know.
struct Ladder<'a> {
    style: &'a Style,
    glyphs: &'static Glyphs,
    /// The columns between the two rails.
    inner: usize,
    left_header: &'a str,
    right_header: String,
    /// Drawn for somebody who takes part: times in seconds, and more of the bytes.
    is_live: bool,
    names_programs: bool,
    names_connections: bool,
    /// Several addresses of the grader's take part in datagrams; several of the program's.
    names_addresses: (bool, bool),
    first_datagram: Option<&'a Event>,
}

struct Glyphs {
    rail: &'static str,
    line: &'static str,
    left: &'static str,
    right: &'static str,
    bullet: &'static str,
    ellipsis: &'static str,
}

const UNICODE: Glyphs =
    Glyphs { rail: "│", line: "─", left: "◀", right: "▶", bullet: "·", ellipsis: "…" };
const ASCII: Glyphs =
    Glyphs { rail: "|", line: "-", left: "<", right: ">", bullet: "*", ellipsis: "..." };

impl<'a> Ladder<'a> {
    fn new(events: &'a [Event], style: &'a Style) -> Self {
        let lanes = events.iter().map(|event| &event.lane);
        let programs: BTreeSet<&str> = lanes
            .clone()
            .map(|lane| lane.program.as_str())
            .filter(|name| !name.is_empty())
            .collect();
        let connections: BTreeSet<u32> = lanes.filter_map(|lane| lane.connection).collect();
        let right_header = match programs.len() {
            0 => wording::PROGRAM,
            1 => programs.first().copied().unwrap_or_default(),
            _ => wording::PROGRAMS,
        };
        let ends: Vec<_> = events.iter().filter_map(datagram_ends).collect();
        let graders: BTreeSet<SocketAddr> = ends.iter().map(|(grader, _)| *grader).collect();
        let theirs: BTreeSet<SocketAddr> = ends.iter().map(|(_, program)| *program).collect();
        Self {
            style,
            glyphs: style.glyphs(),
            inner: style.inner_columns(),
            left_header: wording::GRADER,
            right_header: clean(right_header),
            is_live: false,
            names_programs: programs.len() > 1,
            names_connections: connections.len() > 1,
            names_addresses: (graders.len() > 1, theirs.len() > 1),
            first_datagram: events.iter().find(|event| datagram_ends(event).is_some()),
        }
    }

    fn header(&self) -> String {
        let unit = if self.is_live { wording::SECONDS } else { wording::MILLISECONDS };
        let time = format!("{unit:>0$}  ", TIME_COLUMNS - 2);
        let heads = self.left_header.width() + self.right_header.width();
        let gap = (self.inner + 2).saturating_sub(heads).max(2);
        let text = format!("{time}{}{:gap$}{}", self.left_header, "", self.right_header);
        self.dim(&text)
    }

    /// Appends the lines of one event.
    fn row(&self, event: &Event, lines: &mut Vec<String>) {
        let arrow = arrow_of(&event.what);
        let tag = if arrow == Arrow::Not { String::new() } else { self.tag(event) };
        let tail_columns = match (arrow, tag.is_empty()) {
            (Arrow::Not, _) => 0,
            (_, true) => 3,
            (_, false) => tag.width() + TAG_FRAME_COLUMNS,
        };
        let width = self.inner - LEAD_COLUMNS - 1;
        let first_width = width.saturating_sub(tail_columns).max(LEAST_COLUMNS);
        let room = width * self.data_lines(&event.what) - (width - first_width);
        let room = room.saturating_sub(LEAD_COLUMNS);
        let texts = fill(&self.parts(event, room), first_width, width);
        let texts = if matches!(event.what, What::Stderr { .. }) {
            without_middle(texts, STDERR_LINES, self.glyphs.ellipsis)
        } else {
            texts
        };
        let time = self.time(event.at);
        for (index, text) in texts.iter().enumerate() {
            let body = match index {
                0 => self.first_line(arrow, &tag, text),
                _ => format!("{:LEAD_COLUMNS$}{text}", ""),
            };
            let time = if index == 0 { time.as_str() } else { "" };
            lines.push(self.line(time, &body));
        }
    }

    fn time(&self, at: Duration) -> String {
        // As many digits as the column has room for.
        match at.as_secs() {
            _ if !self.is_live => thousands(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)),
            0..=99 => format!("{:.3}", at.as_secs_f64()),
            100..=9_999 => format!("{:.1}", at.as_secs_f64()),
            seconds => seconds.to_string(),
        }
    }

    /// How many lines the data of an event may fill.
    fn data_lines(&self, what: &What) -> usize {
        match data_lines(what) {
            DATA_LINES if self.is_live => LIVE_LINES,
            lines => lines,
        }
    }

    /// The line with the arrow.
    fn first_line(&self, arrow: Arrow, tag: &str, text: &str) -> String {
        let Glyphs { line, left, right, bullet, .. } = self.glyphs;
        let (lead, head) = match arrow {
            Arrow::Right => (format!("{line}{line}{line} "), *right),
            Arrow::Left => (format!("{left}{line}{line} "), *line),
            Arrow::Not => return format!("  {bullet} {text}"),
        };
        let tail = match tag {
            "" => format!("{line}{head}"),
            tag => format!("{line}{line} {tag} {line}{head}"),
        };
        let used = lead.width() + text.width() + 1 + tail.width();
        let fill = line.repeat(self.inner.saturating_sub(used));
        format!("{lead}{text} {fill}{tail}")
    }

    /// One line between its rails.
    fn line(&self, time: &str, body: &str) -> String {
        let rail = self.dim(self.glyphs.rail);
        let time = self.dim(&format!("{time:>width$}", width = TIME_COLUMNS - 2));
        let space = self.inner.saturating_sub(body.width());
        format!("{time}  {rail}{body}{:space$}{rail}", "")
    }

    /// The row that stands for the events that are not drawn.
    fn gap(&self, hidden: &[Event], lines: &mut Vec<String>) {
        let mut kinds: Vec<(&str, u64, Option<u64>)> = Vec::new();
        for event in hidden {
            let (kind, bytes) = kind_of(&event.what);
            match kinds.iter_mut().find(|(other, ..)| *other == kind) {
                Some((_, times, sum)) => {
                    *times += 1;
                    *sum = sum.zip(bytes).map(|(sum, bytes)| sum + bytes);
                }
                None => kinds.push((kind, 1, bytes)),
            }
        }
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(kind, times, bytes)| wording::repeated(kind, times, bytes))
            .collect();
        let summary = wording::more_steps(hidden.len() as u64, &kinds.join(", "));
        let text = format!("{} {summary}", self.glyphs.ellipsis);
        let width = self.inner - LEAD_COLUMNS - 1;
        lines.push(self.line("", ""));
        for text in fill(&words(&text), width, width) {
            lines.push(self.line("", &format!("{:LEAD_COLUMNS$}{text}", "")));
        }
        lines.push(self.line("", ""));
    }

    /// Which program and connection a row is about, where that is not clear.
    fn tag(&self, event: &Event) -> String {
        let program = clean(&event.lane.program);
        let program = Some(program.as_str()).filter(|name| self.names_programs && !name.is_empty());
        let connection = event.lane.connection.filter(|_| self.names_connections);
        let whole = wording::lane(program, connection);
        // Of a long name the host alone says enough: a program's start tells what it is there.
        let is_long = whole.width() + TAG_FRAME_COLUMNS > self.inner / 2 - LEAD_COLUMNS;
        match program.and_then(|name| name.split_once(" on ")).filter(|_| is_long) {
            Some((_, host)) => wording::lane(Some(host), connection),
            None => whole,
        }
    }

    /// The words and bytes of a row, in parts between which a line may be broken.
    fn parts(&self, event: &Event, room: usize) -> Vec<String> {
        let program = match event.lane.program.as_str() {
            "" => wording::THE_PROGRAM.to_owned(),
            name => clean(name),
        };
        let text = match &event.what {
            What::Sent { bytes, segments } => {
                let pieces = (*segments > 1).then(|| wording::in_segments(*segments));
                return self.data(wording::SENDS, bytes, pieces, room);
            }
            What::Received { bytes, reads } => {
                let pieces = (*reads > 1).then(|| wording::in_reads(*reads));
                return self.data(wording::RECEIVES, bytes, pieces, room);
            }
            What::DatagramSent { bytes, .. } => {
                let (grader, program) = self.shown_ends(event);
                return self.data(&wording::sends_datagram(grader, program), bytes, None, room);
            }
            What::DatagramReceived { bytes, .. } => {
                let (grader, program) = self.shown_ends(event);
                return self.data(&wording::receives_datagram(program, grader), bytes, None, room);
            }
            What::Stdin { bytes } => return self.output(wording::STDIN, bytes, room),
            What::Stdout { bytes } => return self.output(wording::STDOUT, bytes, room),
            What::Stderr { bytes } => return self.stderr(bytes),
            What::Started { command } => {
                return quoted_words(&self.plain(&wording::starts(command)));
            }
            What::GraderListens { address } => wording::grader_listens(*address),
            What::GraderConnected { from, .. } => wording::connects(*from),
            What::ProgramConnected { from, .. } => wording::accepts(*from),
            // Whoever only passes a FIN on cannot tell whether its sender still reads.
            What::GraderFinishedSending if self.is_live => wording::SENDS_END.to_owned(),
            What::GraderFinishedSending => wording::FINISHES_SENDING.to_owned(),
            What::ProgramFinishedSending => wording::RECEIVES_END.to_owned(),
            What::GraderReset => wording::RESETS.to_owned(),
            What::ProgramReset => wording::RECEIVES_RESET.to_owned(),
            What::GraderClosed => wording::CLOSES.to_owned(),
            What::StdinClosed => wording::CLOSES_STDIN.to_owned(),
            What::Signalled { signal } => wording::signals(signal),
            What::Exited { status } => wording::exits(&program, *status),
            What::Died { signal } => wording::dies(&program, signal),
            What::Ended => wording::ends(&program),
            What::Seen { text } => wording::seen(text.trim_end()),
            What::Note { text } => text.trim_end().to_owned(),
        };
        words(&self.plain(&text))
    }

    /// Bytes with their number: `sends 5 bytes "hello"`, `sends 5 bytes in 5 segments "hello"`.
    fn data(&self, verb: &str, bytes: &Sample, pieces: Option<String>, room: usize) -> Vec<String> {
        let mut parts = words(&format!("{verb} "));
        let pieces = pieces.map_or_else(Vec::new, |pieces| words(&format!("{pieces} ")));
        let used: usize = parts.iter().chain(&pieces).map(|part| part.width()).sum();
        let mut shown = show_atoms(bytes, room.saturating_sub(used), self.style.unicode);
        let data = shown.split_off(1);
        parts.append(&mut shown);
        parts.extend(pieces);
        parts.extend(data);
        parts
    }

    /// What goes through a pipe: the bytes, and their number only where they are not all shown.
    fn output(&self, name: &str, bytes: &Sample, room: usize) -> Vec<String> {
        let all = data_atoms(bytes, usize::MAX, self.style.unicode);
        let used: usize = all.iter().map(|part| part.width()).sum();
        let is_whole = bytes.total_bytes == (bytes.head.len() + bytes.tail.len()) as u64;
        if is_whole && bytes.total_bytes > 0 && used + name.width() < room {
            let mut parts = vec![format!("{name} ")];
            parts.extend(all);
            return parts;
        }
        self.data(name, bytes, None, room)
    }

    /// A program's messages, line by line as it wrote them.
    fn stderr(&self, bytes: &Sample) -> Vec<String> {
        let is_whole = bytes.total_bytes == (bytes.head.len() + bytes.tail.len()) as u64;
        let mut text = String::from_utf8_lossy(&bytes.head).into_owned();
        let tail = String::from_utf8_lossy(&bytes.tail);
        let mut parts = words(&format!("{} ", wording::STDERR));
        if bytes.total_bytes > FLOOD_BYTES {
            let lines: Vec<&str> = text.split_inclusive('\n').take(FLOOD_LINES).collect();
            let shown = lines.concat();
            let more = bytes.total_bytes.saturating_sub(shown.len() as u64);
            parts.extend([wording::byte_count(bytes.total_bytes), LINE_END.to_owned()]);
            text = format!("{}\n{}", shown.trim_end(), wording::more_bytes(more));
        } else if is_whole {
            text.push_str(&tail);
        } else {
            let count = wording::byte_count(bytes.total_bytes);
            parts.extend([format!("{count} "), LINE_END.to_owned()]);
            text.truncate(text.trim_end().len());
            let _ = write!(text, " {} {}", self.glyphs.ellipsis, tail.trim_start());
        }
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        for (index, line) in lines.enumerate() {
            if index > 0 {
                parts.push(LINE_END.to_owned());
            }
            parts.extend(words(&self.plain(line)));
        }
        parts
    }

    /// The addresses of a datagram, grader's and program's, where they tell something.
    fn shown_ends(&self, event: &Event) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let is_first = self.first_datagram.is_some_and(|first| std::ptr::eq(first, event));
        let (grader, program) = datagram_ends(event).unzip();
        let (several_graders, several_programs) = self.names_addresses;
        (
            grader.filter(|_| is_first || several_graders),
            program.filter(|_| is_first || several_programs),
        )
    }

    /// Words that may hold anything, so that they can be drawn.
    fn plain(&self, text: &str) -> String {
        let text = clean(&text.replace('\n', " "));
        if self.style.unicode { text } else { ascii(&text) }
    }

    fn dim(&self, text: &str) -> String {
        let paint = Paint::new().effects(Effects::DIMMED);
        if self.style.colour { format!("{paint}{text}{paint:#}") } else { text.to_owned() }
    }
}

/// `text` in ASCII: what has a usual replacement gets it, the rest is escaped as `\u{..}`.
pub fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if character.is_ascii() => plain.push(character),
            _ => match wording::in_ascii(character) {
                "?" => plain.extend(character.escape_unicode()),
                replacement => plain.push_str(replacement),
            },
        }
    }
    plain
}

/// How many lines the data of an event may fill.
fn data_lines(what: &What) -> usize {
    let (What::Sent { bytes, .. }
    | What::Received { bytes, .. }
    | What::DatagramSent { bytes, .. }
    | What::DatagramReceived { bytes, .. }
    | What::Stdin { bytes }
    | What::Stdout { bytes }) = what
    else {
        return DATA_LINES;
    };
    let is_whole = bytes.total_bytes == (bytes.head.len() + bytes.tail.len()) as u64;
    let is_text = std::str::from_utf8(&[bytes.head.as_slice(), &bytes.tail].concat()).is_ok();
    let is_short = bytes.total_bytes <= SHORT_BYTES;
    match what {
        _ if is_whole && (is_text || is_short) => DATA_LINES,
        // The addresses of a datagram fill a line of their own.
        What::DatagramSent { .. } | What::DatagramReceived { .. } => 2,
        _ => 1,
    }
}

/// The grader's and the program's address of a datagram.
fn datagram_ends(event: &Event) -> Option<(SocketAddr, SocketAddr)> {
    match &event.what {
        What::DatagramSent { from, to, .. } => Some((*from, *to)),
        What::DatagramReceived { from, to, .. } => Some((*to, *from)),
        _ => None,
    }
}

fn arrow_of(what: &What) -> Arrow {
    match what {
        What::Started { .. }
        | What::GraderConnected { .. }
        | What::Sent { .. }
        | What::DatagramSent { .. }
        | What::GraderFinishedSending
        | What::GraderReset
        | What::GraderClosed
        | What::Stdin { .. }
        | What::StdinClosed
        | What::Signalled { .. } => Arrow::Right,
        What::ProgramConnected { .. }
        | What::Received { .. }
        | What::DatagramReceived { .. }
        | What::ProgramFinishedSending
        | What::ProgramReset
        | What::Stdout { .. }
        | What::Stderr { .. } => Arrow::Left,
        What::GraderListens { .. }
        | What::Exited { .. }
        | What::Died { .. }
        | What::Ended
        | What::Seen { .. }
        | What::Note { .. } => Arrow::Not,
    }
}

/// The name of a kind of event, and its bytes if it has any.
fn kind_of(what: &What) -> (&'static str, Option<u64>) {
    use wording::kind;
    match what {
        What::Started { .. } => (kind::STARTS, None),
        What::GraderListens { .. } => (kind::LISTENS, None),
        What::GraderConnected { .. } => (kind::CONNECTS, None),
        What::ProgramConnected { .. } => (kind::ACCEPTS, None),
        What::Sent { bytes, .. } => (wording::SENDS, Some(bytes.total_bytes)),
        What::Received { bytes, .. } => (wording::RECEIVES, Some(bytes.total_bytes)),
        What::DatagramSent { bytes, .. } => (kind::SENDS_DATAGRAM, Some(bytes.total_bytes)),
        What::DatagramReceived { bytes, .. } => (kind::RECEIVES_DATAGRAM, Some(bytes.total_bytes)),
        What::GraderFinishedSending => (wording::FINISHES_SENDING, None),
        What::ProgramFinishedSending => (wording::RECEIVES_END, None),
        What::GraderReset => (wording::RESETS, None),
        What::ProgramReset => (wording::RECEIVES_RESET, None),
        What::GraderClosed => (wording::CLOSES, None),
        What::Stdin { bytes } => (wording::STDIN, Some(bytes.total_bytes)),
        What::StdinClosed => (wording::CLOSES_STDIN, None),
        What::Stdout { bytes } => (wording::STDOUT, Some(bytes.total_bytes)),
        What::Stderr { bytes } => (wording::STDERR, Some(bytes.total_bytes)),
        What::Signalled { .. } => (kind::SIGNALS, None),
        What::Exited { .. } | What::Died { .. } => (kind::EXITS, None),
        What::Ended => (kind::ENDS, None),
        What::Seen { .. } | What::Note { .. } => (kind::NOTES, None),
    }
}

/// A text in its words, each with the space after it.
pub fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// The same of a command line: inside quotes the spaces stand before their word, so that a line's
/// end takes none away.
fn quoted_words(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut is_quoted, mut is_escaped, mut last) = (false, false, ' ');
    for character in text.chars() {
        let begins = match is_quoted {
            true => character == ' ' && !matches!(last, ' ' | '"'),
            false => last == ' ',
        };
        if begins {
            parts.push(String::new());
        }
        parts.last_mut().into_iter().for_each(|part| part.push(character));
        is_quoted ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        last = character;
    }
    parts
}

/// Puts parts into lines: at most `first_width` columns for the first, `width` for the others.
///
/// The space at the end of a word may be lost at a line's end; a space that is a part of its own
/// may not. Without any part there is one empty line.
pub fn fill(parts: &[String], first_width: usize, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut limit = first_width;
    let mut end_line = |line: &mut String, limit: &mut usize, ends_with_word: bool| {
        if ends_with_word {
            line.truncate(line.trim_end_matches(' ').len());
        }
        lines.push(std::mem::take(line));
        *limit = width;
    };
    let mut ends_with_word = false;
    for part in parts {
        if part == LINE_END {
            end_line(&mut line, &mut limit, ends_with_word);
            continue;
        }
        let is_word = part.len() > 1;
        let needed = if is_word { part.trim_end_matches(' ').width() } else { part.width() };
        if !line.is_empty() && line.width() + needed > limit && needed <= width {
            end_line(&mut line, &mut limit, ends_with_word);
        }
        if line.width() + needed <= limit {
            line.push_str(part);
        } else {
            // A word longer than a line is broken wherever the line ends.
            for character in part.chars() {
                let columns = unicode_width::UnicodeWidthChar::width(character).unwrap_or(0);
                if line.width() + columns > limit && !line.is_empty() {
                    end_line(&mut line, &mut limit, false);
                }
                line.push(character);
            }
        }
        ends_with_word = is_word;
    }
    if !line.is_empty() {
        end_line(&mut line, &mut limit, ends_with_word);
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// The first and the last lines, and a mark between them, of what has too many.
fn without_middle(lines: Vec<String>, (first, last): (usize, usize), mark: &str) -> Vec<String> {
    if lines.len() <= first + last {
        return lines;
    }
    let end = lines.len() - last;
    let mut kept = lines[..first].to_vec();
    kept.push(mark.to_owned());
    kept.extend_from_slice(&lines[end..]);
    kept
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Live, Style};
    use crate::record::{Event, Lane, Sample, What};

    fn event(at_ms: u64, connection: u32, what: What) -> Event {
        let lane = Lane { program: String::new(), connection: Some(connection) };
        Event { at: Duration::from_millis(at_ms), lane, what }
    }

    #[test]
    fn a_live_ladder_has_names_of_its_own_and_numbers_connections_from_the_second_on() {
        let style = Style { columns: 60, unicode: false, colour: false };
        let mut live = Live::new(style, "the peer", "your client");
        let sent = |connection| {
            event(12, connection, What::Sent { bytes: Sample::of(b"hi"), segments: 1 })
        };
        let rows = [
            live.header(),
            live.event(&sent(1)),
            live.event(&sent(2)),
            live.event(&event(125_250, 1, What::GraderFinishedSending)),
            live.event(&event(20_000_000, 1, What::ProgramReset)),
        ];
        let drawn = "
     s  the peer                                 your client
 0.012  |--- sends 2 bytes \"hi\" -------------------------->|
 0.012  |--- sends 2 bytes \"hi\" --------------------- #2 ->|
 125.2  |--- sends the end of the stream (FIN) ------ #1 ->|
 20000  |<-- receives a reset (RST) ----------------- #1 --|";
        assert_eq!(rows.join("\n"), drawn.trim_start_matches('\n'));
    }

    #[test]
    fn a_live_ladder_shows_a_request_as_a_whole() {
        let mut live = Live::new(Style::plain(), "the peer", "your server");
        let request = "GET / HTTP/1.1\r\n".repeat(20);
        let bytes = Sample::of_printed(request.as_bytes());
        let row = live.event(&event(0, 1, What::Sent { bytes, segments: 1 }));
        assert!(!row.contains('…'), "{row}");
        assert!((5..=8).contains(&row.lines().count()), "{row}");
    }

    #[test]
    fn of_a_long_name_the_host_alone_stands_in_the_arrow() {
        let on = |program: &str| Event {
            at: Duration::ZERO,
            lane: Lane { program: program.to_owned(), connection: None },
            what: What::Stdout { bytes: Sample::of(b"listening on 0.0.0.0:7000\n") },
        };
        let events = [on("your listener on 172.60.50.11"), on("your sender")];
        for columns in [58, 60, 80] {
            let style = Style { columns, unicode: false, colour: false };
            let drawn = super::draw(&events, &style);
            assert!(drawn.contains("-- 172.60.50.11 --|"), "{drawn}");
            assert!(drawn.contains("-- your sender --|"), "{drawn}");
            assert!(drawn.lines().all(|line| line.len() <= columns), "{drawn}");
        }
    }

    #[test]
    fn a_long_name_without_a_host_leaves_room_for_the_words() {
        let on = |program: &str, connection| Event {
            at: Duration::ZERO,
            lane: Lane { program: program.to_owned(), connection: Some(connection) },
            what: What::GraderFinishedSending,
        };
        let events = [on("your second receiver", 11), on("your sender", 2)];
        let style = Style { columns: 58, unicode: false, colour: false };
        let drawn = super::draw(&events, &style);
        assert!(drawn.lines().all(|line| line.len() == 58), "{drawn}");
    }

    #[test]
    fn the_spaces_of_an_argument_outlive_a_lines_end() {
        let command = r#"tcp-echo client 127.0.0.1:50000 "   hello,  you \"  \n""#;
        let what = What::Started { command: command.to_owned() };
        for columns in 50..80 {
            let style = Style { columns, unicode: false, colour: false };
            let drawn = super::draw(&[event(0, 1, what.clone())], &style);
            let rows = drawn.lines().skip(1).map(|row| &row[9..columns - 1]);
            let rows: Vec<&str> = rows
                .map(|row| row.trim_start_matches("--- ").trim_end_matches(['-', '>']).trim_end())
                .map(|row| row.strip_prefix("    ").unwrap_or(row))
                .collect();
            let joined = rows.concat().replace("client127", "client 127");
            assert!(joined.contains(r#""   hello,  you \"  \n""#), "{columns}: {drawn}");
        }
    }
}
