//! What a learner can do beyond the 100 points.

use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use grader::retell::{told_as, told_by};
use grader::wording::{http_mini as words, steps};
use grader::{Check, Listener, Program, Server, Stop, Symptom, Verdict};

use crate::answer;
use crate::peer::{Exchange, finish, ok, run, with_status};
use crate::refusals::expect_closed;
use crate::requests::expect_date;
use crate::site::{NAME, Site, start};
use crate::visit::{CLOSED, UNEXPECTED_STATUS, Visit, WRONG_HEADER};

/// The size of the file of which parts are asked for.
const WHOLE_BYTES: usize = 1000;
/// When the file was changed, in seconds since 1970: in May 2020, and a fraction of a second that
/// no HTTP date can tell.
const CHANGED: Duration = Duration::from_millis(1_588_680_000_700);
/// A silent client gets at least this long.
const LEAST_SILENCE: Duration = Duration::from_secs(3);
/// A server on a busy machine may be seen this much later than 10 s.
const MOST_SILENCE: Duration = Duration::from_secs(12);
/// How long after the first bytes of a slow header its last one comes.
const LATE_BYTE: Duration = Duration::from_secs(2);
/// How long after the first client's 408 the second one's may come if the server does not tell them
/// apart.
const A_MOMENT: Duration = Duration::from_millis(300);

/// The date of a file is told, and a client that gives it back, or a later one, is told that
/// nothing has changed.
pub fn not_modified(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let changed = SystemTime::UNIX_EPOCH + CHANGED;
    File::options().write(true).open(site.path().join("hello.txt"))?.set_modified(changed)?;
    let date = |seconds_later: i64| {
        let seconds = CHANGED.as_secs().saturating_add_signed(seconds_later);
        httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    };
    let line = "GET /hello.txt HTTP/1.1";
    let visit = Visit::ask_once(&server, line, &[])?;
    visit.expect_status(&[200])?.expect_field("Last-Modified", &date(0))?;
    visit.leave()?;
    let same = date(0);
    let conditions = [
        (date(0), 304),
        (date(1), 304),
        (date(1_000_000), 304),
        (date(-1), 200),
        (date(-1_000_000), 200),
        ("yesterday".to_owned(), 200),
        ("5 May 2020".to_owned(), 200),
    ];
    for (date, status) in conditions {
        let field = format!("If-Modified-Since: {date}");
        let mut visit = Visit::begin(&server)?;
        let request = visit.request(line, &[&field]);
        visit.ask_as_it_is(request.as_bytes(), words::request_with(&field))?;
        let told = if date == same { "same-second" } else { UNEXPECTED_STATUS.as_str() };
        told_as(visit.expect_status(&[status]).map(drop), &[UNEXPECTED_STATUS], told)?;
        if status == 200 {
            visit.expect_body(&site.hello)?;
        } else {
            visit.body()?;
            expect_kept_as_usual(&mut visit, &server, line)?;
        }
        visit.leave()?;
    }
    Ok(())
}

/// Behind the body, which was read, stands the next answer, since the connection is kept. A server
/// that keeps none after 200 either is told so elsewhere.
fn expect_kept_as_usual(visit: &mut Visit, server: &Server, line: &str) -> Verdict {
    match kept(visit, line) {
        Err(Stop::Failed(failure)) if failure.symptom == CLOSED => {
            let mut usual = Visit::ask_once(server, "GET /hello.txt HTTP/1.1", &[])?;
            match kept(&mut usual, "GET /hello.txt HTTP/1.1") {
                Err(Stop::Failed(usual)) if usual.symptom == CLOSED => Ok(()),
                Err(Stop::Error(error)) => Err(error.into()),
                _ => Err(Stop::Failed(failure)),
            }
        }
        other => other,
    }
}

fn kept(visit: &mut Visit, line: &str) -> Verdict {
    visit.expect_kept()?;
    visit.ask_again(line, &[])
}

/// One range, in each of its three forms, inside the file and beyond its end; and forms that make
/// no sense.
pub fn ranges(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let whole = check.random_bytes(WHOLE_BYTES);
    site.file("whole.bin", &whole)?;
    let parts = [
        ("0-0", 0, 0),
        ("10-19", 10, 19),
        ("0-999", 0, 999),
        ("990-", 990, 999),
        ("0-", 0, 999),
        ("-5", 995, 999),
        ("-1", 999, 999),
        ("990-5000", 990, 999),
        ("999-999", 999, 999),
    ];
    let line = "GET /whole.bin HTTP/1.1";
    for (range, first, last) in parts {
        let mut visit = Visit::begin(&server)?;
        ask_for_range(&mut visit, line, range)?;
        visit.expect_status(&[206])?;
        let told = format!("bytes {first}-{last}/{WHOLE_BYTES}");
        visit.expect_field("Content-Range", &told)?;
        visit.expect_field("Content-Length", &(last - first + 1).to_string())?;
        visit.expect_body(&whole[first..=last])?;
        expect_kept_as_usual(&mut visit, &server, line)?;
        visit.leave()?;
    }
    for range in ["1000-", "1000-1005", "5000-6000"] {
        let mut visit = Visit::begin(&server)?;
        ask_for_range(&mut visit, line, range)?;
        visit.expect_status(&[416])?;
        visit.body()?;
        expect_kept_as_usual(&mut visit, &server, line)?;
        visit.leave()?;
    }
    // How these are answered is the server's affair, but they are answered.
    let any: &[u16] = &[200, 206, 400, 416];
    let odd = ["5-2", "-0", "-", "x-y", "0-1,3-4", "0-18446744073709551616"].map(|odd| (odd, any));
    // More than there is, counted from the end, is all of it.
    for (range, statuses) in odd.into_iter().chain([("-5000", &[200, 206][..])]) {
        let mut visit = Visit::begin(&server)?;
        told_as_odd(ask_for_range(&mut visit, line, range))?;
        let told = if statuses == any { UNEXPECTED_STATUS.as_str() } else { "long-suffix" };
        told_as(visit.expect_status(statuses).map(drop), &[UNEXPECTED_STATUS], told)?;
        visit.body()?;
        visit.leave()?;
    }
    Ok(())
}

/// A server that gives no answer to a range that it did not expect.
fn told_as_odd(verdict: Verdict) -> Verdict {
    told_by(verdict, |_| Some("odd-range"))
}

fn ask_for_range(visit: &mut Visit, line: &str, range: &str) -> Verdict {
    let field = format!("Range: bytes={range}");
    let request = visit.request(line, &[&field]);
    visit.ask_as_it_is(request.as_bytes(), words::request_with(&field))
}

/// Two clients fall silent in the middle of a header. The first one gets 408 in time. The second
/// one sends another byte after a while, and its silence begins anew with that. The date of 408 is
/// judged here, where there is one.
pub fn request_timeout(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let errors_are_dated = has_dated_errors(&server)?;
    let half = b"GET /hello.txt HTTP/1.1\r\nHost: exam";
    let (mut silent, mut slow) = (Visit::begin(&server)?, Visit::begin(&server)?);
    for visit in [&mut silent, &mut slow] {
        visit.asked = words::half_a_request().to_owned();
        visit.connection.send(half)?;
    }
    let sent = Instant::now();
    silent.connection.await_read()?;
    let is_soon = silent.connection.has_news_within(LATE_BYTE)?;
    if is_soon {
        return too_soon(&silent, sent);
    }
    let sent_late = Instant::now();
    slow.connection.send(b"p")?;
    await_patiently(check, &mut silent, sent)?;
    if sent.elapsed() < LEAST_SILENCE {
        return too_soon(&silent, sent);
    }
    silent.expect_status(&[408])?;
    // A server that counts from the first byte is at the end of its patience with both by now.
    let left = LEAST_SILENCE.saturating_sub(sent_late.elapsed()).min(A_MOMENT);
    if !left.is_zero() && slow.connection.has_news_within(left)? {
        return too_soon(&slow, sent_late);
    }
    if errors_are_dated {
        told_as(expect_date(&silent), &[WRONG_HEADER], "no-date")?;
    }
    expect_closed(&mut silent, &site, &server)
}

/// Whether a plain error has its date. That it does is judged by a check of its own.
fn has_dated_errors(server: &Server) -> Verdict<bool> {
    match Visit::ask_once(server, "GET /nothing HTTP/1.1", &["Connection: close"]) {
        Ok(error) => {
            let is_dated = expect_date(&error).is_ok();
            error.leave()?;
            Ok(is_dated)
        }
        Err(Stop::Failed(_)) => Ok(false),
        Err(other) => Err(other),
    }
}

fn too_soon(visit: &Visit, sent: Instant) -> Verdict {
    let (expected, got) = words::too_soon(sent.elapsed());
    visit.connection.fail(Symptom::Named("too-soon"), expected, got)
}

/// Waits for the answer longer than for others. A server that will never answer is known at once.
fn await_patiently(check: &Check, visit: &mut Visit, sent: Instant) -> Verdict {
    loop {
        let left = MOST_SILENCE.saturating_sub(sent.elapsed());
        if left.is_zero() {
            let expected = words::answers(visit.who(), &visit.asked);
            let got = steps::too_late(sent.elapsed(), "");
            return visit.connection.fail(Symptom::TooLate, expected, got);
        }
        let (began, limit) = (Instant::now(), left.min(check.deadline() / 2));
        if visit.connection.has_news_within(limit)? || began.elapsed() < limit {
            return visit.await_answer();
        }
    }
}

/// Each code, and each way to say where: a whole URL, a path, a name beside the one that was asked
/// for, and one above it. Only the last body is printed. The sixth redirect is one too many.
pub fn redirects(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let mut other = check.listen("127.0.0.1")?;
    let client = check.start(["get", &format!("http://{}/start?x=1#part", peer.address())])?;
    let url = format!("http://{}/one/two", other.address());
    redirect(&mut peer, &client, "/start?x=1", "301 Moved Permanently", &url)?;
    let mut exchange = Exchange::accept(&mut other, &client)?;
    expect_target(&exchange, "/one/two")?;
    expect_another_host(&exchange, peer.address(), other.address())?;
    send_on(&mut exchange, "302 Found", "/three/four")?;
    redirect(&mut other, &client, "/three/four", "303 See Other", "five?y=2")?;
    redirect(&mut other, &client, "/three/five?y=2", "307 Temporary Redirect", "../six")?;
    redirect(&mut other, &client, "/six", "308 Permanent Redirect", "seven/eight")?;
    let mut last = Exchange::accept(&mut other, &client)?;
    expect_target(&last, "/seven/eight")?;
    last.answer_and_close(&ok(&["Content-Length: 8"], b"the end\n"))?;
    last.finish()?.expect_status(&[0])?.expect_stdout(b"the end\n")?;

    let client = check.start(["get", &format!("http://{}/0", peer.address())])?;
    for number in 0..6 {
        let (here, there) = (format!("/{number}"), format!("/{}", number + 1));
        redirect(&mut peer, &client, &here, "302 Found", &there)?;
    }
    let finished = finish(&client);
    if peer.accept_if_there(&client)?.is_some() {
        let symptom = Symptom::Named("sixth-redirect");
        return check.fail(symptom, words::not_followed(5), words::followed_again());
    }
    finished?.expect_status(&[1])?.expect_some_error()?;
    Ok(())
}

/// Accepts a request for `target`, and sends the client on.
fn redirect(
    peer: &mut Listener,
    client: &Program,
    target: &str,
    status: &str,
    location: &str,
) -> Verdict {
    let mut exchange = Exchange::accept(peer, client)?;
    expect_target(&exchange, target)?;
    send_on(&mut exchange, status, location)
}

fn send_on(exchange: &mut Exchange, status: &str, location: &str) -> Verdict {
    let fields = [&format!("Location: {location}"), "Content-Length: 14"];
    let answer = with_status(&format!("HTTP/1.1 {status}"), &fields, b"look elsewhere");
    exchange.answer_and_close(&answer)
}

/// Host goes with the URL: whether it names the port is another check's.
fn expect_another_host(exchange: &Exchange, before: SocketAddr, now: SocketAddr) -> Verdict {
    let host: Vec<&str> = answer::all(&exchange.request.fields, "host").collect();
    if host != [before.to_string()] {
        return Ok(());
    }
    let (expected, got) = words::request_field("Host", &now.to_string(), &host);
    exchange.connection.fail(Symptom::Named("host-before"), expected, got)
}

fn expect_target(exchange: &Exchange, target: &str) -> Verdict {
    let came = exchange.request.line.split(' ').nth(1).unwrap_or_default();
    if came == target {
        return Ok(());
    }
    let wanted = format!("GET {target} HTTP/1.1");
    let (expected, got) = words::request_line(&wanted, &exchange.request.line);
    exchange.connection.fail(WRONG_HEADER, expected, got)
}

/// What follows a semicolon in a chunk's line is skipped, and so are lines behind the last chunk.
pub fn chunk_extensions(check: &mut Check) -> Verdict {
    let chunked = "Transfer-Encoding: chunked";
    let extended = b"5;note=x\r\nhello\r\n7;a=\"b;c\";d\r\n, world\r\n0;last\r\n\r\n";
    let trailed = b"5\r\nhello\r\n7\r\n, world\r\n0\r\nExpires: 0\r\nX-Sum: 12\r\n\r\n";
    for chunks in [&extended[..], trailed] {
        let finished = run(check, &ok(&[chunked], chunks), false)?;
        finished.expect_status(&[0])?.expect_stdout(b"hello, world")?;
    }
    Ok(())
}

/// The same over IPv6, and a Host with its brackets.
pub fn ipv6(check: &mut Check) -> Verdict {
    let mut peer = check.listen("::1")?;
    let client = check.start(["get", &format!("http://{}/file", peer.address())])?;
    let mut exchange = Exchange::accept(&mut peer, &client)?;
    let host: Vec<&str> = answer::all(&exchange.request.fields, "host").collect();
    let wanted = peer.address().to_string();
    // Whether the port is named is another check's.
    if host != [wanted.as_str()] && host != ["[::1]"] {
        let (expected, got) = words::request_field("Host", &wanted, &host);
        return exchange.connection.fail(WRONG_HEADER, expected, got);
    }
    exchange.answer_and_close(&ok(&["Content-Length: 5"], b"hello"))?;
    exchange.finish()?.expect_status(&[0])?.expect_stdout(b"hello")?;

    let site = Site::new(check)?;
    let server = check.start_server(["serve", "[::1]:0", NAME])?;
    let mut visit = Visit::ask_once(&server, "GET /hello.txt HTTP/1.1", &[])?;
    visit.expect_status(&[200])?;
    visit.expect_body(&site.hello)?;
    visit.leave()?;
    let printed = server.stdout_so_far()?;
    let ready = format!("listening on {}\n", server.address());
    // That there is such a line, and no other, is another check's.
    if printed.starts_with(b"listening on ") && !printed.starts_with(ready.as_bytes()) {
        return server.expect_ready_line();
    }
    Ok(())
}
