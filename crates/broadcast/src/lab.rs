//! What `listen` and `send` promise in networks of the lab: 172.60.50.0/24 with three listeners and
//! a sender, and its neighbour 172.60.51.0/24 behind a router.

use std::net::{Ipv4Addr, SocketAddr};

use grader::retell::told_by;
use grader::{Check, Host, Lab, Server, Verdict};

/// The hosts on which listeners of the lecture's network run.
const NEAR: [&str; 3] = ["alpha", "beta", "gamma"];
/// The largest address of 172.60.50.0/24.
const DIRECTED: Ipv4Addr = Ipv4Addr::new(172, 60, 50, 255);

/// What is sent to 172.60.50.255 is heard by every host of 172.60.50.0/24, and not beyond the
/// router: what the neighbour hears first is what is sent to itself afterwards.
pub fn directed(check: &mut Check) -> Verdict {
    everybody_hears(check, DIRECTED)
}

/// What is sent to 255.255.255.255 goes out by the default route's network, and reaches the same
/// hosts.
pub fn limited(check: &mut Check) -> Verdict {
    everybody_hears(check, Ipv4Addr::BROADCAST)
}

fn everybody_hears(check: &mut Check, everybody: Ipv4Addr) -> Verdict {
    let lab = check.lab()?;
    let port = 15_000 + u16::try_from(check.random().below(10_000)).unwrap_or(0);
    let listen = ["listen".to_owned(), format!("0.0.0.0:{port}")];
    let mut listeners = Vec::new();
    for name in NEAR {
        listeners.push(check.start_datagram_server_on(&lab.host(name)?, &listen)?);
    }
    let neighbour = lab.host("neighbour")?;
    let beyond = check.start_datagram_server_on(&neighbour, &listen)?;

    let home = lab.host("sender")?;
    let texts = [check.random_text(8), check.random_text(5)];
    let to = SocketAddr::from((everybody, port)).to_string();
    let sender = check.start_on(&home, ["send", &to, &texts[0], &texts[1]])?;
    sender.finish_with(0)?;
    for listener in &listeners {
        for (number, text) in texts.iter().enumerate() {
            let heard = listener.expect_heard_text(number, &format!("\"{text}\""));
            where_it_was_sent(heard, &lab, &home, everybody)?;
        }
    }
    hears_only_this(check, &home, &beyond, SocketAddr::from((neighbour.address(), port)))
}

/// The neighbour is sent a message of its own, which is the first that it hears.
fn hears_only_this(
    check: &mut Check,
    home: &Host,
    beyond: &Server,
    address: SocketAddr,
) -> Verdict {
    let text = check.random_text(6);
    let mut peer = home.datagram_peer()?;
    peer.send_to(beyond, address, text.as_bytes())?;
    beyond.expect_heard_text(0, &format!("\"{text}\""))
}

/// A listener that heard nothing: if the sender sent something, and all of it elsewhere, that is
/// the sender's mistake.
fn where_it_was_sent(verdict: Verdict, lab: &Lab<'_>, home: &Host, everybody: Ipv4Addr) -> Verdict {
    let went_there = || {
        let datagrams = lab.datagrams();
        let mut sent = datagrams.iter().filter(|datagram| &*datagram.from == home.name());
        sent.any(|datagram| datagram.destination.ip() == everybody)
    };
    told_by(verdict, |failure| match failure.symptom.is_silence() {
        true if went_there() => Some("heard-nothing"),
        true => Some("sent-elsewhere"),
        false => None,
    })
}
