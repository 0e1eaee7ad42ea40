//! The rules that hold for every program of the course.

use grader::retell::told_as;
use grader::tcp::Buffers;
use grader::wording::http_mini as words;
use grader::{Check, Finished, Program, Server, Stop, Symptom, Verdict};

use crate::answer;
use crate::peer::{Exchange, finish, ok, with_status};
use crate::site::{NAME, Site, start};
use crate::visit::Visit;

/// The server says where it listens, in one line, and nothing else on standard output, also not of
/// its conversations: not of a request, a refusal, or a client that resets. Whether these go well
/// is for other checks to say.
pub fn ready_line(check: &mut Check) -> Verdict {
    let site = Site::new(check)?;
    site.hollow_file("large.bin", 64 << 20)?;
    let server = site.serve(check)?;
    for line in ["GET /hello.txt HTTP/1.1", "GET /nothing HTTP/1.1", "nonsense"] {
        match Visit::ask_once(&server, line, &["Connection: close"]) {
            Ok(visit) => visit.leave()?,
            Err(Stop::Error(error)) => return Err(error.into()),
            Err(_) => {}
        }
    }
    for beginning in
        ["GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n", "GET /hello.txt HTTP/1.1\r\nHos"]
    {
        match reset_after(&server, beginning.as_bytes()) {
            Err(Stop::Failed(_)) | Ok(()) => {}
            Err(other) => return Err(other),
        }
    }
    let (bad, none) = unlike_ready_line(&server)?;
    let line = told_as(server.expect_ready_line(), &[Symptom::BadReadyLine], bad);
    told_as(line, &[Symptom::NoReadyLine], none)
}

/// How a bad ready line and one that is not there are told, where more can be said of them: an
/// address that cannot be read is another mistake than words that belong elsewhere.
fn unlike_ready_line(server: &Server) -> Verdict<(&'static str, &'static str)> {
    let bad = match server.first_line_address()? {
        Some(address) if address == server.address() => "more-than-the-ready-line",
        None if server.stdout_so_far()?.starts_with(b"listening on ") => "no-address",
        _ => Symptom::BadReadyLine.as_str(),
    };
    let stderr = String::from_utf8_lossy(&server.stderr_so_far()?).to_lowercase();
    let is_elsewhere = stderr.contains("listening on");
    let none = if is_elsewhere { "ready-line-on-stderr" } else { Symptom::NoReadyLine.as_str() };
    Ok((bad, none))
}

/// Sends the beginning of a request, resets in the middle of what comes of it, and waits until the
/// server has seen that: the next client is answered, and nothing of the last one is left.
fn reset_after(server: &Server, beginning: &[u8]) -> Verdict {
    let before = server.footprint().ok();
    let small = Buffers { receive_bytes: Some(64 << 10), send_bytes: None };
    let mut visit = Visit::begin_with(server, &small)?;
    visit.connection.send(beginning)?;
    if beginning.ends_with(b"\r\n\r\n") {
        visit.await_answer()?;
    } else {
        visit.connection.await_read()?;
    }
    visit.connection.reset()?;
    if let Some(before) = before {
        server.await_footprint(&before)?;
    }
    Visit::ask_once(server, "GET /hello.txt HTTP/1.1", &[])?.leave()
}

/// A server that cannot serve exits 1: DIR is a file, or missing, or the port is taken by a
/// stranger or by another of its kind.
pub fn cannot_serve(check: &mut Check) -> Verdict {
    let (_site, first) = start(check)?;
    for folder in [&format!("{NAME}/hello.txt"), "missing"] {
        let server = check.start(["serve", "127.0.0.1:0", folder])?;
        let finished = told_as_serving(server.finish_with(1))?;
        finished.expect_stdout(b"")?.expect_some_error()?;
    }
    let stranger = check.listen("127.0.0.1")?;
    for taken in [stranger.address(), first.address()] {
        let server = check.start(["serve", &taken.to_string(), NAME])?;
        server.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    }
    Ok(())
}

/// A server that goes on without a folder has another fault than one that ends in another way.
fn told_as_serving<T>(verdict: Verdict<T>) -> Verdict<T> {
    let goes_on = [Symptom::Stalled, Symptom::TooLate, Symptom::StillRunning];
    told_as(verdict, &goes_on, "serves-no-folder")
}

/// HOST may be a name, and a client tries each address that the name has: the one that answers may
/// be the last.
pub fn host_names(check: &mut Check) -> Verdict {
    let site = Site::new(check)?;
    let server = check.start_server(["serve", "localhost:0", NAME])?;
    let mut visit = Visit::ask_once(&server, "GET /hello.txt HTTP/1.1", &[])?;
    visit.expect_body(&site.hello)?;
    visit.leave()?;
    for mut peer in check.named_peers()? {
        let client = check.start(["get", &format!("http://{}/", peer.named_address())])?;
        let mut exchange = Exchange::accept(&mut peer, &client)?;
        exchange.answer_and_close(&ok(&["Content-Length: 5"], b"hello"))?;
        exchange.finish()?.expect_status(&[0])?.expect_stdout(b"hello")?;
        expect_name(&exchange, peer.named_address())?;
    }
    Ok(())
}

/// Host is the name of the URL, not the address that it was resolved to. Whether there is a Host,
/// and whether it names the port, is another check's.
fn expect_name(exchange: &Exchange, named: &str) -> Verdict {
    let name = named.split(':').next().unwrap_or(named);
    let hosts: Vec<&str> = answer::all(&exchange.request.fields, "host").collect();
    let is_name = |host: &&str| host.split(':').next().unwrap_or(host).eq_ignore_ascii_case(name);
    if hosts.len() != 1 || hosts.iter().all(is_name) {
        return Ok(());
    }
    let (expected, got) = words::request_field("Host", named, &hosts);
    exchange.connection.fail(Symptom::Named("host-is-no-name"), expected, got)
}

/// A wrong command line ends with status 2 and a line on standard error; an address or a URL that
/// cannot be read, or is of another scheme, with 1 or 2.
pub fn usage(check: &mut Check) -> Verdict {
    let _site = Site::new(check)?;
    let wrong: [&[&str]; 8] = [
        &[],
        &["serve-me"],
        &["GET"],
        &["serve"],
        &["serve", "127.0.0.1:0"],
        &["serve", "127.0.0.1:0", NAME, "more"],
        &["get"],
        &["get", "http://127.0.0.1:9/", "more"],
    ];
    for arguments in wrong {
        check.start(arguments)?.finish_with(2)?.expect_stdout(b"")?.expect_some_error()?;
    }
    let unreadable: [&[&str]; 6] = [
        &["serve", "127.0.0.1", NAME],
        &["serve", "127.0.0.1:70000", NAME],
        &["get", "nonsense"],
        &["get", "http://"],
        &["get", "http://127.0.0.1:port/"],
        &["get", "http://127.0.0.1:70000/"],
    ];
    for arguments in unreadable {
        let finished = check.start(arguments)?.finish()?;
        finished.expect_status(&[1, 2])?.expect_stdout(b"")?.expect_some_error()?;
    }
    // Somebody listens there, so that a connection is no reason to fail.
    let peer = check.listen("127.0.0.1")?;
    let client = check.start(["get", &format!("ftp://{}/file", peer.address())])?;
    let finished = told_as(finish(&client), &[Symptom::StillRunning], "another-scheme")?;
    finished.expect_status(&[1, 2])?.expect_stdout(b"")?.expect_some_error()?;
    Ok(())
}

/// A failure is one line on standard error that names what was attempted and on what: the peer's
/// address, the server's own, DIR. Whether these
/// are failures at all is judged by other checks: here a program that does not fail has nothing to
/// say.
pub fn error_line(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let client = check.start(["get", &format!("http://{}/file", nobody.address())])?;
    expect_named(&finish(&client)?, |failed| failed.expect_error_line_about(nobody.address()))?;

    let answers = [
        with_status("HTTP/1.1 404 Not Found", &["Content-Length: 2"], b"no"),
        ok(&["Content-Length: 100"], b"short"),
        b"hello".to_vec(),
    ];
    for answer in answers {
        let mut exchange = Exchange::begin(check, "/file")?;
        exchange.answer_and_close(&answer)?;
        if let Some(failed) = failed(&exchange.client)? {
            failed.expect_error_line("")?;
        }
    }

    let _site = Site::new(check)?;
    let stranger = check.listen("127.0.0.1")?;
    let taken = stranger.address();
    let server = check.start(["serve", &taken.to_string(), NAME])?;
    if let Some(failed) = failed(&server)? {
        expect_named(&failed, |failed| failed.expect_last_error_line_about(taken))?;
    }
    for (folder, name) in
        [("missing".to_owned(), "missing"), (format!("{NAME}/hello.txt"), "hello.txt")]
    {
        let server = check.start(["serve", "127.0.0.1:0", &folder])?;
        if let Some(failed) = failed(&server)? {
            expect_named(&failed, |failed| failed.expect_last_error_line(name))?;
        }
    }
    Ok(())
}

/// A line that says what went wrong and not on what is another mistake than too many lines.
fn expect_named(
    failed: &Finished,
    expect: impl FnOnce(&Finished) -> Verdict<&Finished>,
) -> Verdict {
    let stderr = String::from_utf8_lossy(failed.stderr());
    let lines = stderr.lines().filter(|line| !line.trim().is_empty()).count();
    let told = if lines == 1 { "nameless" } else { Symptom::WrongStderr.as_str() };
    told_as(expect(failed).map(drop), &[Symptom::WrongStderr], told)
}

/// How a program ended, if it did and said that it failed.
fn failed(program: &Program) -> Verdict<Option<Finished>> {
    match finish(program) {
        Ok(finished) => Ok(Some(finished).filter(|finished| finished.status() != Some(0))),
        Err(Stop::Failed(_)) => Ok(None),
        Err(other) => Err(other),
    }
}
