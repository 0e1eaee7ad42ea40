//! The tasks for VS Code, held to what the runner and the compiler really say.
#![cfg(unix)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{course, folder, names_in, run, small_course, xtask};

fn read(name: &str) -> Value {
    let text = fs_err::read_to_string(course().join(".vscode").join(name)).expect("read the file");
    serde_json::from_str(&text).expect("it is JSON without comments")
}

fn tasks() -> Vec<Value> {
    read("tasks.json")["tasks"].as_array().expect("a list of tasks").clone()
}

#[test]
fn every_task_runs_a_command_that_there_is() {
    let scratch = folder();
    let tasks = tasks();
    assert!(tasks.len() > 4);
    for task in tasks {
        assert_eq!(task["command"], "cargo", "{task}");
        let arguments = task["args"].as_array().expect("arguments");
        assert_eq!(arguments[0], "xtask", "{task}");
        let mut command = xtask(&course(), scratch.path());
        command.args(arguments[1..].iter().take(1).filter_map(Value::as_str)).arg("--help");
        let ended = run(&mut command);
        assert_eq!(ended.status, Some(0), "{task}: {}", ended.stderr);
        for name in ["label", "detail"] {
            assert!(task[name].as_str().is_some_and(|text| !text.is_empty()), "{task}");
        }
    }
}

#[test]
fn the_modules_to_choose_from_are_those_of_the_course() {
    let mut offered: Vec<String> = read("tasks.json")["inputs"][0]["options"]
        .as_array()
        .expect("modules")
        .iter()
        .map(|module| module.as_str().unwrap_or_default().to_owned())
        .collect();
    offered.sort();
    assert_eq!(offered, names_in(&course().join("exercises")));
    let extensions = read("extensions.json");
    assert_eq!(extensions["recommendations"][0], "rust-lang.rust-analyzer");
}

/// The lines of `text` that an extended regular expression matches, as `grep` finds them.
fn matching(expression: &str, text: &str) -> Vec<String> {
    let mut command = Command::new("grep");
    command.args(["-E", expression]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut grep = command.spawn().expect("grep starts");
    let mut stdin = grep.stdin.take().expect("its standard input");
    stdin.write_all(text.as_bytes()).expect("write to it");
    drop(stdin);
    let output = grep.wait_with_output().expect("it ends");
    let found = String::from_utf8(output.stdout).expect("text");
    found.lines().map(str::to_owned).collect()
}

#[test]
fn a_compiler_error_becomes_a_problem_with_its_place() {
    let (scratch, root) = (folder(), folder());
    let broken = "fn main() {\n    let answer: u32 = \"forty-two\";\n}\n";
    small_course(root.path(), broken, broken);
    let mut command = xtask(root.path(), scratch.path());
    command.args(["grade", "tcp-echo"]).env("CARGO_TARGET_DIR", root.path().join("target"));
    let told = run(&mut command).stdout;
    let mut grading = 0;
    for task in tasks() {
        let Some(pattern) = task["problemMatcher"]["pattern"].as_array() else {
            continue;
        };
        grading += 1;
        let found = |index: usize| {
            matching(pattern[index]["regexp"].as_str().expect("an expression"), &told)
        };
        assert_eq!(found(0), ["error[E0308]: mismatched types"], "{told}");
        assert_eq!(found(1).len(), 1, "{told}");
        assert!(found(1)[0].ends_with("exercises/tcp-echo/src/main.rs:2:23"), "{told}");
    }
    assert_eq!(grading, 2);
}
