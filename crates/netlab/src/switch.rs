//! The switch: where a frame goes and what befalls it. It touches no socket and reads no clock, so
//! that it can be tested without a lab.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime};

use crate::capture::{Fate, Packet};
use crate::faults::{Conversation, Conversations, Decision, Faults, REORDER_MAX, Way};
use crate::frame::{ETHERNET_BYTES, Frame, Internet};
use crate::topology::Topology;

/// How many bytes of packets a capture holds; of those that come later only the headers are kept.
const CAPTURE_BYTES_MAX: usize = 64 << 20;
/// As much as Ethernet's, IPv4's and TCP's headers ever take, in bytes.
const HEADERS_BYTES: usize = 14 + 60 + 60;

/// A frame that is to be sent out of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) port: usize,
    pub(crate) bytes: Arc<[u8]>,
}

/// A frame that came in at a port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) port: usize,
    pub(crate) bytes: &'a [u8],
    pub(crate) when: SystemTime,
    pub(crate) at: Instant,
}

/// The state of a switch.
#[derive(Debug)]
pub(crate) struct Switch {
    ports: Vec<Port>,
    conversations: Conversations,
    packets: Vec<Packet>,
    packets_bytes: usize,
    next_number: u64,
    taps: Vec<Sender<Packet>>,
    /// What is on its way, the next one to arrive first; of two at a time, the one that left first.
    delayed: BinaryHeap<Reverse<Delayed>>,
    delayed_count: u64,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Port {
    host: Arc<str>,
    network: usize,
    hardware: [u8; 6],
    from_host: Faults,
    to_host: Faults,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    until: Instant,
    nth: u64,
    port: usize,
    bytes: Arc<[u8]>,
}

/// A frame that waits for the next one of its conversation to pass it.
#[derive(Debug)]
struct Held {
    until: Instant,
    conversation: (Conversation, bool),
    outgoing: Outgoing,
}

/// One way that a frame takes to one host.
struct Passage {
    to: Option<usize>,
    fate: Fate,
    /// Which bits are flipped.
    flipped: [Option<u64>; 2],
}

impl Switch {
    /// A switch with a port for each link.
    pub(crate) fn new(topology: &Topology, seed: u64) -> Self {
        let host = |host: usize| Arc::from(topology.hosts()[host].name.as_str());
        let ports = topology.links().into_iter().map(|link| Port {
            host: host(link.host),
            network: link.network,
            hardware: link.hardware,
            from_host: Faults::default(),
            to_host: Faults::default(),
        });
        let mut conversations = Conversations::default();
        conversations.forget(seed);
        Self {
            ports: ports.collect(),
            conversations,
            packets: Vec::new(),
            packets_bytes: 0,
            next_number: 0,
            taps: Vec::new(),
            delayed: BinaryHeap::new(),
            delayed_count: 0,
            held: Vec::new(),
        }
    }

    /// Begins anew: no packets, no faults, nothing on its way.
    pub(crate) fn forget(&mut self, seed: u64) {
        self.conversations.forget(seed);
        self.packets.clear();
        self.packets_bytes = 0;
        self.next_number = 0;
        self.taps.clear();
        self.delayed.clear();
        self.held.clear();
        for port in &mut self.ports {
            (port.from_host, port.to_host) = Default::default();
        }
    }

    /// Sets what befalls packets on the host's wires, one way.
    pub(crate) fn set_faults(&mut self, host: &str, way: Way, faults: Faults) {
        for port in self.ports.iter_mut().filter(|port| *port.host == *host) {
            match way {
                Way::FromHost => port.from_host = faults,
                Way::ToHost => port.to_host = faults,
            }
        }
    }

    /// The packets so far.
    pub(crate) fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// From now on tells of each packet.
    pub(crate) fn add_tap(&mut self, tap: Sender<Packet>) {
        self.taps.push(tap);
    }

    /// Takes a frame, and gives those that are to be sent at once.
    pub(crate) fn take(&mut self, incoming: Incoming<'_>, now: Instant) -> Vec<Outgoing> {
        let Some(frame) = Frame::parse(incoming.bytes) else { return Vec::new() };
        if let Some(packet) = &frame.internet
            && !self.conversations.note(packet)
        {
            return Vec::new();
        }
        let number = self.next_number;
        self.next_number += 1;
        let mut outgoing = Vec::new();
        for passage in self.passages(incoming.port, &frame) {
            // Before it is sent: whatever a host has received has been captured.
            self.record(&incoming, number, &passage);
            if let Some(to) = passage.to.filter(|_| !passage.fate.lost) {
                let bytes = flip(incoming.bytes, &frame, passage.flipped);
                let conversation = frame.internet.as_ref().map(Conversation::of);
                let one = Outgoing { port: to, bytes };
                self.dispatch(one, passage.fate, conversation, now, &mut outgoing);
            }
        }
        outgoing
    }

    /// The frames whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        while let Some(Reverse(next)) = self.delayed.peek()
            && next.until <= now
        {
            if let Some(Reverse(Delayed { port, bytes, .. })) = self.delayed.pop() {
                outgoing.push(Outgoing { port, bytes });
            }
        }
        let due = self.held.extract_if(.., |held| held.until <= now);
        outgoing.extend(due.map(|held| held.outgoing));
        outgoing
    }

    /// Whether nothing is held back or delayed.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.delayed.is_empty() && self.held.is_empty()
    }

    /// When the next frame's time will have come.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let delayed = self.delayed.peek().map(|Reverse(next)| next.until);
        self.held.iter().map(|held| held.until).chain(delayed).min()
    }

    fn passages(&mut self, from: usize, frame: &Frame<'_>) -> Vec<Passage> {
        let is_to = |port: &Port| frame.is_for_many() || port.hardware == frame.destination;
        let network = self.ports[from].network;
        let others = self.ports.iter().enumerate().filter(|(at, _)| *at != from);
        let here = others.filter(|(_, port)| port.network == network && is_to(port));
        let here: Vec<usize> = here.map(|(at, _)| at).collect();
        if here.is_empty() {
            return vec![Passage { to: None, fate: Fate::default(), flipped: [None; 2] }];
        }
        let Some(packet) = frame.internet.as_ref().filter(|_| self.has_faults()) else {
            let plain = |to| Passage { to: Some(to), fate: Fate::default(), flipped: [None; 2] };
            return here.into_iter().map(plain).collect();
        };
        self.passages_with_faults(from, packet, &here)
    }

    fn has_faults(&self) -> bool {
        let none = Faults::default();
        self.ports.iter().any(|port| port.from_host != none || port.to_host != none)
    }

    fn passages_with_faults(
        &mut self,
        from: usize,
        packet: &Internet<'_>,
        here: &[usize],
    ) -> Vec<Passage> {
        let number = self.conversations.number(packet, from);
        let sending = self.ports[from].from_host;
        let first = sending.decide(number, from, Way::FromHost);
        let mut passages = Vec::new();
        for &to in here {
            let receiving = self.ports[to].to_host;
            let delay_ms = u64::from(sending.delay_ms) + u64::from(receiving.delay_ms);
            let passage = |second: Decision, is_copy| Passage {
                to: Some(to),
                fate: Fate {
                    lost: first.is_lost || second.is_lost,
                    copy: is_copy,
                    corrupted: first.flipped.is_some() || second.flipped.is_some(),
                    held_back: first.is_held_back || second.is_held_back,
                    delayed: Duration::from_millis(delay_ms),
                },
                flipped: [first.flipped, second.flipped],
            };
            // What is lost on the first wire cannot be doubled.
            let copies = 1 + u64::from(first.is_doubled && !first.is_lost);
            for copy in 0..copies {
                let number = number.wrapping_add(copy);
                let second = receiving.decide(number, to, Way::ToHost);
                passages.push(passage(second, copy > 0));
                if second.is_doubled && !first.is_lost && !second.is_lost {
                    passages.push(passage(second, true));
                }
            }
        }
        passages
    }

    fn record(&mut self, incoming: &Incoming<'_>, number: u64, passage: &Passage) {
        let last = self.packets.last().filter(|last| last.number == number);
        let bytes = last.map(|last| Arc::clone(&last.bytes)).unwrap_or_else(|| {
            let is_full = self.packets_bytes > CAPTURE_BYTES_MAX;
            let kept = if is_full { HEADERS_BYTES } else { usize::MAX };
            Arc::from(&incoming.bytes[..incoming.bytes.len().min(kept)])
        });
        self.packets_bytes += bytes.len();
        let packet = Packet {
            number,
            when: incoming.when,
            at: incoming.at,
            from: Arc::clone(&self.ports[incoming.port].host),
            to: passage.to.map(|to| Arc::clone(&self.ports[to].host)),
            bytes,
            length: incoming.bytes.len(),
            fate: passage.fate,
            from_port: incoming.port,
            to_port: passage.to,
        };
        // Who listens no longer is told no more.
        self.taps.retain(|tap| tap.send(packet.clone()).is_ok());
        self.packets.push(packet);
    }

    /// Sends one frame on: at once, later, or when the next one has passed it.
    fn dispatch(
        &mut self,
        one: Outgoing,
        fate: Fate,
        conversation: Option<(Conversation, bool)>,
        now: Instant,
        outgoing: &mut Vec<Outgoing>,
    ) {
        let until = now + fate.delayed;
        if let Some(conversation) = conversation.filter(|_| fate.held_back) {
            self.held.push(Held { until: until + REORDER_MAX, conversation, outgoing: one });
            return;
        }
        let port = one.port;
        let is_passed =
            |held: &mut Held| Some(held.conversation) == conversation && held.outgoing.port == port;
        let passed: Vec<Held> = self.held.extract_if(.., is_passed).collect();
        for outgoing_now in std::iter::once(one).chain(passed.into_iter().map(|held| held.outgoing))
        {
            if fate.delayed.is_zero() {
                outgoing.push(outgoing_now);
            } else {
                let Outgoing { port, bytes } = outgoing_now;
                let nth = self.delayed_count;
                self.delayed_count += 1;
                self.delayed.push(Reverse(Delayed { until, nth, port, bytes }));
            }
        }
    }
}

/// The frame with some bits behind its IP header flipped.
fn flip(bytes: &[u8], frame: &Frame<'_>, flipped: [Option<u64>; 2]) -> Arc<[u8]> {
    let mut changed: Arc<[u8]> = Arc::from(bytes);
    let Some(packet) = &frame.internet else { return changed };
    // A padded frame ends after its packet.
    let begin = packet.payload_offset() + ETHERNET_BYTES;
    let bits = packet.payload.len() as u64 * 8;
    if bits > 0
        && let Some(bytes) = Arc::get_mut(&mut changed)
    {
        let mut flip = |bit: u64| bytes[begin + (bit / 8) as usize] ^= 1 << (bit % 8);
        let [first, second] = flipped.map(|random| random.map(|random| random % bits));
        first.into_iter().for_each(&mut flip);
        // The same one twice would be none.
        second
            .map(|bit| if first == Some(bit) { (bit + 1) % bits } else { bit })
            .into_iter()
            .for_each(flip);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::build;

    struct Bench {
        switch: Switch,
        now: Instant,
    }

    impl Bench {
        /// Hosts a, b and c on one network, d and e on another; their ports are 0 to 4, the hosts'
        /// numbers 1 to 5.
        fn new() -> Self {
            let mut topology = Topology::new();
            topology.network("one", [172, 60, 50, 0], 24).network("other", [172, 60, 51, 0], 24);
            for (number, name) in (1..).zip(["a", "b", "c", "d", "e"]) {
                topology.host(name).link(if number < 4 { "one" } else { "other" }, number);
            }
            assert_eq!(topology.check(), Ok(()));
            Self { switch: Switch::new(&topology, 1), now: Instant::now() }
        }

        fn take(&mut self, port: usize, bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
            let (when, at) = (SystemTime::now(), self.now);
            let taken = self.switch.take(Incoming { port, bytes, when, at }, self.now);
            taken.into_iter().map(|outgoing| (outgoing.port, outgoing.bytes.to_vec())).collect()
        }

        fn due_after(&mut self, ms: u64) -> Vec<u8> {
            self.now += Duration::from_millis(ms);
            let due = self.switch.due(self.now);
            due.iter().filter_map(|outgoing| outgoing.bytes.last().copied()).collect()
        }

        fn last(&self) -> &Packet {
            self.switch.packets().last().expect("there is a packet")
        }
    }

    fn datagram(to: u8, text: &[u8]) -> Vec<u8> {
        build::udp((1, 7), (to, 9), text)
    }

    fn to_all(frame: &[u8]) -> Vec<u8> {
        [&[0xff; 6], &frame[6..]].concat()
    }

    #[test]
    fn frames_go_where_they_are_sent() {
        let mut bench = Bench::new();
        let one = datagram(2, b"x");
        assert_eq!(bench.take(0, &one), [(1, one.clone())]);
        assert_eq!(bench.last().to.as_deref(), Some("b"));
        // Neither to another network, nor back, nor to nobody.
        for to in [4, 1, 9] {
            assert_eq!(bench.take(0, &datagram(to, b"x")), []);
            assert_eq!(bench.last().to, None);
        }
        assert_eq!(bench.switch.packets().len(), 4);
        let all = to_all(&one);
        assert_eq!(bench.take(1, &all), [(0, all.clone()), (2, all.clone())]);
        assert_eq!(bench.take(3, &all), [(4, all.clone())]);
        let numbers: Vec<u64> = bench.switch.packets().iter().map(|packet| packet.number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 4, 5]);
        assert_eq!(bench.take(0, &one[..13]), []);
    }

    #[test]
    fn what_is_lost_when_it_is_sent_reaches_nobody() {
        let mut bench = Bench::new();
        let loses = Faults { loss: 1.0, duplicate: 1.0, ..Faults::default() };
        bench.switch.set_faults("a", Way::FromHost, loses);
        assert_eq!(bench.take(0, &to_all(&datagram(2, b"x"))), []);
        assert_eq!(bench.switch.packets().len(), 2);
        assert!(bench.switch.packets().iter().all(|packet| packet.fate.lost && !packet.fate.copy));
        // On its way to one host only.
        let mut bench = Bench::new();
        bench.switch.set_faults("b", Way::ToHost, loses);
        let all = to_all(&datagram(2, b"x"));
        assert_eq!(bench.take(0, &all), [(2, all.clone())]);
        // What is no IP is not lost.
        let arp = [&all[..12], &[8, 6], &[0; 28]].concat();
        assert_eq!(bench.take(0, &arp).len(), 2);
        assert!(bench.last().fate.is_plain());
    }

    #[test]
    fn two_wires_double_twice() {
        let mut bench = Bench::new();
        let doubles = Faults { duplicate: 1.0, ..Faults::default() };
        bench.switch.set_faults("a", Way::FromHost, doubles);
        assert_eq!(bench.take(0, &datagram(2, b"x")).len(), 2);
        bench.switch.set_faults("b", Way::ToHost, doubles);
        assert_eq!(bench.take(0, &datagram(2, b"x")).len(), 4);
        let copies: Vec<bool> = bench.switch.packets().iter().map(|p| p.fate.copy).collect();
        assert_eq!(copies, [false, true, false, true, true, true]);
    }

    #[test]
    fn a_flipped_bit_is_behind_the_header() {
        let mut bench = Bench::new();
        let flips = Faults { corrupt: 1.0, ..Faults::default() };
        for (host, way, expected) in [("a", Way::FromHost, 1), ("b", Way::ToHost, 2)] {
            bench.switch.set_faults(host, way, flips);
            for number in 0..200 {
                // Padded: what is behind the packet is no part of it.
                let sent = [datagram(2, &[number]), vec![0; 17]].concat();
                let got = bench.take(0, &sent).remove(0).1;
                let changed = sent.iter().zip(&got).map(|(sent, got)| (sent ^ got).count_ones());
                let changed: Vec<u32> = changed.collect();
                assert_eq!(changed.iter().sum::<u32>(), expected);
                assert_eq!(changed[34..43].iter().sum::<u32>(), expected);
                // It is kept as it was sent.
                assert_eq!(*bench.last().bytes, *sent);
            }
        }
    }

    #[test]
    fn delays_add_up_and_keep_the_order() {
        let mut bench = Bench::new();
        let slow = |delay_ms| Faults { delay_ms, ..Faults::default() };
        bench.switch.set_faults("a", Way::FromHost, slow(10));
        bench.switch.set_faults("b", Way::ToHost, slow(5));
        assert_eq!(bench.take(0, &datagram(2, b"1")), []);
        assert_eq!(bench.take(0, &datagram(2, b"2")), []);
        assert_eq!(bench.last().fate.delayed, Duration::from_millis(15));
        assert_eq!(bench.take(0, &datagram(3, b"3")), []);
        assert_eq!(bench.switch.next_due(), Some(bench.now + Duration::from_millis(10)));
        assert_eq!(bench.due_after(9), b"");
        assert_eq!(bench.due_after(1), b"3");
        assert_eq!(bench.due_after(5), b"12");
        assert_eq!(bench.switch.next_due(), None);
    }

    #[test]
    fn what_is_held_back_comes_behind_the_next_one() {
        let mut bench = Bench::new();
        let holds = Faults { reorder: 1.0, ..Faults::default() };
        let texts = |taken: Vec<(usize, Vec<u8>)>| -> Vec<u8> {
            taken.iter().filter_map(|(_, bytes)| bytes.last().copied()).collect()
        };
        bench.switch.set_faults("a", Way::FromHost, holds);
        assert_eq!(bench.take(0, &datagram(2, b"1")), []);
        assert!(!bench.switch.is_at_rest());
        bench.switch.set_faults("a", Way::FromHost, Faults::default());
        // Of another conversation, and of the same the other way.
        assert_eq!(texts(bench.take(0, &datagram(3, b"2"))), b"2");
        assert_eq!(texts(bench.take(1, &build::udp((2, 9), (1, 7), b"3"))), b"3");
        assert_eq!(texts(bench.take(0, &datagram(2, b"4"))), b"41");
        assert!(bench.switch.is_at_rest());
        // None comes: it does all the same.
        bench.switch.set_faults("a", Way::FromHost, holds);
        assert_eq!(bench.take(0, &datagram(2, b"5")), []);
        assert_eq!(bench.switch.next_due(), Some(bench.now + REORDER_MAX));
        assert_eq!(bench.due_after(49), b"");
        assert_eq!(bench.due_after(1), b"5");
        // Behind the next one also when that takes its time.
        assert_eq!(bench.take(0, &datagram(2, b"6")), []);
        let slow = Faults { delay_ms: 20, ..Faults::default() };
        bench.switch.set_faults("a", Way::FromHost, slow);
        assert_eq!(bench.take(0, &datagram(2, b"7")), []);
        assert_eq!(bench.due_after(19), b"");
        assert_eq!(bench.due_after(1), b"76");
    }

    #[test]
    fn a_long_capture_keeps_headers() {
        let mut bench = Bench::new();
        let long = datagram(2, &[7; 1400]);
        bench.switch.packets_bytes = CAPTURE_BYTES_MAX;
        bench.take(0, &long);
        assert_eq!((bench.last().bytes.len(), bench.last().length), (1442, 1442));
        bench.take(0, &long);
        assert_eq!((bench.last().bytes.len(), bench.last().length), (HEADERS_BYTES, 1442));
        bench.switch.forget(1);
        bench.take(0, &long);
        assert_eq!((bench.last().number, bench.last().bytes.len()), (0, 1442));
    }

    #[test]
    fn a_new_beginning_leaves_nothing() {
        let mut bench = Bench::new();
        let (sender, receiver) = std::sync::mpsc::channel();
        bench.switch.add_tap(sender);
        let slow = Faults { delay_ms: 20, reorder: 0.5, ..Faults::default() };
        bench.switch.set_faults("a", Way::FromHost, slow);
        for number in 0..20 {
            assert_eq!(bench.take(0, &datagram(2, &[number])), []);
        }
        assert_eq!(receiver.try_iter().count(), 20);
        bench.switch.forget(2);
        assert_eq!(bench.switch.next_due(), None);
        assert_eq!(bench.due_after(1000), b"");
        assert_eq!(bench.take(0, &datagram(2, b"x")).len(), 1);
        assert!(bench.last().fate.is_plain());
        assert_eq!(receiver.try_iter().count(), 0);
    }
}
