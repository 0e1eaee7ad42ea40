//! What is printed: lines that stay, and on a terminal one last line that changes.
//!
//! Nothing that stands above is ever erased. On a terminal, the last line says what is being done
//! and which keys there are; everything else is printed in its place, and it follows below.

use std::io::{self, Write};

use anstyle::Style;
use grader::page::Page;
use rustix::termios::tcgetwinsize;

use crate::terminal::{self, STRONG};

/// Back to the first column, and erase to the end of the line (ECMA-48: CR, EL).
const ERASE_LINE: &str = "\r\x1b[K";

/// Standard output.
pub struct Screen {
    /// Whether there is a last line that changes.
    has_last_line: bool,
    colour: bool,
    unicode: bool,
    last_line: String,
    is_drawn: bool,
}

impl Screen {
    /// `has_last_line`: standard output is a terminal that can erase a line.
    pub fn new(has_last_line: bool) -> Self {
        Self {
            has_last_line,
            colour: terminal::stdout_colours(),
            unicode: terminal::unicode(),
            last_line: String::new(),
            is_drawn: false,
        }
    }

    /// Whether colours are taken.
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// Prints text that stays, with a line's end after it.
    ///
    /// # Errors
    ///
    /// Standard output takes no more, since its reader has gone away or a disk is full.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        let text = if self.colour { text.to_owned() } else { plain(text) };
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let erase = self.erasure();
        let last_line = self.drawing();
        write(&format!("{erase}{text}{end}{last_line}"))
    }

    /// As [`Screen::print`], for a sentence of the watcher's own: in bold, and on a terminal filled
    /// to its width.
    ///
    /// # Errors
    ///
    /// As [`Screen::print`].
    pub fn announce(&mut self, sentence: &str) -> io::Result<()> {
        let sentence = self.letters(sentence);
        if !self.has_last_line {
            return self.print(&paint(STRONG, &sentence));
        }
        self.page(|page| page.heading(0, &sentence))
    }

    /// As [`Screen::announce`], for what is said by the way, and not in bold.
    ///
    /// # Errors
    ///
    /// As [`Screen::print`].
    pub fn tell(&mut self, sentence: &str) -> io::Result<()> {
        let sentence = self.letters(sentence);
        if !self.has_last_line {
            return self.print(&sentence);
        }
        self.page(|page| page.prose(0, &sentence))
    }

    /// As [`Screen::tell`], with a word before it in a colour.
    ///
    /// # Errors
    ///
    /// As [`Screen::print`].
    pub fn tell_labelled(&mut self, style: Style, label: &str, sentence: &str) -> io::Result<()> {
        let sentence = self.letters(sentence);
        if !self.has_last_line {
            return self.print(&format!("{style}{label}{style:#} {sentence}"));
        }
        self.page(|page| page.labelled(style, label, &sentence))
    }

    fn page(&mut self, write: impl FnOnce(&mut Page)) -> io::Result<()> {
        let mut page = Page::new(&terminal::text_options(self.colour));
        write(&mut page);
        self.print(page.text())
    }

    /// From now on the last line says this.
    ///
    /// # Errors
    ///
    /// As [`Screen::print`].
    pub fn set_last_line(&mut self, text: &str) -> io::Result<()> {
        if !self.has_last_line || (self.is_drawn && self.last_line == text) {
            return Ok(());
        }
        text.clone_into(&mut self.last_line);
        self.draw()
    }

    /// Draws the last line again, such as for another width of the terminal.
    ///
    /// # Errors
    ///
    /// As [`Screen::print`].
    pub fn draw(&mut self) -> io::Result<()> {
        let erase = self.erasure();
        let last_line = self.drawing();
        write(&format!("{erase}{last_line}"))
    }

    /// Takes the last line away, for whoever prints next.
    ///
    /// # Errors
    ///
    /// As [`Screen::print`].
    pub fn leave(&mut self) -> io::Result<()> {
        let erase = self.erasure();
        self.last_line.clear();
        write(erase)
    }

    /// The text in the letters that the terminal's locale has.
    pub fn letters(&self, text: &str) -> String {
        if self.unicode { text.to_owned() } else { text.replace('·', "-").replace('…', "...") }
    }

    fn erasure(&mut self) -> &'static str {
        if std::mem::take(&mut self.is_drawn) { ERASE_LINE } else { "" }
    }

    fn drawing(&mut self) -> String {
        if !self.has_last_line || self.last_line.is_empty() {
            return String::new();
        }
        self.is_drawn = true;
        // A line that is as wide as the terminal may already begin the next one.
        let room = columns().saturating_sub(1);
        let text: String = self.letters(&self.last_line).chars().take(room).collect();
        if self.colour { paint(STRONG, &text) } else { text }
    }
}

/// The true width of the terminal in columns, however narrow: the last line must not wrap.
fn columns() -> usize {
    let size = tcgetwinsize(io::stdout()).ok();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    columns.unwrap_or_else(|| usize::from(terminal::columns()))
}

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn write(text: &str) -> io::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}
