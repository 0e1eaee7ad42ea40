//! What is said of the lab: where programs and peers are, what its wires do, and which packets they
//! have seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use netlab::frame::{Internet, Tcp, Transport};
use netlab::{Capture, Faults, Interface, Packet};

use super::byte_count;
use crate::bytes::{self, thousands};
use crate::record::Sample;

/// How many columns of bytes a sentence shows.
const SHOWN_COLUMNS: usize = 60;
/// How many packets are shown from the beginning, and how many from the end.
const SHOWN_PACKETS: (usize, usize) = (8, 8);
/// How many columns of what a datagram carries are shown.
const PAYLOAD_COLUMNS: usize = 24;
/// The ethertype of ARP, which asks for the hardware address of an IPv4 address (RFC 826).
const ARP: u16 = 0x0806;

/// A program and the host that it runs on.
pub fn on_host(program: &str, address: Ipv4Addr) -> String {
    format!("{program} on {address}")
}

/// The grader has opened a datagram socket.
pub fn peer_at(address: SocketAddr) -> String {
    format!("the grader has a datagram socket at {address}")
}

/// Why a check cannot be moved into the lab: its program gets no other network than one of its own.
pub fn network_of_its_own() -> &'static str {
    "this check gives the program a network of its own, on which no other host is"
}

/// The same: IPv6.
pub fn no_ipv6() -> &'static str {
    "this check is about IPv6, which the lab's wires do not carry"
}

/// The same: the broadcast address of 127.0.0.0/8.
pub fn loopback_broadcast() -> &'static str {
    "this check broadcasts on the loopback network, which is one host's own"
}

/// The same: a name with several addresses.
pub fn names_of_the_loopback() -> &'static str {
    "this check is about a name that stands for several addresses of the loopback interface"
}

/// The same: a measurement.
pub fn too_much() -> &'static str {
    "this check measures how fast a gigabyte is moved, which the lab's wires would slow down"
}

/// The same: what one machine's kernel grants.
pub fn about_this_machine() -> &'static str {
    "this check asks this machine's kernel about a port"
}

/// What befalls packets from now on.
pub fn faults(host: Ipv4Addr, faults: Faults) -> String {
    let percent = |chance: f64| (chance * 100.0).round();
    let chances = [
        (faults.loss, "loses"),
        (faults.duplicate, "doubles"),
        (faults.reorder, "holds back"),
        (faults.corrupt, "corrupts"),
    ];
    let told: Vec<String> = chances
        .into_iter()
        .filter(|(chance, _)| *chance > 0.0)
        .map(|(chance, verb)| format!("{verb} {} %", percent(chance)))
        .collect();
    let slow = (faults.delay_ms > 0).then(|| format!("takes {} ms longer", faults.delay_ms));
    let told: Vec<String> = told.into_iter().chain(slow).collect();
    match told.is_empty() {
        _ if faults.loss >= 1.0 => format!("from now on the wire of {host} passes nothing on"),
        true => format!("from now on the wire of {host} passes everything on as it is"),
        false => format!("from now on the wire of {host}, both ways, {}", told.join(", ")),
    }
}

/// The switch lost packets by itself.
pub fn overrun(count: u64) -> String {
    format!(
        "the machine was too busy for the lab, whose switch lost {}; run it again when less is \
         going on",
        packet_count(count)
    )
}

/// The packets that the lab's wires have seen: those that carry the bytes of `focus`, if there is
/// one, or the first and the last of all.
pub fn packets(capture: &Capture, focus: Option<&[u8]>) -> String {
    let mut journeys = journeys(&capture.packets);
    if journeys.is_empty() {
        return "the lab's wires have seen no packet".to_owned();
    }
    let mut told = format!("the lab's wires have seen {}", summary(&journeys));
    if let Some(bytes) = focus {
        let all = journeys.len();
        journeys.retain(|journey| carries(journey[0], bytes));
        if journeys.len() < all {
            let shown = bytes::show(&Sample::of(bytes), SHOWN_COLUMNS);
            let _ = write!(told, "; of those that carry {shown}");
        }
    }
    told.push(':');
    let (first, last) = SHOWN_PACKETS;
    let hidden = journeys.len().saturating_sub(first + last);
    for (place, journey) in journeys.iter().enumerate() {
        if hidden > 1 && (first..first + hidden).contains(&place) {
            if place == first {
                let _ = write!(told, "\n    ({} more)", thousands(hidden as u64));
            }
            continue;
        }
        let _ = write!(told, "\n    {}: {}", what(journey[0]), whither(journey, capture));
    }
    told
}

fn carries(packet: &Packet, bytes: &[u8]) -> bool {
    let internet = packet.frame().and_then(|frame| frame.internet);
    internet.is_some_and(|internet| match internet.transport {
        Transport::Udp(udp) => udp.payload == bytes,
        _ => false,
    })
}

/// What came of each frame that was sent: one packet for each host that it goes to, and for each
/// copy.
fn journeys(packets: &[Packet]) -> Vec<Vec<&Packet>> {
    let mut journeys: Vec<Vec<&Packet>> = Vec::new();
    for packet in packets {
        match journeys.last_mut() {
            Some(last) if last[0].number == packet.number => last.push(packet),
            _ => journeys.push(vec![packet]),
        }
    }
    journeys
}

fn summary(journeys: &[Vec<&Packet>]) -> String {
    let count = |is: fn(&Packet) -> bool| {
        journeys.iter().filter(|journey| journey.iter().any(|packet| is(packet))).count() as u64
    };
    let mut told = packet_count(journeys.len() as u64);
    let fates = [
        (count(|packet| packet.fate.lost), "lost"),
        (count(|packet| packet.fate.copy), "doubled"),
        (count(|packet| packet.fate.held_back), "held back"),
        (count(|packet| packet.fate.corrupted), "corrupted"),
    ];
    for (count, fate) in fates.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(told, ", {} {fate}", thousands(count));
    }
    told
}

fn packet_count(count: u64) -> String {
    match count {
        1 => "1 packet".to_owned(),
        _ => format!("{} packets", thousands(count)),
    }
}

/// "172.60.50.20:40000 -> 172.60.50.255:7000 UDP 5 bytes"
fn what(packet: &Packet) -> String {
    let Some(frame) = packet.frame() else { return byte_count(packet.length as u64) };
    match &frame.internet {
        Some(internet) => what_of_internet(internet),
        None if frame.ethertype == ARP => what_of_arp(&packet.bytes),
        None => format!("a frame of the type {:#06x}", frame.ethertype),
    }
}

fn what_of_internet(internet: &Internet<'_>) -> String {
    let (source, destination) = (internet.source, internet.destination);
    let ends = match internet.transport.ports() {
        Some((from, to)) => {
            format!("{} -> {}", SocketAddr::new(source, from), SocketAddr::new(destination, to))
        }
        None => format!("{source} -> {destination}"),
    };
    let carries = match &internet.transport {
        Transport::Udp(udp) => {
            format!("UDP {}", bytes::show(&Sample::of(udp.payload), PAYLOAD_COLUMNS))
        }
        Transport::Tcp(tcp) => what_of_tcp(tcp),
        Transport::Icmp(icmp) => match (icmp.kind, icmp.code) {
            (3, 0) => "ICMP network unreachable".to_owned(),
            (3, 1) => "ICMP host unreachable".to_owned(),
            (3, 3) => "ICMP port unreachable".to_owned(),
            (kind, code) => format!("ICMP type {kind}, code {code}"),
        },
        Transport::Other => format!("IP protocol {}", internet.protocol),
    };
    format!("{ends} {carries}")
}

fn what_of_tcp(tcp: &Tcp<'_>) -> String {
    let flags = tcp.flags;
    let named = [(flags.syn, "SYN"), (flags.fin, "FIN"), (flags.rst, "RST"), (flags.ack, "ACK")];
    let named: Vec<&str> = named.iter().filter_map(|(is, name)| is.then_some(*name)).collect();
    match tcp.payload.len() {
        0 => format!("TCP {}", named.join(" ")),
        count => format!("TCP {} {}", named.join(" "), byte_count(count as u64)),
    }
}

/// The address that an ARP request asks for stands at byte 38 of its frame.
fn what_of_arp(frame: &[u8]) -> String {
    let address = |at: usize| {
        frame.get(at..at + 4).map(|bytes| Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
    };
    match (frame.get(21), address(28), address(38)) {
        (Some(1), Some(asker), Some(wanted)) => format!("ARP: {asker} asks who has {wanted}"),
        (Some(2), Some(holder), _) => format!("ARP: {holder} answers"),
        _ => "ARP".to_owned(),
    }
}

/// Where it came to, and what befell it on the way.
fn whither(journey: &[&Packet], capture: &Capture) -> String {
    let mut arrived: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
    let mut lost: BTreeMap<Ipv4Addr, usize> = BTreeMap::new();
    for packet in journey {
        let Some(to) = &packet.to else { continue };
        let Some(address) = address(to, journey[0], &capture.interfaces) else { continue };
        let is_lost = packet.fate.lost || packet.fate.corrupted;
        *(if is_lost { &mut lost } else { &mut arrived }).entry(address).or_default() += 1;
    }
    let mut told = Vec::new();
    match (arrived.len(), lost.len()) {
        (0, 0) => told.push("no host has this address".to_owned()),
        // Where it went is what it was sent to.
        (0 | 1, 0 | 1) if arrived.keys().chain(lost.keys()).all(|to| is_for(journey[0], *to)) => {
            told.extend(arrived.values().map(|count| format!("arrived{}", times(*count))));
            told.extend(lost.values().map(|count| format!("lost{}", times(*count))));
        }
        _ => {
            let list = |hosts: BTreeMap<Ipv4Addr, usize>| {
                let shown =
                    hosts.into_iter().map(|(host, count)| format!("{host}{}", times(count)));
                shown.collect::<Vec<String>>().join(", ")
            };
            if !arrived.is_empty() {
                told.push(format!("reached {}", list(arrived)));
            }
            if !lost.is_empty() {
                told.push(format!("lost on the way to {}", list(lost)));
            }
        }
    }
    if journey.iter().any(|packet| packet.fate.held_back) {
        told.push("held back".to_owned());
    }
    told.join(", ")
}

fn is_for(packet: &Packet, host: Ipv4Addr) -> bool {
    let internet = packet.frame().and_then(|frame| frame.internet);
    internet.is_some_and(|internet| internet.destination == host)
}

fn times(count: usize) -> String {
    match count {
        1 => String::new(),
        2 => " twice".to_owned(),
        _ => format!(" {count} times"),
    }
}

/// The address of a host on the network on which a packet was sent.
fn address(host: &Arc<str>, packet: &Packet, interfaces: &[Interface]) -> Option<Ipv4Addr> {
    let sender = packet.frame().map(|frame| frame.source);
    let network = |interface: &Interface| {
        interface.address.to_bits()
            & u32::MAX.checked_shl(32 - u32::from(interface.prefix)).unwrap_or(0)
    };
    let from = interfaces.iter().find(|interface| Some(interface.hardware) == sender);
    let near = |interface: &&Interface| {
        *interface.host == **host && from.is_none_or(|from| network(from) == network(interface))
    };
    interfaces.iter().find(near).map(|interface| interface.address)
}

/// That a client sends its next datagram, or ends.
pub fn sends_or_ends(who: &str) -> String {
    format!("{who} sends a datagram, or ends")
}

/// A reply was printed that cannot have come.
pub fn reply_from_nowhere(message: &str) -> (String, String) {
    (
        format!("a line about \"{message}\" only when its reply has come"),
        "the line, though no reply to it reached the client's host".to_owned(),
    )
}

/// A client gave a message up before its last try.
pub fn too_few_tries(message: &str, wanted: usize, tries: usize) -> (String, String) {
    let times = if tries == 1 { "time" } else { "times" };
    (
        format!("\"{message}\" is sent up to {wanted} times before the client gives it up"),
        format!("it was sent {tries} {times}, and no line about it was printed"),
    )
}

/// A client gave up though it had been answered.
pub fn overlooked_reply(message: &str) -> (String, String) {
    (
        format!("a line about \"{message}\", whose reply reached the client's host in time"),
        "no such line: the client has not taken the reply".to_owned(),
    )
}

/// That a server answers all that arrives.
pub fn all_are_answered(who: &str) -> String {
    format!("{who} answers each datagram that has arrived")
}

/// How often a datagram arrived, and how often it was answered.
pub fn answers(bytes: &[u8], arrived: usize, answers: usize) -> (String, String) {
    let shown = bytes::show(&Sample::of(bytes), SHOWN_COLUMNS);
    let times = |count: usize| match count {
        0 => "not at all".to_owned(),
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    };
    (
        format!(
            "{} for {shown}: one for each time that it arrived",
            match arrived {
                1 => "1 answer".to_owned(),
                _ => format!("{arrived} answers"),
            }
        ),
        format!("it arrived {} and was answered {}", times(arrived), times(answers)),
    )
}

/// An answer to what never arrived.
pub fn unasked_answer(bytes: &[u8]) -> (String, String) {
    let shown = bytes::show(&Sample::of(bytes), SHOWN_COLUMNS);
    (
        "only answers to datagrams that have arrived".to_owned(),
        format!("an answer that was asked for by none: {shown}"),
    )
}

/// That a client asks for a connection.
pub fn asks_for_connection(who: &str) -> String {
    format!("{who} asks for a connection (SYN)")
}
