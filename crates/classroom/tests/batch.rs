//! `batch` as an instructor uses it. Most submissions here do not compile, which is quickly graded.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use classroom::results::{BatchFile, Outcome, SubmissionResult, result_paths};

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::Builder::new().prefix("batch-").tempdir().expect("a folder"));
        fs::create_dir(desk.class()).expect("made");
        desk
    }

    fn class(&self) -> PathBuf {
        self.0.path().join("class")
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(&file, text).expect("written");
        file
    }

    /// A submission that does not compile, and differs from those of other names.
    fn hand_in(&self, name: &str) {
        self.write(&format!("class/{name}/src/main.rs"), &format!("broken {name}"));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_classroom"));
        command.arg("batch").arg(self.class()).arg("--out").arg(self.out());
        command.args(["--trust-submissions", "--module", "tcp-echo"]).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn batch(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("started");
        assert!(output.status.success(), "{}", told(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("started");
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        told(&output)
    }

    fn results(&self) -> BTreeMap<String, SubmissionResult> {
        let load = |path: PathBuf| {
            let result = SubmissionResult::load(&path).expect("a result");
            (result.submission.name.clone(), result)
        };
        result_paths(&self.out()).expect("results").into_iter().map(load).collect()
    }

    fn inodes(&self) -> BTreeMap<PathBuf, u64> {
        let Ok(paths) = result_paths(&self.out()) else { return BTreeMap::new() };
        paths.into_iter().map(|path| (path.clone(), inode(&path))).collect()
    }
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).expect("it is there").ino()
}

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let desk = Desk::new();
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        desk.hand_in(name);
    }
    // On a slow machine the run may be through before the kill comes.
    let mut before = BTreeMap::new();
    for _ in 0..5 {
        _ = fs::remove_dir_all(desk.out());
        let mut run =
            desk.command(&["--jobs", "1"]).stdout(Stdio::null()).spawn().expect("started");
        let until = Instant::now() + Duration::from_secs(120);
        while desk.inodes().len() < 2 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        run.kill().expect("killed");
        run.wait().expect("waited for");
        before = desk.inodes();
        if before.len() < names.len() {
            break;
        }
    }
    assert!((2..names.len()).contains(&before.len()), "{} were graded", before.len());
    let seed = BatchFile::load(&desk.out().join("batch.json")).expect("it stands").seed;
    let said = desk.batch(&["--jobs", "2"]);
    let expected = format!("6 graded ({} of them before), 0 missing, 0 not graded", before.len());
    assert!(said.contains(&expected), "{said}");
    assert!(said.contains(&format!("seed {seed}")), "{said}");
    let after = desk.inodes();
    assert!(before.iter().all(|(path, inode)| after[path] == *inode), "graded twice");
    assert_eq!(desk.results().into_keys().collect::<Vec<_>>(), names);
    let left: Vec<_> = fs::read_dir(desk.out())
        .expect("read")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.len() <= 1, "{left:?}");
}

#[test]
fn other_files_or_another_seed_are_graded_anew() {
    let desk = Desk::new();
    desk.hand_in("a");
    desk.hand_in("b");
    desk.batch(&["--seed", "1"]);
    desk.write("class/b/src/main.rs", "otherwise broken");
    let said = desk.batch(&[]);
    assert!(said.contains("2 graded (1 of them before)"), "{said}");
    let said = desk.batch(&["--seed", "2"]);
    assert!(said.contains("2 graded (0 of them before)"), "{said}");
    let before = desk.inodes();
    let said = desk.batch(&["--only", "b"]);
    assert!(said.contains("1 graded (0 of them before)"), "{said}");
    let after = desk.inodes();
    let changed: Vec<bool> = before.iter().map(|(path, inode)| after[path] != *inode).collect();
    assert_eq!(changed, [false, true]);
    assert_eq!(desk.results()["b"].key.seed, 2);
}

#[test]
fn shards_are_the_class() {
    let desk = Desk::new();
    for name in ["a", "b", "c"] {
        desk.hand_in(name);
    }
    desk.batch(&["--shard", "1/2", "--seed", "3"]);
    assert_eq!(desk.results().into_keys().collect::<Vec<_>>(), ["a", "c"]);
    desk.batch(&["--shard", "2/2", "--seed", "3"]);
    assert_eq!(desk.results().into_keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    let second = BatchFile::load(&desk.out().join("batch-2-of-2.json")).expect("it stands");
    assert_eq!(second.submissions, ["b"]);
}

#[test]
fn a_comparison_writes_nothing_and_loses_nothing() {
    let desk = Desk::new();
    desk.hand_in("same");
    desk.hand_in("changed");
    desk.batch(&["--seed", "4"]);
    desk.write("class/changed/src/main.rs", "fn main() { std::process::exit(3) }");
    desk.hand_in("new");
    let before = desk.inodes();
    let out = desk.out().display().to_string();
    let said = desk.batch(&["--against", &out]);
    assert!(said.contains("\nnew\n  new: tcp-echo 0/100"), "{said}");
    assert!(said.contains("\nchanged\n  other files were handed in\n"), "{said}");
    assert!(!said.contains("\nsame\n"), "{said}");
    assert!(said.contains("2 submissions change\n"), "{said}");
    assert!(said.contains("nothing was written"), "{said}");
    assert_eq!(desk.inodes(), before);
    // A check's verdict, from what to what.
    let path = desk.out().join("changed.json");
    let mut old = SubmissionResult::load(&path).expect("a result");
    old.modules[0].checks[0].status = "passed".to_owned();
    old.modules[0].checks[0].points = 4;
    old.modules[0].score = 4;
    old.save(&desk.out()).expect("written");
    let said = desk.batch(&["--against", &out]);
    assert!(said.contains("  tcp-echo: 4/100 + 0 → 0/100 + 0\n"), "{said}");
    assert!(said.contains("  tcp-echo/ready-line: passed (4) → failed (0)\n"), "{said}");
    // What was graded for the comparison is not graded again.
    let began = Instant::now();
    let said = desk.batch(&[]);
    assert!(said.contains("3 graded"), "{said}");
    assert_eq!(desk.results().len(), 3);
    assert_eq!(desk.results()["new"].attempts, 1);
    println!("the results were put in their place in {:?}", began.elapsed());
}

#[test]
fn a_gradescope_export_is_known_by_its_metadata() {
    let desk = Desk::new();
    desk.hand_in("submission_1");
    desk.hand_in("submission_2");
    desk.write(
        "class/submission_metadata.yml",
        "---\nsubmission_1:\n  :submitters:\n  - :name: Ada\n    :sid: '7'\n    :email: ada@example.org\n  \
         :created_at: 2026-12-02 00:30:00.000000000 Z\nsubmission_2:\n  :submitters:\n  - :name: Bob\n    \
         :sid: '8'\n  :created_at: 2026-12-01 22:00:00 Z\n",
    );
    let assignment = desk.write(
        "assignment.toml",
        "title = \"Echo\"\nmodules = [\"tcp-echo\"]\ndue = \"2026-12-01T23:59:00Z\"\ngrace_minutes = 10\n",
    );
    let roster = desk.write(
        "roster.csv",
        "Name,Email,SID\nAda L,ada@example.org,7\nBob B,bob@example.org,8\nCy,,9\n",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_classroom"))
        .arg("batch")
        .arg(desk.class())
        .arg("--out")
        .arg(desk.out())
        .arg("--trust-submissions")
        .arg("--assignment")
        .arg(assignment)
        .arg("--roster")
        .arg(roster)
        .output()
        .expect("started");
    assert!(output.status.success(), "{}", told(&output));
    let results = desk.results();
    assert_eq!(results.keys().collect::<Vec<_>>(), ["9", "submission_1", "submission_2"]);
    let [ada, bob, cy] = ["submission_1", "submission_2", "9"].map(|name| &results[name]);
    assert_eq!(ada.submission.late, Some(true));
    assert_eq!(ada.submission.people[0].name.as_deref(), Some("Ada L"));
    assert_eq!(bob.submission.late, Some(false));
    assert_eq!(bob.submission.people[0].email.as_deref(), Some("bob@example.org"));
    assert_eq!(cy.status, Outcome::Missing);
    assert!(told(&output).contains("submission_1: tcp-echo does not compile (late)\n"));
}

#[test]
fn moodle_names_people_in_folders() {
    let desk = Desk::new();
    desk.hand_in("Ada Lovelace_123_assignsubmission_file_");
    desk.write("class/Bob_124_assignsubmission_onlinetext_/onlinetext.html", "hello");
    let said = desk.batch(&[]);
    assert!(said.contains("note: left out, since it is no handed-in file: Bob_124"), "{said}");
    let results = desk.results();
    let ada = &results["Ada_Lovelace_123"].submission;
    assert_eq!(ada.people[0].name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(ada.people[0].id.as_deref(), Some("123"));
}

#[test]
fn classroom_50_names_people_behind_the_assignment() {
    let desk = Desk::new();
    desk.hand_in("cs101-tcp-echo-ada-l");
    desk.hand_in("cs101-tcp-echo-bob");
    desk.write(
        "class/scores.csv",
        "username,first_name,last_name,email,section,score,max_score,datetime,late\n\
         ada-l,Ada,Lovelace,ada@example.org,1,,,2026-11-30T10:00:00Z,\n\
         ada-l,Ada,Lovelace,ada@example.org,1,,,2026-12-01T10:00:00Z,\nbob,Bob,,,1,,,,\ncy,Cy,,,1,,,,\n",
    );
    desk.batch(&[]);
    let results = desk.results();
    assert_eq!(results.keys().collect::<Vec<_>>(), ["ada-l", "bob"]);
    let ada = &results["ada-l"].submission;
    assert_eq!(ada.people[0].name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(ada.submitted_at.as_deref(), Some("2026-12-01T10:00:00Z"));
    assert_eq!(ada.source, "cs101-tcp-echo-ada-l");
}

#[test]
fn names_are_safe_and_apart() {
    let desk = Desk::new();
    for name in ["batch", "CON", "a b", "a_b", "A_b", "<img src=x>", "-rf", "名字"] {
        desk.hand_in(name);
    }
    desk.write("class/notes.pdf", "");
    let said = desk.batch(&[]);
    assert!(said.contains("nor a zip, tar or tar.gz archive: notes.pdf"), "{said}");
    let names: Vec<String> = desk.results().into_keys().collect();
    let expected = ["A_b", "_-rf", "_CON", "_batch", "_img_src_x_", "a_b-2", "a_b-3", "名字"];
    assert_eq!(names, expected);
}

#[test]
fn an_export_may_be_one_archive() {
    let desk = Desk::new();
    desk.hand_in("a");
    let archive = desk.0.path().join("export.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&archive).expect("made"));
    let options = zip::write::SimpleFileOptions::default();
    for (path, text) in [("export/b/src/main.rs", "broken b"), ("export/../../evil", "evil")] {
        writer.start_file(path, options).expect("begun");
        std::io::Write::write_all(&mut writer, text.as_bytes()).expect("written");
    }
    writer.finish().expect("finished");
    let output = Command::new(env!("CARGO_BIN_EXE_classroom"))
        .arg("batch")
        .arg(&archive)
        .arg("--out")
        .arg(desk.out())
        .args(["--trust-submissions", "--module", "tcp-echo"])
        .output()
        .expect("started");
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("a path that leads out"), "{}", told(&output));
    assert_eq!(desk.results().into_keys().collect::<Vec<_>>(), ["b"]);
}

/// In a user namespace that knows nobody, no further ones can be made: a machine that forbids them.
#[test]
fn without_namespaces_it_refuses() {
    let desk = Desk::new();
    desk.hand_in("a");
    let lone = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.arg("--user").arg(env!("CARGO_BIN_EXE_classroom"));
        command.arg("batch").arg(desk.class()).arg("--out").arg(desk.out());
        command.args(["--module", "tcp-echo"]).args(arguments).stdin(Stdio::null());
        command.output()
    };
    let tried = Command::new("unshare").args(["--user", "true"]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        println!("unsupported: no user namespace, or no unshare(1)");
        return;
    }
    let refused = lone(&[]).expect("started");
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    let words = told(&refused);
    assert!(words.contains("this machine cannot keep submissions apart"), "{words}");
    assert!(words.contains("--trust-submissions"), "{words}");
    let trusted = lone(&["--trust-submissions"]).expect("started");
    assert!(trusted.status.success(), "{}", told(&trusted));
    assert!(["linux", "everywhere"].contains(&desk.results()["a"].layer.as_str()));
}

#[test]
fn wrong_usage_is_told() {
    let desk = Desk::new();
    assert!(desk.fails(&[]).contains("holds no submission: no folder, and no zip"));
    desk.hand_in("alice");
    assert!(desk.fails(&["--only", "alcie"]).contains("did you mean `alice`?"));
    assert!(desk.fails(&["--shard", "3/2"]).contains("a shard is I/N"));
    assert!(desk.fails(&["--module", "tcp-ecko"]).contains("did you mean `tcp-echo`"));
    assert!(desk.fails(&["--jobs", "0"]).contains("0 is not in 1..=256"));
    assert!(desk.fails(&["--against", "/no/such"]).contains("there is no folder /no/such"));
    let roster = desk.write("roster.csv", "colour\nred\n").display().to_string();
    assert!(desk.fails(&["--roster", &roster]).contains("no heading says who"));
    let output = Command::new(env!("CARGO_BIN_EXE_classroom"))
        .args(["batch", "/no/such/class", "--out"])
        .arg(desk.out())
        .output()
        .expect("started");
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("there is no folder or archive /no/such/class"));
    fs::create_dir(desk.class().join("src")).expect("made");
    assert!(desk.fails(&[]).contains("looks like one submission"));
    assert!(!desk.out().exists(), "a run that cannot begin leaves nothing");
}
