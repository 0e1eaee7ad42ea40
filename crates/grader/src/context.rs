//! What all handles of one check share: its programs, its sockets, its record, and the one way to
//! wait.
//!
//! A check runs on one thread and never sleeps: it waits in [`Context::wait`], which takes in what
//! the programs print, notices that they end, looks inside them when nothing moves, and gives up at
//! the deadline.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use sandbox::{Closed, Exit, Running};
use socket2::Socket;

use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::look::{self, GraderSocket, SockDiag, View};
use crate::pattern::Pattern;
use crate::record::{Lane, Recorder, Sample, What};
use crate::sockets;
use crate::stage::Stage;
use crate::wording::steps;

/// How long nothing may move before the grader looks inside the programs.
const LOOK_AFTER: Duration = Duration::from_millis(60);
/// How far apart two looks are. Their agreement makes a stall.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(40);
/// How long one poll waits at the most, so that looks come in time.
const SLICE: Duration = Duration::from_millis(20);
/// A check that makes progress all the time still ends after so many deadlines.
const DEADLINES_A_CHECK: u32 = 6;
/// How much of a program's output is kept where a check doesn't say otherwise.
const OUTPUT_LIMIT_BYTES: u64 = 4 << 20;
/// How much one turn takes from one pipe, so that a flood cannot keep the grader from everything
/// else.
const TURN_BYTES: usize = 1 << 20;
/// How long the last packets of a program that has ended may take on a wire of the lab, as far as
/// nobody can be asked: longer than an acknowledgement is put off, and than a segment waits that is
/// sent again.
const LAST_PACKETS: Duration = Duration::from_millis(300);
/// How long its kernel may try to bring over what it knows to have got lost, which it does ever
/// more rarely.
const LAST_TRIES: Duration = Duration::from_secs(4);
/// How long a failing check waits to learn that its program ended too.
const SETTLE: Duration = Duration::from_millis(60);

/// What a step waits for.
pub(crate) struct Goal {
    /// The program that has to act; if it ends, the wait is over.
    pub who: Option<usize>,
    /// What the step expects, as the learner reads it.
    pub expected: String,
    /// The descriptors whose readiness may bring the step further.
    pub descriptors: Vec<(RawFd, PollFlags)>,
    /// Try again after microseconds, not at events: for what no descriptor tells.
    pub quick: bool,
}

impl Goal {
    /// To read from or write to one descriptor of the grader's.
    pub fn on(
        descriptor: impl AsFd,
        flags: PollFlags,
        who: Option<usize>,
        expected: String,
    ) -> Self {
        let descriptors = vec![(descriptor.as_fd().as_raw_fd(), flags)];
        Self { who, expected, descriptors, quick: false }
    }

    /// What only the program's own output or end can bring.
    pub fn of(who: usize, expected: String) -> Self {
        Self { who: Some(who), expected, descriptors: Vec::new(), quick: false }
    }
}

/// One output pipe of a program.
pub(crate) struct Capture {
    pipe: Option<OwnedFd>,
    /// What came, unless it is compared instead of kept.
    pub bytes: Vec<u8>,
    /// How many bytes came.
    pub total: u64,
    /// How many may come.
    limit: u64,
    /// What should come, and how many of the bytes were so before the first that was not.
    pub compare: Option<(Pattern, u64)>,
}

impl Capture {
    fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe, bytes: Vec::new(), total: 0, limit: OUTPUT_LIMIT_BYTES, compare: None }
    }

    fn take(&mut self, bytes: &[u8]) {
        if let Some((pattern, matching)) = &mut self.compare {
            if *matching == self.total {
                *matching += pattern.matching(self.total, bytes) as u64;
            }
            if self.bytes.len() < 4096 && *matching < self.total + bytes.len() as u64 {
                // The first bytes that are wrong are kept for the message.
                let from = matching.saturating_sub(self.total) as usize;
                self.bytes.extend_from_slice(&bytes[from..]);
            }
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        self.total += bytes.len() as u64;
    }
}

/// A program that was started in this check.
pub(crate) struct ProgramState {
    pub lane: Lane,
    pub running: Running,
    pub stdin: Option<OwnedFd>,
    feed: Option<Feed>,
    pub stdout: Capture,
    pub stderr: Capture,
    pub exit: Option<Exit>,
    /// The grader ended it.
    pub ended: bool,
    /// It is a server: it should run until it is killed.
    pub serves: bool,
}

impl ProgramState {
    pub fn new(lane: Lane, mut running: Running) -> Self {
        let (stdin, stdout, stderr) = (running.stdin(), running.stdout(), running.stderr());
        Self {
            lane,
            running,
            stdin,
            feed: None,
            stdout: Capture::new(stdout),
            stderr: Capture::new(stderr),
            exit: None,
            ended: false,
            serves: false,
        }
    }

    /// Whether a feed of its standard input is still under way.
    pub fn is_fed(&self) -> bool {
        self.feed.is_some()
    }
}

/// What all handles of one check share.
pub(crate) struct Context {
    pub recorder: Recorder,
    pub deadline: Duration,
    /// Whether the grading was stopped: nothing more will come then.
    closed: Closed,
    /// How many deadlines one wait may take.
    pub patience: Cell<u32>,
    began: Cell<Instant>,
    /// Where its programs and sockets are, if in a lab.
    pub place: RefCell<Option<Place>>,
    /// What the packets carry that a failure in a lab is about.
    pub focus: RefCell<Option<Vec<u8>>>,
    /// The hosts on which its program and the grader's sockets stand, if not on this machine.
    pub stage: RefCell<Option<Stage>>,
    /// Which program runs on which host of a lab, in the order in which they were started.
    pub cast: RefCell<Vec<(String, String)>>,
    pub programs: RefCell<Vec<ProgramState>>,
    sockets: RefCell<Vec<Weak<Socket>>>,
    /// The last step failed, and no further one has begun.
    failing: Cell<bool>,
    /// Sockets that were dropped while failing.
    kept: RefCell<Vec<Rc<Socket>>>,
    pub connections: Cell<u32>,
    /// The program whose end of a connection closed before everything had come, if that is why the
    /// last step failed.
    pub hung_up: Cell<Option<usize>>,
    /// Why the check ran in a weaker form, if it did.
    pub weaker_form: RefCell<Option<String>>,
}

/// A lab, as far as waiting needs to know it.
pub(crate) struct Place {
    /// Any of its hosts, which tells whether something is on its way between them.
    pub wires: netlab::Host,
    /// The kernel's word on the networks of the hosts that the check uses, and their names.
    pub lines: Vec<SockDiag>,
    pub hosts: Vec<String>,
}

/// The two looks that prove a stall.
#[derive(Default)]
struct StallWatch {
    before: Option<(Instant, View)>,
}

impl Context {
    pub fn new(deadline: Duration, closed: Closed) -> Self {
        Self {
            recorder: Recorder::default(),
            deadline,
            closed,
            patience: Cell::new(1),
            began: Cell::new(Instant::now()),
            place: RefCell::default(),
            focus: RefCell::default(),
            stage: RefCell::default(),
            cast: RefCell::default(),
            programs: RefCell::default(),
            sockets: RefCell::default(),
            failing: Cell::new(false),
            kept: RefCell::default(),
            connections: Cell::new(0),
            hung_up: Cell::new(None),
            weaker_form: RefCell::default(),
        }
    }

    /// The check has waited for something that it shares with others, and begins only now.
    pub fn begin_now(&self) {
        self.began.set(Instant::now());
        self.recorder.begin_now();
    }

    /// What the kernel knows of the program's end of a connection, in whichever network it is; see
    /// [`look::tcp_receive_queue_of_peer`].
    pub fn peer_state(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<Option<look::TcpPeerState>> {
        match &*self.place.borrow() {
            Some(place) => SockDiag::peer_state_on(&place.lines, local, peer),
            None => look::tcp_receive_queue_of_peer(local, peer),
        }
    }

    /// Makes a socket of the grader known to the look inside.
    pub fn register(&self, socket: &Rc<Socket>) {
        let mut sockets = self.sockets.borrow_mut();
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.push(Rc::downgrade(socket));
    }

    /// A step fails: from here until the next one begins, no socket of the grader's is closed. A
    /// check that returns its failure drops its connections, and a program that crashes because of
    /// that must not be told as one that crashed.
    pub fn fail(&self, failure: Failure) -> Stop {
        self.failing.set(true);
        failure.into()
    }

    /// The check goes on after a failure, or ends: what was dropped meanwhile is closed.
    pub fn go_on(&self) {
        self.failing.set(false);
        self.kept.borrow_mut().clear();
    }

    /// Holds a socket that is dropped because a step failed.
    pub fn keep_if_failing(&self, socket: &Rc<Socket>) {
        if self.failing.get() {
            self.kept.borrow_mut().push(Rc::clone(socket));
        }
    }

    /// Tries `attempt` until it gives something: whenever something moved, until the deadline.
    ///
    /// # Errors
    ///
    /// A failure with the goal's words: the program ended, stalls, floods or is too late; or what
    /// `attempt` says.
    pub fn wait<T>(&self, goal: &Goal, attempt: impl FnMut() -> Verdict<Option<T>>) -> Verdict<T> {
        self.go_on();
        self.hung_up.set(None);
        let waited = self.try_wait(goal, attempt);
        self.failing.set(matches!(waited, Err(Stop::Failed(_))));
        waited
    }

    fn try_wait<T>(
        &self,
        goal: &Goal,
        mut attempt: impl FnMut() -> Verdict<Option<T>>,
    ) -> Verdict<T> {
        let began = Instant::now();
        let mut watch = StallWatch::default();
        let mut turns = 0_u32;
        let mut ended_at = None;
        loop {
            if self.closed.is_closed() {
                return Err(Stop::Error(anyhow::anyhow!(steps::stopped())));
            }
            let moved = self.pump()?;
            let ended = goal.who.is_some_and(|who| self.has_ended(who))
                && self.is_all_here(*ended_at.get_or_insert_with(Instant::now));
            if let Some(done) = attempt()? {
                return Ok(done);
            }
            if ended {
                return Err(self.ended_instead(goal).into());
            }
            if moved {
                watch.before = None;
            }
            let now = Instant::now();
            let deadline = self.deadline.saturating_mul(self.patience.get());
            if now - began > deadline
                || now - self.began.get() > deadline.saturating_mul(DEADLINES_A_CHECK)
            {
                return Err(self.too_late(goal, now - began).into());
            }
            if now - began >= LOOK_AFTER && self.stalls(&mut watch) {
                return Err(self.stalled(goal).into());
            }
            if goal.quick {
                quick_pause(turns);
                turns += 1;
            } else {
                self.poll(&goal.descriptors, SLICE)?;
            }
        }
    }

    /// Whether what a program sent that ended at this moment has arrived. On this machine it has
    /// when the end is known; on a wire it may have to wait for an acknowledgement.
    fn is_all_here(&self, ended_at: Instant) -> bool {
        let place = self.place.borrow();
        let Some(place) = &*place else { return true };
        let waited = ended_at.elapsed();
        waited > LAST_TRIES
            || waited > LAST_PACKETS && place.wires.wires_are_at_rest() && self.is_acknowledged()
    }

    /// Whether the kernel of the programs' hosts has nothing left to bring to the grader's sockets.
    fn is_acknowledged(&self) -> bool {
        let is_all_acknowledged = |socket: &GraderSocket| {
            let state = socket.peer.map(|peer| self.peer_state(socket.local, peer));
            let queue = state.and_then(|state| state.ok().flatten()).map(|state| state.send_queue);
            queue.unwrap_or(0) == 0
        };
        self.grader_sockets().iter().all(is_all_acknowledged)
    }

    /// Takes in what the programs print and whether they ended. True if anything moved.
    pub fn pump(&self) -> Verdict<bool> {
        let mut moved = false;
        let mut flooding = None;
        for program in self.programs.borrow_mut().iter_mut() {
            let has_exited = program.exit.is_none() && !program.ended && note_exit(program)?;
            moved |= has_exited | feed(program, &self.recorder);
            for is_stdout in [true, false] {
                let taken = drain(program, is_stdout, &self.recorder, has_exited);
                moved |= taken > 0;
                let capture = if is_stdout { &program.stdout } else { &program.stderr };
                if capture.total > capture.limit && !program.ended {
                    flooding = Some((program.lane.program.clone(), is_stdout, capture.limit));
                    program.ended = true;
                    program.running.kill()?;
                    self.recorder.record(&program.lane, What::Ended);
                }
            }
            if has_exited && let Some(exit) = &program.exit {
                self.recorder.record(&program.lane, exit_event(exit));
            }
        }
        match flooding {
            Some((who, is_stdout, limit)) => {
                let (expected, got) = steps::flood(&who, is_stdout, limit);
                Err(Failure::new(Symptom::Flood, expected, got).into())
            }
            None => Ok(moved),
        }
    }

    /// Whether a program ended, by itself or by the grader.
    pub fn has_ended(&self, who: usize) -> bool {
        let programs = self.programs.borrow();
        programs[who].exit.is_some() || programs[who].ended
    }

    /// Lets `limit` bytes come on a program's standard output, and compares them with `pattern`
    /// instead of keeping them.
    pub fn compare_stdout(&self, who: usize, pattern: Pattern) {
        let mut programs = self.programs.borrow_mut();
        programs[who].stdout.limit = pattern.total_bytes() + OUTPUT_LIMIT_BYTES;
        programs[who].stdout.compare = Some((pattern, 0));
    }

    /// Lets `limit` bytes come on a program's standard output, if that is more than it may already
    /// print.
    pub fn allow_stdout(&self, who: usize, limit: u64) {
        let mut programs = self.programs.borrow_mut();
        let stdout = &mut programs[who].stdout;
        stdout.limit = stdout.limit.max(limit);
    }

    /// Writes `pattern` to a program's standard input while the check does other things, then
    /// closes it.
    pub fn feed_stdin(&self, who: usize, pattern: Pattern) {
        let program = &mut self.programs.borrow_mut()[who];
        if let Some(stdin) = program.stdin.take() {
            program.feed = Feed::start(stdin, pattern).ok();
        }
    }

    /// Waits a little for programs that are about to end, so that a failure can say so.
    pub fn settle(&self) {
        let until = Instant::now() + SETTLE;
        loop {
            let flooded = self.pump().is_err();
            let all_ended = (0..self.programs.borrow().len()).all(|who| self.has_ended(who));
            if flooded || all_ended || Instant::now() >= until {
                return;
            }
            if self.poll(&[], Duration::from_millis(10)).is_err() {
                return;
            }
        }
    }

    /// All processes of all programs that run.
    fn pids(&self) -> Vec<u32> {
        let programs = self.programs.borrow();
        let alive = programs.iter().filter(|program| program.exit.is_none() && !program.ended);
        alive.flat_map(|program| program.running.pids()).collect()
    }

    fn stalls(&self, watch: &mut StallWatch) -> bool {
        match &watch.before {
            Some((at, _)) if at.elapsed() < LOOK_AGAIN_AFTER => false,
            Some((_, before)) => {
                let place = self.place.borrow();
                // Before the look: what arrives later shows in it, or is still told to be on its
                // way.
                let is_at_rest = place.as_ref().is_none_or(|place| place.wires.wires_are_at_rest());
                let now = look::look(&self.pids());
                let sockets = self.grader_sockets();
                let stalled = match &*place {
                    Some(place) => look::stalled_on(before, &now, &sockets, &place.lines),
                    None => look::stalled(before, &now, &sockets),
                };
                if is_at_rest && stalled {
                    return true;
                }
                watch.before = Some((Instant::now(), now));
                false
            }
            None => {
                watch.before = Some((Instant::now(), look::look(&self.pids())));
                false
            }
        }
    }

    fn grader_sockets(&self) -> Vec<GraderSocket> {
        let sockets = self.sockets.borrow();
        sockets
            .iter()
            .filter_map(Weak::upgrade)
            .filter_map(|socket| grader_socket(&socket))
            .collect()
    }

    /// Waits until one of `descriptors`, a program's output or a program's end is ready, at most
    /// `limit`.
    fn poll(&self, descriptors: &[(RawFd, PollFlags)], limit: Duration) -> Verdict {
        let programs = self.programs.borrow();
        let mut fds = Vec::with_capacity(descriptors.len() + programs.len() * 4);
        for (descriptor, flags) in descriptors {
            // SAFETY: a goal's descriptors belong to handles that its step borrows, so they outlive
            // this call.
            let descriptor = unsafe { BorrowedFd::borrow_raw(*descriptor) };
            fds.push(PollFd::from_borrowed_fd(descriptor, *flags));
        }
        for program in programs.iter() {
            for pipe in [&program.stdout.pipe, &program.stderr.pipe].into_iter().flatten() {
                fds.push(PollFd::new(pipe, PollFlags::IN));
            }
            if program.exit.is_none() && !program.ended {
                fds.push(PollFd::from_borrowed_fd(program.running.exit_fd(), PollFlags::IN));
            }
            if let Some(feed) = &program.feed {
                fds.push(PollFd::new(&feed.progress, PollFlags::IN));
            }
        }
        let limit = Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
        match rustix::event::poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    fn ended_instead(&self, goal: &Goal) -> Failure {
        let programs = self.programs.borrow();
        let program = &programs[goal.who.unwrap_or_default()];
        let who = &program.lane.program;
        let Some(exit) = &program.exit else {
            return Failure::new(Symptom::Exited, &goal.expected, steps::ended_by_grader(who));
        };
        let stderr = String::from_utf8_lossy(&program.stderr.bytes);
        let symptom = if has_crashed(exit) { Symptom::Crashed } else { Symptom::Exited };
        Failure::new(symptom, &goal.expected, steps::ended(who, exit, &stderr))
    }

    fn too_late(&self, goal: &Goal, waited: Duration) -> Failure {
        let seen = self.describe();
        Failure::new(Symptom::TooLate, &goal.expected, steps::too_late(waited, &seen))
    }

    fn stalled(&self, goal: &Goal) -> Failure {
        let seen = self.describe();
        Failure::new(Symptom::Stalled, &goal.expected, steps::stalled(&seen))
    }

    /// What the look inside shows of each program that runs; recorded too.
    fn describe(&self) -> String {
        let mut all = String::new();
        for program in self.programs.borrow().iter() {
            if program.exit.is_some() || program.ended {
                continue;
            }
            let view = look::look(&program.running.pids());
            for line in look::describe(&view, &program.lane.program) {
                let _ = writeln!(all, "{line}");
                self.recorder.record_once(&program.lane, What::Seen { text: line });
            }
        }
        all
    }

    /// A check that nothing spoke against. A server whose thread ran into a `todo!()` may look as
    /// if it had done what is asked: its socket is closed all the same.
    ///
    /// # Errors
    ///
    /// A failure that says what is not implemented.
    pub fn conclude_passed(&self, expected: &str) -> Verdict {
        // Nothing is waited for: what a thread said before it gave its socket up is there.
        let _ = self.pump();
        for program in self.programs.borrow().iter() {
            let stderr = String::from_utf8_lossy(&program.stderr.bytes);
            if let Some(todo) = panicked_on_todo(&stderr) {
                let got = steps::not_implemented(&program.lane.program, todo);
                return Err(Failure::new(Symptom::NotImplemented, expected, got).into());
            }
        }
        Ok(())
    }

    /// The failure as the learner should read it: if the program also crashed or ran into a
    /// `todo!()`, that is the news.
    pub fn conclude(&self, stop: Stop) -> Stop {
        let Stop::Failed(mut failure) = stop else { return stop };
        // A program that waits does not end by itself, and what it does once the grader hangs up is
        // no part of the story.
        let waits = [Symptom::Stalled, Symptom::TooLate, Symptom::StillOpen, Symptom::StillRunning];
        if !waits.contains(&failure.symptom) {
            self.settle();
        }
        self.go_on();
        let programs = self.programs.borrow();
        for program in programs.iter() {
            let stderr = String::from_utf8_lossy(&program.stderr.bytes);
            if let Some(todo) = todo_message(&stderr) {
                failure.symptom = Symptom::NotImplemented;
                failure.got = steps::not_implemented(&program.lane.program, todo);
                return Stop::Failed(failure);
            }
        }
        // Whether a server's end is first seen as a reset, as the end of a stream or as a refused
        // connection is a matter of microseconds; that it ended is the news.
        let ended = |program: &&ProgramState| program.serves && program.exit.is_some();
        if matches!(failure.symptom, Symptom::Reset | Symptom::CutShort | Symptom::Refused)
            && let Some(program) = programs.iter().find(ended)
            && let Some(exit) = program.exit.as_ref().filter(|exit| !has_crashed(exit))
        {
            let stderr = String::from_utf8_lossy(&program.stderr.bytes);
            let ended = steps::ended(&program.lane.program, exit, &stderr);
            failure.symptom = Symptom::Exited;
            failure.got = format!("{}\n{ended}", failure.got);
        }
        // Of a program that hung up and ended, its own last words say why.
        if let Some(program) = self.hung_up.get().and_then(|who| programs.get(who))
            && !program.serves
            && let Some(exit) = &program.exit
            && (!has_crashed(exit) || matches!(failure.symptom, Symptom::Named(_)))
        {
            let stderr = String::from_utf8_lossy(&program.stderr.bytes);
            let ended = steps::ended(&program.lane.program, exit, &stderr);
            failure.got = format!("{}\n{ended}", failure.got);
        }
        let crashed = |program: &&ProgramState| program.exit.as_ref().is_some_and(has_crashed);
        if !matches!(failure.symptom, Symptom::Crashed | Symptom::Flood | Symptom::Named(_))
            && let Some(program) = programs.iter().find(crashed)
            && let Some(exit) = &program.exit
        {
            let stderr = String::from_utf8_lossy(&program.stderr.bytes);
            let ended = steps::ended(&program.lane.program, exit, &stderr);
            failure.symptom = Symptom::Crashed;
            failure.got = format!("{}\n{ended}", failure.got);
        }
        Stop::Failed(failure)
    }
}

/// What Rust's `todo!` says where a thread panicked on it.
fn panicked_on_todo(stderr: &str) -> Option<&str> {
    let (_, after) = stderr.split_once(" panicked at ")?;
    let message = after.lines().nth(1)?;
    Some(message.strip_prefix("not yet implemented")?.trim_start_matches(':').trim())
}

/// What a program's standard error says of an unfinished part: the text of Rust's `todo!` or its
/// like elsewhere.
fn todo_message(stderr: &str) -> Option<&str> {
    // ENOSYS is "Function not implemented (os error 38)": a failure, and no part that is missing.
    let mut lines = stderr.lines().filter(|line| !line.contains("Function not implemented"));
    lines.find_map(|line| {
        let markers = ["not yet implemented", "not implemented", "NotImplementedError"];
        let (_, rest) = markers.iter().find_map(|marker| line.split_once(marker))?;
        Some(rest.trim_start_matches(':').trim())
    })
}

/// A signal that the grader did not send, or Rust's status after a panic.
pub(crate) fn has_crashed(exit: &Exit) -> bool {
    exit.signal.is_some() || exit.status == Some(101)
}

fn exit_event(exit: &Exit) -> What {
    match exit.signal {
        Some(signal) => What::Died { signal: steps::signal_name(signal) },
        None => What::Exited { status: exit.status.unwrap_or(-1) },
    }
}

fn note_exit(program: &mut ProgramState) -> Verdict<bool> {
    program.exit = program.running.try_exit()?;
    Ok(program.exit.is_some())
}

/// A feed of a program's standard input.
///
/// It has a thread of its own: a program that splices its standard input into a socket (as
/// `std::io::copy` does) holds the pipe's lock while the socket is full, and whoever writes to the
/// pipe meanwhile waits for it, nonblocking or not. The check has to go on then: it may be the one
/// who empties the socket.
struct Feed {
    pattern: Pattern,
    /// How much is recorded.
    told: u64,
    /// How much the pipe has taken.
    taken: Arc<AtomicU64>,
    /// Becomes readable when the pipe took something, and ends with the feed.
    progress: UnixStream,
}

impl Feed {
    fn start(stdin: OwnedFd, pattern: Pattern) -> io::Result<Self> {
        let (progress, report) = UnixStream::pair()?;
        progress.set_nonblocking(true)?;
        report.set_nonblocking(true)?;
        let taken = Arc::new(AtomicU64::new(0));
        let feed = Self { pattern: pattern.clone(), told: 0, taken: Arc::clone(&taken), progress };
        thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            feed_all(&stdin, &pattern, &taken, &report);
            // The program sees the end before anybody is told of it.
            drop(stdin);
        })?;
        Ok(feed)
    }
}

/// Writes all of `pattern` to a program's standard input, or what it takes of it.
fn feed_all(stdin: &OwnedFd, pattern: &Pattern, taken: &AtomicU64, report: &UnixStream) {
    let mut offset = 0;
    loop {
        let piece = pattern.from(offset);
        if piece.is_empty() {
            return;
        }
        match rustix::io::write(stdin, piece) {
            Ok(count) => {
                offset += count as u64;
                taken.store(offset, Ordering::Release);
                // If it is full, there is something to be read already.
                let _ = rustix::io::write(report, &[0]);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let _ = rustix::event::poll(&mut [PollFd::new(stdin, PollFlags::OUT)], None);
            }
            // The program closed its standard input: that shows in what it does.
            Err(_) => return,
        }
    }
}

/// Records what went of a program's feed into its standard input. True if anything went.
fn feed(program: &mut ProgramState, recorder: &Recorder) -> bool {
    let Some(feed) = &mut program.feed else { return false };
    let mut bytes = [0; 64];
    let ended = loop {
        match (&feed.progress).read(&mut bytes) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
        }
    };
    let taken = feed.taken.load(Ordering::Acquire);
    let moved = feed.told < taken;
    while feed.told < taken {
        let piece = feed.pattern.from(feed.told);
        let count = piece.len().min(usize::try_from(taken - feed.told).unwrap_or(usize::MAX));
        recorder.record(&program.lane, What::Stdin { bytes: Sample::of(&piece[..count]) });
        feed.told += count as u64;
    }
    if ended {
        program.feed = None;
        recorder.record(&program.lane, What::StdinClosed);
    }
    moved || ended
}

/// Takes what stands in one output pipe. Returns how many bytes came.
fn drain(program: &mut ProgramState, is_stdout: bool, recorder: &Recorder, to_end: bool) -> usize {
    let capture = if is_stdout { &mut program.stdout } else { &mut program.stderr };
    let mut buffer = [0_u8; 16 << 10];
    let mut taken = 0;
    while let Some(pipe) = &capture.pipe {
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => capture.pipe = None,
            Ok(count) => {
                taken += count;
                // What comes behind a flood, while its program ends, is more of the same.
                let is_told = capture.total <= capture.limit;
                capture.take(&buffer[..count]);
                let bytes = Sample::of_printed(&buffer[..count]);
                let what = if is_stdout { What::Stdout { bytes } } else { What::Stderr { bytes } };
                if is_told {
                    recorder.record(&program.lane, what);
                }
                if capture.total > capture.limit || (taken >= TURN_BYTES && !to_end) {
                    break;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => break,
            Err(_) => capture.pipe = None,
        }
    }
    taken
}

/// What the look inside needs to know of one socket of the grader's.
fn grader_socket(socket: &Socket) -> Option<GraderSocket> {
    let local = socket.local_addr().ok()?.as_socket()?;
    let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
    let (unread, unsent) = sockets::queues(socket);
    Some(GraderSocket { local, peer, unread, unsent })
}

/// Waits a moment: at first only lets others run, then longer.
fn quick_pause(turns: u32) {
    match turns {
        0..40 => thread::yield_now(),
        40..400 => thread::sleep(Duration::from_micros(50)),
        _ => thread::sleep(Duration::from_millis(1)),
    }
}
