//! What `listen` promises.

use std::net::SocketAddr;
use std::time::Duration;

use grader::retell::told_as;
use grader::udp::{DatagramPeer, MOST_BYTES};
use grader::wording::steps;
use grader::{Check, Failure, Server, Symptom, Verdict};

use crate::mistakes::of_trimmed;

/// How many datagrams a burst has: more than any receive buffer keeps.
const BURST: usize = 3000;
/// How long one that is sent after the burst may take to be printed before the next one is sent.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many are sent after the burst: the first of them may be lost as well.
const TRIES_AFTER: usize = 100;

/// A listener at any port of an address that no other check uses, and a sender of the grader's.
pub(crate) fn start(check: &mut Check) -> Verdict<(Server, DatagramPeer)> {
    let host = check.own_loopback();
    let listener = check.start_datagram_server(["listen", &format!("{host}:0")])?;
    let sender = check.datagram_peer(&host)?;
    Ok((listener, sender))
}

/// A message is printed at once, with its sender, and so is the same one when it comes again.
pub fn one_message(check: &mut Check) -> Verdict {
    let (listener, mut sender) = start(check)?;
    sender.send_to(&listener, listener.address(), b"hi")?;
    listener.expect_heard(0, &format!("from {} \"hi\"", sender.address()))?;
    sender.send_to(&listener, listener.address(), "世界, two words".as_bytes())?;
    listener.expect_heard(1, &format!("from {} \"世界, two words\"", sender.address()))?;
    sender.send_to(&listener, listener.address(), "世界, two words".as_bytes())?;
    let again = listener.expect_heard(2, &format!("from {} \"世界, two words\"", sender.address()));
    told_as(again, &[Symptom::Stalled], "repeat-left-out")
}

/// A message is one line whatever is in it: the text as `{:?}` prints it, what is not UTF-8
/// replaced.
pub fn as_text(check: &mut Check) -> Verdict {
    let (listener, mut sender) = start(check)?;
    let cases: [(&[u8], &str); 5] = [
        (b"two\nlines", r#""two\nlines""#),
        (b" spaces, and a newline at the end \n", r#"" spaces, and a newline at the end \n""#),
        (
            b"a \"quote\", a \\, a tab\tand \r and \0",
            r#""a \"quote\", a \\, a tab\tand \r and \0""#,
        ),
        (b"not \xff UTF-8", "\"not \u{fffd} UTF-8\""),
        (b"it's me", "\"it's me\""),
    ];
    for (number, (message, printed)) in cases.into_iter().enumerate() {
        sender.send_to(&listener, listener.address(), message)?;
        let heard = listener.expect_heard_text(number, printed);
        of_trimmed(heard, &listener, number, message)?;
    }
    Ok(())
}

/// Messages that wait together are still printed one by one, in order, and each with its own size.
/// What another sender sends is printed as well, as that one's.
pub fn edges(check: &mut Check) -> Verdict {
    let (listener, mut sender) = start(check)?;
    let texts = [check.random_text(700), check.random_text(3), check.random_text(11)];
    listener.pause()?;
    for text in &texts {
        sender.send_to(&listener, listener.address(), text.as_bytes())?;
    }
    listener.resume()?;
    for (number, text) in texts.iter().enumerate() {
        listener.expect_heard_text(number, &format!("\"{text}\""))?;
    }
    let host = check.own_loopback();
    let mut other = check.datagram_peer(&host)?;
    other.send_to(&listener, listener.address(), b"another sender")?;
    let heard = format!("from {} \"another sender\"", other.address());
    let heard = listener.expect_heard(texts.len(), &heard);
    told_as(heard, &[Symptom::Stalled, Symptom::WrongStdout], "one-sender-only")
}

/// A message of no bytes is one all the same.
pub fn empty_message(check: &mut Check) -> Verdict {
    let (listener, mut sender) = start(check)?;
    sender.send_to(&listener, listener.address(), b"")?;
    listener.expect_heard_text(0, "\"\"")?;
    sender.send_to(&listener, listener.address(), b"after it")?;
    listener.expect_heard_text(1, "after it")
}

/// The longest datagram of IPv4 is printed whole.
pub fn largest_message(check: &mut Check) -> Verdict {
    let (listener, mut sender) = start(check)?;
    for (number, size) in [3000, MOST_BYTES].into_iter().enumerate() {
        let text = check.random_text(size);
        sender.send_to(&listener, listener.address(), text.as_bytes())?;
        let heard = listener.expect_heard_text(number, &text);
        told_as(heard, &[Symptom::Named("shortened")], "tail-lost")?;
    }
    Ok(())
}

/// Three listeners share a port, and each hears everything that is broadcast there. One at a single
/// address, with a port that the kernel picked, shares it as well.
pub fn three_listeners(check: &mut Check) -> Verdict {
    let holder = check.shared_port()?;
    let port = holder.address().port();
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(check.start_datagram_server(["listen", &format!("0.0.0.0:{port}")])?);
    }
    let mut sender = check.datagram_peer("127.0.0.1")?;
    sender.allow_broadcast()?;
    let everybody = SocketAddr::from(([127, 255, 255, 255], port));
    let texts = [check.random_text(8), check.random_text(500), check.random_text(20)];
    for text in &texts {
        sender.send_to(&listeners[0], everybody, text.as_bytes())?;
    }
    for listener in &listeners {
        for (number, text) in texts.iter().enumerate() {
            listener.expect_heard_text(number, &format!("\"{text}\""))?;
        }
    }
    listeners.iter().try_for_each(|listener| listener.expect_running())?;
    let (alone, _sender) = start(check)?;
    if check.can_share_port(alone.address())? {
        return Ok(());
    }
    let (expected, got) = steps::port_can_be_shared(alone.address());
    Err(Failure::new(Symptom::Named("keeps-its-port"), expected, got).into())
}

/// A burst is more than the kernel keeps: some of it may be lost, but nothing comes twice or out of
/// order, and what is sent later is heard.
pub fn burst(check: &mut Check) -> Verdict {
    let (listener, mut sender) = start(check)?;
    for number in 0..BURST {
        sender.send_to(&listener, listener.address(), format!("burst-{number:04}").as_bytes())?;
    }
    let mut heard = false;
    for number in 0..TRIES_AFTER {
        let text = format!("after-{number:03}");
        sender.send_to(&listener, listener.address(), text.as_bytes())?;
        heard = listener.hears_within("after-", PATIENCE)?;
        if heard {
            break;
        }
    }
    if !heard {
        let (expected, got) = steps::hears_again(&listener.name());
        return Err(Failure::new(Symptom::Named("deaf-after-the-burst"), expected, got).into());
    }
    in_order(&listener)?;
    listener.expect_running()
}

/// Expects that the numbers of the burst rise from line to line.
fn in_order(listener: &Server) -> Verdict {
    let mut before = String::new();
    for line in listener.heard()? {
        let line = String::from_utf8_lossy(&line).into_owned();
        let Some((_, rest)) = line.split_once("burst-") else { continue };
        let name = format!("burst-{}", rest.get(..4).unwrap_or(rest));
        if name <= before {
            let (expected, got) = steps::lines_in_order(&before, &name);
            return Err(Failure::new(Symptom::Named("out-of-order"), expected, got).into());
        }
        before = name;
    }
    Ok(())
}
