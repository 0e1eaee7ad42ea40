//! What the terminal can show, and the line of progress on it.

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use grader::page::Page;
use grader::report::text::TextOptions;
use indicatif::{ProgressBar, ProgressStyle};

/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Headings.
pub const STRONG: Style = Style::new().bold();

const MIN_COLUMNS: u16 = 60;
const MAX_COLUMNS: u16 = 120;
const DEFAULT_COLUMNS: u16 = 80;

/// How a report is told on standard output.
pub fn text_options(colour: bool) -> TextOptions {
    let columns = usize::from(columns());
    TextOptions { columns, colour, unicode: unicode(), ..TextOptions::default() }
}

/// Says something on standard error beside a command's result. On a terminal it is filled;
/// elsewhere it stays a line, which whoever searches finds whole.
pub fn remark(style: Style, label: &str, text: &str) {
    if !io::stderr().is_terminal() {
        anstream::eprintln!("{style}{label}{style:#} {text}");
        return;
    }
    let columns = told_columns(io::stderr()).unwrap_or(DEFAULT_COLUMNS);
    let options = text_options(stderr_colours());
    let mut page = Page::new(&TextOptions { columns: usize::from(columns), ..options });
    page.labelled(style, label, text);
    anstream::eprint!("{}", page.text());
}

/// A remark that nothing failed by.
pub fn note(text: &str) {
    remark(Style::new(), "note:", text);
}

/// Whether standard output takes colours: it is a terminal, and `NO_COLOR` is not set.
pub fn stdout_colours() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Whether standard error takes colours.
pub fn stderr_colours() -> bool {
    AutoStream::choice(&io::stderr()) != ColorChoice::Never
}

/// The width of standard output in columns, kept between 60 and 120; 80 where nobody knows.
pub fn columns() -> u16 {
    told_columns(io::stdout()).unwrap_or(DEFAULT_COLUMNS).clamp(MIN_COLUMNS, MAX_COLUMNS)
}

/// The width of standard output in columns, at least 60, for what gains from all of it; 80 where
/// nobody knows.
pub fn full_columns() -> usize {
    usize::from(told_columns(io::stdout()).unwrap_or(DEFAULT_COLUMNS).max(MIN_COLUMNS))
}

/// The width that the environment tells, or else the terminal.
fn told_columns(stream: impl AsFd) -> Option<u16> {
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let measured = || rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col);
    said.or_else(measured).filter(|columns| *columns > 0)
}

/// Whether the locale writes UTF-8, so that lines may be drawn with more than ASCII.
pub fn unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// One line on standard error that says what is being done; nothing where standard error is no
/// terminal.
pub struct Progress {
    bar: ProgressBar,
    heard: Option<Box<dyn Fn(String) + Send + Sync>>,
}

impl Progress {
    /// Draws nothing: what is said goes to `heard`.
    pub fn heard_by(heard: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { bar: ProgressBar::hidden(), heard: Some(Box::new(heard)) }
    }

    /// Begins with `message`.
    pub fn begin(message: impl Into<String>) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(message.into());
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, heard: None }
    }

    /// Goes on with `message`.
    pub fn say(&self, message: impl Into<String>) {
        match &self.heard {
            Some(heard) => heard(message.into()),
            None => self.bar.set_message(message.into()),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
