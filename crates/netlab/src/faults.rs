//! What a wire does to packets, decided by a seed.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::frame::{Internet, Transport, protocol};

/// What befalls packets on a host's wire. Chances are from 0.0, never, to 1.0, always; each is
/// taken by itself, once for each packet.
///
/// Only IP packets are subject to them: what hosts say among themselves to find each other (ARP)
/// passes.
///
/// The seed decides, and what a packet *is*: between which hosts and in which of their
/// conversations it travels, what it carries, and how often that was sent before. Ports chosen by
/// the system, sequence numbers, time stamps and the clock have no part in it. The same program
/// therefore loses the same packets however busy the machine is, and one packet more changes no
/// other's fate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// The chance that a packet is lost.
    pub loss: f64,
    /// The chance that a packet arrives twice.
    pub duplicate: f64,
    /// The chance that a packet is held back until the next one of its conversation has passed it,
    /// or [`REORDER_MAX`] has gone by.
    pub reorder: f64,
    /// The chance that one bit behind the IP header is flipped, which a checksum notices.
    pub corrupt: f64,
    /// How much longer each packet is on its way.
    pub delay_ms: u32,
}

/// How long a packet is held back at the most. Shorter than a TCP's first timeout (200 ms).
pub const REORDER_MAX: Duration = Duration::from_millis(50);

/// One of the two directions of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What the host sends.
    FromHost,
    /// What the host is sent.
    ToHost,
}

/// What is to be done with one packet on one wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) is_lost: bool,
    pub(crate) is_doubled: bool,
    pub(crate) is_held_back: bool,
    /// Where to flip a bit: to be taken modulo the number of bits.
    pub(crate) flipped: Option<u64>,
}

impl Faults {
    /// Decides for the packet that has this number, see [`Conversations::number`]. `wire` and `way`
    /// make the decisions of two wires independent.
    pub(crate) fn decide(&self, number: u64, wire: usize, way: Way) -> Decision {
        let mut random = Random(mix(number, wire as u64 * 2 + u64::from(way == Way::ToHost)));
        // All are drawn each time, so that one chance does not change what another does.
        Decision {
            is_lost: random.chance(self.loss),
            is_doubled: random.chance(self.duplicate),
            is_held_back: random.chance(self.reorder),
            flipped: random.chance(self.corrupt).then(|| random.next()),
        }
    }
}

/// A conversation: the protocol, and both ends, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Conversation {
    protocol: u8,
    ends: [(IpAddr, u16); 2],
}

impl Conversation {
    /// The conversation of a packet, and whether it goes from the higher end to the lower one.
    pub(crate) fn of(packet: &Internet<'_>) -> (Self, bool) {
        // Later fragments know no ports; the first one is to be in the same conversation.
        let ports = packet.transport.ports().filter(|_| packet.fragment == (0, false));
        let (from, to) = ports.unwrap_or_default();
        let mut ends = [(packet.source, from), (packet.destination, to)];
        let is_back = ends[0] > ends[1];
        ends.sort();
        (Self { protocol: packet.protocol, ends }, is_back)
    }
}

/// What is known of the packets so far.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    seed: u64,
    known: HashMap<Conversation, Known>,
    /// How many conversations there were between two hosts by a protocol.
    between: HashMap<(u8, IpAddr, IpAddr), u64>,
    /// How often the same was sent.
    copies: HashMap<u64, u64>,
    /// TCP connections from before the last [`Conversations::forget`].
    bygone: HashSet<Conversation>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// How many there were between the same two hosts before.
    nth: u64,
    /// The sequence numbers at which the two ends of a TCP connection began.
    began: [Option<u32>; 2],
}

impl Conversations {
    /// Begins anew, with another seed.
    pub(crate) fn forget(&mut self, seed: u64) {
        let mut bygone = std::mem::take(&mut self.bygone);
        let known = std::mem::take(&mut self.known).into_keys();
        bygone.extend(known.filter(|conversation| conversation.protocol == protocol::TCP));
        *self = Self { seed, bygone, ..Self::default() };
    }

    /// Notes a packet; false if it belongs to a TCP connection from before the last
    /// [`Conversations::forget`]: the kernel goes on to close those of a program that has ended.
    pub(crate) fn note(&mut self, packet: &Internet<'_>) -> bool {
        let (conversation, is_back) = Conversation::of(packet);
        let Transport::Tcp(tcp) = &packet.transport else {
            self.enter(conversation);
            return true;
        };
        let is_first = tcp.flags.syn && !tcp.flags.ack;
        if is_first {
            self.bygone.remove(&conversation);
            let known = self.known.get(&conversation);
            // The ports of a connection that is over are used again.
            if known.is_some_and(|known| known.began[usize::from(is_back)] != Some(tcp.sequence)) {
                self.known.remove(&conversation);
            }
        } else if self.bygone.contains(&conversation) {
            return false;
        }
        self.enter(conversation).began[usize::from(is_back)].get_or_insert(tcp.sequence);
        true
    }

    fn enter(&mut self, conversation: Conversation) -> &mut Known {
        self.known.entry(conversation).or_insert_with(|| {
            let [(one, _), (other, _)] = conversation.ends;
            let count = self.between.entry((conversation.protocol, one, other)).or_default();
            *count += 1;
            Known { nth: *count, began: [None; 2] }
        })
    }

    /// A number for the packet, which has been noted, as it comes from this wire: another one for
    /// each seed, and each time the same for the same; see [`Faults`].
    pub(crate) fn number(&mut self, packet: &Internet<'_>, wire: usize) -> u64 {
        let (conversation, is_back) = Conversation::of(packet);
        let Known { nth, began } = *self.enter(conversation);
        let began = |end: bool| began[usize::from(end)].unwrap_or_default();
        let mut number = mix(self.seed, wire as u64);
        number = mix(number, u64::from(conversation.protocol) << 1 | u64::from(is_back));
        for (address, _) in conversation.ends {
            number = match address {
                IpAddr::V4(address) => mix(number, address.to_bits().into()),
                IpAddr::V6(address) => mix_bytes(number, &address.octets()),
            };
        }
        number = mix(number, nth);
        number = match &packet.transport {
            Transport::Tcp(tcp) => {
                let flags = [tcp.flags.syn, tcp.flags.fin, tcp.flags.rst, tcp.payload.is_empty()];
                let flags = flags.iter().fold(0, |bits, &flag| bits << 1 | u64::from(flag));
                // Not its length: the same bytes may be cut otherwise when they are sent again.
                let place = tcp.sequence.wrapping_sub(began(is_back));
                let answers = if tcp.payload.is_empty() && tcp.flags.ack {
                    tcp.acknowledgement.wrapping_sub(began(!is_back))
                } else {
                    0
                };
                mix(mix(number, flags), u64::from(place) << 32 | u64::from(answers))
            }
            Transport::Udp(udp) => mix_bytes(number, udp.payload),
            // The rest holds ports and checksums of the packet that it is about.
            Transport::Icmp(icmp) => mix(number, u64::from(icmp.kind) << 8 | u64::from(icmp.code)),
            Transport::Other => mix_bytes(mix(number, packet.fragment.0.into()), packet.payload),
        };
        let copies = self.copies.entry(number).or_default();
        *copies += 1;
        mix(number, *copies)
    }
}

/// A generator of random numbers: SplitMix64 (Steele, Lea and Flood, 2014), which is the same on
/// every machine and in every version.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.0)
    }

    fn chance(&mut self, chance: f64) -> bool {
        // The 53 bits that a double holds.
        ((self.next() >> 11) as f64) / ((1_u64 << 53) as f64) < chance
    }
}

fn mix(state: u64, word: u64) -> u64 {
    finish((state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15))
}

fn mix_bytes(state: u64, bytes: &[u8]) -> u64 {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    words.fold(mix(state, bytes.len() as u64), mix)
}

fn finish(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, build};

    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;

    fn fresh(seed: u64) -> Conversations {
        let mut conversations = Conversations::default();
        conversations.forget(seed);
        conversations
    }

    /// The packet's number; none if it belongs to an earlier turn.
    fn number(conversations: &mut Conversations, frame: &[u8]) -> Option<u64> {
        let packet = Frame::parse(frame).and_then(|frame| frame.internet).expect("a packet");
        conversations.note(&packet).then(|| conversations.number(&packet, 0))
    }

    fn numbers(conversations: &mut Conversations, frames: &[Vec<u8>]) -> Vec<Option<u64>> {
        frames.iter().map(|frame| number(conversations, frame)).collect()
    }

    /// A connection from port `port`, that begins with these sequence numbers.
    fn connection(port: u16, client: u32, server: u32) -> Vec<Vec<u8>> {
        let (one, other) = ((1, port), (2, 80));
        let (after_client, after_server) = (client.wrapping_add(1), server.wrapping_add(1));
        vec![
            build::tcp(one, other, (SYN, client, 0), b""),
            build::tcp(other, one, (SYN | ACK, server, after_client), b""),
            build::tcp(one, other, (ACK, after_client, after_server), b""),
            build::tcp(one, other, (ACK, after_client, after_server), b"ask"),
            build::tcp(other, one, (ACK, after_server, after_client + 3), b"answer"),
        ]
    }

    #[test]
    fn what_the_system_chooses_has_no_part() {
        let first = numbers(&mut fresh(1), &connection(40_000, 7, u32::MAX));
        assert_eq!(numbers(&mut fresh(1), &connection(50_001, 1_000_000, 99)), first);
        assert_ne!(numbers(&mut fresh(2), &connection(40_000, 7, u32::MAX)), first);
        // All are different, and those of the next connection are too.
        let mut conversations = fresh(1);
        let mut all = numbers(&mut conversations, &connection(40_000, 1, 2));
        all.extend(numbers(&mut conversations, &connection(40_001, 1, 2)));
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 10);
    }

    #[test]
    fn one_packet_more_changes_no_others_number() {
        let frames = connection(40_000, 7, 8);
        let first = numbers(&mut fresh(1), &frames);
        let mut conversations = fresh(1);
        let mut again = Vec::new();
        for frame in &frames {
            again.push(number(&mut conversations, frame));
            // Sent again, since an acknowledgement was late: another number than the first time.
            assert_ne!(number(&mut conversations, frame), again[again.len() - 1]);
        }
        assert_eq!(again, first);
        // However the bytes are cut when they are sent again.
        let whole = build::tcp((1, 9), (2, 80), (ACK, 5, 5), b"ask");
        let part = build::tcp((1, 9), (2, 80), (ACK, 5, 5), b"as");
        let both = |frame: &[u8]| number(&mut fresh(1), frame);
        assert_eq!(both(&whole), both(&part));
    }

    #[test]
    fn datagrams_are_told_by_what_they_carry() {
        let mut conversations = fresh(1);
        let mut ask = |text: &[u8]| number(&mut conversations, &build::udp((1, 7), (2, 9), text));
        let (one, two, one_again) = (ask(b"one"), ask(b"two"), ask(b"one"));
        assert!(one != two && one != one_again && two != one_again);
        let mut conversations = fresh(1);
        let mut ask = |text: &[u8]| number(&mut conversations, &build::udp((1, 7), (2, 9), text));
        assert_eq!((ask(b"two"), ask(b"one"), ask(b"one")), (two, one, one_again));
    }

    #[test]
    fn ports_that_are_used_again_make_another_connection() {
        let mut conversations = fresh(1);
        let first = numbers(&mut conversations, &connection(40_000, 1, 2));
        let second = numbers(&mut conversations, &connection(40_000, 900, 901));
        assert!(first.iter().zip(&second).all(|(first, second)| first != second));
        let mut conversations = fresh(1);
        numbers(&mut conversations, &connection(40_000, 1, 2));
        assert_eq!(numbers(&mut conversations, &connection(40_001, 5, 6)), second);
    }

    #[test]
    fn earlier_connections_are_none_of_this_turns() {
        let mut conversations = fresh(1);
        let frames = connection(40_000, 1, 2);
        let first = numbers(&mut conversations, &frames);
        conversations.forget(1);
        assert_eq!(number(&mut conversations, &frames[3]), None);
        assert_eq!(number(&mut conversations, &frames[4]), None);
        // Until the same ports are used for a new one.
        assert_eq!(numbers(&mut conversations, &frames), first);
        // Also two turns later.
        conversations.forget(1);
        conversations.forget(1);
        assert_eq!(number(&mut conversations, &frames[4]), None);
        let datagram = build::udp((1, 7), (2, 9), b"x");
        let first = number(&mut conversations, &datagram);
        conversations.forget(1);
        assert_eq!(number(&mut conversations, &datagram), first);
    }

    #[test]
    fn chances_are_kept() {
        let faults = Faults { loss: 0.1, duplicate: 0.3, reorder: 0.0, corrupt: 1.0, delay_ms: 0 };
        let count = 20_000;
        let decisions: Vec<_> =
            (0..count).map(|number| faults.decide(mix(0, number), 3, Way::FromHost)).collect();
        let share = |holds: fn(&Decision) -> bool| {
            decisions.iter().filter(|decision| holds(decision)).count() as f64 / count as f64
        };
        // Always the same numbers: these bounds are not a matter of luck.
        assert!((share(|decision| decision.is_lost) - 0.1).abs() < 0.01);
        assert!((share(|decision| decision.is_doubled) - 0.3).abs() < 0.01);
        assert!((share(|d| d.is_lost && d.is_doubled) - 0.03).abs() < 0.01);
        assert_eq!(share(|decision| decision.is_held_back), 0.0);
        assert_eq!(share(|decision| decision.flipped.is_some()), 1.0);
        // Wires and ways are independent of each other.
        let other = |number| faults.decide(mix(0, number), 3, Way::ToHost).is_lost;
        let both = (0..count).zip(&decisions).filter(|(n, d)| d.is_lost && other(*n)).count();
        assert!((both as f64 / count as f64 - 0.01).abs() < 0.005);
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // The first numbers of SplitMix64 with the seed 1234567, as its authors' code gives them.
        let mut random = Random(1_234_567);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
