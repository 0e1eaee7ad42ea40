//! Gradings that did happen or could: one for each kind of message, with what was recorded of it.

use std::net::SocketAddr;
use std::time::Duration;

use grader::bytes::first_difference;
use grader::ladder::{self, Style};
use grader::manifest::Kind;
use grader::record::{Event, Lane, Sample, What};
use grader::report::{CheckReport, Feedback, ModuleReport, Report, Status};

/// A check's report and the name of its snapshot.
pub struct Story {
    pub name: &'static str,
    pub check: CheckReport,
}

/// One story for each kind of message.
pub fn all() -> Vec<Story> {
    let story = |name, check| Story { name, check };
    vec![
        story("stalled", stalled()),
        story("wrong-bytes", wrong_bytes()),
        story("cut-short", cut_short()),
        story("extra-bytes", extra_bytes()),
        story("closed", closed()),
        story("reset", reset()),
        story("exited", exited()),
        story("crashed", crashed()),
        story("not-implemented", not_implemented()),
        story("no-ready-line", no_ready_line()),
        story("bad-ready-line", bad_ready_line()),
        story("flood", flood()),
        story("still-open", still_open()),
        story("wrong-status", wrong_status()),
        story("grader-error", grader_error()),
        story("unsupported", unsupported()),
        story("skipped", skipped()),
    ]
}

// ---- parts ----

/// A check with a status and without feedback.
pub fn check(id: &str, title: &str, status: Status) -> CheckReport {
    CheckReport {
        id: id.to_owned(),
        title: title.to_owned(),
        kind: Kind::Core,
        status,
        max_points: 5,
        duration: Duration::from_millis(14),
        feedback: None,
        weaker_form: None,
    }
}

/// A check that passed.
pub fn passed(id: &str, title: &str) -> CheckReport {
    check(id, title, Status::Passed)
}

fn failed(id: &str, title: &str, feedback: Feedback) -> CheckReport {
    let transcript = ladder::draw(&feedback.events, &Style::default());
    CheckReport {
        feedback: Some(Feedback { transcript, ..feedback }),
        duration: Duration::from_millis(143),
        ..check(id, title, Status::Failed)
    }
}

fn told(symptom: &str, promise: &str, events: Vec<Event>, expected: &str, got: &str) -> Feedback {
    Feedback {
        symptom: symptom.to_owned(),
        promise: promise.to_owned(),
        transcript: String::new(),
        events,
        expected: expected.to_owned(),
        got: got.to_owned(),
        hint: String::new(),
        lesson: "exercises/tcp-echo/README.md#half-close".to_owned(),
    }
}

fn with_hint(mut feedback: Feedback, hint: &str) -> Feedback {
    feedback.hint = hint.to_owned();
    feedback
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("the address of a story")
}

fn at(microseconds: u64, program: &str, connection: Option<u32>, what: What) -> Event {
    let lane = Lane { program: program.to_owned(), connection };
    Event { at: Duration::from_micros(microseconds), lane, what }
}

/// On "your server", without or with the first connection.
fn server(microseconds: u64, what: What) -> Event {
    at(microseconds, "your server", None, what)
}

fn first(microseconds: u64, what: What) -> Event {
    at(microseconds, "your server", Some(1), what)
}

fn sent(bytes: &[u8]) -> What {
    What::Sent { bytes: Sample::of(bytes), segments: 1 }
}

fn received(bytes: &[u8]) -> What {
    What::Received { bytes: Sample::of(bytes), reads: 1 }
}

fn stdout(text: &str) -> What {
    What::Stdout { bytes: Sample::of(text.as_bytes()) }
}

fn stderr(text: &str) -> What {
    What::Stderr { bytes: Sample::of(text.as_bytes()) }
}

fn connected(port: u16) -> What {
    let from = address(&format!("127.0.0.1:{port}"));
    What::GraderConnected { from, to: address("127.0.0.1:40112") }
}

/// A server that starts, says that it is ready, and takes one connection.
fn opening() -> Vec<Event> {
    vec![
        server(310, What::Started { command: "tcp-echo server 127.0.0.1:0".to_owned() }),
        server(2_140, stdout("listening on 127.0.0.1:40112\n")),
        first(2_300, connected(51_002)),
    ]
}

fn then(mut events: Vec<Event>, more: Vec<Event>) -> Vec<Event> {
    events.extend(more);
    events
}

fn letters(count: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(count).collect()
}

// ---- one story a kind ----

const SEEN: &str = "your server is blocked in recv on fd 4 (the connection from \
                    127.0.0.1:51002); its receive buffer is empty; the grader has sent all 5 \
                    bytes and waits for the echo";

pub fn stalled() -> CheckReport {
    let events = then(
        opening(),
        vec![
            first(2_410, sent(b"hello")),
            server(131_000, What::Seen { text: SEEN.to_owned() }),
            server(131_900, What::Ended),
        ],
    );
    let promise = "The server sends back every byte that a client sends, as soon as it arrives.";
    let got = format!("nothing, and nothing will come:\n{SEEN}");
    let feedback = told("stalled", promise, events, "5 bytes \"hello\" from your server", &got);
    let hint = "recv returns as soon as something has arrived, not when your buffer is full. \
                Your server waits for more: does it fill a buffer (`read_exact`, `read_to_end`) \
                before it answers?";
    failed("one-message", "One message comes back", with_hint(feedback, hint))
}

fn wrong_bytes() -> CheckReport {
    let sent_bytes: Vec<u8> = [b"caf\xe9 ".as_slice(), &[0, 255, 128], b" end"].concat();
    let came = String::from_utf8_lossy(&sent_bytes).into_owned().into_bytes();
    let events =
        then(opening(), vec![first(2_400, sent(&sent_bytes)), first(2_600, received(&came))]);
    let (expected, got) = first_difference(&sent_bytes, &came, 0);
    let promise = "The server treats what it gets as bytes, whatever they are.";
    let feedback = told("wrong-bytes", promise, events, &expected, &got);
    let hint = "`String::from_utf8_lossy` replaces what isn't UTF-8 by `ef bf bd`. A socket \
                carries bytes: send the slice that read gave you.";
    failed("arbitrary-bytes", "Bytes that are no text", with_hint(feedback, hint))
}

fn cut_short() -> CheckReport {
    let all = letters(300_000);
    let events = then(
        opening(),
        vec![
            first(2_400, sent(&all)),
            first(2_500, What::GraderFinishedSending),
            first(3_000, What::Received { bytes: Sample::of(&all[..65_536]), reads: 2 }),
            first(3_900, What::ProgramFinishedSending),
        ],
    );
    let (expected, got) = first_difference(&all, &all[..65_536], 0);
    let promise = "A client that has finished sending still gets every byte that is on its way.";
    let feedback = told("cut-short", promise, events, &expected, &got);
    let hint = "One read returns what has arrived, not all that was sent. Read until it returns 0.";
    failed("half-close", "The rest comes after a half-close", with_hint(feedback, hint))
}

fn extra_bytes() -> CheckReport {
    let events = then(
        opening(),
        vec![
            first(2_400, sent(b"hello")),
            first(2_450, What::GraderFinishedSending),
            first(2_600, received(b"hello\0\0\0")),
            first(2_700, What::ProgramFinishedSending),
        ],
    );
    let (expected, got) = first_difference(b"hello", b"hello\0\0\0", 0);
    let promise = "The server sends back what it got, nothing added.";
    let feedback = told("extra-bytes", promise, events, &expected, &got);
    let hint = "read returns how many bytes it put into the buffer: send `&buffer[..count]`.";
    failed("one-message", "One message comes back", with_hint(feedback, hint))
}

fn closed() -> CheckReport {
    let events = then(
        opening(),
        vec![first(2_400, sent(b"hello")), first(2_600, What::ProgramFinishedSending)],
    );
    let promise = "The server sends back every byte before it closes.";
    let expected = "5 bytes \"hello\" from your server";
    let got = "the end of the stream, and not one byte before it";
    let feedback = told("cut-short", promise, events, expected, got);
    let hint = "The kernel closes a socket when its last owner is dropped. Who owns the stream \
                while you read from it?";
    failed("one-message", "One message comes back", with_hint(feedback, hint))
}

fn reset() -> CheckReport {
    let events = then(
        opening(),
        vec![
            first(2_400, sent(&letters(70_000))),
            first(2_600, received(&letters(4_096))),
            first(2_900, What::ProgramReset),
        ],
    );
    let promise = "The server sends back every byte before it closes.";
    let expected = "70,000 bytes from your server; 4,096 came so far";
    let feedback = told("reset", promise, events, expected, "a reset (RST) after 4,096 bytes");
    let hint = "Your server closed while unread bytes stood in its receive buffer: the kernel \
                then sends a reset, and what is on its way is lost. Read to the end (0) before \
                you close.";
    failed("large-payload", "A mebibyte, whole and in order", with_hint(feedback, hint))
}

fn exited() -> CheckReport {
    let events = then(
        opening(),
        vec![
            first(2_400, What::GraderReset),
            server(
                3_100,
                stderr("read from 127.0.0.1:51002: Connection reset by peer (os error 104)\n"),
            ),
            server(3_300, What::Exited { status: 1 }),
        ],
    );
    let promise = "A client that resets its connection ends its own conversation and no other.";
    let got = "your server ended with exit status 1; on standard error:\n    read from \
               127.0.0.1:51002: Connection reset by peer (os error 104)";
    let feedback = told("exited", promise, events, "your server goes on running", got);
    let hint = "A `?` in the accept loop ends the whole server with the first client's error.";
    failed("reset-mid-way", "A client that resets mid-way", with_hint(feedback, hint))
}

fn crashed() -> CheckReport {
    let panic = "\nthread 'main' (4711) panicked at \
                 exercises/tcp-echo/src/server.rs:42:50:\ncalled `Result::unwrap()` on an `Err` \
                 value: Os { code: 107, kind: NotConnected }\nnote: run with `RUST_BACKTRACE=1` \
                 environment variable to display a backtrace\n";
    let events = vec![
        server(310, What::Started { command: "tcp-echo server 127.0.0.1:0".to_owned() }),
        server(2_140, stdout("listening on 127.0.0.1:40112\n")),
        server(2_200, What::Signalled { signal: "SIGSTOP".to_owned() }),
        first(2_300, connected(51_002)),
        first(2_350, What::GraderReset),
        server(2_400, What::Signalled { signal: "SIGCONT".to_owned() }),
        server(3_100, stderr(panic)),
        server(3_300, What::Exited { status: 101 }),
    ];
    let promise = "A connection that is reset before the server accepts it does no harm.";
    let got = "your server panicked (exit status 101); on standard error:\n    thread 'main' \
               (4711) panicked at exercises/tcp-echo/src/server.rs:42:50:\n    called \
               `Result::unwrap()` on an `Err` value: Os { code: 107, kind: NotConnected }";
    let feedback = told("crashed", promise, events, "your server goes on running", got);
    let hint = "accept gives you a connection that is already gone: `peer_addr` fails with \
                ENOTCONN. Which of your calls may fail here?";
    failed("reset-before-accept", "A reset before accept", with_hint(feedback, hint))
}

fn not_implemented() -> CheckReport {
    let panic = "\nthread 'main' (4711) panicked at exercises/tcp-echo/src/server.rs:31:5:\nnot \
                 yet implemented: create the socket\n";
    let events = vec![
        server(310, What::Started { command: "tcp-echo server 127.0.0.1:0".to_owned() }),
        server(1_900, stderr(panic)),
        server(2_000, What::Exited { status: 101 }),
    ];
    let promise = "The server sends back every byte that a client sends, as soon as it arrives.";
    let got = "your server reaches todo!: create the socket, bind it to the address, listen";
    let feedback =
        told("not-implemented", promise, events, "5 bytes \"hello\" from your server", got);
    failed("one-message", "One message comes back", with_hint(feedback, "Begin with the socket."))
}

const READY_PROMISE: &str = "When it can be reached, the server prints `listening on IP:PORT`, \
                             one line, on standard output, and flushes it.";

fn no_ready_line() -> CheckReport {
    let seen = "your server is blocked in accept on fd 3 (listening on 127.0.0.1:40112); nobody \
                has connected";
    let events = vec![
        server(310, What::Started { command: "tcp-echo server 127.0.0.1:0".to_owned() }),
        server(112_000, What::Seen { text: seen.to_owned() }),
        server(112_500, What::Ended),
    ];
    let expected = "the line `listening on IP:PORT` on standard output";
    let got = format!("nothing, and nothing will come:\n{seen}");
    let feedback = told("no-ready-line", READY_PROMISE, events, expected, &got);
    let hint =
        "Rust collects what goes to a pipe line by line, other languages by the kilobyte: flush.";
    failed("server-rules", "It says when it is ready", with_hint(feedback, hint))
}

fn bad_ready_line() -> CheckReport {
    let note =
        "the ready line does not lead to it; its socket says that it listens at 127.0.0.1:40112";
    let events = vec![
        server(310, What::Started { command: "tcp-echo server 127.0.0.1:0".to_owned() }),
        server(2_140, stdout("Listening on 127.0.0.1:0 ...\n")),
        server(2_400, What::Note { text: note.to_owned() }),
    ];
    let expected = "exactly this on standard output: \"listening on 127.0.0.1:40112\\n\"";
    let got = "this on standard output: \"Listening on 127.0.0.1:0 ...\\n\"";
    let feedback = told("bad-ready-line", READY_PROMISE, events, expected, got);
    let hint =
        "With port 0 the kernel picks the port: ask the socket for its address (`local_addr`).";
    failed("server-rules", "It says when it is ready", with_hint(feedback, hint))
}

fn flood() -> CheckReport {
    let log = "waiting for a client\n".repeat(240_000);
    let events = then(opening(), vec![server(88_000, stderr(&log)), server(88_100, What::Ended)]);
    let promise =
        "The server waits for its clients without using the processor or filling the log.";
    let expected = "at most 4,194,304 bytes on standard error of your server";
    let got = "more than that; the grader stopped reading and ended your server";
    let feedback = told("flood", promise, events, expected, got);
    let hint = "A loop that prints and goes on at once never waits. Which call should block here?";
    failed("server-rules", "It waits quietly", with_hint(feedback, hint))
}

fn still_open() -> CheckReport {
    let seen = "your server is blocked in accept on fd 3 (listening on 127.0.0.1:40112); nobody \
                has connected";
    let events = then(
        opening(),
        vec![
            first(2_400, sent(b"hello")),
            first(2_500, What::GraderFinishedSending),
            first(2_600, received(b"hello")),
            server(109_000, What::Seen { text: seen.to_owned() }),
            server(109_400, What::Ended),
        ],
    );
    let promise =
        "When the client has finished sending and has everything back, the server closes.";
    let expected = "the end of the stream: your server closes, or finishes its sending half";
    let got = format!("nothing, and nothing will come:\n{seen}");
    let feedback = told("still-open", promise, events, expected, &got);
    let hint = "A descriptor stays open as long as anybody owns it: where does your stream end up?";
    failed("empty-conversation", "A conversation ends", with_hint(feedback, hint))
}

fn wrong_status() -> CheckReport {
    let client = |microseconds, what| at(microseconds, "your client", None, what);
    let events = vec![
        client(300, What::Started { command: "tcp-echo client 127.0.0.1:9 hello".to_owned() }),
        client(1_800, stderr("connect to 127.0.0.1:9: Connection refused (os error 111)\n")),
        client(1_900, What::Exited { status: 0 }),
    ];
    let promise = "A client that cannot connect says so in one line and exits with status 1.";
    let got = "your client ended with exit status 0; on standard error:\n    connect to \
               127.0.0.1:9: Connection refused (os error 111)";
    let feedback = told("wrong-status", promise, events, "exit status 1", got);
    let hint = "A shell sees only the status: return `ExitCode::FAILURE` from main, or an error.";
    failed("client-refused", "Connection refused", with_hint(feedback, hint))
}

fn plain(id: &str, title: &str, status: Status, got: &str) -> CheckReport {
    let feedback = Feedback { got: got.to_owned(), ..Feedback::default() };
    CheckReport { feedback: Some(feedback), ..check(id, title, status) }
}

fn grader_error() -> CheckReport {
    let why = "bind 127.0.0.1:0: Too many open files (os error 24)";
    plain("many-clients", "Many clients at once", Status::Error, why)
}

fn unsupported() -> CheckReport {
    let check = plain("ipv6", "IPv6", Status::Unsupported, "this machine has no address ::1");
    CheckReport { kind: Kind::Stretch, ..check }
}

fn skipped() -> CheckReport {
    let why = "not run: it shows nothing until \"One message comes back\" passes";
    plain("second-client", "A second client after the first", Status::Skipped, why)
}

/// A program that writes whatever a terminal could be harmed with.
pub fn hostile() -> CheckReport {
    let nasty = "\x1b]0;owned\x07\x1b[2J\u{202e}evil\u{2066}\u{200b}\u{fe0f}\r\u{9b}31m\u{3164}";
    let raw = [nasty.as_bytes(), b"\xff\xfe\x00\x08"].concat();
    let events = vec![
        server(1, What::Started { command: format!("tcp-echo {nasty}") }),
        at(2, nasty, Some(1), sent(&raw)),
        at(3, nasty, Some(2), received(&raw)),
        server(4, What::Stdout { bytes: Sample::of(&raw) }),
        server(5, What::Stderr { bytes: Sample::of(&raw) }),
        server(6, What::Seen { text: nasty.to_owned() }),
        at(7, nasty, None, What::Died { signal: nasty.to_owned() }),
    ];
    let feedback = with_hint(told("wrong-bytes", nasty, events, nasty, nasty), nasty);
    failed(nasty, nasty, Feedback { lesson: nasty.to_owned(), ..feedback })
}

// ---- ladders ----

/// Every kind of event once.
pub fn everything() -> Vec<Event> {
    let mut events = opening();
    let long = letters(1 << 20);
    let panic = "thread 'main' panicked at src/server.rs:7:5:\nindex out of bounds: \"len is 3\"\n";
    let steps = [
        What::GraderListens { address: address("127.0.0.1:7001") },
        What::ProgramConnected { from: address("127.0.0.1:51900"), to: address("127.0.0.1:7001") },
        What::Sent { bytes: Sample::of(b"hello"), segments: 5 },
        What::Received { bytes: Sample::of(&long), reads: 17 },
        sent("多行\ntext with a tab\t and \"quotes\"".as_bytes()),
        received(&[0, 255, 128, 7]),
        What::Sent { bytes: Sample::of(&[0xf0; 4_000]), segments: 1 },
        What::Received { bytes: Sample::default(), reads: 1 },
        What::GraderFinishedSending,
        What::ProgramFinishedSending,
        What::GraderReset,
        What::ProgramReset,
        What::GraderClosed,
        What::Stdin { bytes: Sample::of(b"typed\n") },
        What::StdinClosed,
        stdout("no line end"),
        stderr(panic),
        What::Signalled { signal: "SIGSTOP".to_owned() },
        What::Note { text: "the grader stops reading; the kernel's buffers fill".to_owned() },
        What::Seen { text: SEEN.to_owned() },
        What::Exited { status: 101 },
        What::Died { signal: "SIGSEGV".to_owned() },
        What::Ended,
    ];
    for (index, what) in steps.into_iter().enumerate() {
        events.push(first(5_000 + 97_000 * index as u64, what));
    }
    events.push(first(12_345_678, What::Note { text: "late".to_owned() }));
    events
}

/// Two programs, the server with two connections.
pub fn lanes() -> Vec<Event> {
    let second = |microseconds, what| at(microseconds, "your server", Some(2), what);
    let client = |microseconds, what| at(microseconds, "your second client", None, what);
    let mut events = opening();
    events.extend([
        second(2_500, connected(51_004)),
        second(2_600, sent(b"second")),
        first(2_700, sent(&letters(90))),
        second(2_800, received(b"second")),
        client(2_900, What::Started { command: "tcp-echo client 127.0.0.1:40112 hi".to_owned() }),
        client(4_000, stdout("hi")),
        client(4_100, What::Exited { status: 0 }),
        server(4_200, What::Ended),
    ]);
    events
}

/// Two of the grader's sockets, and a long datagram.
pub fn datagrams() -> Vec<Event> {
    let grader = [address("127.0.0.1:51002"), address("127.0.0.1:51003")];
    let program = address("127.0.0.1:40112");
    let to = |microseconds, which: usize, bytes: &[u8]| {
        let bytes = Sample::of(bytes);
        server(microseconds, What::DatagramSent { from: grader[which], to: program, bytes })
    };
    let back = |microseconds, which: usize, bytes: &[u8]| {
        let bytes = Sample::of(bytes);
        server(microseconds, What::DatagramReceived { from: program, to: grader[which], bytes })
    };
    vec![
        server(300, What::Started { command: "udp-echo server 127.0.0.1:0".to_owned() }),
        server(1_200, stdout("listening on 127.0.0.1:40112\n")),
        to(1_300, 0, b"one"),
        to(1_310, 1, b"two"),
        back(1_400, 0, b"one"),
        back(1_410, 1, b""),
        to(1_500, 0, &letters(65_507)),
    ]
}

/// Five hundred events.
pub fn long() -> Vec<Event> {
    let mut events = opening();
    for index in 1..=165_u32 {
        let lane = |what, later| {
            let when = 3_000 + u64::from(index) * 700 + later;
            at(when, "your server", Some(index), what)
        };
        events.push(lane(sent(b"hello"), 0));
        events.push(lane(received(b"hello"), 200));
        events.push(lane(What::GraderClosed, 300));
    }
    events.push(server(120_000, What::Exited { status: 1 }));
    events.push(server(120_100, What::Ended));
    events
}

// ---- whole reports ----

fn module(name: &str, program: &str, checks: Vec<CheckReport>) -> ModuleReport {
    ModuleReport { module: name.to_owned(), program: program.to_owned(), checks, error: None }
}

fn report(modules: Vec<ModuleReport>) -> Report {
    Report { seed: 20_211, modules, error: None }
}

fn stretch(check: CheckReport) -> CheckReport {
    CheckReport { kind: Kind::Stretch, max_points: 4, ..check }
}

fn renamed(check: CheckReport, id: &str, title: &str) -> CheckReport {
    CheckReport { id: id.to_owned(), title: title.to_owned(), ..check }
}

/// Nothing is written yet, in two modules.
pub fn fresh_clone() -> Report {
    let checks = vec![
        not_implemented(),
        renamed(not_implemented(), "arbitrary-bytes", "Bytes that are no text"),
        renamed(not_implemented(), "half-close", "The rest comes after a half-close"),
        skipped(),
        stretch(renamed(not_implemented(), "ipv6", "IPv6")),
    ];
    report(vec![
        module("tcp-echo", "exercises/tcp-echo", checks.clone()),
        module("udp-echo", "exercises/udp-echo", checks),
    ])
}

/// Something of everything.
pub fn mixed() -> Report {
    let first = vec![
        passed("wrong-usage", "Wrong usage is told"),
        not_implemented(),
        cut_short(),
        exited(),
        skipped(),
        grader_error(),
        stretch(passed(
            "slow-reader",
            "A client that never reads stops nobody else, is slowed down rather than buffered \
             without end, and gets every byte",
        )),
        stretch(unsupported()),
        stretch(renamed(stalled(), "client-64-mib", "64 MiB from stdin")),
    ];
    report(vec![
        module("tcp-echo", "exercises/tcp-echo", first),
        module("udp-echo", "exercises/udp-echo", vec![passed("one", "One datagram")]),
    ])
}

/// The compiler refuses the program.
pub fn does_not_build() -> Report {
    let refused = |id, title| {
        failed(id, title, Feedback { symptom: "does-not-build".to_owned(), ..Feedback::default() })
    };
    let error = "\x1b[1m\x1b[91merror[E0425]\x1b[0m\x1b[1m: cannot find value `sockt` in this \
                 scope\x1b[0m\n  \x1b[94m-->\x1b[0m \
                 exercises/tcp-echo/src/server.rs:12:5\n   |\n12 \
                 |     sockt.listen(128)?;\n   |     ^^^^^ help: a local variable with a similar \
                 name exists: `socket`\n\n";
    let mut module = module(
        "tcp-echo",
        "exercises/tcp-echo",
        vec![refused("one-message", "One message comes back"), refused("half-close", "Half-close")],
    );
    module.error = Some(error.to_owned());
    report(vec![module])
}

/// Core and stretch, everything passes.
pub fn full_marks() -> Report {
    let most = passed("one-message", "One message comes back");
    let checks = vec![
        CheckReport { max_points: 95, ..most },
        passed("half-close", "The rest comes after a half-close"),
        stretch(passed("ipv6", "IPv6")),
    ];
    report(vec![module("tcp-echo", "solutions/tcp-echo", checks)])
}

/// One stretch check, chosen by its id.
pub fn chosen_stretch() -> Report {
    let checks = vec![stretch(passed("ipv6", "IPv6"))];
    report(vec![module("tcp-echo", "exercises/tcp-echo", checks)])
}

/// A program that is not the course's.
pub fn of_program(path: &str) -> Report {
    let checks = vec![passed("one-message", "One message comes back"), cut_short()];
    report(vec![module("tcp-echo", path, checks)])
}

/// The grader itself failed.
pub fn grader_failed() -> Report {
    let checks = vec![passed("one-message", "One message comes back"), grader_error()];
    let error =
        Some("create a folder below /tmp: No space left on device (os error 28)".to_owned());
    Report { error, ..report(vec![module("tcp-echo", "exercises/tcp-echo", checks)]) }
}
