//! Runs the checks of a module side by side, each with its own program, port and folder.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sandbox::{Closed, Sandbox};

use crate::check::Check;
use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::ladder::{self, Style};
use crate::manifest::{CheckEntry, Kind, Manifest};
use crate::module::{CheckFn, Module, Target};
use crate::pattern::Random;
use crate::record::Event;
use crate::report::{CheckReport, Feedback, ModuleReport, Status};
use crate::wording::{self, steps};

/// How many checks run at the same time. They mostly wait for programs, so this is more than the
/// processors.
const AT_ONCE: usize = 12;
/// Counts the folders of checks, so that none is used twice.
static FOLDERS: AtomicU64 = AtomicU64::new(0);
/// Held for reading by every check that runs, and for writing by one that has to run alone: several
/// gradings may go on at the same time.
static TRACK: RwLock<()> = RwLock::new(());
/// See [`take_turns`].
static TURN: OnceLock<fn() -> Turn> = OnceLock::new();
/// How often a check is run again when the grader itself failed.
const TRIES: u32 = 2;

/// What to grade, and how.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The checks.
    pub module: &'a Module,
    /// What they are worth and how they are told.
    pub manifest: &'a Manifest,
    /// The program.
    pub target: Target,
    /// Only these checks, without those that they need.
    pub only: Option<Vec<String>>,
    /// Decides all random input.
    pub seed: u64,
    /// How long one wait may take.
    pub deadline: Duration,
}

/// Grades one program with the checks of one module.
///
/// A check that the manifest names and the module lacks is reported as the grader's error, never
/// left out.
///
/// [`Sandbox::close`], called by another thread, stops the grading at once; what it gives then is
/// no result.
pub fn run(plan: &Plan, sandbox: &Sandbox) -> ModuleReport {
    run_in_order(plan, sandbox, None)
}

/// As [`run`], with every core check before the first stretch check, and a word to `core_done` with
/// the results of the core checks as soon as all of them are there. Altogether this takes a little
/// longer.
pub fn run_core_first(
    plan: &Plan,
    sandbox: &Sandbox,
    core_done: &(dyn Fn(ModuleReport) + Sync),
) -> ModuleReport {
    run_in_order(plan, sandbox, Some(core_done))
}

fn run_in_order(
    plan: &Plan,
    sandbox: &Sandbox,
    core_done: Option<&(dyn Fn(ModuleReport) + Sync)>,
) -> ModuleReport {
    let entries: Vec<&CheckEntry> =
        plan.manifest.checks.iter().filter(|entry| plan.wants(entry)).collect();
    let report = |checks| ModuleReport {
        module: plan.module.name.to_owned(),
        program: plan.target.shown_as.clone(),
        checks,
        error: None,
    };
    let board = Board::new(&entries, sandbox.closed(), core_done.is_some());
    let tell_core = || {
        if let Some(core_done) = core_done
            && let Some(checks) = board.take_core(&entries)
        {
            core_done(report(checks));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(entries.len()) {
            scope.spawn(|| {
                while let Some(index) = board.next(plan, &entries) {
                    tell_core();
                    let entry = entries[index];
                    board.put(index, guarded(entry, || run_check(plan, sandbox, entry)));
                    tell_core();
                }
            });
        }
    });
    report(board.reports(&entries))
}

/// The report of a program that the compiler refuses: every check, or every one of those in `only`,
/// has failed. `errors` is what the compiler says.
pub fn does_not_build(
    manifest: &Manifest,
    shown_as: String,
    only: Option<&[String]>,
    errors: String,
) -> ModuleReport {
    let failed = |entry: &&CheckEntry| {
        let feedback = Feedback {
            symptom: wording::DOES_NOT_BUILD.into(),
            promise: entry.promise.clone(),
            expected: "a program that compiles".into(),
            got: "the compiler's errors".into(),
            hint: "Mend the first error that the compiler tells; later ones often follow from it."
                .into(),
            lesson: format!("exercises/{}/README.md#{}", manifest.name, entry.lesson),
            ..Feedback::default()
        };
        report_of(entry, Status::Failed, Duration::ZERO, Some(feedback))
    };
    let wanted = |entry: &&CheckEntry| only.is_none_or(|only| only.contains(&entry.id));
    ModuleReport {
        module: manifest.name.clone(),
        program: shown_as,
        checks: manifest.checks.iter().filter(wanted).map(|entry| failed(&entry)).collect(),
        error: Some(errors),
    }
}

/// What a check that has to run alone holds while it runs; dropping it lets the next one begin.
pub type Turn = Box<dyn Any>;

/// Has `take` called before each check that has to run alone, for gradings in several processes at
/// the same time: it waits until no such check runs in another process. The first call counts.
pub fn take_turns(take: fn() -> Turn) {
    // A second one has the same in mind.
    let _ = TURN.set(take);
}

impl Plan<'_> {
    fn wants(&self, entry: &CheckEntry) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&entry.id))
    }

    fn function(&self, id: &str) -> Option<CheckFn> {
        self.module.checks.iter().find(|(name, _)| *name == id).map(|(_, function)| *function)
    }
}

/// Which checks wait, run and are done.
struct Board {
    slots: Mutex<Vec<Slot>>,
    changed: Condvar,
    places: HashMap<String, usize>,
    /// Nothing more is run once it says so.
    closed: Closed,
    /// Stretch checks wait until all core checks are done.
    core_first: bool,
    /// Somebody has taken the results of the core checks.
    core_taken: AtomicBool,
}

enum Slot {
    Waiting,
    Running,
    Done(Box<CheckReport>),
}

/// What the checks that a check needs say of it.
enum Needs {
    Open,
    Met,
    Broken(String),
}

impl Board {
    fn new(entries: &[&CheckEntry], closed: Closed, core_first: bool) -> Self {
        let places =
            entries.iter().enumerate().map(|(index, entry)| (entry.id.clone(), index)).collect();
        let slots = entries.iter().map(|_| Slot::Waiting).collect();
        let (slots, changed) = (Mutex::new(slots), Condvar::new());
        let core_taken = AtomicBool::new(false);
        Self { slots, changed, places, closed, core_first, core_taken }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next check to run; waits while all that is left needs one that runs. `None` when nothing
    /// is left, or the grading was stopped.
    fn next(&self, plan: &Plan, entries: &[&CheckEntry]) -> Option<usize> {
        let mut slots = self.lock();
        while !self.closed.is_closed() {
            let (mut waits, mut skips, mut alone) = (false, false, None);
            let holds_stretch = self.core_first && !core_is_done(&slots, entries);
            for index in 0..entries.len() {
                if !matches!(slots[index], Slot::Waiting) {
                    continue;
                }
                if holds_stretch && entries[index].kind == Kind::Stretch {
                    waits = true;
                    continue;
                }
                match self.needs(&slots, plan, entries[index]) {
                    Needs::Open => waits = true,
                    // It comes last, when nothing else runs.
                    Needs::Met if entries[index].alone => alone = alone.or(Some(index)),
                    Needs::Met => {
                        slots[index] = Slot::Running;
                        return Some(index);
                    }
                    Needs::Broken(why) => {
                        slots[index] = Slot::Done(Box::new(skipped(plan, entries[index], &why)));
                        skips = true;
                    }
                }
            }
            if skips {
                // What needs those has its answer now, here and in the other threads.
                self.changed.notify_all();
                continue;
            }
            let runs = slots.iter().any(|slot| matches!(slot, Slot::Running));
            if let Some(index) = alone.filter(|_| !runs) {
                slots[index] = Slot::Running;
                return Some(index);
            }
            // If nothing runs, what is left needs itself and nobody would ever wake this thread: it
            // is reported as lost.
            if !(waits || alone.is_some()) || !runs {
                return None;
            }
            slots = self.changed.wait(slots).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }

    fn needs(&self, slots: &[Slot], plan: &Plan, entry: &CheckEntry) -> Needs {
        for need in &entry.needs {
            let Some(place) = self.places.get(need).copied() else { continue };
            match &slots[place] {
                Slot::Done(report) if report.status == Status::Passed => {}
                // A program that is not written yet ends at once: running the check tells more than
                // skipping it.
                Slot::Done(report) if is_not_implemented(report) => {}
                Slot::Done(_) => {
                    let title = plan.manifest.checks.iter().find(|check| check.id == *need);
                    return Needs::Broken(
                        title.map_or_else(|| need.clone(), |check| check.title.clone()),
                    );
                }
                _ => return Needs::Open,
            }
        }
        Needs::Met
    }

    /// The results of the core checks, once, when all are there; never of a grading that was
    /// stopped.
    fn take_core(&self, entries: &[&CheckEntry]) -> Option<Vec<CheckReport>> {
        let slots = self.lock();
        let has_core = entries.iter().any(|entry| entry.kind == Kind::Core);
        let is_ready = has_core && core_is_done(&slots, entries) && !self.closed.is_closed();
        if !is_ready || self.core_taken.swap(true, Ordering::SeqCst) {
            return None;
        }
        let done = slots.iter().filter_map(|slot| match slot {
            Slot::Done(report) if report.kind == Kind::Core => Some((**report).clone()),
            _ => None,
        });
        Some(done.collect())
    }

    fn put(&self, index: usize, report: CheckReport) {
        self.lock()[index] = Slot::Done(Box::new(report));
        self.changed.notify_all();
    }

    fn reports(self, entries: &[&CheckEntry]) -> Vec<CheckReport> {
        let slots = self.slots.into_inner().unwrap_or_else(PoisonError::into_inner);
        let pairs = slots.into_iter().zip(entries);
        pairs
            .map(|(slot, entry)| match slot {
                Slot::Done(report) => *report,
                _ => report_of(entry, Status::Error, Duration::ZERO, lost(entry)),
            })
            .collect()
    }
}

fn core_is_done(slots: &[Slot], entries: &[&CheckEntry]) -> bool {
    let is_open = |(slot, entry): (&Slot, &&CheckEntry)| {
        entry.kind == Kind::Core && !matches!(slot, Slot::Done(_))
    };
    !slots.iter().zip(entries).any(is_open)
}

fn is_not_implemented(report: &CheckReport) -> bool {
    let symptom = report.feedback.as_ref().map(|feedback| feedback.symptom.as_str());
    symptom == Some(Symptom::NotImplemented.as_str())
}

/// A panic outside of a check's function would leave every check that waits for this one waiting
/// for ever.
fn guarded(entry: &CheckEntry, run: impl FnOnce() -> CheckReport) -> CheckReport {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let feedback = plain(entry, format!("{:#}", panic_message(panic.as_ref())));
        report_of(entry, Status::Error, Duration::ZERO, Some(feedback))
    })
}

/// Runs one check, again if the grader itself failed.
fn run_check(plan: &Plan, sandbox: &Sandbox, entry: &CheckEntry) -> CheckReport {
    let began = Instant::now();
    let Some(function) = plan.function(&entry.id) else {
        let error = Stop::Error(anyhow::anyhow!(steps::no_such_function(&entry.id)));
        return conclude(plan, entry, Err(error), &[], began.elapsed());
    };
    let (_beside_others, _alone) = match entry.alone {
        false => (Some(TRACK.read()), None),
        true => (None, Some(TRACK.write())),
    };
    let _turn = entry.alone.then(|| TURN.get().map(|take| take()));
    let began = Instant::now();
    let mut tries = 1;
    loop {
        // Several gradings may share one sandbox, at the same time too.
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = format!("{}-{}-{number}", plan.module.name, entry.id);
        let folder = sandbox.scratch().join(folder);
        let ran = run_once(plan, sandbox, entry, function, folder);
        let is_over = tries == TRIES || sandbox.closed().is_closed();
        if matches!(ran.verdict, Err(Stop::Error(_))) && !is_over {
            tries += 1;
            continue;
        }
        let report = conclude(plan, entry, ran.verdict, &ran.events, began.elapsed());
        return CheckReport { weaker_form: ran.weaker_form, ..report };
    }
}

/// What a check's function left behind.
struct Ran {
    verdict: Verdict,
    events: Vec<Event>,
    weaker_form: Option<String>,
}

fn run_once(
    plan: &Plan,
    sandbox: &Sandbox,
    entry: &CheckEntry,
    function: CheckFn,
    folder: PathBuf,
) -> Ran {
    if let Err(error) = fs_err::create_dir(&folder) {
        return Ran { verdict: Err(error.into()), events: Vec::new(), weaker_form: None };
    }
    let random = Random::new(plan.seed, &entry.id);
    let mut check = Check::new(sandbox, &plan.target, folder.clone(), random, plan.deadline);
    let recorder = check.context.recorder.clone();
    let verdict = catch_unwind(AssertUnwindSafe(|| {
        function(&mut check).map_err(|stop| check.context.conclude(stop))?;
        check.context.conclude_passed(&entry.promise)
    }));
    let verdict = verdict.unwrap_or_else(|panic| Err(Stop::Error(panic_message(panic.as_ref()))));
    let verdict = verdict.map_err(|stop| check.with_packets(stop));
    let weaker_form = check.context.weaker_form.take();
    drop(check);
    // The programs are gone with the check; what they left in its folder goes with the run at the
    // latest.
    let _ = sandbox::scratch::remove(&folder);
    Ran { verdict, events: recorder.events(), weaker_form }
}

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> anyhow::Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    anyhow::anyhow!(steps::check_panicked(text))
}

fn conclude(
    plan: &Plan,
    entry: &CheckEntry,
    verdict: Verdict,
    events: &[Event],
    duration: Duration,
) -> CheckReport {
    let (status, feedback) = match verdict {
        Ok(()) => (Status::Passed, None),
        Err(Stop::Failed(failure)) => {
            (Status::Failed, Some(feedback(plan, entry, &failure, events)))
        }
        Err(Stop::Unsupported(why)) => (Status::Unsupported, Some(plain(entry, why))),
        Err(Stop::Error(error)) => {
            let mut feedback = plain(entry, format!("{error:#}"));
            feedback.transcript = ladder::draw(events, &Style::plain());
            (Status::Error, Some(feedback))
        }
    };
    report_of(entry, status, duration, feedback)
}

fn feedback(plan: &Plan, entry: &CheckEntry, failure: &Failure, events: &[Event]) -> Feedback {
    let symptom = failure.symptom.as_str();
    let hint = entry.hints_for(symptom).first().copied().unwrap_or_default().to_owned();
    Feedback {
        symptom: symptom.to_owned(),
        promise: entry.promise.clone(),
        transcript: ladder::draw(events, &Style::plain()),
        events: events.to_vec(),
        expected: failure.expected.clone(),
        got: failure.got.clone(),
        hint,
        lesson: format!("exercises/{}/README.md#{}", plan.module.name, entry.lesson),
    }
}

fn plain(entry: &CheckEntry, got: String) -> Feedback {
    Feedback { promise: entry.promise.clone(), got, ..Feedback::default() }
}

fn skipped(plan: &Plan, entry: &CheckEntry, why: &str) -> CheckReport {
    let mut feedback = plain(entry, steps::skipped(why));
    feedback.lesson = format!("exercises/{}/README.md#{}", plan.module.name, entry.lesson);
    report_of(entry, Status::Skipped, Duration::ZERO, Some(feedback))
}

fn lost(entry: &CheckEntry) -> Option<Feedback> {
    Some(plain(entry, steps::no_result().to_owned()))
}

fn report_of(
    entry: &CheckEntry,
    status: Status,
    duration: Duration,
    feedback: Option<Feedback>,
) -> CheckReport {
    CheckReport {
        id: entry.id.clone(),
        title: entry.title.clone(),
        kind: entry.kind,
        status,
        max_points: entry.points,
        duration,
        feedback,
        weaker_form: None,
    }
}
