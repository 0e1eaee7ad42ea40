//! The rules that hold for every program of the course.

use grader::retell::{of_error_line, of_stdout, of_usage, told_as};
use grader::udp::expect_at_any;
use grader::{Check, Symptom, Verdict};

use crate::listen::start;

/// The listener says where it listens, in one line, before anything is heard. What it then hears is
/// for other checks to say.
pub fn ready_line(check: &mut Check) -> Verdict {
    let (listener, sender) = told_as(start(check), &[Symptom::NoReadyLine], "never-binds")?;
    listener.expect_datagram_ready_line(sender.address().ip())
}

/// A listener whose port is somebody's who does not share it says so and exits 1.
pub fn port_taken(check: &mut Check) -> Verdict {
    let host = check.own_loopback();
    let holder = check.datagram_peer(&host)?;
    let listener = check.start(["listen", &holder.address().to_string()])?;
    listener.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    Ok(())
}

/// HOST may be a name. Which of its addresses a sender takes is open, since nobody answers.
pub fn host_names(check: &mut Check) -> Verdict {
    let listener = check.start_datagram_server(["listen", "localhost:0"]);
    let listener = told_as(listener, &[Symptom::Exited, Symptom::Crashed], "name-not-resolved")?;
    let host = if listener.address().is_ipv6() { "::1" } else { "127.0.0.1" };
    let mut sender = check.datagram_peer(host)?;
    let text = check.random_text(12);
    sender.send_to(&listener, listener.address(), text.as_bytes())?;
    listener.expect_heard_text(0, &text)?;

    let mut peers = check.localhost_peers()?;
    let address = format!("localhost:{}", peers[0].address().port());
    let text = check.random_text(12);
    let sender = check.start(["send", &address, &text])?;
    expect_at_any(&mut peers, &sender, text.as_bytes())?;
    sender.finish_with(0)?;
    Ok(())
}

/// A wrong command line ends with status 2 and a line on standard error that names what is wrong;
/// an address that cannot be read, with 1 or 2.
pub fn usage(check: &mut Check) -> Verdict {
    let wrong: [&[&str]; 8] = [
        &[],
        &["shout"],
        &["address"],
        &["address", "10.0.0.0/8", "surplus"],
        &["listen"],
        &["listen", "127.0.0.1:0", "surplus"],
        &["send"],
        &["send", "127.0.0.1:9"],
    ];
    for arguments in wrong {
        let finished = of_usage(check.start(arguments)?.finish_with(2))?;
        of_stdout(finished.expect_stdout(b""))?;
        finished.expect_some_error()?;
    }
    let unreadable: [&[&str]; 3] = [
        &["listen", "127.0.0.1"],
        &["listen", "127.0.0.1:70000"],
        &["send", "127.0.0.1:port", "hi"],
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
    let holder = check.datagram_peer(&host)?;
    let listener = check.start(["listen", &holder.address().to_string()])?;
    of_error_line(listener.finish()?.expect_last_error_line_about(holder.address()))?;

    // Longer than any datagram can be, so the kernel refuses it (EMSGSIZE).
    let text = check.random_text(70_000);
    let sender = check.start(["send", &holder.address().to_string(), &text])?;
    of_error_line(sender.finish()?.expect_error_line_about(holder.address()))?;
    Ok(())
}

/// The same over IPv6, which has no broadcast.
pub fn ipv6(check: &mut Check) -> Verdict {
    let mut peer = check.datagram_peer("::1")?;
    let sender = check.start(["send", &peer.address().to_string(), "hello"])?;
    peer.expect(&sender, b"hello")?;
    sender.finish_with(0)?;

    let listener = check.start_datagram_server(["listen", "[::1]:0"])?;
    peer.send_to(&listener, listener.address(), b"hello")?;
    listener.expect_heard(0, &format!("from {} \"hello\"", peer.address()))
}
