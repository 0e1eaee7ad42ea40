//! The conversation log: a ladder, drawn while it happens, on standard error and in a file.
//!
//! What the partner prints itself goes to standard output unchanged. Both may be one terminal, so
//! one lock guards both, and a row never begins in the middle of a line that the partner printed.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use grader::bytes;
use grader::ladder::{Live, Style};
use grader::record::{Event, Lane, Sample, What};

use crate::terminal;

/// So many pieces of one flow of bytes get a row each; those that follow share rows.
const SINGLE_ROWS: u32 = 8;
/// A piece of more bytes counts twice: it belongs to a long transfer.
const LARGE_BYTES: usize = 4096;
/// Pieces with less than this between them are one flow.
const FLOW_GAP: Duration = Duration::from_millis(250);
/// The longest that a row waits for more pieces that it could hold.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The width of the log in a file, in columns.
const FILE_COLUMNS: usize = 100;
/// How many columns of what the partner prints a row in the file shows.
const PRINTED_COLUMNS: usize = 70;

/// Which way bytes go. Each is told from the partner's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the partner to the learner's program.
    Sent,
    /// From the learner's program to the partner.
    Received,
    /// From the partner to standard output, where it is seen anyway.
    Printed,
}

/// The log of one session. Clones share it.
#[derive(Debug, Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    state: Mutex<State>,
    /// Told when a row begins to wait.
    waits: Condvar,
}

#[derive(Debug)]
struct State {
    screen: Option<Live>,
    /// The head of the screen's columns and the rows before the conversation, until there is one: a
    /// connection may be refused.
    head: Option<String>,
    file: Option<(File, Live)>,
    flows: Vec<Flow>,
    /// What the partner printed ended within a line of the terminal that the log shares.
    is_within_line: bool,
    shares_terminal: bool,
}

/// A run of pieces that go one way on one connection.
#[derive(Debug)]
struct Flow {
    connection: Option<u32>,
    way: Way,
    rows: u32,
    last: Instant,
    waiting: Option<Waiting>,
}

/// Pieces that will be one row.
#[derive(Debug)]
struct Waiting {
    at: Duration,
    since: Instant,
    sample: Sample,
    pieces: u64,
}

impl Log {
    /// A log of the conversation with `partner` ("your client"): on standard error unless `quiet`,
    /// and at the end of the file, if there is one.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn new(partner: &str, quiet: bool, file: Option<&Path>) -> anyhow::Result<Self> {
        let options = terminal::text_options(terminal::stderr_colours());
        let screen =
            Style { columns: options.columns, unicode: options.unicode, colour: options.colour };
        let live = |style| Live::new(style, "the peer", partner);
        let file = match file {
            Some(path) => {
                let open = fs_err::OpenOptions::new().append(true).create(true).open(path);
                let file = File::from(open.context("write the log")?);
                Some((file, live(Style { columns: FILE_COLUMNS, colour: false, ..screen })))
            }
            None => None,
        };
        let state = State {
            screen: (!quiet).then(|| live(screen)),
            head: None,
            file,
            flows: Vec::new(),
            is_within_line: false,
            shares_terminal: io::stdout().is_terminal() && io::stderr().is_terminal(),
        };
        let began = Instant::now();
        let shared = Arc::new(Shared { began, state: Mutex::new(state), waits: Condvar::new() });
        let again = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || flush_in_time(&again))
            .context("start a thread for the log")?;
        Ok(Self { shared })
    }

    /// Begins: what was asked for, what the learner may do now, and, before the first row of the
    /// conversation, the heads of the columns.
    pub fn begin(&self, command: &str, advice: &str) {
        let mut state = self.lock();
        if let Some((file, live)) = &mut state.file {
            _ = file.write_all(format!("{command}\n{}\n", live.header()).as_bytes());
        }
        if let Some(live) = &state.screen {
            state.head = Some(live.header());
            if !advice.is_empty() {
                state.write_lines(advice.trim_end());
            }
        }
    }

    /// Something happened on a connection, or on none.
    pub fn record(&self, connection: Option<u32>, what: What) {
        let mut state = self.lock();
        state.flush();
        state.draw(self.shared.began.elapsed(), connection, what, true);
    }

    /// A sentence of its own.
    pub fn note(&self, connection: Option<u32>, text: impl Into<String>) {
        let text = match connection {
            Some(number) if number > 1 => format!("#{number}: {}", text.into()),
            _ => text.into(),
        };
        self.record(None, What::Note { text });
    }

    /// Bytes of a stream. The first pieces of a flow get a row each; what follows closely shares
    /// rows, so that a long transfer does not flood the terminal.
    pub fn bytes(&self, connection: Option<u32>, way: Way, bytes: &[u8]) {
        self.lock().take(&self.shared, connection, way, bytes);
    }

    /// The partner printed `bytes`: they go to standard output as they are, and to the log file.
    ///
    /// # Errors
    ///
    /// Nobody reads standard output any more, or it takes nothing.
    pub fn print(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        state.take(&self.shared, None, Way::Printed, bytes);
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        if let Some(last) = bytes.last() {
            state.is_within_line = *last != b'\n';
        }
        Ok(())
    }

    /// A line that the partner wrote to standard error.
    pub fn complaint(&self, line: &str) {
        let mut state = self.lock();
        state.flush();
        if state.screen.is_none() {
            // Without a log on the terminal, the line stands for itself.
            state.write_lines(&bytes::clean(line));
        }
        let text = format!("the peer says on stderr: {line}");
        state.draw(self.shared.began.elapsed(), None, What::Note { text }, true);
    }

    /// A line before the conversation that is told even when the log is not: on standard error as
    /// it is.
    pub fn tell(&self, line: &str) {
        let mut state = self.lock();
        if state.screen.is_none() {
            state.write_lines(line);
        }
        drop(state);
        self.foreword(line);
    }

    /// A sentence that stands before the conversation, and is not shown without one.
    pub fn foreword(&self, text: &str) {
        let mut state = self.lock();
        let what = What::Note { text: text.into() };
        let row = state.record(self.shared.began.elapsed(), None, what);
        match (row, &mut state.head) {
            (Some(row), Some(head)) => {
                head.push('\n');
                head.push_str(&row);
            }
            (Some(row), None) => state.write_lines(&row),
            (None, _) => {}
        }
    }

    /// Shows what stands before the conversation: somebody waits for one.
    pub fn show_head(&self) {
        let mut state = self.lock();
        if let Some(head) = state.head.take() {
            state.write_lines(&head);
        }
    }

    /// Ends the last row, and the last line that the partner left open on the terminal.
    pub fn finish(&self) {
        let mut state = self.lock();
        state.flush();
        if state.shares_terminal && state.is_within_line {
            state.write_raw("\n");
            state.is_within_line = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, shared: &Shared, connection: Option<u32>, way: Way, bytes: &[u8]) {
        let now = Instant::now();
        let at = shared.began.elapsed();
        if way == Way::Printed {
            // It does not show among the rows of the terminal, so it does not part them either.
            self.draw(at, None, what(way, &Sample::of(bytes), 1), false);
            return;
        }
        self.drop_old_flows(now);
        let is_it = |flow: &Flow| flow.connection == connection && flow.way == way;
        let index = self.flows.iter().position(is_it).unwrap_or_else(|| {
            self.flows.push(Flow { connection, way, rows: 0, last: now, waiting: None });
            self.flows.len() - 1
        });
        let flow = &mut self.flows[index];
        flow.last = now;
        flow.rows = flow.rows.saturating_add(if bytes.len() > LARGE_BYTES { 2 } else { 1 });
        if flow.rows <= SINGLE_ROWS {
            self.flush();
            self.draw(at, connection, what(way, &Sample::of_printed(bytes), 1), true);
            return;
        }
        match &mut flow.waiting {
            Some(waiting) => {
                waiting.sample.extend(bytes);
                waiting.pieces += 1;
            }
            None => {
                let sample = Sample::of(bytes);
                flow.waiting = Some(Waiting { at, since: now, sample, pieces: 1 });
                shared.waits.notify_one();
            }
        }
    }

    /// Forgets the flows that have stopped, and draws what they left.
    fn drop_old_flows(&mut self, now: Instant) {
        let is_old = |flow: &Flow| now - flow.last >= FLOW_GAP;
        if self.flows.iter().any(is_old) {
            self.flush();
            self.flows.retain(|flow| !is_old(flow));
        }
    }

    /// Draws what waits, in the order in which it began.
    fn flush(&mut self) {
        let waiting = self.flows.iter_mut().filter_map(|flow| {
            let waiting = flow.waiting.take()?;
            Some((flow.connection, flow.way, waiting))
        });
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|(_, _, waiting)| waiting.at);
        for (connection, way, Waiting { at, sample, pieces, .. }) in waiting {
            self.draw(at, connection, what(way, &sample, pieces), true);
        }
    }

    /// When the first row that waits must be drawn.
    fn due(&self) -> Option<Instant> {
        let due = self.flows.iter().filter_map(|flow| {
            let waiting = flow.waiting.as_ref()?;
            Some((flow.last + FLOW_GAP).min(waiting.since + LONGEST_WAIT))
        });
        due.min()
    }

    fn draw(&mut self, at: Duration, connection: Option<u32>, what: What, on_screen: bool) {
        if !on_screen {
            self.record_in_file(&event(at, connection, what));
        } else if let Some(row) = self.record(at, connection, what) {
            let head = self.head.take().map_or_else(String::new, |head| format!("{head}\n"));
            self.write_lines(&format!("{head}{row}"));
        }
    }

    /// Writes an event to the file, and gives its row for the screen, if there is one.
    fn record(&mut self, at: Duration, connection: Option<u32>, what: What) -> Option<String> {
        let event = event(at, connection, what);
        self.record_in_file(&event);
        self.screen.as_mut().map(|live| live.event(&event))
    }

    fn record_in_file(&mut self, event: &Event) {
        if let Some((file, live)) = &mut self.file {
            // One write a row: whatever ends the runner, no row is cut. A disk that fills up ends
            // no conversation.
            _ = file.write_all(format!("{}\n", live.event(event)).as_bytes());
        }
    }

    fn write_lines(&mut self, lines: &str) {
        let begin = if self.shares_terminal && self.is_within_line { "\n" } else { "" };
        self.is_within_line = false;
        self.write_raw(&format!("{begin}{lines}\n"));
    }

    fn write_raw(&mut self, text: &str) {
        // Nobody can be told of a standard error that is closed.
        _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Draws rows that wait and get no more pieces, until the runner ends.
fn flush_in_time(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        let now = Instant::now();
        state = match state.due() {
            Some(due) if due <= now => {
                state.flush();
                state
            }
            Some(due) => {
                let waited = shared.waits.wait_timeout(state, due - now);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => shared.waits.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn event(at: Duration, connection: Option<u32>, what: What) -> Event {
    Event { at, lane: Lane { program: String::new(), connection }, what }
}

fn what(way: Way, sample: &Sample, pieces: u64) -> What {
    let bytes = sample.clone();
    match way {
        Way::Sent => What::Sent { bytes, segments: pieces },
        Way::Received => What::Received { bytes, reads: pieces },
        Way::Printed => {
            What::Note { text: format!("the peer prints {}", bytes::show(sample, PRINTED_COLUMNS)) }
        }
    }
}
