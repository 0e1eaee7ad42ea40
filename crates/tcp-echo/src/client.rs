//! What the client promises.

use grader::{Check, Connection, Program, Verdict};

/// Starts a client that sends `message`, and accepts its connection.
fn start(check: &mut Check, message: &str) -> Verdict<(Program, Connection)> {
    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string(), message])?;
    let connection = peer.accept(&client)?;
    Ok((client, connection))
}

/// The message is sent as it is, and what comes back is printed as it is.
pub fn message(check: &mut Check) -> Verdict {
    let (client, mut connection) = start(check, "hello, 世界")?;
    connection.expect_bytes("hello, 世界".as_bytes())?;
    connection.send("hello, 世界".as_bytes())?;
    connection.finish_sending()?;
    client.finish_with(0)?.expect_stdout("hello, 世界".as_bytes())?;
    Ok(())
}

/// The client finishes its sending half after the message, and still reads.
pub fn half_close(check: &mut Check) -> Verdict {
    let (client, mut connection) = start(check, "that is all")?;
    connection.expect_bytes(b"that is all")?;
    connection.expect_end()?;
    connection.send(b"that is all")?;
    connection.finish_sending()?;
    client.finish_with(0)?.expect_stdout(b"that is all")?;
    Ok(())
}

/// Without a message the client sends all of its standard input, whatever the bytes.
pub fn stdin(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string()])?;
    let pattern = check.pattern(150_000);
    client.feed_stdin(pattern.clone());
    client.compare_stdout(pattern.clone());
    let mut connection = peer.accept(&client)?;
    connection.expect_pattern(&pattern)?;
    connection.send(&pattern.copy(0, 150_000))?;
    connection.finish_sending()?;
    client.finish_compared()?.expect_status(&[0])?;
    Ok(())
}

/// The answer comes byte by byte.
pub fn dribs(check: &mut Check) -> Verdict {
    let text = check.random_text(64);
    let (client, mut connection) = start(check, &text)?;
    connection.expect_bytes(text.as_bytes())?;
    connection.send_bytewise(text.as_bytes())?;
    connection.finish_sending()?;
    client.finish_with(0)?.expect_stdout(text.as_bytes())?;
    Ok(())
}

/// The server reads all before it answers, and all is more than one read.
pub fn late_answer(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string()])?;
    let pattern = check.pattern(2 << 20);
    client.feed_stdin(pattern.clone());
    client.compare_stdout(pattern.clone());
    let mut connection = peer.accept(&client)?;
    connection.expect_pattern(&pattern)?;
    connection.expect_end()?;
    connection.send(&pattern.copy(0, 2 << 20))?;
    connection.finish_sending()?;
    client.finish_compared()?.expect_status(&[0])?;
    Ok(())
}

/// A server that closes before every byte came back has failed, and the client says so.
pub fn early_close(check: &mut Check) -> Verdict {
    for answer in ["", "hello"] {
        let (client, mut connection) = start(check, "hello, world")?;
        connection.expect_bytes(b"hello, world")?;
        connection.send(answer.as_bytes())?;
        connection.finish_sending()?;
        client.finish_with(1)?.expect_some_error()?.expect_stdout(answer.as_bytes())?;
    }
    Ok(())
}

/// Nobody listens.
pub fn refused(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let client = check.start(["client", &nobody.address().to_string(), "hello"])?;
    client.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    Ok(())
}
