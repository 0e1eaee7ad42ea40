//! What is said beside the packets.

use std::net::Ipv4Addr;
use std::ops::Range;

use grader::bytes::{self, thousands};
use grader::record::{Event, Sample, What};
use netlab::Fate;

use super::draw::common_name;
use super::story::{Happening, Row, Step, Story};
use super::tcp::{Seen, Segment, State};

/// Who plays the program's peer.
pub const GRADER: &str = "the peer";
/// Who a broadcast is for.
pub const EVERYBODY: &str = "everybody on this network";
/// What stands above a side that has many names.
pub const SEVERAL: &str = "several programs";
/// Who is at an address that no host has.
pub const NOBODY: &str = "no host";
/// The host that passes packets on.
pub const ROUTER: &str = "router";
pub const ROUTED: &str = "the router passes it on";
pub const DATAGRAM: &str = "datagram,";
pub const SAME_AGAIN: &str = "the same as before";
pub const FRAGMENT: &str = "IP fragment";
pub const CONNECT: &str = "connect";
pub const SHUTDOWN: &str = "shutdown(Write)";
pub const CLOSE: &str = "close";
pub const CLOSE_LINGER: &str = "close after SO_LINGER=0";
pub const CLOSE_UNREAD: &str = "close with bytes unread";

/// The header of a UDP datagram.
pub const UDP_HEADER_BYTES: u64 = 8;

/// How many columns of what a program prints are shown.
const PRINTED_COLUMNS: usize = 100;
/// How many sends are told one by one.
const TOLD_SENDS: usize = 4;

/// "5 bytes", "1 byte".
pub fn count(bytes: u64) -> String {
    format!("{} {}", thousands(bytes), if bytes == 1 { "byte" } else { "bytes" })
}

/// A program's name without the address of its host, which stands beside it.
pub fn without_place(name: &str) -> String {
    match name.rsplit_once(" on ") {
        Some((name, place)) if place.parse::<Ipv4Addr>().is_ok() => name.to_owned(),
        _ => name.to_owned(),
    }
}

/// What a segment is.
pub fn label(segment: &Segment) -> String {
    let Segment { syn, fin, rst, acknowledges, bytes, .. } = segment;
    let flag = match (syn, fin, rst) {
        (_, _, true) => "RST",
        (true, ..) if acknowledges.is_some() => "SYN-ACK",
        (true, ..) => "SYN",
        (_, true, _) => "FIN",
        _ if *bytes > 0 => return "data,".to_owned(),
        _ => "ACK",
    };
    if *bytes > 0 { format!("{flag} with") } else { flag.to_owned() }
}

/// What it means, in a few words.
pub fn meaning(segment: &Segment, seen: &Seen, sender: State) -> String {
    let acknowledges = acknowledges(seen);
    let and = |what: &str| match &acknowledges {
        Some(acknowledges) if what.is_empty() => format!("also {acknowledges}"),
        Some(acknowledges) => format!("{what}, and {acknowledges}"),
        None => what.to_owned(),
    };
    if segment.rst {
        return reset(seen, sender).to_owned();
    }
    if seen.again {
        let what =
            if segment.syn || segment.fin { "once more" } else { "the same bytes once more" };
        return format!("{what}: no acknowledgement came in time");
    }
    if seen.probe {
        return "asks whether the other end is there, and has room".to_owned();
    }
    match (segment.syn, segment.fin, segment.bytes) {
        (true, ..) if segment.acknowledges.is_some() => {
            "agrees; the kernel answers, before any accept".to_owned()
        }
        (true, ..) => "asks for a connection".to_owned(),
        (_, true, _) => and("has no more to send"),
        (_, _, 1..) => and(""),
        _ if seen.acknowledged_syn => "agrees as well: the connection stands".to_owned(),
        _ if seen.window == Some(0) => {
            let has = acknowledges.map(|acknowledges| format!("{acknowledges}; "));
            format!("{}its buffer is full: send no more now", has.unwrap_or_default())
        }
        _ => match (acknowledges, seen.window) {
            (Some(acknowledges), _) => acknowledges,
            (None, Some(room)) => format!("has room for {} now", count(room)),
            (None, None) if seen.after_repetition => {
                "says again what it has: this came twice".to_owned()
            }
            (None, None) => "says again what it has: something is missing".to_owned(),
        },
    }
}

fn acknowledges(seen: &Seen) -> Option<String> {
    let bytes = (seen.acknowledged > 0).then(|| count(seen.acknowledged));
    match (bytes, seen.acknowledged_fin) {
        (Some(bytes), true) => Some(format!("acknowledges {bytes} and the FIN")),
        (Some(bytes), false) => Some(format!("acknowledges {bytes}")),
        (None, true) => Some("acknowledges the FIN".to_owned()),
        (None, false) => None,
    }
}

fn reset(seen: &Seen, sender: State) -> &'static str {
    match sender {
        _ if seen.refuses => "refuses: nobody listens at this port",
        State::Closed => "there is no such connection here any more",
        _ if sender.has_sent_fin() => "throws the connection away in the middle of its close",
        _ => "throws the connection away: no FIN, no close in order",
    }
}

/// The sends of which bytes stand in a segment with this part of the stream.
pub fn sends(sends: &[(u64, u64)], (start, end): (u64, u64)) -> Option<String> {
    let part = |send: &&(u64, u64)| send.0 < end && send.1 > start;
    let parts: Vec<&(u64, u64)> = sends.iter().filter(part).collect();
    match parts[..] {
        [] => None,
        [&(from, to)] if (from, to) == (start, end) => Some(format!("send {}", count(to - from))),
        [&(from, to)] => Some(format!("part of send {}", count(to - from))),
        _ if parts.len() <= TOLD_SENDS => {
            let sizes: Vec<String> = parts.iter().map(|(from, to)| thousands(to - from)).collect();
            Some(format!("{} sends: {} bytes", parts.len(), sizes.join(" + ")))
        }
        _ => Some(format!("{} sends", parts.len())),
    }
}

/// A datagram is one call's, and all of it.
pub const ONE_SEND: &str = "one send";

/// The first piece of a datagram that is longer than a packet.
pub fn first_fragment(bytes: u64) -> String {
    format!("datagram, first IP fragment: its bytes 1 to {}", thousands(bytes))
}

/// A later piece. Its place is counted from the UDP header on, which the first piece carries.
pub fn fragment(at: u16, length: usize, more: bool) -> String {
    let before = u64::from(at).saturating_sub(UDP_HEADER_BYTES);
    let (from, to) = (thousands(before + 1), thousands(before + length as u64));
    let end = if more { "" } else { ", the last" };
    format!("the datagram's bytes {from} to {to}{end}")
}

/// What a message of ICMP is, and what it means.
pub fn icmp(kind: u8, code: u8) -> (String, String) {
    let (label, meaning) = match (kind, code) {
        (3, 0) => ("ICMP network unreachable", "the router knows no way there"),
        (3, 1) => ("ICMP host unreachable", "no host there has this address"),
        (3, 3) => ("ICMP port unreachable", "no socket has this port"),
        _ => {
            return (
                format!("ICMP type {kind}, code {code}"),
                "the packet did not get there".into(),
            );
        }
    };
    (label.to_owned(), meaning.to_owned())
}

/// Whom a broadcast reached.
pub fn reached(hosts: &[Ipv4Addr], router: Option<Ipv4Addr>) -> String {
    let last = |host: &Ipv4Addr| format!(".{}", host.octets()[3]);
    let mut told = match hosts {
        [] if router.is_some() => "no host here has this address: goes to the router".to_owned(),
        [] => "no host is there".to_owned(),
        [one] => format!("one packet, arrives at {one}"),
        [first, rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(last).collect();
            format!("one packet, arrives at {first}, {}", rest.join(", "))
        }
    };
    if let (Some(router), false) = (router, hosts.is_empty()) {
        told.push_str(&format!(" and the router, {}", last(&router)));
    }
    told
}

/// What befell a packet.
pub fn fate(fate: Fate) -> String {
    let mut told = Vec::new();
    told.extend(fate.copy.then_some("the wire doubled it: this is the copy"));
    told.extend(fate.lost.then_some("LOST on the way"));
    told.extend(fate.corrupted.then_some("DAMAGED on the way: its checksum is wrong"));
    told.extend(fate.held_back.then_some("held back: the next one overtakes it"));
    told.join("; ")
}

/// What else happened, if it is worth a row.
pub fn happening(event: &Event, name: &str) -> Option<String> {
    let name = if name.is_empty() { "the program" } else { name };
    let printed = |what: &str, bytes: &Sample| Some(format!("{name} {what}{}", printed(bytes)));
    match &event.what {
        What::Started { command } => Some(format!("{name} starts: {command}")),
        What::Stdout { bytes } => printed("prints", bytes),
        What::Stderr { bytes } => printed("says on stderr", bytes),
        What::Exited { status } => Some(format!("{name} ends with status {status}")),
        What::Died { signal } => Some(format!("{name} is ended by {signal}")),
        What::Signalled { signal } => Some(format!("{name} gets the signal {signal}")),
        What::Ended => Some(format!("{name} is ended by the peer")),
        What::Note { text } => Some(text.replace("the grader", GRADER)),
        _ => None,
    }
}

/// `: a line` if it is one that can be shown as it is, else ` 7 bytes "…"`.
fn printed(sample: &Sample) -> String {
    let all = [sample.head.as_slice(), &sample.tail].concat();
    let line = String::from_utf8(all).ok().and_then(|text| {
        let line = text.strip_suffix('\n')?;
        let is_whole = sample.total_bytes == text.len() as u64;
        let is_plain = is_whole && !line.is_empty() && !line.contains(char::is_control);
        (is_plain && line.len() <= PRINTED_COLUMNS).then(|| line.to_owned())
    });
    match line {
        Some(line) => format!(": {line}"),
        None => format!(" {}", bytes::show(sample, PRINTED_COLUMNS)),
    }
}

/// The packets that are left out of a long conversation.
pub fn gap(story: &Story, rows: &[&Row]) -> String {
    let steps = rows.iter().filter_map(|row| match &row.what {
        Happening::Packet(step) => Some(step),
        _ => None,
    });
    // Data packets and their bytes to the left and to the right.
    let mut carrying = [(0, 0); 2];
    let (mut conversation, mut resets, mut others) = (0, 0, 0);
    for step in steps {
        conversation = step.conversation;
        match step {
            _ if step.bytes > 0 => {
                let side = &mut carrying[usize::from(step.to_right)];
                *side = (side.0 + 1, side.1 + step.bytes);
            }
            _ if step.is_reset => resets += 1,
            _ => others += 1,
        }
    }
    let mut told = Vec::new();
    for (side, (data, bytes)) in carrying.into_iter().enumerate() {
        let name = common_name(&story.conversations, side)
            .unwrap_or(&story.conversations[conversation].parties[side].name);
        if data > 0 {
            told.push(format!("{} to {name} in {}", count(bytes), thousands(data)));
        }
    }
    for (number, one, many) in
        [(others, "acknowledgement", "acknowledgements"), (resets, "reset", "resets")]
    {
        if number > 0 {
            let noun = if number == 1 { one } else { many };
            told.push(format!("{} {noun}", thousands(number)));
        }
    }
    format!("{} more packets: {}", thousands(rows.len() as u64), told.join(", "))
}

/// The conversations that are left out of very many.
pub fn hidden(story: &Story, hidden: Range<usize>) -> String {
    let is_hidden = |row: &&Row| match &row.what {
        Happening::Packet(step) => hidden.contains(&step.conversation),
        _ => false,
    };
    let packets = story.rows.iter().filter(is_hidden).count() as u64;
    format!(
        "{} more conversations, {}, are not shown: {} packets",
        hidden.len(),
        tags(&hidden.clone().collect::<Vec<_>>()),
        thousands(packets)
    )
}

/// `#1, #3 to #5`.
fn tags(conversations: &[usize]) -> String {
    let runs = conversations.chunk_by(|one, next| one + 1 == *next);
    let told = runs.map(|run| match run {
        [first, .., last] if run.len() > 2 => format!("#{} to #{}", first + 1, last + 1),
        _ => run.iter().map(|one| format!("#{}", one + 1)).collect::<Vec<_>>().join(", "),
    });
    told.collect::<Vec<_>>().join(", ")
}

/// What the whole shows, in a sentence or two.
pub fn closing(story: &Story) -> Vec<String> {
    if story.conversations.is_empty() {
        return vec!["No packet was sent.".to_owned()];
    }
    let mut all: Vec<Vec<&Step>> = vec![Vec::new(); story.conversations.len()];
    for row in &story.rows {
        if let Happening::Packet(step) = &row.what {
            all[step.conversation].push(step);
        }
    }
    // What is the same of several is said once.
    let mut told: Vec<([String; 2], Vec<usize>)> = Vec::new();
    for (index, steps) in all.iter().enumerate() {
        let close = story.conversations[index].began.and_then(|_| close(steps));
        let sentences = [packets(steps), close.unwrap_or_default()];
        match told.iter_mut().find(|(known, _)| *known == sentences) {
            Some((_, conversations)) => conversations.push(index),
            None => told.push((sentences, vec![index])),
        }
    }
    let is_single = story.conversations.len() == 1;
    let told = told.into_iter().map(|([packets, close], conversations)| {
        let tag = if is_single { String::new() } else { format!("{}: ", tags(&conversations)) };
        let each = if conversations.len() > 1 { " each" } else { "" };
        format!("{tag}{packets}{each}.{close}")
    });
    told.collect()
}

/// `10 packets, 1 of them lost`.
fn packets(steps: &[&Step]) -> String {
    let noun = if steps.len() == 1 { "packet" } else { "packets" };
    let lost = steps.iter().filter(|step| step.is_lost).count() as u64;
    let lost = match lost {
        0 => String::new(),
        1 if steps.len() == 1 => ", lost".to_owned(),
        lost => format!(", {} of them lost", thousands(lost)),
    };
    format!("{} {noun}{lost}", thousands(steps.len() as u64))
}

/// How many packets the close took.
fn close(steps: &[&Step]) -> Option<String> {
    if steps.iter().any(|step| step.is_lost || step.is_reset) {
        return None;
    }
    let fins = steps.iter().filter(|step| step.is_fin).count();
    let both = steps.iter().filter(|step| step.is_fin && step.acknowledges_fin).count();
    let alone = steps.iter().filter(|step| !step.is_fin && step.acknowledges_fin).count();
    match (fins, both, alone) {
        (2, 0, 2) => {
            Some(" The close took four packets: a FIN and its acknowledgement each way.".into())
        }
        (2, 1, 1) => Some(
            " The close took three packets, not four: the second end closed before its kernel had \
             acknowledged the first FIN, so that its own FIN carries the acknowledgement."
                .into(),
        ),
        (1, ..) => Some(" One end has not sent its FIN: it has not closed yet.".into()),
        (0, ..) => Some(" Neither end has closed yet.".into()),
        _ => None,
    }
}

/// The heading of what went wrong.
pub fn failed(check: Option<&str>) -> String {
    match check {
        Some(check) => format!("The check {check} fails"),
        None => "The conversation did not go as it should".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{fragment, reached, tags};

    #[test]
    fn conversations_in_a_row_are_a_range() {
        assert_eq!(tags(&[0]), "#1");
        assert_eq!(tags(&[0, 1, 3, 4, 5, 8]), "#1, #2, #4 to #6, #9");
    }

    #[test]
    fn whom_a_datagram_reaches() {
        let host = |last| Ipv4Addr::new(172, 60, 50, last);
        let hosts = [host(11), host(12)];
        let told = reached(&hosts, Some(host(1)));
        assert_eq!(told, "one packet, arrives at 172.60.50.11, .12 and the router, .1");
        assert_eq!(
            reached(&[], Some(host(1))),
            "no host here has this address: goes to the router"
        );
        assert_eq!(reached(&[], None), "no host is there");
    }

    #[test]
    fn pieces_of_a_datagram_follow_each_other() {
        // The first piece's 1,480 bytes are 1,472 of the datagram's data and its header.
        assert_eq!(fragment(1480, 1480, true), "the datagram's bytes 1,473 to 2,952");
        assert_eq!(fragment(2960, 48, false), "the datagram's bytes 2,953 to 3,000, the last");
    }
}
