//! What one request gets.

use std::time::{Duration, SystemTime};

use grader::bytes::first_difference;
use grader::retell::{of_silence, told_as};
use grader::tcp::Buffers;
use grader::wording::http_mini as words;
use grader::{Check, Server, Stop, Symptom, Verdict};

use crate::answer::{Answer, BodyEnd, field};
use crate::refusals::of_lines;
use crate::site::{Site, start};
use crate::visit::{UNEXPECTED_STATUS, Visit, WRONG_HEADER};

/// A field that makes a head too large.
const TOO_LARGE_BYTES: usize = 24_000;
/// How far an answer's Date may be from the grader's clock, which a busy machine reads some time
/// before or after.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// Status, length and bytes are those of the file: one that is no text, an empty one, and one that
/// no single read or write takes whole while the client is slow. Nothing follows, as the next
/// answer shows.
pub fn get_file(check: &mut Check) -> Verdict {
    let site = Site::new(check)?;
    let mut every_value: Vec<u8> = (0..=255).collect();
    every_value.extend(check.random_bytes(1000));
    let large = check.pattern(2 << 20);
    site.file("every-value.bin", &every_value)?;
    site.file("empty.bin", b"")?;
    site.file("large.bin", &large.copy(0, 2 << 20))?;
    let server = site.serve(check)?;
    for (target, bytes) in [("/every-value.bin", every_value.as_slice()), ("/empty.bin", b"")] {
        let mut visit = Visit::ask_once(&server, &format!("GET {target} HTTP/1.1"), &[])?;
        visit.expect_status(&[200])?.expect_field("Content-Length", &bytes.len().to_string())?;
        expect_form(&visit)?;
        visit.expect_body(bytes)?;
        expect_nothing_behind(&mut visit)?;
        visit.leave()?;
    }
    let small = Buffers { receive_bytes: Some(128 << 10), send_bytes: None };
    let mut visit = Visit::begin_with(&server, &small)?;
    visit.ask("GET /large.bin HTTP/1.1", &[])?;
    visit.expect_status(&[200])?.expect_field("Content-Length", &(2 << 20).to_string())?;
    of_silence(visit.connection.expect_pattern(&large), Symptom::CutShort)?;
    visit.leave()
}

/// The head is one of HTTP/1.x, to the letter: here alone, since everywhere else it is read
/// leniently.
fn expect_form(visit: &Visit) -> Verdict {
    let fail =
        |(expected, got): (String, String)| visit.connection.fail(WRONG_HEADER, expected, got);
    let lines: Vec<&[u8]> = visit.answer.bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for line in &lines {
        if !line.ends_with(b"\r\n") {
            return fail(words::line_end(line));
        }
    }
    if !is_status_line(&visit.answer.status_line) {
        return fail(words::status_line(&visit.answer.status_line));
    }
    for line in &lines[1..lines.len() - 1] {
        let text = String::from_utf8_lossy(line);
        let name = text.split(':').next().unwrap_or_default();
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_ascii_whitespace());
        if !is_name || field(&text).is_none() {
            return fail(words::field_line(line.trim_ascii_end()));
        }
    }
    Ok(())
}

/// `HTTP/1.1 200 OK`; the phrase, and the space before it, may be missing.
fn is_status_line(line: &str) -> bool {
    let Some([_, b' ', a, b, c, rest @ ..]) =
        line.as_bytes().strip_prefix(b"HTTP/1.").filter(|rest| rest[..1].is_ascii())
    else {
        return false;
    };
    [a, b, c].iter().all(|digit| digit.is_ascii_digit()) && matches!(rest, [] | [b' ', ..])
}

/// Asks for something else on the same connection: its answer, or the end, is what comes next.
fn expect_nothing_behind(visit: &mut Visit) -> Verdict {
    let before = visit.asked.clone();
    let request = visit.request("GET /hello.txt HTTP/1.1", &[]);
    visit.connection.send(request.as_bytes())?;
    let expected = words::nothing_behind(&before);
    let beginning =
        visit.connection.read_until(&expected, |bytes| (bytes.len() >= 5).then_some(5))?;
    if beginning.is_empty() || beginning == b"HTTP/" {
        return Ok(());
    }
    let (_, got) = first_difference(b"", &beginning, 0);
    visit.connection.fail(Symptom::ExtraBytes, expected, got)
}

/// A file a type, and what has no known extension. A link's name counts, not that of the file where
/// it leads.
pub fn content_type(check: &mut Check) -> Verdict {
    const ANY: &[&str] = &["application/octet-stream"];
    let types: [(&str, &[&str]); 15] = [
        ("page.html", &["text/html"]),
        ("page.html?style=dark.css", &["text/html"]),
        ("style.css", &["text/css"]),
        ("script.js", &["text/javascript", "application/javascript"]),
        ("data.json", &["application/json"]),
        ("notes.txt", &["text/plain"]),
        ("picture.png", &["image/png"]),
        ("photo.jpg", &["image/jpeg"]),
        ("drawing.svg", &["image/svg+xml"]),
        ("favicon.ico", &["image/x-icon", "image/vnd.microsoft.icon"]),
        ("code.wasm", &["application/wasm"]),
        ("two.html.css", &["text/css"]),
        ("page.html.unknown", ANY),
        ("README", ANY),
        ("html", ANY),
    ];
    let site = Site::new(check)?;
    for (name, _) in types {
        site.file(name.split('?').next().unwrap_or(name), b"the same in each")?;
    }
    site.link("link.css", "notes.txt")?;
    let server = site.serve(check)?;
    for (name, wanted) in types {
        let visit = Visit::ask_once(&server, &format!("GET /{name} HTTP/1.1"), &[])?;
        visit.expect_status(&[200])?;
        expect_type(&visit, wanted)?;
        visit.leave()?;
    }
    let visit = Visit::ask_once(&server, "GET /link.css HTTP/1.1", &[])?;
    if visit.answer.status == 200 {
        // Whether links are served at all is another check's.
        told_as(expect_type(&visit, &["text/css"]), &[WRONG_HEADER], "type-of-the-goal")?;
    }
    visit.leave()
}

fn expect_type(visit: &Visit, wanted: &[&str]) -> Verdict {
    let value = visit.answer.field("content-type").unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(media_type)) {
        return Ok(());
    }
    visit.wrong_field("Content-Type", &words::types(wanted))
}

/// Every answer has the time of the answer, whatever its status. That of a client that falls silent
/// is judged where one does.
pub fn date(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    site.file("sub/page.html", b"a page")?;
    let lines = [
        "GET /hello.txt HTTP/1.1",
        "HEAD /hello.txt HTTP/1.1",
        "GET /sub HTTP/1.1",
        "GET /nothing HTTP/1.1",
        "DELETE /hello.txt HTTP/1.1",
        "GET /hello.txt",
    ];
    for line in lines {
        match Visit::ask_once(&server, line, &[]) {
            Ok(visit) => {
                expect_date(&visit)?;
                visit.leave()?;
            }
            // That there is an answer to what is no plain request is for other checks to judge.
            Err(Stop::Failed(_)) if !line.ends_with("/hello.txt HTTP/1.1") => {}
            Err(other) => return Err(other),
        }
    }
    let changed = fs_err::metadata(site.path().join("hello.txt"))?.modified()?;
    let rare = [
        format!("If-Modified-Since: {}", httpdate::fmt_http_date(changed)),
        "Range: bytes=5000-".to_owned(),
        format!("X: {}", "x".repeat(TOO_LARGE_BYTES)),
    ];
    for field in rare {
        let mut visit = Visit::begin(&server)?;
        let request = visit.request(lines[0], &[&field]);
        let asked = visit.ask_as_it_is(request.as_bytes(), words::request_with(&field));
        match asked {
            Ok(()) => {
                told_as(expect_date(&visit), &[WRONG_HEADER], "rare-answer")?;
                visit.leave()?;
            }
            Err(Stop::Failed(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// Expects the time of the answer in an answer that has one: an error of the server's need not.
///
/// # Errors
///
/// A failure that shows what it has.
pub fn expect_date(visit: &Visit) -> Verdict {
    if visit.answer.status >= 500 {
        return Ok(());
    }
    let text = visit.answer.field("date").unwrap_or_default();
    let date = httpdate::parse_http_date(text).ok();
    // Of the three forms that a recipient takes a sender may use one (RFC 9110, section 5.6.7).
    let Some(date) = date.filter(|date| httpdate::fmt_http_date(*date) == text) else {
        let (expected, got) = words::no_date(&visit.asked, visit.answer.field("date"));
        return visit.connection.fail(WRONG_HEADER, expected, got);
    };
    let now = SystemTime::now();
    let off = now.duration_since(date).unwrap_or_else(|error| error.duration());
    if off <= CLOCK_SLACK {
        return Ok(());
    }
    let now = httpdate::fmt_http_date(now);
    let (expected, got) = words::date_is_off(&visit.asked, text, &now);
    visit.connection.fail(WRONG_HEADER, expected, got)
}

/// A folder's slash stands for its index.html, if it has one; without the slash it is no file.
pub fn index(check: &mut Check) -> Verdict {
    let site = Site::new(check)?;
    site.file("index.html", b"<p>the first page")?;
    site.file("sub/index.html", b"<p>the page below")?;
    site.file("bare/page.html", b"<p>no index here")?;
    let server = site.serve(check)?;
    let pages: [(&str, &[u8]); 3] = [
        ("/", b"<p>the first page"),
        ("/sub/", b"<p>the page below"),
        ("/?page=2", b"<p>the first page"),
    ];
    for (target, page) in pages {
        let mut visit = Visit::ask_once(&server, &format!("GET {target} HTTP/1.1"), &[])?;
        visit.expect_status(&[200])?;
        told_as(expect_type(&visit, &["text/html"]), &[WRONG_HEADER], "index-type")?;
        visit.expect_body(page)?;
        visit.leave()?;
    }
    expect_each(&server, &["/bare/"], &[404])?;
    let visit = Visit::ask_once(&server, "GET /sub HTTP/1.1", &[])?;
    visit.expect_status(&[301, 404])?;
    let location = visit.answer.field("location").unwrap_or_default();
    if visit.answer.status == 301 && !location.ends_with("sub/") {
        let got = visit.answer.field("location");
        let (expected, got) = words::location(&visit.asked, "/sub/", got);
        return visit.connection.fail(WRONG_HEADER, expected, got);
    }
    visit.leave()
}

/// Asks for each target on a connection of its own, and expects one of these statuses.
fn expect_each(server: &Server, targets: &[&str], statuses: &[u16]) -> Verdict {
    for target in targets {
        let visit = Visit::ask_once(server, &format!("GET {target} HTTP/1.1"), &[])?;
        visit.expect_status(statuses)?;
        visit.leave()?;
    }
    Ok(())
}

/// HEAD has the header lines of GET and no body: the next answer on the connection, or its end,
/// comes at once.
pub fn head(check: &mut Check) -> Verdict {
    let (_site, server) = start(check)?;
    for (target, status) in [("/hello.txt", 200), ("/nothing", 404)] {
        let get = Visit::ask_once(&server, &format!("GET {target} HTTP/1.1"), &[])?;
        let wanted = get.answer.clone();
        get.leave()?;
        let mut head = Visit::ask_once(&server, &format!("HEAD {target} HTTP/1.1"), &[])?;
        if wanted.status == status {
            head.expect_status(&[status])?;
            expect_header_of(&wanted, &head, target)?;
        }
        expect_nothing_behind(&mut head)?;
        head.leave()?;
    }
    refused_head(&server)
}

/// Whatever the answer to a well-formed HEAD is, it has no body. What the statuses are, and what
/// comes of the connection, is judged elsewhere.
fn refused_head(server: &Server) -> Verdict {
    let host = format!("Host: {}", server.address());
    let faults: [&[&str]; 3] =
        [&[], &[&host, "Transfer-Encoding: chunked"], &[&host, "Range: bytes=5000-"]];
    for fields in faults {
        let mut visit = Visit::begin(server)?;
        let request = of_lines(&[&["HEAD /hello.txt HTTP/1.1"], fields].concat());
        let asked = words::head_with(fields.last().copied());
        match visit.ask_as_it_is(request.as_bytes(), asked) {
            Ok(()) => {}
            Err(Stop::Failed(_)) => continue,
            Err(other) => return Err(other),
        }
        match told_as(expect_nothing_behind(&mut visit), &[Symptom::ExtraBytes], "refused-head") {
            Err(stop) if stop.is_silence() => {}
            other => other?,
        }
        visit.leave()?;
    }
    Ok(())
}

fn expect_header_of(get: &Answer, head: &Visit, target: &str) -> Verdict {
    // These may tell of the connection and the moment, not of the file.
    const FREE: [&str; 3] = ["date", "connection", "keep-alive"];
    let lines = |answer: &Answer| {
        let mut lines: Vec<(String, String)> = answer.fields.clone();
        for (name, _) in &mut lines {
            name.make_ascii_lowercase();
        }
        lines.retain(|(name, _)| !FREE.contains(&name.as_str()));
        lines.sort();
        lines
    };
    let (wanted, got) = (lines(get), lines(&head.answer));
    let Some(name) = wanted
        .iter()
        .find(|line| !got.contains(line))
        .or_else(|| got.iter().find(|line| !wanted.contains(line)))
        .map(|(name, _)| name)
    else {
        return Ok(());
    };
    let of_name = |answer: &Answer| {
        let fields = answer.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        fields.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    let (expected, got) = words::header_differs(target, &of_name(get), &of_name(&head.answer));
    head.connection.fail(WRONG_HEADER, expected, got)
}

/// What is not there: a name, a folder, a name below a file.
pub fn not_found(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    site.file("sub/page.html", b"a page")?;
    expect_each(&server, &["/nothing", "/sub/nothing.txt", "/no/where/", "/hello.txt/more"], &[404])
}

/// The query goes first, then each `%XX` is one byte. A `%` without its two digits is refused.
pub fn percent_decoding(check: &mut Check) -> Verdict {
    let names = ["two words.txt", "what?.txt", "höhe.txt", "a+b.txt", "100%41.txt", "#.txt"];
    let site = Site::new(check)?;
    for name in names {
        site.file(name, name.as_bytes())?;
    }
    let server = site.serve(check)?;
    let targets = [
        ("/two%20words.txt", names[0]),
        ("/%74wo%20words%2etxt?x=1", names[0]),
        ("/what%3F.txt", names[1]),
        ("/what%3f.txt?more", names[1]),
        ("/h%C3%B6he.txt", names[2]),
        ("/a+b.txt", names[3]),
        ("/100%2541.txt", names[4]),
        ("/%23.txt", names[5]),
        ("/a+b.txt?x=%zz", names[3]),
        ("/a+b.txt?what?/../x", names[3]),
    ];
    for (target, name) in targets {
        let mut visit = Visit::ask_once(&server, &format!("GET {target} HTTP/1.1"), &[])?;
        visit.expect_status(&[200])?;
        visit.expect_body(name.as_bytes())?;
        visit.leave()?;
    }
    // Here stand the files that a lenient reader of digits would find.
    for name in ["\u{1}", "hello.txt\u{4}"] {
        site.file(name, b"not asked for")?;
    }
    let malformed = ["/%zz", "/hello.txt%", "/hello.txt%4", "/%4g", "/%+1"];
    let refused = expect_each(&server, &malformed, &[400, 404]);
    told_as(refused, &[UNEXPECTED_STATUS], "not-two-digits")
}

/// Clients that talk to a proxy send the whole URL.
pub fn absolute_form(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    site.file("index.html", b"<p>the first page")?;
    let url = format!("http://{}", server.address());
    let targets = [
        (format!("{url}/hello.txt"), site.hello.as_slice()),
        (format!("{url}/hello.txt?x=http://y/"), &site.hello),
        (format!("{url}/"), b"<p>the first page"),
        (url, b"<p>the first page"),
    ];
    let index = Visit::ask_once(&server, "GET / HTTP/1.1", &[])?;
    // Whether a folder gives its index is another check's.
    let count = if index.answer.status == 200 { targets.len() } else { 2 };
    index.leave()?;
    for (target, body) in &targets[..count] {
        let mut visit = Visit::ask_once(&server, &format!("GET {target} HTTP/1.1"), &[])?;
        visit.expect_status(&[200])?;
        visit.expect_body(body)?;
        visit.leave()?;
    }
    Ok(())
}

/// Some clients send a line break too many: before the first request, and between two.
pub fn empty_lines(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    for empty in ["\r\n", "\r\n\r\n"] {
        let mut visit = Visit::begin(&server)?;
        let line = format!("{empty}GET /hello.txt HTTP/1.1");
        visit.ask(&line, &[])?;
        visit.expect_status(&[200])?;
        visit.expect_body(&site.hello)?;
        if visit.answer.body_end(false) != BodyEnd::Close && visit.connection.end().is_none() {
            let asked = visit.ask(&line, &[]);
            // A connection that is not kept is another check's.
            if visit.connection.end().is_none() {
                asked?;
                visit.expect_status(&[200])?;
            }
        }
        visit.leave()?;
    }
    Ok(())
}

/// A server that closes although it is to be told so in another case, or that does not see a field,
/// has compared letters.
pub fn any_case(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let mut visit = Visit::begin(&server)?;
    let request = format!("GET /hello.txt HTTP/1.1\r\nhOsT: {}\r\n\r\n", server.address());
    visit.ask_as_it_is(request.as_bytes(), words::request_with("hOsT: ..."))?;
    visit.expect_status(&[200])?;
    visit.leave()?;
    // What these do in the usual case is judged by checks of their own.
    let get = "GET /hello.txt HTTP/1.1";
    let mut usual = asked_with(&server, get, "Connection: close")?;
    if usual.expect_closed(&site.hello).is_ok() {
        for close in ["Connection: Close", "cOnNeCtIoN: close", "CONNECTION: CLOSE"] {
            let mut visit = asked_with(&server, get, close)?;
            visit.expect_status(&[200])?;
            visit.expect_closed(&site.hello)?;
        }
        for close in ["Connection:close", "Connection:\t close \t"] {
            let mut visit = asked_with(&server, get, close)?;
            let served = visit.expect_status(&[200]).map(drop);
            told_as(served, &[UNEXPECTED_STATUS], "white-space")?;
            let closed = visit.expect_closed(&site.hello);
            told_as(closed, &[Symptom::StillOpen], "white-space")?;
        }
    }
    let refusals = [
        ("POST", "Transfer-Encoding: chunked", "tRANSFER-eNCODING: chunked", 501),
        ("GET", "Content-Length: x", "CONTENT-length: x", 400),
    ];
    for (method, usual, odd, status) in refusals {
        let line = format!("{method} /hello.txt HTTP/1.1");
        let visit = asked_with(&server, &line, usual)?;
        let is_refused = visit.answer.status == status;
        visit.leave()?;
        if is_refused {
            let visit = asked_with(&server, &line, odd)?;
            visit.expect_status(&[status])?;
            visit.leave()?;
        }
    }
    Ok(())
}

fn asked_with(server: &Server, line: &str, field: &str) -> Verdict<Visit> {
    let mut visit = Visit::begin(server)?;
    let request = visit.request(line, &[field]);
    visit.ask_as_it_is(request.as_bytes(), words::request_with(field))?;
    Ok(visit)
}

/// A request may come in any pieces, and the smallest are bytes.
pub fn one_byte_segments(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let mut visit = Visit::begin(&server)?;
    visit.asked = words::line(b"GET /hello.txt HTTP/1.1");
    let request = visit.request("GET /hello.txt HTTP/1.1", &["Accept: */*"]);
    visit.connection.send_bytewise(request.as_bytes())?;
    visit.await_answer()?;
    visit.expect_status(&[200])?;
    visit.expect_body(&site.hello)?;
    visit.leave()
}
