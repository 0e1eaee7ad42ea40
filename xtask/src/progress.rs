//! How far the learner is: one small text file at the course's root, which git ignores.
//!
//! It is keyed by the names of modules and checks. What a check is worth stands in the manifests
//! alone, so an update of the course changes points and checks, and nothing here contradicts it:
//! an id that is gone is kept and counted nowhere, one that is new was never run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use grader::manifest::{Kind, Manifest};
use grader::report::{CheckReport, ModuleReport, Status};
use grader::wording;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::output::ResultFile;
use crate::workspace::Workspace;
use crate::{modules, terminal};

/// The file, at the course's root.
const FILE: &str = ".progress.toml";
/// Beside it: locked while somebody reads the file in order to change it. A file of its own, since
/// the other one is replaced at each change.
const LOCK: &str = ".progress.lock";
/// How long to wait for the lock. Whoever has it needs milliseconds, unless it was stopped.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How often to ask for the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// What the file begins with.
const HEAD: &str = "\
# How far you are in the course: `cargo xtask grade` and `cargo xtask hint` write it,
# `cargo xtask` and `cargo xtask list` show it. Git ignores it; without it you begin anew.
";

/// What is known of every module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    modules: BTreeMap<String, ModuleEntry>,
    /// What a later version of the course may have written beside the modules.
    other: Table,
}

/// What is known of one module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct ModuleEntry {
    /// When it was last graded (RFC 3339, UTC).
    graded: Option<String>,
    /// Whether it built then.
    builds: bool,
    /// The check that the last grading told in full.
    stopped_at: Option<String>,
    checks: BTreeMap<String, CheckEntry>,
    #[serde(flatten)]
    other: Table,
}

/// What is known of one check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct CheckEntry {
    /// The best that ever came of it, as [`Status::as_str`].
    best: String,
    /// What came of it last.
    last: String,
    /// The symptom, if it failed last.
    symptom: Option<String>,
    /// How many hints were told, by symptom.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    hints: BTreeMap<String, usize>,
    #[serde(flatten)]
    other: Table,
}

/// How far a module is, by the checks that its manifest names now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Core points when last graded.
    pub score: u32,
    /// Core points that there are.
    pub max_score: u32,
    /// Core points of every check that ever passed.
    pub best_score: u32,
    /// Stretch points when last graded.
    pub bonus: u32,
    /// Stretch points that there are.
    pub max_bonus: u32,
    /// Core checks that passed when last graded.
    pub core_passed: u32,
    /// Core checks that there are.
    pub core: u32,
    /// Checks that failed when last graded.
    pub failed: u32,
    /// Checks that were never run.
    pub never_run: u32,
    /// Whether every core check passed that this machine can show.
    pub is_done: bool,
    /// Whether the program built when last graded.
    pub builds: bool,
    /// Whether any check got beyond a `todo!()`.
    pub is_begun: bool,
}

/// A check as the last grading left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// What came of it, as [`Status::as_str`].
    pub status: &'a str,
    /// The symptom, empty if it did not fail.
    pub symptom: &'a str,
    /// How many hints for this symptom were told, one by the report of the failure.
    pub hints: usize,
}

impl Progress {
    /// How far a module is; `None` if it was never graded.
    pub fn standing(&self, manifest: &Manifest) -> Option<Standing> {
        let module = self.modules.get(&manifest.name).filter(|module| module.graded.is_some())?;
        Some(module.standing(manifest))
    }

    /// The module that was graded last, if it is one of these.
    pub fn last_graded<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let graded = |name: &str| self.modules.get(name)?.graded.clone();
        names.filter_map(|name| Some((graded(name)?, name))).max().map(|(_, name)| name)
    }

    /// The failure that the last grading told first, or the first one of those before it.
    pub fn first_failure<'a>(&self, manifest: &'a Manifest) -> Option<&'a str> {
        let module = self.modules.get(&manifest.name)?;
        let ids = manifest.checks.iter().map(|check| (check.kind, check.id.as_str()));
        let failed = ids.filter_map(|(kind, id)| {
            let seen = module.checks.get(id)?;
            let is_todo = seen.symptom.as_deref() == Some(wording::NOT_IMPLEMENTED);
            let is_told_first = module.stopped_at.as_deref() == Some(id);
            (seen.last == Status::Failed.as_str())
                .then_some(((!is_told_first, is_todo, kind == Kind::Stretch), id))
        });
        failed.min_by_key(|(rank, _)| *rank).map(|(_, id)| id)
    }

    /// What the last grading left of a check; `None` if it never ran.
    pub fn check(&self, module: &str, check: &str) -> Option<Seen<'_>> {
        let seen = self.modules.get(module)?.checks.get(check)?;
        let symptom = seen.symptom.as_deref().unwrap_or_default();
        let hints = seen.hints.get(symptom).copied().unwrap_or(0);
        (!seen.last.is_empty()).then_some(Seen { status: &seen.last, symptom, hints })
    }

    /// Whether the module built when it was last graded; `None` if it never was.
    pub fn builds(&self, module: &str) -> Option<bool> {
        self.modules.get(module).filter(|module| module.graded.is_some()).map(|known| known.builds)
    }

    /// Notes that so many hints of a check were told for the symptom that it shows now.
    pub fn told_hints(&mut self, module: &str, check: &str, told: usize) {
        let seen = self.modules.get_mut(module).and_then(|module| module.checks.get_mut(check));
        if let Some(seen) = seen {
            let symptom = seen.symptom.clone().unwrap_or_default();
            seen.hints.insert(symptom, told);
        }
    }

    /// Another program stands in the module's folder than the one that was graded: what came of
    /// that one last is no more. The best of each check stays.
    pub fn begin_anew(&mut self, module: &str) {
        let Some(module) = self.modules.get_mut(module) else { return };
        (module.graded, module.stopped_at) = (None, None);
        for check in module.checks.values_mut() {
            check.last.clear();
            check.symptom = None;
        }
    }

    /// Takes in what a grading showed at `now` (RFC 3339).
    fn take_in(&mut self, report: &ModuleReport, now: &str) {
        let module = self.modules.entry(report.module.clone()).or_default();
        module.graded = Some(now.to_owned());
        module.builds = report.error.is_none();
        if !module.builds {
            // No check ran: what the last program showed is still the last that is known.
            return;
        }
        // The grader's own failure says nothing of the program.
        for check in report.checks.iter().filter(|check| check.status != Status::Error) {
            module.checks.entry(check.id.clone()).or_default().take_in(check);
        }
        let first = report.failures().into_iter().next();
        module.stopped_at = first.map(|check| check.id.clone());
        // The report tells the first failure in full, with its first hint.
        if let Some(check) = first.filter(|check| !check.is_not_implemented())
            && let Some(seen) = module.checks.get_mut(&check.id)
        {
            let told = seen.hints.entry(check.symptom().to_owned()).or_default();
            *told = (*told).max(1);
        }
    }

    /// Reads the file's text; the error says what is wrong, and where if that is known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Table = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let line = line.map_or_else(String::new, |line| format!("line {line}: "));
            format!("{line}{}", error.message().trim().replace('\n', ", "))
        })?;
        let mut progress = Self::default();
        for (name, value) in table {
            if value.is_table() {
                let entry = value.try_into().map_err(|error: toml::de::Error| {
                    format!("[{name}]: {}", error.message().trim().replace('\n', ", "))
                })?;
                progress.modules.insert(name, entry);
            } else {
                progress.other.insert(name, value);
            }
        }
        Ok(progress)
    }

    /// The file's text: a section a module, a line a check.
    fn text(&self) -> anyhow::Result<String> {
        let mut text = HEAD.to_owned();
        lines(&mut text, &self.other);
        let taught = modules::TAUGHT.iter().map(|module| module.name);
        let taught: Vec<&str> = taught.filter(|name| self.modules.contains_key(*name)).collect();
        let others = self.modules.keys().map(String::as_str).filter(|name| !taught.contains(name));
        for name in taught.iter().copied().chain(others) {
            let Value::Table(mut module) = Value::try_from(&self.modules[name])? else { continue };
            let checks = module.remove("checks");
            let name = key(name);
            _ = writeln!(text, "\n[{name}]");
            lines(&mut text, &module);
            if let Some(Value::Table(checks)) = checks.filter(has_content) {
                _ = writeln!(text, "\n[{name}.checks]");
                lines(&mut text, &checks);
            }
        }
        Ok(text)
    }
}

impl ModuleEntry {
    fn standing(&self, manifest: &Manifest) -> Standing {
        let mut standing = Standing { builds: self.builds, ..Standing::default() };
        let mut open = 0;
        let nothing = CheckEntry::default();
        for check in &manifest.checks {
            let seen = self.checks.get(&check.id).unwrap_or(&nothing);
            let is = |status: Status| seen.last == status.as_str();
            let points = |counts: bool| if counts { check.points } else { 0 };
            let passed = is(Status::Passed);
            standing.never_run += u32::from(seen.last.is_empty());
            standing.failed += u32::from(is(Status::Failed));
            let is_todo = seen.symptom.as_deref() == Some(wording::NOT_IMPLEMENTED);
            standing.is_begun |= passed || is(Status::Failed) && !is_todo;
            if check.kind == Kind::Stretch {
                standing.bonus += points(passed);
                standing.max_bonus += check.points;
                continue;
            }
            standing.score += points(passed);
            standing.best_score += points(passed || seen.best == Status::Passed.as_str());
            standing.max_score += check.points;
            standing.core_passed += u32::from(passed);
            standing.core += 1;
            open += u32::from(!passed && !is(Status::Unsupported));
        }
        standing.is_done = self.builds && open == 0 && standing.core_passed > 0;
        standing
    }
}

impl CheckEntry {
    fn take_in(&mut self, report: &CheckReport) {
        self.last = report.status.as_str().to_owned();
        if rank(&self.last) >= rank(&self.best) {
            self.best.clone_from(&self.last);
        }
        let failed = report.status == Status::Failed;
        self.symptom = failed.then(|| report.symptom().to_owned());
    }
}

impl<'a> Seen<'a> {
    /// What came of it in one word, or two.
    pub fn in_a_word(&self) -> &'a str {
        match self.symptom {
            wording::NOT_IMPLEMENTED => "not begun",
            _ => self.status,
        }
    }
}

impl Standing {
    /// That of a module that was never graded.
    pub fn nothing(manifest: &Manifest) -> Self {
        ModuleEntry { builds: true, ..ModuleEntry::default() }.standing(manifest)
    }

    /// How far it is, in a few words.
    pub fn in_words(&self) -> String {
        let Self { score, max_score, best_score, bonus, .. } = *self;
        let mut told = format!("{score} of {max_score}");
        if bonus > 0 {
            _ = write!(told, ", and {bonus} stretch");
        }
        match (self.builds, self.is_begun) {
            (false, false) => return "does not build".to_owned(),
            (false, true) => return format!("does not build; {told} before"),
            (true, false) => return "not begun".to_owned(),
            (true, true) => {}
        }
        if best_score > score {
            _ = write!(told, " (best {best_score})");
        }
        told
    }
}

/// Keeps what a grading showed. What cannot be kept costs a note: the grading itself stands.
pub fn keep(workspace: &Workspace, reports: &[ModuleReport]) {
    let now = now();
    let kept = change(workspace, |progress| {
        for report in reports {
            progress.take_in(report, &now);
        }
    });
    if let Err(error) = kept {
        terminal::note(&format!("this result is not kept for `cargo xtask list`: {error:#}"));
    }
}

/// What is known so far. A file that cannot be read costs a note.
pub fn read(workspace: &Workspace) -> Progress {
    // The file is only ever replaced as a whole, so a reader needs no lock.
    let known = match load(&workspace.root().join(FILE)) {
        Ok(Loaded::Known(progress)) => return progress,
        Ok(Loaded::Broken(_)) => Lock::take(workspace).and_then(|_lock| load_or_begin(workspace)),
        Err(error) => Err(error),
    };
    known.unwrap_or_else(|error| {
        terminal::note(&format!("how far you are is not known: {error:#}"));
        Progress::default()
    })
}

/// Changes what is known. Of two changes at the same time, one waits for the other.
///
/// # Errors
///
/// The file cannot be read or written; it then stands as it was.
pub fn change<T>(
    workspace: &Workspace,
    change: impl FnOnce(&mut Progress) -> T,
) -> anyhow::Result<T> {
    let _lock = Lock::take(workspace)?;
    let mut progress = load_or_begin(workspace)?;
    let answer = change(&mut progress);
    let text = progress.text()?;
    ResultFile::prepare(&workspace.root().join(FILE))?.write(text.as_bytes())?;
    Ok(answer)
}

/// What the file held.
enum Loaded {
    Known(Progress),
    /// Text that is none of this format, and why.
    Broken(String),
}

fn load(path: &Path) -> anyhow::Result<Loaded> {
    let bytes = match fs_err::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Progress::parse(&text).map_or_else(Loaded::Broken, Loaded::Known),
        Err(_) => Loaded::Broken("it is no text (UTF-8)".to_owned()),
    })
}

/// Loads the file. A broken one is kept under another name, so that nothing of it is lost; the lock
/// is held meanwhile.
fn load_or_begin(workspace: &Workspace) -> anyhow::Result<Progress> {
    let path = workspace.root().join(FILE);
    let why = match load(&path)? {
        Loaded::Known(progress) => return Ok(progress),
        Loaded::Broken(why) => why,
    };
    let aside = free_name(workspace.root());
    fs_err::rename(&path, &aside).context("keep the broken file aside")?;
    let aside = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
    terminal::note(&format!(
        "{FILE}, which says how far you are, cannot be understood ({why}). It is kept as \
         {aside}, and a new one is begun; mend it and rename it back if you want what it says"
    ));
    Ok(Progress::default())
}

/// A name that nothing in the folder has yet.
fn free_name(folder: &Path) -> PathBuf {
    let mut number: u32 = 1;
    loop {
        let path = folder.join(format!("{FILE}.broken-{number}"));
        if path.symlink_metadata().is_err() {
            return path;
        }
        number += 1;
    }
}

/// The right to change the file; given back when dropped, and by the kernel if the process dies.
struct Lock {
    _file: File,
}

impl Lock {
    fn take(workspace: &Workspace) -> anyhow::Result<Self> {
        let path = workspace.root().join(LOCK);
        let file = fs_err::OpenOptions::new().create(true).append(true).open(&path)?;
        let (file, _) = file.into_parts();
        let began = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if began.elapsed() < LOCK_PATIENCE => {
                    thread::sleep(LOCK_PAUSE);
                }
                Err(Errno::WOULDBLOCK) => {
                    bail!("another run holds {} and does not let go of it", path.display())
                }
                // Some network drives have no locks: two runs at once are rarer than those.
                Err(_) => break,
            }
        }
        Ok(Self { _file: file })
    }
}

/// One `key = value` line an entry.
fn lines(text: &mut String, table: &Table) {
    for (name, value) in table {
        _ = writeln!(text, "{} = {value}", key(name));
    }
}

/// A key as TOML writes it: bare where it may be, else as a string.
fn key(name: &str) -> String {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    }
}

fn has_content(value: &Value) -> bool {
    value.as_table().is_some_and(|table| !table.is_empty())
}

/// How good a status is. One that only a later version of the course knows is kept as the best.
fn rank(status: &str) -> u32 {
    match status {
        "" => 0,
        "skipped" => 1,
        "failed" => 2,
        "unsupported" => 3,
        "passed" => 5,
        _ => 4,
    }
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    timestamp(since.as_secs())
}

/// Seconds since 1970 as RFC 3339 writes them, in UTC.
fn timestamp(seconds: u64) -> String {
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    use grader::manifest::{Kind, Manifest};
    use grader::report::{CheckReport, Feedback, ModuleReport, Status};

    use super::{FILE, Progress, change, read, timestamp};
    use crate::workspace::Workspace;

    fn folder() -> tempfile::TempDir {
        tempfile::Builder::new().prefix("xtask-progress-").tempdir().expect("a temporary folder")
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = fs_err::read_dir(folder).expect("read the folder").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn check(id: &str, status: Status, symptom: &str) -> CheckReport {
        let feedback = Feedback { symptom: symptom.to_owned(), ..Feedback::default() };
        CheckReport {
            id: id.to_owned(),
            title: String::new(),
            kind: Kind::Core,
            status,
            max_points: 5,
            duration: Duration::ZERO,
            feedback: (status == Status::Failed).then_some(feedback),
            weaker_form: None,
        }
    }

    fn report(checks: Vec<CheckReport>) -> ModuleReport {
        ModuleReport {
            module: "tcp-echo".to_owned(),
            program: "exercises/tcp-echo".to_owned(),
            checks,
            error: None,
        }
    }

    fn manifest(ids: &[&str]) -> Manifest {
        let checks = ids.iter().map(|id| {
            format!(
                "[[check]]\nid = \"{id}\"\ntitle = \"A\"\nkind = \"core\"\npoints = 5\n\
                 lesson = \"a\"\npromise = \"It does.\"\nhints = [\"Do it.\"]\n\
             steps = [\"It is started.\"]\nrule = \"It must.\"\n"
            )
        });
        let text = format!("name = \"tcp-echo\"\ntitle = \"M\"\n{}", checks.collect::<String>());
        Manifest::parse(&text, Path::new("module.toml")).expect("the manifest is right")
    }

    #[test]
    fn the_best_stays_and_the_last_counts() {
        let manifest = manifest(&["one", "two"]);
        let mut progress = Progress::default();
        assert_eq!(progress.standing(&manifest), None);
        let passed = [check("one", Status::Passed, ""), check("two", Status::Passed, "")];
        progress.take_in(&report(passed.into()), "2026-01-01T00:00:00Z");
        assert!(progress.standing(&manifest).is_some_and(|standing| standing.is_done));
        let worse = [check("one", Status::Skipped, ""), check("two", Status::Failed, "reset")];
        progress.take_in(&report(worse.into()), "2026-01-02T00:00:00Z");
        let standing = progress.standing(&manifest).expect("it was graded");
        assert_eq!((standing.score, standing.best_score, standing.max_score), (0, 10, 10));
        assert_eq!(standing.in_words(), "0 of 10 (best 10)");
        assert_eq!(progress.first_failure(&manifest), Some("two"));
        let seen = progress.check("tcp-echo", "two").expect("it ran");
        assert_eq!((seen.symptom, seen.hints), ("reset", 1), "the report told the first hint");

        let mut broken = report(vec![check("one", Status::Failed, "does-not-build")]);
        broken.error = Some("error".to_owned());
        progress.take_in(&broken, "2026-01-03T00:00:00Z");
        let words = progress.standing(&manifest).expect("it was graded").in_words();
        assert_eq!(words, "does not build; 0 of 10 before");
        let failed_grader = report(vec![check("two", Status::Error, "")]);
        progress.take_in(&failed_grader, "2026-01-04T00:00:00Z");
        assert_eq!(progress.first_failure(&manifest), Some("two"), "the grader's fault is no news");
        assert_eq!(progress.last_graded(["udp-echo", "tcp-echo"].into_iter()), Some("tcp-echo"));
    }

    #[test]
    fn a_check_graded_alone_changes_nothing_else() {
        let manifest = manifest(&["one", "two", "three"]);
        let mut progress = Progress::default();
        let all = [
            check("one", Status::Failed, "not-implemented"),
            check("two", Status::Failed, "reset"),
            check("three", Status::Failed, "stalled"),
        ];
        progress.take_in(&report(all.into()), "2026-01-01T00:00:00Z");
        assert_eq!(progress.first_failure(&manifest), Some("two"), "what is written comes first");
        progress.take_in(&report(vec![check("three", Status::Failed, "reset")]), "2026-01-02");
        assert_eq!(progress.first_failure(&manifest), Some("three"), "that one was told last");
        progress.take_in(&report(vec![check("three", Status::Passed, "")]), "2026-01-03");
        assert_eq!(progress.first_failure(&manifest), Some("two"));
    }

    #[test]
    fn what_this_version_does_not_know_is_kept_and_counts_nothing() {
        let root = folder();
        let workspace = Workspace::at(root.path());
        let old = "language = \"zh\"\n\n[a-module-of-tomorrow]\nstars = 3\n\n[tcp-echo]\n\
                   graded = \"2026-01-01T00:00:00Z\"\nbuilds = true\npath = [1, \"x\"]\n\n\
                   [tcp-echo.checks]\n\"gone one\" = { best = \"passed\", last = \"passed\" }\n\
                   one = { best = \"splendid\", last = \"splendid\", seconds = 2.5 }\n";
        fs_err::write(root.path().join(FILE), old).expect("write the file");
        let before: toml::Table = toml::from_str(old).expect("the file is right");
        change(&workspace, |_| ()).expect("the file can be changed");
        let text = fs_err::read_to_string(root.path().join(FILE)).expect("read the file");
        let mut after: toml::Table = toml::from_str(&text).expect("what was written is right");
        let checks = |table: &toml::Table| table["tcp-echo"]["checks"].clone();
        assert_eq!(checks(&before), checks(&after), "{text}");
        assert_eq!(after["tcp-echo"]["path"], before["tcp-echo"]["path"]);
        assert_eq!(after["a-module-of-tomorrow"]["stars"], toml::Value::Integer(3), "{text}");
        assert_eq!(after.remove("language"), before.get("language").cloned());
        change(&workspace, |progress| {
            progress.take_in(&report(vec![check("one", Status::Failed, "reset")]), "2026-01-02");
        })
        .expect("the file can be changed");
        let text = fs_err::read_to_string(root.path().join(FILE)).expect("read the file");
        assert!(text.contains("best = \"splendid\", hints = { reset = 1 }, last"), "{text}");
        let standing = read(&workspace).standing(&manifest(&["one", "two"]));
        assert_eq!(standing.map(|standing| (standing.score, standing.max_score)), Some((0, 10)));
    }

    #[test]
    fn a_broken_file_is_kept_aside() {
        let root = folder();
        let workspace = Workspace::at(root.path());
        let path = root.path().join(FILE);
        let broken: [&[u8]; 4] =
            [b"[tcp-echo\n", b"\xff\xfe", b"[tcp-echo]\nbuilds = 7\n", b"tcp-echo = 1\n<<<<<<<\n"];
        for (index, content) in broken.iter().enumerate() {
            fs_err::write(&path, content).expect("write the file");
            if index % 2 == 0 {
                assert_eq!(read(&workspace), Progress::default());
            } else {
                change(&workspace, |_| ()).expect("a new file is begun");
            }
            let aside = root.path().join(format!("{FILE}.broken-{}", index + 1));
            assert_eq!(fs_err::read(aside).expect("it is kept"), *content);
        }
        let told = Progress::parse("\n[tcp-echo\n").expect_err("it is broken");
        assert!(told.starts_with("line 2: "), "{told}");
        assert_eq!(names_in(root.path()).len(), 2 + broken.len(), "file, lock, broken ones");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone() {
        let root = folder();
        fs_err::create_dir(root.path().join(FILE)).expect("make a folder");
        let workspace = Workspace::at(root.path());
        assert_eq!(read(&workspace), Progress::default());
        change(&workspace, |_| ()).expect_err("a folder is no file");
        assert!(root.path().join(FILE).is_dir());
    }

    #[test]
    fn changes_at_the_same_time_lose_nothing() {
        const WRITERS: usize = 8;
        const CHANGES: usize = 10;
        let root = folder();
        let workspace = Workspace::at(root.path());
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let workspace = &workspace;
                scope.spawn(move || {
                    for number in 0..CHANGES {
                        let one = check(&format!("{writer}-{number}"), Status::Passed, "");
                        change(workspace, |progress| {
                            progress.take_in(&report(vec![one]), "2026-01-01");
                        })
                        .expect("the file can be changed");
                        // Whoever only reads never sees a half of it.
                        let id = format!("{writer}-{number}");
                        assert!(read(workspace).check("tcp-echo", &id).is_some());
                    }
                });
            }
        });
        let known = read(&workspace);
        assert_eq!(known.modules["tcp-echo"].checks.len(), WRITERS * CHANGES);
        assert_eq!(names_in(root.path()).len(), 2, "nothing else is left");
    }

    #[test]
    fn times_are_written_as_rfc_3339_does() {
        // The expected ones are those of `date -u -d @SECONDS`.
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(1_798_761_599), "2026-12-31T23:59:59Z");
        assert_eq!(timestamp(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
