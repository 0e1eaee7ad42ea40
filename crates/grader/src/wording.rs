//! Every sentence of the harness that a learner reads and that isn't in a `module.toml`.
//!
//! A translation translates this file, the files below `wording/`, the manifests and the handouts.
//! Sentences say what the kernel did, then what the program did; second person, present tense,
//! without blame or cheer.

use std::net::SocketAddr;

use crate::bytes::thousands;
use crate::report::Status;

pub mod file_transfer;
pub mod http_mini;
pub mod lab;
pub mod sockopt;
pub mod steps;
pub mod sticky_packet;

/// A number of bytes: "1 byte", "1,048,576 bytes".
pub fn byte_count(bytes: u64) -> String {
    counted(bytes, "byte", "bytes")
}

/// A number with its noun: "1 check", "2 checks".
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

// ---- a difference between bytes ----

/// Stands before bytes that are not the first ones.
pub fn from_byte(offset: u64) -> String {
    format!("from byte {} on:", thousands(offset))
}

/// Below the first byte that differs; `same` bytes before it are as expected.
pub fn right_until(same: u64) -> String {
    match same {
        0 => "differs from the first byte on".to_owned(),
        1 => "the byte before is right".to_owned(),
        _ => format!("the {} before are right", byte_count(same)),
    }
}

/// Below the place where too little came; `is_all` if nothing came at all.
pub fn ends_short(missing: u64, is_all: bool) -> String {
    let missing_bytes = byte_count(missing);
    match (is_all, missing) {
        (true, 1) => "the one byte is missing".to_owned(),
        (true, _) => format!("all {missing_bytes} are missing"),
        (false, _) => format!("ends here, {missing_bytes} short"),
    }
}

/// Below the place where the end was expected and more came.
pub fn end_expected() -> String {
    "ends here".to_owned()
}

/// Below the first byte that is too many.
pub fn too_many(surplus: u64) -> String {
    format!("from here on {} too many", byte_count(surplus))
}

/// In the place of bytes where there are none.
pub fn nothing(note: &str) -> String {
    let note = if note == end_expected() { "" } else { note };
    if note.is_empty() { "nothing".to_owned() } else { format!("nothing: {note}") }
}

// ---- the ladder ----

/// The head of the time column.
pub const MILLISECONDS: &str = "ms";
/// Stands over the times of a conversation that is drawn while it happens.
pub const SECONDS: &str = "s";
/// The head of the left column.
pub const GRADER: &str = "grader";
/// The head of the right column where programs have no name.
pub const PROGRAM: &str = "program";
/// The head of the right column where several programs take part.
pub const PROGRAMS: &str = "programs";

/// The lane of a row where there are several connections, programs, or both.
pub fn lane(program: Option<&str>, connection: Option<u32>) -> String {
    match (program, connection) {
        (Some(program), Some(number)) => format!("{program} #{number}"),
        (Some(program), None) => program.to_owned(),
        (None, Some(number)) => format!("#{number}"),
        (None, None) => String::new(),
    }
}

/// The grader starts a program.
pub fn starts(command: &str) -> String {
    format!("starts {command}")
}

/// The grader's own peer listens.
pub fn grader_listens(address: SocketAddr) -> String {
    format!("the grader listens on {address}")
}

/// The grader connects.
pub fn connects(from: SocketAddr) -> String {
    format!("connects from {from}")
}

/// The program connected to the grader.
pub fn accepts(from: SocketAddr) -> String {
    format!("accepts a connection from {from}")
}

/// Stands before the bytes that the grader sends.
pub const SENDS: &str = "sends";
/// Stands before the bytes that the grader receives.
pub const RECEIVES: &str = "receives";

/// Stands after a number of bytes that went in several pieces, each handed over before the next.
pub fn in_segments(segments: u64) -> String {
    format!("in {}", counted(segments, "segment", "segments"))
}

/// Stands after a number of bytes that came in several reads.
pub fn in_reads(reads: u64) -> String {
    format!("in {}", counted(reads, "read", "reads"))
}

/// Stands before the bytes of a datagram that the grader sends; addresses only where they tell
/// something.
pub fn sends_datagram(from: Option<SocketAddr>, to: Option<SocketAddr>) -> String {
    format!("sends a datagram{}:", from_to(from, to))
}

/// Stands before the bytes of a datagram that the grader receives.
pub fn receives_datagram(from: Option<SocketAddr>, to: Option<SocketAddr>) -> String {
    format!("receives a datagram{}:", from_to(from, to))
}

fn from_to(from: Option<SocketAddr>, to: Option<SocketAddr>) -> String {
    let from = from.map_or_else(String::new, |from| format!(" from {from}"));
    let to = to.map_or_else(String::new, |to| format!(" to {to}"));
    from + &to
}

/// The grader's half-close.
pub const FINISHES_SENDING: &str = "finishes sending (FIN), still reads";
/// A half-close, or a close, of the left side's that is only passed on.
pub const SENDS_END: &str = "sends the end of the stream (FIN)";
/// The program's half-close, or its close: the grader cannot tell them apart.
pub const RECEIVES_END: &str = "receives the end of the stream (FIN)";
/// The grader's reset.
pub const RESETS: &str = "resets the connection (RST)";
/// The program's reset.
pub const RECEIVES_RESET: &str = "receives a reset (RST)";
/// The grader closes its socket.
pub const CLOSES: &str = "closes the connection";
/// The program's standard input.
pub const STDIN: &str = "stdin:";
/// The grader closes the program's standard input.
pub const CLOSES_STDIN: &str = "closes stdin";
/// The program's standard output.
pub const STDOUT: &str = "stdout:";
/// The program's standard error.
pub const STDERR: &str = "stderr:";

/// What to do where one key does it.
pub fn press(key: char) -> String {
    format!("press {key}")
}

/// What followed and is not shown.
pub fn more_bytes(count: u64) -> String {
    format!("… and {} more", byte_count(count))
}

/// The grader sends a signal.
pub fn signals(signal: &str) -> String {
    format!("sends the signal {signal}")
}

/// The program ended by itself.
pub fn exits(program: &str, status: i32) -> String {
    let panic = if status == 101 { ", as after a panic" } else { "" };
    format!("{program} exits with status {status}{panic}")
}

/// A signal that is not the grader's ended the program.
pub fn dies(program: &str, signal: &str) -> String {
    format!("{program} is killed by the signal {signal}, which the grader did not send")
}

/// The grader ended the program.
pub fn ends(program: &str) -> String {
    format!("the grader ends {program}")
}

/// What the look inside showed.
pub fn seen(text: &str) -> String {
    format!("a look inside: {text}")
}

/// A program without a name in the middle of a sentence.
pub const THE_PROGRAM: &str = "the program";

/// Stands for the steps between the first and the last ones; `summary` says which kinds there were.
pub fn more_steps(hidden: u64, summary: &str) -> String {
    format!("{}: {summary}", counted(hidden, "more step", "more steps"))
}

/// How often a kind of step happens among those that are not shown, and with how many bytes in all.
pub fn repeated(step: &str, times: u64, bytes: Option<u64>) -> String {
    let step = step.trim_end_matches(':');
    match (times, bytes) {
        (1, None) => step.to_owned(),
        (1, Some(bytes)) => format!("{step} ({})", byte_count(bytes)),
        (_, None) => format!("{step} ({} times)", thousands(times)),
        (_, Some(bytes)) => {
            format!("{step} ({} times, {} in all)", thousands(times), byte_count(bytes))
        }
    }
}

/// Kinds of steps as [`more_steps`] names them, where the row itself says more.
pub mod kind {
    /// A start of a program.
    pub const STARTS: &str = "starts";
    /// A listening socket of the grader's.
    pub const LISTENS: &str = "listens";
    /// A connection from the grader.
    pub const CONNECTS: &str = "connects";
    /// A connection to the grader.
    pub const ACCEPTS: &str = "accepts";
    /// A datagram from the grader.
    pub const SENDS_DATAGRAM: &str = "sends a datagram";
    /// A datagram to the grader.
    pub const RECEIVES_DATAGRAM: &str = "receives a datagram";
    /// A signal from the grader.
    pub const SIGNALS: &str = "sends a signal";
    /// A program ended.
    pub const EXITS: &str = "a program ends";
    /// The grader ended a program.
    pub const ENDS: &str = "ends a program";
    /// A look inside, or a note.
    pub const NOTES: &str = "notes";
}

// ---- the words of a report ----

/// The symptom of a program that ran into a `todo!()`.
pub const NOT_IMPLEMENTED: &str = "not-implemented";
/// The first hint for a program that ran into a `todo!()`.
pub const NOT_IMPLEMENTED_HINT: &str = "Your program ran into a `todo!()`. Its words say what \
                                        belongs there; the lesson says how it works.";
/// The symptom of a program that the compiler refuses.
pub const DOES_NOT_BUILD: &str = "does-not-build";

/// The word for what came of a check.
pub fn status(status: Status, symptom: &str) -> &'static str {
    match status {
        Status::Passed => "ok",
        Status::Failed if symptom == NOT_IMPLEMENTED => "not implemented yet",
        Status::Failed => "FAILED",
        Status::Skipped => "skipped",
        Status::Unsupported => "unsupported",
        Status::Error => "grader error",
    }
}

/// What kind of mistake a failure shows, in one line without a full stop.
///
/// `symptom` is a name of [`crate::failure::Symptom`]; a name that only one check knows is its own
/// heading.
pub fn heading(symptom: &str) -> String {
    let heading = match symptom {
        "" => "the promise is not kept",
        NOT_IMPLEMENTED => "not implemented yet",
        DOES_NOT_BUILD => "does not build",
        "stalled" => "got nothing, and your program waits for what never comes",
        "too-late" => "got nothing before the deadline, though your program still moves",
        "wrong-bytes" => "other bytes came than expected",
        "cut-short" => "closed too early, before everything had come",
        "extra-bytes" => "more bytes came than expected",
        "still-open" => "not closed, the connection stays open where it should end",
        "reset" => "reset, the connection was broken off and not closed",
        "refused" => "refused, nobody listened where the grader connected",
        "exited" => "exited, your program ended where it should go on",
        "crashed" => "crashed, a panic or a signal ended your program",
        "still-running" => "still running, your program goes on where it should end",
        "no-ready-line" => "no ready line, `listening on IP:PORT` did not come on stdout",
        "bad-ready-line" => "the ready line is not `listening on IP:PORT`",
        "late-ready-line" => "the ready line came only when a client had connected",
        "unended-ready-line" => "the ready line came without a newline at its end",
        "wrong-status" => "another exit status than expected",
        "wrong-stdout" => "something else on stdout than expected",
        "wrong-stderr" => "something else on stderr than expected",
        "flood" => "your program prints without end",
        "too-much-memory" => "your program takes more memory than it may",
        "too-much-cpu" => "your program takes more processor time than it may",
        "leak" => "your program keeps what it no longer needs",
        named => return named.replace('-', " "),
    };
    heading.to_owned()
}

/// The points of a module: "85 of 100 points".
pub fn score(points: u32, max: u32) -> String {
    format!("{points} of {max} points")
}

/// The stretch points of a module, where it offers any.
pub fn bonus(points: u32, max: u32) -> String {
    format!("stretch {points} of {max}")
}

/// Stands over the checks that give extra credit.
pub const STRETCH: &str = "stretch (extra credit)";
/// Stands over the promise.
pub const PROMISE: &str = "The promise";
/// Stands over the ladder.
pub const HAPPENED: &str = "What happened";
/// Stands over what was expected.
pub const EXPECTED: &str = "Expected";
/// Stands over what came.
pub const GOT: &str = "Got";
/// Stands over the hint.
pub const HINT: &str = "Hint";
/// Stands before the place in the handout.
pub const LESSON: &str = "Lesson:";
/// Stands over the failures that are not told in full.
pub const ALSO_FAILED: &str = "Also failed";

/// Stands over the command that tells one of them in full.
pub const DETAILS: &str = "One of them in full, with its hint:";

/// Stands over the command that tells all of them in full.
pub const ALL_DETAILS: &str = "All of them in full:";

/// Stands over the command that tells more.
pub const CLEARER: &str = "Clearer hints:";

/// A module of which nothing is written yet, in one line.
pub fn untouched(checks: u64) -> String {
    format!("{}, not implemented yet", counted(checks, "check", "checks"))
}

/// Stands over what is not implemented yet.
pub fn not_implemented(checks: u64) -> String {
    format!("Not implemented yet ({})", counted(checks, "check", "checks"))
}

/// Stands below a check that this machine cannot show.
pub fn unsupported(reason: &str) -> String {
    format!("this machine cannot show it: {reason}")
}

/// Stands below a check at which the grader failed.
pub fn grader_error(reason: &str) -> String {
    format!("the grader itself failed, which says nothing of your program: {reason}")
}

/// The grader failed as a whole.
pub fn report_error(reason: &str) -> String {
    format!("The grader itself failed, which says nothing of your program: {reason}")
}

/// A reason that nobody gave.
pub const NO_REASON: &str = "no reason was recorded";

/// What a handout's learner is told of the checks that are not in it.
pub fn hidden_points(module: &str, visible: u32, hidden: u32) -> String {
    let more = if hidden == 1 { "1 more point is" } else { &format!("{hidden} more points are") };
    format!("{module}: {visible} points are given by these checks; {more} given by hidden checks.")
}

/// A module that the compiler refuses.
pub fn does_not_build(program: &str, checks: u64) -> String {
    let checks = counted(checks, "check was", "checks were");
    format!("{program} does not build, so its {checks} not run. The compiler says:")
}

/// Why checks were skipped.
pub fn skipped(checks: u64) -> String {
    let (checks, it) = match checks {
        1 => ("1 check is".to_owned(), "it needs"),
        _ => (format!("{} checks are", thousands(checks)), "they need"),
    };
    format!("{checks} skipped: another check, which {it}, has not passed.")
}

/// The last line but one: how many of the core checks pass, and the seed.
pub fn summary(tally: &Tally, seed: u64) -> String {
    let core = format!("{} of {} core checks pass", tally.core_passed, tally.core);
    let stretch = match tally.stretch {
        0 => String::new(),
        stretch => format!(", {} of {stretch} stretch", tally.stretch_passed),
    };
    // Stretch checks alone were chosen.
    let (core, stretch) = match (tally.core, tally.stretch) {
        (0, 1..) => {
            let passed = format!("{} of {}", tally.stretch_passed, tally.stretch);
            (format!("{passed} stretch checks pass"), String::new())
        }
        _ => (core, stretch),
    };
    let errors = match tally.errors {
        0 => String::new(),
        errors => format!("; the grader failed at {}", counted(errors.into(), "check", "checks")),
    };
    let modules = match tally.modules {
        0 | 1 => String::new(),
        modules => format!("{} of {modules} modules complete; ", tally.complete),
    };
    format!("{modules}{core}{stretch}{errors} (seed {seed}).")
}

/// What [`summary`] counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Modules in the report.
    pub modules: u32,
    /// Modules of which every core check passes.
    pub complete: u32,
    /// Core checks.
    pub core: u32,
    /// Core checks that pass.
    pub core_passed: u32,
    /// Stretch checks.
    pub stretch: u32,
    /// Stretch checks that pass.
    pub stretch_passed: u32,
    /// Checks at which the grader failed.
    pub errors: u32,
}

// ---- the one next step: a sentence, and below it the command ----

/// Edit, then run.
pub fn next_edit(place: &str) -> String {
    format!("Next: edit {place}, then run")
}

/// Mend what the compiler refuses, then run.
pub fn next_build(place: &str) -> String {
    format!("Next: mend the first compiler error in {place}, then run")
}

/// All core checks pass; a stretch check is open.
pub fn next_stretch(place: &str) -> String {
    format!("Next, for extra credit: edit {place}, then run")
}

/// Nothing is wrong with the program, but the grader failed.
pub const NEXT_AGAIN: &str =
    "Next: run this again; if the grader fails again, report it with the lines above";

/// The checks that were chosen pass.
pub const NEXT_ALL_CHECKS: &str = "Nothing failed. Next: run all checks of the module";

/// Nothing is left to mend in a module.
pub fn next_module(module: &str) -> String {
    format!("Nothing failed, {module} is finished. Next: see what is left of the course")
}

/// Nothing is left to mend in several modules.
pub const NEXT_OVERVIEW: &str = "Nothing failed. Next: see what is left of the course";

// ---- plain ASCII ----

/// What stands in for a character where only ASCII may be printed.
pub fn in_ascii(character: char) -> &'static str {
    match character {
        '…' => "...",
        '—' | '–' => "-",
        '→' => "->",
        '←' => "<-",
        '↔' => "<->",
        '“' | '”' | '„' => "\"",
        '‘' | '’' => "'",
        '×' => "x",
        '·' | '•' => "*",
        '≥' => ">=",
        '≤' => "<=",
        '\u{a0}' => " ",
        _ => "?",
    }
}
