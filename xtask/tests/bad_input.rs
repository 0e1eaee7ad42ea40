//! Bad input: each its own message, status 2, nothing left behind.
#![cfg(unix)]

mod support;

use std::path::Path;
use std::process::Command;

use support::{
    Ended, course, folder, manifest, names_in, run, script, small_course, xtask, xtask_after,
};

/// A program that ends at once: every check fails soon.
const QUITTER: &str = "#!/bin/sh\nexit 0\n";

#[test]
fn an_unknown_module_is_answered_with_the_nearest() {
    let scratch = folder();
    let ended = run(xtask(&course(), scratch.path()).args(["grade", "tpc-echo"]));
    ended.refuses(&["no module `tpc-echo`", "did you mean `tcp-echo`?"]);
}

#[test]
fn an_unknown_check_is_answered_with_the_nearest() {
    let scratch = folder();
    let mut command = xtask(&course(), scratch.path());
    let ended = run(command.args(["grade", "tcp-echo", "--check", "halfclose"]));
    ended.refuses(&["no check `halfclose`", "`half-close`"]);
}

#[test]
fn wrong_usage_names_what_is_wrong() {
    let scratch = folder();
    let course = course();
    let refuse = |arguments: &[&str], words: &[&str]| {
        run(xtask(&course, scratch.path()).args(arguments)).refuses(words);
    };
    refuse(&["grade", "--format", "xml"], &["xml", "text", "json"]);
    refuse(&["grade", "--seed", "many"], &["many", "--seed"]);
    refuse(&["grade", "--deadline-ms", "0"], &["--deadline-ms"]);
    refuse(&["grade", "--solutions", "--program", "x"], &["--solutions", "--program"]);
    refuse(&["grad"], &["grad", "grade"]);
    refuse(&["verify", "udp"], &["no module `udp`"]);
}

#[test]
fn each_bad_program_path_has_its_own_message() {
    let (scratch, files) = (folder(), folder());
    let course = course();
    let plain = files.path().join("plain");
    fs_err::write(&plain, "echo\n").expect("write the file");
    let refuse = |path: &Path, words: &[&str]| {
        let mut command = xtask(&course, scratch.path());
        let ended = run(command.args(["grade", "tcp-echo", "--program"]).arg(path));
        ended.refuses(words);
        ended.refuses(&[&path.display().to_string()]);
    };
    refuse(&files.path().join("missing"), &["there is no program"]);
    refuse(files.path(), &["is a folder"]);
    refuse(&plain, &["is not executable", "chmod +x"]);
    refuse(Path::new("/dev/null"), &["no regular file"]);
    let mut command = xtask(&course, scratch.path());
    let ended = run(command.args(["trace", "tcp-echo", "--program"]).arg(&plain));
    ended.refuses(&["`cargo xtask trace tcp-echo --program"]);
    assert!(names_in(scratch.path()).is_empty());
}

#[test]
fn a_broken_manifest_is_told_with_file_line_and_what_to_do() {
    let (scratch, root) = (folder(), folder());
    small_course(root.path(), "fn main() {}\n", "fn main() {}\n");
    let path = root.path().join("crates/tcp-echo/module.toml");
    let place = format!("{}:1:8", path.canonicalize().expect("the manifest is there").display());
    fs_err::write(&path, format!("name = oops\n{}", manifest())).expect("break the manifest");
    for command in ["grade", "list", "verify"] {
        let ended = run(xtask(root.path(), scratch.path()).arg(command));
        assert_eq!(ended.status, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(&place), "no {place} in {}", ended.stderr);
        assert!(ended.stderr.contains("mend the line"), "{}", ended.stderr);
    }
}

#[test]
fn outside_a_course_the_runner_says_so() {
    let (scratch, nowhere) = (folder(), folder());
    run(&mut xtask(nowhere.path(), scratch.path())).refuses(&["is not inside the course"]);
}

#[test]
fn a_result_file_that_cannot_be_written_is_told_before_the_grading() {
    let (scratch, files) = (folder(), folder());
    let program = files.path().join("quitter");
    script(&program, QUITTER);
    let refuse = |out: &Path, words: &[&str]| {
        let mut command = xtask(&course(), scratch.path());
        command.args(["grade", "tcp-echo", "--program"]).arg(&program).arg("--out").arg(out);
        run(&mut command).refuses(words);
    };
    refuse(files.path(), &["it is a folder"]);
    refuse(&files.path().join("none/result.json"), &["there is no folder", "none"]);
    assert_eq!(names_in(files.path()), ["quitter"]);
}

#[test]
fn a_temporary_folder_that_is_missing_is_named() {
    let files = folder();
    let program = files.path().join("quitter");
    script(&program, QUITTER);
    let missing = files.path().join("gone");
    let mut command = xtask(&course(), &missing);
    let ended = run(command.args(["grade", "tcp-echo", "--program"]).arg(&program));
    ended.refuses(&[&missing.display().to_string()]);
}

#[test]
fn without_free_descriptors_the_message_says_so() {
    let (scratch, files) = (folder(), folder());
    let program = files.path().join("quitter");
    script(&program, QUITTER);
    for limit in [5, 6, 8, 10, 12, 16, 20, 24] {
        let mut command = xtask_after(&format!("ulimit -n {limit}"), &course(), scratch.path());
        command.args(["grade", "tcp-echo", "--check", "one-message", "--program"]).arg(&program);
        let ended = run(&mut command);
        let told = format!("with {limit}: {}{}", ended.stdout, ended.stderr);
        assert!(matches!(ended.status, Some(1 | 2)), "{told}");
        assert!(!told.contains("panicked"), "{told}");
        if ended.status == Some(2) {
            assert!(told.contains("no file descriptors are free"), "{told}");
        }
        if limit <= 6 {
            ended.refuses(&["no file descriptors are free", "ulimit -n"]);
        }
    }
    assert!(names_in(scratch.path()).is_empty());
}

/// Whether this machine lets a test mount a small disk in namespaces of its own.
fn can_mount() -> bool {
    let mount = "mount -t tmpfs -o size=64k tmpfs /mnt";
    let tried = Command::new("unshare").args(["-rm", "sh", "-c", mount]).output();
    let can = tried.is_ok_and(|tried| tried.status.success());
    if !can {
        eprintln!("note: no small disk can be mounted here, so a full one is not tried");
    }
    can
}

/// What came of a grading beside a small disk, and what the disk held afterwards.
struct OnSmallDisk {
    ended: Ended,
    left: String,
}

/// Grades `program` while a disk of 64 KiB is mounted at `$DISK`, seen by the grading alone.
fn on_small_disk(preparation: &str, program: &Path, more: &str) -> OnSmallDisk {
    let (scratch, disk) = (folder(), folder());
    let left = scratch.path().join("left");
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs \"$DISK\" || exit 99; {preparation}; \
         \"$XTASK\" grade tcp-echo --program \"$PROGRAM\" {more}; status=$?; \
         (ls -A \"$DISK\"; cat \"$DISK/result\" 2>/dev/null) > \"$LEFT\"; exit $status"
    );
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script]).current_dir(course());
    command.env("CARGO_MANIFEST_DIR", course().join("xtask")).env("NO_COLOR", "1");
    command.env("XTASK", env!("CARGO_BIN_EXE_xtask")).env("PROGRAM", program);
    command.env("TMPDIR", scratch.path()).env("DISK", disk.path()).env("LEFT", &left);
    let ended = run(&mut command);
    OnSmallDisk { ended, left: fs_err::read_to_string(left).expect("read what was left") }
}

#[test]
fn a_full_disk_under_tmpdir_is_told_and_nothing_stays_there() {
    if !can_mount() {
        return;
    }
    let files = folder();
    let program = files.path().join("quitter");
    script(&program, QUITTER);
    let OnSmallDisk { ended, left } = on_small_disk("export TMPDIR=\"$DISK\"", &program, "");
    ended.refuses(&["the disk is full", "TMPDIR"]);
    assert_eq!(left, "");
}

#[test]
fn a_result_that_does_not_fit_leaves_the_old_one() {
    if !can_mount() {
        return;
    }
    let files = folder();
    let program = files.path().join("quitter");
    script(&program, QUITTER);
    let fill = "echo old > \"$DISK/result\"; \
                head -c 1000000 /dev/zero > \"$DISK/filler\" 2>/dev/null";
    let OnSmallDisk { ended, left } =
        on_small_disk(fill, &program, "--format json --out \"$DISK/result\"");
    ended.refuses(&["the disk is full", "result"]);
    assert_eq!(left, "filler\nresult\nold\n");
}
