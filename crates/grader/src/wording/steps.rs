//! What the steps of a check say: what they expect, and what came instead.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use sandbox::Exit;

use crate::bytes::{self, thousands};
use crate::record::Sample;
use crate::resources::Footprint;
use crate::wording::byte_count;

/// How many columns of bytes an expectation shows.
const SHOWN_COLUMNS: usize = 60;
/// How long an argument may be that a command line shows whole.
const SHOWN_ARGUMENT_BYTES: usize = 400;
/// How much of a text that a program printed a message shows.
const SHOWN_CHARACTERS: usize = 1000;
/// How much of one that is longer: such a text mostly repeats itself.
const BEGINNING_CHARACTERS: usize = 400;

/// The line with which a server says that it is ready.
pub fn ready_line() -> &'static str {
    "the line `listening on IP:PORT` on standard output"
}

/// That the ready line stands there before anybody connects.
pub fn ready_line_too_late() -> (&'static str, &'static str) {
    (
        "the ready line while nobody has connected yet: whoever reads it learns from it where to \
         connect",
        "your server waited for a client, and printed the line when one had come",
    )
}

/// Exactly the ready line on standard output, and what stands there.
pub fn ready_line_only(expected: &str, printed: &str) -> (String, String) {
    (format!("exactly this on standard output: \"{expected}\""), self::printed(printed))
}

/// What a program printed on standard output.
pub fn printed(text: &str) -> String {
    if text.is_empty() {
        "nothing on standard output".to_owned()
    } else {
        format!("this on standard output: \"{}\"", shorten(text))
    }
}

/// The ready line, or what looks like it, on the wrong stream.
pub fn printed_on_stderr(text: &str) -> String {
    format!("this on standard error instead: \"{}\"", shorten(text))
}

/// No socket of the program listens.
pub fn does_not_listen(who: &str) -> String {
    format!("no socket of {who} is ready yet")
}

/// The grader found a server's address by itself, since what was printed does not tell it.
pub fn address_found(address: SocketAddr, printed: &[u8]) -> String {
    let why = match printed {
        [] => "no ready line came",
        text if text.contains(&b'\n') => "the ready line does not lead to it",
        _ => "no newline came, so the line is not complete",
    };
    format!("{why}; its socket says that it listens at {address}")
}

/// The role as the learner names it; "program" where the first argument is none.
pub fn role_name(role: &str) -> String {
    let plain = !role.is_empty() && role.len() <= 12;
    match role {
        "send" => "sender".to_owned(),
        "serve" => "server".to_owned(),
        "receive" => "receiver".to_owned(),
        "listen" => "listener".to_owned(),
        // The role of broadcast that computes one: "your address" would be something else.
        "address" => "program".to_owned(),
        "tcp" | "udp" => format!("{role} program"),
        _ if plain && role.bytes().all(|byte| byte.is_ascii_lowercase()) => role.to_owned(),
        _ => "program".to_owned(),
    }
}

/// "your server", "your second server".
pub fn program_name(role: &str, ordinal: usize) -> String {
    match ordinal {
        0 | 1 => format!("your {role}"),
        2 => format!("your second {role}"),
        3 => format!("your third {role}"),
        _ => format!("your {role} no. {ordinal}"),
    }
}

/// A command line as one would type it; of an argument that nobody would type, its beginning and
/// end.
pub fn command(program: &Path, arguments: &[String]) -> String {
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let name = name.strip_suffix("-solution").unwrap_or(&name);
    let mut line = name.to_owned();
    for argument in arguments {
        if argument.len() > SHOWN_ARGUMENT_BYTES {
            let shown = bytes::show(&Sample::of(argument.as_bytes()), SHOWN_COLUMNS);
            let _ = write!(line, " ({shown})");
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/=[]@%+,".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            let _ = write!(line, " {argument}");
        } else {
            let _ = write!(line, " \"{}\"", bytes::escape(argument.as_bytes()));
        }
    }
    line
}

/// Another program took a port that was free for a moment.
pub fn port_lost(address: SocketAddr) -> String {
    format!("another program has taken {address} meanwhile")
}

/// An address at which the grader should listen cannot be had.
pub fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> String {
    format!("the grader cannot listen at {address}: {error}")
}

/// The program could not be started.
pub fn cannot_start() -> &'static str {
    "start the program"
}

/// This machine does not give a program what a check needs, for this reason.
pub fn not_given_here(reason: &dyn std::fmt::Display) -> String {
    format!("{reason}. `cargo xtask doctor` tells what can be done about it.")
}

/// That a server accepts a connection.
pub fn accepts_connection(who: &str, to: SocketAddr) -> String {
    format!("{who} accepts a connection at {to}")
}

/// That a client connects to the grader.
pub fn connects(who: &str, to: SocketAddr) -> String {
    format!("{who} connects to {to}")
}

/// The grader could not connect.
pub fn cannot_connect(to: SocketAddr, error: &std::io::Error) -> String {
    format!("the grader cannot connect to {to}: {error}")
}

/// Why connecting failed.
pub fn connect_failed(error: &std::io::Error) -> String {
    format!("connect failed: {error}")
}

/// That a program takes what the grader sends.
pub fn takes_bytes(who: &str, count: usize) -> String {
    format!("{who} reads what the grader sends ({} left)", byte_count(count as u64))
}

/// That a program reads all that was sent.
pub fn reads_all(who: &str) -> String {
    format!("{who} reads what the grader has sent")
}

/// That a program reads a segment.
pub fn reads_segment(who: &str, count: usize) -> String {
    format!("{who} reads a segment of {}", byte_count(count as u64))
}

/// That a program reads its standard input.
pub fn reads_stdin(who: &str) -> String {
    format!("{who} reads its standard input")
}

/// That the next of these bytes come.
pub fn sends_bytes(who: &str, expected: &[u8], done: usize) -> String {
    let left = bytes::show(&Sample::of(&expected[done..]), SHOWN_COLUMNS);
    let before = done as u64;
    if before == 0 {
        format!("{left} from {who}")
    } else {
        format!("{left} from {who}, after the {} that came", byte_count(before))
    }
}

/// That a datagram with these bytes comes.
pub fn sends_datagram(who: &str, expected: &[u8]) -> String {
    let shown = bytes::show(&Sample::of(expected), SHOWN_COLUMNS);
    format!("a datagram of {shown} from {who}")
}

/// No datagram came.
pub fn no_datagram() -> &'static str {
    "no datagram, and the program has ended"
}

/// Two datagrams at their first difference.
pub fn datagram_bytes(expected: &str, got: &str, wanted: u64, came: u64) -> (String, String) {
    (
        format!("a datagram of {}:\n{expected}", byte_count(wanted)),
        format!("a datagram of {}:\n{got}", byte_count(came)),
    )
}

/// Who has to send a datagram, and who did.
pub fn datagram_sender(expected: SocketAddr, got: SocketAddr) -> (String, String) {
    (format!("the answer comes from {expected}"), format!("it came from {got}"))
}

/// To which address a socket has to be bound, and to which one it is.
pub fn bound_elsewhere(asked: IpAddr, bound: SocketAddr) -> (String, String) {
    (
        format!("a socket that is bound to {asked}, as the command line says"),
        format!("its socket is bound to {bound}"),
    )
}

/// That no more datagrams come, and the one that came.
pub fn no_more_datagrams(who: &str, came: &[u8]) -> (String, String) {
    let shown = bytes::show(&Sample::of(came), SHOWN_COLUMNS);
    (format!("no further datagram from {who}"), format!("one more: {shown}"))
}

/// How long after another a datagram has to be sent, and how long it was.
pub fn datagram_gap(least: Duration, gap: Duration) -> (String, String) {
    let (least, gap) = (least.as_millis(), gap.as_millis());
    (
        format!("at least {least} ms between these two datagrams"),
        format!("the second was sent {gap} ms after the first"),
    )
}

/// How long after the first try the second may come, and how long after it came at the best.
pub fn second_try(most: Duration, gap: Duration) -> (String, String) {
    let (most, gap) = (most.as_millis(), gap.as_millis());
    (
        format!("the second try 500 ms after the first, {most} ms at the most"),
        format!("it came {gap} ms after the first, and in no run sooner"),
    )
}

/// That the third try waits no longer than the second, and how much longer it waited at the best.
pub fn third_try(growth: Duration) -> (&'static str, String) {
    (
        "the third try as long after the second as the second after the first: 500 ms",
        format!("it waited {} ms longer, and in no run less", growth.as_millis()),
    )
}

/// That another socket can share a listener's port, and that it cannot.
pub fn port_can_be_shared(address: SocketAddr) -> (String, &'static str) {
    (
        format!("a second socket with SO_REUSEADDR can be bound to {address} as well"),
        "it cannot: the address is in use, since the listener did not set SO_REUSEADDR",
    )
}

/// How long a client tries before it gives up, and how long it did.
pub fn gave_up_after(least: Duration, most: Duration, age: Duration) -> (String, String) {
    let (least, most, age) = (least.as_secs_f64(), most.as_secs_f64(), age.as_secs_f64());
    (
        format!("the program gives up between {least:.1} and {most:.1} s after its first datagram"),
        format!("it ended {age:.2} s after it"),
    )
}

/// That the program tries a message again while something else comes.
pub fn tries_again(who: &str, message: &[u8]) -> String {
    let shown = bytes::show(&Sample::of(message), SHOWN_COLUMNS);
    format!("{who} sends {shown} again, 500 ms after the first time")
}

/// That another socket cannot be bound to a port.
pub fn keeps_its_port(address: SocketAddr, option: &str) -> (String, String) {
    (
        format!("nobody else can bind {address} while the program has it"),
        format!("a second socket was bound there: {option} is set on both"),
    )
}

/// How soon a program has to say that a port is closed, and how long it took.
pub fn reports_within(limit: Duration, took: Duration) -> (String, String) {
    let (limit, took) = (limit.as_secs_f64(), took.as_secs_f64());
    (
        format!("the program ends within {limit:.1} s: nobody listens there"),
        format!("it ended after {took:.2} s"),
    )
}

/// That this many datagrams come back, and how many did.
pub fn datagrams_back(total: usize, came: usize) -> (String, String) {
    (format!("all {total} datagrams come back"), format!("{came} of them, and nothing more comes"))
}

/// That a program prints a line about what it heard.
pub fn hears_line(who: &str, line: &str) -> String {
    let shown = bytes::show(&Sample::of(line.as_bytes()), SHOWN_COLUMNS);
    format!("a line of {who} on standard output: {shown}")
}

/// A line on standard output, at the first difference.
pub fn line_printed(expected: &str, got: &str) -> (String, String) {
    (
        format!("this line on standard output:\n{expected}"),
        format!("this line on standard output:\n{got}"),
    )
}

/// A line that should have a text in it.
pub fn line_with(text: &[u8], got: &[u8]) -> (String, String) {
    let text = bytes::show(&Sample::of(text), SHOWN_COLUMNS);
    let got = bytes::show(&Sample::of(got), SHOWN_COLUMNS);
    (format!("a line with {text} in it"), format!("the line {got}"))
}

/// Lines that came twice, or out of order.
pub fn lines_in_order(earlier: &str, later: &str) -> (String, String) {
    (
        "each datagram once, in the order in which they were sent; some may be missing".to_owned(),
        format!("the line about \"{later}\" after the one about \"{earlier}\""),
    )
}

/// That a listener goes on after it was sent more than it could take.
pub fn hears_again(who: &str) -> (String, String) {
    (
        format!("{who} goes on printing what comes after the burst"),
        "nothing of what was sent after it".to_owned(),
    )
}

/// Broadcasting cannot be shown on this machine's loopback.
pub fn no_loopback_broadcast() -> &'static str {
    "what is sent to 127.255.255.255 is not heard on this machine"
}

/// That the rest of many bytes comes.
pub fn sends_many(who: &str, total: u64, done: u64) -> String {
    format!("{} from {who}; {} came so far", byte_count(total), thousands(done))
}

/// That these bytes of a pattern come.
pub fn sends_missing(who: &str, missing: &[u8], left: u64) -> String {
    let shown = bytes::show(&Sample::of(missing), SHOWN_COLUMNS);
    if left > missing.len() as u64 {
        format!("{} more bytes from {who}, the next of them {shown}", thousands(left))
    } else {
        format!("{shown} from {who}")
    }
}

/// That the stream ends.
pub fn ends_stream(who: &str) -> String {
    format!("the end of the stream: {who} closes, or finishes its sending half")
}

/// That nothing more comes.
pub fn no_more(who: &str) -> String {
    format!("no further byte from {who}")
}

/// That a client finishes its sending half.
pub fn finishes_sending(who: &str) -> String {
    format!("{who} sends all it has, then finishes its sending half (shutdown)")
}

/// That a program ends.
pub fn ends(who: &str) -> String {
    format!("{who} ends by itself")
}

/// That a program goes on.
pub fn still_runs(who: &str) -> String {
    format!("{who} goes on running")
}

/// That a descriptor is an open socket, and what it is.
pub fn open_socket(who: &str, descriptor: i32, name: Option<&str>) -> (String, String) {
    let expected = format!("descriptor {descriptor} of {who} is an open socket");
    let got = match name {
        Some(name) => format!("it is {}", bytes::escape(name.as_bytes())),
        None => "no such descriptor is open".to_owned(),
    };
    (expected, got)
}

/// That a program is stopped by SIGSTOP.
pub fn stops(who: &str) -> String {
    format!("the kernel stops {who} (SIGSTOP)")
}

/// What a stop does to a program that is blocked in a write.
pub fn cut_write(who: &str) -> String {
    format!(
        "{who} was blocked in a write: such a stop cuts it short, and when {who} goes on, the \
         write returns with the part it took"
    )
}

/// The stream ended too early.
pub fn ended_after(consumed: u64) -> String {
    match consumed {
        0 => "the end of the stream, and not one byte before it".to_owned(),
        _ => format!("the end of the stream after {}", byte_count(consumed)),
    }
}

/// The connection was reset.
pub fn was_reset(consumed: u64) -> String {
    format!("a reset (RST) after {}", byte_count(consumed))
}

/// Bytes beyond those expected.
pub fn extra_bytes(shown: &str) -> String {
    format!("more bytes: {shown}")
}

/// A program that waits and will never act.
pub fn stalled(seen: &str) -> String {
    format!("nothing, and nothing will come:\n{}", seen.trim_end())
}

/// A program that did not act in time.
pub fn too_late(waited: Duration, seen: &str) -> String {
    let seconds = waited.as_secs_f64();
    let mut text = format!("nothing for {seconds:.1} seconds");
    if !seen.trim().is_empty() {
        let _ = write!(text, ":\n{}", seen.trim_end());
    }
    text
}

/// A program that ended, and what it said.
pub fn ended(who: &str, exit: &Exit, stderr: &str) -> String {
    let mut text = match (exit.signal, exit.status) {
        (Some(signal), _) => format!("{who} was ended by the signal {}", signal_name(signal)),
        (None, Some(101)) => format!("{who} panicked (exit status 101)"),
        (None, status) => format!("{who} ended with exit status {}", status.unwrap_or(-1)),
    };
    let stderr = stderr.trim_end();
    if stderr.is_empty() {
        text.push_str(" and wrote nothing to standard error");
    } else {
        text.push_str("; on standard error:");
        for line in last_lines(stderr, 6) {
            let _ = write!(text, "\n    {}", shorten(&bytes::clean(line)));
        }
    }
    text
}

/// A program that the grader had already ended.
pub fn ended_by_grader(who: &str) -> String {
    format!("{who} was already ended by the grader")
}

/// A part that is not written yet.
pub fn not_implemented(who: &str, todo: &str) -> String {
    if todo.is_empty() {
        format!("{who} reaches a part that is not implemented yet")
    } else {
        format!("{who} reaches todo!: {}", shorten(&bytes::clean(todo)))
    }
}

/// A program that prints without end.
pub fn flood(who: &str, is_stdout: bool, limit: u64) -> (String, String) {
    let stream = if is_stdout { "standard output" } else { "standard error" };
    let expected = format!("at most {} bytes on {stream} of {who}", thousands(limit));
    (expected, format!("more than that; the grader stopped reading and ended {who}"))
}

/// An exit status.
pub fn status_wanted(expected: &[i32]) -> String {
    let all: Vec<String> = expected.iter().map(i32::to_string).collect();
    format!("exit status {}", all.join(" or "))
}

/// That a line is printed.
pub fn prints_line(who: &str, line: &str) -> String {
    let shown = bytes::show(&Sample::of(line.as_bytes()), SHOWN_COLUMNS);
    format!("{who} prints the line {shown}")
}

/// Two lines at their first difference.
pub fn lines_differ(who: &str, expected: &str, got: &str) -> (String, String) {
    (format!("this line from {who}:\n{expected}"), format!("this line:\n{got}"))
}

/// Bytes on standard output, at the first difference.
pub fn stdout_bytes(expected: &str, got: &str, wanted: u64, came: u64) -> (String, String) {
    (
        format!("{} on standard output:\n{expected}", byte_count(wanted)),
        format!("{} on standard output:\n{got}", byte_count(came)),
    )
}

/// One line on standard error that names something.
pub fn error_line(what: &str, lines: usize, stderr: &str) -> (String, String) {
    let naming = if what.is_empty() { String::new() } else { format!(" that names {what}") };
    let expected = format!("exactly one line on standard error{naming}");
    let got = match lines {
        0 => no_error_line(stderr),
        1 => format!("one line: \"{}\"", shorten(stderr)),
        _ => format!("{lines} lines: \"{}\"", shorten(stderr)),
    };
    (expected, got)
}

/// A last line on standard error that names something; `stderr` is that line, or all there is
/// without one.
pub fn last_error_line(what: &str, is_line: bool, stderr: &str) -> (String, String) {
    let expected = format!("a last line on standard error that names {what}");
    let last = || format!("the last line: \"{}\"", shorten(stderr));
    (expected, if is_line { last() } else { no_error_line(stderr) })
}

/// At least one line on standard error.
pub fn some_error(stderr: &str) -> (String, String) {
    ("a line on standard error that says what is wrong".to_owned(), no_error_line(stderr))
}

fn no_error_line(stderr: &str) -> String {
    match stderr {
        "" => "nothing on standard error".to_owned(),
        blank => format!("nothing but white space on standard error: \"{}\"", shorten(blank)),
    }
}

/// Words on standard error.
pub fn error_containing(what: &str, stderr: &str) -> (String, String) {
    let expected =
        format!("a line on standard error that contains \"{}\"", bytes::escape(what.as_bytes()));
    let got = match stderr {
        "" => no_error_line(stderr),
        _ => format!("on standard error: \"{}\"", shorten(stderr)),
    };
    (expected, got)
}

/// The grader switches Nagle's algorithm off or on.
pub fn sets_nodelay(nodelay: bool) -> &'static str {
    match nodelay {
        true => "the grader sets TCP_NODELAY: each send leaves at once",
        false => "the grader clears TCP_NODELAY: what is small waits for an acknowledgement",
    }
}

/// The grader leaves what comes in the kernel's buffers.
pub fn stops_reading() -> &'static str {
    "the grader stops reading; the kernel's buffers fill"
}

/// The grader reads again.
pub fn reads_again() -> &'static str {
    "the grader reads again"
}

/// This machine has no such address.
pub fn no_such_address(host: &str) -> String {
    format!("this machine has no address {host}")
}

/// A name has two addresses, and a connection is accepted at one only.
pub fn two_addresses(name: &str, refusing: SocketAddr, answering: SocketAddr) -> String {
    let (refusing_ip, answering_ip) = (refusing.ip(), answering.ip());
    format!(
        "the name {name} has two addresses, {refusing_ip} and {answering_ip}; \
         {refusing} refuses, {answering} accepts"
    )
}

/// No port is to be had at both addresses.
pub fn no_common_port(one: Ipv4Addr, other: Ipv4Addr) -> String {
    format!("no port of this machine is free at both {one} and {other}")
}

/// A check takes `localhost` for a name with two addresses, and why.
pub fn localhost_instead(reason: &str) -> String {
    format!("localhost, which may have one address only, stands for a name with two: {reason}")
}

/// A check sends to port 0 instead of out of a network of the program's own.
pub fn port_zero_instead() -> &'static str {
    "this machine gives the program no network of its own: instead it is told to send to port 0, \
     where nothing can be sent to (EINVAL)"
}

/// What this machine's resolver finds for a name that stands in /etc/hosts twice.
pub fn resolver_finds(name: &str, found: &BTreeSet<IpAddr>) -> String {
    let found: Vec<String> = found.iter().map(IpAddr::to_string).collect();
    match found.as_slice() {
        [] => format!("this machine does not look for names such as {name} in /etc/hosts"),
        found => format!("of the addresses of {name} this machine finds {}", found.join(", ")),
    }
}

/// This machine's resolver takes too long for a name.
pub fn resolver_is_slow(name: &str) -> String {
    format!("this machine takes too long to look for a name such as {name}")
}

/// Why a check was not run.
pub fn skipped(needed: &str) -> String {
    format!("not run: it shows nothing until \"{needed}\" passes")
}

/// The manifest names a check that the module does not have.
pub fn no_such_function(id: &str) -> String {
    format!("the manifest names the check {id}, and the module has no function for it")
}

/// A check panicked.
pub fn check_panicked(text: &str) -> String {
    format!("the check itself panicked: {text}")
}

/// A check that left no result.
pub fn no_result() -> &'static str {
    "the check left no result"
}

/// Somebody stopped the whole grading; nobody is told, since nobody asks any more.
pub fn stopped() -> &'static str {
    "the grading was stopped"
}

/// What a program may hold when all conversations are over.
pub fn footprint_wanted(before: Footprint, slack: usize) -> String {
    format!("{}, as after the first conversation (a pool may grow by {slack})", footprint(before))
}

/// What a program holds.
pub fn footprint(now: Footprint) -> String {
    let Footprint { threads, descriptors, zombies } = now;
    let threads = format!("{threads} thread{}", plural(threads));
    let descriptors = format!("{descriptors} open descriptor{}", plural(descriptors));
    match zombies {
        0 => format!("{threads} and {descriptors}"),
        _ => format!("{threads}, {descriptors} and {zombies} ended children not waited for"),
    }
}

/// How much memory a program may take, and how much it took.
pub fn memory(limit: u64, growth: u64) -> (String, String) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let expected = format!("at most {:.0} MiB of the program's own memory", mib(limit));
    (expected, format!("{:.1} MiB", mib(growth)))
}

/// How much of a processor a program may use, and how much it used.
pub fn cpu(percent: u32, share: f64) -> (String, String) {
    (
        format!("less than {percent} % of a processor while there is nothing it can do"),
        format!("{:.0} % of a processor", share * 100.0),
    )
}

/// The program may open nothing more.
pub fn no_descriptors_left() -> &'static str {
    "the kernel gives the program no further descriptor from here on (EMFILE)"
}

/// The program may open descriptors again.
pub fn descriptors_again() -> &'static str {
    "the program may open descriptors again"
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The name of a signal, as kill(1) and signal(7) have it.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSTOP => "SIGSTOP",
        libc::SIGCONT => "SIGCONT",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

/// A text of a program's that may be of any length, so that the rest of the message can still be
/// found.
fn shorten(text: &str) -> Cow<'_, str> {
    let mut places = text.char_indices().map(|(at, _)| at);
    let beginning = places.nth(BEGINNING_CHARACTERS).unwrap_or(text.len());
    let more = 1 + places.count();
    if BEGINNING_CHARACTERS + more <= SHOWN_CHARACTERS {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{} … and {} more characters", &text[..beginning], thousands(more as u64)))
}

/// The last lines of a text, with a word on what was left out.
fn last_lines(text: &str, count: usize) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_text_without_end_the_beginning_is_shown_and_how_much_followed() {
        let short = "é".repeat(SHOWN_CHARACTERS);
        assert_eq!(shorten(&short), short);
        assert_eq!(shorten(""), "");
        let long = "é".repeat(4_000_000);
        let shown = format!("{} … and 3,999,600 more characters", "é".repeat(400));
        assert_eq!(shorten(&long), shown);
    }

    #[test]
    fn a_long_argument_is_shown_by_its_beginning_its_end_and_its_size() {
        let program = Path::new("/target/debug/udp-echo");
        let line = |argument: &str| command(program, &["client".to_owned(), argument.to_owned()]);
        assert_eq!(line("two words"), "udp-echo client \"two words\"");
        let whole = "a".repeat(SHOWN_ARGUMENT_BYTES);
        assert_eq!(line(&whole), format!("udp-echo client {whole}"));
        let long = line(&format!("begin{}end", "a".repeat(70_000)));
        assert!(long.starts_with("udp-echo client (70,008 bytes \"begin"), "{long}");
        assert!(long.ends_with("end\")") && long.len() < 120, "{long}");
    }

    #[test]
    fn a_role_is_named_as_what_it_is() {
        assert_eq!(role_name("listen"), "listener");
        assert_eq!(role_name("address"), "program");
        assert_eq!(role_name("client"), "client");
    }
}
