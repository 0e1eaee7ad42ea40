//! What the grader says of each hostile program.

use std::time::Duration;

use crate::support::{Outcome, Test, ensure, grade, grade_locking, grade_within, same};

pub const TESTS: &[Test] = &[
    ("an_echo_passes", || {
        passes("echoes", &["converse", "converse-twice", "ready-line", "no-more"])
    }),
    ("floods_stdout", floods_stdout),
    ("floods_stderr", floods_stderr),
    ("floods_after_its_answer", floods_after_its_answer),
    ("closes_stdout_and_serves", closes_stdout),
    ("half_a_ready_line_and_nothing_more", half_ready_line),
    ("ready_lines_that_are_wrong", wrong_ready_lines),
    ("exits_before_it_is_ready", exits_before_it_is_ready),
    ("answers_then_crashes", answers_then_crashes),
    ("panics", panics),
    ("todo_in_a_thread", todo_in_a_thread),
    ("never_reads", never_reads),
    ("never_answers", never_answers),
    ("never_accepts", never_accepts),
    ("never_answers_below_a_shell", never_answers_below_a_shell),
    ("answers_late", || passes("answers-late", &["converse"])),
    ("spins", spins),
    ("polls_then_answers", || passes("polls", &["converse"])),
    ("deadlocks", deadlocks),
    ("resets", resets),
    ("adds_bytes", adds_bytes),
    ("mistake_before_a_crash", mistake_before_a_crash),
    ("stays_open", stays_open),
    ("starts_a_daemon", || passes("starts-daemon", &["converse-twice"])),
    ("becomes_a_daemon", becomes_daemon),
    ("ignores_sigterm", || passes("ignores-sigterm", &["survives-sigterm"])),
    ("forks_for_each_connection", || passes("forks", &["converse-twice"])),
    ("serves_below_a_shell", || passes("shell-echoes", &["converse-twice", "ready-line"])),
    ("writes_10000_files", || passes_in_time("many-files")),
    ("writes_a_big_file", || passes_in_time("big-file")),
    ("leaves_locked_folders", || grade_locking("locked-folders", "converse")?.passed()),
    ("client_that_is_right", || passes("sends", &["client"])),
    ("client_connects_thousandfold", || passes("connects-thousandfold", &["client"])),
    ("client_hangs_after_its_work", client_hangs),
    ("client_sleeps_after_its_work", client_sleeps),
    ("client_waits_for_stdin", client_waits_for_stdin),
    ("client_never_connects", client_never_connects),
];

fn passes(way: &str, checks: &[&str]) -> Outcome {
    for check in checks {
        grade(way, check)?.passed()?;
    }
    Ok(())
}

/// For programs that have much to do before they are ready.
fn passes_in_time(way: &str) -> Outcome {
    grade_within(way, "converse", Duration::from_secs(60))?.passed()
}

fn floods_stdout() -> Outcome {
    for way in ["floods-stdout", "floods-long-lines", "floods-without-newline"] {
        let told = grade(way, "converse")?;
        told.says(
            "flood",
            &["standard output", "your server"],
            &["stopped reading", "ended your server"],
        )?;
    }
    Ok(())
}

fn floods_stderr() -> Outcome {
    grade("floods-stderr", "converse")?.says("flood", &["standard error"], &["ended your server"])
}

/// A step that is content with silence does not take a flood for it.
fn floods_after_its_answer() -> Outcome {
    grade("floods-after-answer", "no-more")?.says("flood", &["standard output"], &[])
}

fn closes_stdout() -> Outcome {
    passes("closes-stdout", &["converse-twice"])?;
    grade("closes-stdout", "ready-line")?.says(
        "no-ready-line",
        &["exactly this on standard output: \"listening on 127.0.0.1:"],
        &["nothing on standard output"],
    )
}

fn half_ready_line() -> Outcome {
    let told = grade("half-ready-line", "converse")?;
    told.says(
        "no-ready-line",
        &["the line `listening on IP:PORT`"],
        &["\"listening on 127.0.0.\"", "pause"],
    )?;
    told.came_early()
}

/// Each costs the check that is about the line, and no other.
fn wrong_ready_lines() -> Outcome {
    for (way, got) in [
        ("half-ready-line-and-serves", "\"listening on 127.0.0.\""),
        ("no-newline", "\"listening on 127.0.0.1:"),
        ("wrong-port", "\\n\""),
        ("two-ready-lines", "\\nlistening on 127.0.0.1:"),
        ("long-line-first", "xxxxxxxx … and 999,"),
        ("logs-before-it-listens", "\"starting\\nlistening on 127.0.0.1:"),
        ("not-utf8", "\"\\xfelistening on 127.0.0.1:"),
    ] {
        passes(way, &["converse-twice"])?;
        let expected = "exactly this on standard output: \"listening on 127.0.0.1:";
        let told = grade(way, "ready-line")?;
        let is_unended = way == "no-newline";
        let symptom = if is_unended { "unended-ready-line" } else { "bad-ready-line" };
        told.says(symptom, &[expected], &[got])?;
        let feedback = told.failed(symptom)?;
        ensure(feedback.expected != feedback.got, "expected and got read the same")?;
        ensure(feedback.got.len() < 5_000, "what came fills more than a screen")?;
    }
    Ok(())
}

fn exits_before_it_is_ready() -> Outcome {
    let line = ["the line `listening on IP:PORT`"];
    grade("exits-0", "converse")?.says(
        "exited",
        &line,
        &["exit status 0", "nothing to standard error"],
    )?;
    grade("exits-1", "converse")?.says("exited", &line, &["exit status 1", "no luck today"])?;
    let told = grade("lacks-a-system-call", "converse")?;
    told.says("exited", &line, &["Function not implemented"])?;
    grade("aborts", "converse")?.says("crashed", &line, &["SIGABRT"])
}

fn answers_then_crashes() -> Outcome {
    passes("answers-then-crashes", &["converse"])?;
    grade("answers-then-crashes", "converse-twice")?.says("crashed", &[], &["SIGSEGV"])
}

fn panics() -> Outcome {
    grade("panics", "converse")?.says(
        "crashed",
        &["hello"],
        &["panicked (exit status 101)", "no conversation today"],
    )?;
    let told = grade("panics-in-a-thread", "converse")?;
    told.says("cut-short", &["hello"], &["the end of the stream"])?;
    let feedback = told.failed("cut-short")?;
    ensure(feedback.transcript.contains("no conversation today"), "the panic's words are not shown")
}

fn todo_in_a_thread() -> Outcome {
    grade("todo-in-a-thread", "converse")?.says("not-implemented", &[], &["send the bytes back"])
}

fn never_reads() -> Outcome {
    let told = grade("never-reads", "takes-much")?;
    told.says("stalled", &["your server reads what the grader sends"], &["your server", "pause"])?;
    told.came_early()
}

fn never_answers() -> Outcome {
    let told = grade("never-answers", "no-more")?;
    told.says(
        "stalled",
        &["hello", "from your server"],
        &["nothing will come", "your server is blocked in recv", "fd "],
    )?;
    told.came_early()?;
    let hint = &grade("never-accepts", "converse")?.failed("stalled")?.hint.clone();
    same("hint", hint.as_str(), "The hint for a stall.")
}

fn never_accepts() -> Outcome {
    let told = grade("never-accepts", "converse")?;
    told.says("stalled", &["hello"], &["waits for a signal (pause)"])?;
    told.came_early()
}

/// It is not the shell that has to answer.
fn never_answers_below_a_shell() -> Outcome {
    let told = grade("shell-never-answers", "no-more")?;
    told.says(
        "stalled",
        &["hello"],
        &["a child process of your server is blocked in recv", "waits for a child process"],
    )?;
    told.came_early()
}

/// A program that runs gets all of its time.
fn spins() -> Outcome {
    let deadline = Duration::from_millis(1500);
    let told = grade_within("spins", "converse", deadline)?;
    told.says("too-late", &["hello"], &["nothing for 1.", "is not blocked: it runs"])?;
    ensure(told.report.duration >= deadline, "it did not get the whole deadline")
}

fn deadlocks() -> Outcome {
    let told = grade("deadlocks", "converse")?;
    told.says("stalled", &["hello"], &["waits for a lock", "and 2 more threads the same"])?;
    told.came_early()
}

fn resets() -> Outcome {
    grade("resets", "converse")?.says("reset", &["hello"], &["a reset (RST) after 0 bytes"])
}

fn adds_bytes() -> Outcome {
    let (expected, got) = (["no further byte"], ["more bytes", "00 00 00"]);
    grade("adds-bytes", "no-more")?.says("extra-bytes", &expected, &got)?;
    grade("adds-bytes", "converse")?.says("extra-bytes", &["the end of the stream"], &got)
}

/// The grader closes its connection when a check has failed. A program that panics at that has made
/// its mistake before.
fn mistake_before_a_crash() -> Outcome {
    for check in ["no-more", "converse"] {
        grade("whole-buffer", check)?.failed("extra-bytes")?;
    }
    Ok(())
}

fn stays_open() -> Outcome {
    let told = grade("stays-open", "converse")?;
    told.says("still-open", &["the end of the stream"], &["blocked in accept"])?;
    told.came_early()
}

/// The daemon serves, and still the program has ended.
fn becomes_daemon() -> Outcome {
    grade("becomes-daemon", "converse-twice")?.says("exited", &[], &["exit status 0"])
}

fn client_hangs() -> Outcome {
    let told = grade("hangs-after-work", "client")?;
    told.says("stalled", &["your client ends by itself"], &["your client", "pause"])?;
    told.came_early()
}

fn client_sleeps() -> Outcome {
    let deadline = Duration::from_millis(1500);
    let told = grade_within("sleeps-after-work", "client", deadline)?;
    told.says("still-running", &["your client ends by itself"], &["nothing for 1."])
}

fn client_waits_for_stdin() -> Outcome {
    let told = grade("waits-for-stdin", "client")?;
    told.says("stalled", &["your client connects to 127.0.0.1:"], &["blocked in read on fd 0"])?;
    told.came_early()
}

fn client_never_connects() -> Outcome {
    let told = grade("never-connects", "client")?;
    told.says(
        "stalled",
        &["your client connects to 127.0.0.1:"],
        &["your client waits for a signal"],
    )?;
    told.came_early()
}
