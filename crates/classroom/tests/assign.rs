//! `assign` as an instructor uses it, and its handout as a learner does.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

const ASSIGNMENT: &str = r#"title = "Week 3: Streams"
modules = ["tcp-echo", "file-transfer"]
due = "2026-12-01T23:59:00+01:00"
grace_minutes = 15
late = { policy = "per-day", percent = 10.0, at_most_percent = 50.0 }

[check."file-transfer/gigabyte"]
hidden = true
extra = false

[check."tcp-echo/many-clients"]
extra = true

[check."tcp-echo/ipv6"]
counts = false
"#;

/// Who commits.
const ADA: [(&str, &str); 5] = [
    ("GIT_CONFIG_COUNT", "2"),
    ("GIT_CONFIG_KEY_0", "user.name"),
    ("GIT_CONFIG_VALUE_0", "Ada"),
    ("GIT_CONFIG_KEY_1", "user.email"),
    ("GIT_CONFIG_VALUE_1", "ada@example.org"),
];
/// A vendored file that is larger is not read again.
const READ_AT_MOST: u64 = 64 << 10;
/// A line that is shorter may stand anywhere.
const TELLING: usize = 30;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("assign-").tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_classroom"));
        command.arg("assign").args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.env("CARGO_MANIFEST_DIR", course().join("xtask"));
        command
    }

    fn assign(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("started");
        assert!(output.status.success(), "{}", told(&output));
        told(&output)
    }

    /// What it says when it refuses; nothing may be left of the attempt.
    fn refuses(&self, arguments: &[&str]) -> String {
        let before = names(self.0.path());
        let output = self.command(arguments).output().expect("started");
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert_eq!(names(self.0.path()), before, "{}", told(&output));
        told(&output)
    }
}

fn course() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the course")
}

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

fn names(folder: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(folder).expect("read").map(|entry| entry.expect("read").path()).collect()
}

/// The text files below a folder or file; of programs, git's own and dependencies nothing.
fn texts(path: &Path) -> Vec<(PathBuf, String)> {
    if path.is_dir() {
        let skipped = [".git", "target", "vendor"].map(|name| path.join(name));
        let inside = names(path).into_iter().filter(|inside| !skipped.contains(inside));
        return inside.flat_map(|inside| texts(&inside)).collect();
    }
    fs::read_to_string(path).ok().map(|text| (path.to_path_buf(), text)).into_iter().collect()
}

/// What a learner must not find: the lines of the references and of the hidden check, as far as
/// they stand nowhere in what a learner may see.
fn secrets() -> BTreeSet<String> {
    let course = course();
    let read = |path: &str| {
        let texts = texts(&course.join(path)).into_iter();
        let asked =
            texts.filter(|(file, _)| !file.ends_with("gigabyte.rs") || path.contains(".rs"));
        asked.map(|(_, text)| text).collect::<String>()
    };
    let mut secret = read("crates/file-transfer/src/gigabyte.rs");
    let mut open = read("crates/tcp-echo/module.toml");
    for module in ["tcp-echo", "file-transfer"] {
        secret += &read(&format!("solutions/{module}/src"));
        open += &read(&format!("exercises/{module}/README.md"));
        for part in ["src", "starter", "quiz.toml"] {
            open += &read(&format!("crates/{module}/{part}"));
        }
    }
    for part in ["crates/grader/src", "crates/sandbox/src", "crates/netlab/src", "xtask/src"] {
        open += &read(part);
    }
    for block in read("crates/file-transfer/module.toml").split("\n[[check]]\n") {
        let is_hidden = block.starts_with("id = \"gigabyte\"");
        *(if is_hidden { &mut secret } else { &mut open }) += &format!("{block}\n");
    }
    let lines = secret.lines().map(str::trim);
    let lines = lines.filter(|line| line.len() > TELLING && !open.contains(line));
    let lines: BTreeSet<String> = lines.map(str::to_owned).collect();
    assert!(lines.len() > 300, "{} lines tell nothing", lines.len());
    lines
}

fn leaks(folder: &Path, secrets: &BTreeSet<String>) -> Vec<String> {
    let texts = texts(folder);
    assert!(texts.len() > 50, "{} files", texts.len());
    let mut leaks = Vec::new();
    for (path, text) in texts {
        let found = secrets.iter().filter(|secret| text.contains(secret.as_str()));
        leaks.extend(found.map(|secret| format!("{}: {secret}", path.display())));
    }
    leaks
}

fn cargo(at: &Path, arguments: &[&str]) -> Output {
    // All runs share the build of the dependencies.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("handout");
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(at).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true");
    command.env_remove("CARGO_MANIFEST_DIR").output().expect("started")
}

fn git(at: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).current_dir(at).output().expect("started");
    assert!(output.status.success(), "{}", told(&output));
    told(&output).trim().to_owned()
}

/// The one slow test: everything that needs a handout or a build of one.
#[test]
fn a_handout_stands_alone_and_tells_nothing() {
    let desk = Desk::new();
    desk.write("week3.toml", ASSIGNMENT);
    let mut command = desk.command(&["--assignment", "week3.toml", "--out", "week3", "--git"]);
    command.envs(ADA);
    let output = command.output().expect("started");
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("without 1 hidden check"), "{}", told(&output));
    let handout = desk.path("week3/handout");

    let secrets = secrets();
    assert_eq!(leaks(&handout, &secrets), Vec::<String>::new());
    let course = course();
    assert!(!leaks(&course.join("crates/file-transfer"), &secrets).is_empty(), "it can find some");
    for (path, text) in texts(&handout) {
        let is_told = text.contains("\"gigabyte\"") || text.contains("`gigabyte`");
        assert!(!is_told, "{} names the hidden check", path.display());
    }
    for part in ["solutions", "crates/classroom", "crates/tcp-echo/wrong", "crates/udp-echo"] {
        assert!(!handout.join(part).exists(), "{part}");
    }
    looks_right(&handout);
    bundles(&desk, &secrets);

    git(desk.0.path(), &["clone", "--quiet", "week3/handout", "clone"]);
    assert_eq!(git(&desk.path("clone"), &["log", "--format=%an: %s"]), "Ada: Week 3: Streams");
    works(&desk.path("clone"));
}

/// With `--vendor` a clone needs no network and no crate of this machine's, whatever git's
/// settings: all packages are there, and their files have the hashes that cargo will ask for. The
/// crates come from cargo's cache; on a machine that has not got all of them this cannot be tried.
#[test]
fn a_handout_for_rooms_without_a_network_has_all_it_needs() {
    let desk = Desk::new();
    let mut command = desk.command(&["tcp-echo", "--out", "week1", "--vendor", "--git"]);
    let output = command.envs(ADA).env("CARGO_NET_OFFLINE", "true").output().expect("started");
    let words = told(&output);
    if !output.status.success() {
        assert!(words.contains("cannot copy the dependencies"), "{words}");
        assert!(words.contains("offline"), "{words}");
        println!("unsupported: cargo's cache has not all crates: {words}");
        return;
    }
    let clone = desk.path("clone");
    let arguments = ["clone", "--quiet", "-c", "core.autocrlf=true", "week1/handout", "clone"];
    git(desk.0.path(), &arguments);
    let home = desk.path("cargo-home");
    let arguments = ["metadata", "--format-version=1", "--locked", "--offline"];
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).current_dir(&clone).env("CARGO_HOME", &home);
    let output = command.env_remove("CARGO_MANIFEST_DIR").output().expect("started");
    assert!(output.status.success(), "{}", told(&output));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = document["packages"].as_array().expect("a list").iter();
    let foreign = packages.filter(|package| !package["source"].is_null());
    let folders: Vec<PathBuf> = foreign
        .map(|package| {
            Path::new(package["manifest_path"].as_str().expect("text")).with_file_name("")
        })
        .collect();
    assert!(folders.len() > 30, "{folders:?}");
    for folder in &folders {
        assert!(folder.starts_with(clone.join("vendor")), "{folder:?} is of this machine");
        has_right_hashes(folder);
    }
    assert_eq!(git(&clone, &["status", "--porcelain"]), "");
}

fn has_right_hashes(package: &Path) {
    let text = fs::read_to_string(package.join(".cargo-checksum.json")).expect("the hashes");
    let sums: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for (name, sum) in sums["files"].as_object().expect("a table") {
        let file = package.join(name);
        let length = fs::metadata(&file).unwrap_or_else(|error| panic!("{file:?}: {error}")).len();
        if length <= READ_AT_MOST {
            let digest = Sha256::digest(fs::read(&file).expect("read"));
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(sum, &hex, "{file:?}");
        }
    }
}

fn looks_right(handout: &Path) {
    let readme = fs::read_to_string(handout.join("README.md")).expect("a README");
    for words in [
        "# Week 3: Streams",
        "**Due: 2026-12-01, 23:59 (UTC+01:00).**",
        "Up to 15 minutes after that are still in time.",
        "each day begun takes 10 % of the points earned, but no more than 50 %.",
        "[tcp-echo](exercises/tcp-echo/README.md) | the life of a stream socket | 94 | up to 41 |",
        "There are 204 points: 194 by checks that you can run, 10 by hidden checks.",
        "cargo xtask grade ",
        "cargo test --workspace ",
    ] {
        assert!(readme.contains(words), "{words}\n{readme}");
    }
    let manifest = fs::read_to_string(handout.join("crates/tcp-echo/module.toml")).expect("read");
    assert!(manifest.contains("\ncore_points = 94\n"), "the total is declared");
    assert!(manifest.starts_with("# What each check of tcp-echo is worth"), "comments stay");
    let manifest = handout.join("crates/file-transfer/module.toml");
    assert!(fs::read_to_string(manifest).expect("read").contains("\nhidden_points = 10\n"));
    let lesson = fs::read_to_string(handout.join("exercises/tcp-echo/README.md")).expect("read");
    assert!(lesson.contains("**Core**, 94 points") && !lesson.contains("xtask peer"));
    let tasks = fs::read_to_string(handout.join(".vscode/tasks.json")).expect("read");
    assert!(tasks.contains("file-transfer") && !tasks.contains("udp-echo"), "{tasks}");
}

fn bundles(desk: &Desk, secrets: &BTreeSet<String>) {
    let packed = desk.path("week3/classroom50/autograders/week-3-streams/course.tar.gz");
    let packed = flate2::read::GzDecoder::new(fs::File::open(packed).expect("the bundle"));
    tar::Archive::new(packed).unpack(desk.path("bundle")).expect("unpacked");
    assert_eq!(leaks(&desk.path("bundle"), secrets), Vec::<String>::new());

    let file = fs::File::open(desk.path("week3/gradescope.zip")).expect("the archive");
    let mut archive = zip::ZipArchive::new(file).expect("an archive");
    let names: Vec<String> = (0..archive.len())
        .map(|index| archive.by_index(index).expect("an entry").name().expect("text").into_owned())
        .collect();
    let is_secret = |name: &&String| {
        ["solutions/", "/wrong/", "/tests/"].iter().any(|part| name.contains(part))
    };
    assert_eq!(names.iter().find(is_secret), None);
    assert!(names.iter().any(|name| name.ends_with("file-transfer/src/gigabyte.rs")));
    for script in ["setup.sh", "run_autograder"] {
        let mut entry = archive.by_name(script).expect("the script");
        assert_eq!(entry.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        assert!(!text.contains("@RUST@"));
        let path = desk.write(script, &text);
        let output = Command::new("bash").arg("-n").arg(path).output().expect("started");
        assert!(output.status.success(), "{}", told(&output));
    }
    let mut rules = String::new();
    let mut entry = archive.by_name("assignment.toml").expect("the rules");
    entry.read_to_string(&mut rules).expect("text");
    assert!(!rules.contains("due") && rules.contains("hidden = true"), "{rules}");
    drop(entry);
    runs_as_gradescope_does(desk, &rules);
    runs_as_classroom50_does(desk);
}

/// The folders of a Gradescope container, with the grader that is built already.
fn runs_as_gradescope_does(desk: &Desk, rules: &str) {
    desk.write("gradescope/source/assignment.toml", rules);
    let source = desk.path("gradescope/source");
    std::os::unix::fs::symlink(course(), source.join("course")).expect("linked");
    fs::create_dir_all(desk.path("gradescope/results")).expect("made");
    desk.write("gradescope/submission/exercises/tcp-echo/src/main.rs", "fn main() {}\n");
    desk.write("gradescope/submission/src/build.rs", "not taken\n");
    std::os::unix::fs::symlink("/etc/passwd", desk.path("gradescope/submission/src/link.rs"))
        .expect("linked");
    let results = desk.write("gradescope/results/results.json", "of an earlier run");
    let run = |grader: &Path| {
        _ = fs::remove_file(source.join("grader"));
        std::os::unix::fs::symlink(grader, source.join("grader")).expect("linked");
        let mut command = Command::new("bash");
        command.arg(desk.path("run_autograder")).env("AUTOGRADER_ROOT", desk.path("gradescope"));
        command.output().expect("started")
    };
    let broken = desk.write("broken-grader", "#!/bin/sh\nexit 1\n");
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).expect("set");
    let output = run(&broken);
    assert!(!output.status.success() && !results.exists(), "a failure gives no zero");
    assert!(told(&output).contains("no fault of the submission"), "{}", told(&output));

    let output = run(Path::new(env!("CARGO_BIN_EXE_classroom")));
    assert!(output.status.success(), "{}", told(&output));
    let text = fs::read_to_string(&results).expect("a result");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&document["score"], &document["extra_data"]["max_points"]),
        (&0.into(), &204.into())
    );
    let tests = document["tests"].as_array().expect("a list");
    let hidden: Vec<&str> = tests
        .iter()
        .filter(|test| test["visibility"] == "after_published")
        .filter_map(|test| test["extra_data"]["check"].as_str())
        .collect();
    assert_eq!(hidden, ["file-transfer/gigabyte"]);
}

/// Its runner starts `autograder.py` in the checkout; what cargo is asked for is written down here.
fn runs_as_classroom50_does(desk: &Desk) {
    desk.write("checkout/exercises/tcp-echo/src/main.rs", "// mine\n");
    desk.write("checkout/crates/tcp-echo/src/lib.rs", "// a grader of my own\n");
    std::os::unix::fs::symlink("/etc/passwd", desk.path("checkout/exercises/tcp-echo/src/l.rs"))
        .expect("linked");
    let fake = "#!/bin/sh\necho \"$@\" >\"$SEEN/line\"\nls exercises/*/src >\"$SEEN/files\"\n\
        cat exercises/tcp-echo/src/main.rs crates/tcp-echo/src/lib.rs >\"$SEEN/text\"\n\
        for last; do :; done\n[ \"$FAKE_STATUS\" = 2 ] || echo '{}' >\"$last\"\n\
        exit $FAKE_STATUS\n";
    let program = desk.write("bin/cargo", fake);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
    let path = format!("{}:{}", desk.path("bin").display(), env!("PATH"));
    for (status, succeeds) in [("0", true), ("1", true), ("2", false)] {
        let script = desk.path("week3/classroom50/autograders/week-3-streams/autograder.py");
        let mut command = Command::new("python3");
        command.arg(script).current_dir(desk.path("checkout")).env("PATH", &path);
        command.env("SEEN", desk.0.path()).env("FAKE_STATUS", status);
        let output = command.output().expect("started");
        assert_eq!(output.status.success(), succeeds, "{}", told(&output));
        assert_eq!(desk.path("checkout/result.json").exists(), succeeds);
    }
    let seen = |name: &str| fs::read_to_string(desk.path(name)).expect("written");
    assert!(seen("line").contains("grade --format classroom50 --out /"), "{}", seen("line"));
    assert!(!seen("files").contains("l.rs"), "a link is no submission: {}", seen("files"));
    assert!(seen("text").starts_with("// mine\n") && !seen("text").contains("of my own"));
}

/// The two commands of its README, and what it says to those that need a reference.
fn works(clone: &Path) {
    let graded = cargo(clone, &["xtask", "grade", "--format", "json"]);
    assert_eq!(graded.status.code(), Some(1), "{}", told(&graded));
    let document: serde_json::Value = serde_json::from_slice(&graded.stdout).expect("JSON");
    let modules = document["modules"].as_array().expect("a list");
    assert_eq!(modules.len(), 2);
    let checks = modules.iter().flat_map(|module| module["checks"].as_array().expect("a list"));
    for check in checks {
        assert!(
            ["failed", "skipped", "unsupported"].contains(&check["status"].as_str().expect("text")),
            "{check}"
        );
        assert_ne!(check["id"], "gigabyte");
    }
    let words = told(&graded);
    assert!(!words.contains("warning:"), "{words}");
    let tested = cargo(clone, &["test", "--quiet", "--workspace"]);
    assert!(tested.status.success(), "{}", told(&tested));
    assert!(told(&tested).contains(" passed; 0 failed"), "{}", told(&tested));
    for arguments in [
        &["xtask", "solution", "tcp-echo"][..],
        &["xtask", "peer", "tcp-echo", "server", "127.0.0.1:0"],
        &["xtask", "grade", "tcp-echo", "--solutions"],
    ] {
        let output = cargo(clone, arguments);
        assert!(!output.status.success());
        let words = told(&output);
        assert!(
            words.to_lowercase().contains("this course has no reference of tcp-echo"),
            "{words}"
        );
    }
    let hidden = cargo(clone, &["xtask", "grade", "file-transfer"]);
    let words = "10 more points are given by hidden checks";
    // Wherever the line ends.
    let said = told(&hidden).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(words), "{said}");
    assert!(git(clone, &["status", "--porcelain"]).is_empty());
}

#[test]
fn wrong_usage_is_told_and_leaves_nothing() {
    let desk = Desk::new();
    desk.write("full/mine", "mine");
    let said = desk.refuses(&["tcp-echo", "--out", "full"]);
    assert!(said.contains("full is not empty"), "{said}");
    assert!(desk.refuses(&["tcp-echo", "--out", "full/mine"]).contains("is no folder"));
    assert!(desk.refuses(&["tcp-echo", "--out", "no/where"]).contains("there is no folder"));
    assert!(desk.refuses(&["--out", "x"]).contains("name the modules"));
    assert!(desk.refuses(&["tpc-echo", "--out", "x"]).contains("did you mean `tcp-echo`?"));

    let stray = "title = \"T\"\nmodules = [\"tcp-echo\"]\n\
        [check.\"tcp-echo/no-leak\"]\nhidden = true\n";
    for (broken, words) in [
        ("title = \"T\"\nmodules = [\"tcp-echo\"]\ndeu = \"x\"\n", ".toml:3:1: "),
        ("title = \"T\"\nmodules = [\"tcp-echo\"]\ngrace_minutes = -1\n", ".toml:3:17: "),
        ("title = \"T\"\nmodules = []\n", "names no module"),
        ("title = \"T\"\nmodules = [\"tcp-ecko\"]\n", "did you mean `tcp-echo`?"),
        ("title = \"T\"\nmodules = [\"tcp-echo\"]\ndue = \"tomorrow\"\n", "with its offset"),
        (stray, "broken.toml:3:8: there is no check `tcp-echo/no-leak` in this assignment"),
        (stray, "did you mean `tcp-echo/no-leaks`"),
        (
            "title = \"T\"\nmodules = [\"tcp-echo\"]\n\
             late = { policy = \"per-day\", percent = 200.0 }\n",
            "it is a share from 0 to 100",
        ),
    ] {
        desk.write("broken.toml", broken);
        let said = desk.refuses(&["--assignment", "broken.toml", "--out", "x"]);
        assert!(said.contains("broken.toml") && said.contains(words), "{words}\n{said}");
    }
    desk.write("good.toml", ASSIGNMENT);
    let said = desk.refuses(&["udp-echo", "--assignment", "good.toml", "--out", "x"]);
    assert!(said.contains("the command line names udp-echo"), "{said}");

    let mut nobody = desk.command(&["tcp-echo", "--out", "x", "--git"]);
    let nobody = nobody.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let nobody = nobody.env("GIT_DIR", desk.path("none")).output().expect("started");
    // A clone of the course may have an author of its own, which counts then.
    if nobody.status.code() == Some(2) {
        assert!(told(&nobody).contains("git config --global user.name"), "{}", told(&nobody));
    }
    _ = fs::remove_dir_all(desk.path("x"));
}

#[test]
fn a_killed_run_leaves_nothing_under_the_name() {
    let desk = Desk::new();
    for signal in ["TERM", "TERM", "TERM", "INT", "KILL"] {
        let mut run = desk.command(&["tcp-echo", "--out", "week3"]);
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        let until = Instant::now() + Duration::from_secs(120);
        while !desk.path(".week3.being-made/handout/crates").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let pid = run.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status().expect("started");
        assert!(status.success());
        let ended = run.wait().expect("waited for");
        assert!(!ended.success(), "it was stopped");
        assert!(!desk.path("week3").exists());
        if signal != "KILL" {
            assert_eq!(names(desk.0.path()), BTreeSet::new());
        }
    }
    // What SIGKILL left is swept by the next run, which is not hindered.
    let said = desk.assign(&["tcp-echo", "--out", "week3"]);
    assert!(said.contains("no check is hidden"), "{said}");
    assert_eq!(names(desk.0.path()), BTreeSet::from([desk.path("week3")]));
}
