//! What `send` promises.

use std::net::SocketAddr;

use grader::retell::{of_message, of_stdout};
use grader::wording::steps;
use grader::{Check, Stop, Verdict};

/// An address for documentation (RFC 5737), which is nobody's. A network that has only a loopback
/// has no way to it.
const NOWHERE: &str = "192.0.2.1:9";

/// Each message is one datagram, as it is, in order.
pub fn messages(check: &mut Check) -> Verdict {
    let host = check.own_loopback();
    let mut peer = check.datagram_peer(&host)?;
    let messages = ["hello", "two words", "", "世界", " a ", "a line\n", "the seventh"];
    let address = peer.address().to_string();
    let sender = check.start(["send", &address].into_iter().chain(messages))?;
    for (number, message) in messages.iter().enumerate() {
        let came = peer.expect(&sender, message.as_bytes());
        of_message(came, &messages, number, peer.newest())?;
    }
    of_stdout(sender.finish_with(0)?.expect_stdout(b""))?;
    peer.expect_nothing_more(&sender)
}

/// A broadcast address takes messages, although the kernel refuses it to a socket that has not
/// asked.
pub fn broadcast(check: &mut Check) -> Verdict {
    let mut peer = check.shared_port()?;
    let everybody = SocketAddr::from(([127, 255, 255, 255], peer.address().port()));
    let text = check.random_text(12);
    let sender = check.start(["send", &everybody.to_string(), &text, "again"])?;
    peer.expect(&sender, text.as_bytes())?;
    peer.expect(&sender, b"again")?;
    sender.finish_with(0)?;
    Ok(())
}

/// Where no route leads, the kernel refuses to send, and the program says so. It runs in a network
/// that has only a loopback.
pub fn no_route(check: &mut Check) -> Verdict {
    let arguments = ["send", NOWHERE, "is anybody there?"];
    let sender = match check.start_without_network(arguments) {
        Err(Stop::Unsupported(_)) if !check.is_traced() => return nowhere_to_send(check),
        sender => sender?,
    };
    sender.finish_with(1)?.expect_stdout(b"")?.expect_some_error()?;
    Ok(())
}

/// The same where no such network is to be had: nothing can be sent to port 0 (EINVAL, `udp(7)`),
/// which a sender may also find to be no port.
fn nowhere_to_send(check: &mut Check) -> Verdict {
    check.take_weaker_form(steps::port_zero_instead());
    let sender = check.start(["send", "127.0.0.1:0", "is anybody there?"])?;
    sender.finish()?.expect_status(&[1, 2])?.expect_stdout(b"")?.expect_some_error()?;
    Ok(())
}
