//! `watch` as its user has it: in a real terminal, and as plain lines.
//!
//! The times that are measured are printed (`cargo test -- --nocapture`); what is asserted of them
//! is generous, since a machine may be slow.
#![cfg(target_os = "linux")]

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use support::{folder, names_in, processes_in, small_course, wait_until, xtask};
use terminal::{PATIENCE, Terminal, correct_program};

/// A program that is not begun.
const UNTOUCHED: &str = "fn main() {\n    todo!(\"write it\")\n}\n";
/// It neither says anything nor ends.
const ENDLESS: &str = "fn main() {\n    loop {\n        std::hint::spin_loop();\n    }\n}\n";
/// It prompts for input wherever it may be had, and prints without end.
const FLOOD: &str = r#"
use std::io::Read;
fn main() {
    let prompt = || std::fs::File::open("/dev/tty").and_then(|mut tty| tty.read(&mut [0; 1]));
    println!("password: {:?} {:?}", prompt(), std::io::stdin().read(&mut [0; 1]));
    loop {
        println!("more and more and more");
        eprintln!("and more");
    }
}
"#;
/// What the last line says when nothing is under way.
const WAITING: &str = "q:quit  waiting";

/// A course of two modules in a folder of its own.
struct Course {
    root: tempfile::TempDir,
    scratch: tempfile::TempDir,
}

impl Course {
    fn with(program: &str) -> Self {
        let course = Self { root: folder(), scratch: folder() };
        small_course(course.root(), program, UNTOUCHED);
        let udp = course.root().join("exercises/udp-echo");
        fs_err::create_dir_all(udp.join("src")).expect("make the folder");
        let manifest = "[package]\nname = \"udp-echo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        fs_err::write(udp.join("Cargo.toml"), manifest).expect("write the manifest");
        fs_err::write(udp.join("src/main.rs"), UNTOUCHED).expect("write the program");
        course
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    fn source(&self, module: &str) -> PathBuf {
        self.root().join("exercises").join(module).join("src/main.rs")
    }

    fn save(&self, text: &str) {
        fs_err::write(self.source("tcp-echo"), text).expect("save the program");
    }

    fn open_terminal(&self) -> Terminal {
        Terminal::open(self.root(), self.scratch())
    }

    fn wait_for_programs(&self) {
        let run = || !processes_in(self.scratch()).is_empty();
        assert!(wait_until(run), "the programs are started");
    }
}

/// The same program with one mistake: wrong usage is no failure.
fn program_with_a_mistake() -> String {
    let text = correct_program();
    let wrong = text.replace("exit(2)", "exit(0)");
    assert_ne!(text, wrong);
    wrong
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn a_session_from_the_start_to_quit() {
    let course = Course::with(UNTOUCHED);
    let terminal = course.open_terminal();
    terminal.watch("");
    let has = |what: &'static str| terminal.wait_for(what, move |screen| screen.contains(what));
    has("exercises/tcp-echo, as it stands");
    has("0 of 23 core checks pass");
    has(WAITING);

    course.save(&program_with_a_mistake());
    has("saved exercises/tcp-echo/src/main.rs · building…");
    has("22 of 23 core checks pass");
    has("Next: edit exercises/tcp-echo/src and save.");

    terminal.keys(&["h"]);
    has("hint tcp-echo usage");
    // The hint's own words; the report above has told the first one.
    has("Hint 2 of");
    terminal.keys(&["l"]);
    has("The checks of one: cargo xtask list MODULE");

    course.save(&correct_program());
    has("23 of 23 core checks pass");
    has("tcp-echo is finished. Next: press n for another module.");

    terminal.keys(&["n"]);
    has("next: udp-echo; its handout is exercises/udp-echo/README.md");
    has("0 of 21 core checks pass");
    terminal.keys(&["a"]);
    has("exercises/udp-echo, again");

    terminal.keys(&["q"]);
    terminal.expect_ended(0, course.root(), course.scratch());
}

#[test]
fn a_save_during_an_endless_loop_is_graded_at_once() {
    let course = Course::with(ENDLESS);
    let terminal = course.open_terminal();
    terminal.watch("tcp-echo");
    course.wait_for_programs();
    let began = Instant::now();
    course.save(&correct_program());
    terminal.wait_for("the verdict", |screen| screen.contains("graded in"));
    let took = began.elapsed();
    eprintln!("a save during an endless loop was graded within {took:.2?}");
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    let screen = terminal.screen();
    assert!(screen.contains("the grading that ran is stopped"), "{screen}");
    assert!(screen.contains("23 of 23 core checks pass"), "{screen}");
    assert_eq!(count(&screen, "graded in"), 1, "only one verdict:\n{screen}");
    terminal.keys(&["q"]);
    terminal.expect_ended(0, course.root(), course.scratch());
}

#[test]
fn a_flood_and_a_prompt_leave_the_keyboard_to_the_learner() {
    let course = Course::with(FLOOD);
    let terminal = course.open_terminal();
    terminal.watch("");
    course.wait_for_programs();
    terminal.keys(&["l"]);
    terminal.wait_for("the list", |screen| screen.contains("The checks of one"));
    assert!(!terminal.screen().contains("and more"), "{}", terminal.screen());
    terminal.keys(&["q"]);
    terminal.expect_ended(0, course.root(), course.scratch());
}

#[test]
fn ctrl_c_leaves_a_sane_terminal_while_a_program_is_built() {
    let course = Course::with(UNTOUCHED);
    let script = course.root().join("exercises/tcp-echo/build.rs");
    let sleeps = "fn main() { std::thread::sleep(std::time::Duration::from_secs(600)) }";
    fs_err::write(script, sleeps).expect("write it");
    let terminal = course.open_terminal();
    terminal.watch("");
    // The build script works in the package's folder.
    let exercise = course.root().join("exercises/tcp-echo");
    let runs = || !processes_in(&exercise).is_empty();
    let began = Instant::now();
    while !runs() {
        assert!(began.elapsed() < PATIENCE, "no build script runs:\n{}", terminal.screen());
        std::thread::sleep(Duration::from_millis(10));
    }
    terminal.keys(&["C-c"]);
    terminal.expect_ended(130, course.root(), course.scratch());
}

#[test]
fn every_way_out_leaves_a_sane_terminal_and_no_process() {
    let course = Course::with(ENDLESS);
    let terminal = course.open_terminal();
    for (signal, status) in [("", 130), ("TERM", 143), ("HUP", 129), ("q", 0)] {
        terminal.watch("tcp-echo");
        course.wait_for_programs();
        match signal {
            "" => terminal.keys(&["C-c"]),
            "q" => terminal.keys(&["C-d"]),
            _ => {
                let id = terminal.watching_process().to_string();
                let kill = std::process::Command::new("kill").args(["-s", signal, &id]).status();
                assert!(kill.expect("kill runs").success());
            }
        }
        terminal.expect_ended(status, course.root(), course.scratch());
    }
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_back() {
    let course = Course::with(ENDLESS);
    let terminal = course.open_terminal();
    terminal.watch("");
    course.wait_for_programs();
    terminal.keys(&["C-z"]);
    terminal.wait_for("a stop", |screen| screen.contains("Stopped"));
    // What was graded is gone, since it would have gone on behind the watch's back.
    assert!(wait_until(|| processes_in(course.scratch()).is_empty()));
    terminal.expect_settings_back();

    // Behind its back the program is mended; in the background it is graded all the same.
    course.save(&correct_program());
    terminal.enter("bg");
    terminal.wait_for("a verdict", |screen| screen.contains("23 of 23 core checks pass"));
    assert!(!terminal.screen().contains("q:quit"), "{}", terminal.screen());
    terminal.enter("echo still mine");
    let is_echoed = |screen: &str| screen.lines().any(|line| line == "still mine");
    terminal.wait_for("the shell", is_echoed);

    terminal.enter("fg");
    terminal.wait_for("the keys", |screen| screen.contains(WAITING));
    terminal.keys(&["C-c"]);
    terminal.wait_for("a prompt", |screen| screen.contains("interrupted"));
    terminal.expect_settings_back();
}

/// A watch whose standard streams are pipes.
struct Lines {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Lines {
    fn begin(course: &Course, arguments: &[&str]) -> Self {
        let mut command = xtask(course.root(), course.scratch());
        command.env("CARGO_TARGET_DIR", course.root().join("target")).env("LC_ALL", "C");
        command.arg("watch").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the runner starts");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, stdin, lines }
    }

    /// The lines up to the next one with `part` in it.
    fn until(&self, part: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {part:?} after:\n{}", seen.join("\n")));
            let is_it = line.contains(part);
            seen.push(line);
            if is_it {
                return seen;
            }
        }
    }

    fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(line.as_bytes()).expect("it listens");
    }

    /// Closes its standard input; what it still says, and its status.
    fn close(mut self) -> (Vec<String>, Option<i32>) {
        drop(self.stdin.take());
        let status = self.child.wait().expect("it ends");
        (self.lines.iter().collect(), status.code())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // It has ended, unless a test has failed.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn without_a_terminal_it_is_plain_lines_and_ends_with_its_input() {
    let course = Course::with(UNTOUCHED);
    let mut watch = Lines::begin(&course, &[]);
    let first = watch.until("graded in").join("\n");
    assert!(first.starts_with("watching exercises: each save is graded\n"), "{first}");
    assert!(first.contains("commands, one a line: hint, next"), "{first}");
    assert!(first.contains("0 of 23 core checks pass"), "{first}");
    assert!(first.contains("Next: edit exercises/tcp-echo/src/main.rs:2 and save."), "{first}");
    assert!(!first.contains('\x1b') && !first.contains('\r'), "{first:?}");
    assert!(first.is_ascii(), "{first}");

    course.save("fn main() {\n    let answer: u32 = \"forty-two\";\n}\n");
    let broken = watch.until("graded in").join("\n");
    assert!(broken.contains("saved exercises/tcp-echo/src/main.rs - building..."), "{broken}");
    assert!(broken.contains("error[E0308]: mismatched types"), "{broken}");
    assert!(broken.contains("Next: mend the first compiler error in"), "{broken}");

    watch.say("what?\nexplain\nlist\n");
    watch.until("there is no command `what?`");
    watch.until("tcp-echo: nothing to explain, the program does not build");
    watch.until("The checks of one");
    let (rest, status) = watch.close();
    assert_eq!((rest.len(), status), (0, Some(0)), "{rest:?}");
    assert!(names_in(course.scratch()).is_empty());
}

/// Saves as editors do, each followed by the one verdict that there must be.
fn save_like_editors(course: &Course, watch: &Lines) {
    let main = course.source("tcp-echo");
    let beside = |name: &str| main.with_file_name(name);
    let write = |path: &Path, text: &str| fs_err::write(path, text).expect("write a file");
    let rename = |from: &Path, to: &Path| fs_err::rename(from, to).expect("rename a file");
    let saves: [(&str, &dyn Fn()); 4] = [
        ("vim, with a backup", &|| {
            write(&beside(".main.rs.swp"), "swap");
            write(&beside("4913"), "");
            fs_err::remove_file(beside("4913")).expect("remove it");
            rename(&main, &beside("main.rs~"));
            write(&main, "fn main() {\n    todo!(\"one\")\n}\n");
            fs_err::remove_file(beside("main.rs~")).expect("remove it");
        }),
        ("by renaming a new file", &|| {
            write(&beside("main.rs.tmp.4711"), "fn main() {\n    todo!(\"two\")\n}\n");
            rename(&beside("main.rs.tmp.4711"), &main);
        }),
        ("by truncating and writing twice", &|| {
            let mut file = File::create(&main).expect("truncate it");
            let text = b"fn main() {\n    todo!(\"three\")\n}\n";
            file.write_all(text).expect("write it");
            drop(file);
            write(&main, "fn main() {\n    todo!(\"three\")\n}\n");
        }),
        ("with locks and backups beside it", &|| {
            write(&beside("#main.rs#"), "autosave");
            write(&beside("main.rs.bak"), "backup");
            write(&main, "fn main() {\n    todo!(\"four\")\n}\n");
            fs_err::remove_file(beside("#main.rs#")).expect("remove it");
        }),
    ];
    for (number, (how, save)) in ["one", "two", "three", "four"].iter().zip(saves) {
        save();
        let told = watch.until("graded in").join("\n");
        assert!(told.contains(&format!("your program reaches todo!: {number}")), "{how}: {told}");
    }
}

#[test]
fn each_save_is_one_grading_however_the_editor_saves() {
    for arguments in [&["tcp-echo"] as &[&str], &["--poll", "tcp-echo"]] {
        let course = Course::with(UNTOUCHED);
        let watch = Lines::begin(&course, arguments);
        watch.until("graded in");
        save_like_editors(&course, &watch);
        // Another module's save is none of its business; what comes after it shows that.
        fs_err::write(course.source("udp-echo"), "fn main() {}\n").expect("save it");
        course.save("fn main() {\n    todo!(\"five\")\n}\n");
        let told = watch.until("graded in").join("\n");
        assert!(told.contains("reaches todo!: five"), "{told}");
        let (rest, status) = watch.close();
        assert_eq!(status, Some(0));
        assert!(
            !rest.iter().any(|line| line.contains("saved") || line.contains("udp")),
            "{rest:?}"
        );
    }
}

/// A program that says this by its panic.
fn saying(word: &str) -> String {
    format!("fn main() {{\n    todo!(\"{word}\")\n}}\n")
}

/// The watch compiles by the command that cargo used before, as long as that builds the same.
#[test]
fn what_is_compiled_without_cargo_is_what_was_saved() {
    let course = Course::with(UNTOUCHED);
    let watch = Lines::begin(&course, &["tcp-echo"]);
    watch.until("graded in");
    let told_after = |save: &dyn Fn()| {
        save();
        watch.until("graded in").join("\n")
    };
    let built = course.root().join("target/debug/watch/tcp-echo");
    let when_built = || fs_err::metadata(&built).and_then(|it| it.modified()).ok();
    let told = |text: &str| told_after(&|| course.save(text));
    assert!(told(&saying("one")).contains("reaches todo!: one"));
    let first = when_built();
    assert!(told(&saying("two")).contains("reaches todo!: two"));
    assert_ne!(when_built(), first, "a program that cargo has built before is compiled directly");

    let with_warning = "fn main() {\n    let unused = 1;\n    todo!(\"three\")\n}\n";
    let three = told(with_warning);
    assert!(three.contains("reaches todo!: three"), "{three}");
    assert!(three.contains("warning: unused variable: `unused`"), "{three}");
    let broken = told("fn main() {\n    let answer: u32 = \"forty-two\";\n}\n");
    assert!(broken.contains("error[E0308]: mismatched types"), "{broken}");
    assert!(told(&saying("four")).contains("reaches todo!: four"));

    // A second file of the program is the compiler's business, a library is cargo's alone.
    let main = course.source("tcp-echo");
    let other = main.with_file_name("other.rs");
    let in_other = |word: &str| format!("pub fn go() {{\n    todo!(\"{word}\")\n}}\n");
    let save_other = |word: &str| fs_err::write(&other, in_other(word)).expect("save it");
    save_other("five");
    let five = told("mod other;\nfn main() {\n    other::go()\n}\n");
    assert!(five.contains("reaches todo!: five"), "{five}");
    let six = told_after(&|| save_other("six"));
    assert!(six.contains("reaches todo!: six"), "{six}");
    let library = main.with_file_name("lib.rs");
    fs_err::write(&library, in_other("seven")).expect("save it");
    let seven = told_after(&|| course.save("fn main() {\n    tcp_echo::go()\n}\n"));
    let seven =
        if seven.contains("todo!: seven") { seven } else { watch.until("graded in").join("\n") };
    assert!(seven.contains("reaches todo!: seven"), "{seven}");
    // Now cargo compiles the program alone.
    let again = told("fn main() {\n    // Once more.\n    tcp_echo::go()\n}\n");
    assert!(again.contains("reaches todo!: seven"), "{again}");
    let eight = told_after(&|| fs_err::write(&library, in_other("eight")).expect("save it"));
    assert!(eight.contains("reaches todo!: eight"), "{eight}");
    let (_, status) = watch.close();
    assert_eq!(status, Some(0));
}

#[test]
fn all_modules_are_watched_and_the_newest_save_comes_first() {
    let course = Course::with(ENDLESS);
    let watch = Lines::begin(&course, &[]);
    watch.until("building");
    course.wait_for_programs();
    fs_err::write(course.source("udp-echo"), "fn main() {\n    todo!(\"mine\")\n}\n")
        .expect("save");
    let told = watch.until("graded in").join("\n");
    assert!(
        told.contains("saved exercises/udp-echo/src/main.rs - the grading that ran is"),
        "{told}"
    );
    assert!(told.contains("0 of 21 core checks pass"), "{told}");
    assert!(!told.contains("of 23"), "{told}");
    // What had run goes on after it, and the end of the input ends that.
    course.wait_for_programs();
    let (_, status) = watch.close();
    assert_eq!(status, Some(0));
    assert!(wait_until(|| processes_in(course.scratch()).is_empty()));
}

#[test]
fn a_name_that_is_no_modules_is_refused() {
    let course = Course::with(UNTOUCHED);
    let mut command = xtask(course.root(), course.scratch());
    support::run(command.args(["watch", "tcp-eco"])).refuses(&["did you mean `tcp-echo`?"]);
}
