//! A class of one, graded as `batch` grades.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use classroom::assignment::Assignment;
use classroom::batch::intake::Class;
use classroom::batch::order::Limits;
use classroom::batch::run::{Bench, Settings};
use classroom::results::{CheckResult, Outcome, SubmissionResult};
use classroom::workspace::Workspace;
use libtest_mimic::Failed;

/// What a test returns.
pub type Test = Result<(), Failed>;
/// A test and its name.
pub type Named = (&'static str, fn() -> Test);

/// A layer of the sandbox, the lower ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Every system.
    Everywhere,
    /// Linux with Landlock and seccomp.
    Linux,
    /// Linux with namespaces.
    Namespaces,
}

/// The check that sees a program which ends at once, and shows what it says on standard error.
const ONE_CHECK: &str = "one-message";

/// The folders of one test, gone with it.
pub struct Desk {
    folder: tempfile::TempDir,
    /// What the submission may use up.
    pub limits: Limits,
    /// The checks to run; all if empty.
    pub checks: Vec<String>,
    /// How long a check waits, in milliseconds.
    pub deadline_ms: u64,
}

impl Desk {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            folder: tempfile::Builder::new().prefix("attack-").tempdir()?,
            limits: Limits::default(),
            checks: vec![ONE_CHECK.to_owned()],
            deadline_ms: 2_000,
        })
    }

    /// Where a submission's files are put.
    pub fn submission(&self, name: &str) -> PathBuf {
        self.folder.path().join("submissions").join(name)
    }

    /// Where results are written.
    pub fn out(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    /// A file of the instructor's that no submission may read, and its content.
    pub fn secret(&self) -> Result<(PathBuf, &'static str), Box<dyn Error>> {
        let path = self.folder.path().join("secret.rs");
        let content = "pub const SECRET: &str = \"the-instructors-own\";\n";
        fs::write(&path, content)?;
        Ok((path, "the-instructors-own"))
    }

    /// Puts a program into the submission `name`.
    pub fn hand_in(&self, name: &str, program: &str) -> Result<(), Box<dyn Error>> {
        self.hand_in_file(name, "src/main.rs", program)
    }

    /// Puts a file into the submission `name`.
    pub fn hand_in_file(&self, name: &str, path: &str, text: &str) -> Result<(), Box<dyn Error>> {
        let file = self.submission(name).join(path);
        fs::create_dir_all(file.parent().ok_or("no folder")?)?;
        Ok(fs::write(file, text)?)
    }

    /// Grades what was handed in, in a layer of at least `needed`; none where there is no such.
    pub fn grade(&self, needed: Layer) -> Result<Option<Vec<SubmissionResult>>, Box<dyn Error>> {
        let workspace = Workspace::find()?;
        let submissions = self.folder.path().join("submissions");
        fs::create_dir_all(self.out())?;
        let settings = Settings {
            assignment: Assignment::plain(vec!["tcp-echo".to_owned()]),
            submissions: submissions.clone(),
            out: self.out(),
            seed: 7,
            deadline_ms: self.deadline_ms,
            jobs: Some(2),
            is_rehearsal: false,
            again: true,
            trust: true,
            limits: Some(self.limits),
            checks: self.checks.clone(),
        };
        let bench = Bench::prepare(&workspace, settings)?;
        if layer(bench.layer()) < needed {
            println!("unsupported: needs the layer {needed:?}, and here is {}", bench.layer());
            return Ok(None);
        }
        let class = Class::find(&submissions, None)?;
        bench.grade(&class.submissions)?;
        let mut results = Vec::new();
        for found in &class.submissions {
            let path = SubmissionResult::path(&self.out(), &found.name);
            results.push(SubmissionResult::load(&path)?);
        }
        Ok(Some(results))
    }

    /// Grades one program.
    pub fn grade_program(
        &self,
        needed: Layer,
        program: &str,
    ) -> Result<Option<SubmissionResult>, Box<dyn Error>> {
        self.hand_in("one", program)?;
        Ok(self.grade(needed)?.map(|mut results| results.remove(0)))
    }
}

fn layer(name: &str) -> Layer {
    match name {
        "namespaces" => Layer::Namespaces,
        "linux" => Layer::Linux,
        _ => Layer::Everywhere,
    }
}

/// The only check's result.
pub fn check(result: &SubmissionResult) -> Result<&CheckResult, Box<dyn Error>> {
    let module = result.modules.first().ok_or_else(|| format!("no module: {}", result.error))?;
    Ok(module.checks.first().ok_or("no check")?)
}

/// What the program said on standard error, as the check shows it.
pub fn said(result: &SubmissionResult) -> Result<String, Box<dyn Error>> {
    if let Some(error) = result.modules.first().and_then(|module| module.error.as_ref()) {
        return Err(format!("it does not compile: {error}").into());
    }
    let feedback = check(result)?.feedback.as_ref().ok_or("the check passed")?;
    Ok(feedback.got.clone())
}

/// What the compiler said.
pub fn compiler_said(result: &SubmissionResult) -> Result<String, Box<dyn Error>> {
    let module = result.modules.first().ok_or_else(|| format!("no module: {}", result.error))?;
    Ok(module.error.clone().ok_or("it compiles")?)
}

/// Fails unless there is a verdict, and it gives no points.
pub fn expect_no_points(result: &SubmissionResult) -> Test {
    ensure(result.status == Outcome::Graded, format!("no verdict: {}", result.error))?;
    for module in &result.modules {
        ensure(module.score == 0 && module.bonus == 0, format!("{} points", module.score))?;
    }
    Ok(())
}

/// Fails with `message` unless `condition` holds.
pub fn ensure(condition: bool, message: impl Into<String>) -> Test {
    if condition { Ok(()) } else { Err(Failed::from(message.into())) }
}

/// Fails unless `text` contains `part`.
pub fn contains(text: &str, part: &str) -> Test {
    ensure(text.contains(part), format!("{part:?} is not in: {text}"))
}

/// Fails if `text` contains `part`.
pub fn lacks(text: &str, part: &str) -> Test {
    ensure(!text.contains(part), format!("{part:?} is in: {text}"))
}

/// The names of the living processes of this machine that begin with `beginning`.
pub fn processes(beginning: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let name = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("comm")).ok();
    let names = entries.flatten().filter_map(name);
    names.filter(|name| name.starts_with(beginning)).collect()
}

/// A program that says what `body` puts into `found`, and ends.
pub fn spy(body: &str) -> String {
    format!(
        "#![allow(unused)]\nuse std::fs;\nuse std::io::{{Read, Write}};\n\
         unsafe extern \"C\" {{ fn fork() -> i32; fn setsid() -> i32; fn kill(pid: i32, signal: i32) -> i32;\n\
         fn ptrace(what: i64, pid: i32, a: usize, b: usize) -> i64; fn getppid() -> i32; fn _exit(status: i32) -> !;\n\
         fn prctl(what: i32, a: usize, b: usize, c: usize, d: usize) -> i32; fn write(fd: i32, at: *const u8, count: usize) -> isize; }}\n\
         fn main() {{\n    let mut found: Vec<String> = Vec::new();\n{body}\n    \
         eprintln!(\"found {{}}\", found.join(\" \").replace('\\n', \" \"));\n    std::process::exit(3);\n}}\n"
    )
}

/// A path as a Rust string literal.
pub fn literal(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}
