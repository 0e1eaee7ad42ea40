//! What the checks of sockopt-inspect say: a report against what the kernel says.

use std::io;
use std::net::SocketAddr;

use crate::bytes;

/// An expectation, with the command line that it is about.
pub fn on<A: AsRef<str>>(arguments: &[A], expected: &str) -> String {
    format!("{expected}\n    from: {}", command_line(arguments))
}

fn command_line<A: AsRef<str>>(arguments: &[A]) -> String {
    let mut line = "sockopt-inspect".to_owned();
    for argument in arguments {
        let argument = argument.as_ref();
        let shown = if argument.is_empty() { "\"\"" } else { argument };
        line = format!("{line} {shown}");
    }
    line
}

fn shown(line: &str) -> String {
    format!("\"{}\"", bytes::escape(line.as_bytes()))
}

/// That a program reports, and waits.
pub fn reports(who: &str) -> String {
    format!("{who} prints its report, and keeps the socket open until standard input ends")
}

/// That a program has a socket open after its report; `ended` tells how it ended, if it has.
pub fn no_socket<A: AsRef<str>>(
    arguments: &[A],
    who: &str,
    ended: Option<&str>,
) -> (String, String) {
    let expected = format!("{who} keeps its socket open until standard input ends");
    let got = ended.unwrap_or("after the report the program has no socket open any more");
    let so = "so its report could not be compared; the check `stays-open` tells more of that";
    (on(arguments, &expected), format!("{got}\n{so}"))
}

/// The program finds more descriptors open than usual.
pub fn others_open(count: usize) -> String {
    format!("the program is started with {count} descriptors open besides 0, 1 and 2")
}

/// The kernel does not let the grader look at a program's socket.
pub fn no_look(error: &io::Error) -> String {
    format!("the grader may not look at the program's socket: {error}")
}

/// A line that should say what the kernel says.
pub fn line_differs<A: AsRef<str>>(
    arguments: &[A],
    name: &str,
    truth: &str,
    printed: &str,
) -> (String, String) {
    let expected = format!("the line \"{name}: {truth}\": the kernel says so of this socket");
    (on(arguments, &expected), format!("the line {}", shown(&format!("{name}: {printed}"))))
}

/// A line that is not there.
pub fn line_missing<A: AsRef<str>>(arguments: &[A], name: &str, truth: &str) -> (String, String) {
    let expected = format!("the line \"{name}: {truth}\": the kernel says so of this socket");
    (on(arguments, &expected), format!("no line `{name}` in the report"))
}

/// What the socket itself should have.
pub fn not_as_asked<A: AsRef<str>>(
    arguments: &[A],
    name: &str,
    wanted: &str,
    has: &str,
) -> (String, String) {
    let expected = format!("{name} is {wanted} on the socket itself");
    (on(arguments, &expected), format!("the kernel says: {name} is {has}"))
}

/// A line of the report in its place.
pub fn line_wanted<A: AsRef<str>>(
    arguments: &[A],
    number: usize,
    name: &str,
    line: Option<&str>,
) -> (String, String) {
    let expected = format!("line {number} of standard output is \"{name}: \" and the value");
    let got = match line {
        Some(line) => format!("line {number} is {}", shown(line)),
        None if number == 1 => "nothing on standard output".to_owned(),
        None => format!("the end after line {}", number - 1),
    };
    (on(arguments, &expected), got)
}

/// The end of the report.
pub fn end_of_report<A: AsRef<str>>(
    arguments: &[A],
    count: usize,
    extra: &str,
) -> (String, String) {
    let expected = format!("{count} lines on standard output, and nothing after them");
    (on(arguments, &expected), format!("one more line: {}", shown(extra)))
}

/// The newline of the last line.
pub fn last_newline<A: AsRef<str>>(arguments: &[A]) -> (String, String) {
    let expected = on(arguments, "a newline at the end of every line");
    (expected, "the last line has none".to_owned())
}

/// Where a socket should be connected to.
pub fn connected_to(wanted: &str, peer: Option<SocketAddr>) -> (String, String) {
    let got = peer.map_or_else(
        || "it is not connected".to_owned(),
        |peer| format!("it is connected to {peer}"),
    );
    (format!("the program's socket is connected to {wanted}"), got)
}

/// A command line that should be refused, and was not.
pub fn went_on<A: AsRef<str>>(arguments: &[A], statuses: &[i32]) -> (String, String) {
    let statuses: Vec<String> = statuses.iter().map(i32::to_string).collect();
    let expected = format!("exit status {}, and no report", statuses.join(" or "));
    let got = "the program went on as if all were well, and ended with exit status 0";
    (on(arguments, &expected), got.to_owned())
}

/// A line that names a bad option.
pub fn named<A: AsRef<str>>(arguments: &[A], name: &str, stderr: &str) -> (String, String) {
    let expected = format!("a line on standard error that names {name}; the usage may follow");
    let got = format!("on standard error: {}", shown(stderr.trim_end()));
    (on(arguments, &expected), got)
}

/// That a program has not connected.
pub fn no_connection<A: AsRef<str>>(arguments: &[A]) -> (String, String) {
    let expected = on(arguments, "no connection: the last option is bad");
    (expected, "the program connected before it ended".to_owned())
}

/// That the connection still stands.
pub fn still_connected(who: &str) -> (String, String) {
    (
        format!("{who} keeps its socket open until standard input ends"),
        "standard input is open, and the socket is closed".to_owned(),
    )
}

/// That the connection ends in a reset.
pub fn reset_wanted() -> (String, String) {
    (
        "a reset (RST) when the program closes its socket".to_owned(),
        "the end of the stream (FIN)".to_owned(),
    )
}

/// The kernel guards no broadcast address here.
pub fn no_guarded_broadcast(address: &str) -> String {
    format!("this machine does not ask for SO_BROADCAST to connect to {address}")
}
