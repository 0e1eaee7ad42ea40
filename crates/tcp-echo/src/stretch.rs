//! What a learner can do beyond the 100 points.

use std::time::Instant;

use grader::tcp::Buffers;
use grader::{Check, Connection, Verdict};

use crate::server::{converse, start};

const MIB: u64 = 1 << 20;
/// How often a blocked write is interrupted: now and then one had taken nothing yet, and is begun
/// anew.
const STOPS: u32 = 2;
/// By how much a pool may grow.
const POOL_SLACK: usize = 20;
/// After so many conversations a server that keeps each one is beyond what a pool may grow.
const ENOUGH_CONVERSATIONS: usize = POOL_SLACK + 5;

/// The client reads while it writes: with more on standard input than the buffers between it and an
/// echo hold, a client that writes all first and then reads stands still for ever, and so does the
/// echo. Before the echo begins, the client is blocked in a write: a stop and a go on (Ctrl-Z and
/// `fg`) make the kernel return from it with a part of the bytes written.
pub fn client_64_mib(check: &mut Check) -> Verdict {
    let small = Buffers { receive_bytes: Some(256 << 10), send_bytes: Some(256 << 10) };
    let mut peer = check.listen_with("127.0.0.1", &small)?;
    let client = check.start(["client", &peer.address().to_string()])?;
    let pattern = check.pattern(64 * MIB);
    client.feed_stdin(pattern.clone());
    client.compare_stdout(pattern);
    let mut connection = peer.accept(&client)?;
    connection.stop_reading();
    for _ in 0..STOPS {
        connection.await_blocked_sender(&client)?;
        client.pause()?;
        client.resume()?;
        connection.take_in()?;
    }
    connection.echo_to_end()?;
    client.finish_compared()?.expect_status(&[0])?;
    Ok(())
}

/// A client that writes and never reads: the server has to stop reading from it, not to remember
/// all of it. Nobody else waits meanwhile, and when the client does read, nothing is missing.
pub fn slow_reader(check: &mut Check) -> Verdict {
    let server = start(check)?;
    converse(check, &server)?;
    let memory = server.memory_bytes()?;
    let small = Buffers { receive_bytes: Some(256 << 10), send_bytes: Some(256 << 10) };
    let mut client = Connection::open_with(&server, server.address(), &small)?;
    let pattern = check.pattern(96 * MIB);
    client.stop_reading();
    let sent = client.send_until_stuck(&pattern)?;
    converse(check, &server)?;
    server.expect_memory_growth_below(memory, 32 * MIB)?;
    // A stop and a go on make the kernel return from a blocked send with a part of the bytes
    // written.
    server.pause()?;
    server.resume()?;
    client.resume_reading();
    client.finish_sending()?;
    client.expect_pattern(&pattern.first(sent))?;
    client.expect_end()
}

/// Out of descriptors, accept fails with EMFILE and the connection stays in the queue: a server
/// that gives up is gone, one that tries again at once spins, and those it already serves must not
/// notice. Those that came meanwhile may be turned away: the accept that was waiting has its
/// descriptor already, but the server may need a second one for a client.
pub fn out_of_descriptors(check: &mut Check) -> Verdict {
    let server = start(check)?;
    let mut served = server.connect()?;
    served.send(b"before")?;
    served.expect_echo()?;
    let limit = server.exhaust_descriptors()?;
    let mut waiting = Vec::new();
    // No more than a short backlog (`listen(1)`) has room for: listen(2).
    for _ in 0..2 {
        waiting.push(server.connect()?);
    }
    server.expect_idle(std::time::Duration::from_millis(200), 20)?;
    served.send(b"meanwhile")?;
    served.expect_echo()?;
    server.restore_descriptors(limit)?;
    converse(check, &server)?;
    server.expect_running()
}

/// After 200 conversations the server is as it was after one. What a server keeps may make it so
/// slow that these take minutes: after half a deadline it is judged by those that it had, if they
/// are enough to tell.
pub fn no_leaks(check: &mut Check) -> Verdict {
    let server = start(check)?;
    converse(check, &server)?;
    let before = server.footprint()?;
    let (began, half) = (Instant::now(), check.deadline() / 2);
    for number in 0..200 {
        let allowed = if number < ENOUGH_CONVERSATIONS { half + half / 2 } else { half };
        if began.elapsed() > allowed {
            break;
        }
        // More resets than a pool may grow by: what is kept of each of them shows.
        if number % 5 == 0 {
            let mut client = server.connect()?;
            client.send(b"hello")?;
            client.reset()?;
        } else {
            converse(check, &server)?;
        }
    }
    server.expect_footprint_like(&before, POOL_SLACK)
}

/// The same over IPv6.
pub fn ipv6(check: &mut Check) -> Verdict {
    let mut peer = check.listen("::1")?;
    let client = check.start(["client", &peer.address().to_string(), "hello"])?;
    let mut connection = peer.accept(&client)?;
    connection.expect_bytes(b"hello")?;
    connection.send(b"hello")?;
    connection.finish_sending()?;
    client.finish_with(0)?.expect_stdout(b"hello")?;

    let server = check.start_server(["server", "[::1]:0"])?;
    converse(check, &server)?;
    server.expect_ready_line()
}
