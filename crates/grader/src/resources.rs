//! What a program holds and uses: descriptors, threads, processes, memory, processor time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::context::Goal;
use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::look;
use crate::process::{Program, unsupported};
use crate::record::What;
use crate::wording::steps;

/// How long a program that should come back to an earlier footprint gets before a check goes on
/// without it.
const FOOTPRINT_PATIENCE: Duration = Duration::from_millis(200);

/// How many threads, descriptors and dead children a program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Threads of all its processes.
    pub threads: usize,
    /// Open descriptors of all its processes.
    pub descriptors: usize,
    /// Children that ended and were never waited for.
    pub zombies: usize,
}

impl Footprint {
    fn is_within(self, before: Self, slack: usize) -> bool {
        self.threads <= before.threads + slack
            && self.descriptors <= before.descriptors + slack
            && self.zombies <= before.zombies
    }
}

/// How long each thread has run and has waited for a processor.
type ProcessorWaits = BTreeMap<u32, (Duration, Duration)>;

/// How much of a processor the threads used of the time in which they could have had one.
fn share_of_processor(before: &ProcessorWaits, now: &ProcessorWaits, wall: Duration) -> f64 {
    let share = |(thread, (ran, waited)): (&u32, &(Duration, Duration))| {
        let (ran_before, waited_before) = before.get(thread).copied().unwrap_or_default();
        let ran = ran.saturating_sub(ran_before);
        let waited = waited.saturating_sub(waited_before);
        let could_have_run = wall.saturating_sub(waited).max(ran);
        if ran.is_zero() { 0.0 } else { ran.as_secs_f64() / could_have_run.as_secs_f64() }
    };
    now.iter().map(share).sum()
}

/// A limit on descriptors as it was, to be put back.
#[derive(Debug, Clone)]
pub struct DescriptorLimit(Vec<(u32, rustix::process::Rlimit)>);

impl Program {
    /// What it holds now.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the kernel does not tell.
    pub fn footprint(&self) -> Verdict<Footprint> {
        let pids = self.pids();
        let zombies = look::zombies(&pids);
        let mut footprint = Footprint { threads: 0, descriptors: 0, zombies };
        for pid in pids {
            // A process that ended meanwhile holds nothing.
            footprint.threads += look::threads(pid).or_else(gone)?;
            footprint.descriptors += look::descriptors(pid).map(|all| all.len()).or_else(gone)?;
        }
        Ok(footprint)
    }

    /// Gives the program a moment to come back to `before`; no failure if it does not.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end; the grader's error.
    pub fn await_footprint(&self, before: &Footprint) -> Verdict {
        let is_back = || Ok(self.footprint()?.is_within(*before, 0));
        match self.give_time(FOOTPRINT_PATIENCE, is_back) {
            Err(Stop::Unsupported(_)) => Ok(()),
            other => other,
        }
    }

    /// Expects that it comes back to `before`, give or take `slack` threads and descriptors.
    ///
    /// # Errors
    ///
    /// A failure that says what it keeps.
    pub fn expect_footprint_like(&self, before: &Footprint, slack: usize) -> Verdict {
        let goal =
            Goal { quick: true, ..Goal::of(self.index, steps::footprint_wanted(*before, slack)) };
        let mut now = self.footprint()?;
        let waited = self.context.wait(&goal, || {
            now = self.footprint()?;
            Ok(now.is_within(*before, slack).then_some(()))
        });
        waited.map_err(|stop| match stop {
            Stop::Failed(failure) if failure.symptom.is_silence() => {
                Failure::new(Symptom::Leak, failure.expected, steps::footprint(now)).into()
            }
            other => other,
        })
    }

    /// Expects that its own memory is at most `limit` bytes above `before`.
    ///
    /// # Errors
    ///
    /// A failure that says how much it is.
    pub fn expect_memory_growth_below(&self, before: u64, limit: u64) -> Verdict {
        let growth = self.memory_bytes()?.saturating_sub(before);
        if growth <= limit {
            return Ok(());
        }
        let (expected, got) = steps::memory(limit, growth);
        Err(Failure::new(Symptom::TooMuchMemory, expected, got).into())
    }

    /// Expects that it uses less than `percent` of one processor while the check watches for
    /// `window`. The time that its threads wait for a processor does not count, or a busy machine
    /// would hide one that spins.
    ///
    /// # Errors
    ///
    /// A failure if it uses more, or ends.
    pub fn expect_idle(&self, window: Duration, percent: u32) -> Verdict {
        let (began, before) = (Instant::now(), self.processor_waits()?);
        let goal = Goal { who: None, ..Goal::of(self.index, String::new()) };
        let watched = self.context.wait(&goal, || {
            let ended = self.context.has_ended(self.index);
            Ok((ended || began.elapsed() >= window).then_some(()))
        });
        match watched {
            // A program that waits for the grader alone is idle.
            Ok(()) | Err(Stop::Failed(_)) => {}
            Err(other) => return Err(other),
        }
        self.expect_running()?;
        let (wall, now) = (began.elapsed(), self.processor_waits()?);
        let share = share_of_processor(&before, &now, wall);
        if share * 100.0 < f64::from(percent) {
            return Ok(());
        }
        let (expected, got) = steps::cpu(percent, share);
        Err(Failure::new(Symptom::TooMuchCpu, expected, got).into())
    }

    fn processor_waits(&self) -> Verdict<ProcessorWaits> {
        let mut all = ProcessorWaits::new();
        for pid in self.pids() {
            match look::processor_waits(pid) {
                Ok(threads) => all.extend(threads),
                // Without the kernel's account of waiting, what the process has used has to do.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let used = look::cpu_time(pid).unwrap_or_default();
                    all.insert(pid, (used, Duration::ZERO));
                }
                Err(error) => return unsupported(Err(error)),
            }
        }
        Ok(all)
    }

    /// Takes every free descriptor from it: the kernel gives it no further one (EMFILE) until
    /// [`Program::restore_descriptors`].
    ///
    /// # Errors
    ///
    /// The grader's error; `Unsupported` where the limit of another process cannot be set.
    pub fn exhaust_descriptors(&self) -> Verdict<DescriptorLimit> {
        let mut before = Vec::new();
        for pid in self.pids() {
            let open = unsupported(look::descriptors(pid))?;
            let lowest_free = (0..).find(|fd| open.iter().all(|(used, _)| used != fd)).unwrap_or(0);
            let limit = rustix::process::Rlimit {
                current: Some(lowest_free.unsigned_abs().into()),
                maximum: None,
            };
            before.push((pid, set_descriptor_limit(pid, limit)?));
        }
        self.record(What::Note { text: steps::no_descriptors_left().to_owned() });
        Ok(DescriptorLimit(before))
    }

    /// Puts the limit back.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn restore_descriptors(&self, limit: DescriptorLimit) -> Verdict {
        for (pid, limit) in limit.0 {
            set_descriptor_limit(pid, limit)?;
        }
        self.record(What::Note { text: steps::descriptors_again().to_owned() });
        Ok(())
    }
}

fn gone(error: std::io::Error) -> Verdict<usize> {
    match error.kind() {
        std::io::ErrorKind::Unsupported => Err(Stop::Unsupported(error.to_string())),
        _ => Ok(0),
    }
}

/// Sets the soft limit on descriptors of another process (prlimit(2)), and gives the limit as it
/// was.
#[cfg(target_os = "linux")]
fn set_descriptor_limit(
    pid: u32,
    mut limit: rustix::process::Rlimit,
) -> Verdict<rustix::process::Rlimit> {
    use rustix::process::{Pid, Resource, prlimit};

    if limit.maximum.is_none() {
        // The hard limit stays as it is, or the soft one could not be raised again.
        limit.maximum = hard_descriptor_limit(pid)?;
    }
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let before = prlimit(pid, Resource::Nofile, limit).map_err(std::io::Error::from)?;
    Ok(before)
}

/// The hard limit on descriptors of another process; `None` if there is none (proc(5),
/// /proc/PID/limits).
#[cfg(target_os = "linux")]
fn hard_descriptor_limit(pid: u32) -> Verdict<Option<u64>> {
    let text = fs_err::read_to_string(format!("/proc/{pid}/limits"))?;
    let line = text.lines().find(|line| line.starts_with("Max open files"));
    Ok(line.and_then(|line| line.split_whitespace().nth(4)).and_then(|word| word.parse().ok()))
}

#[cfg(not(target_os = "linux"))]
fn set_descriptor_limit(
    _pid: u32,
    _limit: rustix::process::Rlimit,
) -> Verdict<rustix::process::Rlimit> {
    Err(Stop::Unsupported("the limits of another process can be set on Linux only".into()))
}
