//! The quiz, as it is used: by lines from a pipe, by keys in a terminal.
#![cfg(unix)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use support::{Ended, course, folder, run, small_course, wait_until, xtask};

/// Asks with these lines as answers.
fn answered(root: &Path, arguments: &[&str], lines: &str) -> Ended {
    let scratch = folder();
    let answers = scratch.path().join("answers");
    fs_err::write(&answers, lines).expect("write the answers");
    let answers = File::open(&answers).expect("open the answers");
    run(xtask(root, scratch.path()).arg("quiz").args(arguments).stdin(answers))
}

/// The letters that were told to be right, one for each question.
fn right_letters(told: &str) -> Vec<&str> {
    let letters = told.lines().filter_map(|line| line.split_once(" is right"));
    letters.map(|(letter, _)| letter).filter(|letter| letter.len() == 1).collect()
}

#[test]
fn all_right_answers_end_with_status_0_and_nothing_to_read_again() {
    let first = answered(&course(), &["sticky-packet", "--seed", "5"], &"a\n".repeat(20));
    assert_eq!(first.status, Some(0), "whatever the score: {}", first.stderr);
    let right = right_letters(&first.stdout);
    let wrong = right.iter().filter(|letter| **letter != "a").count();
    assert!(right.len() >= 8 && wrong > 0, "{right:?}");
    let score = format!("Result: {} of {} right.", right.len() - wrong, right.len());
    assert!(first.stdout.contains(&score), "no {score:?} in {}", first.stdout);
    assert!(first.stdout.contains("exercises/sticky-packet/README.md#"), "{}", first.stdout);
    assert_eq!(first.stdout.matches("a is not right.").count(), wrong);

    let second =
        answered(&course(), &["sticky-packet", "--seed", "5", "--lines"], &right.join("\n"));
    let score = format!("Result: {0} of {0} right.", right.len());
    assert!(second.stdout.contains(&score), "no {score:?} in {}", second.stdout);
    assert!(!second.stdout.contains("not right") && !second.stdout.contains("reading again"));
    assert!(second.stdout.contains("cargo xtask quiz sticky-packet --seed 5"));
    assert_eq!(second.status, Some(0));
}

#[test]
fn without_a_module_it_is_a_mix_or_the_module_stood_in() {
    let ended = answered(&course(), &["--seed", "1"], &"b\n".repeat(10));
    assert!(ended.stdout.starts_with("10 questions from all modules."), "{}", ended.stdout);
    for module in ["tcp-echo", "udp-echo", "http-mini", "file-transfer"] {
        assert!(ended.stdout.contains(&format!("({module}, ")), "{}", ended.stdout);
    }
    assert!(ended.stdout.ends_with("cargo xtask quiz --seed 1\n"), "{}", ended.stdout);
    let scratch = folder();
    let mut command = xtask(&course(), scratch.path());
    let ended = run(command.arg("quiz").current_dir(course().join("exercises/udp-echo/src")));
    assert!(ended.stdout.contains(" questions on udp-echo."), "{}", ended.stdout);
}

#[test]
fn leaving_early_is_status_1_and_tells_the_score_so_far() {
    for lines in ["a\nq\n", "a\n", "a\nQuit\nb\n"] {
        let ended = answered(&course(), &["broadcast"], lines);
        assert_eq!(ended.status, Some(1), "{lines:?}: {}", ended.stderr);
        assert!(ended.stdout.contains("You left at question 2 of "), "{}", ended.stdout);
        assert!(ended.stdout.contains(" of 1 right."), "{}", ended.stdout);
    }
}

#[test]
fn a_line_that_is_no_answer_is_asked_again_and_nonsense_without_end_is_refused() {
    let ended = answered(&course(), &["http-mini"], "e\n\n\u{1b}[2J\na\n");
    assert!(ended.stdout.contains("`e` is no answer here"), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    assert!(ended.stdout.contains(" of 1 right."), "{}", ended.stdout);
    let ended = answered(&course(), &["http-mini"], &"what?\n".repeat(1000));
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("10 lines in a row"), "{}", ended.stderr);
}

#[test]
fn wrong_usage_and_broken_files_are_named() {
    answered(&course(), &["udp-ecko"], "").refuses(&["no module `udp-ecko`", "`udp-echo`"]);
    answered(&course(), &["--seed", "x"], "").refuses(&["'x'", "--seed"]);
    let root = folder();
    small_course(root.path(), "fn main() {}\n", "fn main() {}\n");
    let path = root.path().join("crates/tcp-echo/quiz.toml");
    answered(root.path(), &["tcp-echo"], "").refuses(&["quiz.toml: cannot read the questions"]);
    fs_err::write(&path, "[[question]]\nid = \"a\"\naks = 1\n").expect("write the file");
    answered(root.path(), &["tcp-echo"], "").refuses(&["quiz.toml:3:1: ", "mend the line"]);
}

/// The quiz in a terminal of its own.
struct Session {
    child: Child,
    keyboard: File,
    terminal: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    _scratch: tempfile::TempDir,
}

impl Session {
    fn begin(arguments: &[&str]) -> Self {
        let scratch = folder();
        let (mut master, mut slave) = (-1, -1);
        // SAFETY: both numbers are written before the call returns; the others may be null.
        let result = unsafe {
            libc::openpty(&raw mut master, &raw mut slave, null_mut(), null_mut(), null_mut())
        };
        assert_eq!(result, 0, "a terminal can be made");
        // SAFETY: openpty has just made both, and nobody else has them.
        let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        let mut command = xtask(&course(), scratch.path());
        command.arg("quiz").args(arguments).env("TERM", "xterm");
        Self::give(&mut command, &slave);
        let child = command.spawn().expect("the runner starts");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, copy) = (master.try_clone().expect("a copy"), Arc::clone(&shown));
        // It ends with the terminal: reading fails once its last descriptor is closed.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                copy.lock().expect("nobody panics here").extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, keyboard: master, terminal: slave, shown, _scratch: scratch }
    }

    /// Makes the terminal the command's own, so that Ctrl-C in it is a signal.
    fn give(command: &mut Command, slave: &OwnedFd) {
        let copy = || Stdio::from(slave.try_clone().expect("a copy"));
        command.stdin(copy()).stdout(copy()).stderr(copy());
        // SAFETY: both calls may be made between fork and exec (signal-safety(7)).
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY as _, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
    }

    fn settings(&self) -> String {
        format!("{:?}", tcgetattr(&self.terminal).expect("the settings can be read"))
    }

    fn gives_lines(&self) -> bool {
        let settings = tcgetattr(&self.terminal).expect("the settings can be read");
        settings.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("press keys");
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("nobody panics here")).into_owned()
    }

    fn expect(&self, word: &str) {
        assert!(wait_until(|| self.text().contains(word)), "no {word:?} in:\n{}", self.text());
    }

    /// Waits until keys are read one by one.
    fn expect_prompt(&self, number: usize) {
        let prompts = || self.text().matches("Your answer (a-d, q leaves): ").count();
        assert!(wait_until(|| prompts() >= number), "{}", self.text());
        assert!(!self.gives_lines(), "single keys are taken");
    }

    fn status(&mut self) -> Option<i32> {
        let ended = wait_until(|| self.child.try_wait().expect("its status").is_some());
        assert!(ended, "it does not end:\n{}", self.text());
        self.child.wait().expect("its status").code()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A test that failed may leave it running.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn one_key_answers_and_the_terminal_is_as_before() {
    let mut session = Session::begin(&["tcp-echo", "--seed", "2"]);
    session.expect_prompt(1);
    // Arrow up ends with an A, and is no answer; neither is x.
    session.press(b"\x1b[Ax");
    session.press(b"B");
    session.expect("q leaves): b\r\n");
    session.expect("Enter: the next question");
    assert!(!session.text().contains("Question 2 of"), "the explanation can be read first");
    session.press(b" ");
    session.expect("Question 2 of");
    session.press(b"q");
    assert_eq!(session.status(), Some(1));
    session.expect("You left at question 2 of");
    session.expect("cargo xtask quiz tcp-echo --seed 2");
    assert!(session.gives_lines(), "the settings are back");
}

#[test]
fn the_last_question_ends_it_without_a_further_key() {
    let mut session = Session::begin(&["--seed", "4"]);
    for number in 1..=10 {
        session.expect(&format!("Question {number} of 10"));
        session.press(b"a");
        if number < 10 {
            session.press(b"\r");
        }
    }
    assert_eq!(session.status(), Some(0));
    session.expect(" of 10 right.");
    assert!(session.gives_lines(), "the settings are back");
}

#[test]
fn a_signal_gives_the_terminal_back() {
    for (keys, signal, status) in [
        (&b"\x03"[..], None, 130),
        (b"", Some(Signal::TERM), 143),
        (b"a\x03", None, 130),
        (b"\x04", None, 1),
        (b"\x1c", None, 1),
    ] {
        let mut session = Session::begin(&["udp-echo"]);
        session.expect_prompt(1);
        session.press(keys);
        if let Some(signal) = signal {
            let id = i32::try_from(session.child.id()).ok().and_then(Pid::from_raw);
            kill_process(id.expect("a process id"), signal).expect("send the signal");
        }
        assert_eq!(session.status(), Some(status), "{keys:?}: {}", session.text());
        assert!(session.gives_lines(), "{keys:?}: {}", session.settings());
    }
}

#[test]
fn an_error_is_filled_in_a_terminal_and_one_line_elsewhere() {
    let mut session = Session::begin(&["udp-ecko-of-a-name-that-is-longer-than-usual"]);
    assert_eq!(session.status(), Some(2));
    session.expect("http-mini");
    let told = anstream::adapter::strip_str(&session.text()).to_string();
    assert!(told.lines().count() > 1 && told.lines().all(|line| line.len() <= 80), "{told}");
    let ended = answered(&course(), &["udp-ecko-of-a-name-that-is-longer-than-usual"], "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn lines_can_be_asked_for_in_a_terminal_too() {
    let mut session = Session::begin(&["udp-echo", "--lines"]);
    session.expect("Your answer (a-d, q leaves): ");
    assert!(session.gives_lines());
    session.press(b"q\n");
    assert_eq!(session.status(), Some(1));
}
