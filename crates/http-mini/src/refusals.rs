//! What the server refuses. Each request has one fault.

use grader::retell::told_as;
use grader::wording::http_mini::{self as words, head};
use grader::{Check, Server, Stop, Symptom, Verdict};

use crate::site::{Site, start};
use crate::visit::{UNEXPECTED_STATUS, Visit};

const GET: &str = "GET /hello.txt HTTP/1.1";
const MALFORMED: &str = "GET  /hello.txt HTTP/1.1";

/// Sends a request, expects one of these statuses, and the end of the connection.
fn refuse(site: &Site, server: &Server, request: &str, asked: String, statuses: &[u16]) -> Verdict {
    let mut visit = answered(server, request, asked, statuses)?;
    expect_closed(&mut visit, site, server)
}

/// Expects the end of the connection after the last answer.
pub fn expect_closed(visit: &mut Visit, site: &Site, server: &Server) -> Verdict {
    match visit.expect_closed(&site.hello) {
        // A server that never closes is told so once, by the check of the request line.
        Err(Stop::Failed(failure)) if failure.symptom == Symptom::StillOpen => {
            let mut plain = Visit::begin(server)?;
            let closes = match plain.ask(MALFORMED, &[]) {
                Ok(()) => plain.expect_closed(&site.hello),
                Err(other) => Err(other),
            };
            match closes {
                Err(Stop::Failed(_)) if plain.answer.status == 400 => Ok(()),
                Err(Stop::Error(error)) => Err(error.into()),
                _ => Err(Stop::Failed(failure)),
            }
        }
        other => other,
    }
}

/// Sends a request, and expects one of these statuses.
fn answered(server: &Server, request: &str, asked: String, statuses: &[u16]) -> Verdict<Visit> {
    let mut visit = Visit::begin(server)?;
    visit.ask_as_it_is(request.as_bytes(), asked)?;
    visit.expect_status(statuses)?;
    Ok(visit)
}

/// A request with `lines` as they are, each ended by CR LF, and an empty line behind them.
pub fn of_lines(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [*line, "\r\n"]).chain(["\r\n"]).collect()
}

/// What is not `METHOD TARGET HTTP/d.d`, with one space between.
pub fn request_line(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let host = format!("Host: {}", server.address());
    let malformed = [
        ("hello", "parts"),
        ("GET /hello.txt", "parts"),
        (MALFORMED, "spaces"),
        ("GET /hello.txt  HTTP/1.1", "spaces"),
        (" GET /hello.txt HTTP/1.1", "spaces"),
        ("GET\t/hello.txt\tHTTP/1.1", "spaces"),
        ("GET /hello.txt HTTP/1.1 more", "parts"),
        ("GET /hello .txt HTTP/1.1", "parts"),
        ("GET HTTP/1.1", "parts"),
        ("GET /hello.txt HTTP/1", "version-form"),
        ("GET /hello.txt HTTP/1.x", "version-form"),
        ("GET /hello.txt FTP/1.1", "version-form"),
        ("GET /hello.txt 1.1", "version-form"),
    ];
    for (line, fault) in malformed {
        let request = of_lines(&[line, &host]);
        let asked = words::line(line.as_bytes());
        let visit = answered(&server, &request, asked, &[400]);
        told_as(visit, &[UNEXPECTED_STATUS], fault)?.expect_closed(&site.hello)?;
    }
    Ok(())
}

/// Another first number in the version is another protocol.
pub fn version(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let host = format!("Host: {}", server.address());
    let lines: [(&str, &[u16]); 4] = [
        ("GET /hello.txt HTTP/2.0", &[505]),
        ("GET /hello.txt HTTP/3.1", &[505]),
        ("GET /hello.txt HTTP/0.9", &[505]),
        // Without a second number it is malformed as well.
        ("GET /hello.txt HTTP/2", &[400, 505]),
    ];
    for (line, statuses) in lines {
        let request = of_lines(&[line, &host]);
        refuse(&site, &server, &request, words::line(line.as_bytes()), statuses)?;
    }
    Ok(())
}

/// No colon, white space before the colon, white space at the beginning of the line.
pub fn header_lines(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let host = format!("Host: {}", server.address());
    let lines = [
        ("no colon here", "no-colon"),
        ("Accept : text/html", "space-before-colon"),
        ("Accept\t: text/html", "space-before-colon"),
    ];
    for (line, fault) in lines {
        for fields in [[host.as_str(), line], [line, &host]] {
            let request = of_lines(&[GET, fields[0], fields[1]]);
            let refused = refuse(&site, &server, &request, words::request_with(line), &[400]);
            told_as(refused, &[UNEXPECTED_STATUS], fault)?;
        }
    }
    for folded in [" and more", "\tand more", " Accept: text/html"] {
        let asked = words::request_with(folded);
        let request = of_lines(&[GET, &host, "Accept: text/html", folded, "X: y"]);
        let refused = refuse(&site, &server, &request, asked, &[400]);
        told_as(refused, &[UNEXPECTED_STATUS], "folded")?;
    }
    Ok(())
}

/// HTTP/1.1 without exactly one Host that is one. What is fine is served.
pub fn host(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let host = format!("Host: {}", server.address());
    let asked = words::request_without("Host");
    let none = refuse(&site, &server, &of_lines(&[GET]), asked, &[400]);
    told_as(none, &[UNEXPECTED_STATUS], "no-host")?;
    let two = words::request_with_two("Host");
    refuse(&site, &server, &of_lines(&[GET, &host, &host]), two.clone(), &[400])?;
    refuse(&site, &server, &of_lines(&[GET, &host, "Host: example.org"]), two, &[400])?;
    for line in ["Host: two words", "Host: example.org/path", "Host: example.org:7x"] {
        let asked = words::request_with(line);
        let refused = refuse(&site, &server, &of_lines(&[GET, line]), asked, &[400]);
        told_as(refused, &[UNEXPECTED_STATUS], "not-a-host")?;
    }
    for line in ["Host: example.org", "Host: localhost:8080", "Host: 127.0.0.1", "Host: [::1]:7000"]
    {
        let asked = words::request_with(line);
        answered(&server, &of_lines(&[GET, line]), asked, &[200])?.leave()?;
    }
    let old = "GET /hello.txt HTTP/1.0";
    answered(&server, &of_lines(&[old]), words::line(old.as_bytes()), &[200])?.leave()
}

/// Whoever ignores Transfer-Encoding takes chunks for requests.
pub fn transfer_encoding(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let host = format!("Host: {}", server.address());
    let line = "Transfer-Encoding: chunked";
    let body = "5\r\nhello\r\n0\r\n\r\n";
    for first in ["POST /hello.txt HTTP/1.1", GET] {
        let request = of_lines(&[first, &host, line]) + body;
        refuse(&site, &server, &request, words::request_with(line), &[501])?;
    }
    let line = "Transfer-Encoding: gzip, chunked";
    let request = of_lines(&[GET, &host, line]) + body;
    refuse(&site, &server, &request, words::request_with(line), &[501])?;
    // Whatever the coding is called, this server does not know it.
    let line = "Transfer-Encoding: gzip";
    let request = of_lines(&[GET, &host, line]);
    let refused = refuse(&site, &server, &request, words::request_with(line), &[501]);
    told_as(refused, &[UNEXPECTED_STATUS], "another-coding")?;
    let both = words::request_with("Content-Length: 15, Transfer-Encoding: chunked");
    let fields = ["Content-Length: 15", "Transfer-Encoding: chunked"];
    let request = of_lines(&[GET, &host, fields[0], fields[1]]) + body;
    let refused = refuse(&site, &server, &request, both, &[400, 501]);
    told_as(refused, &[UNEXPECTED_STATUS], "with-a-length")
}

/// A length that is no number, or not one number.
pub fn content_length(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let host = format!("Host: {}", server.address());
    for value in ["+5", "-1", "x", "5x", "0x5", "1_0", "5.0", "5 5", ""] {
        let line = format!("Content-Length: {value}");
        let request = of_lines(&[GET, &host, &line]);
        refuse(&site, &server, &request, words::request_with(&line), &[400])?;
    }
    for (first, second) in [("5", "6"), ("0", "5"), ("6", "0")] {
        let (first, second) =
            (format!("Content-Length: {first}"), format!("Content-Length: {second}"));
        let asked = words::request_with(&format!("{first}, {second}"));
        let request = of_lines(&[GET, &host, &first, &second]) + "hello!";
        let refused = refuse(&site, &server, &request, asked, &[400]);
        told_as(refused, &[UNEXPECTED_STATUS], "two-lengths")?;
    }
    let line = "Content-Length: 99999999999999999999999";
    let request = of_lines(&[GET, &host, line]);
    answered(&server, &request, words::request_with(line), &[400, 413])?.leave()
}

/// A word that is no method, and methods that are known and not served.
pub fn methods(check: &mut Check) -> Verdict {
    let (_site, server) = start(check)?;
    for method in ["FETCH", "get", "GETS", "X"] {
        let line = format!("{method} /hello.txt HTTP/1.1");
        let visit = Visit::ask_once(&server, &line, &[])?;
        visit.expect_status(&[501])?;
        visit.leave()?;
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"] {
        let line = format!("{method} /hello.txt HTTP/1.1");
        let visit = Visit::ask_once(&server, &line, &["Content-Length: 0"])?;
        visit.expect_status(&[405])?;
        let allowed = visit.answer.words("allow");
        if !["get", "head"].iter().all(|method| allowed.iter().any(|word| word == method)) {
            return visit.wrong_field("Allow", words::names_both());
        }
        visit.leave()?;
    }
    Ok(())
}

/// A long header is served, one without measure is not, and nobody waits for its end. Both stay
/// some hundred bytes away from the limits, since what counts as a byte of the head may be read in
/// two ways.
pub fn head_too_large(check: &mut Check) -> Verdict {
    let (site, server) = start(check)?;
    let host = format!("Host: {}", server.address());
    let fields = |count: usize, length: usize| -> Vec<String> {
        (0..count).map(|number| format!("X-{number}: {}", "x".repeat(length))).collect()
    };
    let lines = |fields: &[String]| {
        let mut lines = vec![GET, &host];
        lines.extend(fields.iter().map(String::as_str));
        of_lines(&lines)
    };
    for (fields, how) in
        [(fields(1, 11_940), head::ONE_FIELD), (fields(40, 291), head::MANY_FIELDS)]
    {
        let request = lines(&fields);
        let asked = words::request_of(request.len(), how);
        let served = answered(&server, &request, asked, &[200]);
        told_as(served, &[UNEXPECTED_STATUS], "refused-early")?.leave()?;
    }
    let target = "x".repeat(11_900);
    let request = of_lines(&[&format!("GET /hello.txt?{target} HTTP/1.1"), &host]);
    let asked = words::request_of(request.len(), head::ENDED_LINE);
    let served = answered(&server, &request, asked, &[200]);
    told_as(served, &[UNEXPECTED_STATUS], "refused-early")?.leave()?;
    let long = lines(&fields(50, 400));
    let unended = &long[..long.len() - 2];
    let endless = format!("{GET}\r\n{host}\r\nX: {}", "x".repeat(20_400));
    let long_line = format!("GET /{}", "x".repeat(20_400));
    let ended_line = of_lines(&[&format!("{long_line} HTTP/1.1"), &host]);
    let target = "x".repeat(10_200);
    let shared = of_lines(&[&format!("GET /{target} HTTP/1.1"), &host, &format!("X: {target}")]);
    let too_large: [(&str, &str, &[u16]); 6] = [
        (&long, head::MANY_FIELDS, &[431]),
        (unended, head::NO_EMPTY_LINE, &[431]),
        (&endless, head::NO_LINE_END, &[431]),
        (&long_line, head::LONG_LINE, &[414, 431]),
        (&ended_line, head::ENDED_LINE, &[414, 431]),
        (&shared, head::SHARED, &[414, 431]),
    ];
    for (request, how, statuses) in too_large {
        let asked = words::request_of(request.len(), how);
        too_large_for(&site, &server, request, asked, statuses)?;
    }
    Ok(())
}

fn too_large_for(
    site: &Site,
    server: &Server,
    request: &str,
    asked: String,
    statuses: &[u16],
) -> Verdict {
    let mut visit = Visit::begin(server)?;
    let came = visit.ask_as_it_is(request.as_bytes(), asked);
    let came = told_as(came, &[Symptom::CutShort], "ended-unanswered");
    told_as(came, &[Symptom::Reset], "ended-unanswered")?;
    // A server that gave up waiting has waited for the end.
    let told = if visit.answer.status == 408 { "no-answer" } else { "not-refused" };
    told_as(visit.expect_status(statuses).map(drop), &[UNEXPECTED_STATUS], told)?;
    expect_closed(&mut visit, site, server)
}
