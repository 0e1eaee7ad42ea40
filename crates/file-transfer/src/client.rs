//! What the client promises.

use grader::retell::{is_success, retold, told_as, told_by};
use grader::wording::file_transfer as words;
use grader::{Check, Connection, Program, Symptom, Verdict};

use crate::folder::{Folder, INCOMPLETE, whole_or_old};
use crate::talk::read_line;
use crate::transfers::{expect_peak, send_pattern};
use crate::watch::{WRITTEN_IN_PLACE, Watch};

const MIB: u64 = 1 << 20;
/// What is moved in constant memory.
const LARGE_BYTES: u64 = 64 * MIB;
/// A client that ends well although its server did not say all.
const CALLED_SUCCESS: &str = "called-a-success";

/// Starts a client, ADDR put behind its role, and accepts its connection.
fn start(check: &mut Check, role: &str, rest: &[&str]) -> Verdict<(Program, Connection)> {
    let mut peer = check.listen("127.0.0.1")?;
    let address = peer.address().to_string();
    let arguments = [role, &address].into_iter().chain(rest.iter().copied());
    let client = check.start(arguments)?;
    let mut connection = peer.accept(&client)?;
    connection.forget_sent();
    Ok((client, connection))
}

/// Reads the client's request, whatever it is: that is for the checks of single requests to judge.
fn read_request(client: &Program, connection: &mut Connection) -> Verdict {
    let line = read_line(connection, &words::any_line(&client.name()))?;
    if line.ends_with(b"\n") {
        return Ok(());
    }
    let expected = words::any_line(&client.name());
    Err(grader::Failure::new(Symptom::CutShort, expected, words::line(&line)).into())
}

/// Expects exactly this request, which has other mistakes than what is made of the answer.
fn expect_request(connection: &mut Connection, request: &[u8]) -> Verdict {
    told_as(connection.expect_bytes(request), &[Symptom::WrongBytes], "another-request")
}

/// Expects status 1 of a client whose server did not say all.
fn finish_failed(client: &Program) -> Verdict<grader::Finished> {
    told_by(client.finish_with(1), |failure| is_success(failure).then_some(CALLED_SUCCESS))
}

/// One request, the whole answer in one segment, and the connection is left open.
pub fn get(check: &mut Check) -> Verdict {
    let folder = Folder::working(check);
    let bytes = check.long_text(10_000);
    let (client, mut connection) = start(check, "get", &["data.txt", "copy.txt"])?;
    expect_request(&mut connection, b"GET data.txt\n")?;
    connection.send(&[b"OK 10000\n", &bytes[..]].concat())?;
    on_stdout(client.finish_with(0)?.expect_stdout(b"10000 bytes\n"))?;
    folder.expect_file("copy.txt", &bytes)?;

    let (client, mut connection) = start(check, "get", &["数 据.bin"])?;
    expect_request(&mut connection, "GET 数 据.bin\n".as_bytes())?;
    let bytes: Vec<u8> = (0..=255).collect();
    connection.send(&[b"OK 256\n", &bytes[..]].concat())?;
    on_stdout(client.finish_with(0)?.expect_stdout(b"256 bytes\n"))?;
    folder.expect_file("数 据.bin", &bytes)?;

    let (client, mut connection) = start(check, "get", &["none"])?;
    read_request(&client, &mut connection)?;
    connection.send(b"OK 0\n")?;
    on_stdout(client.finish_with(0)?.expect_stdout(b"0 bytes\n"))?;
    folder.expect_file("none", b"")
}

/// The same verdict: whatever is wrong on standard output has one hint.
pub(crate) fn on_stdout<T>(verdict: Verdict<T>) -> Verdict<T> {
    retold(verdict, |failure| {
        let differs = matches!(failure.symptom, Symptom::CutShort | Symptom::ExtraBytes);
        differs.then_some(Symptom::WrongStdout)
    })
}

/// The request, nothing more before the server's OK, the data, and the second OK, without which
/// nothing is stored.
pub fn put(check: &mut Check) -> Verdict {
    let folder = Folder::working(check);
    let bytes = check.long_text(300_000);
    folder.make_folder(check, "sub")?;
    folder.write(check, "sub/own.txt", &bytes)?;
    folder.write(check, "own.txt", &bytes)?;
    // NAME first as it is given; so that whatever is wrong then is the name.
    let requests: [(&[&str], &str); 2] =
        [(&["own.txt", "名 x"], "PUT 300000 名 x\n"), (&["sub/own.txt"], "PUT 300000 own.txt\n")];
    for (arguments, request) in requests {
        let (client, mut connection) = start(check, "put", arguments)?;
        told_by(connection.expect_bytes(request.as_bytes()), |failure| {
            let differs = failure.symptom == Symptom::WrongBytes && arguments.len() == 1;
            differs.then_some("another-name")
        })?;
        told_as(connection.expect_no_more(), &[Symptom::ExtraBytes], "unasked")?;
        connection.send(b"OK\n")?;
        connection.expect_bytes(&bytes)?;
        connection.send(b"OK\n")?;
        on_stdout(client.finish_with(0)?.expect_stdout(b"300000 bytes\n"))?;
    }
    folder.write(check, "empty", b"")?;
    let started = start(check, "put", &["empty"]);
    let (client, mut connection) =
        told_as(started, &[Symptom::Exited, Symptom::Crashed], "empty-file-refused")?;
    connection.expect_bytes(b"PUT 0 empty\n")?;
    connection.send(b"OK\nOK\n")?;
    on_stdout(client.finish_with(0)?.expect_stdout(b"0 bytes\n"))?;

    let (client, mut connection) = start(check, "put", &["own.txt"])?;
    read_request(&client, &mut connection)?;
    connection.send(b"OK\n")?;
    connection.expect_bytes(&bytes)?;
    connection.close();
    on_stdout(finish_failed(&client)?.expect_some_error()?.expect_stdout(b""))?;
    Ok(())
}

/// The lines as they came, and as many as were announced.
pub fn list(check: &mut Check) -> Verdict {
    let (client, mut connection) = start(check, "list", &[])?;
    connection.expect_bytes(b"LIST\n")?;
    let lines = "12  two  words  \n0 报告\n5 z \n";
    connection.send(format!("OK 3\n{lines}").as_bytes())?;
    connection.finish_sending()?;
    on_stdout(client.finish_with(0)?.expect_stdout(lines.as_bytes()))?;

    let (client, mut connection) = start(check, "list", &[])?;
    read_request(&client, &mut connection)?;
    connection.send(b"OK 0\n")?;
    connection.finish_sending()?;
    on_stdout(client.finish_with(0)?.expect_stdout(b""))?;

    let (client, mut connection) = start(check, "list", &[])?;
    read_request(&client, &mut connection)?;
    connection.send(b"OK 3\n1 a\n")?;
    connection.finish_sending()?;
    finish_failed(&client)?.expect_some_error()?;
    Ok(())
}

/// Fewer bytes come than were announced, then the end or a reset, with an old version at DEST and
/// without one. Then all come.
pub fn cut_short(check: &mut Check) -> Verdict {
    let folder = Folder::working(check);
    folder.write(check, "old", b"the old version")?;
    for resets in [false, true] {
        for name in ["old", "new"] {
            let before = folder.snapshot()?;
            let watch = Watch::of(&folder)?;
            let (client, mut connection) = start(check, "get", &["data", name])?;
            read_request(&client, &mut connection)?;
            connection.send(b"OK 10\nabc")?;
            connection.await_read()?;
            if resets {
                connection.reset()?;
            } else {
                connection.finish_sending()?;
            }
            let finished = client.finish()?;
            let written = watch.was_written_to(name)?;
            told_as(folder.expect_as(&before, name), &[INCOMPLETE], half_a_file(written, resets))?;
            let failed = finished.expect_status(&[1]);
            let failed = told_by(failed, |failure| is_success(failure).then_some(CALLED_SUCCESS));
            on_stdout(failed?.expect_some_error()?.expect_stdout(b""))?;
        }
    }
    replaces(check, &folder)
}

/// What it means that a transfer that broke has left half a file under its name.
pub(crate) fn half_a_file(written_to: bool, reset: bool) -> &'static str {
    match (written_to, reset) {
        (true, _) => WRITTEN_IN_PLACE,
        (false, true) => "kept-after-a-reset",
        (false, false) => INCOMPLETE.as_str(),
    }
}

/// A download that does not break: until it is complete DEST has the old version, and then the new
/// one in one step.
fn replaces(check: &mut Check, folder: &Folder) -> Verdict {
    folder.make_folder(check, "sub")?;
    folder.write(check, "sub/old", b"the old version")?;
    let sub = folder.below("sub");
    let watch = Watch::of(&sub)?;
    let (client, mut connection) = start(check, "get", &["data", "sub/old"])?;
    read_request(&client, &mut connection)?;
    connection.send(b"OK 10\nabcdefghij")?;
    client.finish_with(0)?;
    watch.expect_one_step("old")?;
    whole_or_old(sub.expect_file("old", b"abcdefghij"))?;

    // A temporary name made of this one and anything more is too long.
    let longest = "n".repeat(255);
    let (client, mut connection) = start(check, "get", &[&longest])?;
    read_request(&client, &mut connection)?;
    connection.send(b"OK 5\nhello")?;
    told_as(client.finish_with(0), &[Symptom::WrongStatus], "no-room-for-255")?;
    whole_or_old(folder.expect_file(&longest, b"hello"))
}

/// The server has no such file: nothing is created, and nothing is lost.
pub fn missing(check: &mut Check) -> Verdict {
    let folder = Folder::working(check);
    folder.write(check, "old", b"the old version")?;
    for name in ["old", "new"] {
        let before = folder.snapshot()?;
        let (client, mut connection) = start(check, "get", &["data", name])?;
        read_request(&client, &mut connection)?;
        connection.send(b"ERR no such file\n")?;
        connection.finish_sending()?;
        let finished = client.finish()?;
        // A file that was created or emptied is what is left of a transfer that never began.
        told_by(folder.expect_as(&before, name), |failure| {
            matches!(failure.symptom, Symptom::Named(_)).then_some(crate::folder::LEFT_BEHIND)
        })?;
        finished.expect_status(&[1])?.expect_some_error()?;
    }
    // What is neither OK nor ERR is no answer, be the rest as it should.
    let before = folder.snapshot()?;
    let (client, mut connection) = start(check, "get", &["data", "new"])?;
    read_request(&client, &mut connection)?;
    connection.send(b"NO 5\nhello")?;
    connection.finish_sending()?;
    let finished = client.finish()?;
    let refused = folder.expect_as(&before, "new").and_then(|()| finished.expect_status(&[1]));
    told_by(refused, |_| Some("took-it-for-ok"))?.expect_some_error()?;
    Ok(())
}

/// The server's own words reach whoever reads stderr, whatever was asked.
pub fn shows_reason(check: &mut Check) -> Verdict {
    const REASON: &str = "no  such  thing: 没有 \"x\" {} %s";

    Folder::working(check).write(check, "own.txt", b"hello")?;
    let long = format!("{}end", "long ".repeat(60));
    let commands: [(&str, &[&str], &str); 4] = [
        ("get", &["data"], REASON),
        ("put", &["own.txt"], REASON),
        ("list", &[], REASON),
        ("get", &["data"], &long),
    ];
    for (role, rest, reason) in commands {
        let (client, mut connection) = start(check, role, rest)?;
        read_request(&client, &mut connection)?;
        connection.send(format!("ERR {reason}\n").as_bytes())?;
        connection.finish_sending()?;
        let finished = client.finish_with(1)?;
        finished.expect_error_containing(reason)?;
    }
    Ok(())
}

/// The server gives up in the middle: its ERR has arrived when the client's write fails.
pub fn refused_midway(check: &mut Check) -> Verdict {
    Folder::working(check).write_hollow(check, "large", LARGE_BYTES)?;
    let (client, mut connection) = start(check, "put", &["large"])?;
    read_request(&client, &mut connection)?;
    connection.send(b"OK\n")?;
    connection.expect_bytes(&[0; 1000])?;
    connection.stop_reading();
    connection.send(b"ERR disk full\n")?;
    connection.close();
    let finished = client.finish_with(1)?;
    told_by(finished.expect_error_containing("disk full"), |failure| {
        // BrokenPipe and ConnectionReset, in the system's words.
        let tells = |words: &[&str]| words.iter().any(|word| failure.got.contains(word));
        let of_write = tells(&["ipe", "reset by peer", "os error 32", "os error 104"]);
        of_write.then_some("tells-the-write-error")
    })?;
    Ok(())
}

/// 64 MiB through the client. Its peak is read while the last byte, or the last OK, is held back.
pub fn constant_memory(check: &mut Check) -> Verdict {
    let folder = Folder::working(check);
    let pattern = check.pattern(LARGE_BYTES);
    let (client, mut connection) = start(check, "get", &["large"])?;
    read_request(&client, &mut connection)?;
    connection.send(format!("OK {LARGE_BYTES}\n").as_bytes())?;
    send_pattern(&mut connection, &pattern.first(LARGE_BYTES - 1), 0)?;
    connection.await_read()?;
    expect_peak(&client)?;
    connection.send(&pattern.copy(LARGE_BYTES - 1, 1))?;
    client.finish_with(0)?;
    whole_or_old(folder.expect_pattern("large", &pattern))?;

    let (client, mut connection) = start(check, "put", &["large"])?;
    read_request(&client, &mut connection)?;
    connection.send(b"OK\n")?;
    connection.expect_pattern(&pattern)?;
    expect_peak(&client)?;
    connection.send(b"OK\n")?;
    client.finish_with(0)?;
    Ok(())
}
