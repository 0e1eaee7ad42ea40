//! The rules that hold for every program of the course.

use std::net::Ipv4Addr;

use grader::retell::{of_stdout, told_as};
use grader::{Check, Server, Stop, Symptom, Verdict};

use crate::server::{converse, start};

/// The server says where it listens, in one line, and nothing else on standard output, also not of
/// its conversations. Whether these go well is for other checks to say.
pub fn ready_line(check: &mut Check) -> Verdict {
    let server = told_as(start(check), &[Symptom::NoReadyLine], "never-listens")?;
    for _ in 0..2 {
        if let Err(Stop::Error(error)) = converse(check, &server) {
            return Err(error.into());
        }
    }
    server.expect_listening_at(Ipv4Addr::LOCALHOST.into())?;
    let unlike = unlike_ready_line(&server)?;
    let fault = [Symptom::NoReadyLine, Symptom::BadReadyLine];
    match unlike {
        Some(name) => told_as(server.expect_ready_line(), &fault, name),
        None => server.expect_ready_line(),
    }
}

/// What may be wrong with a ready line, where more than "no line" or "another text" can be said.
fn unlike_ready_line(server: &Server) -> Verdict<Option<&'static str>> {
    let printed = server.stdout_so_far()?;
    let stderr = String::from_utf8_lossy(&server.stderr_so_far()?).to_lowercase();
    Ok(match server.first_line_address()? {
        Some(address) if address != server.address() => Some("ready-line-with-another-address"),
        Some(_) => Some("more-than-the-ready-line"),
        None if printed.is_empty() && stderr.contains("listening on") => {
            Some("ready-line-on-stderr")
        }
        None => None,
    })
}

/// HOST may be a name, and a client tries each address that the name has: the one that answers may
/// be the last.
pub fn host_names(check: &mut Check) -> Verdict {
    let server = check.start_server(["server", "localhost:0"])?;
    converse(check, &server)?;
    for mut peer in check.named_peers()? {
        let client = check.start(["client", peer.named_address(), "hello"])?;
        let mut connection = peer.accept(&client)?;
        connection.expect_bytes(b"hello")?;
        connection.send(b"hello")?;
        connection.finish_sending()?;
        client.finish_with(0)?.expect_stdout(b"hello")?;
    }
    Ok(())
}

/// A wrong command line ends with status 2 and a line on standard error that names what is wrong;
/// an address that cannot be read, with 1 or 2.
pub fn usage(check: &mut Check) -> Verdict {
    let wrong: [&[&str]; 6] = [
        &[],
        &["serve-me"],
        &["server"],
        &["server", "127.0.0.1:0", "surplus"],
        &["client"],
        &["client", "127.0.0.1:9", "one", "surplus"],
    ];
    for arguments in wrong {
        let finished = check.start(arguments)?.finish_with(2)?;
        of_stdout(finished.expect_stdout(b""))?;
        finished.expect_some_error()?;
    }
    let unreadable: [&[&str]; 3] = [
        &["server", "127.0.0.1"],
        &["server", "127.0.0.1:70000"],
        &["client", "127.0.0.1:port", "hi"],
    ];
    for arguments in unreadable {
        let finished = check.start(arguments)?.finish()?;
        of_stdout(finished.expect_status(&[1, 2])?.expect_stdout(b""))?;
        finished.expect_some_error()?;
    }
    Ok(())
}

/// A failure is one line on standard error that names what was attempted and on what.
pub fn error_line(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let client = check.start(["client", &nobody.address().to_string(), "hello"])?;
    client.finish()?.expect_error_line_about(nobody.address())?;

    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string(), "hello"])?;
    let mut connection = peer.accept(&client)?;
    connection.expect_bytes(b"hello")?;
    connection.finish_sending()?;
    client.finish()?.expect_error_line("")?;

    let server = check.start(["server", &peer.address().to_string()])?;
    server.finish()?.expect_last_error_line_about(peer.address())?;
    Ok(())
}
