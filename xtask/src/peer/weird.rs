//! Oddities: what a network and a peer may do to a program although nothing is wrong with them,
//! chosen by a seed, and what a correct program makes of each.

use std::time::{Duration, Instant};

use anyhow::bail;
use grader::pattern::Random;

use super::log::Log;
use super::roles::Role;
use crate::modules;

/// The bytes at the beginning of a connection that go in dribs; later, each piece begins with one.
const DRIB_BYTES: usize = 256;
/// The longest segment of a drib, in bytes.
const LONGEST_DRIB: u64 = 7;
/// The shortest and the longest pause after a segment, in milliseconds.
const DRIB_PAUSE_MS: (u64, u64) = (5, 40);
/// How long a peer that stalls is silent.
pub const STALL: Duration = Duration::from_secs(1);
/// How often a connection may stall: a long transfer still ends.
const STALLS: u32 = 3;
/// A peer that sends nothing resets after at most so many bytes that it received.
const LATEST_RESET: u64 = 32;
/// The shortest and the longest delay of a datagram, in milliseconds: before and after the 500 ms
/// of udp-echo's client.
const DELAY_MS: (u64, u64) = (100, 900);
/// At most so many datagrams in a row are lost or late, so that a client's third try gets through.
const TROUBLES_IN_A_ROW: u32 = 2;

/// One kind of odd behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// A stream is sent in segments of a few bytes, with pauses.
    Dribs,
    /// A peer falls silent in the middle, and goes on.
    Stall,
    /// A peer breaks a connection off.
    Reset,
    /// A datagram is lost.
    Loss,
    /// A datagram arrives twice.
    Double,
    /// A datagram arrives late.
    Delay,
    /// Somebody else sends a datagram too.
    Stranger,
}

/// What a peer can do with a stream.
pub const STREAM_ODDITIES: &[Oddity] = &[Oddity::Dribs, Oddity::Stall, Oddity::Reset];

const ALL: [Oddity; 7] = [
    Oddity::Dribs,
    Oddity::Stall,
    Oddity::Reset,
    Oddity::Loss,
    Oddity::Double,
    Oddity::Delay,
    Oddity::Stranger,
];

impl Oddity {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dribs => "dribs",
            Self::Stall => "stall",
            Self::Reset => "reset",
            Self::Loss => "loss",
            Self::Double => "double",
            Self::Delay => "delay",
            Self::Stranger => "stranger",
        }
    }

    /// What happens, and what a program that is right does about it: a row of the log.
    pub fn told(self, role: &Role) -> String {
        format!("odd ({}): {}; {}", self.name(), self.happening(role), self.answer(role))
    }

    fn happening(self, role: &Role) -> &'static str {
        let sends = sends(role);
        match self {
            Self::Dribs => "from here on segments of 1 to 7 bytes, with pauses between them",
            Self::Stall if sends => "the peer falls silent for 1 s",
            Self::Stall => "the peer reads nothing for 1 s",
            Self::Reset => "the peer breaks the connection off",
            Self::Loss => "the next datagram is lost on its way",
            Self::Double => "the next datagram arrives twice",
            Self::Delay => "the next datagram arrives late",
            Self::Stranger => "somebody else sends your program a datagram",
        }
    }

    /// What a program that is right does about it.
    fn answer(self, role: &Role) -> &'static str {
        let Role { module, name, .. } = *role;
        match self {
            Self::Dribs | Self::Stall => self.answer_to_delay(module, name),
            Self::Reset => Self::answer_to_reset(module, name),
            Self::Loss | Self::Double | Self::Delay | Self::Stranger => {
                self.answer_to_datagram(module, name)
            }
        }
    }

    fn answer_to_delay(self, module: &str, name: &str) -> &'static str {
        match (self, module, name) {
            (Self::Dribs, "tcp-echo", "server") => {
                "a correct client prints whatever each read returns, and reads until the server \
                 closes"
            }
            (Self::Dribs, "tcp-echo", _) => {
                "a correct server echoes whatever each read returns, without waiting for more"
            }
            (Self::Dribs, "sticky-packet", _) => {
                "a correct receiver keeps what it has until a message is complete; with the \
                 framing none, each read is a line"
            }
            (Self::Dribs, "http-mini", _) => {
                "a correct program reads on until the empty line ends the head, and until the \
                 body is complete"
            }
            (Self::Dribs, ..) => {
                "a correct program reads on until the line ends, and until SIZE bytes have come"
            }
            (Self::Stall, "sticky-packet", "receive") => {
                "a correct sender loses nothing: where the buffers are full, its write waits"
            }
            (Self::Stall, _, "server" | "serve") => "a correct client waits for the rest",
            _ => {
                "a correct server waits for the rest; one that serves its clients at the same \
                 time serves the others meanwhile"
            }
        }
    }

    fn answer_to_reset(module: &str, name: &str) -> &'static str {
        match (module, name) {
            ("sticky-packet", "receive") => {
                "a correct sender whose write fails says so on stderr and exits with status 1; \
                 one that had finished exits with 0"
            }
            ("sticky-packet", _) => {
                "a correct receiver prints `truncated` or `closed`, and takes the next sender"
            }
            ("sockopt-inspect", _) => {
                "a correct program, which only holds the socket, still waits for the end of \
                 stdin and exits with status 0"
            }
            ("file-transfer", "serve") => {
                "a correct client says so on stderr, exits with status 1 and leaves no file that \
                 is not whole"
            }
            ("file-transfer", "put") => {
                "a correct server keeps nothing of the upload, and serves the next client"
            }
            (_, "server" | "serve") => {
                "a correct client says so in one line on stderr and exits with status 1"
            }
            _ => "a correct server ends this conversation only, and serves the next client",
        }
    }

    fn answer_to_datagram(self, module: &str, name: &str) -> &'static str {
        match (self, module, name) {
            (Self::Loss, _, "server") => "a correct client sends its message again after 500 ms",
            (Self::Double, _, "server") => {
                "a correct client takes the second for no answer to its next message"
            }
            (Self::Delay, _, "server") => {
                "after 500 ms a correct client sends again; it does not take the late reply for \
                 one to another message"
            }
            (Self::Stranger, _, "server") => {
                "a correct client ignores it, and its 500 ms do not begin again"
            }
            (Self::Loss, "broadcast", _) => {
                "a correct listener cannot notice: UDP promises no delivery"
            }
            (Self::Double, "broadcast", _) => "a correct listener prints it twice",
            (Self::Delay, "broadcast", _) => {
                "a correct listener prints each datagram when it comes, in that order"
            }
            (Self::Stranger, "broadcast", _) => {
                "a correct listener prints it too, with its sender's address"
            }
            (Self::Loss, ..) => {
                "a correct server cannot notice; the client sends the message again"
            }
            (Self::Double, ..) => "a correct server answers both: it keeps no list",
            (Self::Delay, ..) => {
                "a correct server answers when it comes; the client may send it again before that"
            }
            _ => "a correct server answers it too, at its own address",
        }
    }
}

/// Which oddities a session has, and from which seed.
#[derive(Debug, Clone)]
pub struct Weird {
    kinds: Vec<Oddity>,
    /// The seed: the same one gives the same choices.
    pub seed: u64,
}

impl Weird {
    /// No oddities.
    pub fn none() -> Self {
        Self { kinds: Vec::new(), seed: 0 }
    }

    /// Those that the command line asks for, separated by commas; all that the role has where
    /// nothing is named.
    ///
    /// # Errors
    ///
    /// A name is no oddity's, or the role cannot do that.
    pub fn parse(wanted: &str, role: &Role, seed: u64) -> anyhow::Result<Self> {
        let title = role.title();
        if role.oddities.is_empty() {
            bail!("{title} sends nothing, so --weird has no meaning for it");
        }
        let its: Vec<&str> = role.oddities.iter().map(|oddity| oddity.name()).collect();
        let its = its.join(", ");
        let mut kinds = Vec::new();
        for name in wanted.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let Some(kind) = ALL.into_iter().find(|kind| kind.name() == name) else {
                let names = ALL.map(Oddity::name);
                bail!(
                    "--weird has no `{name}`; {}",
                    modules::suggest(name, &names, "the kinds are")
                );
            };
            if !role.oddities.contains(&kind) {
                bail!("{title} cannot do `{name}`; what it can do oddly: {its}");
            }
            kinds.push(kind);
        }
        if kinds.is_empty() {
            kinds = role.oddities.to_vec();
        }
        Ok(Self { kinds, seed })
    }

    /// Whether there are any.
    pub fn is_any(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// How this session is odd, in words.
    pub fn told(&self) -> String {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let Self { seed, .. } = self;
        let names = names.join(", ");
        format!(
            "odd on purpose; this may come: {names}. --seed {seed} gives the same choices again"
        )
    }

    /// How the connection of this number, counted from 1, is treated.
    pub fn pace(&self, connection: u32, role: &'static Role, log: &Log) -> Pace {
        let mut random = Random::new(self.seed, &format!("connection {connection}"));
        let has = |kind| self.kinds.contains(&kind);
        // Whoever asks for resets alone sees one at once; among other oddities they are rarer.
        let resets = match self.kinds[..] {
            [Oddity::Reset] => connection == 1 || random.below(2) == 0,
            _ => has(Oddity::Reset) && random.below(4) == 0,
        };
        Pace {
            resets,
            reset_after: (resets && !sends(role)).then(|| 1 + random.below(LATEST_RESET)),
            random,
            dribs: has(Oddity::Dribs),
            stalls_left: if has(Oddity::Stall) { STALLS } else { 0 },
            role,
            log: log.clone(),
            connection,
            sent: 0,
            received: 0,
            drib_bytes: 0,
            budget: DRIB_BYTES,
            stall_at: None,
            is_first: true,
            is_told: false,
            hold: None,
            pause_reading: None,
        }
    }

    /// How datagrams are treated.
    pub fn whims(&self) -> Whims {
        let random = Random::new(self.seed, "datagrams");
        Whims { random, kinds: self.kinds.clone(), troubles: 0, is_first: true }
    }
}

/// What a stream relay may do next with the bytes for the learner's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send at most so many.
    Send(usize),
    /// Send nothing before then.
    Wait(Instant),
    /// Break the connection off.
    Reset,
}

/// How one connection is treated.
#[derive(Debug)]
pub struct Pace {
    random: Random,
    role: &'static Role,
    log: Log,
    connection: u32,
    dribs: bool,
    stalls_left: u32,
    resets: bool,
    /// It comes after so many bytes sent; after so many received where nothing is sent.
    reset_after: Option<u64>,
    sent: u64,
    received: u64,
    /// Of the bytes that wait, so many go in dribs.
    drib_bytes: usize,
    budget: usize,
    /// After so many bytes sent comes a stall.
    stall_at: Option<u64>,
    is_first: bool,
    is_told: bool,
    hold: Option<Instant>,
    pause_reading: Option<Instant>,
}

impl Pace {
    /// `bytes` new bytes wait to be sent.
    pub fn take(&mut self, bytes: usize) {
        if self.dribs {
            self.drib_bytes = bytes.min(self.budget.max(LONGEST_DRIB as usize));
            self.budget -= self.drib_bytes.min(self.budget);
        }
        // Within a piece, so that what it belongs to is cut. Sometimes a later piece: the answer's
        // head has then come, and the rest has not.
        let is_turn = !self.is_first || self.random.below(2) == 0;
        if self.resets && self.reset_after.is_none() && bytes > 1 && is_turn {
            self.reset_after = Some(self.sent + 1 + self.random.below(bytes as u64 - 1));
        }
        let stalls = self.is_first || self.random.below(8) == 0;
        if self.stalls_left > 0 && self.stall_at.is_none() && stalls && self.sends() {
            // Within the piece, where that is possible.
            let within = (bytes as u64).saturating_sub(1);
            let after = if within == 0 { 0 } else { 1 + self.random.below(within) };
            self.stall_at = Some(self.sent + after);
        }
        self.is_first = false;
    }

    /// `bytes` came from the learner's program.
    pub fn receive(&mut self, bytes: usize, now: Instant) {
        self.received += bytes as u64;
        if !self.sends() && self.stalls_left > 0 && self.is_first {
            self.stalls_left -= 1;
            self.is_first = false;
            self.pause_reading = Some(now + STALL);
            self.tell(Oddity::Stall);
        }
    }

    /// What to do while `waiting` bytes wait.
    pub fn next(&mut self, waiting: usize, now: Instant) -> Step {
        if self.resets() {
            return Step::Reset;
        }
        if let Some(hold) = self.hold.filter(|hold| *hold > now) {
            return Step::Wait(hold);
        }
        if self.stall_at == Some(self.sent) {
            self.stall_at = None;
            self.stalls_left -= 1;
            self.tell(Oddity::Stall);
            self.hold = Some(now + STALL);
            return Step::Wait(now + STALL);
        }
        let mut most = waiting as u64;
        if self.drib_bytes > 0 {
            most = most.min(1 + self.random.below(LONGEST_DRIB)).min(self.drib_bytes as u64);
            if !self.is_told {
                self.is_told = true;
                self.tell(Oddity::Dribs);
            }
        }
        let reset_after = self.reset_after.filter(|_| self.sends());
        for limit in self.stall_at.into_iter().chain(reset_after) {
            most = most.min(limit - self.sent);
        }
        Step::Send(usize::try_from(most).unwrap_or(waiting))
    }

    /// `bytes` were sent.
    pub fn passed(&mut self, bytes: usize, now: Instant) {
        self.sent += bytes as u64;
        if self.drib_bytes > 0 {
            self.drib_bytes -= bytes.min(self.drib_bytes);
            let (shortest, longest) = DRIB_PAUSE_MS;
            let pause_ms = shortest + self.random.below(longest - shortest + 1);
            self.hold = Some(now + Duration::from_millis(pause_ms));
        }
    }

    /// Whether the connection is to be broken off now.
    pub fn resets(&mut self) -> bool {
        let progress = if self.sends() { self.sent } else { self.received };
        let is_due = self.reset_after.is_some_and(|after| progress >= after);
        if is_due {
            self.tell(Oddity::Reset);
        }
        is_due
    }

    /// Whether this connection will be broken off.
    pub fn is_to_reset(&self) -> bool {
        self.resets
    }

    /// Whether it is broken off where it would else end: in a short conversation the reset may not
    /// have had its turn.
    pub fn resets_at_end(&mut self) -> bool {
        if self.resets && self.role.waits() && self.sends() {
            self.log.note(
                Some(self.connection),
                "odd (reset): the peer breaks the connection off where it should close it; a \
                 correct client that knows its answer to be complete may succeed, any other says \
                 so on stderr and exits with status 1",
            );
        } else if self.resets {
            self.tell(Oddity::Reset);
        }
        self.resets
    }

    /// Until when nothing is read from the learner's program.
    pub fn reads_from(&self, now: Instant) -> Option<Instant> {
        self.pause_reading.filter(|until| *until > now)
    }

    fn sends(&self) -> bool {
        sends(self.role)
    }

    fn tell(&self, oddity: Oddity) {
        self.log.note(Some(self.connection), oddity.told(self.role));
    }
}

/// Whether the role sends anything on its stream.
fn sends(role: &Role) -> bool {
    role.oddities.contains(&Oddity::Dribs)
}

/// How datagrams are treated: about every second one meets an oddity, the first in any case.
#[derive(Debug)]
pub struct Whims {
    random: Random,
    kinds: Vec<Oddity>,
    troubles: u32,
    is_first: bool,
}

impl Whims {
    /// What happens to the next datagram.
    pub fn next(&mut self) -> Option<Oddity> {
        let is_odd = !self.kinds.is_empty() && (self.is_first || self.random.below(2) == 0);
        self.is_first = false;
        let kind = is_odd.then(|| self.kinds[self.random.below(self.kinds.len() as u64) as usize]);
        let is_trouble = matches!(kind, Some(Oddity::Loss | Oddity::Delay));
        if is_trouble && self.troubles == TROUBLES_IN_A_ROW {
            self.troubles = 0;
            return None;
        }
        self.troubles = if is_trouble { self.troubles + 1 } else { 0 };
        kind
    }

    /// How late a datagram is.
    pub fn delay(&mut self) -> Duration {
        let (shortest, longest) = DELAY_MS;
        Duration::from_millis(shortest + self.random.below(longest - shortest + 1))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use super::{ALL, Log, Oddity, Step, Weird};
    use crate::peer::roles::{ROLES, find};

    fn quiet() -> Log {
        Log::new("your client", true, None::<&Path>).expect("a log")
    }

    #[test]
    fn each_oddity_of_each_role_says_what_a_correct_program_does() {
        for role in ROLES {
            for oddity in role.oddities {
                let told = oddity.told(role);
                assert!(told.contains("a correct "), "{}: {told}", role.title());
                // Beside a partner that waits, the learner's program is a client; else a server.
                let wrong = if role.waits() { "correct server" } else { "correct client" };
                assert!(!told.contains(wrong), "{}: {told}", role.title());
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_segments() {
        let role = find("tcp-echo", "server").expect("the role");
        let log = quiet();
        let segments = |seed| {
            let mut pace = Weird::parse("dribs", role, seed).expect("dribs").pace(1, role, &log);
            pace.take(100);
            let (mut waiting, mut now, mut sizes) = (100, Instant::now(), Vec::new());
            while waiting > 0 {
                match pace.next(waiting, now) {
                    Step::Send(most) => {
                        pace.passed(most, now);
                        sizes.push(most);
                        waiting -= most;
                    }
                    Step::Wait(until) => now = until,
                    Step::Reset => panic!("only dribs were asked for"),
                }
            }
            sizes
        };
        assert_eq!(segments(1), segments(1));
        assert_ne!(segments(1), segments(2));
        assert!(segments(3).iter().all(|size| (1..=7).contains(size)), "{:?}", segments(3));
    }

    #[test]
    fn a_reset_cuts_a_piece_or_stands_for_the_end() {
        let role = find("http-mini", "serve").expect("the role");
        let log = quiet();
        let (mut cut, mut at_end) = (0, 0);
        for seed in 0..50 {
            let mut pace = Weird::parse("reset", role, seed).expect("reset").pace(1, role, &log);
            let now = Instant::now();
            pace.take(10);
            let Step::Send(most) = pace.next(10, now) else { panic!("it resets after a part") };
            pace.passed(most, now);
            if most < 10 {
                assert_eq!(pace.next(10 - most, now), Step::Reset);
                cut += 1;
            } else {
                assert!(pace.resets_at_end());
                at_end += 1;
            }
        }
        assert!(cut > 10 && at_end > 10, "{cut} cut, {at_end} at the end");
    }

    #[test]
    fn a_third_try_always_gets_through_in_time() {
        let role = find("udp-echo", "server").expect("the role");
        for kinds in ["loss", "loss,delay", ""] {
            let mut whims = Weird::parse(kinds, role, 5).expect("kinds").whims();
            let mut in_a_row = 0;
            for turn in 0..1000 {
                let oddity = whims.next();
                assert!(turn > 0 || oddity.is_some(), "the first is odd");
                let is_trouble = matches!(oddity, Some(Oddity::Loss | Oddity::Delay));
                in_a_row = if is_trouble { in_a_row + 1 } else { 0 };
                assert!(in_a_row <= 2, "{kinds}: three in a row");
            }
        }
    }

    #[test]
    fn names_are_unique_and_without_names_the_role_does_all_it_can() {
        let role = find("tcp-echo", "client").expect("the role");
        assert_eq!(Weird::parse("", role, 1).expect("all").kinds, role.oddities);
        let kinds = Weird::parse("stall, dribs", role, 1).expect("two").kinds;
        assert_eq!(kinds, [Oddity::Stall, Oddity::Dribs]);
        for (index, kind) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.name() != kind.name()));
        }
    }
}
