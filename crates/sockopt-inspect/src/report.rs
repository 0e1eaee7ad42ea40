//! The report: its lines, and what stands in the first five.

use grader::wording::sockopt;
use grader::{Check, Failure, Symptom, Verdict};

use crate::inspection::{Inspection, TCP_LINES, UDP_LINES, read_line, whole_output};

/// How many descriptors a program finds open, besides the usual three.
const OTHERS_OPEN: usize = 4;

/// A stream socket has thirteen lines, connected or not, and nothing else is printed, also when
/// standard input ends.
pub fn shape_tcp(check: &mut Check) -> Verdict {
    let peer = check.listen("127.0.0.1")?;
    for arguments in [&["tcp"][..], &["tcp", &peer.address().to_string()]] {
        let program = check.start(arguments)?;
        let printed = whole_output(&program, TCP_LINES)?;
        let printed = String::from_utf8_lossy(&printed);
        let lines: Vec<&str> = printed.split_terminator('\n').collect();
        expect_lines(arguments, &lines, TCP_LINES, is_line_of)?;
        if !printed.ends_with('\n') {
            let (expected, got) = sockopt::last_newline(arguments);
            return Err(Failure::new(Symptom::WrongStdout, expected, got).into());
        }
    }
    Ok(())
}

/// A datagram socket has the same lines but the last, which is TCP's own. How a line is written,
/// and what else may stand on standard output, was judged for the stream socket.
pub fn shape_udp(check: &mut Check) -> Verdict {
    let peer = check.datagram_peer("127.0.0.1")?;
    for arguments in [&["udp"][..], &["udp", &peer.address().to_string()]] {
        let program = check.start(arguments)?;
        let printed = whole_output(&program, UDP_LINES)?;
        let printed = String::from_utf8_lossy(&printed);
        let name_of = |line: &str| read_line(line.as_bytes()).0;
        let is_of_report = |line: &&str| TCP_LINES.contains(&name_of(line).as_str());
        let lines: Vec<&str> = printed.lines().filter(is_of_report).collect();
        expect_lines(arguments, &lines, UDP_LINES, |name, line| name_of(line) == name)?;
    }
    Ok(())
}

/// Expects one line for each name, in this order, and no further one. What the values are is judged
/// elsewhere.
fn expect_lines(
    arguments: &[&str],
    lines: &[&str],
    names: &[&str],
    is_of: impl Fn(&str, &str) -> bool,
) -> Verdict {
    for (index, name) in names.iter().enumerate() {
        let line = lines.get(index).copied();
        if !line.is_some_and(|line| is_of(name, line)) {
            let (expected, got) = sockopt::line_wanted(arguments, index + 1, name, line);
            return Err(Failure::new(Symptom::WrongStdout, expected, got).into());
        }
    }
    let Some(extra) = lines.get(names.len()) else { return Ok(()) };
    let (expected, got) = sockopt::end_of_report(arguments, names.len(), extra);
    Err(Failure::new(Symptom::WrongStdout, expected, got).because("extra-line").into())
}

/// Whether a line is `name: value`, with a value of whatever kind.
fn is_line_of(name: &str, line: &str) -> bool {
    let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
    value.is_some_and(|value| !value.is_empty() && value.trim() == value)
}

/// The socket is of the family and the type that were asked for, and both are told by their names.
pub fn family_and_type(check: &mut Check) -> Verdict {
    for (kind, socket_type) in [("tcp", "SOCK_STREAM"), ("udp", "SOCK_DGRAM")] {
        let report = Inspection::of(check, &[kind])?;
        report.expect("family", "AF_INET")?.expect("type", socket_type)?;
    }
    Ok(())
}

/// The descriptor's number is true, also if the program found others open when it started.
pub fn descriptor(check: &mut Check) -> Verdict {
    check.note(sockopt::others_open(OTHERS_OPEN));
    let program = check.start_job(["tcp"], |job| job.extra_descriptors = OTHERS_OPEN)?;
    Inspection::of_started(program, &["tcp"])?.expect_truth("fd")?;
    Inspection::of(check, &["udp"])?.expect_truth("fd")?;
    Ok(())
}

/// The socket's own address: none at first, and the one that connect gave it.
pub fn local_address(check: &mut Check) -> Verdict {
    let stream_peer = check.listen("127.0.0.1")?;
    let datagram_peer = check.datagram_peer("127.0.0.1")?;
    Inspection::of(check, &["tcp"])?.expect_truth("local")?;
    Inspection::of(check, &["udp"])?.expect_truth("local")?;
    Inspection::of(check, &["tcp", &stream_peer.address().to_string()])?.expect_truth("local")?;
    Inspection::of(check, &["udp", &datagram_peer.address().to_string()])?.expect_truth("local")?;
    Ok(())
}

/// The peer's address; without a peer, `none`. A datagram socket can be connected too.
pub fn peer_address(check: &mut Check) -> Verdict {
    let stream_peer = check.listen("127.0.0.1")?;
    let datagram_peer = check.datagram_peer("127.0.0.1")?;
    let (stream, datagram) =
        (stream_peer.address().to_string(), datagram_peer.address().to_string());
    Inspection::of(check, &["tcp"])?.expect("peer", "none")?;
    Inspection::of(check, &["udp"])?.expect("peer", "none")?;
    Inspection::of(check, &["tcp", &stream])?.expect("peer", &stream)?;
    Inspection::of(check, &["udp", &datagram])?.expect("peer", &datagram)?;
    Ok(())
}
