//! `cargo xtask verify`: the grader's own proof.
//!
//! A check is worth something only if right programs pass it and wrong ones fail it. For each
//! module this shows: its texts are complete, the starter passes nothing, the reference passes
//! everything, each known-wrong program fails the checks that it names with the hint that names its
//! misconception, and nothing outlives the run.

mod chains;
mod content;
mod judgement;
mod leftovers;
pub mod wrong;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use grader::manifest::{CheckEntry, Manifest};
use grader::module::{Module, Target};
use grader::report::{ModuleReport, Status};
use sandbox::Sandbox;

pub use self::content::anchors;
use crate::build;
use crate::grade::{self, Choice};
use crate::terminal::{self, BAD, GOOD, Progress, STRONG};
use crate::workspace::{Owner, Workspace};
use crate::{modules, output};
use judgement::Coverage;
use wrong::{Compiler, Wrong};

/// How long a check waits for the starter and the reference, in milliseconds.
const DEADLINE_MS: u64 = 10_000;
/// How long a check waits for a known-wrong program unless told otherwise, in milliseconds: many of
/// them never answer.
const WRONG_DEADLINE_MS: u64 = 5_000;
/// How many known-wrong programs are compiled and graded at the same time unless told otherwise.
const JOBS: usize = 2;
/// How often a check that measures may do so, before its verdict on a known-wrong program counts.
const MEASURED_AT_MOST: usize = 3;

/// Prove the graders: the starter passes nothing, the reference everything, each known-wrong
/// program what it should.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The modules to prove; without one, the module in whose folder you stand, else all.
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    /// Take only the known-wrong programs of this name; what they cover together is then not asked.
    #[arg(long = "wrong", value_name = "NAME")]
    only_wrong: Vec<String>,
    /// Only print the hints that each known-wrong program leads to, to be read; run nothing.
    #[arg(long)]
    hints: bool,
    /// How many known-wrong programs are compiled and graded at the same time.
    #[arg(long, value_name = "N", default_value_t = JOBS)]
    jobs: usize,
    /// The seed of all random input.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long a check waits for an answer of a known-wrong program, in milliseconds.
    #[arg(long, value_name = "N", default_value_t = WRONG_DEADLINE_MS,
        value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    wrong_deadline_ms: u64,
}

impl Arguments {
    /// All modules, as continuous integration proves them.
    pub fn everything() -> Self {
        Self {
            modules: Vec::new(),
            only_wrong: Vec::new(),
            hints: false,
            jobs: JOBS,
            seed: None,
            wrong_deadline_ms: WRONG_DEADLINE_MS,
        }
    }
}

/// Runs the command. The status is 0 if all is proved, 1 if not.
///
/// # Errors
///
/// Wrong usage, or a machine on which nothing can be proved.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let seed = arguments.seed.unwrap_or_else(grade::random_seed);
    let modules = workspace.chosen_modules(&arguments.modules)?;
    if arguments.hints {
        for module in modules {
            let proof = Proof::new(&workspace, module, arguments, seed)?;
            let (programs, _) = proof.wanted_programs()?;
            let options = terminal::text_options(terminal::stdout_colours());
            let told = chains::told(&proof.choice.manifest, &programs, &options);
            output::print(told.as_bytes())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    anstream::println!("seed {seed}");
    let mut count = 0;
    for module in modules {
        count += Proof::new(&workspace, module, arguments, seed)?.run()?;
    }
    if count == 0 {
        anstream::println!("\n{GOOD}all proved{GOOD:#}");
        return Ok(ExitCode::SUCCESS);
    }
    let noun = if count == 1 { "problem" } else { "problems" };
    anstream::println!(
        "\n{BAD}{count} {noun}{BAD:#}; again with: cargo xtask verify --seed {seed}"
    );
    Ok(ExitCode::FAILURE)
}

/// The files below `folder`, relative to it, in order. A link counts as the file it points at.
///
/// # Errors
///
/// A folder cannot be read.
fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for entry in fs_err::read_dir(folder.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The proof of one module.
struct Proof<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    choice: Choice,
    seed: u64,
    problems: usize,
    programs: Vec<PathBuf>,
}

impl<'a> Proof<'a> {
    fn new(
        workspace: &'a Workspace,
        module: &'static Module,
        arguments: &'a Arguments,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let manifest = workspace.manifest(module.name)?;
        let choice = Choice { module, manifest, only: None };
        Ok(Self { workspace, arguments, choice, seed, problems: 0, programs: Vec::new() })
    }

    /// Proves the module and returns the number of problems, which it has told.
    fn run(mut self) -> anyhow::Result<usize> {
        let module = self.choice.module;
        anstream::println!("\n{STRONG}{}{STRONG:#}", module.name);
        let began = Instant::now();
        let problems = content::problems(self.workspace, module, &self.choice.manifest);
        self.tell("manifest and handout", &problems, began, "");
        let sandbox = grade::start_sandbox()?;
        let scratch = sandbox.scratch().to_path_buf();
        if self.arguments.only_wrong.is_empty() {
            self.starter(&sandbox)?;
        }
        self.reference_and_wrong_programs(&sandbox)?;
        let began = Instant::now();
        drop(sandbox);
        let problems = leftovers::find(&scratch, &self.programs);
        self.tell("nothing outlives the run", &problems, began, "");
        Ok(self.problems)
    }

    /// The starter compiles without a warning and passes nothing.
    fn starter(&mut self, sandbox: &Sandbox) -> anyhow::Result<()> {
        let began = Instant::now();
        let name = self.choice.module.name;
        let mut build = build::build(self.workspace, &[name], Owner::Learner, false)?;
        let outcome = build.outcomes.remove(0);
        let mut problems = Vec::new();
        if !outcome.warnings.is_empty() {
            problems.push(format!(
                "the starter compiles with warnings; mend them:\n{}",
                outcome.warnings.trim_end()
            ));
        }
        match outcome.executable {
            None => problems.push(format!(
                "the starter does not compile; mend it:\n{}",
                outcome.errors.trim_end()
            )),
            Some(program) => {
                let shown = format!("exercises/{name}");
                let report = self.grade(sandbox, program, shown, DEADLINE_MS);
                problems.extend(judgement::starter(&report));
            }
        }
        self.tell("starter", &problems, began, "passes nothing");
        Ok(())
    }

    fn reference_and_wrong_programs(&mut self, sandbox: &Sandbox) -> anyhow::Result<()> {
        let began = Instant::now();
        let name = self.choice.module.name;
        let mut build = build::build(self.workspace, &[name], Owner::Reference, false)?;
        let outcome = build.outcomes.remove(0);
        let Some(program) = outcome.executable else {
            let problem = format!("the reference does not compile:\n{}", outcome.errors.trim_end());
            self.tell("reference", &[problem], began, "");
            return Ok(());
        };
        let report = self.grade(sandbox, program, format!("solutions/{name}"), DEADLINE_MS);
        let problems = judgement::reference(&report);
        let points = format!("{} core and {} stretch points", report.score(), report.bonus());
        self.tell("reference", &problems, began, &points);
        let mut coverage = Coverage::of(&self.choice.manifest);
        for check in &report.checks {
            if check.status == Status::Unsupported {
                anstream::println!("  note: this machine cannot show `{}`", check.id);
                coverage.excuse(&check.id);
            }
            if let Some(reason) = &check.weaker_form {
                anstream::println!("  note: `{}` takes a weaker form here: {reason}", check.id);
            }
        }
        self.wrong_programs(sandbox, &build.libraries, &mut coverage)
    }

    /// The known-wrong programs that were asked for, and a sentence for each that cannot be read.
    fn wanted_programs(&self) -> anyhow::Result<(Vec<Wrong>, Vec<String>)> {
        let name = self.choice.module.name;
        let (mut programs, problems) = wrong::all(self.workspace, name)?;
        let wanted = &self.arguments.only_wrong;
        let known: Vec<&str> = programs.iter().map(|program| program.name.as_str()).collect();
        if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
            let nearest = modules::suggest(unknown, &known, "they");
            bail!("{name} has no known-wrong program `{unknown}`; {nearest}");
        }
        if !wanted.is_empty() {
            programs.retain(|program| wanted.contains(&program.name));
        }
        Ok((programs, problems))
    }

    fn wrong_programs(
        &mut self,
        sandbox: &Sandbox,
        libraries: &[(String, PathBuf)],
        coverage: &mut Coverage,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let name = self.choice.module.name;
        let (programs, problems) = self.wanted_programs()?;
        let compiler = Compiler::new(self.workspace, name, libraries)?;
        self.tell("known-wrong programs", &problems, began, &format!("{}", programs.len()));
        self.prove_wrong(sandbox, &compiler, &programs, coverage);
        if self.arguments.only_wrong.is_empty() {
            self.tell(
                "every check and every hint is reached",
                &coverage.gaps(),
                Instant::now(),
                "",
            );
        }
        Ok(())
    }

    /// What a known-wrong program is graded with. A check that runs alone holds up all the others,
    /// so only a program that names it has to face it, or one that was asked for by name.
    fn choice_for(&self, wrong: &Wrong) -> Choice {
        let Choice { module, manifest, .. } = &self.choice;
        let wanted = |check: &&CheckEntry| {
            !check.alone || wrong.names(&check.id) || !self.arguments.only_wrong.is_empty()
        };
        let only = manifest.checks.iter().filter(wanted).map(|check| check.id.clone()).collect();
        Choice { module, manifest: manifest.clone(), only: Some(only) }
    }

    /// Grades one of them. What a check that runs alone measures says nothing on a machine that is
    /// too busy, and then it is lenient: a program that passes one that it should fail gets another
    /// try there.
    fn grade_wrong(&self, wrong: &Wrong, target: Target, sandbox: &Sandbox) -> ModuleReport {
        let deadline = Duration::from_millis(self.arguments.wrong_deadline_ms);
        let judge =
            |choice: &Choice| grade::judge(choice, target.clone(), sandbox, self.seed, deadline);
        let choice = self.choice_for(wrong);
        let mut report = judge(&choice);
        let is_measured = |id: &String| {
            let mut alone = choice.manifest.checks.iter().filter(|check| check.alone);
            wrong.meaning.fails.contains(id) && alone.any(|check| check.id == *id)
        };
        for result in report.checks.iter_mut().filter(|result| is_measured(&result.id)) {
            let only = Some(vec![result.id.clone()]);
            let again = Choice { only, manifest: choice.manifest.clone(), ..choice };
            let mut tries = 1;
            while result.status == Status::Passed && tries < MEASURED_AT_MOST {
                tries += 1;
                if let Some(measured) = judge(&again).checks.pop() {
                    *result = measured;
                }
            }
        }
        report
    }

    /// Compiles and grades the programs, some at a time, and tells of each in their order.
    fn prove_wrong(
        &mut self,
        sandbox: &Sandbox,
        compiler: &Compiler,
        programs: &[Wrong],
        coverage: &mut Coverage,
    ) {
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        let grade = |wrong: &Wrong| {
            let began = Instant::now();
            let report = compiler.compile(wrong).map(|program| {
                let target = Target { program, shown_as: format!("wrong/{}", wrong.name) };
                self.grade_wrong(wrong, target, sandbox)
            });
            Graded { report, took: began.elapsed() }
        };
        let mut waiting: BTreeMap<usize, Graded> = BTreeMap::new();
        let mut judged = Vec::new();
        thread::scope(|scope| {
            for _ in 0..self.arguments.jobs.max(1) {
                let sender = sender.clone();
                let (next, grade) = (&next, &grade);
                scope.spawn(move || {
                    while let Some(wrong) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let index = programs.iter().position(|other| other.name == wrong.name);
                        if sender.send((index.unwrap_or_default(), grade(wrong))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (index, graded) in receiver {
                waiting.insert(index, graded);
                while let Some(graded) = waiting.remove(&judged.len()) {
                    let wrong = &programs[judged.len()];
                    judged.push(judge_wrong(wrong, &graded, &self.choice.manifest, coverage));
                    if let Some((problems, told)) = judged.last() {
                        tell(&wrong.name, problems, graded.took, told);
                    }
                }
            }
        });
        self.problems += judged.iter().map(|(problems, _)| problems.len()).sum::<usize>();
        self.programs.extend(programs.iter().map(|wrong| compiler.program(wrong)));
    }

    fn grade(
        &mut self,
        sandbox: &Sandbox,
        program: PathBuf,
        shown_as: String,
        deadline_ms: u64,
    ) -> ModuleReport {
        let _progress = Progress::begin(format!("grading {shown_as}"));
        self.programs.push(program.clone());
        let target = Target { program, shown_as };
        grade::judge(&self.choice, target, sandbox, self.seed, Duration::from_millis(deadline_ms))
    }

    /// Prints a line for a step, and its problems below.
    fn tell(&mut self, step: &str, problems: &[String], began: Instant, detail: &str) {
        tell(step, problems, began.elapsed(), detail);
        self.problems += problems.len();
    }
}

/// A known-wrong program's report, or why it does not compile.
struct Graded {
    report: anyhow::Result<ModuleReport>,
    took: Duration,
}

/// What is wrong with a known-wrong program's failing, and which checks it failed.
fn judge_wrong(
    wrong: &Wrong,
    graded: &Graded,
    manifest: &Manifest,
    coverage: &mut Coverage,
) -> (Vec<String>, String) {
    match &graded.report {
        Err(error) => {
            (vec![format!("the known-wrong program {}: {error:#}", wrong.name)], String::new())
        }
        Ok(report) => (
            judgement::wrong(&wrong.meaning, report, manifest, coverage),
            failed_and_let_through(wrong, report),
        ),
    }
}

/// Which checks the program fails, and which of its own it passes in their weaker form.
fn failed_and_let_through(wrong: &Wrong, report: &ModuleReport) -> String {
    let mut failed = judgement::failed_ids(report);
    let passed = judgement::let_through(&wrong.meaning, report);
    failed.extend(passed.iter().map(|id| format!("({id} cannot tell here)")));
    failed.join(", ")
}

fn tell(step: &str, problems: &[String], took: Duration, detail: &str) {
    let seconds = took.as_secs_f64();
    let (style, word) = if problems.is_empty() { (GOOD, "ok") } else { (BAD, "FAILED") };
    anstream::println!("  {style}{word:6}{style:#}  {step:38} {seconds:6.1} s  {detail}");
    for problem in problems {
        for line in problem.lines() {
            anstream::println!("          {line}");
        }
    }
}
