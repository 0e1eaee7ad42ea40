//! What grading costs: processor time a submission beside rustc and the checks alone, and how time
//! and memory grow with the class.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use grader::module::Target;
use sandbox::Sandbox;

use super::{Arguments, say, sources};
use crate::batch::toolchain::Toolchain;
use crate::modules;
use crate::workspace::{Owner, Workspace};

const MODULE: &str = "tcp-echo";
/// The sizes between which processor time a submission has to stay the same.
const SIZES: [usize; 3] = [50, 200, 500];
/// How often batch is measured beside its parts, and on how many submissions. Both are measured
/// within seconds of each other, since other work on a machine changes what a processor does in a
/// second.
const ROUNDS: usize = 9;
const ROUND_SUBMISSIONS: usize = 8;

/// Measures, and tells.
///
/// # Errors
///
/// A run fails.
pub fn run(arguments: &Arguments, workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let largest = SIZES.into_iter().max().unwrap_or_default().max(ROUNDS * ROUND_SUBMISSIONS);
    make(workspace, &arguments.dir, largest)?;
    let parts = Parts::prepare(workspace, &arguments.dir, arguments.seed)?;
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let (rustc, checks) = parts.measure()?;
        let first = round * ROUND_SUBMISSIONS;
        let whole = batch(arguments, &format!("round-{round}"), first, ROUND_SUBMISSIONS)?;
        let (rustc_again, checks_again) = parts.measure()?;
        let alone = (rustc + checks + rustc_again + checks_again) / 2.0;
        ratios.push(whole.cpu_ms / alone);
        say(&format!(
            "round {}: rustc {:.0} ms, checks {:.0} ms, batch {:.0} ms a submission: {:.2}\n",
            round + 1,
            f64::midpoint(rustc, rustc_again),
            f64::midpoint(checks, checks_again),
            whole.cpu_ms,
            whole.cpu_ms / alone,
        ))?;
    }
    ratios.sort_by(f64::total_cmp);
    say(&format!(
        "processor time of batch beside rustc and the checks alone: {:.2} (median; {:.2} to \
         {:.2})\n",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1],
    ))?;
    for size in SIZES {
        let whole = batch(arguments, &format!("size-{size}"), 0, size)?;
        say(&format!(
            "{size} submissions: {:.0} ms of processor time a submission, {:.0} ms on the clock, \
             the runner's memory at most {} KiB\n",
            whole.cpu_ms, whole.wall_ms, whole.peak_kib,
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The reference, once for each submission, with a comment that tells them apart.
fn make(workspace: &Workspace, dir: &Path, count: usize) -> anyhow::Result<()> {
    let files = sources(&workspace.program_folder(MODULE, Owner::Reference).join("src"))?;
    for number in 0..count {
        for (path, content) in &files {
            let file = dir.join(format!("all/s{number:03}/src")).join(path);
            fs_err::create_dir_all(file.parent().context("find the folder of a file")?)?;
            let mut content = content.clone();
            content.extend_from_slice(format!("// {number}\n").as_bytes());
            fs_err::write(file, content)?;
        }
    }
    Ok(())
}

/// A run's costs.
struct Whole {
    /// Of the run and all that it started, a submission.
    cpu_ms: f64,
    wall_ms: f64,
    /// Of the process that keeps the others going.
    peak_kib: u64,
}

fn batch(arguments: &Arguments, name: &str, first: usize, count: usize) -> anyhow::Result<Whole> {
    let class = arguments.dir.join(name);
    fs_err::create_dir(&class)?;
    for number in first..first + count {
        let submission = format!("s{number:03}");
        // A link to a folder would be refused, as handed in by somebody.
        fs_err::rename(arguments.dir.join("all").join(&submission), class.join(&submission))?;
    }
    let log = fs_err::File::create(arguments.dir.join(format!("{name}.log")))?.into_parts().0;
    let mut command = Command::new("/proc/self/exe");
    command.arg("batch").arg(&class).arg("--out").arg(arguments.dir.join(format!("{name}-out")));
    command.args(["--module", MODULE, "--seed", &arguments.seed.to_string()]);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let (before, began) = (children_ms(), Instant::now());
    let mut child = command.spawn().context("start batch")?;
    let mut peak_kib = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_kib = peak_kib.max(peak(child.id()).unwrap_or_default());
        thread::sleep(Duration::from_millis(50));
    };
    let wall = began.elapsed();
    if !status.success() {
        bail!("batch ended with {:?}, signal {:?}: see {name}.log", status.code(), status.signal());
    }
    for number in first..first + count {
        let submission = format!("s{number:03}");
        fs_err::rename(class.join(&submission), arguments.dir.join("all").join(&submission))?;
    }
    let submissions = f64::from(u32::try_from(count)?);
    Ok(Whole {
        cpu_ms: (children_ms() - before) / submissions,
        wall_ms: wall.as_secs_f64() * 1000.0 / submissions,
        peak_kib,
    })
}

/// What a grading consists of, without the class around it.
struct Parts<'a> {
    workspace: &'a Workspace,
    toolchain: Toolchain,
    source: std::path::PathBuf,
    program: std::path::PathBuf,
    seed: u64,
}

impl<'a> Parts<'a> {
    fn prepare(workspace: &'a Workspace, dir: &Path, seed: u64) -> anyhow::Result<Self> {
        let toolchain = Toolchain::prepare(workspace, &[MODULE.to_owned()])?;
        let folder = std::path::absolute(dir)?;
        let source = workspace.program_folder(MODULE, Owner::Reference).join("src/main.rs");
        Ok(Self { workspace, toolchain, source, program: folder.join("alone"), seed })
    }

    /// Processor time in milliseconds: of rustc, and of all checks.
    fn measure(&self) -> anyhow::Result<(f64, f64)> {
        let mut rustc = Command::new(self.toolchain.rustc());
        rustc.args(["--edition", "2024", "--crate-type", "bin", "-C", "debuginfo=0"]);
        rustc.args(["-C", "codegen-units=1", "--crate-name", "tcp_echo"]);
        let libraries = &self.toolchain.libraries;
        rustc.arg("-L").arg(format!("dependency={}", libraries.display()));
        for (name, file) in &self.toolchain.of_module[MODULE] {
            rustc.arg("--extern").arg(format!("{name}={}", libraries.join(file).display()));
        }
        rustc.arg("-o").arg(&self.program).arg(&self.source).stdin(Stdio::null());
        let before = children_ms();
        let output = rustc.output().context("start rustc")?;
        let compiled = children_ms();
        if !output.status.success() {
            bail!("rustc: {}", String::from_utf8_lossy(&output.stderr));
        }
        let own = own_ms();
        let report = {
            let sandbox = Sandbox::start().context("prepare the sandbox")?;
            let manifest = self.workspace.manifest(MODULE)?;
            let target = Target { program: self.program.clone(), shown_as: MODULE.to_owned() };
            let plan = grader::Plan {
                module: modules::find(MODULE)?,
                manifest: &manifest,
                target,
                only: None,
                seed: self.seed,
                deadline: Duration::from_secs(10),
            };
            grader::run(&plan, &sandbox)
        };
        if report.score() != report.max_score() {
            bail!("the reference has {} of {} points", report.score(), report.max_score());
        }
        Ok((compiled - before, own_ms() - own + children_ms() - compiled))
    }
}

/// Processor time of all children that were waited for.
fn children_ms() -> f64 {
    cpu_ms(libc::RUSAGE_CHILDREN)
}

/// Processor time of this process.
fn own_ms() -> f64 {
    cpu_ms(libc::RUSAGE_SELF)
}

fn cpu_ms(who: libc::c_int) -> f64 {
    // SAFETY: all zeros is a valid place for the kernel to write to.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is live and of the type that the call writes.
    unsafe { libc::getrusage(who, &raw mut usage) };
    let of = |time: libc::timeval| {
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or_default(),
            u32::try_from(time.tv_usec).unwrap_or_default() * 1000,
        )
    };
    (of(usage.ru_utime) + of(usage.ru_stime)).as_secs_f64() * 1000.0
}

/// The most memory that a process has had, in KiB; `proc_pid_status(5)`.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
