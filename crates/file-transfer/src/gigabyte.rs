//! How long 1 GiB takes, beside a plain copy under the same conditions.
//!
//! A machine may be slow, or busy with other things: so the grader's own copy runs right before the
//! program, the best of the program's runs counts against the slowest copy, and the first run that
//! is quick enough decides. Where the copies differ among themselves by more than the limit, their
//! time says nothing against a program. Its processor time still may: that hardly depends on what
//! else goes on.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use grader::wording::{file_transfer as words, lab};
use grader::{Check, Failure, Server, Stop, Symptom, Verdict};

use crate::folder::Folder;
use crate::talk::start;

const GIB: u64 = 1 << 30;
/// What has to be free besides the one file that is being written.
const SPARE_BYTES: u64 = 128 << 20;
/// The buffers of the plain copy.
const BUFFER_BYTES: usize = 256 << 10;
/// How often each direction runs at the most.
const RUNS: usize = 4;
/// How many times as long as a plain copy the program may take.
const RATIO: f64 = 2.0;
/// How many deadlines one transfer may take: a slow disk is no fault of the program's.
const PATIENCE: u32 = 6;
/// After this time nothing more is measured.
const ENOUGH: Duration = Duration::from_secs(20);
/// A program that uses so many times as much processor time as a copy is too slow on any machine.
const PROCESSOR_RATIO: f64 = 5.0;
/// How many runs show that, if there is time for them.
const SURE_AFTER: usize = 2;

/// What one transfer took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    processor: Duration,
}

/// One direction: how it is asked for, and what it writes.
struct Direction<'a> {
    role: &'static str,
    arguments: Vec<String>,
    written: &'a Path,
}

/// 1 GiB into the program's server by its own client, and out again.
pub fn gigabyte(check: &mut Check) -> Verdict {
    check.not_for_a_trace(lab::too_much())?;
    let (server, served) = start(check)?;
    let own = Folder::working(check);
    if let Some(free) = free_bytes(own.path())
        && free < GIB + SPARE_BYTES
    {
        return Err(Stop::Unsupported(words::no_room(GIB + SPARE_BYTES)));
    }
    check.be_patient(PATIENCE);
    own.write_hollow(check, "gigabyte", GIB)?;
    fs_err::hard_link(own.path().join("gigabyte"), served.path().join("gigabyte"))?;
    let address = server.address().to_string();
    let (put, got) = (served.path().join("put"), own.path().join("got"));
    let directions = [
        Direction {
            role: "put",
            arguments: vec![address.clone(), "gigabyte".into(), "put".into()],
            written: &put,
        },
        Direction {
            role: "get",
            arguments: vec![address, "gigabyte".into(), "got".into()],
            written: &got,
        },
    ];
    let (began, mut copies) = (Instant::now(), Vec::new());
    for direction in directions {
        measure(check, &server, &own, &direction, &mut copies, began)?;
        // What comes later is compared with a copy that is not much older.
        copies.drain(..copies.len().saturating_sub(1));
    }
    Ok(())
}

/// Lets a direction run until it was quick enough once, or certainly is not.
fn measure(
    check: &mut Check,
    server: &Server,
    own: &Folder,
    direction: &Direction,
    copies: &mut Vec<Took>,
    began: Instant,
) -> Verdict {
    let mut runs = Vec::new();
    loop {
        if copies.len() <= runs.len() {
            copies.push(plain_copy(check, own)?);
        }
        runs.push(run(check, server, direction)?);
        let limit = slowest(copies).mul_f64(RATIO);
        let best = runs.iter().map(|run| run.wall).min().unwrap_or_default();
        if best <= limit {
            return Ok(());
        }
        let is_complete = runs.len() >= RUNS;
        let is_late = began.elapsed() > ENOUGH;
        let is_sure = runs.len() >= SURE_AFTER || is_late;
        if (is_complete && scatter(copies) <= RATIO) || (is_sure && is_laborious(&runs, copies)) {
            let (expected, got) = words::too_slow(direction.role, limit, best);
            return Err(Failure::new(Symptom::Named("too-slow"), expected, got).into());
        }
        if is_complete || is_late {
            check.note(words::cannot_tell());
            return Ok(());
        }
    }
}

fn slowest(copies: &[Took]) -> Duration {
    copies.iter().map(|copy| copy.wall).max().unwrap_or_default()
}

/// How many times as long as the quickest copy the slowest took.
fn scatter(copies: &[Took]) -> f64 {
    let quickest = copies.iter().map(|copy| copy.wall).min().unwrap_or_default();
    slowest(copies).as_secs_f64() / quickest.as_secs_f64().max(f64::EPSILON)
}

/// Whether every run used far more of the processors than a copy. Of the copies the one that took
/// least counts: the first also fills the kernel's cache with the file.
fn is_laborious(runs: &[Took], copies: &[Took]) -> bool {
    let least = runs.iter().map(|run| run.processor).min().unwrap_or_default();
    let copy = copies.iter().map(|copy| copy.processor).min().unwrap_or_default();
    least > copy.mul_f64(PROCESSOR_RATIO)
}

/// One transfer by the program, from the client's start to its end.
fn run(check: &mut Check, server: &Server, direction: &Direction) -> Verdict<Took> {
    let arguments = std::iter::once(direction.role)
        .chain(direction.arguments.iter().map(String::as_str))
        .collect::<Vec<_>>();
    let before = server.cpu_time()?;
    let began = Instant::now();
    let client = check.start(arguments)?;
    let finished = client.finish_with(0)?;
    let wall = began.elapsed();
    let processor = server.cpu_time()?.saturating_sub(before) + finished.cpu_time();
    check.note(words::moved(direction.role, wall));
    let size = || std::fs::metadata(direction.written).map_or(0, |metadata| metadata.len());
    server.await_that(words::any_line(&server.name()), || Ok((size() == GIB).then_some(())))?;
    fs_err::remove_file(direction.written)?;
    Ok(Took { wall, processor })
}

/// A copy by the grader: file, socket, file, in the same folder as the program's.
fn plain_copy(check: &Check, own: &Folder) -> Verdict<Took> {
    let target = own.path().join("copy");
    let began = Instant::now();
    let processor = copy(&own.path().join("gigabyte"), &target);
    let processor = processor.context("copy 1 GiB through a socket")?;
    let wall = began.elapsed();
    check.note(words::copied(wall));
    fs_err::remove_file(&target)?;
    Ok(Took { wall, processor })
}

/// Copies in two threads, and returns the processor time of both.
fn copy(source: &Path, target: &Path) -> anyhow::Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let outgoing = TcpStream::connect(listener.local_addr()?)?;
    let (incoming, _) = listener.accept()?;
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || pump(File::open(source)?, outgoing));
        let received = File::create(target).map_err(anyhow::Error::from);
        let received = received.and_then(|file| pump(incoming, file));
        let sent = sender.join().map_err(|_| anyhow::anyhow!("the sending thread panicked"))?;
        Ok(sent? + received?)
    })
}

/// Moves 1 GiB, a buffer at a time, and returns the processor time that this thread took for it.
fn pump(mut from: impl Read, mut to: impl Write) -> anyhow::Result<Duration> {
    let before = processor_time();
    let (mut buffer, mut total) = (vec![0; BUFFER_BYTES], 0);
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            anyhow::ensure!(total == GIB, "{total} bytes came");
            return Ok(processor_time().saturating_sub(before));
        }
        to.write_all(&buffer[..count])?;
        total += count as u64;
    }
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// How much a file may still take where `path` lies; `None` if nobody knows.
fn free_bytes(path: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(path).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}
