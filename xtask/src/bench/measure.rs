//! Running what is measured, and the arithmetic of it.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::interrupt::Group;

/// How often a process is asked whether it has ended.
const EXIT_PERIOD: Duration = Duration::from_millis(1);

/// Runs a command that must end with one of `statuses`, and says how long it took.
///
/// # Errors
///
/// As [`printed`].
pub fn timed(command: &mut Command, statuses: &[i32]) -> anyhow::Result<Duration> {
    let began = Instant::now();
    printed(command, statuses)?;
    Ok(began.elapsed())
}

/// Runs a command that must end with one of `statuses`, and gives what it printed.
///
/// # Errors
///
/// It cannot be started, or ends otherwise: what it said is then shown.
pub fn printed(command: &mut Command, statuses: &[i32]) -> anyhow::Result<Vec<u8>> {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("start {shown}"))?;
    let _group = Group::of(&child);
    let mut complaints = child.stderr.take();
    let listener = thread::spawn(move || {
        let mut told = Vec::new();
        complaints.as_mut().map_or(Ok(0), |stderr| stderr.read_to_end(&mut told)).map(|_| told)
    });
    let output = child.wait_with_output().with_context(|| format!("wait for {shown}"))?;
    if !output.status.code().is_some_and(|status| statuses.contains(&status)) {
        let told = listener.join().ok().and_then(Result::ok).unwrap_or_default();
        let mut stderr = anstream::stderr();
        stderr.write_all(&output.stdout).and_then(|()| stderr.write_all(&told))?;
        bail!("{shown} ended with {}", output.status);
    }
    Ok(output.stdout)
}

/// Waits for a process to end, but not past `deadline`: `None` if it runs on.
///
/// # Errors
///
/// It cannot be waited for.
pub fn wait_until(child: &mut Child, deadline: Instant) -> anyhow::Result<Option<ExitStatus>> {
    loop {
        let status = child.try_wait().context("wait for a process")?;
        if status.is_some() || Instant::now() > deadline {
            return Ok(status);
        }
        thread::sleep(EXIT_PERIOD);
    }
}

/// The middle one; of an even number the upper of the two.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The middle one as told in the result.
pub fn seconds(times: Vec<Duration>) -> String {
    format!("{:.3} s", median(times).as_secs_f64())
}

/// As [`median`], of figures that are no times.
pub fn median_figure(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// The processor time in user mode of all children that have ended, theirs included (getrusage(2)).
pub fn children_user_time() -> Duration {
    // SAFETY: an all-zero `rusage` is a valid value of the struct, which holds numbers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is valid for writing one `rusage`.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) } != 0 {
        return Duration::ZERO;
    }
    let seconds = u64::try_from(usage.ru_utime.tv_sec).unwrap_or(0);
    let micros = u64::try_from(usage.ru_utime.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
