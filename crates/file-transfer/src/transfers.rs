//! What the server promises of transfers: whole or not at all, in constant memory, at the same
//! time, and with every error told.

use grader::retell::{told_as, told_by};
use grader::tcp::Buffers;
use grader::wording::file_transfer as words;
use grader::{Check, Connection, Failure, Program, Server, Stop, Symptom, Verdict};
use sandbox::Disk;

use crate::client::half_a_file;
use crate::folder::{Folder, INCOMPLETE, LEFT_BEHIND, Snapshot, whole_or_old};
use crate::talk::{
    Outcome, SERVED, ask, begin_put, expect_answer, expect_err, expect_get, expect_ok, offer,
    read_line, start,
};
use crate::watch::{WRITTEN_IN_PLACE, WRITTEN_TO, Watch};

/// How a server is started.
const SERVE: [&str; 3] = ["serve", "127.0.0.1:0", SERVED];
/// How much room a full disk has left, and uploads that do not fit there.
const FREE_BYTES: u64 = 100 * KIB;
const NO_ROOM_FOR: [usize; 2] = [200_000, 9_000_000];
/// There was no room for one more file.
const NO_FILE: &str = "no-file-to-be-had";
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// A transfer that is larger than any single read, and larger than a program's buffers.
const LONG_BYTES: usize = 600_000;
/// An old version of which the kernel's buffers hold only a part, and how much of it is read at
/// once.
const OLD_BYTES: usize = 6 << 20;
const BEGUN_BYTES: usize = 1000;
/// What a file is cut to when less than that has been sent.
const SHRUNK_BYTES: u64 = 6 * MIB;
/// A receive buffer of the grader's, which leaves most of a file to the server.
const SMALL_BYTES: usize = 256 << 10;
/// What a program may have in memory at the most.
const PEAK_BYTES: u64 = 32 * MIB;
/// What is moved in constant memory.
const LARGE_BYTES: u64 = 64 * MIB;

/// One read returns what has arrived: here a single byte of the request.
pub fn bytewise(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let bytes = check.random_text(1000);
    let mut client = ask(&server, "")?;
    client.send_bytewise(b"PUT 1000 slow.txt\n")?;
    expect_ok(&server, &mut client)?;
    client.send(bytes.as_bytes())?;
    expect_ok(&server, &mut client)?;
    folder.await_file(&server, "slow.txt", bytes.as_bytes())
}

/// A client that does not wait for the first OK: the data comes in one segment with the request.
pub fn one_segment(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let bytes = check.random_text(1000);
    let mut client = ask(&server, format!("PUT 1000 quick.txt\n{bytes}"))?;
    expect_ok(&server, &mut client)?;
    expect_ok(&server, &mut client)?;
    folder.await_file(&server, "quick.txt", bytes.as_bytes())
}

/// The file ends after SIZE bytes, wherever the stream ends. How the connection ends is open, with
/// bytes unread.
pub fn more_than_announced(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let mut client = ask(&server, "PUT 2 two.txt\nabcdef")?;
    expect_ok(&server, &mut client)?;
    expect_ok(&server, &mut client)?;
    whole_or_old(folder.await_file(&server, "two.txt", b"ab"))?;
    client.close();

    let mut client = begin_put(&server, "later.txt", 3)?;
    client.send(b"abc")?;
    client.send(b"defgh")?;
    expect_ok(&server, &mut client)?;
    whole_or_old(folder.await_file(&server, "later.txt", b"abc"))
}

/// Half of a new version is there, and everybody gets the old one; then the new one is complete,
/// and a download of the old one that had begun goes on with that.
pub fn overwrite(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let (mut old, new) = (check.long_text(BEGUN_BYTES), check.long_text(LONG_BYTES));
    old.resize(OLD_BYTES, b'x');
    folder.write(check, "v", &old)?;
    let before = folder.snapshot()?;
    let mut client = begin_put(&server, "v", new.len())?;
    let (first, rest) = new.split_at(new.len() / 2);
    client.send(first)?;
    client.await_read()?;
    folder.expect_hidden(&before)?;
    whole_or_old(folder.expect_file("v", &old))?;
    let watch = Watch::of(&folder)?;
    let mut download = slow_download(&server, "v")?;
    whole_or_old(download.expect_bytes(&old[..BEGUN_BYTES]))?;
    client.send(rest)?;
    expect_ok(&server, &mut client)?;
    folder.await_file(&server, "v", &new)?;
    watch.expect_one_step("v")?;
    told_by(download.expect_bytes(&old[BEGUN_BYTES..]), |failure| {
        (!failure.symptom.is_silence()).then_some(WRITTEN_TO)
    })?;
    expect_get(&server, "v", &new)?;
    not_stored(check, &server, &folder)
}

/// While a file is coming a folder takes its name, so that no rename can give it to the file: the
/// server must not say that it is stored.
fn not_stored(check: &Check, server: &Server, folder: &Folder) -> Verdict {
    let bytes = b"fresh";
    let mut client = begin_put(server, "taken", bytes.len())?;
    match std::fs::create_dir(folder.path().join("taken")) {
        // The file has its name before it is whole, which is judged above.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        created => created?,
    }
    folder.write(check, "taken/inside", b"hello")?;
    client.send(bytes)?;
    let line = read_line(&mut client, &words::answers(&server.name()))?;
    if line.starts_with(b"OK") {
        let expected = words::refuses(&server.name(), "PUT 5 taken");
        return check.fail(Symptom::Named("said-stored"), expected, words::line(&line));
    }
    Ok(())
}

/// Begins to get a file, of which not much fits into the kernel's buffer on this side: the server
/// keeps the rest until the grader reads on.
fn slow_download(server: &Server, name: &str) -> Verdict<Connection> {
    let small = Buffers { receive_bytes: Some(SMALL_BYTES), send_bytes: None };
    let mut client = Connection::open_with(server, server.address(), &small)?;
    client.forget_sent();
    client.stop_reading();
    client.send(format!("GET {name}\n").as_bytes())?;
    expect_ok(server, &mut client)?;
    Ok(client)
}

/// How an upload breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Break {
    Close,
    Reset,
}

/// Half of an upload comes, then the end of the stream or a reset, for a name that has an old
/// version and for a new one.
pub fn upload_cut_short(check: &mut Check) -> Verdict {
    let old = check.long_text(1000);
    let new = check.long_text(LONG_BYTES);
    let (server, folder) = start(check)?;
    folder.write(check, "old", &old)?;
    for how in [Break::Close, Break::Reset] {
        for name in ["old", "new"] {
            let before = folder.snapshot()?;
            break_upload(check, &server, (&folder, &before), (name, &new), how)?;
        }
    }
    server.expect_running()
}

fn break_upload(
    check: &Check,
    server: &Server,
    (folder, before): (&Folder, &Snapshot),
    (name, bytes): (&str, &[u8]),
    how: Break,
) -> Verdict {
    let footprint = server.footprint()?;
    let watch = Watch::of(folder)?;
    let as_before = |verdict: Verdict| {
        let written = watch.was_written_to(name)?;
        told_as(verdict, &[INCOMPLETE], half_a_file(written, how == Break::Reset))
    };
    let mut client = begin_put(server, name, bytes.len())?;
    let half = &bytes[..bytes.len() / 2];
    client.send(half)?;
    if how == Break::Reset {
        client.await_read()?;
        client.reset()?;
        server.await_footprint(&footprint)?;
        return as_before(folder.await_as(server, before, name));
    }
    client.finish_sending()?;
    let line = read_line(&mut client, &words::answers(&server.name()))?;
    as_before(folder.expect_as(before, name))?;
    if line.starts_with(b"OK") {
        let (expected, got) = words::said_stored(half.len() as u64, bytes.len() as u64);
        return check.fail(Symptom::WrongBytes, expected, got);
    }
    Ok(())
}

/// 64 MiB into the server and out of it. The peak is the kernel's own account of the process
/// (VmHWM, proc(5)).
pub fn constant_memory(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let pattern = check.pattern(LARGE_BYTES);
    let mut client = ask(&server, format!("PUT {LARGE_BYTES} large\n"))?;
    expect_ok(&server, &mut client)?;
    send_pattern(&mut client, &pattern.first(LARGE_BYTES - 1), 0)?;
    client.await_read()?;
    expect_peak(&server)?;
    client.send(&pattern.copy(LARGE_BYTES - 1, 1))?;
    expect_ok(&server, &mut client)?;
    client.close();
    folder.expect_pattern("large", &pattern)?;

    let mut client = ask(&server, "GET large\n")?;
    expect_ok(&server, &mut client)?;
    // Read before the last bytes are, so that whoever sends them still lives.
    client.expect_pattern(&pattern.first(LARGE_BYTES - MIB))?;
    expect_peak(&server)?;
    client.expect_bytes(&pattern.copy(LARGE_BYTES - MIB, MIB as usize))
}

/// Sends all of `pattern` from `done` on, in pieces.
pub(crate) fn send_pattern(
    peer: &mut Connection,
    pattern: &grader::Pattern,
    mut done: u64,
) -> Verdict {
    while done < pattern.total_bytes() {
        let piece = pattern.copy(done, 512 << 10);
        peer.send(&piece)?;
        done += piece.len() as u64;
    }
    Ok(())
}

/// Expects that the program has never had 32 MiB in memory.
pub(crate) fn expect_peak(program: &Program) -> Verdict {
    let peak = program.peak_memory_bytes()?;
    if peak < PEAK_BYTES {
        return Ok(());
    }
    let (expected, got) = words::peak_memory(PEAK_BYTES, peak);
    Err(Failure::new(Symptom::TooMuchMemory, expected, got).into())
}

/// Ten uploads side by side, and the one that began last ends first: the kernel's buffers can hide
/// nothing.
pub fn ten_at_once(check: &mut Check) -> Verdict {
    const PIECE: usize = 128 << 10;

    let (server, folder) = start(check)?;
    let mut uploads = Vec::new();
    for number in 0..10 {
        let name = format!("file-{number}");
        let bytes = check.long_text(MIB as usize - number);
        let client = begin_put(&server, &name, bytes.len())?;
        uploads.push((name, bytes, client));
    }
    let last_byte = MIB as usize - uploads.len();
    for from in (0..last_byte).step_by(PIECE) {
        for (_, bytes, client) in &mut uploads {
            client.send(&bytes[from..last_byte.min(from + PIECE)])?;
        }
    }
    for (name, bytes, client) in uploads.iter_mut().rev() {
        client.send(&bytes[last_byte..])?;
        expect_ok(&server, client)?;
        folder.await_file(&server, name, bytes)?;
    }
    Ok(())
}

/// A client that says nothing, one that falls silent in the middle, and ones that reset: others are
/// served.
pub fn silent_client(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    folder.write(check, "a.txt", b"hello")?;
    let _silent = server.connect()?;
    let mut half = ask(&server, format!("PUT 1000 half\n{}", "x".repeat(500)))?;
    half.await_read()?;
    expect_get(&server, "a.txt", b"hello")?;

    let server = crate::talk::serve(check)?;
    let footprint = server.footprint()?;
    // Gone before it was accepted: accept still gives the connection.
    server.pause()?;
    server.connect()?.reset()?;
    server.resume()?;
    for request in ["GET a.txt\n", "PUT 1000 b\n", "LIST\n", "FO"] {
        let mut client = ask(&server, request)?;
        client.await_read()?;
        client.reset()?;
    }
    server.await_footprint(&footprint)?;
    expect_get(&server, "a.txt", b"hello")?;
    server.expect_running()
}

/// On a disk with some 100 KiB free: an upload that a program may have in its buffer when the data
/// ends, and one in which a write fails while the client still sends. Then on a disk that takes no
/// further file, however small.
pub fn full_disk(check: &mut Check) -> Verdict {
    const DISK_BYTES: u64 = MIB;
    const DISK_FILES: u64 = 64;
    const PAGE_BYTES: u64 = 64 * KIB;

    let folder = Folder::new(check, SERVED)?;
    let disk = Disk { path: folder.path().to_path_buf(), bytes: DISK_BYTES, inodes: DISK_FILES };
    let server = match check.start_server_job(SERVE, |job| job.disk = Some(disk)) {
        Err(Stop::Unsupported(_)) if !check.is_traced() => {
            return full_disk_by_limits(check, &folder);
        }
        server => server?,
    };
    let folder = folder.inside(&server);
    folder.write(check, "v", b"the old version")?;
    // The old version has taken a page, of at most 64 KiB.
    let filler = DISK_BYTES - FREE_BYTES - PAGE_BYTES;
    folder.write(check, "filler", &vec![b'f'; filler as usize])?;
    let before = folder.snapshot()?;
    for size in NO_ROOM_FOR {
        expect_no_room(check, &server, &folder, &before, size)?;
    }
    folder.fill_with_empty_files(check, DISK_FILES)?;
    let before = folder.snapshot()?;
    let refused = expect_no_room(check, &server, &folder, &before, 5);
    told_by(refused, |failure| {
        let answered = [WRITTEN_IN_PLACE, LEFT_BEHIND, "wrong-bytes", "incomplete-file"];
        (!answered.contains(&failure.symptom.as_str())).then_some(NO_FILE)
    })
}

/// The same where no disk is to be had. A limit on the size of each file makes a write fail as a
/// full disk does (EFBIG instead of ENOSPC, `setrlimit(2)`), and a folder that is gone takes no
/// further file.
fn full_disk_by_limits(check: &mut Check, folder: &Folder) -> Verdict {
    folder.write(check, "v", b"the old version")?;
    check.take_weaker_form(words::limit_for_a_disk(FREE_BYTES));
    let server = check.start_server_job(SERVE, |job| {
        job.limits.file_size_bytes = Some(FREE_BYTES);
        job.limits.file_size_is_told = true;
    })?;
    let before = folder.snapshot()?;
    for size in NO_ROOM_FOR {
        expect_no_room(check, &server, folder, &before, size)?;
    }
    folder.take_away(check)?;
    // Nothing forbids to make the folder anew.
    told_by(offer(&server, b"PUT 5 v\n", b"fresh"), |_| Some(NO_FILE)).map(drop)
}

/// Expects that a PUT of `size` bytes over `v` is refused, at first or after the data, and that the
/// folder is as it was `before`.
fn expect_no_room(
    check: &mut Check,
    server: &Server,
    folder: &Folder,
    before: &Snapshot,
    size: usize,
) -> Verdict {
    let bytes = check.long_text(size);
    let request = format!("PUT {size} v");
    let mut client = ask(server, format!("{request}\n"))?;
    if expect_answer(server, &mut client)? == Outcome::Taken {
        client.send(&bytes)?;
        let answered = expect_err(server, &mut client, &request);
        // With this the conversation ends, and a server has nothing left to wait for.
        client.close();
        // After an ERR it was no error that went unnoticed.
        told_by(folder.await_as(server, before, "v"), |failure| {
            (answered.is_ok() && failure.symptom == INCOMPLETE).then_some(WRITTEN_IN_PLACE)
        })?;
        answered?;
    }
    folder.await_as(server, before, "v")
}

/// The server refuses while the client is sending, and a little more comes after the refusal: a
/// server that closed at once would answer that with a reset, which can take the refusal back. How
/// long it drains is its own affair. After the OK of a GET there is no refusal any more.
pub fn refusal_arrives(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let request = format!("PUT {} a/b", 4 * MIB);
    let mut client = server.connect()?;
    client.forget_sent();
    client.send(format!("{request}\n").as_bytes())?;
    client.send(&check.long_text((64 * KIB) as usize))?;
    expect_err(&server, &mut client, &request)?;
    client.expect_end()?;
    client.send(&check.long_text((128 * KIB) as usize))?;
    if client.is_broken() {
        let (expected, got) = words::takes_all(&server.name());
        return check.fail(Symptom::Reset, expected, got);
    }
    client.close();
    ends_early(check, &server, &folder)
}

/// A file becomes shorter while it is on its way: a client takes whatever comes now for its bytes.
fn ends_early(check: &Check, server: &Server, folder: &Folder) -> Verdict {
    const WHOLE_BYTES: u64 = 2 * SHRUNK_BYTES;

    folder.write_hollow(check, "shrinks", WHOLE_BYTES)?;
    let mut client = slow_download(server, "shrinks")?;
    client.expect_bytes(&[0; BEGUN_BYTES])?;
    fs_err::OpenOptions::new()
        .write(true)
        .open(folder.path().join("shrinks"))?
        .set_len(SHRUNK_BYTES)?;
    check.note(words::grader_cuts(&folder.shown("shrinks"), SHRUNK_BYTES));
    let rest = match client.read_to_end(WHOLE_BYTES as usize) {
        // That it waits for bytes that are gone concerns nobody but whoever cut the file.
        Err(stop) if stop.is_silence() => return Ok(()),
        rest => rest?,
    };
    if rest == vec![0; rest.len()] {
        return Ok(());
    }
    let place = rest.iter().position(|byte| *byte != 0).unwrap_or_default();
    let (expected, got) = words::only_its_bytes(&server.name(), (BEGUN_BYTES + place) as u64);
    let got = format!("{got}:\n{}", words::line(&rest[place..]));
    check.fail(Symptom::Named("err-among-the-data"), expected, got)
}
