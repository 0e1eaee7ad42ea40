//! The process that builds and grades one submission: whatever becomes of it, the run goes on.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use grader::manifest::Manifest;
use grader::module::Target;
use grader::report::{ModuleReport, Status};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::retry_on_intr;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sandbox::Sandbox;

use super::compile::{self, Compiled};
use super::order::{Answer, ModuleOrder, Order, Spent, WORKER_ARGUMENT};
use crate::modules;
use crate::results::ModuleResult;

/// How many descriptors the grader asks for: a module's checks hold many connections at once.
const DESCRIPTORS: u64 = 4096;

/// Grades one submission and never returns, if [`super::crew`] started this process. Comes in
/// `main` after [`sandbox::keeper_main_if_asked`] and the lab's: there is one thread as yet.
pub fn main_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == WORKER_ARGUMENT) {
        let status = match run() {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("{error:#}");
                1
            }
        };
        std::process::exit(status);
    }
}

/// The file by whose lock checks that have to run alone take turns.
static TURNS: OnceLock<std::fs::File> = OnceLock::new();

/// One check's turn, until it is dropped.
struct Turn;

/// Waits for the others. In this process only one such check runs at a time already.
fn take_turn() -> grader::Turn {
    if let Some(file) = TURNS.get() {
        // Without the lock the check measures under other conditions, and is judged all the same.
        _ = retry_on_intr(|| flock(file, FlockOperation::LockExclusive));
    }
    Box::new(Turn)
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(file) = TURNS.get() {
            // The end of this process gives it back at the latest.
            _ = flock(file, FlockOperation::Unlock);
        }
    }
}

fn run() -> anyhow::Result<()> {
    die_with_runner();
    let (order, contents) = receive().context("read the order")?;
    let mut answers = take_stdout().context("take over standard output")?;
    // Opened here, since the room does not have it: a program could else keep others from their
    // turn.
    if let Ok(file) = std::fs::File::open(&order.turns) {
        _ = TURNS.set(file);
        grader::take_turns(take_turn);
    }
    let Some(room) = &order.room else {
        let answer = grade(&order, &contents);
        send(&mut answers, &answer)?;
        return send(&mut answers, &spent());
    };
    let room = room.room(&order.limits);
    let inside = || {
        let answer = grade(&order, &contents);
        i32::from(send(&mut answers, &answer).is_err())
    };
    match sandbox::enter_room(&room, inside) {
        Ok(0) => {}
        Ok(status) => anyhow::bail!("the grading of this submission was ended, with {status}"),
        Err(error) => {
            let refused = Some(error.to_string());
            send(&mut answers, &Answer { refused, ..Answer::default() })?;
        }
    }
    send(&mut answers, &spent())
}

/// The runner may have been killed before this; then its pipes are closed, and the order is cut
/// short.
fn die_with_runner() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        // Where it is refused, a killed runner's last gradings go to their end.
        _ = set_parent_process_death_signal(Some(Signal::KILL));
    }
}

/// The order, and the files' contents in the order of the modules.
fn receive() -> anyhow::Result<(Order, Vec<Vec<Vec<u8>>>)> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut line = String::new();
    input.read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)?;
    let mut contents = Vec::new();
    for module in &order.modules {
        let mut files = Vec::new();
        for (_, length) in &module.files {
            let mut content = vec![0; usize::try_from(*length)?];
            input.read_exact(&mut content)?;
            files.push(content);
        }
        contents.push(files);
    }
    Ok((order, contents))
}

/// Moves standard output out of the reach of whatever is started, and `/dev/null` into its place.
fn take_stdout() -> anyhow::Result<std::fs::File> {
    let kept: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 10)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(kept.into())
}

fn send(to: &mut std::fs::File, document: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(document)?;
    line.push(b'\n');
    Ok(to.write_all(&line)?)
}

fn spent() -> Spent {
    let of = |who| {
        // SAFETY: all zeros is a valid place for the kernel to write to.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the structure is live and of the type that the call writes.
        unsafe { libc::getrusage(who, &raw mut usage) };
        [usage.ru_utime, usage.ru_stime]
            .map(|time| u64::try_from(time.tv_sec * 1000 + time.tv_usec / 1000))
            .into_iter()
            .map(Result::unwrap_or_default)
            .sum::<u64>()
    };
    Spent { cpu_ms: of(libc::RUSAGE_SELF) + of(libc::RUSAGE_CHILDREN) }
}

fn grade(order: &Order, contents: &[Vec<Vec<u8>>]) -> Answer {
    let mut answer = Answer::default();
    if let Err(error) = grade_into(&mut answer, order, contents) {
        answer.fault = Some(format!("{error:#}"));
    }
    answer
}

fn grade_into(answer: &mut Answer, order: &Order, contents: &[Vec<Vec<u8>>]) -> anyhow::Result<()> {
    // What the order said of checks and files is in this process's memory.
    sandbox::protect_self().context("protect the grader")?;
    set_limits(order).context("set the limits")?;
    let sandbox = Sandbox::start().context("prepare the folder and the keeper of the programs")?;
    let layer = sandbox.layer();
    // Without a room there is at most what the sandbox does for each program by itself.
    answer.layer = match (layer.name(), &order.room) {
        ("namespaces", None) => "linux",
        (name, _) => name,
    }
    .to_owned();
    answer.missing = layer.missing().map(|(name, why)| (name.to_owned(), why.to_owned())).collect();
    for (module, contents) in order.modules.iter().zip(contents) {
        let report = one_module(&sandbox, order, module, contents, answer)
            .with_context(|| format!("grade {}", module.name))?;
        answer.modules.push(ModuleResult::of(&report));
        if let Some(check) = report.checks.iter().find(|check| check.status == Status::Error) {
            let got = check.feedback.as_ref().map(|feedback| feedback.got.as_str());
            anyhow::bail!(
                "the check {}/{} could not be run: {}",
                module.name,
                check.id,
                crate::results::printable(got.unwrap_or_default())
            );
        }
    }
    Ok(())
}

fn one_module(
    sandbox: &Sandbox,
    order: &Order,
    module: &ModuleOrder,
    contents: &[Vec<u8>],
    answer: &mut Answer,
) -> anyhow::Result<ModuleReport> {
    let checks = modules::find(&module.name)?;
    let manifest = Manifest::parse(&module.manifest, Path::new("module.toml"))?;
    let folder = sandbox.scratch().join("build").join(&module.name);
    fs_err::create_dir_all(&folder)?;
    let began = Instant::now();
    let compiled = compile::compile(sandbox, order, module, contents, &folder);
    answer.build_ms += millis(began.elapsed());
    let shown_as = module.name.clone();
    let program: PathBuf = match compiled? {
        Compiled::Program(program) => program,
        Compiled::Refused(why) => {
            return Ok(grader::does_not_build(&manifest, shown_as, None, why));
        }
    };
    compile::seal(&program)?;
    let began = Instant::now();
    let plan = grader::Plan {
        module: checks,
        manifest: &manifest,
        target: Target { program, shown_as },
        only: (!order.checks.is_empty()).then(|| order.checks.clone()),
        seed: order.seed,
        deadline: Duration::from_millis(order.deadline_ms),
    };
    // Outside of a room the disk is everybody's.
    let watch = order.room.as_ref().map(|_| Watch::begin(sandbox.scratch()));
    let mut report = grader::run(&plan, sandbox);
    if let Some(what) = watch.and_then(Watch::end) {
        blame(&mut report, what);
    }
    answer.grade_ms += millis(began.elapsed());
    Ok(report)
}

/// Looks now and then whether the room's disk is full: then a check that could not be run is the
/// program's fault, not the machine's.
struct Watch {
    is_over: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<Option<&'static str>>>,
}

/// How often.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Less than this is as good as nothing.
const LEAST_BYTES: u64 = 1 << 20;
const LEAST_INODES: u64 = 64;

impl Watch {
    fn begin(folder: &Path) -> Self {
        let is_over = Arc::new((Mutex::new(false), Condvar::new()));
        let (over, folder) = (Arc::clone(&is_over), folder.to_path_buf());
        let look = move || {
            let mut found = None;
            let mut ended = over.0.lock().unwrap_or_else(PoisonError::into_inner);
            while !*ended {
                found = found.or_else(|| shortage(&folder));
                ended = over
                    .1
                    .wait_timeout(ended, LOOK_EVERY)
                    .map_or_else(|error| error.into_inner().0, |(ended, _)| ended);
            }
            found
        };
        // Without this thread a full disk is the machine's fault, as everywhere else.
        let thread = thread::Builder::new().name("watch".into()).spawn(look).ok();
        Self { is_over, thread }
    }

    fn end(mut self) -> Option<&'static str> {
        *self.is_over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.is_over.1.notify_all();
        self.thread.take()?.join().ok().flatten()
    }
}

fn shortage(folder: &Path) -> Option<&'static str> {
    let status = rustix::fs::statvfs(folder).ok()?;
    if status.f_bavail.saturating_mul(status.f_frsize) < LEAST_BYTES {
        return Some("it filled the disk that it was given");
    }
    (status.f_files > 0 && status.f_favail < LEAST_INODES)
        .then_some("it made more files than the disk that it was given has room for")
}

/// Checks that could not be run have failed.
fn blame(report: &mut ModuleReport, what: &str) {
    for check in report.checks.iter_mut().filter(|check| check.status == Status::Error) {
        check.status = Status::Failed;
        if let Some(feedback) = &mut check.feedback {
            feedback.got = format!("{what}, so that the check could not go on: {}", feedback.got);
        }
    }
}

/// Limits that hold for all that is started, whatever a check asks for.
fn set_limits(order: &Order) -> io::Result<()> {
    let limits = &order.limits;
    let descriptors = getrlimit(Resource::Nofile).maximum;
    let wanted = descriptors.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    let limit = Rlimit { current: Some(wanted), maximum: descriptors };
    setrlimit(Resource::Nofile, limit)?;
    for (resource, wanted) in [
        (Resource::Data, limits.data_bytes),
        (Resource::Fsize, limits.file_bytes),
        (Resource::Nproc, limits.processes),
    ] {
        let most = getrlimit(resource).maximum.map_or(wanted, |most| most.min(wanted));
        // Without a room the count of processes is the whole user's, and not this program's to
        // limit.
        if resource != Resource::Nproc || order.room.is_some() {
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
