//! The formats that other systems read, as `grade` writes them.
#![cfg(unix)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{course, folder, names_in, run, script, xtask};

/// A program that ends at once, with what a careless reader would obey.
const QUITTER: &str = "#!/bin/sh\nprintf '\\033[31m]]></failure>\\0&'\nexit 0\n";
/// What Classroom 50's runner says.
const CLASSROOM50: [(&str, &str); 8] = [
    ("CLASSROOM", "sockets"),
    ("ASSIGNMENT", "echo"),
    ("ASSIGNMENT_TYPE", "group"),
    ("OWNER", "ada"),
    ("SUBMISSION_TAG", "submit/2026-06-01T14-32-05Z-a1b2c3d"),
    ("COMMIT_URL", "https://example.org/commit"),
    ("RELEASE_URL", "https://example.org/release"),
    ("REVIEW_URL", ""),
];

fn grade(scratch: &Path, program: &Path, format: &str) -> Command {
    let mut command = xtask(&course(), scratch);
    command.args(["grade", "udp-echo", "--seed", "7", "--format", format, "--program"]);
    command.args([program.as_os_str()]);
    for (name, _) in CLASSROOM50 {
        command.env_remove(name);
    }
    command.env_remove("USERNAME");
    command
}

#[test]
fn each_format_is_one_document_on_standard_output() {
    let (scratch, files) = (folder(), folder());
    let program = files.path().join("quitter");
    script(&program, QUITTER);
    let told = |format: &str| {
        let mut command = grade(scratch.path(), &program, format);
        let ended = run(command.envs(CLASSROOM50));
        assert_eq!(ended.status, Some(1), "{format}: {}", ended.stderr);
        let harmful = |letter: char| letter.is_control() && letter != '\n';
        assert!(!ended.stdout.contains(harmful), "{format}: {}", ended.stdout);
        ended.stdout
    };
    let read = |format: &str| -> Value {
        serde_json::from_str(&told(format)).unwrap_or_else(|error| panic!("{format}: {error}"))
    };
    assert_eq!(read("gradescope")["score"], 0);
    assert_eq!(read("check50")["slug"], "udp-echo");
    assert_eq!(read("exercism")["status"], "fail");
    let result = read("classroom50");
    assert_eq!(result["schema"], "classroom50/result/v1");
    assert_eq!((&result["max-score"], &result["owner"]), (&100.into(), &"ada".into()));
    assert_eq!(
        (&result["review"], &result["assignment_type"]),
        (&result["commit"], &"group".into())
    );
    assert!(result["datetime"].as_str().is_some_and(|time| time.len() == 20), "{result}");
    let junit = told("junit");
    assert!(junit.starts_with("<?xml") && junit.ends_with("</testsuites>\n"), "{junit}");
    assert!(junit.contains("<testcase name=\"ready-line: "), "{junit}");
    assert!(names_in(scratch.path()).is_empty());
}

#[test]
fn without_classroom_50_its_format_says_what_is_missing() {
    let (scratch, files) = (folder(), folder());
    let program = files.path().join("quitter");
    script(&program, QUITTER);
    let out = files.path().join("result.json");
    let mut command = grade(scratch.path(), &program, "classroom50");
    command.env("CLASSROOM", "sockets").arg("--out").arg(&out);
    let ended = run(&mut command);
    ended.refuses(&["ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL", "USERNAME"]);
    assert!(!ended.stderr.contains("CLASSROOM,"), "{}", ended.stderr);
    assert!(!out.exists());
}
