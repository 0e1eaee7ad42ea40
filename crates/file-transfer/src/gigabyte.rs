//! How long 1 GiB takes, beside a plain copy under the same conditions.
//!
//! A machine may be slow, or busy with other things: so the grader's own copy runs right before the program, the best of the
//! program's runs counts against the slowest copy, and the first run that is quick enough decides. Where the copies differ
//! among themselves by more than the limit, or all of it takes too long, nothing can be said against a program.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use grader::wording::file_transfer as words;
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
/// A machine on which the measuring takes longer cannot show it.
const ENOUGH: Duration = Duration::from_secs(60);

/// One direction: how it is asked for, and what it writes.
struct Direction<'a> {
    role: &'static str,
    arguments: Vec<String>,
    written: &'a Path,
}

/// 1 GiB into the program's server by its own client, and out again.
pub fn gigabyte(check: &mut Check) -> Verdict {
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

/// Lets a direction run until it was quick enough once.
fn measure(
    check: &mut Check,
    server: &Server,
    own: &Folder,
    direction: &Direction,
    copies: &mut Vec<Duration>,
    began: Instant,
) -> Verdict {
    let mut runs = Vec::new();
    while runs.len() < RUNS {
        if copies.len() <= runs.len() {
            copies.push(plain_copy(check, own)?);
        }
        runs.push(run(check, server, direction)?);
        if !is_too_slow(&runs, copies) {
            return Ok(());
        }
        if began.elapsed() > ENOUGH {
            return Ok(());
        }
    }
    let scatter = scatter(copies);
    if scatter > RATIO && !is_beyond(&runs, copies, RATIO * scatter) {
        return Ok(());
    }
    let limit = slowest(copies).mul_f64(RATIO);
    let (expected, got) = words::too_slow(direction.role, limit, best(&runs));
    Err(Failure::new(Symptom::Named("too-slow"), expected, got).into())
}

fn is_too_slow(runs: &[Duration], copies: &[Duration]) -> bool {
    is_beyond(runs, copies, RATIO)
}

fn is_beyond(runs: &[Duration], copies: &[Duration], ratio: f64) -> bool {
    best(runs) > slowest(copies).mul_f64(ratio)
}

fn best(runs: &[Duration]) -> Duration {
    runs.iter().min().copied().unwrap_or_default()
}

fn slowest(copies: &[Duration]) -> Duration {
    copies.iter().max().copied().unwrap_or_default()
}

/// How many times as long as the quickest copy the slowest took.
fn scatter(copies: &[Duration]) -> f64 {
    let quickest = copies.iter().min().copied().unwrap_or_default();
    slowest(copies).as_secs_f64() / quickest.as_secs_f64().max(f64::EPSILON)
}

/// The time of one transfer by the program, from the client's start to its end.
fn run(check: &mut Check, server: &Server, direction: &Direction) -> Verdict<Duration> {
    let arguments = std::iter::once(direction.role)
        .chain(direction.arguments.iter().map(String::as_str))
        .collect::<Vec<_>>();
    let began = Instant::now();
    let client = check.start(arguments)?;
    client.finish_with(0)?;
    let took = began.elapsed();
    check.note(words::moved(direction.role, took));
    let size = || std::fs::metadata(direction.written).map_or(0, |metadata| metadata.len());
    server.await_that(words::any_line(&server.name()), || Ok((size() == GIB).then_some(())))?;
    fs_err::remove_file(direction.written)?;
    Ok(took)
}

/// The time of a copy by the grader: file, socket, file, in the same folder as the program's.
fn plain_copy(check: &Check, own: &Folder) -> Verdict<Duration> {
    let target = own.path().join("copy");
    let began = Instant::now();
    copy(&own.path().join("gigabyte"), &target).context("copy 1 GiB through a socket")?;
    let took = began.elapsed();
    check.note(words::copied(took));
    fs_err::remove_file(&target)?;
    Ok(took)
}

fn copy(source: &Path, target: &Path) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let outgoing = TcpStream::connect(address)?;
    let (incoming, _) = listener.accept()?;
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || pump(File::open(source)?, outgoing));
        let received = File::create(target).map_err(anyhow::Error::from);
        let received = received.and_then(|file| pump(incoming, file));
        let sent = sender.join().map_err(|_| anyhow::anyhow!("the sending thread panicked"))?;
        let (sent, received) = (sent?, received?);
        anyhow::ensure!(sent == GIB && received == GIB, "{sent} bytes sent, {received} received");
        Ok(())
    })
}

/// Moves all bytes, a buffer at a time.
fn pump(mut from: impl Read, mut to: impl Write) -> anyhow::Result<u64> {
    let (mut buffer, mut total) = (vec![0; BUFFER_BYTES], 0);
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(total),
            count => {
                to.write_all(&buffer[..count])?;
                total += count as u64;
            }
        }
    }
}

/// How much a file may still take where `path` lies; `None` if nobody knows.
fn free_bytes(path: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(path).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}
