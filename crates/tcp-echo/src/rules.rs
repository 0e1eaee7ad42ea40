//! The rules that hold for every program of the course.

use grader::{Check, Stop, Verdict};

use crate::server::{converse, start};

/// The server says where it listens, in one line, and nothing else on standard output, also not of its conversations.
/// Whether these go well is for other checks to say.
pub fn ready_line(check: &mut Check) -> Verdict {
    let server = start(check)?;
    for _ in 0..2 {
        if let Err(Stop::Error(error)) = converse(check, &server) {
            return Err(error.into());
        }
    }
    server.expect_ready_line()
}

/// HOST may be a name, and a client tries each address that the name has. Here nobody listens at `localhost`'s IPv6
/// address, which most systems try first.
pub fn host_names(check: &mut Check) -> Verdict {
    let server = check.start_server(["server", "localhost:0"])?;
    converse(check, &server)?;
    let mut peer = check.listen("127.0.0.1")?;
    let address = format!("localhost:{}", peer.address().port());
    let client = check.start(["client", &address, "hello"])?;
    let mut connection = peer.accept(&client)?;
    connection.expect_bytes(b"hello")?;
    connection.send(b"hello")?;
    connection.finish_sending()?;
    client.finish_with(0)?.expect_stdout(b"hello")?;
    Ok(())
}

/// A wrong command line ends with status 2 and a line on standard error; an address that cannot be read, with 1 or 2.
pub fn usage(check: &mut Check) -> Verdict {
    let wrong: [&[&str]; 6] = [
        &[],
        &["serve-me"],
        &["server"],
        &["server", "127.0.0.1:0", "more"],
        &["client"],
        &["client", "127.0.0.1:9", "one", "two"],
    ];
    for arguments in wrong {
        check.start(arguments)?.finish_with(2)?.expect_stdout(b"")?.expect_some_error()?;
    }
    let unreadable: [&[&str]; 3] = [
        &["server", "127.0.0.1"],
        &["server", "127.0.0.1:70000"],
        &["client", "127.0.0.1:port", "hi"],
    ];
    for arguments in unreadable {
        let finished = check.start(arguments)?.finish()?;
        finished.expect_status(&[1, 2])?.expect_stdout(b"")?.expect_some_error()?;
    }
    Ok(())
}

/// A failure is one line on standard error that names what was attempted and on what.
pub fn error_line(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let client = check.start(["client", &nobody.address().to_string(), "hello"])?;
    client.finish()?.expect_error_line(&nobody.address().port().to_string())?;

    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string(), "hello"])?;
    let mut connection = peer.accept(&client)?;
    connection.expect_bytes(b"hello")?;
    connection.finish_sending()?;
    client.finish()?.expect_error_line("")?;

    let server = check.start(["server", &peer.address().to_string()])?;
    server.finish()?.expect_last_error_line(&peer.address().port().to_string())?;
    Ok(())
}
