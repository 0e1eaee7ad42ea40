//! What a connection's segments say of its two ends: their states (RFC 9293, figure 5), and of each
//! segment what is new in it.
//!
//! Nothing is guessed: an end has taken in what its next segment acknowledges. Only the last
//! segments, after which an end sends nothing more, count as taken in when they arrive.

use std::time::Duration;

/// The state of one end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl State {
    /// As RFC 9293 and `ss` write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }

    /// Whether an end in this state has said that it sends no more.
    pub fn has_sent_fin(self) -> bool {
        use State::*;
        matches!(self, FinWait1 | FinWait2 | Closing | LastAck | TimeWait)
    }
}

/// The states of both ends.
pub type States = [State; 2];

/// A segment on its way.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// Which end sent it: 0 or 1.
    pub from: usize,
    /// When it was sent.
    pub at: Duration,
    /// When it arrived; none if it did not.
    pub arrives: Option<Duration>,
    /// Its sequence number.
    pub sequence: u32,
    /// What it acknowledges, if it does.
    pub acknowledges: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    /// How many bytes its sender has room for, not yet scaled.
    pub window: u16,
    /// How the windows of its sender are to be scaled (on a SYN).
    pub scale: Option<u8>,
    /// How many bytes of data it carries.
    pub bytes: u64,
}

/// What is new in a segment, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The states before it was sent.
    pub before: States,
    /// The states after it was sent and, if nothing came in between, arrived.
    pub after: States,
    /// Where its data stands in its sender's stream, counted from 0.
    pub data: (u64, u64),
    /// All of it had been sent before.
    pub again: bool,
    /// How many bytes of data it is the first to acknowledge.
    pub acknowledged: u64,
    /// It is the first to acknowledge the other's FIN.
    pub acknowledged_fin: bool,
    /// It is the first to acknowledge the other's SYN.
    pub acknowledged_syn: bool,
    /// It says nothing new but that there is room for so many bytes.
    pub window: Option<u64>,
    /// It asks for an answer: its number is one that was acknowledged long ago (RFC 9293, 3.8.4).
    pub probe: bool,
    /// Its sender refuses a connection that has not come to be.
    pub refuses: bool,
    /// What the other end had sent last was a repetition.
    pub after_repetition: bool,
}

#[derive(Debug)]
struct End {
    state: State,
    /// Its first sequence number.
    first: Option<u32>,
    /// The number after the last that it has sent, counted from the first.
    sent: u64,
    /// The number of its FIN.
    fin: Option<u64>,
    /// The highest number of the other's that it has acknowledged.
    acknowledged: u64,
    scale: u8,
    window: Option<u64>,
    /// What it has sent last had been sent before.
    repeats: bool,
}

/// A segment that its receiver has not been seen to take in.
struct Pending {
    index: usize,
    at: Duration,
}

struct Connection<'a> {
    segments: &'a [Segment],
    ends: [End; 2],
    pending: Vec<Pending>,
}

/// Follows a connection from its first segment on.
pub fn follow(segments: &[Segment]) -> Vec<Seen> {
    let mut connection = Connection::new(segments);
    let mut all = Vec::new();
    for index in 0..segments.len() {
        connection.take_in_before(index);
        let before = connection.states();
        let mut seen = connection.send(index);
        seen.before = before;
        // What arrives before anything else is sent belongs to this segment.
        let until = segments.get(index + 1).map_or(Duration::MAX, |next| next.at);
        connection.take_in_until(until, index);
        seen.after = connection.states();
        all.push(seen);
    }
    all
}

impl<'a> Connection<'a> {
    fn new(segments: &'a [Segment]) -> Self {
        let has_beginning = segments.first().is_some_and(|first| first.syn);
        let end = |number: usize| {
            let answers = |segment: &Segment| segment.from == number && segment.syn;
            let is_asked = segments.first().is_some_and(|first| first.from != number);
            let state = match (has_beginning, is_asked && segments.iter().any(answers)) {
                (false, _) => State::Established,
                (true, true) => State::Listen,
                (true, false) => State::Closed,
            };
            let (first, fin, window) = (None, None, None);
            End { state, first, sent: 0, fin, acknowledged: 0, scale: 0, window, repeats: false }
        };
        Self { segments, ends: [end(0), end(1)], pending: Vec::new() }
    }

    fn states(&self) -> States {
        [self.ends[0].state, self.ends[1].state]
    }

    /// The number after all of the segment, counted from its sender's first.
    fn end_of(&self, index: usize) -> u64 {
        let segment = &self.segments[index];
        let first = self.ends[segment.from].first.unwrap_or(segment.sequence);
        let start = u64::from(segment.sequence.wrapping_sub(first));
        start + segment.bytes + u64::from(segment.syn) + u64::from(segment.fin)
    }

    /// What the segment acknowledges, counted from the other's first number.
    fn acknowledged_by(&self, segment: &Segment) -> Option<u64> {
        let first = self.ends[1 - segment.from].first?;
        Some(u64::from(segment.acknowledges?.wrapping_sub(first)))
    }

    fn occupies(segment: &Segment) -> bool {
        segment.bytes > 0 || segment.syn || segment.fin
    }

    /// The sender of a segment has taken in what it acknowledges with it.
    fn take_in_before(&mut self, index: usize) {
        let segment = &self.segments[index];
        let acknowledged = self.acknowledged_by(segment);
        self.take_in(|this, pending| {
            let waiting = &this.segments[pending.index];
            let is_covered = acknowledged.is_none_or(|number| this.end_of(pending.index) <= number);
            let is_here = !Self::occupies(waiting) && pending.at <= segment.at;
            let is_due = match waiting.rst {
                true => is_here && !this.goes_on(segment.from, index),
                false => is_here || Self::occupies(waiting) && is_covered,
            };
            waiting.from != segment.from && is_due
        });
    }

    /// What has arrived until then, unless its receiver goes on without having seen it.
    fn take_in_until(&mut self, until: Duration, sent: usize) {
        self.take_in(|this, pending| {
            let waiting = &this.segments[pending.index];
            let later = this.segments[sent + 1..].iter();
            let mut answers = later.filter(|next| next.from != waiting.from && !next.rst);
            let is_seen = match answers.find_map(|next| this.acknowledged_by(next)) {
                _ if waiting.rst => !this.goes_on(1 - waiting.from, sent + 1),
                Some(number) => !Self::occupies(waiting) || this.end_of(pending.index) <= number,
                None => true,
            };
            let is_next = answers_next(&this.segments[sent..], pending.index == sent);
            // What its receiver has just not acknowledged waits for a gap before it to be filled.
            let last = &this.segments[sent];
            let is_news = last.from == waiting.from || pending.at > last.at;
            (pending.at <= until || is_next) && is_seen && (is_news || !Self::occupies(waiting))
        });
    }

    /// Whether this end sends, from that segment on, what an end that was reset does not.
    fn goes_on(&self, end: usize, index: usize) -> bool {
        let later = self.segments[index..].iter().take_while(|next| !next.syn);
        later.into_iter().any(|next| next.from == end && !next.rst)
    }

    fn take_in(&mut self, is_due: impl Fn(&Self, &Pending) -> bool) {
        let pending = std::mem::take(&mut self.pending);
        let (due, left): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|pending| is_due(self, pending));
        self.pending = left;
        for pending in due {
            self.arrive(pending.index);
        }
    }

    fn arrive(&mut self, index: usize) {
        use State::*;
        let segment = &self.segments[index];
        let acknowledged = self.acknowledged_by(segment);
        let end = &mut self.ends[1 - segment.from];
        if segment.rst {
            if end.state != Listen {
                end.state = Closed;
            }
            return;
        }
        let fin_is_seen = end.fin.zip(acknowledged).is_some_and(|(fin, number)| number > fin);
        end.state = match end.state {
            SynSent if segment.syn && acknowledged.is_some() => Established,
            SynSent if segment.syn => SynReceived,
            SynReceived if acknowledged.is_some_and(|number| number > 0) => Established,
            FinWait1 if fin_is_seen => FinWait2,
            Closing if fin_is_seen => TimeWait,
            LastAck if fin_is_seen => Closed,
            other => other,
        };
        if segment.fin {
            end.state = match end.state {
                Established | SynReceived => CloseWait,
                FinWait1 => Closing,
                FinWait2 => TimeWait,
                other => other,
            };
        }
    }

    fn send(&mut self, index: usize) -> Seen {
        let segment = &self.segments[index];
        let other_fin = self.ends[1 - segment.from].fin;
        let after_repetition = self.ends[1 - segment.from].repeats;
        let never_stood = self.ends[1 - segment.from].state == State::SynSent;
        let end = &mut self.ends[segment.from];
        let first =
            *end.first.get_or_insert(segment.sequence.wrapping_sub(u32::from(!segment.syn)));
        let start = u64::from(segment.sequence.wrapping_sub(first));
        // A probe's number is one less than what comes next.
        let probe = !segment.rst
            && !segment.syn
            && start + 1 == end.sent
            && !segment.fin
            && segment.bytes <= 1;
        let stop = self.end_of(index);
        let acknowledged = self.acknowledged_by(segment);
        let end = &mut self.ends[segment.from];
        let again = Self::occupies(segment) && stop <= end.sent;
        end.sent = end.sent.max(stop);
        if Self::occupies(segment) {
            end.repeats = again;
        }
        if segment.fin {
            end.fin = Some(stop - 1);
        }
        if let Some(scale) = segment.scale {
            end.scale = scale;
        }
        let room = u64::from(segment.window) << if segment.syn { 0 } else { end.scale };
        let news = acknowledged.filter(|number| *number > end.acknowledged);
        let was = end.acknowledged;
        end.acknowledged = acknowledged.unwrap_or(was).max(was);
        let is_fin_new = news.zip(other_fin).is_some_and(|(number, fin)| number > fin);
        let is_syn_new = was == 0 && news.is_some();
        let new_bytes =
            news.map_or(0, |number| number - was - u64::from(is_syn_new) - u64::from(is_fin_new));
        let is_update = news.is_none() && !Self::occupies(segment) && !probe && !segment.rst;
        let window = (is_update && end.window != Some(room)).then_some(room);
        end.window = Some(room);
        let is_empty_window = room == 0 && !segment.rst && !segment.syn;
        end.state = after_sending(end.state, segment);
        if let Some(at) = segment.arrives {
            self.pending.push(Pending { index, at });
        }
        // Data begins after the SYN, which has a number of its own.
        let data = start.saturating_sub(u64::from(!segment.syn));
        Seen {
            before: self.states(),
            after: self.states(),
            data: (data, data + segment.bytes),
            again,
            acknowledged: new_bytes,
            acknowledged_fin: is_fin_new,
            acknowledged_syn: is_syn_new,
            window: if is_empty_window { Some(0) } else { window },
            probe: probe && (!again || segment.bytes == 0),
            refuses: segment.rst && never_stood,
            after_repetition,
        }
    }
}

/// Whether the segment after the first comes from the other end: whatever the clocks say, what it
/// acknowledges has arrived.
fn answers_next(segments: &[Segment], is_first: bool) -> bool {
    is_first
        && segments.get(1).is_some_and(|next| {
            next.from != segments[0].from && (next.acknowledges.is_some() || next.rst)
        })
}

fn after_sending(state: State, segment: &Segment) -> State {
    use State::*;
    match state {
        _ if segment.rst => Closed,
        Closed if segment.syn && segment.acknowledges.is_none() => SynSent,
        Listen | SynSent | Closed if segment.syn && segment.acknowledges.is_some() => SynReceived,
        Established | SynReceived if segment.fin => FinWait1,
        CloseWait if segment.fin => LastAck,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, Segment, State, follow};

    /// Sender, flags, sequence and acknowledgement (relative to 1,000 and 2,000), bytes.
    type Short = (usize, &'static str, u32, u32, u64);

    const OPENING: [Short; 3] = [(0, "S", 0, 0, 0), (1, "SA", 0, 1, 0), (0, "A", 1, 1, 0)];

    fn segments(shorts: &[Short]) -> Vec<Segment> {
        let mut at = std::time::Duration::ZERO;
        let segment = |&(from, flags, sequence, acknowledges, bytes): &Short| {
            at += std::time::Duration::from_millis(1);
            // One end's numbers run over the end of their range.
            let bases = [u32::MAX - 2, 2_000];
            Segment {
                from,
                at,
                arrives: (!flags.contains('x')).then_some(at),
                sequence: bases[from].wrapping_add(sequence),
                acknowledges: flags
                    .contains('A')
                    .then(|| bases[1 - from].wrapping_add(acknowledges)),
                syn: flags.contains('S'),
                fin: flags.contains('F'),
                rst: flags.contains('R'),
                window: 500,
                scale: None,
                bytes,
            }
        };
        shorts.iter().map(segment).collect()
    }

    fn after_opening(more: &[Short]) -> Vec<Seen> {
        let all: Vec<Short> = OPENING.iter().chain(more).copied().collect();
        follow(&segments(&all))
    }

    fn names(seen: &[Seen]) -> Vec<String> {
        let told = |seen: &Seen| format!("{} {}", seen.after[0].name(), seen.after[1].name());
        seen.iter().map(told).collect()
    }

    #[test]
    fn handshake_and_close_of_the_standard() {
        // RFC 9293, figures 6 and 12.
        let seen = after_opening(&[
            (0, "A", 1, 1, 5),
            (1, "A", 1, 6, 0),
            (0, "FA", 6, 1, 0),
            (1, "A", 1, 7, 0),
            (1, "FA", 1, 7, 0),
            (0, "A", 7, 2, 0),
        ]);
        assert_eq!(seen[0].before, [State::Closed, State::Listen]);
        let expected = [
            "SYN-SENT LISTEN",
            "ESTABLISHED SYN-RECEIVED",
            "ESTABLISHED ESTABLISHED",
            "ESTABLISHED ESTABLISHED",
            "ESTABLISHED ESTABLISHED",
            "FIN-WAIT-1 CLOSE-WAIT",
            "FIN-WAIT-2 CLOSE-WAIT",
            "TIME-WAIT LAST-ACK",
            "TIME-WAIT CLOSED",
        ];
        assert_eq!(names(&seen), expected);
        assert_eq!((seen[3].data, seen[4].acknowledged), ((0, 5), 5));
        assert!(seen[6].acknowledged_fin && !seen[7].acknowledged_fin);
        assert!(seen[1].acknowledged_syn && seen[2].acknowledged_syn);
        assert!(seen.iter().all(|seen| !seen.again && !seen.probe && seen.window.is_none()));
    }

    #[test]
    fn three_packets_close_if_the_fin_acknowledges() {
        let seen = after_opening(&[(0, "FA", 1, 1, 0), (1, "FA", 1, 2, 0), (0, "A", 2, 2, 0)]);
        let expected = ["FIN-WAIT-1 CLOSE-WAIT", "TIME-WAIT LAST-ACK", "TIME-WAIT CLOSED"];
        assert_eq!(names(&seen)[3..], expected);
        assert!(seen[4].acknowledged_fin);
    }

    #[test]
    fn fins_that_cross_are_a_simultaneous_close() {
        // RFC 9293, figure 13: neither had seen the other's.
        let seen = after_opening(&[
            (0, "FA", 1, 1, 0),
            (1, "FA", 1, 1, 0),
            (1, "A", 2, 2, 0),
            (0, "A", 2, 2, 0),
        ]);
        let expected = [
            "FIN-WAIT-1 ESTABLISHED",
            "CLOSING CLOSING",
            "TIME-WAIT CLOSING",
            "TIME-WAIT TIME-WAIT",
        ];
        let told = names(&seen);
        assert_eq!(told[3], expected[0]);
        assert_eq!(told[5..], expected[2..]);
    }

    #[test]
    fn a_lost_segment_changes_its_sender_alone() {
        let seen = after_opening(&[(0, "FAx", 1, 1, 0), (0, "FA", 1, 1, 0), (1, "A", 1, 2, 0)]);
        let expected = ["FIN-WAIT-1 ESTABLISHED", "FIN-WAIT-1 CLOSE-WAIT", "FIN-WAIT-2 CLOSE-WAIT"];
        assert_eq!(names(&seen)[3..], expected);
        assert!(!seen[3].again && seen[4].again);
    }

    #[test]
    fn resets_close_both_ends_and_refuse() {
        let seen = after_opening(&[(0, "RA", 1, 1, 0)]);
        assert_eq!(names(&seen)[3], "CLOSED CLOSED");
        assert!(!seen[3].refuses);
        let seen = follow(&segments(&[(0, "S", 0, 0, 0), (1, "RA", 0, 1, 0)]));
        assert_eq!(names(&seen), ["SYN-SENT CLOSED", "CLOSED CLOSED"]);
        assert!(seen[1].refuses);
    }

    #[test]
    fn who_goes_on_has_not_seen_the_reset() {
        let seen = after_opening(&[
            (0, "RA", 1, 1, 0),
            (1, "A", 1, 1, 5),
            (1, "A", 6, 1, 5),
            (0, "R", 1, 0, 0),
            (0, "R", 1, 0, 0),
        ]);
        let expected =
            ["CLOSED ESTABLISHED", "CLOSED ESTABLISHED", "CLOSED CLOSED", "CLOSED CLOSED"];
        assert_eq!(names(&seen)[3..7], expected);
    }

    #[test]
    fn what_came_twice_is_acknowledged_twice() {
        let seen = after_opening(&[
            (0, "A", 1, 1, 5),
            (1, "A", 1, 6, 0),
            (0, "A", 1, 1, 5),
            (1, "A", 1, 6, 0),
        ]);
        let told: Vec<_> = seen[3..].iter().map(|seen| seen.after_repetition).collect();
        assert_eq!(told, [false, false, false, true]);
        assert!(seen[5].again);
    }

    #[test]
    fn bytes_of_an_out_of_order_fin_wait_for_the_gap() {
        let seen = after_opening(&[
            (0, "Ax", 1, 1, 5),
            (0, "FA", 6, 1, 0),
            (1, "A", 1, 1, 0),
            (0, "A", 1, 1, 5),
            (1, "A", 1, 7, 0),
        ]);
        let expected = [
            "ESTABLISHED ESTABLISHED",
            "FIN-WAIT-1 ESTABLISHED",
            "FIN-WAIT-1 ESTABLISHED",
            "FIN-WAIT-1 CLOSE-WAIT",
            "FIN-WAIT-2 CLOSE-WAIT",
        ];
        assert_eq!(names(&seen)[3..], expected);
        assert!(seen[6].again);
        assert_eq!((seen[7].acknowledged, seen[7].acknowledged_fin), (5, true));
    }
}
