//! What happened between the grader and a program, in the order in which it happened.
//!
//! Every step of a check records itself here; the ladder (`ladder.rs`) draws it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many bytes of the beginning of a piece of data a record keeps.
pub const SAMPLE_HEAD_BYTES: usize = 96;
/// How many bytes of the end of a piece of data a record keeps.
pub const SAMPLE_TAIL_BYTES: usize = 24;
/// How many bytes of the beginning of what a program prints a record keeps: a panic's message is
/// longer than data.
pub const PRINTED_HEAD_BYTES: usize = 1500;

/// The beginning and the end of some bytes, and how many there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many bytes there were in all.
    pub total_bytes: u64,
    /// The first bytes, at most [`SAMPLE_HEAD_BYTES`], or [`PRINTED_HEAD_BYTES`] of what a program
    /// printed.
    pub head: Vec<u8>,
    /// The last bytes that `head` does not hold, at most [`SAMPLE_TAIL_BYTES`].
    pub tail: Vec<u8>,
    /// How many bytes `head` may hold more than [`SAMPLE_HEAD_BYTES`].
    extra_room: usize,
}

impl Sample {
    /// A sample of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut sample = Self::default();
        sample.extend(bytes);
        sample
    }

    /// A sample of what a program printed, which keeps more of the beginning.
    pub fn of_printed(bytes: &[u8]) -> Self {
        let extra_room = PRINTED_HEAD_BYTES - SAMPLE_HEAD_BYTES;
        let mut sample = Self { extra_room, ..Self::default() };
        sample.extend(bytes);
        sample
    }

    fn head_room(&self) -> usize {
        SAMPLE_HEAD_BYTES + self.extra_room - self.head.len()
    }

    /// Adds bytes that came directly after those already seen.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.total_bytes += bytes.len() as u64;
        let room = self.head_room();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let kept = &rest[rest.len().saturating_sub(SAMPLE_TAIL_BYTES)..];
        self.tail.extend_from_slice(kept);
        let excess = self.tail.len().saturating_sub(SAMPLE_TAIL_BYTES);
        self.tail.drain(..excess);
    }
}

/// Where in the conversation something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lane {
    /// The program as the learner knows it: "your server", "your second client"; empty for the
    /// grader alone.
    pub program: String,
    /// The connection, counted from 1 within a check, if it happened on one.
    pub connection: Option<u32>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// How long after the beginning of the check.
    pub at: Duration,
    /// Where.
    pub lane: Lane,
    /// What.
    pub what: What,
}

/// What happened. "Sent" is always from the grader to the program, "received" the other way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are told with their variants")]
pub enum What {
    /// The program was started with this command line.
    Started { command: String },
    /// The grader's own peer listens, for a program that connects to it.
    GraderListens { address: SocketAddr },
    /// The grader connected to the program.
    GraderConnected { from: SocketAddr, to: SocketAddr },
    /// The program connected to the grader, and the grader accepted.
    ProgramConnected { from: SocketAddr, to: SocketAddr },
    /// The grader sent bytes; `segments` pieces, each handed over before the next.
    Sent { bytes: Sample, segments: u64 },
    /// The grader received bytes in `reads` reads.
    Received { bytes: Sample, reads: u64 },
    /// The grader sent one datagram from `from` to `to`.
    DatagramSent { from: SocketAddr, to: SocketAddr, bytes: Sample },
    /// The grader received one datagram at `to` from `from`.
    DatagramReceived { from: SocketAddr, to: SocketAddr, bytes: Sample },
    /// The grader finished its sending half (FIN), and still reads.
    GraderFinishedSending,
    /// The grader read the end of the stream: the program finished its sending half or closed.
    ProgramFinishedSending,
    /// The grader reset the connection (RST).
    GraderReset,
    /// The program's kernel reset the connection (RST).
    ProgramReset,
    /// The grader closed its socket.
    GraderClosed,
    /// The grader wrote to the program's standard input.
    Stdin { bytes: Sample },
    /// The grader closed the program's standard input.
    StdinClosed,
    /// The program wrote to standard output.
    Stdout { bytes: Sample },
    /// The program wrote to standard error.
    Stderr { bytes: Sample },
    /// The grader sent the program a signal ("SIGSTOP").
    Signalled { signal: String },
    /// The program ended by itself with this status.
    Exited { status: i32 },
    /// A signal ended the program that the grader did not send ("SIGSEGV").
    Died { signal: String },
    /// The grader ended the program.
    Ended,
    /// What the look inside showed of the program.
    Seen { text: String },
    /// Anything else, in words ("the grader stops reading").
    Note { text: String },
}

/// The record of one check; clones share it.
#[derive(Debug, Clone)]
pub struct Recorder {
    log: Arc<Mutex<Log>>,
}

#[derive(Debug)]
struct Log {
    began: Instant,
    events: Vec<Event>,
    /// Pieces of one flow of bytes stay events of their own.
    keeps_apart: bool,
}

impl Default for Recorder {
    fn default() -> Self {
        let log = Log { began: Instant::now(), events: Vec::new(), keeps_apart: false };
        Self { log: Arc::new(Mutex::new(log)) }
    }
}

impl Recorder {
    /// Records that `what` happened now. Bytes that follow bytes of the same kind on the same lane
    /// are one event.
    pub fn record(&self, lane: &Lane, what: What) {
        let mut log = self.lock();
        let at = log.began.elapsed();
        if !log.keeps_apart
            && let Some(last) = log.events.last_mut()
            && last.lane == *lane
            && last.what.absorb(&what)
        {
            return;
        }
        log.events.push(Event { at, lane: lane.clone(), what });
    }

    /// Forgets that the program of this lane was started.
    pub(crate) fn withdraw_start(&self, lane: &Lane) {
        let is_it =
            |event: &Event| event.lane == *lane && matches!(event.what, What::Started { .. });
        let mut log = self.lock();
        if let Some(index) = log.events.iter().rposition(is_it) {
            log.events.remove(index);
        }
    }

    /// Records `what` unless the same was recorded before: a second look that shows what the first
    /// one did.
    pub fn record_once(&self, lane: &Lane, what: What) {
        let is_new = |event: &Event| event.lane != *lane || event.what != what;
        if self.lock().events.iter().all(is_new) {
            self.record(lane, what);
        }
    }

    /// All that was recorded so far.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// From now on each call is an event of its own.
    pub(crate) fn keep_apart(&self) {
        self.lock().keeps_apart = true;
    }

    /// When the check began, from which the events' times are counted.
    pub(crate) fn began(&self) -> Instant {
        self.lock().began
    }

    /// The check begins only now.
    pub fn begin_now(&self) {
        self.lock().began = Instant::now();
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl What {
    /// Takes `next` into this event if both are pieces of one flow of bytes.
    fn absorb(&mut self, next: &Self) -> bool {
        match (self, next) {
            (
                Self::Sent { bytes, segments },
                Self::Sent { bytes: more, segments: more_segments },
            ) => {
                *segments += more_segments;
                bytes.append(more)
            }
            (
                Self::Received { bytes, reads },
                Self::Received { bytes: more, reads: more_reads },
            ) => {
                *reads += more_reads;
                bytes.append(more)
            }
            (Self::Stdin { bytes }, Self::Stdin { bytes: more })
            | (Self::Stdout { bytes }, Self::Stdout { bytes: more })
            | (Self::Stderr { bytes }, Self::Stderr { bytes: more }) => bytes.append(more),
            _ => false,
        }
    }
}

impl Sample {
    /// Adds a sample of what came directly after; always succeeds.
    pub fn append(&mut self, more: &Self) -> bool {
        let skipped = more.total_bytes - (more.head.len() + more.tail.len()) as u64;
        self.extend(&more.head);
        if skipped > 0 {
            // What lies between head and tail is unknown: the head must not take up the tail's
            // bytes.
            self.total_bytes += skipped;
            self.tail.clear();
            if self.head_room() > 0 {
                self.total_bytes += more.tail.len() as u64;
                self.tail.extend_from_slice(&more.tail);
                return true;
            }
        }
        self.extend(&more.tail);
        true
    }
}
