//! What the server promises of single requests.

use grader::retell::{retold, told_as, told_by};
use grader::wording::file_transfer as words;
use grader::{Check, Failure, Server, Symptom, Verdict};

use crate::folder::Folder;
use crate::talk::{
    Outcome, ask, expect_err, expect_get, expect_put, not_this, offer, read_line, start,
};

/// A number that no 64 bits hold: 2^64.
const BEYOND_64_BITS: &str = "18446744073709551616";
/// A number with a sign that a signed type takes.
const MINUS: &str = "-1";
/// Nothing came where something should have.
const SILENCE: [Symptom; 2] = [Symptom::Stalled, Symptom::TooLate];

/// A file comes as `OK SIZE`, its bytes and the end; also when the client has finished sending.
pub fn get(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    folder.write(check, "a.txt", b"hello, file")?;
    let mut client = ask(&server, "GET a.txt\n")?;
    client.expect_bytes(b"OK 11\nhello, file")?;
    client.expect_end()?;
    client.close();

    let bytes = check.long_text(300_000);
    folder.write(check, "long", &bytes)?;
    // Both are there when the server looks: that the client sends no more does not mean that it has
    // gone.
    server.pause()?;
    let mut client = ask(&server, "GET long\n")?;
    client.finish_sending()?;
    server.resume()?;
    let answered = client.expect_bytes(b"OK 300000\n").and_then(|()| client.expect_bytes(&bytes));
    told_as(answered, &[Symptom::CutShort], "gone-with-the-half-close")?;
    client.expect_end()
}

/// OK, the data, OK: the client still holds its sending half open, and with the second OK the file
/// is there.
pub fn put(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let bytes = check.long_text(300_000);
    let (first, rest) = bytes.split_at(200_000);
    let mut client = ask(&server, "PUT 300000 new.txt\n")?;
    told_as(client.expect_bytes(b"OK\n"), &SILENCE, "no-go-ahead")?;
    client.send(first)?;
    client.await_read()?;
    client.take_in()?;
    if client.unread() > 0 {
        let (expected, got) = words::stored_too_early(first.len() as u64, bytes.len() as u64);
        return check.fail(Symptom::ExtraBytes, expected, got);
    }
    client.send(rest)?;
    told_as(client.expect_bytes(b"OK\n"), &SILENCE, "no-second-ok")?;
    folder.expect_file("new.txt", &bytes)?;
    client.expect_end()
}

/// The listing that `list` expects. The order of the last two is the other way round in UTF-16.
const LISTING: &str = "OK 7\n10 A\n1 B\n0 a\n2 b\n5000000000 c\n3 ｚ\n4 😀\n";

/// Regular files only, in the order of their names' bytes.
pub fn list(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    for (name, size) in [("😀", 4), ("b", 2), ("A", 10), ("a", 0), ("ｚ", 3), ("B", 1)] {
        folder.write(check, name, &vec![b'x'; size])?;
    }
    folder.write_hollow(check, "c", 5_000_000_000)?;
    folder.write(check, ".hidden", b"x")?;
    folder.make_folder(check, "C")?;
    folder.make_fifo(check, "D")?;
    folder.make_link(check, "E", "b")?;
    let mut client = ask(&server, "LIST\n")?;
    let listed = client.expect_bytes(LISTING.as_bytes());
    told_by(listed, |failure| is_out_of_order(&failure.got).then_some("another-order"))?;
    client.expect_end()
}

/// Whether the listing that came instead has the right number, and right lines as far as it is
/// shown.
fn is_out_of_order(got: &str) -> bool {
    // What is shown begins a little before the difference, often in the middle of a line.
    let Some((_, lines)) =
        got.split_once(r#""OK 7\n"#).or_else(|| got.split_once(r#"... ""#)?.1.split_once(r"\n"))
    else {
        return false;
    };
    let whole_lines = lines.matches(r"\n").count();
    let mut shown = lines.split(r"\n").take(whole_lines);
    whole_lines > 0 && shown.all(|line| LISTING.lines().any(|right| right == line))
}

/// A file may have any bytes, or none.
pub fn any_bytes(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend(check.random_bytes(1000));
    expect_put(&server, &folder, "all", &bytes)?;
    expect_put(&server, &folder, "none", b"")?;
    folder.write(check, "ours", &bytes)?;
    expect_get(&server, "ours", &bytes)?;
    folder.write(check, "empty", b"")?;
    expect_get(&server, "empty", b"")
}

/// A name is all up to the newline.
pub fn names(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let longest = "n".repeat(255);
    let names = [
        ("two words", "split-at-a-space"),
        ("  x ", "trimmed"),
        // Between the first two characters and the third stands U+3000, a space as Chinese has it.
        ("报告　二 1.txt", "ascii-only"),
        ("v1..2", "dots-refused"),
        (&longest, "no-room-for-255"),
    ];
    for (name, mistake) in names {
        let bytes = check.random_text(20);
        let stored = expect_put(&server, &folder, name, bytes.as_bytes())
            .and_then(|()| expect_get(&server, name, bytes.as_bytes()));
        told_by(stored, |failure| (!failure.symptom.is_silence()).then_some(mistake))?;
    }
    Ok(())
}

/// A name that is none is refused before anybody looks for a file.
pub fn names_that_lead_out(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let outside = Folder::working(check);
    outside.write(check, "outside", b"nobody's business")?;
    folder.make_folder(check, "sub")?;
    for name in ["sub/x", ".h", "a\tb", "a\x7f"] {
        folder.write(check, name, b"not to be had")?;
    }
    let absolute = outside.path().join("outside").to_string_lossy().into_owned();
    let too_long = "n".repeat(256);
    let names =
        ["../outside", &absolute, "sub/x", ".", "..", ".h", "", "a\tb", "a\0b", "a\x7f", &too_long];
    for name in names {
        let mut client = ask(&server, format!("GET {name}\n"))?;
        let shown = words::name(name);
        accepted(expect_err(&server, &mut client, &format!("GET {shown}")), name)?;
    }
    for name in ["../new", "../outside", &absolute, "sub/x", "sub/y", ".h", ".new", "a\tb", "c\0d"]
        .into_iter()
        .chain(names)
    {
        let before = outside.snapshot()?;
        let request = format!("PUT 5 {name}\n");
        let outcome = offer(&server, request.as_bytes(), b"fresh")?;
        accepted(outside.await_as(&server, &before, name), name)?;
        if outcome == Outcome::Taken {
            let expected = words::refuses(&server.name(), &format!("PUT 5 {}", words::name(name)));
            let failure = Failure::new(Symptom::WrongBytes, expected, words::line(b"OK\n"));
            return accepted(Err(failure.into()), name);
        }
    }
    Ok(())
}

/// What it means that a name was accepted.
fn accepted<T>(verdict: Verdict<T>, name: &str) -> Verdict<T> {
    let means = match name {
        _ if name.contains('/') => Symptom::Named("escaped"),
        _ if name.starts_with('.') => Symptom::Named("hidden-name"),
        _ => Symptom::WrongBytes,
    };
    retold(verdict, |failure| {
        matches!(failure.symptom, Symptom::WrongBytes | Symptom::Named(_)).then_some(means)
    })
}

/// What is no regular file is neither served nor waited for, and nothing is stored through it.
pub fn not_a_file(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let outside = Folder::working(check);
    outside.write(check, "outside", b"nobody's business")?;
    folder.write(check, "a.txt", b"hello")?;
    folder.make_link(check, "link-inside", "a.txt")?;
    folder.make_link(check, "link-outside", "../outside")?;
    folder.make_folder(check, "sub")?;
    folder.make_fifo(check, "fifo")?;
    folder.make_link(check, "link-nowhere", "../nowhere")?;
    let names = ["link-inside", "link-outside", "link-nowhere", "sub", "fifo"];
    for name in names {
        let mut client = ask(&server, format!("GET {name}\n"))?;
        let refused = expect_err(&server, &mut client, &format!("GET {name}"));
        followed(refused, name)?;
    }
    let before = outside.snapshot()?;
    for name in names {
        let request = format!("PUT 5 {name}\n");
        let outcome = followed(offer(&server, request.as_bytes(), b"fresh"), name)?;
        followed(folder.expect_file("a.txt", b"hello"), name)?;
        followed(outside.expect_file("outside", b"nobody's business"), name)?;
        followed(outside.await_as(&server, &before, "nowhere"), name)?;
        // A link or a FIFO may give way to the file: nothing is written through it then either.
        if name == "sub" && outcome == Outcome::Taken {
            let expected = words::refuses(&server.name(), &format!("PUT 5 {name}"));
            return check.fail(Symptom::WrongBytes, expected, words::line(b"OK\n"));
        }
    }
    Ok(())
}

/// What it means that something was done with a name that is no regular file's.
fn followed<T>(verdict: Verdict<T>, name: &str) -> Verdict<T> {
    retold(verdict, |failure| match failure.symptom {
        // Nobody but the grader could open the other end, and a look inside cannot tell that of a
        // FIFO.
        symptom if symptom.is_silence() && name == "fifo" => Some(Symptom::Stalled),
        Symptom::WrongBytes if name.starts_with("link") => Some(Symptom::Named("link-followed")),
        _ => None,
    })
}

/// What the server will not do gets one line and the end.
pub fn bad_requests(check: &mut Check) -> Verdict {
    const NO_TEXT: &[u8] = b"GET \xff\n";

    let (server, folder) = start(check)?;
    folder.write(check, "a.txt", b"hello")?;
    // What a program that puts U+FFFD in place of what is no text would take the last request for.
    folder.write(check, "\u{fffd}", b"hello")?;
    let requests: [&[u8]; 6] = [b"GET missing\n", b"FOO\n", b"LIST x\n", b"\n", b"GET\n", NO_TEXT];
    for request in requests {
        let mut client = ask(&server, request)?;
        told_by(expect_refusal(&server, &mut client), |failure| {
            let took_it = failure.symptom == Symptom::WrongBytes && request == NO_TEXT;
            took_it.then_some("no-text-accepted")
        })?;
        client.expect_end()?;
    }
    // Without a newline, and the client does not finish sending.
    let mut client = ask(&server, [b'x'; 8192])?;
    told_as(expect_refusal(&server, &mut client), &SILENCE, "line-without-end")?;
    server.expect_running()
}

/// Expects exactly one line `ERR REASON`.
fn expect_refusal(server: &Server, client: &mut grader::Connection) -> Verdict {
    let expected = words::one_refusal(&server.name());
    let line = read_line(client, &expected)?;
    let is_line = line.ends_with(b"\n") && std::str::from_utf8(&line).is_ok();
    if is_line && line.starts_with(b"ERR ") {
        return Ok(());
    }
    not_this(client, &line, expected)
}

/// A size is digits, and not too many of them.
pub fn bad_sizes(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    let before = folder.snapshot()?;
    let sizes = ["x", MINUS, BEYOND_64_BITS, "123456789012345678901234567890", "1e3", "", "0x10"];
    for size in sizes {
        let request = format!("PUT {size} n");
        let mut client = ask(&server, format!("{request}\n"))?;
        let refused = expect_err(&server, &mut client, &request);
        match size {
            MINUS => told_as(refused, &[Symptom::WrongBytes], "minus-sign-accepted")?,
            _ => refused?,
        }
        client.close();
    }
    folder.await_as(&server, &before, "n")?;
    server.expect_running()
}
