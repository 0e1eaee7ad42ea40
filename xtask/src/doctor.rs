//! `cargo xtask doctor`: what this machine can show of the course, found out by trying it.
//!
//! Settings tell little: a kernel may make a namespace and refuse its use, a firewall may allow a
//! port and drop its packets. So each line is an attempt of what a grading does. None goes beyond
//! this machine, each has a deadline, and one that fails costs no other.

mod course;
mod disk;
mod limits;
mod network;
mod sandboxing;
mod tools;

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anstyle::Style;
use clap::Args;
use grader::page::Page;

use crate::output;
use crate::terminal::{self, BAD, GOOD, Progress, STRONG};
use crate::workspace::Workspace;

/// How long an attempt may take. Those that succeed take milliseconds; cargo, reading its index, a
/// second or two.
const DEADLINE: Duration = Duration::from_secs(10);
/// Where the words of a line begin.
const INDENT: usize = 9;

/// Try what a grading needs of this machine, and say what to do about what it cannot.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if the course can be done here, 1 if something essential is \
    missing."
)]
pub struct Arguments {}

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All is there.
    Good,
    /// The course can be done, with less.
    Limited,
    /// Without it the course cannot be done.
    Missing,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// What it is about, in a word or two.
    name: String,
    state: State,
    /// What was tried, and what came of it.
    tried: String,
    /// What it means for the course.
    means: String,
    /// What to do; empty if nothing is to be done.
    advice: String,
}

impl Finding {
    fn new(name: impl Into<String>, state: State, tried: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state,
            tried: tried.into(),
            means: String::new(),
            advice: String::new(),
        }
    }

    fn good(name: impl Into<String>, tried: impl Into<String>) -> Self {
        Self::new(name, State::Good, tried)
    }

    fn limited(name: impl Into<String>, tried: impl Into<String>) -> Self {
        Self::new(name, State::Limited, tried)
    }

    fn missing(name: impl Into<String>, tried: impl Into<String>) -> Self {
        Self::new(name, State::Missing, tried)
    }

    fn means(mut self, means: impl Into<String>) -> Self {
        self.means = means.into();
        self
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// One attempt, or a few that belong together.
struct Probe {
    /// What it is about, should it not answer.
    name: &'static str,
    /// Whether the course depends on it.
    essential: bool,
    attempt: fn(&Workspace) -> Vec<Finding>,
}

/// All attempts, from what the course needs to what it is nicer with.
const PROBES: &[Probe] = &[
    Probe { name: "Rust", essential: true, attempt: tools::rust },
    Probe { name: "crates", essential: false, attempt: tools::crates },
    Probe { name: "exercises", essential: true, attempt: course::exercises },
    Probe { name: "build folder", essential: true, attempt: disk::build_folder },
    Probe { name: "scratch folder", essential: true, attempt: disk::scratch_folder },
    Probe { name: "saves", essential: true, attempt: disk::saves },
    Probe { name: "descriptors", essential: true, attempt: limits::descriptors },
    Probe { name: "memory", essential: false, attempt: limits::memory },
    Probe { name: "processors", essential: false, attempt: limits::processors },
    Probe { name: "TCP", essential: true, attempt: network::tcp },
    Probe { name: "UDP", essential: true, attempt: network::udp },
    Probe { name: "IPv6", essential: false, attempt: network::ipv6 },
    Probe { name: "localhost", essential: false, attempt: network::localhost },
    Probe { name: "broadcast", essential: false, attempt: network::broadcast },
    Probe { name: "firewall", essential: false, attempt: network::filters },
    Probe { name: "sandbox", essential: true, attempt: sandboxing::layers },
    Probe { name: "lab", essential: false, attempt: sandboxing::lab },
    Probe { name: "a look inside", essential: false, attempt: sandboxing::look_inside },
    Probe { name: "connections", essential: false, attempt: sandboxing::connections },
    Probe { name: "terminal", essential: false, attempt: limits::terminal },
    Probe { name: "by hand", essential: false, attempt: tools::by_hand },
];

/// Runs the command. The status is 0 if the course can be done here, 1 if not.
///
/// # Errors
///
/// There is no course here.
pub fn run(_arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let mut findings = Vec::new();
    for probe in PROBES {
        let progress = Progress::begin(format!("trying: {}", probe.name));
        let found = within(DEADLINE, &workspace, probe);
        // Its line goes before others come.
        drop(progress);
        output::print(visible(&tell(&found)).as_bytes())?;
        findings.extend(found);
    }
    output::print(visible(&summary(&findings)).as_bytes())?;
    let missing = findings.iter().any(|finding| finding.state == State::Missing);
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What a probe found; that it did not answer, if it takes longer.
fn within(deadline: Duration, workspace: &Workspace, probe: &Probe) -> Vec<Finding> {
    let (sender, receiver) = mpsc::channel();
    let (workspace, attempt) = (workspace.clone(), probe.attempt);
    let started = thread::Builder::new().spawn(move || {
        // Nobody may be waiting any more.
        _ = sender.send(attempt(&workspace));
    });
    let outcome = match started {
        Err(error) => format!("cannot start a thread to try it: {error}"),
        Ok(_) => match receiver.recv_timeout(deadline) {
            Ok(findings) => return findings,
            Err(RecvTimeoutError::Timeout) => {
                format!("tried for {} s, without an answer", deadline.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => "the attempt itself failed".to_owned(),
        },
    };
    let state = if probe.essential { State::Missing } else { State::Limited };
    let finding = Finding::new(probe.name, state, outcome)
        .means("what depends on it will fail or hang in a grading too")
        .advice(
            "try again when the machine is less busy; if it stays so, look at the disk and the \
             network for what does not answer",
        );
    vec![finding]
}

fn tell(findings: &[Finding]) -> String {
    let mut told = String::new();
    for finding in findings {
        let (style, word) = match finding.state {
            State::Good => (GOOD, "ok"),
            State::Limited => (STRONG, "limited"),
            State::Missing => (BAD, "MISSING"),
        };
        let Finding { name, tried, means, advice, .. } = finding;
        let mut first = paragraph(style, word, &format!("{name}: {tried}"));
        first.push_str(&match finding.state {
            State::Good => String::new(),
            _ => {
                paragraph(Style::new(), "", &format!("It means: {means}."))
                    + &paragraph(Style::new(), "", &format!("To do: {advice}."))
            }
        });
        told.push_str(&first);
    }
    told
}

/// A word, and text beside it in lines that fit the terminal.
fn paragraph(style: Style, word: &str, text: &str) -> String {
    let mut told = String::new();
    for (index, line) in fill(text, INDENT).iter().enumerate() {
        let word = if index == 0 { word } else { "" };
        let gap = " ".repeat(INDENT - word.len());
        _ = writeln!(told, "{style}{word}{style:#}{gap}{line}");
    }
    told
}

/// The text in lines that fit the terminal beside an indent.
fn fill(text: &str, indent: usize) -> Vec<String> {
    let mut page = Page::new(&terminal::text_options(false));
    page.prose(indent, text);
    page.text().lines().map(|line| line[indent..].to_owned()).collect()
}

fn summary(findings: &[Finding]) -> String {
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (limited, missing) = (count(State::Limited), count(State::Missing));
    let words = match (missing, limited) {
        (0, 0) => "The whole course can be done here.",
        (0, _) => "The course can be done here; the lines marked `limited` say what with less.",
        _ => "The course cannot be done here yet: begin with the first line marked `MISSING`.",
    };
    format!("\n{}\n", fill(words, 0).join("\n"))
}

fn visible(told: &str) -> String {
    let plain = || anstream::adapter::strip_str(told).to_string();
    if terminal::stdout_colours() { told.to_owned() } else { plain() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{DEADLINE, Finding, Probe, State, summary, tell, within};
    use crate::workspace::Workspace;

    #[test]
    fn an_attempt_without_an_answer_is_told_and_does_not_hold_up_the_others() {
        let stuck = |_: &Workspace| -> Vec<Finding> {
            loop {
                std::thread::park();
            }
        };
        let workspace = Workspace::find().expect("the tests run inside the course");
        let mut probe = Probe { name: "stuck", essential: false, attempt: stuck };
        let found = within(Duration::from_millis(20), &workspace, &probe);
        assert_eq!(found[0].state, State::Limited);
        assert!(found[0].tried.contains("without an answer"), "{found:?}");
        probe.essential = true;
        let found = within(Duration::from_millis(20), &workspace, &probe);
        assert_eq!(found[0].state, State::Missing);
        probe.attempt = |_| vec![Finding::good("quick", "done")];
        assert_eq!(within(DEADLINE, &workspace, &probe)[0].state, State::Good);
    }

    #[test]
    fn what_is_not_whole_says_what_it_means_and_what_to_do() {
        let found = [
            Finding::good("one", "tried one"),
            Finding::limited("two", "tried two").means("less").advice("get more"),
        ];
        let told = anstream::adapter::strip_str(&tell(&found)).to_string();
        assert_eq!(
            told,
            "ok       one: tried one\nlimited  two: tried two\n         It means: less.\n         \
             To do: get more.\n"
        );
        assert!(summary(&found).contains("can be done here; the lines"));
        assert!(summary(&found[..1]).contains("The whole course"));
    }
}
