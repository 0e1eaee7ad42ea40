//! What a learner can do beyond the 100 points.

use std::time::{Duration, Instant};

use grader::tcp::Buffers;
use grader::wording::file_transfer as words;
use grader::{Check, Connection, Failure, Program, Server, Stop, Symptom, Verdict};

use crate::folder::Folder;
use crate::talk::{Outcome, ask, expect_answer, expect_ok, read_line, start};

const MIB: usize = 1 << 20;

/// Two uploads of one name run side by side, piece by piece; the first ends while the second is not
/// complete.
pub fn same_name(check: &mut Check) -> Verdict {
    const SIZE: usize = 8 * MIB;
    const PIECE: usize = 256 << 10;

    let (server, folder) = start(check)?;
    let versions = [check.long_text(SIZE), check.long_text(SIZE)];
    let request = format!("PUT {SIZE} same\n");
    let mut first = ask(&server, &request)?;
    expect_ok(&server, &mut first)?;
    let mut second = ask(&server, &request)?;
    let is_taken = expect_answer(&server, &mut second)? == Outcome::Taken;
    let last = SIZE - PIECE;
    for from in (0..last).step_by(PIECE) {
        send_read(&mut first, &versions[0][from..from + PIECE])?;
        if is_taken {
            send_read(&mut second, &versions[1][from..from + PIECE])?;
        }
    }
    let mut stored = Vec::new();
    first.send(&versions[0][last..])?;
    if expect_answer(&server, &mut first)? == Outcome::Taken {
        stored.push(versions[0].as_slice());
        expect_one_of(&server, &folder, &stored, &versions)?;
    }
    if is_taken {
        second.send(&versions[1][last..])?;
        if expect_answer(&server, &mut second)? == Outcome::Taken {
            stored.push(versions[1].as_slice());
        }
    }
    if stored.is_empty() {
        let (expected, got) = words::nobody_stored();
        return check.fail(Symptom::WrongBytes, expected, got);
    }
    expect_one_of(&server, &folder, &stored, &versions)
}

fn send_read(client: &mut Connection, piece: &[u8]) -> Verdict {
    client.send(piece)?;
    client.await_read()
}

/// Expects that the file is, whole, one of those that were stored.
fn expect_one_of(
    server: &Server,
    folder: &Folder,
    stored: &[&[u8]],
    versions: &[Vec<u8>; 2],
) -> Verdict {
    let path = folder.path().join("same");
    let mut came = Vec::new();
    let expected = words::stores(&server.name(), &folder.shown("same"));
    let settled = server.await_that(expected, || {
        came = std::fs::read(&path).unwrap_or_default();
        Ok(stored.contains(&came.as_slice()).then_some(()))
    });
    match settled {
        Err(stop) if stop.is_silence() => {
            let [one, other] = [0, 1].map(|index| same(&versions[index], &came));
            let shown = folder.shown("same");
            let (expected, got) = words::mixture(&shown, one, other, came.len() as u64);
            Err(Failure::new(Symptom::Named("mixture"), expected, got).into())
        }
        other => other,
    }
}

fn same(version: &[u8], came: &[u8]) -> u64 {
    version.iter().zip(came).take_while(|(one, other)| one == other).count() as u64
}

/// How far apart the pieces of a slow transfer are, and after how many of them nobody need wait for
/// progress any more.
const PAUSE: Duration = Duration::from_millis(10);
const PIECES: u64 = 150;
const GET_PIECE: u64 = 4 << 10;
const PUT_PIECE: u64 = 128 << 10;
/// How many more pieces a transfer without a terminal takes than one that has shown something by
/// then.
const MORE_PIECES: u64 = 5;

/// A transfer that goes on until something is shown on a terminal; and the same transfer with a
/// pipe, on which nothing may be shown. A program may show its first word only when some time has
/// passed.
pub fn progress(check: &mut Check) -> Verdict {
    let shown_after = slow_get(check, true, PIECES)?;
    slow_get(check, false, shown_after + MORE_PIECES)?;
    let shown_after = slow_put(check, true, PIECES)?;
    slow_put(check, false, shown_after + MORE_PIECES)?;
    Ok(())
}

/// Starts a client with a terminal, or a pipe, as its standard error, and accepts its connection.
fn begin(
    check: &mut Check,
    terminal: bool,
    role: &str,
    name: &str,
) -> Verdict<(Program, Connection)> {
    let small = Buffers { receive_bytes: Some(PUT_PIECE as usize), send_bytes: None };
    let mut peer = check.listen_with("127.0.0.1", &small)?;
    let arguments = [role, &peer.address().to_string(), name];
    let client = check.start_job(arguments, |job| job.stderr_terminal = terminal)?;
    let mut connection = peer.accept(&client)?;
    connection.forget_sent();
    read_line(&mut connection, &words::any_line(&client.name()))?;
    Ok((client, connection))
}

fn slow_get(check: &mut Check, terminal: bool, pieces: u64) -> Verdict<u64> {
    let size = (PIECES + MORE_PIECES + 1) * GET_PIECE;
    let (client, mut connection) = begin(check, terminal, "get", "data")?;
    connection.send(format!("OK {size}\n").as_bytes())?;
    let mut sent = 0;
    let shown_after = piecewise(&client, pieces, || {
        sent += GET_PIECE;
        connection.send(&[b'x'; GET_PIECE as usize])
    })?;
    connection.send(&vec![b'x'; (size - sent) as usize])?;
    judge(&client, terminal)?;
    Ok(shown_after)
}

fn slow_put(check: &mut Check, terminal: bool, pieces: u64) -> Verdict<u64> {
    let size = (PIECES + MORE_PIECES + 1) * PUT_PIECE;
    Folder::working(check).write_hollow(check, "large", size)?;
    let (client, mut connection) = begin(check, terminal, "put", "large")?;
    connection.stop_reading();
    connection.send(b"OK\n")?;
    let mut came = 0;
    let shown_after = piecewise(&client, pieces, || {
        came += PUT_PIECE;
        connection.expect_bytes(&[0; PUT_PIECE as usize])
    })?;
    connection.expect_bytes(&vec![0; (size - came) as usize])?;
    connection.send(b"OK\n")?;
    judge(&client, terminal)?;
    Ok(shown_after)
}

/// Moves a piece, lets some time pass, and so on until something stands on standard error, or
/// `pieces` have gone. Returns how many went.
fn piecewise(
    client: &Program,
    pieces: u64,
    mut move_piece: impl FnMut() -> Verdict,
) -> Verdict<u64> {
    for number in 1..=pieces {
        move_piece()?;
        let began = Instant::now();
        let paused = client.await_that(words::any_line(&client.name()), || {
            let is_over = began.elapsed() >= PAUSE || shows(&client.stderr_so_far()?);
            Ok(is_over.then_some(()))
        });
        match paused {
            Err(Stop::Failed(failure)) if !failure.symptom.is_silence() => {
                return Err(Stop::Failed(failure));
            }
            _ => {}
        }
        if shows(&client.stderr_so_far()?) {
            return Ok(number);
        }
    }
    Ok(pieces)
}

/// Whether there is something to be seen.
fn shows(printed: &[u8]) -> bool {
    printed.iter().any(|byte| byte.is_ascii_graphic() || !byte.is_ascii())
}

/// The transfer ends well, and something stands on a terminal, nothing on a pipe.
fn judge(client: &Program, terminal: bool) -> Verdict {
    let finished = client.finish_with(0)?;
    let printed = finished.stderr();
    let (symptom, (expected, got)) = if terminal && !shows(printed) {
        (Symptom::Named("no-progress"), words::shows_progress(&client.name()))
    } else if !terminal && !printed.is_empty() {
        (Symptom::WrongStderr, words::silent_stderr(&client.name(), printed))
    } else {
        return Ok(());
    };
    Err(Failure::new(symptom, expected, got).into())
}
