//! What grading a class leaves behind: one JSON file a submission, and one that tells of the run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use grader::manifest::Kind;
use grader::report::{CheckReport, Feedback, ModuleReport, Status};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::assignment::Assignment;
use crate::batch::toolchain::hash;

/// The name and version of a result's form. Fields may be added to it; what stands keeps its
/// meaning.
pub const SCHEMA: &str = "classroom/v1";
/// The name and version of the form of the file that tells of the run.
pub const BATCH_SCHEMA: &str = "classroom-batch/v1";
/// How the error of a module begins of which nothing was handed in.
pub const NOT_HANDED_IN: &str = "error: the submission has no src/main.rs for ";
/// How the name of a file begins that is being written: with a dot, so that nobody takes it for a
/// result if the process is killed.
const WRITING: &str = ".writing-";
/// The file that tells of the run, beside the results.
pub const BATCH_FILE: &str = "batch.json";
/// The copy of the assignment beside the results, by which points are counted later.
pub const ASSIGNMENT_FILE: &str = "assignment.toml";

/// The result of one submission, `RESULTS/NAME.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubmissionResult {
    /// [`SCHEMA`].
    pub schema: String,
    /// Whose it is, and where it came from.
    pub submission: Submission,
    /// What decides the result: another key is another grading.
    pub key: Key,
    /// The layer of the sandbox that was in force: "namespaces", "linux" or "everywhere"; empty if
    /// nothing was run.
    pub layer: String,
    /// How the grading ended.
    pub status: Outcome,
    /// With `error`: what failed. With `missing`: a sentence that says so. Else empty.
    pub error: String,
    /// What the instructor should know of the submission's files, such as a link that was left out;
    /// control characters are escaped.
    pub notes: Vec<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Processor and wall-clock time that it took.
    pub cost: Cost,
    /// One entry a module of the assignment, in the taught order. With `error`, what came before
    /// it,
    /// which is no verdict; with `missing`, none.
    pub modules: Vec<ModuleResult>,
}

/// Whose a submission is, and where it came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Its name: unique in the run, and safe as a file's name on every system.
    pub name: String,
    /// The people whose it is; empty if neither the export nor the roster says.
    pub people: Vec<Person>,
    /// The folder or archive, as given on the command line; empty if `missing`.
    pub source: String,
    /// When it was handed in, as RFC 3339 writes a moment, where the export says.
    pub submitted_at: Option<String>,
    /// Whether that is after the due date and the grace; unknown without either.
    pub late: Option<bool>,
}

/// One person, as far as the export and the roster know them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The full name.
    pub name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// The number that the school, or the system that the export came from, knows them by.
    pub id: Option<String>,
    /// The account's name (GitHub's, or the learning platform's).
    pub username: Option<String>,
}

/// What decides a result. Two gradings with one key give the same verdicts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// SHA-256 over the paths and the contents of the files taken, in hexadecimal; empty if none.
    pub files_hash: String,
    /// SHA-256 over the grader and the manifests, in hexadecimal.
    pub grader_hash: String,
    /// What `rustc --version` says.
    pub toolchain: String,
    /// The seed of all random input.
    pub seed: u64,
    /// How long a check waits for an answer, in milliseconds.
    pub deadline_ms: u64,
    /// The modules graded.
    pub modules: Vec<String>,
}

/// How the grading of a submission ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// There is a verdict on every module. A program that does not compile is graded too.
    Graded,
    /// The grader or the machine failed: no verdict, and never a zero. The next run tries again.
    Error,
    /// The roster names the person, and nothing was handed in.
    Missing,
}

/// What a grading took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Processor time of everything: compiling, the programs and the checks.
    pub cpu_ms: u64,
    /// Wall-clock time of compiling.
    pub build_ms: u64,
    /// Wall-clock time of grading.
    pub grade_ms: u64,
}

/// The result of one module: an object of `grade/v1`, with more words on a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleResult {
    /// The module's name.
    pub module: String,
    /// What was graded, as the reader knows it.
    pub program: String,
    /// Points earned with core checks, as the manifest counts them; before any late policy.
    pub score: u32,
    /// Points that core checks are worth.
    pub max_score: u32,
    /// Points earned with stretch checks.
    pub bonus: u32,
    /// One entry a check, in the manifest's order.
    pub checks: Vec<CheckResult>,
    /// The compiler's messages, or why there is nothing to compile.
    pub error: Option<String>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// "core" or "stretch".
    pub kind: String,
    /// "passed", "failed", "skipped", "unsupported" or "error".
    pub status: String,
    /// Points earned, as the manifest counts them.
    pub points: u32,
    /// Points that it is worth.
    pub max_points: u32,
    /// How long it ran, in milliseconds.
    pub duration_ms: u64,
    /// What to tell the learner, if it did not pass.
    pub feedback: Option<FeedbackText>,
}

/// The parts of a failure, in the order in which they are told. Bytes of a program are escaped in
/// all of them; they hold no control character but the newline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedbackText {
    /// What the program promises.
    pub promise: String,
    /// The ladder of the conversation, drawn for 80 columns.
    pub transcript: String,
    /// What was expected.
    pub expected: String,
    /// What came instead.
    pub got: String,
    /// The hint for this mistake.
    pub hint: String,
    /// The symptom's name ("cut-short"), as in the known-wrong programs' `wrong.toml`; not in
    /// `grade/v1`.
    #[serde(default)]
    pub symptom: String,
    /// Where the lesson tells of it; not in `grade/v1`.
    #[serde(default)]
    pub lesson: String,
}

/// What a run was, `RESULTS/batch.json`; `RESULTS/batch-I-of-N.json` for one shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchFile {
    /// [`BATCH_SCHEMA`].
    pub schema: String,
    /// The assignment's title.
    pub title: String,
    /// The modules graded, in the taught order.
    pub modules: Vec<String>,
    /// The seed of all random input.
    pub seed: u64,
    /// How long a check waits for an answer, in milliseconds.
    pub deadline_ms: u64,
    /// As in [`Key`].
    pub grader_hash: String,
    /// The version of the course's grader.
    pub grader_version: String,
    /// As in [`Key`].
    pub toolchain: String,
    /// As in [`SubmissionResult`].
    pub layer: String,
    /// Which part of the class this is, if not all.
    pub shard: Option<Shard>,
    /// The names of the submissions of this shard, missing ones included, in order.
    pub submissions: Vec<String>,
    /// The names of the whole class, in order, by which `merge` knows what is missing. Shard I of
    /// N has every N-th of them, beginning with the I-th.
    #[serde(default)]
    pub class: Vec<String>,
    /// SHA-256 over what the class was asked, in hexadecimal.
    #[serde(default)]
    pub assignment_hash: String,
    /// What the instructor should know of the submissions as a whole, such as one that no line of
    /// the roster fits.
    pub notes: Vec<String>,
}

/// Part `index` of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 1.
    pub index: usize,
    /// At least `index`.
    pub count: usize,
}

impl SubmissionResult {
    /// The result of a submission that has not been graded.
    pub fn empty(submission: Submission, key: Key, status: Outcome, error: String) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            submission,
            key,
            layer: String::new(),
            status,
            error,
            notes: Vec::new(),
            attempts: 0,
            cost: Cost::default(),
            modules: Vec::new(),
        }
    }

    /// Where the result of the submission `name` stands in `folder`.
    pub fn path(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{name}.json"))
    }

    /// Reads the result in the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be read, is no result, or one of a later version.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let result: Self = read(path, SCHEMA)?;
        Ok(result)
    }

    /// Writes the result into `folder`: whole or not at all, also when the machine stops.
    ///
    /// # Errors
    ///
    /// The folder takes no file.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        write(&Self::path(folder, &self.submission.name), self)
    }
}

impl BatchFile {
    /// The file's name: a shard has one of its own, so that shards may share a folder.
    pub fn file_name(shard: Option<Shard>) -> String {
        match shard {
            None => BATCH_FILE.to_owned(),
            Some(Shard { index, count }) => format!("batch-{index}-of-{count}.json"),
        }
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be read, is none of these, or one of a later version.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        read(path, BATCH_SCHEMA)
    }

    /// Writes the file into `folder`, whole or not at all.
    ///
    /// # Errors
    ///
    /// The folder takes no file.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        write(&folder.join(Self::file_name(self.shard)), self)
    }
}

/// Writes the copy of the assignment into `folder`, whole or not at all.
///
/// # Errors
///
/// The folder takes no file.
pub fn save_assignment(folder: &Path, text: &str) -> anyhow::Result<()> {
    write_bytes(&folder.join(ASSIGNMENT_FILE), text.as_bytes())
}

/// Tells one assignment from another, whatever comments stand in its file.
pub fn assignment_hash(assignment: &Assignment) -> String {
    // There is nothing in it that JSON cannot say.
    hash(&[&serde_json::to_vec(assignment).unwrap_or_default()])
}

/// How old a file left by a killed run is before nobody can still be writing it.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// Removes what runs that were killed while they wrote have left in `folder`.
pub fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(WRITING);
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED_AFTER));
        if is_ours && is_old {
            // It is in nobody's way.
            _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The paths of all results in `folder`, in the order of their names. A class may be large: read
/// one after the other.
///
/// # Errors
///
/// The folder cannot be read, or holds no result.
pub fn result_paths(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let paths = all_result_paths(folder)?;
    if paths.is_empty() {
        bail!("{} holds no results; `cargo xtask batch` writes them", folder.display());
    }
    Ok(paths)
}

/// As [`result_paths`], of a folder that may hold none yet.
///
/// # Errors
///
/// The folder cannot be read.
pub fn all_result_paths(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    json_files(folder, |name| !name.starts_with("batch") && !name.starts_with('.'))
}

/// The paths of the files in `folder` that tell of runs, shards' included, in the order of their
/// names.
///
/// # Errors
///
/// The folder cannot be read.
pub fn batch_paths(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    json_files(folder, |name| name == BATCH_FILE || name.starts_with("batch-"))
}

fn json_files(folder: &Path, wanted: impl Fn(&str) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".json") && wanted(&name) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// How many names a line lists.
const NAMES: usize = 20;

/// The first of the names, and how many there are more.
pub fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl Shard {
    /// What of `all` is this shard's.
    pub fn of<T>(self, all: &[T]) -> impl Iterator<Item = &T> {
        all.iter().skip(self.index - 1).step_by(self.count)
    }
}

impl ModuleResult {
    /// Whether there was anything to compile.
    pub fn is_handed_in(&self) -> bool {
        !self.error.as_ref().is_some_and(|error| error.starts_with(NOT_HANDED_IN))
    }

    /// The module's report in the form that is kept.
    pub fn of(report: &ModuleReport) -> Self {
        Self {
            module: report.module.clone(),
            program: report.program.clone(),
            score: report.score(),
            max_score: report.max_score(),
            bonus: report.bonus(),
            checks: report.checks.iter().map(CheckResult::of).collect(),
            error: report.error.as_deref().map(printable),
        }
    }
}

impl CheckResult {
    fn of(check: &CheckReport) -> Self {
        Self {
            id: check.id.clone(),
            title: check.title.clone(),
            kind: match check.kind {
                Kind::Core => "core",
                Kind::Stretch => "stretch",
            }
            .to_owned(),
            status: check.status.as_str().to_owned(),
            points: check.points(),
            max_points: check.max_points,
            duration_ms: u64::try_from(check.duration.as_millis()).unwrap_or(u64::MAX),
            feedback: check.feedback.as_ref().map(FeedbackText::of),
        }
    }

    /// Whether the check passed.
    pub fn passed(&self) -> bool {
        self.status == Status::Passed.as_str()
    }
}

impl FeedbackText {
    fn of(feedback: &Feedback) -> Self {
        Self {
            promise: printable(&feedback.promise),
            transcript: printable(&feedback.conversation()),
            expected: printable(&feedback.expected),
            got: printable(&feedback.got),
            hint: printable(&feedback.hint),
            symptom: feedback.symptom.clone(),
            lesson: feedback.lesson.clone(),
        }
    }
}

/// The text without anything that a terminal or a page would obey: control characters other than
/// the newline, and those that turn the direction of writing, stand as Rust escapes them.
pub fn printable(text: &str) -> String {
    let obeyed = |character: char| {
        let turns = matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        (character.is_control() && character != '\n') || turns
    };
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push_str("    "),
            _ if obeyed(character) => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

fn read<T: DeserializeOwned>(path: &Path, schema: &str) -> anyhow::Result<T> {
    let text = fs_err::read_to_string(path)?;
    let value: serde_json::Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is no JSON document", path.display()))?;
    let said = value["schema"].as_str().unwrap_or_default();
    if said != schema {
        bail!("{} is of the schema {said:?}, not {schema:?}", path.display());
    }
    serde_json::from_value(value)
        .with_context(|| format!("{} breaks the format of {schema}", path.display()))
}

/// Writes the document whole or not at all; it stands also if the machine loses power right after.
fn write(path: &Path, document: &impl Serialize) -> anyhow::Result<()> {
    let mut text =
        serde_json::to_vec_pretty(document).with_context(|| format!("write {}", path.display()))?;
    text.push(b'\n');
    write_bytes(path, &text)
}

fn write_bytes(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let attempt = || format!("write {}", path.display());
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(WRITING);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder).with_context(attempt)?;
    file.write_all(text).with_context(attempt)?;
    file.as_file().sync_data().with_context(attempt)?;
    file.persist(path).map_err(|error| error.error).with_context(attempt)?;
    Ok(())
}
