//! Grades the submissions, some at a time, and keeps the results.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::crew::Crew;
use super::files::{self, Taken};
use super::intake::{Class, Found};
use super::order::{Limits, ModuleOrder, Order, RoomOrder};
use super::progress::Progress;
use super::toolchain::{self, Toolchain};
use crate::assignment::Assignment;
use crate::modules;
use crate::moment::Moment;
use crate::results::{
    self, BATCH_SCHEMA, BatchFile, Cost, Key, ModuleResult, Outcome, Shard, Submission,
    SubmissionResult, printable,
};
use crate::workspace::Workspace;

/// How often a submission is tried when the grader or the machine failed.
const ATTEMPTS: u32 = 2;
/// Where the room has the dependencies, and the folder for everything that is written.
const LIBRARIES: &str = "/room/dependencies";
const WORK: &str = "/room/work";

/// Everything that gradings have in common.
#[derive(Debug)]
pub struct Bench {
    assignment: Assignment,
    /// In the taught order.
    modules: Vec<String>,
    manifests: BTreeMap<String, String>,
    toolchain: Toolchain,
    crew: Crew,
    room: Option<RoomOrder>,
    layer: String,
    limits: Limits,
    grader_hash: String,
    seed: u64,
    deadline_ms: u64,
    checks: Vec<String>,
    turns: PathBuf,
    jobs: usize,
    /// Results stand here.
    out: PathBuf,
    /// With --against, they are kept here until a run without it wants them.
    staged: PathBuf,
    is_rehearsal: bool,
    /// Grade also what was graded before.
    again: bool,
}

/// What is graded, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the class was asked.
    pub assignment: Assignment,
    /// The folder or archive with the submissions, which no submission may see.
    pub submissions: PathBuf,
    /// The folder for the results.
    pub out: PathBuf,
    /// The seed of all random input.
    pub seed: u64,
    /// How long a check waits for an answer, in milliseconds.
    pub deadline_ms: u64,
    /// How many submissions are graded at the same time; the number of processors if not given.
    pub jobs: Option<usize>,
    /// Keep the results aside, for a comparison.
    pub is_rehearsal: bool,
    /// Grade also what was graded before.
    pub again: bool,
    /// Grade also where this machine has no namespaces.
    pub trust: bool,
    /// What a submission may use up, if not as usual.
    pub limits: Option<Limits>,
    /// Run these checks only; all if empty. Such results have no key of their own: for tests.
    pub checks: Vec<String>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many have a verdict.
    pub graded: usize,
    /// How many of these had it before.
    pub kept: usize,
    /// How many were not handed in.
    pub missing: usize,
    /// The names of those at which the grader or the machine failed.
    pub errors: Vec<String>,
}

impl Bench {
    /// Finds the compiler, builds what programs depend on and finds out how this machine protects
    /// itself.
    ///
    /// # Errors
    ///
    /// Something of that is not to be had; or the machine has no namespaces, and the submissions
    /// are not said to be trusted.
    pub fn prepare(workspace: &Workspace, settings: Settings) -> anyhow::Result<Self> {
        let Settings { assignment, out, .. } = settings;
        let taught = modules::TAUGHT.iter().map(|module| module.name.to_owned());
        let modules: Vec<String> =
            taught.filter(|name| assignment.modules.contains(name)).collect();
        let mut manifests = BTreeMap::new();
        for module in &modules {
            let path = workspace.checks_folder(module).join("module.toml");
            workspace.manifest(module)?;
            manifests.insert(module.clone(), fs_err::read_to_string(path)?);
        }
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let jobs = settings.jobs.unwrap_or(processors);
        let corner = workspace.own_target().join("classroom");
        let out = std::path::absolute(out)?;
        let toolchain = Toolchain::prepare(workspace, &modules)?;
        let at = corner.join("room");
        fs_err::create_dir_all(&at)?;
        let turns = corner.join("turns");
        fs_err::File::create(&turns)?;
        let hidden = [workspace.root(), &out, &settings.submissions];
        let hidden = hidden.iter().filter_map(|path| std::path::absolute(path).ok());
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let room = RoomOrder {
            at,
            shown: vec![
                (toolchain.sysroot.clone(), toolchain.sysroot.clone()),
                (toolchain.libraries.clone(), PathBuf::from(LIBRARIES)),
            ],
            hidden: hidden.chain(home).collect(),
            work: PathBuf::from(WORK),
        };
        let staged = toolchain::short_hash(&[out.as_os_str().as_encoded_bytes()]);
        let mut bench = Self {
            grader_hash: grader_hash(workspace, &modules)?,
            assignment,
            modules,
            manifests,
            toolchain,
            crew: Crew::new(WORK)?,
            room: Some(room),
            layer: String::new(),
            limits: settings.limits.unwrap_or_else(limits),
            seed: settings.seed,
            deadline_ms: settings.deadline_ms,
            checks: settings.checks,
            turns,
            jobs,
            out,
            staged: corner.join("against").join(staged),
            is_rehearsal: settings.is_rehearsal,
            again: settings.again,
        };
        bench.choose_layer(settings.trust)?;
        results::sweep(&bench.out);
        if bench.is_rehearsal {
            fs_err::create_dir_all(&bench.staged)?;
        }
        Ok(bench)
    }

    /// Tries a room; without one, goes on only if the submissions are trusted.
    fn choose_layer(&mut self, trust: bool) -> anyhow::Result<()> {
        let nothing = Order { modules: Vec::new(), ..self.order(&Taken::default()) };
        let (answer, _) = self.crew.grade(&nothing, &[]).context("find out the sandbox's layer")?;
        if let Some(fault) = answer.fault {
            bail!("the sandbox does not work here: {fault}");
        }
        let missing: Vec<String> =
            answer.missing.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        let why = match (&answer.refused, answer.layer.as_str()) {
            (None, "namespaces") => {
                self.layer = answer.layer;
                return Ok(());
            }
            (Some(refused), _) => refused.clone(),
            (None, _) => missing.join("; "),
        };
        if !trust {
            bail!(
                "this machine cannot keep submissions apart from your files and from each other \
                 ({why}); grade on Linux with user namespaces, or, if you would run each of these \
                 programs yourself, say --trust-submissions"
            );
        }
        if answer.refused.is_none() {
            self.layer = answer.layer;
            return Ok(());
        }
        self.room = None;
        self.crew = Crew::new(std::env::temp_dir())?;
        let nothing = Order { modules: Vec::new(), ..self.order(&Taken::default()) };
        let (answer, _) = self.crew.grade(&nothing, &[]).context("find out the sandbox's layer")?;
        self.layer = answer.layer;
        Ok(())
    }

    /// The layer of the sandbox that is in force.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The seed of all random input.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Where this run's results stand.
    pub fn results(&self) -> &Path {
        if self.is_rehearsal { &self.staged } else { &self.out }
    }

    /// What is told of the run.
    pub fn describe(&self, class: &Class, chosen: &[Found], shard: Option<Shard>) -> BatchFile {
        BatchFile {
            schema: BATCH_SCHEMA.to_owned(),
            title: self.assignment.title.clone(),
            modules: self.modules.clone(),
            seed: self.seed,
            deadline_ms: self.deadline_ms,
            grader_hash: self.grader_hash.clone(),
            grader_version: env!("CARGO_PKG_VERSION").to_owned(),
            toolchain: self.toolchain.version.clone(),
            layer: self.layer.clone(),
            shard,
            submissions: chosen.iter().map(|found| found.name.clone()).collect(),
            class: class.submissions.iter().map(|found| found.name.clone()).collect(),
            assignment_hash: results::assignment_hash(&self.assignment),
            notes: class.notes.clone(),
        }
    }

    /// Grades all of these, and tells of each when it is done.
    ///
    /// # Errors
    ///
    /// A result cannot be written.
    pub fn grade(&self, chosen: &[Found]) -> anyhow::Result<Tally> {
        let progress = Progress::begin(chosen.len());
        let next = AtomicUsize::new(0);
        let tally = Mutex::new((Tally::default(), None));
        thread::scope(|scope| {
            for _ in 0..self.jobs.min(chosen.len()) {
                scope.spawn(|| {
                    while let Some(found) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let done = self.one(found);
                        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                        match done.and_then(|done| tally.0.take(&done, &progress)) {
                            Ok(()) => {}
                            Err(error) => {
                                // The others end what they have begun.
                                next.store(chosen.len(), Ordering::Relaxed);
                                tally.1.get_or_insert(error);
                            }
                        }
                    }
                });
            }
        });
        let (tally, error) = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        error.map_or(Ok(tally), Err)
    }

    /// Grades one, unless that was done before; what fails is told in its result.
    fn one(&self, found: &Found) -> anyhow::Result<Done> {
        let attempt = || format!("grade {}", found.name);
        let result = catch_unwind(AssertUnwindSafe(|| self.result(found)));
        let (result, kept) = result.unwrap_or_else(|_| {
            let why = "the grader panicked; what it said stands above".to_owned();
            (self.without_verdict(found, Outcome::Error, why), false)
        });
        if !kept {
            result.save(self.results()).with_context(attempt)?;
        }
        if !self.is_rehearsal {
            // What a run with --against had kept is now where it belongs.
            _ = std::fs::remove_file(SubmissionResult::path(&self.staged, &found.name));
        }
        Ok(Done { line: line(&result), name: found.name.clone(), status: result.status, kept })
    }

    /// The result, and whether it stands where it should already.
    fn result(&self, found: &Found) -> (SubmissionResult, bool) {
        let Some(source) = &found.source else {
            let missing =
                self.without_verdict(found, Outcome::Missing, "nothing was handed in".into());
            return (missing, false);
        };
        let taken = match files::take(source, &self.modules) {
            Ok(taken) => taken,
            Err(error) => {
                let why = printable(&format!("{error:#}"));
                return (self.without_verdict(found, Outcome::Error, why), false);
            }
        };
        let key = self.key(taken.hash());
        let submission = self.submission(found);
        for folder in [self.results(), &self.out, &self.staged] {
            let path = SubmissionResult::path(folder, &found.name);
            let Ok(old) = SubmissionResult::load(&path) else { continue };
            let is_same =
                old.key == key && old.layer == self.layer && old.status == Outcome::Graded;
            if !is_same || (self.again && folder == self.results()) {
                continue;
            }
            let is_told = old.submission == submission && old.notes == taken.notes;
            let kept = is_told && folder == self.results();
            return (SubmissionResult { submission, notes: taken.notes, ..old }, kept);
        }
        (self.graded(submission, key, &taken), false)
    }

    fn graded(&self, submission: Submission, key: Key, taken: &Taken) -> SubmissionResult {
        let order = self.order(taken);
        let contents: Vec<Vec<Vec<u8>>> = self
            .modules
            .iter()
            .map(|module| {
                taken.modules.get(module).into_iter().flat_map(BTreeMap::values).cloned().collect()
            })
            .collect();
        let contents: Vec<&[Vec<u8>]> = contents.iter().map(Vec::as_slice).collect();
        let mut result =
            SubmissionResult::empty(submission, key, Outcome::Error, "it was not tried".to_owned());
        result.notes.clone_from(&taken.notes);
        result.layer.clone_from(&self.layer);
        for attempt in 1..=ATTEMPTS {
            result.attempts = attempt;
            match self.crew.grade(&order, &contents) {
                Ok((answer, spent)) => {
                    result.cost.cpu_ms += spent.cpu_ms;
                    result.cost.build_ms = answer.build_ms;
                    result.cost.grade_ms = answer.grade_ms;
                    result.modules = answer.modules;
                    match answer.refused.or(answer.fault) {
                        None => {
                            result.status = Outcome::Graded;
                            result.error.clear();
                            return result;
                        }
                        Some(why) => result.error = printable(&why),
                    }
                }
                Err(error) => result.error = printable(&format!("{error:#}")),
            }
        }
        result
    }

    fn without_verdict(&self, found: &Found, status: Outcome, why: String) -> SubmissionResult {
        let key = self.key(String::new());
        let mut result = SubmissionResult::empty(self.submission(found), key, status, why);
        result.cost = Cost::default();
        result
    }

    fn submission(&self, found: &Found) -> Submission {
        Submission {
            name: found.name.clone(),
            people: found.people.clone(),
            source: found.shown.clone(),
            submitted_at: found.submitted_at.clone(),
            late: self.is_late(found.submitted_at.as_deref()),
        }
    }

    fn is_late(&self, submitted_at: Option<&str>) -> Option<bool> {
        let due = Moment::parse(self.assignment.due.as_deref()?)?;
        let grace_ms = i64::try_from(self.assignment.grace_minutes).ok()?.checked_mul(60_000)?;
        let submitted = Moment::parse(submitted_at?)?;
        Some(submitted.0 > due.0.saturating_add(grace_ms))
    }

    fn key(&self, files_hash: String) -> Key {
        Key {
            files_hash,
            grader_hash: self.grader_hash.clone(),
            toolchain: self.toolchain.version.clone(),
            seed: self.seed,
            deadline_ms: self.deadline_ms,
            modules: self.modules.clone(),
        }
    }

    fn order(&self, taken: &Taken) -> Order {
        let module = |name: &String| ModuleOrder {
            name: name.clone(),
            manifest: self.manifests[name].clone(),
            files: taken.modules.get(name).map_or_else(Vec::new, |files| {
                files.iter().map(|(path, content)| (path.clone(), content.len() as u64)).collect()
            }),
            refused: taken.refused.clone(),
            libraries: self.toolchain.of_module[name].clone(),
        };
        let libraries = match &self.room {
            Some(_) => PathBuf::from(LIBRARIES),
            None => self.toolchain.libraries.clone(),
        };
        Order {
            room: self.room.clone(),
            modules: self.modules.iter().map(module).collect(),
            rustc: self.toolchain.rustc(),
            libraries,
            seed: self.seed,
            deadline_ms: self.deadline_ms,
            checks: self.checks.clone(),
            limits: self.limits,
            turns: self.turns.clone(),
        }
    }
}

/// What came of one submission.
struct Done {
    name: String,
    status: Outcome,
    kept: bool,
    line: String,
}

impl Tally {
    fn take(&mut self, done: &Done, progress: &Progress) -> anyhow::Result<()> {
        match done.status {
            Outcome::Graded => self.graded += 1,
            Outcome::Missing => self.missing += 1,
            Outcome::Error => self.errors.push(done.name.clone()),
        }
        self.kept += usize::from(done.kept && done.status == Outcome::Graded);
        progress.done(&done.line)
    }
}

/// A submission's result in one line.
fn line(result: &SubmissionResult) -> String {
    let points = |module: &ModuleResult| match (&module.error, module.bonus) {
        (Some(_), _) => format!("{} does not compile", module.module),
        (None, 0) => format!("{} {}/{}", module.module, module.score, module.max_score),
        (None, bonus) => {
            format!("{} {}/{} + {bonus}", module.module, module.score, module.max_score)
        }
    };
    let (handed_in, others): (Vec<_>, Vec<_>) =
        result.modules.iter().partition(|module| module.is_handed_in());
    let mut parts: Vec<String> = handed_in.into_iter().map(points).collect();
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|module| module.module.as_str()).collect();
        parts.push(format!("nothing for {}", names.join(", ")));
    }
    let told = match result.status {
        Outcome::Graded => parts.join(", "),
        Outcome::Missing => "missing".to_owned(),
        Outcome::Error => format!("not graded: {}", result.error.replace('\n', " ")),
    };
    let late = if result.submission.late == Some(true) { " (late)" } else { "" };
    format!("{}: {told}{late}\n", result.submission.name)
}

/// What each submission may use. It depends on the machine, and on nothing else: else a check that
/// needs room would pass in one run and not in another.
fn limits() -> Limits {
    let usual = Limits::default();
    let Some(machine) = memory_bytes() else { return usual };
    let memory_bytes = usual.memory_bytes.min(machine / 2);
    let data_bytes = usual.data_bytes.min(machine / 2);
    let work_bytes = usual.work_bytes.min(machine / 4);
    Limits { memory_bytes, data_bytes, work_bytes, ..usual }
}

/// How much memory the machine has; `proc_meminfo(5)`.
fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// SHA-256 over all that decides a verdict: the checks, their manifests, the harness, the sandbox
/// and
/// this command, and the versions of what they use.
fn grader_hash(workspace: &Workspace, modules: &[String]) -> anyhow::Result<String> {
    let crates = workspace.root().join("crates");
    let mut roots: Vec<PathBuf> =
        ["grader/src", "netlab/src", "sandbox/src", "classroom/src/batch"]
            .iter()
            .map(|folder| crates.join(folder))
            .filter(|folder| folder.is_dir())
            .collect();
    for module in modules {
        let folder = workspace.checks_folder(module);
        roots.extend([folder.join("src"), folder.join("module.toml")]);
    }
    roots.push(workspace.root().join("Cargo.lock"));
    let mut hasher = Sha256::new();
    for root in roots {
        for entry in walkdir::WalkDir::new(&root).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(workspace.root()).unwrap_or(entry.path());
                let content = fs_err::read(entry.path())?;
                let parts = [path.as_os_str().as_encoded_bytes(), &content];
                hasher.update(toolchain::hash(&parts));
            }
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
