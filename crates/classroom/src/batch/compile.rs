//! Compiles one module of a submission: the compiler runs untrusted input (macros, constants,
//! `include_str!`), so it runs in the sandbox like the program itself.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use sandbox::{Exit, Job, Running, Sandbox};

use super::order::{ModuleOrder, Order};
use crate::results::{NOT_HANDED_IN, printable};

/// How much of the compiler's messages is kept.
const KEPT_BYTES: usize = 24 << 10;
/// How much of them is read at all: past it the compiler is stopped.
const READ_BYTES: usize = 512 << 10;
/// `SIGKILL`, which is what the hard limit on processor time sends.
const SIGKILL: i32 = 9;
/// `SIGXCPU`, which is what the soft one sends.
const SIGXCPU: i32 = 24;
/// `SIGXFSZ`: a file grew too large.
const SIGXFSZ: i32 = 25;

/// What came of compiling.
pub enum Compiled {
    /// The program.
    Program(PathBuf),
    /// What the compiler says against it, or which limit it hit.
    Refused(String),
}

/// Compiles the module whose files are `contents`, below `folder`.
///
/// # Errors
///
/// The grader's or the machine's: the compiler cannot be started, or was killed from outside.
pub fn compile(
    sandbox: &Sandbox,
    order: &Order,
    module: &ModuleOrder,
    contents: &[Vec<u8>],
    folder: &Path,
) -> anyhow::Result<Compiled> {
    if !module.files.iter().any(|(path, _)| path == "src/main.rs") {
        return Ok(Compiled::Refused(no_program(module)));
    }
    for ((path, _), content) in module.files.iter().zip(contents) {
        write_below(folder, Path::new(path), content)?;
    }
    let program = folder.join(&module.name);
    let job = compiler(order, module, folder, &program);
    let began = Instant::now();
    let mut running = sandbox.spawn(&job).context("start the compiler")?;
    let deadline = began + Duration::from_secs(order.limits.compile_wall_seconds);
    let said = listen(&mut running, deadline)?;
    // What a compiler left running is nobody's business any more.
    running.kill().context("end the compiler")?;
    remove_sources(folder)?;
    let messages = tell(&said.bytes);
    match said.ended {
        Ended::Flooded => Ok(Compiled::Refused(format!(
            "{messages}\nerror: the compiler was stopped: it printed more than {} KiB of messages",
            READ_BYTES >> 10
        ))),
        Ended::TooLate => bail!(
            "the compiler of {} did not end within {} s",
            module.name,
            order.limits.compile_wall_seconds
        ),
        Ended::Itself(exit) => judge(order, module, &exit, messages, program),
    }
}

fn judge(
    order: &Order,
    module: &ModuleOrder,
    exit: &Exit,
    messages: String,
    program: PathBuf,
) -> anyhow::Result<Compiled> {
    let cpu_ms = exit.user_ms + exit.system_ms;
    let at_limit = cpu_ms / 1000 >= order.limits.compile_cpu_seconds;
    let refused = |why: String| Ok(Compiled::Refused(format!("{messages}\nerror: {why}")));
    match (exit.status, exit.signal) {
        (Some(0), _) if program.is_file() => Ok(Compiled::Program(program)),
        (Some(0), _) => bail!("the compiler says that all is well, and left no program"),
        (Some(_), _) => Ok(Compiled::Refused(messages)),
        (_, Some(SIGXCPU)) => refused(too_much_time(order)),
        (_, Some(SIGKILL)) if at_limit => refused(too_much_time(order)),
        // The sandbox's own watch over memory says it no other way, and whoever else kills is the
        // machine.
        (_, Some(SIGKILL)) => bail!("the compiler of {} was killed", module.name),
        (_, Some(SIGXFSZ)) => refused("a file that the compiler writes grew too large".to_owned()),
        (_, signal) => refused(format!(
            "the compiler was ended by signal {}: its stack or its memory ({} MiB) did not suffice",
            signal.unwrap_or_default(),
            order.limits.data_bytes >> 20
        )),
    }
}

fn too_much_time(order: &Order) -> String {
    let seconds = order.limits.compile_cpu_seconds;
    format!("the compiler was stopped: it had used {seconds} s of processor time")
}

/// What a learner reads who handed in no such program.
fn no_program(module: &ModuleOrder) -> String {
    let name = &module.name;
    if let Some(why) = &module.refused {
        return format!("error: the submission was refused: {why}");
    }
    match module.files.as_slice() {
        [] => format!("{NOT_HANDED_IN}{name}"),
        [(first, _), ..] => {
            format!("{NOT_HANDED_IN}{name}, though it has {}", printable(first))
        }
    }
}

fn compiler(order: &Order, module: &ModuleOrder, folder: &Path, program: &Path) -> Job {
    let mut job = Job::new(&order.rustc, folder);
    let arg = |text: &str| text.to_owned().into();
    job.args = ["--edition", "2024", "--crate-type", "bin", "--color", "never"].map(arg).into();
    job.args.extend(
        ["-C", "debuginfo=0", "-C", "codegen-units=1", "--diagnostic-width", "100"].map(arg),
    );
    job.args.extend([arg("--crate-name"), module.name.replace('-', "_").into()]);
    let mut search = std::ffi::OsString::from("dependency=");
    search.push(&order.libraries);
    job.args.extend([arg("-L"), search]);
    for (name, file) in &module.libraries {
        let mut value = std::ffi::OsString::from(format!("{name}="));
        value.push(order.libraries.join(file));
        job.args.extend([arg("--extern"), value]);
    }
    job.args.extend([arg("-o"), program.into(), arg("src/main.rs")]);
    // `option_env!` sees what is here, and nothing else.
    job.environment = vec![
        ("PATH".into(), "/usr/bin:/bin".into()),
        ("TMPDIR".into(), folder.into()),
        ("CARGO_PKG_NAME".into(), module.name.clone().into()),
        ("CARGO_PKG_VERSION".into(), env!("CARGO_PKG_VERSION").into()),
    ];
    // In a room there is little else to be seen; without one, this alone keeps `include_str!`
    // inside.
    let system =
        ["/usr", "/bin", "/lib", "/lib64", "/nix/store", "/gnu/store", "/etc/alternatives"];
    let mut readable: Vec<PathBuf> = system.iter().map(PathBuf::from).collect();
    readable.extend(["/etc/ld.so.cache", "/proc"].map(PathBuf::from));
    readable.extend(order.rustc.parent().and_then(Path::parent).map(Path::to_path_buf));
    readable.push(order.libraries.clone());
    readable.retain(|path| path.exists());
    job.readable = Some(readable);
    job.limits.cpu_seconds = Some(order.limits.compile_cpu_seconds);
    job.limits.data_bytes = Some(order.limits.data_bytes);
    job.limits.file_size_bytes = Some(order.limits.file_bytes.min(512 << 20));
    job
}

/// Writes a file of the submission, whose path the intake has checked; this is the last to look.
fn write_below(folder: &Path, path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        bail!("the path {} leads out of its folder", path.display());
    }
    let file = folder.join(path);
    if let Some(parent) = file.parent() {
        fs_err::create_dir_all(parent)?;
    }
    Ok(fs_err::write(file, content)?)
}

/// A program has no business with its own source.
fn remove_sources(folder: &Path) -> anyhow::Result<()> {
    Ok(sandbox::scratch::remove(&folder.join("src"))?)
}

/// The messages as text that a terminal and a page can show, cut in the middle if they are long.
fn tell(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = printable(text.trim_end());
    if text.len() <= KEPT_BYTES {
        return text;
    }
    let mut end = KEPT_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let line = text[..end].rfind('\n').unwrap_or(end);
    let left_out = text.len() - line;
    format!("{}\n… and {left_out} bytes more of such messages", &text[..line])
}

struct Said {
    bytes: Vec<u8>,
    ended: Ended,
}

enum Ended {
    Itself(Exit),
    Flooded,
    TooLate,
}

/// Reads what it prints until it ends.
fn listen(running: &mut Running, deadline: Instant) -> anyhow::Result<Said> {
    drop(running.stdin());
    let mut pipes: Vec<OwnedFd> =
        [running.stdout(), running.stderr()].into_iter().flatten().collect();
    let (mut bytes, mut total) = (Vec::new(), 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut index = 0;
        while index < pipes.len() {
            match rustix::io::read(&pipes[index], &mut buffer) {
                Ok(0) => drop(pipes.remove(index)),
                Ok(count) => {
                    total += count;
                    bytes.extend_from_slice(&buffer[..count.min(READ_BYTES - bytes.len())]);
                }
                Err(Errno::AGAIN) => index += 1,
                Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error)).context("listen to the compiler"),
            }
            if total > READ_BYTES {
                return Ok(Said { bytes, ended: Ended::Flooded });
            }
        }
        // Once it has ended, all that it printed has been read above: what somebody else holds the
        // pipe for does not count.
        if let Some(exit) = running.try_exit().context("wait for the compiler")? {
            for pipe in &pipes {
                while let Ok(count) = rustix::io::read(pipe, &mut buffer)
                    && count > 0
                    && bytes.len() < READ_BYTES
                {
                    bytes.extend_from_slice(&buffer[..count.min(READ_BYTES - bytes.len())]);
                }
            }
            return Ok(Said { bytes, ended: Ended::Itself(exit) });
        }
        let Some(left) = deadline.checked_duration_since(Instant::now()) else {
            return Ok(Said { bytes, ended: Ended::TooLate });
        };
        let exit = running.exit_fd();
        let mut polled = vec![PollFd::new(&exit, PollFlags::IN)];
        polled.extend(pipes.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        let timeout = Timespec::try_from(left.min(Duration::from_secs(5)))?;
        retry_on_intr(|| poll(&mut polled, Some(&timeout)))?;
    }
}

/// Makes the program one that nobody of its user writes to by accident.
pub fn seal(program: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs_err::set_permissions(program, fs::Permissions::from_mode(0o555))?)
}
