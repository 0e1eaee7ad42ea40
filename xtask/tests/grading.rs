//! What `grade` and `verify` do with programs that build, programs that don't, and results.
#![cfg(unix)]

mod support;

use serde_json::Value;
use support::{course, folder, names_in, run, script, small_course, xtask};

/// A program that is not begun.
const UNTOUCHED: &str = "fn main() {\n    todo!(\"write it\")\n}\n";
/// A program that the compiler refuses.
const BROKEN: &str = "fn main() {\n    let answer: u32 = \"forty-two\";\n}\n";

#[test]
fn a_program_that_does_not_build_shows_the_compilers_words() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), BROKEN, UNTOUCHED);
    let target = root.path().join("target");
    let mut command = xtask(root.path(), scratch.path());
    let ended = run(command.args(["grade", "tcp-echo"]).env("CARGO_TARGET_DIR", &target));
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("error[E0308]: mismatched types"), "{}", ended.stdout);
    assert!(ended.stdout.contains("exercises/tcp-echo/src/main.rs:2:"), "{}", ended.stdout);

    let mut command = xtask(root.path(), scratch.path());
    command.args(["grade", "tcp-echo", "--format", "json"]).env("CARGO_TARGET_DIR", &target);
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let document: Value = serde_json::from_str(&ended.stdout).expect("one document");
    let module = &document["modules"][0];
    assert!(module["error"].as_str().is_some_and(|error| error.contains("E0308")), "{module}");
    let checks = module["checks"].as_array().expect("the checks");
    assert!(!checks.is_empty() && checks.iter().all(|check| check["status"] == "failed"));
    let mut command = xtask(root.path(), scratch.path());
    let listed = run(command.arg("list").env("CARGO_TARGET_DIR", &target));
    assert!(listed.stdout.contains("does not build"), "{}", listed.stdout);
    assert!(names_in(scratch.path()).is_empty());
}

#[test]
fn a_warning_is_shown_and_fails_nothing_by_itself() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), &format!("use std::io;\n{UNTOUCHED}"), UNTOUCHED);
    let target = root.path().join("target");
    for _fresh_or_not in 0..2 {
        let mut command = xtask(root.path(), scratch.path());
        let ended = run(command.args(["grade", "tcp-echo"]).env("CARGO_TARGET_DIR", &target));
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("unused import: `std::io`"), "{}", ended.stderr);
        assert!(!ended.stdout.contains("unused import"), "{}", ended.stdout);
        assert!(ended.stdout.contains("not implemented yet"), "{}", ended.stdout);
    }
    let overview = run(xtask(root.path(), scratch.path()).env("CARGO_TARGET_DIR", &target));
    assert_eq!(overview.status, Some(0));
    let next = "Next: read exercises/tcp-echo/README.md";
    assert!(overview.stdout.contains(next), "{}", overview.stdout);
}

#[test]
fn a_grading_in_a_modules_folder_takes_that_module() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    let target = root.path().join("target");
    let inside = root.path().join("exercises/tcp-echo/src");
    let mut command = xtask(root.path(), scratch.path());
    command.args(["grade", "--format", "json"]).env("CARGO_TARGET_DIR", &target);
    let ended = run(command.current_dir(&inside));
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let document: Value = serde_json::from_str(&ended.stdout).expect("one document");
    let modules = document["modules"].as_array().expect("the modules");
    let names: Vec<&Value> = modules.iter().map(|module| &module["module"]).collect();
    assert_eq!(names, ["tcp-echo"]);

    // A folder of the course that is no module's: all modules are meant, and one has no program.
    let mut command = xtask(root.path(), scratch.path());
    command.arg("grade").env("CARGO_TARGET_DIR", &target);
    let ended = run(command.current_dir(root.path().join("exercises")));
    ended.refuses(&["cannot build tcp-echo", "did not match any packages"]);
}

#[test]
fn what_a_grading_showed_is_kept_and_a_broken_file_put_aside() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    let target = root.path().join("target");
    let file = root.path().join(".progress.toml");
    fs_err::write(&file, "[tcp-echo\n").expect("write a broken file");
    let mut command = xtask(root.path(), scratch.path());
    command.args(["grade", "tcp-echo", "--check", "half-close", "--check", "usage"]);
    let ended = run(command.env("CARGO_TARGET_DIR", &target));
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("kept as .progress.toml.broken-1"), "{}", ended.stderr);
    let aside = fs_err::read_to_string(root.path().join(".progress.toml.broken-1"));
    assert_eq!(aside.expect("it is kept"), "[tcp-echo\n");
    let text = fs_err::read_to_string(&file).expect("a new file is begun");
    let half_close = "half-close = { best = \"failed\", last = \"failed\", \
                      symptom = \"not-implemented\" }";
    assert!(text.contains(half_close), "{text}");

    // Neither the reference nor another program says how far the learner is.
    for more in [&["--solutions"][..], &["--program", "/bin/false"]] {
        let mut command = xtask(root.path(), scratch.path());
        command.args(["grade", "tcp-echo", "--check", "usage"]).args(more);
        assert_eq!(run(command.env("CARGO_TARGET_DIR", &target)).status, Some(1));
        assert_eq!(fs_err::read_to_string(&file).expect("the file is there"), text);
    }
}

#[test]
fn two_gradings_at_once_keep_both_results() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    let target = root.path().join("target");
    let checks = ["half-close", "usage", "port-taken"];
    let grade = |check: &str| {
        let mut command = xtask(root.path(), scratch.path());
        command.args(["grade", "tcp-echo", "--check", check]).env("CARGO_TARGET_DIR", &target);
        command.stdout(std::process::Stdio::null());
        command.spawn().expect("the runner starts")
    };
    for mut grading in checks.map(grade) {
        assert_eq!(grading.wait().expect("it ends").code(), Some(1));
    }
    let text = fs_err::read_to_string(root.path().join(".progress.toml")).expect("it was kept");
    for check in checks {
        assert!(text.contains(&format!("\n{check} = {{ best = \"failed\"")), "{text}");
    }
}

#[test]
fn one_failure_is_told_in_full_and_all_if_asked() {
    let (scratch, files) = (folder(), folder());
    let program = files.path().join("quitter");
    script(&program, "#!/bin/sh\nexit 0\n");
    let promises = |more: &[&str]| {
        let mut command = xtask(&course(), scratch.path());
        command.args(["grade", "tcp-echo", "--check", "ready-line", "--check", "usage"]);
        let ended = run(command.args(more).arg("--program").arg(&program));
        assert_eq!(ended.status, Some(1), "{}", ended.stderr);
        let details = ended.stdout.contains("Also failed");
        (ended.stdout.matches("  The promise\n").count(), details)
    };
    assert_eq!(promises(&[]), (1, true));
    assert_eq!(promises(&["--all"]), (2, false));
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_gets_links_and_a_pipe_does_not() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    let target = root.path().join("target");
    let told = |mut command: std::process::Command, more: &str| {
        command.current_dir(root.path()).env("CARGO_MANIFEST_DIR", root.path().join("xtask"));
        command.env("CARGO_TARGET_DIR", &target).env("TMPDIR", scratch.path());
        command.env("TERM", "xterm-256color").env("FORCE_HYPERLINK", "1").env_remove("NO_COLOR");
        run(command.env_remove("TERM_PROGRAM").env(more, "1")).stdout
    };
    let line = [env!("CARGO_BIN_EXE_xtask"), "grade", "tcp-echo", "--check", "usage"];
    let piped = || {
        let mut command = std::process::Command::new(line[0]);
        command.args(&line[1..]);
        command
    };
    let on_terminal = || {
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &line.join(" "), "/dev/null"]);
        command
    };
    let link = "\x1b]8;;";
    for (command, more) in
        [(piped(), "IGNORED"), (piped(), "CLICOLOR_FORCE"), (on_terminal(), "NO_COLOR")]
    {
        let text = told(command, more);
        assert!(text.contains("edit exercises/tcp-echo/src/main.rs:2"), "{more}: {text}");
        assert!(!text.contains(link), "{more}: {text}");
    }
    let text = told(on_terminal(), "IGNORED");
    let source = root.path().canonicalize().expect("it is there");
    let source = source.join("exercises/tcp-echo/src/main.rs");
    let end = format!("{}\x1b\\exercises/tcp-echo/src/main.rs:2", source.display());
    assert!(text.contains(&format!("{link}file://")), "{text:?}");
    assert!(text.contains(&end), "{text:?}");
}

#[test]
fn a_broken_package_is_told_in_cargos_words() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), UNTOUCHED, UNTOUCHED);
    let manifest = root.path().join("exercises/tcp-echo/Cargo.toml");
    fs_err::write(manifest, "[package]\n").expect("break it");
    let mut command = xtask(root.path(), scratch.path());
    command.args(["grade", "tcp-echo"]).env("CARGO_TARGET_DIR", root.path().join("target"));
    run(&mut command).refuses(&["cannot build tcp-echo", "failed to parse manifest"]);
}

#[test]
fn a_failure_of_the_grader_is_a_document_too() {
    let scratch = folder();
    let mut command = xtask(&course(), scratch.path());
    let ended = run(command.args(["grade", "nothing", "--format", "json"]));
    assert_eq!(ended.status, Some(2));
    let document: Value = serde_json::from_str(&ended.stdout).expect("one document");
    assert_eq!(document["schema"], "grade/v1");
    let error = document["error"].as_str().unwrap_or_default();
    assert!(error.contains("nothing"), "{document}");
    assert!(ended.stderr.contains("no module `nothing`"));
}

#[test]
fn a_result_file_replaces_the_old_one_and_the_terminal_gets_text() {
    let (scratch, files) = (folder(), folder());
    let program = files.path().join("quitter");
    script(&program, "#!/bin/sh\nexit 0\n");
    let out = files.path().join("result.json");
    fs_err::write(&out, "old").expect("write the old result");
    let mut command = xtask(&course(), scratch.path());
    command.args(["grade", "tcp-echo", "--seed", "7", "--format", "json"]);
    command.args(["--check", "one-message", "--program"]).arg(&program).arg("--out").arg(&out);
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let written = fs_err::read_to_string(&out).expect("read the result");
    let document: Value = serde_json::from_str(&written).expect("one document");
    assert_eq!(document["seed"], 7);
    assert_eq!(document["modules"][0]["checks"].as_array().map(Vec::len), Some(1));
    assert!(ended.stdout.contains("tcp-echo"), "{}", ended.stdout);
    assert_eq!(names_in(files.path()), ["quitter", "result.json"]);
    assert!(names_in(scratch.path()).is_empty());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (scratch, files) = (folder(), folder());
    let program = files.path().join("quitter");
    script(&program, "#!/bin/sh\nexit 0\n");
    let mut command = xtask(&course(), scratch.path());
    command.args(["grade", "tcp-echo", "--program"]).arg(&program);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = command.stdout(writer).status().expect("the runner starts");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn verify_says_what_is_missing() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), "use std::io;\nfn main() {}\n", UNTOUCHED);
    let path = root.path().join("crates/tcp-echo/module.toml");
    let manifest = support::manifest().replacen("points = ", "points = 10", 1);
    fs_err::write(&path, manifest).expect("change the points");
    let mut command = xtask(root.path(), scratch.path());
    command.args(["verify", "tcp-echo"]).env("CARGO_TARGET_DIR", root.path().join("target"));
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    let told = &ended.stdout;
    for sentence in [
        "points together; make them 100",
        "there is no handout exercises/tcp-echo/README.md",
        "the starter compiles with warnings",
        "it should reach a todo!() first",
        "the reference does not pass `one-message`",
        "no known-wrong program fails `one-message`",
    ] {
        assert!(told.contains(sentence), "no {sentence:?} in:\n{told}");
    }
    assert!(names_in(scratch.path()).is_empty());
}
