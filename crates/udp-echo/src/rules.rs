//! The rules that hold for every program of the course.

use std::net::Ipv4Addr;

use grader::retell::{of_error_line, of_stdout, of_usage, told_as};
use grader::{Check, Stop, Symptom, Verdict};

use crate::server::{converse, start};

/// The server says where it listens, in one line, and nothing else on standard output, also not of
/// its conversations. Whether these go well is for other checks to say.
pub fn ready_line(check: &mut Check) -> Verdict {
    let server = told_as(start(check), &[Symptom::NoReadyLine], "never-binds")?;
    for _ in 0..2 {
        if let Err(Stop::Error(error)) = converse(check, &server) {
            return Err(Stop::Error(error));
        }
    }
    server.expect_datagram_ready_line(Ipv4Addr::LOCALHOST.into())
}

/// HOST may be a name, and a client tries each address that the name has. Here nobody answers at
/// `localhost`'s IPv6 address, which most systems try first.
pub fn host_names(check: &mut Check) -> Verdict {
    let server = check.start_datagram_server(["server", "localhost:0"]);
    let server = told_as(server, &[Symptom::Exited, Symptom::Crashed], "name-not-resolved")?;
    let host = if server.address().is_ipv6() { "::1" } else { "127.0.0.1" };
    let mut visitor = check.datagram_peer(host)?;
    visitor.send_to(&server, server.address(), b"hello")?;
    visitor.expect(&server, b"hello")?;

    let mut peer = check.datagram_peer("127.0.0.1")?;
    let address = format!("localhost:{}", peer.address().port());
    let client = check.start(["client", &address, "hello"])?;
    let datagram = peer.expect(&client, b"hello")?;
    peer.send_to(&client, datagram.from, b"hello")?;
    client.finish_with(0)?.expect_stdout(b"hello\n")?;
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
        &["client", "127.0.0.1:9"],
    ];
    for arguments in wrong {
        let finished = of_usage(check.start(arguments)?.finish_with(2))?;
        of_stdout(finished.expect_stdout(b""))?;
        finished.expect_some_error()?;
    }
    let unreadable: [&[&str]; 3] = [
        &["server", "127.0.0.1"],
        &["server", "127.0.0.1:70000"],
        &["client", "127.0.0.1:port", "hi"],
    ];
    for arguments in unreadable {
        let finished = of_usage(check.start(arguments)?.finish())?;
        of_stdout(of_usage(finished.expect_status(&[1, 2]))?.expect_stdout(b""))?;
        finished.expect_some_error()?;
    }
    Ok(())
}

/// A failure is one line on standard error that names what was attempted and on what.
pub fn error_line(check: &mut Check) -> Verdict {
    let host = check.own_loopback();
    let silent = check.datagram_peer(&host)?;
    // Longer than any datagram can be, so the kernel refuses it (EMSGSIZE).
    let text = check.random_text(70_000);
    let client = check.start(["client", &silent.address().to_string(), &text])?;
    of_error_line(client.finish()?.expect_error_line_about(silent.address()))?;

    // Told of the closed port or not, the client fails.
    let closed = check.closed_datagram_port(&host)?;
    let client = check.start(["client", &closed.address().to_string(), "hello"])?;
    of_error_line(client.finish()?.expect_error_line_about(closed.address()))?;

    // A try that gets no reply is no failure yet, and says nothing.
    let client = check.start(["client", &silent.address().to_string(), "hello"])?;
    let finished = client.finish()?;
    let told = of_error_line(finished.expect_error_line_about(silent.address()));
    told_as(told, &[Symptom::Named("several-lines")], "complains-of-each-try")?;

    let server = check.start(["server", &silent.address().to_string()])?;
    of_error_line(server.finish()?.expect_last_error_line_about(silent.address()))?;
    Ok(())
}
