//! What the runner makes of checks: their order, their errors, their randomness, their time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use grader::report::{CheckReport, ModuleReport};
use grader::{Check, CheckFn, Manifest, Module, Plan, Stop, Symptom, Target, Verdict, run};
use libtest_mimic::Failed;
use sandbox::Sandbox;

use crate::support::{DEADLINE, Outcome, Test, ensure, program, same};

pub const TESTS: &[Test] = &[
    ("a_check_that_panics_is_an_error", check_that_panics),
    ("a_check_without_function_is_an_error", check_without_function),
    ("what_needs_a_failed_check_is_skipped", needs_failed),
    ("what_needs_a_skipped_check_is_skipped", needs_skipped),
    ("what_needs_unfinished_work_is_run", needs_not_implemented),
    ("an_error_is_tried_once_more", error_is_tried_again),
    ("a_failure_is_not_tried_again", failure_is_not_tried_again),
    ("what_cannot_be_shown_is_unsupported", unsupported),
    ("the_seed_decides", seed_decides),
    ("checks_run_side_by_side", side_by_side),
    ("a_circle_of_needs_ends", circle_of_needs),
    ("a_closed_sandbox_stops_a_grading", closed_sandbox),
    ("core_checks_come_first_where_asked_for", core_first),
    ("a_program_that_cannot_start_is_an_error", program_that_cannot_start),
];

/// A manifest of checks, each with what it needs.
fn manifest(checks: &[(&str, &[&str])]) -> Result<Manifest, Failed> {
    let mut text = "name = \"runner\"\ntitle = \"Runner\"\n".to_owned();
    for (id, needs) in checks {
        text.push_str(&format!(
            "[[check]]\nid = \"{id}\"\ntitle = \"The title of {id}\"\nkind = \"core\"\npoints = 1\n\
             needs = {needs:?}\nlesson = \"lesson\"\npromise = \"It does.\"\nhints = [\"Do it.\"]\n\
             steps = [\"It is started.\"]\nrule = \"It must.\"\n"
        ));
    }
    Ok(Manifest::parse(&text, Path::new("module.toml"))?)
}

fn module(checks: &'static [(&'static str, CheckFn)]) -> Module {
    Module { name: "runner", checks }
}

/// Runs the checks against a program that none of them, as a rule, starts.
fn report(module: &Module, manifest: &Manifest, seed: u64) -> Result<ModuleReport, Failed> {
    let target = program("echoes")?;
    report_on(module, manifest, seed, target)
}

fn report_on(
    module: &Module,
    manifest: &Manifest,
    seed: u64,
    target: Target,
) -> Result<ModuleReport, Failed> {
    let sandbox = Sandbox::start()?;
    let plan = Plan { module, manifest, target, only: None, seed, deadline: DEADLINE };
    let report = run(&plan, &sandbox);
    let left = std::fs::read_dir(sandbox.scratch())?.count();
    same("folders left", left, 0)?;
    Ok(report)
}

fn statuses(report: &ModuleReport) -> Vec<(&str, &str)> {
    report.checks.iter().map(|check| (check.id.as_str(), check.status.as_str())).collect()
}

fn got(check: &CheckReport) -> &str {
    check.feedback.as_ref().map_or("", |feedback| feedback.got.as_str())
}

fn passes(_: &mut Check) -> Verdict {
    Ok(())
}

fn fails(check: &mut Check) -> Verdict {
    check.fail(Symptom::WrongBytes, "one thing", "another")
}

/// With a program that runs, and a borrow of the check's state that is not given back.
fn panics(check: &mut Check) -> Verdict {
    let server = check.start_server(["server", "127.0.0.1:0"])?;
    let _client = server.connect()?;
    panic!("a check's own mistake");
}

fn check_that_panics() -> Outcome {
    let module = module(&[("panics", panics), ("passes", passes)]);
    let report = report(&module, &manifest(&[("panics", &[]), ("passes", &[])])?, 1)?;
    same("statuses", statuses(&report), vec![("panics", "error"), ("passes", "passed")])?;
    let got = got(&report.checks[0]);
    ensure(got.contains("panicked: a check's own mistake"), got)?;
    ensure(!report.core_passed(), "the core counts as passed")
}

fn check_without_function() -> Outcome {
    let module = module(&[("passes", passes)]);
    let report = report(&module, &manifest(&[("passes", &[]), ("forgotten", &[])])?, 1)?;
    same("statuses", statuses(&report), vec![("passes", "passed"), ("forgotten", "error")])?;
    let got = got(&report.checks[1]);
    ensure(got.contains("the check forgotten"), got)?;
    same("score", (report.score(), report.max_score()), (1, 2))
}

fn needs_failed() -> Outcome {
    let module = module(&[("first", fails), ("second", passes), ("third", passes)]);
    let manifest = manifest(&[("second", &["first"]), ("first", &[]), ("third", &[])])?;
    let report = report(&module, &manifest, 1)?;
    let wanted = vec![("second", "skipped"), ("first", "failed"), ("third", "passed")];
    same("statuses", statuses(&report), wanted)?;
    let got = got(&report.checks[0]);
    ensure(got.contains("\"The title of first\""), got)
}

/// In an order in which nobody can be skipped when it is first looked at.
fn needs_skipped() -> Outcome {
    let module = module(&[("first", fails), ("second", passes), ("third", passes)]);
    let manifest = manifest(&[("third", &["second"]), ("second", &["first"]), ("first", &[])])?;
    let report = report(&module, &manifest, 1)?;
    let wanted = vec![("third", "skipped"), ("second", "skipped"), ("first", "failed")];
    same("statuses", statuses(&report), wanted)
}

fn not_implemented(check: &mut Check) -> Verdict {
    check.fail(Symptom::NotImplemented, "a program", "todo!")
}

fn needs_not_implemented() -> Outcome {
    let module = module(&[("first", not_implemented), ("second", passes), ("third", passes)]);
    let manifest = manifest(&[("first", &[]), ("second", &["first"]), ("third", &["second"])])?;
    let report = report(&module, &manifest, 1)?;
    let wanted = vec![("first", "failed"), ("second", "passed"), ("third", "passed")];
    same("statuses", statuses(&report), wanted)
}

static TRIES_ONCE: AtomicU32 = AtomicU32::new(0);
static TRIES_EVER: AtomicU32 = AtomicU32::new(0);

/// What it left in its folder, and the bytes it drew, are as they were at the first time.
fn errs_once(check: &mut Check) -> Verdict {
    static BYTES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

    let bytes = check.random_bytes(16);
    let mut before = BYTES.lock().unwrap_or_else(PoisonError::into_inner);
    if TRIES_ONCE.fetch_add(1, Ordering::SeqCst) == 0 {
        std::fs::write(check.folder().join("left"), "")?;
        *before = bytes;
        return Err(anyhow::anyhow!("a passing trouble").into());
    }
    assert!(*before == bytes, "other bytes at the second try");
    assert!(!check.folder().join("left").exists(), "the folder is not empty");
    Ok(())
}

fn errs_ever(_: &mut Check) -> Verdict {
    TRIES_EVER.fetch_add(1, Ordering::SeqCst);
    Err(anyhow::anyhow!("no free descriptors").context("open a socket").into())
}

fn error_is_tried_again() -> Outcome {
    let module = module(&[("once", errs_once), ("ever", errs_ever), ("after", passes)]);
    let manifest = manifest(&[("once", &[]), ("ever", &[]), ("after", &["ever"])])?;
    let report = report(&module, &manifest, 1)?;
    let wanted = vec![("once", "passed"), ("ever", "error"), ("after", "skipped")];
    same("statuses", statuses(&report), wanted)?;
    same("told", got(&report.checks[1]), "open a socket: no free descriptors")?;
    same("tries of once", TRIES_ONCE.load(Ordering::SeqCst), 2)?;
    same("tries of ever", TRIES_EVER.load(Ordering::SeqCst), 2)
}

static FAILURES: AtomicU32 = AtomicU32::new(0);

fn counts_and_fails(check: &mut Check) -> Verdict {
    FAILURES.fetch_add(1, Ordering::SeqCst);
    fails(check)
}

fn failure_is_not_tried_again() -> Outcome {
    let module = module(&[("fails", counts_and_fails)]);
    let report = report(&module, &manifest(&[("fails", &[])])?, 1)?;
    same("statuses", statuses(&report), vec![("fails", "failed")])?;
    same("runs", FAILURES.load(Ordering::SeqCst), 1)
}

fn cannot_be_shown(_: &mut Check) -> Verdict {
    Err(Stop::Unsupported("this machine has no such thing".into()))
}

fn unsupported() -> Outcome {
    let module = module(&[("strange", cannot_be_shown)]);
    let report = report(&module, &manifest(&[("strange", &[])])?, 1)?;
    same("statuses", statuses(&report), vec![("strange", "unsupported")])?;
    same("told", got(&report.checks[0]), "this machine has no such thing")
}

/// What the checks drew: the check's place, and the bytes.
static DRAWN: Mutex<Vec<(bool, Vec<u8>)>> = Mutex::new(Vec::new());

fn draw(check: &mut Check, is_first: bool) -> Verdict {
    let mut drawn = check.random_bytes(40);
    drawn.extend(check.random_text(8).into_bytes());
    drawn.extend(check.pattern(70_000).copy(65_000, 100));
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner).push((is_first, drawn));
    Ok(())
}

fn seed_decides() -> Outcome {
    let module = module(&[("one", |check| draw(check, true)), ("two", |check| draw(check, false))]);
    let manifest = manifest(&[("one", &[]), ("two", &[])])?;
    let mut drawn = Vec::new();
    for seed in [7, 7, 8] {
        report(&module, &manifest, seed)?;
        let mut now = std::mem::take(&mut *DRAWN.lock().unwrap_or_else(PoisonError::into_inner));
        now.sort();
        drawn.push(now);
    }
    same("checks that drew", drawn.iter().map(Vec::len).collect(), vec![2, 2, 2])?;
    ensure(drawn[0] == drawn[1], "the same seed gives other bytes")?;
    ensure(drawn[0][0].1 != drawn[0][1].1, "two checks draw the same bytes")?;
    ensure(drawn[0][0].1 != drawn[2][0].1, "another seed gives the same bytes")
}

fn waits(check: &mut Check) -> Verdict {
    check.start(["0.3"])?.finish_with(0)?;
    Ok(())
}

/// Checks that wait for their programs take hardly longer together than one of them alone.
fn side_by_side() -> Outcome {
    let module = module(&[
        ("one", waits),
        ("two", waits),
        ("three", waits),
        ("four", waits),
        ("five", waits),
        ("six", waits),
    ]);
    let ids = ["one", "two", "three", "four", "five", "six"];
    let manifest = manifest(&ids.map(|id| (id, &[] as &[&str])))?;
    let sandbox = Sandbox::start()?;
    let target = Target { program: PathBuf::from("sleep"), shown_as: "sleep".into() };
    let plan = Plan {
        module: &module,
        manifest: &manifest,
        target,
        only: None,
        seed: 1,
        deadline: DEADLINE,
    };
    let timed = |only: Option<Vec<String>>| {
        let began = Instant::now();
        let report = run(&Plan { only, ..plan.clone() }, &sandbox);
        let all_passed = report.checks.iter().all(|check| check.status.as_str() == "passed");
        (began.elapsed(), all_passed)
    };
    let serial: Vec<_> = ids.iter().map(|id| timed(Some(vec![(*id).to_owned()]))).collect();
    let (together, passed) = timed(None);
    ensure(passed && serial.iter().all(|(_, passed)| *passed), "a check did not pass")?;
    let serial: Duration = serial.iter().map(|(duration, _)| *duration).sum();
    ensure(together * 2 < serial, &format!("together {together:?}, one by one {serial:?}"))
}

/// A manifest's reader refuses this; the runner ends all the same, and no check counts as passed.
fn circle_of_needs() -> Outcome {
    let (sender, receiver) = mpsc::channel();
    // A thread of its own, so that a runner that hangs fails this test alone.
    std::thread::spawn(move || {
        let told = manifest(&[("one", &[]), ("two", &["one"]), ("three", &["two"]), ("four", &[])])
            .and_then(|mut manifest| {
                manifest.checks[0].needs = vec!["three".into()];
                let checks: &[(&str, CheckFn)] =
                    &[("one", passes), ("two", passes), ("three", passes), ("four", passes)];
                report(&module(checks), &manifest, 1)
            })
            .map_err(|error| error.message().unwrap_or_default().to_owned());
        // If nobody waits any more, the test has failed.
        let _ = sender.send(told);
    });
    let report =
        receiver.recv_timeout(Duration::from_secs(60)).map_err(|_| "the runner hangs")??;
    let wanted = vec![("one", "error"), ("two", "error"), ("three", "error"), ("four", "passed")];
    same("statuses", statuses(&report), wanted)
}

static STARTED: AtomicU32 = AtomicU32::new(0);

/// Waits for a connection that its program never makes.
fn waits_for_nobody(check: &mut Check) -> Verdict {
    STARTED.fetch_add(1, Ordering::SeqCst);
    let sleeper = check.start(["600"])?;
    let mut listener = check.listen("127.0.0.1")?;
    listener.accept(&sleeper)?;
    Ok(())
}

/// Whoever no longer wants the result does not wait for deadlines.
fn closed_sandbox() -> Outcome {
    let module = module(&[("one", waits_for_nobody), ("two", waits_for_nobody)]);
    let manifest = manifest(&[("one", &[]), ("two", &["one"])])?;
    let sandbox = Sandbox::start()?;
    let target = Target { program: PathBuf::from("sleep"), shown_as: "sleep".into() };
    let deadline = Duration::from_secs(600);
    let plan = Plan { module: &module, manifest: &manifest, target, only: None, seed: 1, deadline };
    let began = Instant::now();
    std::thread::scope(|scope| {
        let grading = scope.spawn(|| run(&plan, &sandbox));
        while STARTED.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        sandbox.close();
        let report = grading.join().map_err(|_| "the runner panicked")?;
        same("statuses", statuses(&report), vec![("one", "error"), ("two", "error")])
    })?;
    same("checks that were begun", STARTED.load(Ordering::SeqCst), 1)?;
    let took = began.elapsed();
    ensure(took < deadline / 10, &format!("it went on for {took:?}"))
}

static CORE_TOLD: AtomicU32 = AtomicU32::new(0);

/// A stretch check: it passes if no core check is still to come.
fn comes_later(check: &mut Check) -> Verdict {
    if CORE_TOLD.load(Ordering::SeqCst) == 2 {
        Ok(())
    } else {
        check.fail(Symptom::WrongBytes, "core checks before this", "one of them is to come")
    }
}

fn counts(_: &mut Check) -> Verdict {
    CORE_TOLD.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// The results of the core checks are told once, with those that are skipped, and before the rest.
fn core_first() -> Outcome {
    let module = module(&[
        ("extra", comes_later),
        ("one", counts),
        ("two", counts),
        ("bad", fails),
        ("last", counts),
    ]);
    let needs_bad = &["bad"] as &[&str];
    let mut manifest = manifest(&[
        ("extra", &[]),
        ("one", &[]),
        ("two", &["one"]),
        ("bad", &["two"]),
        ("last", needs_bad),
    ])?;
    manifest.checks[0].kind = grader::manifest::Kind::Stretch;
    let (sandbox, target) = (Sandbox::start()?, program("echoes")?);
    let plan = Plan {
        module: &module,
        manifest: &manifest,
        target,
        only: None,
        seed: 1,
        deadline: DEADLINE,
    };
    let told = Mutex::new(Vec::new());
    let report = grader::run_core_first(&plan, &sandbox, &|report| {
        told.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    });
    let core = vec![("one", "passed"), ("two", "passed"), ("bad", "failed"), ("last", "skipped")];
    let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    same("words", told.iter().map(statuses).collect::<Vec<_>>(), vec![core.clone()])?;
    let all = [vec![("extra", "passed")], core].concat();
    same("statuses", statuses(&report), all)
}

fn starts(check: &mut Check) -> Verdict {
    check.start(["server"])?.finish()?;
    Ok(())
}

fn program_that_cannot_start() -> Outcome {
    let module = module(&[("starts", starts)]);
    let target = Target { program: PathBuf::from("/no/such/program"), shown_as: "none".into() };
    let report = report_on(&module, &manifest(&[("starts", &[])])?, 1, target)?;
    same("statuses", statuses(&report), vec![("starts", "error")])?;
    let got = got(&report.checks[0]);
    ensure(got.contains("cannot start /no/such/program"), got)
}
