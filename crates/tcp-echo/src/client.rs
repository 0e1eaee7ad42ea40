//! What the client promises.

use grader::retell::{of_stdout, told_as};
use grader::{Check, Connection, Finished, Program, Symptom, Verdict};

use crate::mistakes::{of_binary_stdout, of_text_reader};

/// No multiple of any usual buffer size, so that the last read of standard input does not fill a
/// buffer.
const STDIN_BYTES: u64 = 150_001;
/// Beyond any single read or write.
const LATE_BYTES: u64 = 2 << 20;

/// Starts a client that sends `message`, and accepts its connection.
fn start(check: &mut Check, message: &str) -> Verdict<(Program, Connection)> {
    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string(), message])?;
    let connection = peer.accept(&client)?;
    Ok((client, connection))
}

/// The message is sent as it is, white space and all, and what comes back is printed as it is.
pub fn message(check: &mut Check) -> Verdict {
    let message = "  hello, 世界 \n";
    let (client, mut connection) = start(check, message)?;
    connection.expect_bytes(message.as_bytes())?;
    connection.expect_no_more()?;
    connection.send(message.as_bytes())?;
    connection.finish_sending()?;
    let finished = client.finish_with(0)?;
    of_stdout(finished.expect_stdout(message.as_bytes()))?;
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
    empty_message(check)
}

/// An empty message is one: nothing is sent, and nothing of what stands on standard input.
fn empty_message(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string(), ""])?;
    client.feed_stdin(check.pattern(20));
    let mut connection = peer.accept(&client)?;
    told_as(connection.expect_end(), &[Symptom::ExtraBytes], "stdin-for-the-empty-message")?;
    connection.finish_sending()?;
    client.finish_with(0)?.expect_stdout(b"")?;
    Ok(())
}

/// Without a message the client sends all of its standard input, whatever the bytes.
pub fn stdin(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string()])?;
    let pattern = check.pattern(STDIN_BYTES);
    client.feed_stdin(pattern.clone());
    client.compare_stdout(pattern.clone());
    let mut connection = of_text_reader(peer.accept(&client), "stdin-cut-short")?;
    let arrived = connection.expect_pattern(&pattern).and_then(|()| connection.expect_no_more());
    let arrived = told_as(arrived, &[Symptom::ExtraBytes], "wrong-bytes");
    told_as(arrived, &[Symptom::CutShort, Symptom::Reset], "stdin-cut-short")?;
    connection.send(&pattern.copy(0, STDIN_BYTES as usize))?;
    connection.finish_sending()?;
    finish_compared(&client)
}

/// Waits for the end of a client whose standard output is compared.
fn finish_compared(client: &Program) -> Verdict {
    let finished = client.finish()?;
    if !matches!(finished.status(), Some(0 | 1)) {
        // A crash explains whatever else is wrong.
        finished.expect_status(&[0])?;
    }
    of_binary_stdout(client.finish_compared())?.expect_status(&[0])?;
    Ok(())
}

/// The answer comes byte by byte; another one is longer than the message.
pub fn dribs(check: &mut Check) -> Verdict {
    let text = check.random_text(64);
    let (client, mut connection) = start(check, &text)?;
    connection.expect_bytes(text.as_bytes())?;
    connection.send_bytewise(text.as_bytes())?;
    connection.finish_sending()?;
    client.finish_with(0)?.expect_stdout(text.as_bytes())?;

    // It is the server's close that ends the answer, not the number of bytes. Whether a client
    // finds fault with such a server is its own affair.
    let (client, mut connection) = start(check, &text)?;
    connection.expect_bytes(text.as_bytes())?;
    connection.send(text.as_bytes())?;
    connection.await_read()?;
    let more = connection.send(b" and more").and_then(|()| connection.finish_sending());
    told_as(more, &[Symptom::Reset, Symptom::CutShort], "stops-before-the-end")?;
    let finished = client.finish()?;
    let printed = finished.expect_stdout(format!("{text} and more").as_bytes());
    told_as(printed, &[Symptom::CutShort], "stops-before-the-end")?;
    Ok(())
}

/// The server reads all before it answers, and all is more than one read.
pub fn late_answer(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let client = check.start(["client", &peer.address().to_string()])?;
    let pattern = check.pattern(LATE_BYTES);
    client.feed_stdin(pattern.clone());
    client.compare_stdout(pattern.clone());
    let mut connection = peer.accept(&client)?;
    connection.expect_pattern(&pattern)?;
    connection.expect_end()?;
    connection.send(&pattern.copy(0, LATE_BYTES as usize))?;
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
        let finished = client.finish()?;
        let status = finished.expect_status(&[1]);
        if says_something(&finished, answer) {
            told_as(status, &[Symptom::WrongStatus], "noticed-and-another-status")?;
        } else {
            status?;
        }
        finished.expect_some_error()?;
        of_stdout(finished.expect_stdout(answer.as_bytes()))?;
    }
    // A reset ends the conversation as well. What came before it may be lost with it.
    let (client, mut connection) = start(check, "hello, world")?;
    connection.expect_bytes(b"hello, world")?;
    connection.reset()?;
    client.finish_with(1)?.expect_some_error()?;
    Ok(())
}

/// Whether a client printed anything besides `answer`, on whichever stream.
fn says_something(finished: &Finished, answer: &str) -> bool {
    !finished.stderr().trim_ascii().is_empty() || finished.stdout() != answer.as_bytes()
}

/// Nobody listens.
pub fn refused(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let client = check.start(["client", &nobody.address().to_string(), "hello"])?;
    client.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    Ok(())
}
