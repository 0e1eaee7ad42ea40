//! From packets, and from what the grader did meanwhile, to the rows of a ladder.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use grader::record::{Event, Sample, What};
use grader::stage::Traced;
use netlab::frame::{Internet, Transport, Udp};
use netlab::{Capture, Fate, Packet};

use super::tcp::{self, Seen, Segment, State, States};
use super::words;

/// What a program prints within so short a time may be one line in pieces.
const ONE_LINE: Duration = Duration::from_millis(5);
/// How often a program is shown to print.
const PRINTS: usize = 8;

/// All that there is to draw.
#[derive(Debug, Default)]
pub struct Story {
    /// Who talks to whom, in the order in which they began.
    pub conversations: Vec<Conversation>,
    /// What happened, in order.
    pub rows: Vec<Row>,
}

/// Two ends, of which the right one is the program's, or who is talked to.
#[derive(Debug)]
pub struct Conversation {
    /// Left and right.
    pub parties: [Party; 2],
    /// The states before the first packet, if it is a TCP connection.
    pub began: Option<States>,
}

/// One end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// "your server", "the grader".
    pub name: String,
    /// Where.
    pub address: SocketAddr,
}

/// One thing that happened.
#[derive(Debug)]
pub struct Row {
    /// Since the beginning.
    pub at: Duration,
    /// What.
    pub what: Happening,
}

/// See [`Row`].
#[derive(Debug)]
pub enum Happening {
    /// A packet was sent.
    Packet(Step),
    /// The states of both ends, left and right, are now these.
    States(usize, States),
    /// A sentence, and the program that it is about.
    Said { program: String, text: String },
}

/// A packet.
#[derive(Debug)]
pub struct Step {
    /// The number of its conversation.
    pub conversation: usize,
    pub to_right: bool,
    /// What it is: "SYN", "FIN", "5 bytes".
    pub label: String,
    /// Its data.
    pub data: Option<Sample>,
    /// What it means, in a few words.
    pub meaning: String,
    /// The call that caused it, where that is known.
    pub call: Option<String>,
    /// What befell it, in words; empty if nothing did.
    pub fate: String,
    /// It did not arrive.
    pub is_lost: bool,
    /// One of many of its kind, that may be left out of a long conversation.
    pub is_plain: bool,
    /// How many bytes of data it carries.
    pub bytes: u64,
    /// A TCP segment's part in the close.
    pub is_fin: bool,
    pub acknowledges_fin: bool,
    pub is_reset: bool,
}

/// What the grader did on one of its connections.
#[derive(Debug, Default)]
struct Calls {
    program: String,
    /// Where in the stream each send begins and ends.
    sends: Vec<(u64, u64)>,
    finished: bool,
    reset: bool,
}

/// A frame that was sent, and all that became of it.
struct Journey<'a> {
    first: &'a Packet,
    internet: Internet<'a>,
    became: Vec<&'a Packet>,
}

impl Story {
    /// Tells what was traced.
    pub fn of(traced: &Traced) -> Self {
        Teller::new(traced).tell()
    }
}

struct Teller<'a> {
    traced: &'a Traced,
    calls: HashMap<(SocketAddr, SocketAddr), Calls>,
    story: Story,
    /// The ends of each conversation, left and right.
    known: Vec<[SocketAddr; 2]>,
    /// The datagrams that were sent: by whom, and their bytes.
    sent: HashSet<(SocketAddr, Vec<u8>)>,
}

impl<'a> Teller<'a> {
    fn new(traced: &'a Traced) -> Self {
        let calls = calls(&traced.events);
        Self { traced, calls, story: Story::default(), known: Vec::new(), sent: HashSet::new() }
    }

    fn tell(mut self) -> Story {
        let journeys = journeys(&self.traced.capture);
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (index, journey) in journeys.iter().enumerate() {
            let Some(at) = self.conversation(journey) else { continue };
            members.resize_with(self.known.len().max(members.len()), Vec::new);
            members[at].push(index);
        }
        for (conversation, members) in members.iter().enumerate() {
            let own: Vec<&Journey> = members.iter().map(|index| &journeys[*index]).collect();
            let is_tcp =
                |journey: &&Journey| matches!(journey.internet.transport, Transport::Tcp(_));
            if own.iter().any(is_tcp) {
                self.tell_connection(conversation, &own);
            } else {
                for journey in own {
                    self.tell_datagram(conversation, journey);
                }
            }
        }
        self.tell_happenings();
        // What happens at the same time keeps its order: a packet comes before its states.
        self.story.rows.sort_by_key(|row| row.at);
        self.story
    }

    fn tell_happenings(&mut self) {
        let mut prints: HashMap<String, usize> = HashMap::new();
        for event in &with_whole_lines(&self.traced.events) {
            if matches!(event.what, What::Stdout { .. } | What::Stderr { .. }) {
                let count = prints.entry(event.lane.program.clone()).or_default();
                *count += 1;
                // A program that prints all that it is sent would leave no room for the packets.
                if *count > PRINTS {
                    continue;
                }
            }
            let name = self.short_name(&event.lane.program);
            if let Some(text) = words::happening(event, &name) {
                let program = words::without_place(&event.lane.program);
                self.push(event.at, Happening::Said { program, text });
            }
        }
    }

    /// A program's name, without its host's address if no other host has a program of this name.
    fn short_name(&self, name: &str) -> String {
        let short = words::without_place(name);
        let cast = self.traced.cast.iter();
        let same: HashSet<&str> = cast
            .filter(|(_, other)| words::without_place(other) == short)
            .map(|(host, _)| host.as_str())
            .collect();
        if same.len() > 1 { name.to_owned() } else { short }
    }

    /// When, counted from the beginning.
    fn time(&self, packet: &Packet) -> Duration {
        packet.at.saturating_duration_since(self.traced.began)
    }

    /// The number of the conversation that a packet belongs to.
    fn conversation(&mut self, journey: &Journey<'_>) -> Option<usize> {
        let internet = &journey.internet;
        let ends = match &internet.transport {
            Transport::Icmp(icmp) => icmp.about().map(|(from, to)| [from, to])?,
            Transport::Other if internet.fragment.0 > 0 => return self.of_fragment(internet),
            transport => {
                let (from, to) = transport.ports()?;
                [(internet.source, from).into(), (internet.destination, to).into()]
            }
        };
        let is_same = |known: &[SocketAddr; 2]| *known == ends || *known == [ends[1], ends[0]];
        if let Some(at) = self.known.iter().position(is_same) {
            return Some(at);
        }
        let [from, to] = ends;
        let is_program = |end: SocketAddr| self.programs_at(end.ip()).next().is_some();
        let ends = if is_program(from) && !is_program(to) && self.host_of(to.ip()).is_some() {
            [to, from]
        } else {
            [from, to]
        };
        self.known.push(ends);
        let began = self.time(journey.first);
        let is_for_many = journey.first.headers().is_some_and(|frame| frame.is_for_many());
        let parties = ends.map(|end| {
            let is_nowhere = !is_for_many && self.host_of(end.ip()).is_none();
            let name = match is_nowhere {
                true => words::NOBODY.to_owned(),
                false => self.name(end, ends, began),
            };
            Party { name, address: end }
        });
        self.story.conversations.push(Conversation { parties, began: None });
        Some(self.known.len() - 1)
    }

    /// Of a datagram's later pieces only the addresses are known.
    fn of_fragment(&self, internet: &Internet<'_>) -> Option<usize> {
        let addresses = [internet.source, internet.destination];
        let is_same = |ends: &[SocketAddr; 2]| {
            addresses.iter().all(|address| ends.iter().any(|end| end.ip() == *address))
        };
        self.known.iter().rposition(is_same)
    }

    fn host_of(&self, address: IpAddr) -> Option<&str> {
        let interfaces = self.traced.capture.interfaces.iter();
        let found = interfaces.filter(|interface| IpAddr::V4(interface.address) == address);
        found.map(|interface| &*interface.host).next()
    }

    /// The programs that ran on the host with this address.
    fn programs_at(&self, address: IpAddr) -> impl Iterator<Item = &str> {
        let host = self.host_of(address);
        let cast = self.traced.cast.iter();
        cast.filter(move |(on, _)| Some(on.as_str()) == host).map(|(_, name)| name.as_str())
    }

    /// What an end of a conversation that began then is called.
    fn name(&self, end: SocketAddr, ends: [SocketAddr; 2], began: Duration) -> String {
        let other = if ends[0] == end { ends[1] } else { ends[0] };
        if let Some(calls) = self.calls.get(&(other, end)) {
            return words::without_place(&calls.program);
        }
        if self.calls.contains_key(&(end, other)) {
            return words::GRADER.to_owned();
        }
        if self.host_of(end.ip()).is_none() {
            return words::EVERYBODY.to_owned();
        }
        let has_started = |name: &&str| self.started(name).is_none_or(|at| at <= began);
        let last = self.programs_at(end.ip()).filter(has_started).last();
        match last.or_else(|| self.programs_at(end.ip()).next()) {
            Some(name) => words::without_place(name),
            None => words::GRADER.to_owned(),
        }
    }

    /// When this program was started.
    fn started(&self, name: &str) -> Option<Duration> {
        let mut events = self.traced.events.iter();
        let is_start = |event: &&Event| {
            event.lane.program == name && matches!(event.what, What::Started { .. })
        };
        events.find(is_start).map(|event| event.at)
    }

    fn is_programs(&self, end: SocketAddr) -> bool {
        self.programs_at(end.ip()).next().is_some()
    }

    fn tell_connection(&mut self, conversation: usize, journeys: &[&Journey<'_>]) {
        let ends = self.known[conversation];
        let mut own = Vec::new();
        for journey in journeys {
            let Transport::Tcp(tcp) = &journey.internet.transport else { continue };
            let sender = SocketAddr::new(journey.internet.source, tcp.source_port);
            let at = self.time(journey.first);
            let arrival = journey.became.iter().find(|packet| arrived(packet));
            own.push((
                *journey,
                Segment {
                    from: usize::from(sender == ends[1]),
                    at,
                    arrives: arrival.map(|packet| at + packet.fate.delayed),
                    sequence: tcp.sequence,
                    acknowledges: tcp.flags.ack.then_some(tcp.acknowledgement),
                    syn: tcp.flags.syn,
                    fin: tcp.flags.fin,
                    rst: tcp.flags.rst,
                    window: tcp.window,
                    scale: tcp.options.window_scale,
                    bytes: (tcp.payload.len() + journey.internet.missing) as u64,
                },
            ));
        }
        let segments: Vec<Segment> = own.iter().map(|(_, segment)| segment.clone()).collect();
        let all = tcp::follow(&segments);
        let mut shown = all.first().map(|seen| seen.before);
        self.story.conversations[conversation].began = shown;
        for ((journey, segment), seen) in own.iter().zip(&all) {
            if shown != Some(seen.before) {
                self.push(segment.at, Happening::States(conversation, seen.before));
            }
            for step in self.steps_of(conversation, journey, segment, seen) {
                self.push(segment.at, Happening::Packet(step));
            }
            if seen.after != seen.before {
                self.push(segment.at, Happening::States(conversation, seen.after));
            }
            shown = Some(seen.after);
        }
    }

    fn push(&mut self, at: Duration, what: Happening) {
        self.story.rows.push(Row { at, what });
    }

    /// A segment, and the copies that a wire made of it.
    fn steps_of(
        &self,
        conversation: usize,
        journey: &Journey<'_>,
        segment: &Segment,
        seen: &Seen,
    ) -> Vec<Step> {
        let Transport::Tcp(tcp) = &journey.internet.transport else { return Vec::new() };
        let ends = self.known[conversation];
        let (sender, receiver) = (ends[segment.from], ends[1 - segment.from]);
        let calls = self.calls.get(&(sender, receiver));
        let is_quiet = !segment.syn && !segment.fin && !seen.probe;
        let is_full = segment.bytes == 0 && seen.window == Some(0);
        let changes = seen.before != seen.after || seen.again || is_full;
        let sender_state = seen.before[segment.from];
        let step = |packet: &Packet| Step {
            conversation,
            to_right: segment.from == 0,
            label: words::label(segment),
            data: (segment.bytes > 0).then(|| sample(tcp.payload, segment.bytes)),
            meaning: words::meaning(segment, seen, sender_state),
            call: (!packet.fate.copy)
                .then(|| self.call(calls, segment, seen, self.is_programs(sender)))
                .flatten(),
            fate: words::fate(packet.fate),
            is_lost: packet.fate.lost || packet.fate.corrupted,
            is_plain: is_quiet && !changes && packet.fate == delayed_alone(packet.fate),
            bytes: segment.bytes,
            is_fin: segment.fin,
            acknowledges_fin: seen.acknowledged_fin,
            is_reset: segment.rst,
        };
        journey.became.iter().map(|packet| step(packet)).collect()
    }

    fn call(
        &self,
        calls: Option<&Calls>,
        segment: &Segment,
        seen: &Seen,
        is_programs: bool,
    ) -> Option<String> {
        if seen.again || seen.probe {
            return None;
        }
        if segment.syn {
            // There is no other call for this, whoever makes it.
            return segment.acknowledges.is_none().then(|| words::CONNECT.to_owned());
        }
        let calls = calls.filter(|_| !is_programs)?;
        let mut told = Vec::new();
        if segment.bytes > 0 {
            told.extend(words::sends(&calls.sends, seen.data));
        }
        if segment.fin {
            told.push(if calls.finished { words::SHUTDOWN } else { words::CLOSE }.to_owned());
        }
        if segment.rst && seen.before[segment.from] != State::Closed {
            // After a close it is the kernel that answers what nobody will read.
            let has_closed = seen.before[segment.from].has_sent_fin() && !calls.finished;
            match calls.reset {
                true => told.push(words::CLOSE_LINGER.to_owned()),
                false if has_closed => {}
                false => told.push(words::CLOSE_UNREAD.to_owned()),
            }
        }
        (!told.is_empty()).then(|| told.join(", then "))
    }

    fn tell_datagram(&mut self, conversation: usize, journey: &Journey<'_>) {
        let internet = &journey.internet;
        let ends = self.known[conversation];
        let (label, data, meaning, call) = match &internet.transport {
            Transport::Udp(udp) if internet.fragment == (0, false) => (
                words::DATAGRAM.to_owned(),
                Some(sample(udp.payload, (udp.payload.len() + internet.missing) as u64)),
                self.meaning_of(journey, udp),
                Some(words::ONE_SEND.to_owned()),
            ),
            Transport::Udp(udp) => {
                (words::first_fragment(udp.payload.len() as u64), None, String::new(), None)
            }
            Transport::Icmp(icmp) => {
                let (label, meaning) = words::icmp(icmp.kind, icmp.code);
                (label, None, meaning, None)
            }
            _ => {
                let (at, more) = internet.fragment;
                let meaning = words::fragment(at, internet.payload.len(), more);
                (words::FRAGMENT.to_owned(), None, meaning, None)
            }
        };
        let is_icmp = matches!(internet.transport, Transport::Icmp(_));
        let is_router = &*journey.first.from == words::ROUTER && !is_icmp;
        let meaning = if is_router { words::ROUTED.to_owned() } else { meaning };
        let call = call.filter(|_| !is_router);
        let header = if internet.fragment.0 == 0 { words::UDP_HEADER_BYTES } else { 0 };
        let bytes = ((internet.payload.len() + internet.missing) as u64).saturating_sub(header);
        let from_right = match &internet.transport {
            Transport::Udp(udp) => ends[1] == SocketAddr::new(internet.source, udp.source_port),
            // It may come from a router, on behalf of the other end.
            Transport::Icmp(_) => ends[0].ip() == internet.destination,
            _ => ends[1].ip() == internet.source,
        };
        for packet in distinct_fates(&journey.became) {
            let step = Step {
                conversation,
                to_right: !from_right,
                label: label.clone(),
                data: data.clone(),
                meaning: if packet.fate.copy { String::new() } else { meaning.clone() },
                call: if packet.fate.copy { None } else { call.clone() },
                fate: words::fate(packet.fate),
                is_lost: packet.fate.lost || packet.fate.corrupted,
                is_plain: packet.fate == delayed_alone(packet.fate),
                bytes,
                is_fin: false,
                acknowledges_fin: false,
                is_reset: false,
            };
            self.push(self.time(packet), Happening::Packet(step));
        }
    }

    /// Whom a broadcast reaches; of others whether the same was sent before.
    fn meaning_of(&mut self, journey: &Journey<'_>, udp: &Udp<'_>) -> String {
        let sender = SocketAddr::new(journey.internet.source, udp.source_port);
        let is_new = self.sent.insert((sender, udp.payload.to_vec()));
        match self.reached(journey) {
            reached if reached.is_empty() && !is_new => words::SAME_AGAIN.to_owned(),
            reached => reached,
        }
    }

    /// Whom a broadcast reaches.
    fn reached(&self, journey: &Journey<'_>) -> String {
        if self.host_of(journey.internet.destination).is_some() {
            return String::new();
        }
        let hosts = journey.became.iter().filter(|packet| arrived(packet));
        let is_router = |packet: &&&Packet| packet.to.as_deref() == Some(words::ROUTER);
        let (routers, hosts): (Vec<_>, Vec<_>) = hosts.partition(is_router);
        let address = |packet: &&Packet| {
            let to = packet.to.as_deref()?;
            let own = self.traced.capture.interfaces.iter().filter(|own| &*own.host == to);
            own.map(|own| own.address).find(|own| {
                let near = own.octets()[..3] == sender_network(&journey.internet)[..];
                near || journey.internet.destination.is_ipv6()
            })
        };
        let addresses: Vec<_> = hosts.into_iter().filter_map(address).collect();
        words::reached(&addresses, routers.into_iter().find_map(address))
    }
}

fn sender_network(internet: &Internet<'_>) -> Vec<u8> {
    match internet.source {
        IpAddr::V4(address) => address.octets()[..3].to_vec(),
        IpAddr::V6(_) => Vec::new(),
    }
}

fn arrived(packet: &Packet) -> bool {
    !packet.fate.lost && !packet.fate.corrupted && packet.to.is_some()
}

/// The same fate, if it is no more than a delay, as all packets of a long wire have it.
fn delayed_alone(fate: Fate) -> Fate {
    Fate { delayed: fate.delayed, ..Fate::default() }
}

/// Of a packet for many hosts one for each fate that befell some of them.
fn distinct_fates<'a>(became: &[&'a Packet]) -> Vec<&'a Packet> {
    let mut distinct: Vec<&Packet> = Vec::new();
    for packet in became {
        if !distinct.iter().any(|known| known.fate == packet.fate) {
            distinct.push(packet);
        }
    }
    distinct
}

fn journeys(capture: &Capture) -> Vec<Journey<'_>> {
    let mut journeys: Vec<Journey> = Vec::new();
    for packet in &capture.packets {
        if let Some(last) = journeys.last_mut()
            && last.first.number == packet.number
        {
            last.became.push(packet);
            continue;
        }
        // What is no IP is left out of the picture.
        let internet = packet.headers().and_then(|frame| frame.internet);
        if let Some(internet) = internet {
            journeys.push(Journey { first: packet, internet, became: vec![packet] });
        }
    }
    journeys
}

/// Data of which so many bytes were sent, and perhaps only the first of them kept.
fn sample(kept: &[u8], total_bytes: u64) -> Sample {
    let mut sample = Sample::of(kept);
    if total_bytes > kept.len() as u64 {
        sample.tail.clear();
        sample.total_bytes = total_bytes;
    }
    sample
}

/// The events; what a program prints in pieces is told when a line, or all of it, is there.
fn with_whole_lines(events: &[Event]) -> Vec<Event> {
    let mut told: Vec<Event> = Vec::new();
    for event in events {
        let is_of_same = |other: &&mut Event| other.lane == event.lane;
        if let Some(last) = told.iter_mut().rev().find(is_of_same)
            && event.at.saturating_sub(last.at) < ONE_LINE
            && appends(&mut last.what, &event.what)
        {
            continue;
        }
        told.push(event.clone());
    }
    told
}

/// Adds what a program printed to what it had printed before, unless that ends a line.
fn appends(printed: &mut What, next: &What) -> bool {
    match (printed, next) {
        (What::Stdout { bytes }, What::Stdout { bytes: more })
        | (What::Stderr { bytes }, What::Stderr { bytes: more }) => {
            let is_line = bytes.tail.last().or(bytes.head.last()) == Some(&b'\n');
            !is_line && bytes.append(more)
        }
        _ => false,
    }
}

/// The grader's calls, by its own and the program's address.
fn calls(events: &[Event]) -> HashMap<(SocketAddr, SocketAddr), Calls> {
    let mut lanes: HashMap<u32, (SocketAddr, SocketAddr)> = HashMap::new();
    let mut all: HashMap<(SocketAddr, SocketAddr), Calls> = HashMap::new();
    for event in events {
        let Some(lane) = event.lane.connection else { continue };
        let ends = match &event.what {
            What::GraderConnected { from, to } => Some((*from, *to)),
            What::ProgramConnected { from, to } => Some((*to, *from)),
            _ => None,
        };
        if let Some(ends) = ends {
            lanes.insert(lane, ends);
            let program = event.lane.program.clone();
            all.entry(ends).or_insert_with(|| Calls { program, ..Calls::default() });
            continue;
        }
        let Some(calls) = lanes.get(&lane).and_then(|ends| all.get_mut(ends)) else { continue };
        match &event.what {
            What::Sent { bytes, .. } => {
                let start = calls.sends.last().map_or(0, |(_, end)| *end);
                calls.sends.push((start, start + bytes.total_bytes));
            }
            What::GraderFinishedSending => calls.finished = true,
            What::GraderReset => calls.reset = true,
            _ => {}
        }
    }
    all
}
