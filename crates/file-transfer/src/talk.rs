//! What both sides of a conversation say, read as generously as the contract allows: how a line has
//! to look is judged by one check alone.

use grader::wording::file_transfer as words;
use grader::{Check, Connection, Server, Symptom, Verdict};

use crate::folder::Folder;

/// How many bytes a line has at the most, with its newline.
pub(crate) const LINE_BYTES: usize = 4096;
/// The folder that servers serve.
pub(crate) const SERVED: &str = "files";

/// What came of a request to store a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server said OK: go ahead at first, stored after the data.
    Taken,
    /// It said ERR.
    Refused,
}

/// A server on any free port, and the folder that it serves.
pub(crate) fn start(check: &mut Check) -> Verdict<(Server, Folder)> {
    let folder = Folder::new(check, SERVED)?;
    let server = serve(check)?;
    Ok((server, folder))
}

/// A server of the folder that is there already.
pub(crate) fn serve(check: &mut Check) -> Verdict<Server> {
    check.start_server(["serve", "127.0.0.1:0", SERVED])
}

/// Connects and sends a request.
pub(crate) fn ask(server: &Server, request: impl AsRef<[u8]>) -> Verdict<Connection> {
    let mut client = server.connect()?;
    client.forget_sent();
    client.send(request.as_ref())?;
    Ok(client)
}

/// The next line with its newline; what there is if the stream ends before.
pub(crate) fn read_line(peer: &mut Connection, expected: &str) -> Verdict<Vec<u8>> {
    peer.read_until(expected, |bytes| {
        let newline = bytes.iter().position(|byte| *byte == b'\n').map(|place| place + 1);
        newline.or((bytes.len() > LINE_BYTES).then_some(bytes.len()))
    })
}

/// Expects a line that begins with OK, and gives the rest of it.
pub(crate) fn expect_ok(server: &Server, client: &mut Connection) -> Verdict<String> {
    let expected = words::line_beginning(&server.name(), "OK");
    let line = read_line(client, &expected)?;
    match line.strip_prefix(b"OK") {
        Some(rest) if line.ends_with(b"\n") => Ok(String::from_utf8_lossy(rest).trim().to_owned()),
        _ => not_this(client, &line, expected),
    }
}

/// Expects a line that begins with ERR. Whether more follows, and how the connection ends, other
/// checks judge.
pub(crate) fn expect_err(server: &Server, client: &mut Connection, request: &str) -> Verdict {
    let expected = words::refuses(&server.name(), request);
    let line = read_line(client, &expected)?;
    if line.starts_with(b"ERR") {
        return Ok(());
    }
    not_this(client, &line, expected)
}

/// A line that is another than expected, or the end in its place.
pub(crate) fn not_this<T>(client: &Connection, line: &[u8], expected: String) -> Verdict<T> {
    let symptom = match client.end() {
        Some(grader::tcp::End::Reset) if line.is_empty() => Symptom::Reset,
        Some(_) if line.is_empty() => Symptom::CutShort,
        _ => Symptom::WrongBytes,
    };
    client.fail(symptom, expected, words::line(line))
}

/// Asks for `name` and expects these bytes.
pub(crate) fn expect_get(server: &Server, name: &str, bytes: &[u8]) -> Verdict {
    let mut client = ask(server, format!("GET {name}\n"))?;
    expect_ok(server, &mut client)?;
    client.expect_bytes(bytes)
}

/// Begins to store a file: the request, and the server's go-ahead.
pub(crate) fn begin_put(server: &Server, name: &str, size: usize) -> Verdict<Connection> {
    let mut client = ask(server, format!("PUT {size} {name}\n"))?;
    expect_ok(server, &mut client)?;
    Ok(client)
}

/// Stores a file, and expects that it is there in the end.
pub(crate) fn expect_put(server: &Server, folder: &Folder, name: &str, bytes: &[u8]) -> Verdict {
    let mut client = begin_put(server, name, bytes.len())?;
    client.send(bytes)?;
    expect_ok(server, &mut client)?;
    folder.await_file(server, name, bytes)
}

/// Offers a file that the server should not have. A server may say so at once, or when all has
/// come.
pub(crate) fn offer(server: &Server, request: &[u8], bytes: &[u8]) -> Verdict<Outcome> {
    let mut client = ask(server, request)?;
    if expect_answer(server, &mut client)? == Outcome::Refused {
        return Ok(Outcome::Refused);
    }
    client.send(bytes)?;
    expect_answer(server, &mut client)
}

/// Expects a line that begins with OK or with ERR.
pub(crate) fn expect_answer(server: &Server, client: &mut Connection) -> Verdict<Outcome> {
    let expected = words::says_ok_or_err(&server.name());
    let line = read_line(client, &expected)?;
    match line.as_slice() {
        [b'O', b'K', ..] => Ok(Outcome::Taken),
        [b'E', b'R', b'R', ..] => Ok(Outcome::Refused),
        _ => not_this(client, &line, expected),
    }
}
