//! What the client promises.

use std::net::SocketAddr;

use grader::retell::told_as;
use grader::wording::http_mini as words;
use grader::{Check, Finished, Stop, Symptom, Verdict};

use crate::answer;
use crate::peer::{self, Exchange, finish, ok, run, takes, with_status};
use crate::visit::WRONG_HEADER;

/// A chunked body, and what is in it: sizes beyond 9, letters in both cases, line ends that belong
/// to the body.
const CHUNKS: &[u8] =
    b"5\r\nhello\r\n1b\r\n, these are 27 bytes here:\n\r\nC\r\n twelve more\r\n0\r\n\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked";
const IN_CHUNKS: &[u8] = b"hello, these are 27 bytes here:\n twelve more";

/// The request is what the URL says: method, target, version, Host and Connection.
pub fn request(check: &mut Check) -> Verdict {
    let cases = [
        ("/a/b.txt?x=1&y=2#part", "/a/b.txt?x=1&y=2"),
        ("", "/"),
        ("/#top", "/"),
        ("/a%20b/c%2Fd?e=%2F", "/a%20b/c%2Fd?e=%2F"),
    ];
    for (rest, target) in cases {
        let mut peer = check.listen("127.0.0.1")?;
        let url = format!("http://{}{rest}", peer.address());
        let client = check.start(["get", &url])?;
        let mut exchange = Exchange::accept(&mut peer, &client)?;
        expect_request(&exchange, target, &[&peer.address().to_string()])?;
        exchange.answer_and_close(&ok(&["Content-Length: 5"], b"hello"))?;
        exchange.finish()?;
        expect_no_more(&mut exchange)?;
    }
    default_port(check)
}

/// A URL without a port means port 80, where the grader may listen on most machines.
fn default_port(check: &mut Check) -> Verdict {
    let address: SocketAddr = peer::default_port(check);
    let mut peer = match check.listen_at(address) {
        Ok(peer) => peer,
        Err(Stop::Unsupported(_)) => return Ok(()),
        Err(other) => return Err(other),
    };
    let host = address.ip().to_string();
    let client = check.start(["get", &format!("http://{host}/")])?;
    let mut exchange = Exchange::accept(&mut peer, &client)?;
    expect_request(&exchange, "/", &[&host, &address.to_string()])?;
    exchange.answer_and_close(&ok(&["Content-Length: 5"], b"hello"))?;
    finish(&client)?;
    Ok(())
}

fn expect_request(exchange: &Exchange, target: &str, hosts: &[&str]) -> Verdict {
    let Exchange { connection, request, .. } = exchange;
    let fail = |(expected, got): (String, String)| connection.fail(WRONG_HEADER, expected, got);
    let wanted = format!("GET {target} HTTP/1.1");
    if request.line != wanted {
        let told = fail(words::request_line(&wanted, &request.line));
        let is_else = request.line.starts_with("GET ") && request.line.ends_with(" HTTP/1.1");
        let name = if is_else { "another-target" } else { WRONG_HEADER.as_str() };
        return told_as(told, &[WRONG_HEADER], name);
    }
    for line in request.bytes.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\r\n") {
            return fail(words::line_end(line));
        }
    }
    let host: Vec<&str> = answer::all(&request.fields, "host").collect();
    if host.len() != 1 || !hosts.contains(&host[0]) {
        let told = fail(words::request_field("Host", hosts[0], &host));
        return told_as(told, &[WRONG_HEADER], "another-host");
    }
    let connections: Vec<&str> = answer::all(&request.fields, "connection").collect();
    let mut items = connections.iter().flat_map(|value| value.split(','));
    if !items.any(|item| item.trim().eq_ignore_ascii_case("close")) {
        return fail(words::request_field("Connection", "close", &connections));
    }
    Ok(())
}

/// A GET has no body, and there is one GET on a connection that is to be closed.
fn expect_no_more(exchange: &mut Exchange) -> Verdict {
    let expected = words::nothing_behind_request(&exchange.client.name());
    let more = exchange
        .connection
        .read_until(&expected, |bytes| (!bytes.is_empty()).then_some(bytes.len()))?;
    if more.is_empty() {
        return Ok(());
    }
    exchange.connection.fail(Symptom::ExtraBytes, expected, words::more(&more))
}

/// The body has as many bytes as Content-Length says, and is complete then, though the server keeps
/// the connection.
pub fn length(check: &mut Check) -> Verdict {
    let mut body: Vec<u8> = (0..=255).collect();
    body.extend(check.random_bytes(300_000));
    for body in [body.as_slice(), b"", b"HTTP/1.1 200 OK\r\n\r\n0\r\n\r\n"] {
        let length = format!("Content-Length: {}", body.len());
        let answer = ok(&["Content-Type: text/plain", &length], body);
        run(check, &answer, false)?.expect_status(&[0])?.expect_stdout(body)?;
    }
    let answer = ok(&["Content-Length: 5"], b"hello, and more than was announced");
    run(check, &answer, false)?.expect_status(&[0])?.expect_stdout(b"hello")?;
    Ok(())
}

/// With neither length nor chunks the body ends when the server closes.
pub fn until_close(check: &mut Check) -> Verdict {
    let body = check.random_bytes(100_000);
    run(check, &ok(&[], &body), true)?.expect_status(&[0])?.expect_stdout(&body)?;
    let old = with_status("HTTP/1.0 200 OK", &["Server: old"], b"0\r\n\r\nhello\n");
    run(check, &old, true)?.expect_status(&[0])?.expect_stdout(b"0\r\n\r\nhello\n")?;
    run(check, &ok(&["Server: terse"], b""), true)?.expect_status(&[0])?.expect_stdout(b"")?;
    Ok(())
}

/// A chunked body is what is in its chunks, and ends with the last one, though the server keeps the
/// connection.
pub fn chunked(check: &mut Check) -> Verdict {
    for closes in [true, false] {
        let finished = run(check, &ok(&[CHUNKED], CHUNKS), closes)?;
        finished.expect_status(&[0])?.expect_stdout(IN_CHUNKS)?;
    }
    let body = check.random_bytes(70_000);
    let mut chunks = format!("{:X}\r\n", body.len()).into_bytes();
    chunks.extend_from_slice(&body);
    chunks.extend_from_slice(b"\r\n0\r\n\r\n");
    run(check, &ok(&[CHUNKED], &chunks), false)?.expect_status(&[0])?.expect_stdout(&body)?;
    run(check, &ok(&[CHUNKED], b"0\r\n\r\n"), false)?.expect_status(&[0])?.expect_stdout(b"")?;
    let both = ok(&["Content-Length: 5", CHUNKED], CHUNKS);
    told_as(overruled(&run(check, &both, true)?), &[Symptom::WrongStdout], "length-first")
}

/// With a length as well the chunks hold, or the answer is none: RFC 9112, section 6.3, allows a
/// client to take it for an attack.
fn overruled(finished: &Finished) -> Verdict {
    if finished.status() == Some(1) {
        return finished.expect_some_error().map(drop);
    }
    finished.expect_status(&[0])?.expect_stdout(IN_CHUNKS).map(drop)
}

/// Header and body come byte by byte; so does a chunked body, if chunks are understood at all.
pub fn dribs(check: &mut Check) -> Verdict {
    let plain = ok(&["Server: slow", "Content-Length: 12"], b"hello, world");
    in_dribs(check, &plain, b"hello, world")?;
    let chunked = ok(&[CHUNKED], CHUNKS);
    if takes(check, &chunked, IN_CHUNKS)? {
        in_dribs(check, &chunked, IN_CHUNKS)?;
    }
    Ok(())
}

fn in_dribs(check: &mut Check, answer: &[u8], body: &[u8]) -> Verdict {
    let mut exchange = Exchange::begin(check, "/file")?;
    exchange.connection.send_bytewise(answer)?;
    exchange.connection.finish_sending()?;
    exchange.finish()?.expect_status(&[0])?.expect_stdout(body)?;
    Ok(())
}

/// Each field is sent as usual first: what it does then is judged by a check of its own.
pub fn names(check: &mut Check) -> Verdict {
    let plain = ok(&["content-length: 5", "SERVER: odd"], b"hello");
    run(check, &plain, true)?.expect_status(&[0])?.expect_stdout(b"hello")?;
    let surplus = b"hello, and more than was announced";
    if takes(check, &ok(&["Content-Length: 5"], surplus), b"hello")? {
        for field in ["cOnTeNt-LeNgTh: 5", "content-length:5", "CONTENT-LENGTH:\t5 "] {
            let finished = run(check, &ok(&[field], surplus), true)?;
            finished.expect_status(&[0])?.expect_stdout(b"hello")?;
        }
    }
    if takes(check, &ok(&[CHUNKED], CHUNKS), IN_CHUNKS)? {
        for field in ["transfer-encoding: chunked", "TRANSFER-ENCODING: chunked"] {
            let finished = run(check, &ok(&[field], CHUNKS), true)?;
            finished.expect_status(&[0])?.expect_stdout(IN_CHUNKS)?;
        }
    }
    Ok(())
}

/// Answers of the 1xx kind come before the answer.
pub fn interim(check: &mut Check) -> Verdict {
    let answer = ok(&["Content-Length: 5"], b"hello");
    let one = with_status("HTTP/1.1 100 Continue", &[], b"");
    let other = with_status("HTTP/1.1 103 Early Hints", &["Link: </style.css>; rel=preload"], b"");
    for before in [one.clone(), other.clone(), [one, other].concat()] {
        let all = [before, answer.clone()].concat();
        run(check, &all, true)?.expect_status(&[0])?.expect_stdout(b"hello")?;
    }
    Ok(())
}

/// 204 and 304 have no body, whatever their header says.
pub fn no_body(check: &mut Check) -> Verdict {
    for line in ["HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified"] {
        for fields in [&["Content-Length: 5"][..], &[CHUNKED], &["Server: terse"]] {
            let finished = run(check, &with_status(line, fields, b""), true)?;
            finished.expect_status(&[0])?.expect_stdout(b"")?;
        }
    }
    Ok(())
}

/// The body of an error is printed, and the status line told.
pub fn error_status(check: &mut Check) -> Verdict {
    for line in ["HTTP/1.1 404 Not Found", "HTTP/1.1 500 Out of Coffee", "HTTP/1.1 400 Bad Request"]
    {
        let answer = with_status(line, &["Content-Length: 12"], b"not for you\n");
        let finished = run(check, &answer, true)?;
        finished.expect_status(&[1])?.expect_stdout(b"not for you\n")?;
        finished.expect_error_containing(line)?;
    }
    Ok(())
}

/// The connection ends before the body does.
pub fn cut_short(check: &mut Check) -> Verdict {
    let short = ok(&["Content-Length: 100"], b"only forty bytes of the hundred come, so");
    let nothing = ok(&["Content-Length: 1"], b"");
    for answer in [short, nothing] {
        run(check, &answer, true)?.expect_status(&[1])?.expect_some_error()?;
    }
    // Without a length the close is the end, if `get` knows that, and a reset is none.
    if takes(check, &ok(&["Server: plain"], b"all of it"), b"all of it")? {
        reset_in_body(check)?;
    }
    // What a whole chunked body is, is judged by a check of its own.
    if takes(check, &ok(&[CHUNKED], CHUNKS), IN_CHUNKS)? {
        let ends: [&[u8]; 5] =
            [b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n3", b""];
        for chunks in ends {
            let answer = ok(&[CHUNKED], chunks);
            run(check, &answer, true)?.expect_status(&[1])?.expect_some_error()?;
        }
    }
    Ok(())
}

fn reset_in_body(check: &mut Check) -> Verdict {
    let mut exchange = Exchange::begin(check, "/file")?;
    exchange.connection.send(&ok(&["Server: dying"], b"only a part comes, so"))?;
    exchange.connection.await_read()?;
    let Exchange { client, connection, .. } = exchange;
    connection.reset()?;
    let finished = finish(&client)?;
    let told = told_as(finished.expect_status(&[1]), &[Symptom::WrongStatus], "reset-as-end");
    told?.expect_some_error().map(drop)
}

/// What comes is no answer of HTTP.
pub fn garbage(check: &mut Check) -> Verdict {
    let long_line = check.long_text(1 << 20);
    let garbage: [&[u8]; 8] = [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"hello, this is no web server\n",
        b"220 mail.example.org ready\r\n\r\n",
        b"",
        b"HTTP/1.1 two-hundred OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        &long_line,
    ];
    for answer in garbage {
        run(check, answer, true)?.expect_status(&[1])?.expect_some_error()?;
    }
    let nearly = ["ICY/1.1 200 OK", "ICY 200 OK", "HTTP/1.1 2x0 OK"];
    for line in nearly {
        let answer = with_status(line, &["Content-Length: 2"], b"hi");
        let finished = run(check, &answer, true)?;
        told_as(finished.expect_status(&[1]), &[Symptom::WrongStatus], "nearly-http")?
            .expect_some_error()?;
    }
    // The phrase may be missing: this is an answer.
    let bare = with_status("HTTP/1.1 200 ", &["Content-Length: 5"], b"hello");
    let finished = run(check, &bare, true)?;
    told_as(finished.expect_status(&[0]), &[Symptom::WrongStatus], "no-phrase")?;
    // A size that is none is garbage too, for a client that knows chunks.
    if takes(check, &ok(&[CHUNKED], CHUNKS), IN_CHUNKS)? {
        let answer = ok(&[CHUNKED], b"5\r\nhello\r\nsome\r\nmore!\r\n0\r\n\r\n");
        run(check, &answer, true)?.expect_status(&[1])?.expect_some_error()?;
    }
    Ok(())
}
