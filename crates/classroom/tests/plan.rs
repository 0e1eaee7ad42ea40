//! `plan` and `merge` as an instructor uses them. The shards are started as an engine starts them;
//! with an engine itself, `classroom rehearse --slurm` does it. Submissions do not compile, which
//! is quickly graded.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use classroom::results::{BatchFile, Outcome, SubmissionResult, all_result_paths};

/// A folder whose name has what a shell would take apart.
struct Desk {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

const ASSIGNMENT: &str = "# kept as it is\ntitle = \"Echo, 2nd week\"\nmodules = [\"tcp-echo\"]\n\
    due = \"2026-12-01T23:59:00Z\"\n";

impl Desk {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("plan-").tempdir().expect("a folder");
        let path = fs::canonicalize(folder.path()).expect("a path").join("it's a $HOME");
        fs::create_dir(&path).expect("made");
        Self { _folder: folder, path }
    }

    fn with(names: &[&str]) -> Self {
        let desk = Self::new();
        for name in names {
            desk.hand_in(name);
        }
        desk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.at(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }

    fn hand_in(&self, name: &str) {
        self.write(&format!("class/{name}/src/main.rs"), &format!("broken {name}"));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_classroom"));
        let course = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xtask");
        command.env("CARGO_MANIFEST_DIR", course).env("NO_COLOR", "1");
        command.args(arguments).current_dir(&self.path).stdin(Stdio::null());
        command
    }

    fn run(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("started");
        assert_eq!(output.status.code(), Some(status), "{}", told(&output));
        told(&output)
    }

    fn shard(&self, shard: &str, out: &str, seed: &str) {
        self.run(
            0,
            &[
                "batch",
                "class",
                "--out",
                out,
                "--shard",
                shard,
                "--seed",
                seed,
                "--module",
                "tcp-echo",
                "--trust-submissions",
            ],
        );
    }

    fn results(&self, folder: &str) -> BTreeMap<String, SubmissionResult> {
        let load = |path: PathBuf| {
            let result = SubmissionResult::load(&path).expect("a result");
            (result.submission.name.clone(), result)
        };
        all_result_paths(&self.at(folder)).expect("a folder").into_iter().map(load).collect()
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut SubmissionResult)) {
        let path = self.at(path);
        let mut result = SubmissionResult::load(&path).expect("a result");
        change(&mut result);
        result.save(path.parent().expect("a folder")).expect("saved");
    }
}

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

/// Starts a shard as `sbatch` does: a copy of the script, elsewhere, and the task's number.
fn start(desk: &Desk, shard: &str) {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let copy = elsewhere.path().join("slurm_script");
    fs::copy(desk.at("plan/grade.sbatch"), &copy).expect("copied");
    let mut command = Command::new("sh");
    command.arg(copy).env("SLURM_ARRAY_TASK_ID", shard).env("SLURM_CPUS_PER_TASK", "1");
    let output = command.current_dir(elsewhere.path()).output().expect("a shell");
    let log = fs::read_to_string(desk.at(&format!("plan/logs/shard-{shard}.log"))).expect("a log");
    assert!(output.status.success(), "{}{log}", told(&output));
    assert_eq!(told(&output), "", "all that it says is in the log");
}

#[test]
fn the_shards_of_a_plan_are_merged() {
    let desk = Desk::with(&["a", "b", "c", "d", "e"]);
    desk.write("assignment.toml", ASSIGNMENT);
    desk.write("roster.csv", "username\na\nb\nc\nd\ne\nzoe\n");
    let said = desk.run(
        0,
        &[
            "plan",
            "class",
            "--format",
            "slurm",
            "--out",
            "plan",
            "--per-shard",
            "2",
            "--seed",
            "7",
            "--assignment",
            "assignment.toml",
            "--roster",
            "roster.csv",
            "--trust-submissions",
            "--deadline-ms",
            "9000",
        ],
    );
    assert!(
        said.contains("6 submissions in 3 shards of up to 2, seed 7\nplan in plan\n"),
        "{said}"
    );
    let script = fs::read_to_string(desk.at("plan/grade.sbatch")).expect("a script");
    assert!(script.contains("\n#SBATCH --array=1-3\n"), "{script}");
    // The plan has copies: what becomes of the files does not matter.
    desk.write("assignment.toml", "title = \"other\"\nmodules = [\"udp-echo\"]\n");
    fs::remove_file(desk.at("roster.csv")).expect("removed");
    start(&desk, "1");
    start(&desk, "3");
    let said = desk.run(1, &["merge", "plan/results", "--out", "merged"]);
    assert!(said.contains("shard 2 of 3 is missing: no result for 2: b, e\n"), "{said}");
    assert!(
        said.contains("6 submissions: 3 graded, 1 missing, 0 not graded, 2 without a result\n"),
        "{said}"
    );
    assert!(said.contains("not whole; run shard 2 again"), "{said}");
    let run = BatchFile::load(&desk.at("merged/batch.json")).expect("it stands");
    assert_eq!(run.submissions, ["a", "b", "c", "d", "e", "zoe"]);
    assert_eq!((run.seed, run.deadline_ms, run.shard), (7, 9000, None));
    // `export` knows too who is not graded yet.
    let said = desk.run(1, &["export", "merged", "--format", "csv"]);
    assert!(said.contains("not graded yet; run `batch` again (2): b, e\n"), "{said}");
    let inode = |name: &str| fs::metadata(desk.at(name)).expect("it is there").ino();
    let before = inode("plan/results/a.json");
    for shard in ["1", "2"] {
        start(&desk, shard);
    }
    assert_eq!(inode("plan/results/a.json"), before, "a shard goes on where it was");
    let said = desk.run(0, &["merge", "plan/results", "--out", "merged"]);
    assert!(said.contains("whole; results in merged\n"), "{said}");
    let results = desk.results("merged");
    assert_eq!(results.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "zoe"]);
    assert_eq!(results["zoe"].status, Outcome::Missing);
    let kept = fs::read_to_string(desk.at("merged/assignment.toml")).expect("a copy");
    assert_eq!(kept, ASSIGNMENT);
    // And counts by it, without being told.
    let page = desk.run(0, &["report", "merged"]);
    assert!(page.contains("<title>Echo, 2nd week: report</title>"), "{page}");
    assert!(page.contains("due 2026-12-01T23:59:00Z"), "{page}");
}

#[test]
fn shards_in_folders_of_their_own_are_merged() {
    let desk = Desk::with(&["a", "b", "c"]);
    desk.shard("1/2", "one", "1");
    desk.shard("2/2", "two", "1");
    desk.run(0, &["merge", "one", "two", "--out", "all"]);
    assert_eq!(desk.results("all").len(), 3);
    // What an earlier merge has counts, and a merge into one of the folders is one too.
    desk.run(0, &["merge", "two", "--out", "all"]);
    desk.run(0, &["merge", "one", "two", "--out", "one"]);
    assert_eq!(desk.results("one"), desk.results("all"));
}

#[test]
fn a_fault_of_the_grader_is_told_and_outdone_by_a_verdict() {
    let desk = Desk::with(&["a", "b"]);
    desk.shard("1/1", "one", "1");
    desk.shard("1/1", "again", "1");
    desk.change("one/a.json", |result| {
        result.status = Outcome::Error;
        result.error = "no room\non the disk".to_owned();
        result.modules.clear();
    });
    let said = desk.run(1, &["merge", "one", "--out", "merged"]);
    assert!(said.contains("shard 1 of 1: not graded: a: no room on the disk\n"), "{said}");
    assert!(said.contains("1 graded, 0 missing, 1 not graded, 0 without"), "{said}");
    desk.run(0, &["merge", "one", "again", "--out", "merged"]);
    assert_eq!(desk.results("merged")["a"].status, Outcome::Graded);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let desk = Desk::with(&["a", "b"]);
    desk.shard("1/2", "one", "1");
    desk.shard("2/2", "other-seed", "2");
    let said = desk.run(2, &["merge", "one", "other-seed", "--out", "merged"]);
    assert!(said.contains("one/batch-1-of-2.json and other-seed/batch-2-of-2.json"), "{said}");
    assert!(said.contains("different runs: seed 1 and 2;"), "{said}");
    // Another key under the name of this run.
    desk.shard("2/2", "two", "1");
    desk.change("two/b.json", |result| result.key.seed = 3);
    let said = desk.run(2, &["merge", "one", "two", "--out", "merged"]);
    assert!(said.contains("two/b.json is of another run: seed 3, not 1\n"), "{said}");
    // Two verdicts on one submission.
    desk.shard("1/2", "again", "1");
    desk.change("again/a.json", |result| result.modules[0].checks[0].points = 1);
    let said = desk.run(2, &["merge", "one", "again", "--out", "merged"]);
    assert!(
        said.contains("one/a.json and again/a.json contradict each other: tcp-echo/"),
        "{said}"
    );
    desk.change("again/a.json", |result| result.key.files_hash = "00".to_owned());
    let said = desk.run(2, &["merge", "one", "again", "--out", "merged"]);
    assert!(said.contains("contradict each other: they are of different files\n"), "{said}");
    // A submission that came in between.
    desk.hand_in("c");
    desk.shard("2/2", "later", "1");
    let said = desk.run(2, &["merge", "one", "later", "--out", "merged"]);
    assert!(said.contains("the class has changed in between (c);"), "{said}");
    // Nothing to merge.
    let said = desk.run(2, &["merge", "class", "--out", "merged"]);
    assert!(said.contains("class holds no results of a shard"), "{said}");
    let said = desk.run(2, &["merge", "no-such", "--out", "merged"]);
    assert!(said.contains("there is no folder no-such"), "{said}");
    // A name that leads elsewhere.
    let path = desk.at("one/batch-1-of-2.json");
    let text = fs::read_to_string(&path).expect("read").replace("\"a\"", "\"../a\"");
    fs::write(&path, text).expect("written");
    let said = desk.run(2, &["merge", "one", "--out", "merged"]);
    assert!(said.contains("names \"../a\", which is no submission's name"), "{said}");
    assert!(!desk.at("merged").exists(), "a refused merge writes nothing");
}

#[test]
fn strangers_are_left_out() {
    let desk = Desk::with(&["a"]);
    desk.shard("1/1", "one", "1");
    let mut stranger = desk.results("one").remove("a").expect("a result");
    stranger.submission.name = "x".to_owned();
    stranger.save(&desk.at("one")).expect("saved");
    let said = desk.run(0, &["merge", "one", "--out", "merged"]);
    assert!(said.contains("note: left out, since it is not of this class: one/x.json\n"), "{said}");
    assert_eq!(desk.results("merged").into_keys().collect::<Vec<_>>(), ["a"]);
}

/// Holds the document against the published schema, where the program that has it is installed.
fn judge(program: &str, arguments: &[&str], document: &Path) {
    match Command::new(program).args(arguments).arg(document).output() {
        Ok(output) => assert!(output.status.success(), "{}", told(&output)),
        Err(_) => println!("unsupported: there is no {program} here"),
    }
}

#[test]
fn a_job_for_kubernetes() {
    let desk = Desk::with(&["a", "b", "c"]);
    let said = desk.run(
        0,
        &[
            "plan",
            "class",
            "--format",
            "kubernetes",
            "--out",
            "plan",
            "--per-shard",
            "1",
            "--seed",
            "7",
            "--module",
            "tcp-echo",
            "--image",
            "registry.example/course:1",
            "--claim",
            "week-2",
            "--jobs",
            "3",
        ],
    );
    assert!(said.contains("kubectl create -f "), "{said}");
    let text = fs::read_to_string(desk.at("plan/job.yaml")).expect("a manifest");
    for line in [
        "  name: grade-tcp-echo",
        "  completionMode: Indexed",
        "  completions: 3",
        "  backoffLimitPerIndex: 3",
        "          image: \"registry.example/course:1\"",
        "              memory: 15Gi",
        "            claimName: week-2",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in {text}");
    }
    // Counted from 0 there, from 1 here.
    let line = text.lines().find(|line| line.contains("exec ")).expect("a command");
    let shell: String =
        serde_json::from_str(line.trim_start_matches([' ', '-'])).expect("a string");
    let shown = shell.replace("exec target/debug/classroom", "echo");
    let mut command = Command::new("sh");
    let output = command.arg("-c").arg(shown).env("JOB_COMPLETION_INDEX", "2").output();
    let output = String::from_utf8(output.expect("a shell").stdout).expect("text");
    assert_eq!(
        output,
        "batch /grading/class --out /grading/results --shard 3/3 --jobs 3 --seed 7 --deadline-ms \
         10000 --assignment /grading/plan/assignment.toml\n"
    );
    judge("kubernetes-validate", &["--strict"], &desk.at("plan/job.yaml"));
}

#[test]
fn a_workflow_for_github() {
    let desk = Desk::new();
    for folder in ["crates", "exercises", ".git"] {
        fs::create_dir(desk.at(folder)).expect("made");
    }
    desk.write("Cargo.toml", "");
    for number in 0..257 {
        desk.write(&format!("class/s{number}/src/main.rs"), "");
    }
    desk.write("a.toml", &ASSIGNMENT.replace("2nd", "${{ secrets.KEY }}"));
    let plan = |status: i32, class: &str, per_shard: &str| {
        let mut command = desk.command(&["plan", class, "--format", "github-actions"]);
        command.args(["--out", "plan", "--per-shard", per_shard, "--assignment", "a.toml"]);
        let output = command.env("CARGO_MANIFEST_DIR", &desk.path).output().expect("started");
        assert_eq!(output.status.code(), Some(status), "{}", told(&output));
        told(&output)
    };
    let said = plan(2, "class", "1");
    assert!(said.contains("more than the 256 jobs of a matrix; --per-shard 2 makes few"), "{said}");
    let elsewhere = Desk::with(&["a"]);
    let said = plan(2, &elsewhere.at("class").to_string_lossy(), "1");
    assert!(said.contains("is not in the repository"), "{said}");
    assert!(!desk.at("plan").exists());
    plan(0, "class", "100");
    let text = fs::read_to_string(desk.at("plan/grade.yml")).expect("a workflow");
    assert!(text.contains("\n        shard: [1, 2, 3]\n"), "{text}");
    assert!(text.contains(" --shard ${{ matrix.shard }}/3 "), "{text}");
    assert!(text.contains(" --assignment 'plan'/assignment.toml\""), "{text}");
    assert!(!text.contains("${{ secrets"), "{text}");
    judge(
        "check-jsonschema",
        &["--builtin-schema", "vendor.github-workflows"],
        &desk.at("plan/grade.yml"),
    );
}

#[test]
fn wrong_usage_is_told() {
    let desk = Desk::with(&["a"]);
    let fails = |arguments: &[&str]| {
        let mut all = vec!["plan", "class", "--module", "tcp-echo", "--out", "plan"];
        all.extend(arguments);
        desk.run(2, &all)
    };
    assert!(fails(&["--format", "pbs"]).contains("slurm, kubernetes, github-actions"));
    assert!(fails(&["--format", "kubernetes"]).contains("--image names the container image"));
    assert!(fails(&["--format", "slurm", "--image", "x"]).contains("--image is for kubernetes"));
    assert!(fails(&["--format", "slurm", "--per-shard", "0"]).contains("0 is not in 1..=10000"));
    let claim = ["--format", "kubernetes", "--image", "x", "--claim", "a: b"];
    assert!(fails(&claim).contains("\"a: b\" is no claim's name"));
    assert!(!desk.at("plan").exists());
    fs::create_dir(desk.at("plan")).expect("made");
    assert!(fails(&["--format", "slurm"]).contains("plan is there already; name a new folder"));
    let said = desk.run(2, &["plan", "none", "--format", "slurm", "--out", "p"]);
    assert!(said.contains("there is no folder or archive none"), "{said}");
}
