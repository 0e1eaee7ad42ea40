//! The rules that hold for every program of the course, and the two sides of this one together.

use grader::retell::{of_error_line, of_usage, told_as, told_by};
use grader::wording::file_transfer as words;
use grader::{Check, Server, Stop, Symptom, Verdict};

use crate::client::on_stdout;
use crate::folder::Folder;
use crate::talk::{SERVED, ask, expect_get, read_line, start};

/// The server says where it listens, in one line, and nothing else on standard output, also not of
/// its conversations: three that go well or end with an ERR, and one that breaks. Whether they do
/// is for other checks to say.
pub fn ready_line(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    expect_first_line(&server)?;
    folder.write(check, "a.txt", b"hello")?;
    let footprint = server.footprint()?;
    for request in ["GET a.txt\n", "PUT 1 b\nx", "FOO\n", "PUT 1000 c\nhalf"] {
        let mut client = ask(&server, request)?;
        if let Err(Stop::Error(error)) = read_line(&mut client, &words::any_line(&server.name())) {
            return Err(error.into());
        }
        client.reset()?;
        // What a server says of a conversation it may say at its end.
        server.await_footprint(&footprint)?;
    }
    told_by(server.expect_ready_line(), |_| Some("log-on-stdout"))
}

/// Expects the ready line, and names what is wrong with it where more than "no line" or "another
/// text" can be said.
fn expect_first_line(server: &Server) -> Verdict {
    let printed = server.stdout_so_far()?;
    let stderr = String::from_utf8_lossy(&server.stderr_so_far()?).to_lowercase();
    let verdict = server.expect_ready_line();
    match server.first_line_address()? {
        Some(address) if address != server.address() => {
            told_as(verdict, &[Symptom::BadReadyLine], "ready-line-with-another-address")
        }
        None if printed.is_empty() && stderr.contains("listening on") => {
            told_as(verdict, &[Symptom::NoReadyLine], "ready-line-on-stderr")
        }
        _ => verdict,
    }
}

/// A file goes to the program's own server, is listed, and comes back.
pub fn work_together(check: &mut Check) -> Verdict {
    let (server, folder) = start(check)?;
    together(check, &server, &folder)
}

fn together(check: &mut Check, server: &Server, folder: &Folder) -> Verdict {
    let address = server.address().to_string();
    let own = Folder::working(check);
    let bytes = check.random_bytes(70_000);
    own.write(check, "own.bin", &bytes)?;
    check.start(["put", &address, "own.bin", "报告 1"])?.finish_with(0)?;
    folder.await_file(server, "报告 1", &bytes)?;
    let listed = check.start(["list", &address])?.finish_with(0)?;
    listed.expect_stdout("70000 报告 1\n".as_bytes())?;
    check.start(["get", &address, "报告 1", "back.bin"])?.finish_with(0)?;
    own.expect_file("back.bin", &bytes)
}

/// HOST may be a name, and a client tries each address that the name has: the one that answers may
/// be the last.
pub fn host_names(check: &mut Check) -> Verdict {
    let folder = Folder::new(check, SERVED)?;
    folder.write(check, "a.txt", b"hello")?;
    let server = check.start_server(["serve", "localhost:0", SERVED])?;
    expect_get(&server, "a.txt", b"hello")?;
    for mut peer in check.named_peers()? {
        let client = check.start(["list", peer.named_address()])?;
        let mut connection = peer.accept(&client)?;
        read_line(&mut connection, &words::any_line(&client.name()))?;
        connection.send(b"OK 1\n5 a.txt\n")?;
        connection.finish_sending()?;
        client.finish_with(0)?;
    }
    Ok(())
}

/// A server whose port is taken says so and exits 1: taken by a stranger, and by another of its
/// kind.
pub fn port_taken(check: &mut Check) -> Verdict {
    let stranger = check.listen("127.0.0.1")?;
    let (first, _folder) = start(check)?;
    for taken in [stranger.address(), first.address()] {
        let server = check.start(["serve", &taken.to_string(), SERVED])?;
        server.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    }
    Ok(())
}

/// A wrong command line ends with status 2 and a line on standard error that names what is wrong;
/// an address that cannot be read, with 1 or 2.
pub fn usage(check: &mut Check) -> Verdict {
    let folder = Folder::new(check, SERVED)?;
    folder.write(check, "a.txt", b"hello")?;
    let wrong: [&[&str]; 11] = [
        &[],
        &["serve-me"],
        &["serve"],
        &["serve", "127.0.0.1:0"],
        &["serve", "127.0.0.1:0", SERVED, "surplus"],
        &["put", "127.0.0.1:9"],
        &["put", "127.0.0.1:9", "files/a.txt", "b", "surplus"],
        &["get", "127.0.0.1:9"],
        &["get", "127.0.0.1:9", "a", "b", "surplus"],
        &["list"],
        &["list", "127.0.0.1:9", "surplus"],
    ];
    for arguments in wrong {
        let finished = of_usage(check.start(arguments)?.finish_with(2))?;
        on_stdout(finished.expect_stdout(b""))?;
        finished.expect_some_error()?;
    }
    let unreadable: [&[&str]; 4] = [
        &["serve", "127.0.0.1", SERVED],
        &["serve", "127.0.0.1:70000", SERVED],
        &["get", "127.0.0.1:port", "a"],
        &["put", "127.0.0.1:port", "files/a.txt"],
    ];
    for arguments in unreadable {
        let finished = of_usage(check.start(arguments)?.finish())?;
        on_stdout(of_usage(finished.expect_status(&[1, 2]))?.expect_stdout(b""))?;
        finished.expect_some_error()?;
    }
    Ok(())
}

/// A failure is one line on standard error that names what was attempted and on what.
pub fn error_line(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let client = check.start(["list", &nobody.address().to_string()])?;
    of_error_line(client.finish_with(1)?.expect_error_line_about(nobody.address()))?;

    let peer = check.listen("127.0.0.1")?;
    let client = check.start(["put", &peer.address().to_string(), "no-such-file.txt"])?;
    of_error_line(client.finish_with(1)?.expect_error_line("no-such-file.txt"))?;
    Ok(())
}

/// The same over IPv6.
pub fn ipv6(check: &mut Check) -> Verdict {
    check.listen("::1")?;
    let folder = Folder::new(check, SERVED)?;
    let server = check.start_server(["serve", "[::1]:0", SERVED])?;
    together(check, &server, &folder)
}
