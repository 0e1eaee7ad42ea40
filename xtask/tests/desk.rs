//! `reset`, `solution` and `doctor`: nothing of a learner's is ever lost, and nothing is shown too
//! early.
#![cfg(unix)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use support::{Ended, course, folder, names_in, run, small_course, xtask, xtask_after};

const STARTER: &str = "fn main() {\n    todo!(\"write it\")\n}\n";
const WORK: &str = "fn main() {\n    println!(\"work of hours\");\n}\n";
const REFERENCE: &str = "fn main() {\n    println!(\"as it is meant\");\n}\n";

/// A course of one module, begun by a learner.
struct Desk {
    root: tempfile::TempDir,
    scratch: tempfile::TempDir,
}

impl Desk {
    fn begun() -> Self {
        let desk = Self { root: folder(), scratch: folder() };
        small_course(desk.root.path(), STARTER, REFERENCE);
        desk.save(WORK);
        desk
    }

    fn exercise(&self) -> PathBuf {
        self.root.path().join("exercises/tcp-echo")
    }

    fn main_file(&self) -> PathBuf {
        self.exercise().join("src/main.rs")
    }

    fn save(&self, text: &str) {
        fs_err::write(self.main_file(), text).expect("save the work");
    }

    fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.exercise().join(path)).expect("read a file")
    }

    fn xtask(&self, arguments: &[&str]) -> Ended {
        let mut command = xtask(self.root.path(), self.scratch.path());
        run(command.env("CARGO_TARGET_DIR", self.root.path().join("target")).args(arguments))
    }

    /// Runs what has to succeed, and returns its words.
    fn told(&self, arguments: &[&str]) -> String {
        let ended = self.xtask(arguments);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        ended.stdout
    }
}

#[test]
fn reset_keeps_the_work_and_says_how_to_get_it_back() {
    let desk = Desk::begun();
    fs_err::write(desk.exercise().join("src/more.rs"), "// more\n").expect("write a file");
    let told = desk.told(&["reset", "tcp-echo"]);
    let filled = told.replace('\n', " ");
    assert!(filled.contains("differs from the starter in src/main.rs, src/more.rs"), "{told}");
    let command = "cargo xtask reset tcp-echo --back 1";
    assert!(told.contains(command), "{told}");
    assert_eq!(names_in(&desk.exercise().join("src")), ["main.rs"]);
    assert_eq!(desk.read("src/main.rs"), STARTER);
    assert_eq!(desk.read("kept/1/src/main.rs"), WORK);

    let told = desk.told(&["reset", "tcp-echo"]);
    assert!(told.contains("nothing to do"), "{told}");
    assert_eq!(names_in(&desk.exercise().join("kept")), ["1"]);

    let told = desk.told(&["reset", "tcp-echo", "--back", "1"]);
    assert!(told.contains("is your work again"), "{told}");
    assert_eq!(desk.read("src/main.rs"), WORK);
    assert_eq!(desk.read("src/more.rs"), "// more\n");
    // The starter, which stood there, is not worth keeping.
    assert_eq!(names_in(&desk.exercise()), ["Cargo.toml", "src"]);
}

#[test]
fn work_that_comes_back_changes_places_with_what_stands_there() {
    let desk = Desk::begun();
    desk.told(&["reset", "tcp-echo"]);
    desk.save("// second\n");
    desk.told(&["reset", "tcp-echo"]);
    desk.save("// third\n");
    assert_eq!(names_in(&desk.exercise().join("kept")), ["1", "2"]);
    let told = desk.told(&["reset", "tcp-echo", "--back"]);
    assert!(told.contains("What stood there is kept in exercises/tcp-echo/kept/2"), "{told}");
    assert_eq!(desk.read("src/main.rs"), "// second\n");
    assert_eq!(desk.read("kept/2/src/main.rs"), "// third\n");
    desk.told(&["reset", "tcp-echo", "--back", "2"]);
    assert_eq!(desk.read("src/main.rs"), "// third\n");
    assert_eq!(desk.read("kept/1/src/main.rs"), WORK);
}

#[test]
fn cargo_sees_that_the_sources_are_others() {
    let desk = Desk::begun();
    let old = SystemTime::now() - Duration::from_secs(3600);
    let file = std::fs::File::open(desk.main_file()).expect("open the work");
    file.set_modified(old).expect("make it old");
    let age = || {
        let modified = fs_err::metadata(desk.main_file()).expect("look at it").modified();
        modified.expect("its time").elapsed().unwrap_or_default()
    };
    desk.told(&["reset", "tcp-echo"]);
    assert!(age() < Duration::from_secs(600), "{:?}", age());
    desk.told(&["reset", "tcp-echo", "--back"]);
    assert_eq!(desk.read("src/main.rs"), WORK);
    assert!(age() < Duration::from_secs(600), "{:?}", age());
}

#[test]
fn reset_mends_what_is_missing_and_keeps_a_changed_manifest() {
    let desk = Desk::begun();
    fs_err::remove_dir_all(desk.exercise().join("src")).expect("lose the sources");
    let told = desk.told(&["reset", "tcp-echo"]);
    assert!(told.contains("Nothing had to be kept"), "{told}");
    assert_eq!(desk.read("src/main.rs"), STARTER);
    assert_eq!(names_in(&desk.exercise()), ["Cargo.toml", "src"]);
    let manifest = desk.read("Cargo.toml");
    fs_err::write(desk.exercise().join("Cargo.toml"), manifest.clone() + "# mine\n")
        .expect("change it");
    desk.told(&["reset", "tcp-echo"]);
    assert_eq!(desk.read("Cargo.toml"), manifest);
    assert!(desk.read("kept/1/Cargo.toml").ends_with("# mine\n"));
    desk.told(&["reset", "tcp-echo", "--back"]);
    assert!(desk.read("Cargo.toml").ends_with("# mine\n"));
}

#[test]
fn reset_refuses_what_it_cannot_do_and_changes_nothing() {
    let desk = Desk::begun();
    desk.xtask(&["reset"]).refuses(&["which module?", "cargo xtask reset tcp-echo"]);
    desk.xtask(&["reset", "tpc-echo"]).refuses(&["did you mean `tcp-echo`?"]);
    desk.xtask(&["reset", "udp-echo"]).refuses(&["no starter in", "crates/udp-echo/starter"]);
    desk.xtask(&["reset", "tcp-echo", "--back"]).refuses(&["no work of tcp-echo is kept"]);
    desk.told(&["reset", "tcp-echo"]);
    desk.xtask(&["reset", "tcp-echo", "--back", "7"]).refuses(&["under 7", "there is 1"]);
    fs_err::remove_dir_all(desk.exercise().join("kept/1/src")).expect("empty it");
    desk.xtask(&["reset", "tcp-echo", "--back"]).refuses(&["holds no src"]);
    assert_eq!(desk.read("src/main.rs"), STARTER);
    let elsewhere = desk.root.path().join("elsewhere");
    fs_err::rename(desk.exercise().join("src"), &elsewhere).expect("move the sources");
    std::os::unix::fs::symlink(&elsewhere, desk.exercise().join("src")).expect("make a link");
    desk.xtask(&["reset", "tcp-echo"]).refuses(&["src is a symbolic link"]);
}

#[test]
fn resets_at_the_same_time_lose_nothing() {
    for _ in 0..5 {
        let desk = Desk::begun();
        let start = || {
            let mut command = xtask(desk.root.path(), desk.scratch.path());
            command.args(["reset", "tcp-echo"]).stdout(std::process::Stdio::null());
            command.spawn().expect("the runner starts")
        };
        for mut reset in [start(), start(), start()] {
            reset.wait().expect("it ends");
        }
        assert_eq!(desk.read("src/main.rs"), STARTER);
        let kept = names_in(&desk.exercise().join("kept"));
        let found =
            kept.iter().any(|number| desk.read(&format!("kept/{number}/src/main.rs")) == WORK);
        assert!(found, "{kept:?}");
    }
}

#[test]
fn a_disk_that_is_full_leaves_the_work_where_it_is() {
    let desk = Desk::begun();
    let script = "mount -t tmpfs -o size=64k tmpfs exercises && cp -r saved/. exercises/ || exit 99
        head -c 1000000 /dev/zero > exercises/filler 2>/dev/null
        \"$XTASK\" reset tcp-echo; status=$?
        cat exercises/tcp-echo/src/main.rs; ls exercises/tcp-echo/kept; exit $status";
    let saved = desk.root.path().join("saved/tcp-echo");
    fs_err::create_dir_all(saved.join("src")).expect("make a folder");
    for file in ["Cargo.toml", "src/main.rs"] {
        fs_err::copy(desk.exercise().join(file), saved.join(file)).expect("copy a file");
    }
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script]).current_dir(desk.root.path());
    command.env("CARGO_MANIFEST_DIR", desk.root.path().join("xtask"));
    command.env("XTASK", env!("CARGO_BIN_EXE_xtask"));
    let ended = run(&mut command);
    if ended.status == Some(99) || ended.stderr.contains("unshare") {
        eprintln!("note: no small disk can be mounted here, so a full one is not tried");
        return;
    }
    assert_eq!(ended.status, Some(2), "{}", ended.stderr);
    assert_eq!(ended.stdout, WORK, "the work stands, and nothing is in kept/");
    for words in ["exercises/tcp-echo stands as it was", "the disk is full"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn the_reference_is_shown_when_it_is_earned_or_asked_for() {
    let desk = Desk::begun();
    let ended = desk.xtask(&["solution", "tcp-echo"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
    assert!(!ended.stdout.contains("as it is meant"), "{}", ended.stdout);
    for words in ["was not graded yet", "cargo xtask solution tcp-echo --anyway"] {
        assert!(ended.stdout.replace('\n', " ").contains(words), "{}", ended.stdout);
    }
    let told = desk.told(&["solution", "tcp-echo", "--anyway"]);
    let lines = "  fn main() {\n-     println!(\"work of hours\");\n\
                 +     println!(\"as it is meant\");\n  }\n";
    assert!(told.contains(lines), "{told}");
    assert!(told.replace('\n', " ").contains("lie in solutions/tcp-echo"), "{told}");
    assert!(!told.contains('\x1b'), "{told}");
    desk.xtask(&["solution", "tcp-echo", "mian.rs", "--anyway"]).refuses(&["`main.rs`"]);
    fs_err::remove_dir_all(desk.root.path().join("solutions")).expect("a handout without them");
    let ended = desk.xtask(&["solution", "tcp-echo", "--anyway"]);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("has no reference of tcp-echo"), "{}", ended.stdout);
}

#[test]
fn sentences_fit_60_columns_and_commands_stay_whole() {
    let desk = Desk::begun();
    let commands = ["solution tcp-echo --anyway", "reset tcp-echo --back 1"];
    for (arguments, command) in
        [["solution", "tcp-echo"], ["reset", "tcp-echo"]].iter().zip(commands)
    {
        let mut told = xtask(desk.root.path(), desk.scratch.path());
        let told = run(told.args(arguments).env("COLUMNS", "60")).stdout;
        assert!(told.lines().all(|line| line.len() <= 60), "{told}");
        assert!(told.contains(&format!("\n  cargo xtask {command}\n")), "{told}");
    }
    let mut told = xtask(desk.root.path(), desk.scratch.path());
    let told = run(told.arg("list").env("COLUMNS", "60")).stdout;
    assert!(told.contains("\n    The life of a stream socket\n"), "{told}");
}

#[test]
fn in_a_wide_terminal_both_stand_side_by_side() {
    let desk = Desk::begun();
    let mut command = xtask(desk.root.path(), desk.scratch.path());
    let ended = run(command.args(["solution", "tcp-echo", "--anyway"]).env("COLUMNS", "160"));
    let line = ended.stdout.lines().find(|line| line.contains("work of hours"));
    assert!(
        line.is_some_and(|line| line.contains("|     println!(\"as it is meant\")")),
        "{line:?}"
    );
}

/// Each line that is not whole says what it means and what to do.
fn expect_advice(told: &str) {
    let lines: Vec<&str> = told.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if !line.starts_with("limited") && !line.starts_with("MISSING") {
            continue;
        }
        let rest = lines[index + 1..].iter().take_while(|line| line.starts_with("         "));
        let rest: Vec<&str> = rest.copied().collect();
        for word in ["         It means: ", "         To do: "] {
            assert!(rest.iter().any(|line| line.starts_with(word)), "{line}\n{rest:?}");
        }
    }
}

#[test]
fn doctor_tries_what_a_grading_needs() {
    let scratch = folder();
    let ended = run(xtask(&course(), scratch.path()).arg("doctor").env("COLUMNS", "60"));
    assert_eq!(ended.stderr, "");
    for line in ["ok       TCP: connected", "ok       UDP: sent", "ok       scratch folder: wrote"]
    {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    assert!(ended.stdout.lines().all(|line| line.chars().count() <= 60), "{}", ended.stdout);
    expect_advice(&ended.stdout);
    assert_eq!(ended.status, Some(0), "{}", ended.stdout);
    assert!(names_in(scratch.path()).is_empty());
}

#[test]
fn doctor_finds_what_is_missing() {
    let desk = Desk::begun();
    fs_err::remove_file(desk.main_file()).expect("lose a file");
    let mut command = xtask(desk.root.path(), Path::new("/nowhere"));
    let ended = run(command.arg("doctor").env("CARGO_TARGET_DIR", "/dev/null/target"));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""), "{}", ended.stdout);
    for line in [
        "MISSING  tcp-echo: exercises/tcp-echo lacks src/main.rs",
        "MISSING  build folder: wrote to /dev/null/target",
        "MISSING  scratch folder: ",
        "The course cannot be done here yet",
    ] {
        assert!(ended.stdout.contains(line), "no {line:?} in:\n{}", ended.stdout);
    }
    expect_advice(&ended.stdout);
    let scratch = folder();
    let ended = run(xtask_after("ulimit -n 64", &course(), scratch.path()).arg("doctor"));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("MISSING  descriptors: opened "), "{}", ended.stdout);
}

#[test]
#[cfg(target_os = "linux")]
fn doctor_sees_a_network_that_is_down_and_namespaces_that_are_refused() {
    let within = |preparation: &str| {
        let scratch = folder();
        let script = format!("{preparation}; exec \"$0\" doctor");
        let mut command = Command::new("unshare");
        command.args(["-rmn", "sh", "-c", &script, env!("CARGO_BIN_EXE_xtask")]);
        command.current_dir(course()).env("TMPDIR", scratch.path());
        run(&mut command)
    };
    let ended = within("true");
    if ended.stderr.contains("unshare") {
        eprintln!("note: no namespaces can be made here, so doctor is not tried in one");
        return;
    }
    assert_eq!(ended.status, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("MISSING  TCP: on 127.0.0.1: connect: "), "{}", ended.stdout);
    assert!(ended.stdout.contains("To do: the loopback interface is down"), "{}", ended.stdout);
    expect_advice(&ended.stdout);
    let none = "for kind in net mnt; do echo 0 > /proc/sys/user/max_${kind}_namespaces; done";
    let ended = within(none);
    for line in ["limited  network namespace: tried it", "limited  mount namespace: tried it"] {
        assert!(ended.stdout.contains(line), "no {line:?} in:\n{}", ended.stdout);
    }
    assert!(ended.stdout.contains("max_net_namespaces"), "{}", ended.stdout);
    expect_advice(&ended.stdout);
}

#[test]
fn the_picture_of_a_failure_is_recorded_from_a_grading() {
    let (scratch, files) = (folder(), folder());
    let picture = files.path().join("failure.svg");
    let mut command = xtask(&course(), scratch.path());
    let ended = run(command.args(["picture", "--out"]).arg(&picture));
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let drawn = fs_err::read_to_string(&picture).expect("read the picture");
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"), "{drawn}");
    for words in ["$ cargo xtask grade tcp-echo --check", "The promise", "Expected", "Got", "Hint"]
    {
        assert!(drawn.contains(words), "no {words:?} in {drawn}");
    }
    assert!(drawn.contains("class=\"bold red\""), "{drawn}");
    assert!(!drawn.contains('\x1b'), "{drawn}");
}

#[test]
fn verify_holds_the_starter_to_its_copy() {
    let desk = Desk::begun();
    let ended = desk.xtask(&["verify", "tcp-echo"]);
    let told = "exercises/tcp-echo/src/main.rs is not crates/tcp-echo/starter/src/main.rs";
    assert!(ended.stdout.contains(told), "{}", ended.stdout);
    desk.told(&["reset", "tcp-echo"]);
    let ended = desk.xtask(&["verify", "tcp-echo"]);
    assert!(!ended.stdout.contains("is not crates/"), "{}", ended.stdout);
}
