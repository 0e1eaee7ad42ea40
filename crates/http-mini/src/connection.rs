//! One connection after another, many at once, and how they end.

use std::time::{Duration, Instant};

use grader::tcp::{Buffers, End};
use grader::wording::http_mini as words;
use grader::{Check, Server, Stop, Symptom, Verdict};

use crate::site::{Site, start};
use crate::visit::Visit;

const MALFORMED: &str = "POST  /hello.txt HTTP/1.1";
/// A body that is short enough to be consumed: up to 64 KiB are.
const BODY_BYTES: usize = 64_000;
/// A request that nobody sent was answered.
const BODY_AS_REQUEST: Symptom = Symptom::Named("body-as-request");
/// What a client would upload that takes its time.
const UPLOAD_BYTES: usize = 4 << 20;
/// How much of it goes at once.
const PIECE_BYTES: usize = 16 << 10;
/// How much goes on after the answer: a server drains 1 MiB at the least.
const AFTER_ANSWER_BYTES: usize = 128 << 10;
/// A server that drains for 1 s at the least may have stopped if the grader took longer than this.
const IN_TIME: Duration = Duration::from_millis(600);
/// How often a grader that was too late tries again.
const UPLOADS: u32 = 8;
/// How long a client pauses after the answer, and then sends on.
const PAUSE: Duration = Duration::from_millis(500);
/// A connection that broke before this time was drained for less than 1 s, whatever the clocks say.
const SURELY_EARLY: Duration = Duration::from_millis(950);
/// How often a client pauses if the machine is too slow to tell.
const PAUSES: u32 = 3;

/// After an answer the next request goes on the same connection, whatever the status was.
pub fn keep_alive(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let mut visit = Visit::ask_once(&server, "GET /hello.txt HTTP/1.1", &[])?;
    let then = [
        ("GET /nothing HTTP/1.1", 404),
        ("GET /hello.txt HTTP/1.1", 200),
        ("DELETE /hello.txt HTTP/1.1", 405),
        ("GET /hello.txt HTTP/1.1", 200),
    ];
    for (line, status) in then {
        visit.expect_kept()?;
        visit.ask_again(line, &[])?;
        if status == 200 {
            visit.expect_status(&[200])?;
        }
    }
    visit.expect_body(&site.hello)?;
    visit.leave()
}

/// Two requests come in one segment, then one and a half, then the other half.
pub fn pipelining(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    site.file("second.txt", b"the second file")?;
    let mut visit = Visit::begin(&server)?;
    let (first, second) = ("GET /hello.txt HTTP/1.1", "GET /second.txt HTTP/1.1");
    let both = visit.request(first, &[]) + &visit.request(second, &[]);
    let (whole, half) = both.as_bytes().split_at(both.len() - 30);
    for pieces in [vec![both.as_bytes()], vec![whole, half]] {
        visit.asked = words::line(first.as_bytes());
        for piece in pieces {
            visit.connection.send(piece)?;
            visit.connection.await_read()?;
        }
        visit.await_answer()?;
        visit.expect_status(&[200])?;
        visit.expect_body(&site.hello)?;
        let before = std::mem::replace(&mut visit.asked, words::line(second.as_bytes()));
        let came = visit.await_answer();
        came.map_err(|stop| visit.told_as_closed(stop, &before))?;
        visit.expect_status(&[200])?;
        visit.expect_body(b"the second file")?;
    }
    visit.leave()
}

/// A client that says close, or speaks HTTP/1.0, may wait for the end.
pub fn close(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let requests: [(&str, &[&str]); 4] = [
        ("GET /hello.txt HTTP/1.1", &["Connection: close"]),
        ("GET /nothing HTTP/1.1", &["Connection: close"]),
        ("GET /hello.txt HTTP/1.0", &[]),
        ("GET /hello.txt HTTP/1.0", &["Connection: keep-alive"]),
    ];
    for (line, fields) in requests {
        let mut visit = Visit::ask_once(&server, line, fields)?;
        if let Some(field) = fields.first() {
            visit.asked = format!("{} with {}", visit.asked, words::line(field.as_bytes()));
        }
        visit.body()?;
        visit.expect_closed(&site.hello)?;
    }
    Ok(())
}

/// Bodies that look like requests stand behind requests that want none: each is consumed, and the
/// next request is the one behind it. The body may come with the header or after it.
pub fn request_body(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    site.file("wrong.txt", b"this was in a body")?;
    site.file("end.txt", b"the last file")?;
    let mut visit = Visit::begin(&server)?;
    let body = visit.request("GET /wrong.txt HTTP/1.1", &[]).repeat(BODY_BYTES / 40);
    let body = &body.as_bytes()[..BODY_BYTES];
    let length = format!("Content-Length: {BODY_BYTES}");
    let requests = [("GET /hello.txt HTTP/1.1", false), ("POST /hello.txt HTTP/1.1", true)];
    for (line, in_two) in requests {
        visit.asked = words::line(line.as_bytes());
        let mut request = visit.request(line, &[&length]).into_bytes();
        if in_two {
            visit.connection.send_in_segments([request.as_slice(), &body[..10], &body[10..]])?;
        } else {
            request.extend_from_slice(body);
            visit.connection.send(&request)?;
        }
        visit.await_answer()?;
        visit.body()?;
        expect_next(&mut visit, "GET /end.txt HTTP/1.1", b"the last file")?;
    }
    visit.leave()?;
    after_unknown_method(&server, &length, body)
}

/// A method that the server does not know may have a body as well. Whether the connection is kept
/// after it is free: what is answered on it is not.
fn after_unknown_method(server: &Server, length: &str, body: &[u8]) -> Verdict {
    let mut visit = Visit::begin(server)?;
    let line = "FETCH /hello.txt HTTP/1.1";
    visit.asked = words::line(line.as_bytes());
    let request = [visit.request(line, &[length]).as_bytes(), body].concat();
    let mut come = || {
        visit.connection.send(&request)?;
        visit.await_answer()?;
        visit.body()?;
        expect_next(&mut visit, "GET /end.txt HTTP/1.1", b"the last file")
    };
    match come() {
        // An end, and what comes of the answer before it, is judged elsewhere.
        Err(Stop::Failed(failure)) if failure.symptom != BODY_AS_REQUEST => Ok(()),
        other => other,
    }
}

fn expect_next(visit: &mut Visit, line: &str, wanted: &[u8]) -> Verdict {
    let before = visit.asked.clone();
    visit.ask_again(line, &[])?;
    let body = visit.body()?;
    if visit.answer.status == 200 && body == wanted {
        return Ok(());
    }
    let got = words::body_was_request(&visit.answer.status_line);
    visit.connection.fail(BODY_AS_REQUEST, words::next_answer(&before), got)
}

/// The client uploads without looking. When the answer has come it sends more, which must not break
/// the connection: a reset could take away the answer from a client that has not read it yet.
/// Another client pauses after the answer, for less than the second that is drained at the least.
pub fn error_while_uploading(check: &mut Check) -> Verdict {
    let (_site, server) = start(check)?;
    let mut pausing = Pausing::begin(&server)?;
    let upload = check.long_text(UPLOAD_BYTES);
    let field = format!("Content-Length: {UPLOAD_BYTES}");
    let lines = ["POST /hello.txt HTTP/1.1", MALFORMED];
    for line in lines {
        let mut tries = 0;
        while !survives(&server, line, &field, &upload, tries + 1 == UPLOADS)? {
            tries += 1;
        }
    }
    // A machine that is too slow each time has not shown any mistake.
    for _ in 0..PAUSES {
        let Some(client) = pausing else { break };
        if client.goes_on(&server)? {
            break;
        }
        pausing = Pausing::begin(&server)?;
    }
    Ok(())
}

/// A client that was refused in the middle of its upload, and pauses.
struct Pausing {
    visit: Visit,
    since: Instant,
}

impl Pausing {
    /// The request line alone is reason enough to refuse it, so the answer need not wait for the
    /// body. `None` if it does.
    fn begin(server: &Server) -> Verdict<Option<Self>> {
        let mut visit = Visit::begin(server)?;
        let request = visit.request(MALFORMED, &[&format!("Content-Length: {UPLOAD_BYTES}")]);
        let since = Instant::now();
        match visit.ask_as_it_is(request.as_bytes(), words::line(MALFORMED.as_bytes())) {
            Ok(()) => Ok(Some(Self { visit, since })),
            Err(Stop::Failed(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Sends on after the pause. False if the connection broke, and the grader was too slow to say
    /// that it was soon.
    fn goes_on(mut self, server: &Server) -> Verdict<bool> {
        let over = server.await_that("", || Ok((self.since.elapsed() >= PAUSE).then_some(())));
        match over {
            // A server that waits for its clients alone will not close by itself.
            Err(Stop::Failed(failure)) if !failure.symptom.is_silence() => {
                return Err(Stop::Failed(failure));
            }
            Err(Stop::Failed(_)) | Ok(()) => {}
            Err(other) => return Err(other),
        }
        for _ in 0..2 {
            self.visit.connection.send(&[b'x'; PIECE_BYTES])?;
            self.visit.connection.await_read()?;
        }
        if !self.visit.connection.is_broken() {
            return Ok(true);
        }
        let after = self.since.elapsed();
        if after > SURELY_EARLY {
            return Ok(false);
        }
        let (expected, got) = words::drained_briefly(self.visit.who(), after);
        self.visit.connection.fail(Symptom::Named("short-drain"), expected, got)
    }
}

/// One upload. False if the connection broke, and the grader was too slow to say why.
fn survives(
    server: &Server,
    line: &str,
    field: &str,
    upload: &[u8],
    is_last: bool,
) -> Verdict<bool> {
    let mut visit = Visit::begin(server)?;
    visit.asked = words::line(line.as_bytes());
    let head = visit.request(line, &[field]);
    visit.connection.forget_sent();
    let mut unanswered = Instant::now();
    visit.connection.send(head.as_bytes())?;
    let mut sent = 0;
    while sent < upload.len() && visit.connection.unread() == 0 && !visit.connection.is_broken() {
        unanswered = Instant::now();
        visit.connection.send(&upload[sent..sent + PIECE_BYTES])?;
        sent += PIECE_BYTES;
        visit.connection.await_read()?;
    }
    if visit.connection.unread() == 0 {
        unanswered = Instant::now();
    }
    visit.await_answer()?;
    let more = (upload.len() - sent).min(AFTER_ANSWER_BYTES);
    for piece in upload[sent..sent + more].chunks(PIECE_BYTES) {
        visit.connection.send(piece)?;
        visit.connection.await_read()?;
    }
    let mut is_broken = visit.connection.is_broken();
    if !is_broken {
        visit.connection.finish_sending()?;
        is_broken = visit.connection.await_any_end()? == End::Reset;
    }
    if !is_broken {
        return Ok(true);
    }
    if unanswered.elapsed() > IN_TIME && !is_last {
        return Ok(false);
    }
    let (expected, got) = (words::drains(visit.who()), words::upload_broken(more));
    visit.connection.fail(Symptom::Reset, expected, got)
}

/// Sixteen clients: one does not read its answer, some are silent, some stop in the middle of a
/// header, and the others are answered, the last one first. A connect succeeds before anyone
/// accepts, so only the answers prove that all are served.
pub fn many_clients(check: &mut Check) -> Verdict {
    let site = Site::new(check)?;
    site.hollow_file("large.bin", 64 << 20)?;
    let server = site.serve(check)?;
    let small = Buffers { receive_bytes: Some(64 << 10), send_bytes: None };
    let mut full = Visit::begin_with(&server, &small)?;
    full.ask("GET /large.bin HTTP/1.1", &[])?;
    let mut silent = vec![full];
    for _ in 0..3 {
        silent.push(Visit::begin(&server)?);
    }
    for _ in 0..2 {
        let mut visit = Visit::begin(&server)?;
        visit.connection.send(b"GET /hello.txt HTTP/1.1\r\nHos")?;
        silent.push(visit);
    }
    let mut speaking = Vec::new();
    for _ in 0..10 {
        speaking.push(Visit::begin(&server)?);
    }
    for visit in speaking.iter_mut().rev() {
        visit.ask("GET /hello.txt HTTP/1.1", &[])?;
        visit.expect_status(&[200])?;
        visit.expect_body(&site.hello)?;
    }
    Ok(())
}

/// A client that resets its connection in the middle of a body ends its own conversation and nobody
/// else's.
pub fn reset_mid_body(check: &mut Check) -> Verdict {
    let site = Site::new(check)?;
    site.hollow_file("large.bin", 64 << 20)?;
    let server = site.serve(check)?;
    let small = Buffers { receive_bytes: Some(64 << 10), send_bytes: None };
    for half in ["GET /large.bin HTTP/1.1", "GET /large.bin"] {
        let before = server.footprint().ok();
        let mut visit = Visit::begin_with(&server, &small)?;
        if half.ends_with("1.1") {
            visit.ask(half, &[])?;
            let enough = |bytes: &[u8]| (bytes.len() >= 1000).then_some(1000);
            visit.connection.read_until(&words::body_end(&visit.asked), enough)?;
        } else {
            visit.connection.send(half.as_bytes())?;
        }
        let mut bystander = Visit::begin(&server)?;
        visit.connection.reset()?;
        if let Some(before) = before {
            server.await_footprint(&before)?;
        }
        bystander.ask("GET /hello.txt HTTP/1.1", &[])?;
        bystander.expect_body(&site.hello)?;
        bystander.leave()?;
    }
    for _ in 0..3 {
        let mut visit = Visit::ask_once(&server, "GET /hello.txt HTTP/1.1", &[])?;
        visit.expect_body(&site.hello)?;
        visit.leave()?;
    }
    server.expect_running()
}
