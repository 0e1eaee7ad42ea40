//! What client and server promise where datagrams are lost, doubled and overtaken: on a wire of the
//! lab.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use grader::lab::{Faults, Sighting};
use grader::udp::DatagramPeer;
use grader::wording::lab as words;
use grader::{Check, Failure, Finished, Host, Lab, Program, Server, Stop, Symptom, Verdict};

/// What the wire does to each datagram, both ways.
const LOSSY: Faults = Faults { loss: 0.1, duplicate: 0.2, reorder: 0.1, corrupt: 0.0, delay_ms: 0 };
/// How often a client tries at the most.
const TRIES: usize = 3;
/// A reply that left for the client later than this after its last try may have come too late.
const SURELY_IN_TIME: Duration = Duration::from_millis(400);
/// Of how many messages those are chosen that a client is given.
const CANDIDATES: usize = 120;
/// How many seeds are looked at before the grader gives up its search.
const SEARCHES: usize = 10;
/// How many datagrams the server is sent, each of them twice.
const DATAGRAMS: usize = 40;

/// What a client meets that sends a message and waits for its echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// The echo comes at the first try, and nothing else.
    None,
    /// The echo comes several times: the further ones wait when the next message is sent.
    Doubled,
    /// The first try is lost on its way to the server.
    RequestLost,
    /// The first try arrives, and its echo is lost.
    ReplyLost,
}

/// The messages of a run: every kind of trouble, and three tries are lost in all.
const RUN: [Trouble; 8] = [
    Trouble::RequestLost,
    Trouble::Doubled,
    Trouble::None,
    Trouble::ReplyLost,
    Trouble::Doubled,
    Trouble::None,
    Trouble::RequestLost,
    Trouble::None,
];

/// Eight messages over a wire that loses some, doubles some and lets some overtake others. Every
/// message gets through within its three tries, so a client that tries as it should has all
/// replies; should a busy machine have used up the tries of one, the packets say whether it could
/// have had one.
pub fn client(check: &mut Check) -> Verdict {
    let lab = check.lab()?;
    let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
    let messages = choose_messages(check, &lab, &here, &there)?;
    let mut peer = there.datagram_peer()?;
    lab.set_faults(&here, LOSSY);
    let mut arguments = vec!["client".to_owned(), peer.address().to_string()];
    arguments.extend(messages.iter().cloned());
    let client = check.start_on(&here, &arguments)?;
    echo_until_it_ends(check, &client, &mut peer)?;
    judge(&lab, &here, &messages, &client.finish()?)
}

/// Sends back whatever comes until the client has ended.
fn echo_until_it_ends(check: &Check, client: &Program, peer: &mut DatagramPeer) -> Verdict {
    let expected = words::sends_or_ends(&client.name());
    loop {
        match peer.receive_within(client, &expected, check.deadline()) {
            Ok(Some(datagram)) => peer.send_to(client, datagram.from, &datagram.bytes)?,
            // Said by what waits for its end.
            Ok(None) => return Ok(()),
            Err(Stop::Failed(failure))
                if matches!(failure.symptom, Symptom::Exited | Symptom::Crashed) =>
            {
                return Ok(());
            }
            Err(other) => return Err(other),
        }
    }
}

/// All replies are printed; or those before the first message of which no try brought one in time.
fn judge(lab: &Lab<'_>, here: &Host, messages: &[String], client: &Finished) -> Verdict {
    let seen = &lab.datagrams();
    let printed = client.stdout().iter().filter(|byte| **byte == b'\n').count();
    let done = printed.min(messages.len());
    let lines: String = messages[..done].iter().map(|message| format!("{message}\n")).collect();
    client.expect_stdout(lines.as_bytes())?;
    for message in &messages[..done] {
        if replies(seen, here, message).is_empty() {
            lab.focus_on(message.as_bytes());
            let (expected, got) = words::reply_from_nowhere(message);
            return Err(Failure::new(Symptom::Named("made-up-reply"), expected, got).into());
        }
    }
    let Some(message) = messages.get(done) else {
        client.expect_status(&[0])?;
        return Ok(());
    };
    lab.focus_on(message.as_bytes());
    let tries: BTreeMap<u64, _> = seen
        .iter()
        .filter(|one| *one.from == *here.name() && one.bytes == message.as_bytes())
        .map(|one| (one.number, one.at))
        .collect();
    if tries.len() < TRIES {
        let (expected, got) = words::too_few_tries(message, TRIES, tries.len());
        return Err(Failure::new(Symptom::Named("gave-up-early"), expected, got).into());
    }
    let last = tries.values().max().copied();
    let is_in_time = |reply: &&Sighting| last.is_some_and(|last| reply.at < last + SURELY_IN_TIME);
    if replies(seen, here, message).iter().any(is_in_time) {
        let (expected, got) = words::overlooked_reply(message);
        return Err(Failure::new(Symptom::Named("overlooked-reply"), expected, got).into());
    }
    client.expect_status(&[1])?;
    Ok(())
}

/// The echoes of a message that have reached the client's host.
fn replies<'a>(seen: &'a [Sighting], here: &Host, message: &str) -> Vec<&'a Sighting> {
    seen.iter().filter(|one| one.arrives_at(here) && one.bytes == message.as_bytes()).collect()
}

/// Messages that will meet the troubles of a [`RUN`]. A wire decides by the seed and by what a
/// datagram carries: what it does to a message can be seen beforehand, in a conversation of the
/// grader's own with the same seed.
fn choose_messages(
    check: &mut Check,
    lab: &Lab<'_>,
    here: &Host,
    there: &Host,
) -> Verdict<Vec<String>> {
    for _ in 0..SEARCHES {
        let seed = check.random().number();
        let candidates: Vec<String> = (0..CANDIDATES).map(|_| check.random_text(6)).collect();
        lab.begin(seed);
        lab.set_faults_quietly(here, LOSSY);
        let sockets = rehearse(here, there, &candidates)?;
        let seen = lab.datagrams();
        lab.begin(seed);
        // Open until here: no closed port has to be told of.
        drop(sockets);
        let mut met: BTreeMap<Trouble, Vec<String>> = BTreeMap::new();
        for message in candidates {
            if let Some(trouble) = foresee(&seen, here, &message) {
                met.entry(trouble).or_default().push(message);
            }
        }
        let chosen: Option<Vec<String>> =
            RUN.iter().map(|trouble| met.get_mut(trouble).and_then(Vec::pop)).collect();
        if let Some(chosen) = chosen {
            return Ok(chosen);
        }
    }
    Err(std::io::Error::other("no seed does to messages what the check needs").into())
}

/// Sends each candidate three times, and as many echoes as can come of that and be looked at.
fn rehearse(here: &Host, there: &Host, candidates: &[String]) -> Verdict<[UdpSocket; 2]> {
    let (client, server) = (here.plain_datagram_socket()?, there.plain_datagram_socket()?);
    let (from, to) = (client.local_addr()?, server.local_addr()?);
    for message in candidates {
        for _ in 0..TRIES {
            client.send_to(message.as_bytes(), to)?;
            server.send_to(message.as_bytes(), from)?;
        }
    }
    Ok([client, server])
}

/// What a client will meet with this message; nothing that a run wants, or too much to be foreseen,
/// is `None`.
fn foresee(seen: &[Sighting], here: &Host, message: &str) -> Option<Trouble> {
    // How many copies of each sending arrive, in the order in which they were sent.
    let arrivals = |is_request: bool| {
        let mut arrivals: BTreeMap<u64, usize> = BTreeMap::new();
        let own = |one: &&Sighting| {
            one.bytes == message.as_bytes() && (*one.from == *here.name()) == is_request
        };
        for one in seen.iter().filter(own) {
            *arrivals.entry(one.number).or_default() += usize::from(!one.fate.lost);
        }
        arrivals.into_values().collect::<Vec<usize>>()
    };
    let (requests, echoes) = (arrivals(true), arrivals(false));
    if requests.len() != TRIES || echoes.len() != TRIES {
        return None;
    }
    let at_first = *requests.first()?;
    let at_second = *requests.get(1)?;
    let back =
        |from: usize, count: usize| Some(echoes.get(from..from + count)?.iter().sum::<usize>());
    match (at_first, back(0, at_first)?) {
        (1, 1) => Some(Trouble::None),
        (1.., 2..) => Some(Trouble::Doubled),
        (0, _) if at_second > 0 && back(0, at_second)? > 0 => Some(Trouble::RequestLost),
        (1.., 0) if at_second > 0 && back(at_first, at_second)? > 0 => Some(Trouble::ReplyLost),
        _ => None,
    }
}

/// How often a datagram arrived at the server, and how often it was answered.
#[derive(Debug, Default)]
struct Tally {
    arrived: usize,
    answers: BTreeSet<u64>,
}

/// Forty datagrams, each sent twice, over a wire that loses some and doubles some: the server
/// answers each one that arrives, once. What it answers is counted where it leaves the server's
/// host.
pub fn server(check: &mut Check) -> Verdict {
    let lab = check.lab()?;
    let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
    let listen = ["server".to_owned(), format!("{}:0", there.address())];
    let server = check.start_datagram_server_on(&there, listen)?;
    let to = SocketAddr::from(there.reach(&server));
    let mut peer = here.datagram_peer()?;
    lab.set_faults(&here, LOSSY);
    let texts: Vec<String> = (0..DATAGRAMS).map(|_| check.random_text(8)).collect();
    for text in &texts {
        for _ in 0..2 {
            peer.send_to(&server, to, text.as_bytes())?;
        }
    }
    await_answers(&lab, &server, &there)?;
    // What it answers to this comes after all that it answers to the others.
    lab.set_faults(&here, Faults::default());
    let last = check.random_text(9);
    peer.send_to(&server, to, last.as_bytes())?;
    await_answers(&lab, &server, &there)?;
    let seen = lab.datagrams();
    let wrong = |(_, tally): &(Vec<u8>, Tally)| tally.answers.len() != tally.arrived;
    let Some((bytes, tally)) = tallies(&seen, &there).into_iter().find(wrong) else {
        return Ok(());
    };
    lab.focus_on(&bytes);
    let (symptom, (expected, got)) = match tally.arrived {
        0 => (Symptom::WrongBytes, words::unasked_answer(&bytes)),
        arrived => (Symptom::ExtraBytes, words::answers(&bytes, arrived, tally.answers.len())),
    };
    Err(Failure::new(symptom, expected, got).into())
}

/// Waits until each datagram that has arrived is answered.
fn await_answers(lab: &Lab<'_>, server: &Server, there: &Host) -> Verdict {
    let expected = words::all_are_answered(&server.name());
    let answered = lab.await_that(server, expected, || {
        let is_complete = lab.is_at_rest() && unanswered(lab, there).is_none();
        Ok(is_complete.then_some(()))
    });
    match answered {
        Err(stop) if stop.is_silence() => {
            let Some((bytes, tally)) = unanswered(lab, there) else { return Ok(()) };
            lab.focus_on(&bytes);
            let (expected, got) = words::answers(&bytes, tally.arrived, tally.answers.len());
            Err(Failure::new(Symptom::Named("unanswered"), expected, got).into())
        }
        other => other,
    }
}

/// A datagram that was answered less often than it arrived.
fn unanswered(lab: &Lab<'_>, there: &Host) -> Option<(Vec<u8>, Tally)> {
    let tallies = tallies(&lab.datagrams(), there);
    tallies.into_iter().find(|(_, tally)| tally.answers.len() < tally.arrived)
}

fn tallies(seen: &[Sighting], there: &Host) -> BTreeMap<Vec<u8>, Tally> {
    let mut tallies: BTreeMap<Vec<u8>, Tally> = BTreeMap::new();
    for one in seen {
        let tally = tallies.entry(one.bytes.clone()).or_default();
        if one.arrives_at(there) {
            tally.arrived += 1;
        } else if *one.from == *there.name() {
            tally.answers.insert(one.number);
        }
    }
    tallies
}
