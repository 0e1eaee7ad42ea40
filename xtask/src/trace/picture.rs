//! The ladder as a picture (SVG): light or dark, as the reader's page is.

use std::fmt::Write;

use grader::ladder::{fill, words};
use unicode_width::UnicodeWidthStr;

use super::draw::{self, Item};
use super::story::{Happening, Party, Row, Step, Story};
use super::tcp::States;
use super::words as told;
use crate::output::escape;

/// The width of a letter, and the height of a line, in the picture's units.
const LETTER: f32 = 7.5;
const LINE: f32 = 17.0;
/// The width of the picture, and where the two ends' lines stand.
const WIDTH: f32 = 1060.0;
const LEFT: f32 = 205.0;
const RIGHT: f32 = 915.0;
/// How much lower a packet arrives than it was sent.
const SLOPE: f32 = 8.0;
const MARGIN: f32 = 16.0;
/// Where a packet that is lost ends, as a part of its way.
const LOST_AT: f32 = 0.8;
/// How many letters a line between the two ends has room for.
const COLUMNS: usize = 88;

/// The colours, on a light page and on a dark one: each has a contrast of 4.5 to 1 or more. None of
/// them says what the words do not.
const STYLE: &str = "
    .page { fill: #ffffff; stroke: #d0d7de }
    text { font: 12.5px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
           white-space: pre; fill: #1f2328 }
    .head { font-weight: 600 }
    .time, .said { fill: #656d76 }
    .state { font-weight: 600; fill: #0550ae }
    .rail { stroke: #656d76; stroke-width: 1.5 }
    .way { stroke: #1f2328; stroke-width: 1.5; fill: none }
    .tip { fill: #1f2328 }
    .lost { stroke: #c11c27; stroke-dasharray: 6 4 }
    .cross { stroke: #c11c27; stroke-width: 2 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #3d444d }
      text { fill: #e6edf3 }
      .time, .said { fill: #9198a1 }
      .state { fill: #79c0ff }
      .rail { stroke: #9198a1 }
      .way { stroke: #e6edf3 }
      .tip { fill: #e6edf3 }
      .lost, .cross { stroke: #ff7b72 }
    }
";

/// Draws the story below its heading.
pub fn draw(story: &Story, heading: &str) -> String {
    let mut picture = Picture { story, drawn: String::new(), y: MARGIN };
    picture.heads(heading);
    let top = picture.y;
    for item in draw::items(story) {
        match item {
            Item::Row(row) => picture.row(row),
            Item::Gap(text) => {
                picture.y += LINE / 2.0;
                picture.sentence("", &format!("… {text}"));
                picture.y += LINE / 2.0;
            }
        }
    }
    let bottom = picture.y + LINE / 2.0;
    picture.y = bottom;
    for sentence in told::closing(story) {
        picture.y += LINE;
        for line in fill(&words(&sentence), COLUMNS, COLUMNS) {
            picture.text(LEFT, "said", "start", &line);
        }
    }
    let height = picture.y + MARGIN + LINE / 2.0;
    let about = escape(&format!("The packets of {heading}, from top to bottom."));
    let mut drawn = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{about}\">\n\
         <style>{STYLE}</style>\n\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    for x in [LEFT, RIGHT] {
        _ = writeln!(
            drawn,
            "<line class=\"rail\" x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{bottom}\"/>"
        );
    }
    drawn.push_str(&picture.drawn);
    drawn.push_str("</svg>\n");
    drawn
}

struct Picture<'a> {
    story: &'a Story,
    drawn: String,
    /// The foot of what was drawn last.
    y: f32,
}

impl Picture<'_> {
    fn heads(&mut self, heading: &str) {
        for line in fill(&words(heading), COLUMNS + 30, COLUMNS + 30) {
            self.text(MARGIN, "head", "start", &line);
        }
        self.y += LINE / 2.0;
        let conversations = &self.story.conversations;
        let Some(first) = conversations.first() else { return };
        if conversations.len() > 1 {
            let hidden = draw::hidden(self.story);
            for (index, conversation) in conversations.iter().enumerate() {
                if !hidden.contains(&index) {
                    let [left, right] = conversation.parties.each_ref().map(named);
                    self.text(LEFT, "said", "start", &format!("#{} {left}, {right}", index + 1));
                }
            }
            self.y += LINE / 2.0;
        }
        let top = self.y;
        for (side, x) in [(0, LEFT), (1, RIGHT)] {
            let party = &first.parties[side];
            self.y = top;
            self.text(x, "head", "middle", &draw::heading(conversations, side));
            if conversations.len() == 1 {
                self.text(x, "said", "middle", &party.address.to_string());
            }
        }
        self.y += LINE / 2.0;
        if let (1, Some(states)) = (conversations.len(), first.began) {
            self.states(0, states);
        }
    }

    fn row(&mut self, row: &Row) {
        let time = draw::time(row.at);
        match &row.what {
            Happening::Packet(step) => self.packet(&time, step),
            Happening::States(conversation, states) => self.states(*conversation, *states),
            Happening::Said { text, .. } => self.sentence(&time, &draw::plain(text, true)),
        }
    }

    fn packet(&mut self, time: &str, step: &Step) {
        let mut parts = draw::parts(step, COLUMNS, true);
        if self.story.conversations.len() > 1 {
            parts.insert(0, format!("#{} ", step.conversation + 1));
        }
        self.y += 3.0;
        for (index, line) in fill(&parts, COLUMNS, COLUMNS).iter().enumerate() {
            if index == 0 {
                self.time(time);
            }
            self.text((LEFT + RIGHT) / 2.0, "", "middle", line);
        }
        self.y += 6.0;
        let (from, to) = if step.to_right { (LEFT, RIGHT) } else { (RIGHT, LEFT) };
        let part = if step.is_lost { LOST_AT } else { 1.0 };
        let (x, y) = (from + (to - from) * part, self.y + SLOPE * part);
        let class = if step.is_lost { "way lost" } else { "way" };
        _ = writeln!(
            self.drawn,
            "<line class=\"{class}\" x1=\"{from}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{y:.1}\"/>",
            self.y
        );
        if step.is_lost {
            _ = writeln!(
                self.drawn,
                "<path class=\"cross\" d=\"M{:.1} {:.1} l12 12 m0 -12 l-12 12\"/>",
                x - 6.0,
                y - 6.0
            );
        } else {
            let back = if step.to_right { -10.0 } else { 10.0 };
            _ = writeln!(self.drawn, "<path class=\"tip\" d=\"M{x:.1} {y:.1} l{back} -5 v9 z\"/>");
        }
        self.y += SLOPE + 4.0;
    }

    /// Beside the lines of both ends, from here on.
    fn states(&mut self, conversation: usize, [left, right]: States) {
        let is_single = self.story.conversations.len() == 1;
        let tag = if is_single { String::new() } else { format!("#{} ", conversation + 1) };
        let foot = self.y;
        for (x, anchor, state) in [(LEFT - 8.0, "end", left), (RIGHT + 8.0, "start", right)] {
            self.y = foot - 3.0;
            self.text(x, "state", anchor, &format!("{tag}{}", state.name()));
        }
        self.y = foot + LINE / 2.0;
    }

    fn sentence(&mut self, time: &str, text: &str) {
        for (index, line) in fill(&draw::prose(text), COLUMNS, COLUMNS).iter().enumerate() {
            if index == 0 {
                self.time(time);
            }
            self.text(LEFT + 12.0, "said", "start", line);
        }
    }

    fn time(&mut self, time: &str) {
        if !time.is_empty() {
            let foot = self.y;
            self.text(78.0, "time", "end", &format!("{time} ms"));
            self.y = foot;
        }
    }

    /// A line of text, below what was drawn last. Its length is given, so that it fits whatever the
    /// reader's font.
    fn text(&mut self, x: f32, class: &str, anchor: &str, text: &str) {
        self.y += LINE;
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let length = text.width() as f32 * LETTER;
        _ = writeln!(
            self.drawn,
            "<text class=\"{class}\" x=\"{x}\" y=\"{:.1}\" text-anchor=\"{anchor}\" \
             textLength=\"{length:.1}\">{}</text>",
            self.y,
            escape(text)
        );
    }
}

fn named(party: &Party) -> String {
    format!("{} {}", party.name, party.address)
}
