//! One grading of one module on a thread of its own, which the next save may end.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use grader::module::{Module, Target};
use grader::report::ModuleReport;
use sandbox::Sandbox;

use super::rustc::Commands;
use crate::cancel::Cancel;
use crate::grade::{self, Choice};
use crate::terminal::Progress;
use crate::workspace::{Owner, Workspace};

/// What came of a grading, or of its core checks.
pub struct Graded {
    /// The result. Of a program that does not build, it holds all checks.
    pub report: ModuleReport,
    /// The seed of its random input.
    pub seed: u64,
    /// The compiler's warnings.
    pub warnings: String,
}

/// What the worker has to say, with the number of the work.
pub enum News {
    /// It goes on with this.
    Stage(u64, String),
    /// The core checks are done, the stretch checks follow; or the program does not build.
    Core(u64, Graded),
    /// All is done, also what was told before; nothing came of it if it was ended.
    Done(u64, anyhow::Result<Option<ModuleReport>>),
}

/// Where news go, and what wakes the one who reads them.
#[derive(Debug)]
pub struct Mailbox {
    sender: Sender<News>,
    bell: UnixStream,
}

impl Mailbox {
    /// `bell` is written to after each of the news; it does not block.
    pub fn new(sender: Sender<News>, bell: UnixStream) -> Self {
        Self { sender, bell }
    }

    /// A second way into the same box.
    ///
    /// # Errors
    ///
    /// No descriptor is free.
    pub fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Self { sender: self.sender.clone(), bell: self.bell.try_clone()? })
    }

    fn send(&self, news: News) {
        // Nobody reads any more once the watch has ended.
        _ = self.sender.send(news);
        // A bell that is full rings already.
        _ = (&self.bell).write(&[1]);
    }
}

/// What gradings of one watch share.
#[derive(Debug)]
pub struct Desk {
    /// Where their news go.
    pub mailbox: Mailbox,
    /// How their programs are compiled.
    pub commands: Arc<Commands>,
}

/// A grading that is under way. Dropping it ends it.
pub struct Work {
    /// What is graded.
    pub module: &'static str,
    /// When the save was noticed that it is for.
    pub since: Instant,
    /// Tells its news from those of work that was ended.
    pub number: u64,
    cancel: Arc<Cancel>,
}

impl Work {
    /// Begins to grade `module` of the learner's.
    ///
    /// # Errors
    ///
    /// No thread may be started, or no descriptor is free.
    pub fn begin(
        workspace: &Workspace,
        module: &'static Module,
        number: u64,
        since: Instant,
        colour: bool,
        desk: &Desk,
    ) -> anyhow::Result<Self> {
        let cancel = Arc::new(Cancel::default());
        let (workspace, told) = (workspace.clone(), Arc::clone(&cancel));
        let mailbox = Arc::new(desk.mailbox.try_clone()?);
        let commands = Arc::clone(&desk.commands);
        let run = move || {
            let teller = Teller { number, mailbox: Arc::clone(&mailbox) };
            let graded = catch_unwind(AssertUnwindSafe(|| {
                grade(&workspace, module, colour, &commands, &told, &teller)
            }));
            let graded = graded.unwrap_or_else(|_| Err(anyhow!("the grader itself panicked")));
            // Work that was ended has errors of its own, which mean nothing.
            let graded = if told.is_cancelled() { Ok(None) } else { graded };
            mailbox.send(News::Done(number, graded));
        };
        let name = format!("grade {}", module.name);
        std::thread::Builder::new().name(name).spawn(run).context("start a thread for it")?;
        Ok(Self { module: module.name, since, number, cancel })
    }
}

impl Work {
    /// Ends it, and returns when its programs are gone.
    pub fn end(self) {
        self.cancel.cancel_and_wait();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Sends the news of one piece of work.
#[derive(Clone)]
struct Teller {
    number: u64,
    mailbox: Arc<Mailbox>,
}

impl Teller {
    fn stage(&self, stage: String) {
        self.mailbox.send(News::Stage(self.number, stage));
    }

    fn core(&self, graded: Graded) {
        self.mailbox.send(News::Core(self.number, graded));
    }
}

fn grade(
    workspace: &Workspace,
    module: &'static Module,
    colour: bool,
    commands: &Commands,
    cancel: &Cancel,
    teller: &Teller,
) -> anyhow::Result<Option<ModuleReport>> {
    let told = teller.clone();
    let progress = Progress::heard_by(move |doing| told.stage(building(&doing)));
    let (name, owner) = (module.name, Owner::Learner);
    // What a grading needs besides the program is made ready while the compiler works.
    let (built, ready) = std::thread::scope(|scope| {
        let prepare = || -> anyhow::Result<(Choice, Arc<Sandbox>)> {
            let choice = Choice { module, manifest: workspace.manifest(name)?, only: None };
            Ok((choice, Arc::new(grade::start_sandbox()?)))
        };
        let ready = std::thread::Builder::new().spawn_scoped(scope, prepare);
        let built = commands.build(workspace, name, colour, &progress, cancel);
        let ready = ready.context("start a thread for the sandbox").and_then(|thread| {
            thread.join().unwrap_or_else(|_| Err(anyhow!("the start of the sandbox panicked")))
        });
        (built, ready)
    });
    let (outcome, (choice, sandbox)) = (built?, ready?);
    let Some(outcome) = outcome else { return Ok(None) };
    let seed = grade::random_seed();
    let warnings = outcome.warnings;
    let Some(program) = outcome.executable else {
        let shown_as = format!("{}/{name}", owner.folder());
        let report = grader::does_not_build(&choice.manifest, shown_as, None, outcome.errors);
        teller.core(Graded { report: report.clone(), seed, warnings });
        return Ok(Some(report));
    };
    teller.stage("grading".to_owned());
    cancel.closes_sandbox(&sandbox);
    let target = Target { program, shown_as: format!("{}/{name}", owner.folder()) };
    let plan = choice.plan(target, seed, Duration::from_millis(grade::DEFAULT_DEADLINE_MS));
    let core_done = |report| {
        teller.core(Graded { report, seed, warnings: warnings.clone() });
        teller.stage("grading the stretch checks".to_owned());
    };
    Ok(Some(grader::run_core_first(&plan, &sandbox, &core_done)))
}

/// "building socket2" from cargo's "Compiling socket2 v0.6.1".
fn building(doing: &str) -> String {
    let mut words = doing.split_whitespace();
    match (words.next(), words.next()) {
        (Some("Compiling"), Some(package)) => format!("building {package}"),
        (Some("Downloading" | "Downloaded" | "Locking" | "Updating"), _) => {
            "downloading".to_owned()
        }
        (Some("Blocking"), _) => "waiting for another cargo".to_owned(),
        _ => "building".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::building;

    #[test]
    fn cargos_words_become_a_stage() {
        assert_eq!(building("Compiling socket2 v0.6.1"), "building socket2");
        assert_eq!(building("Blocking waiting for file lock"), "waiting for another cargo");
        assert_eq!(building(""), "building");
    }
}
