//! The options: each is set, on the right socket, before connect, and read back.

use grader::retell::told_as;
use grader::wording::sockopt;
use grader::{Check, Failure, Stop, Symptom, Verdict};
use socket2::Type;

use crate::inspection::{Inspection, UDP_LINES, on, report};
use crate::rules::{BROADCAST_ADDRESS, expect_broadcast_here};
use crate::truth::Truth;

/// The options that are on or off, for every kind of socket.
const SWITCHES: [&str; 3] = ["SO_REUSEADDR", "SO_BROADCAST", "SO_KEEPALIVE"];

/// Each switch is set alone, and moves no other; then all are set to 0.
pub fn switches(check: &mut Check) -> Verdict {
    for kind in ["tcp", "udp"] {
        for name in SWITCHES {
            let report = Inspection::of(check, &[kind, &format!("{name}=1")])?;
            for other in SWITCHES {
                report.expect(other, if other == name { "1" } else { "0" })?;
            }
        }
        let off = SWITCHES.map(|name| format!("{name}=0"));
        let report = Inspection::of(check, &[kind, &off[0], &off[1], &off[2]])?;
        for name in SWITCHES {
            report.expect(name, "0")?;
        }
    }
    Ok(())
}

/// The buffers have the sizes that the kernel made of what was set, which is more than was set,
/// less, or what nobody set.
pub fn buffers(check: &mut Check) -> Verdict {
    let peer = check.listen("127.0.0.1")?;
    let address = peer.address().to_string();
    expect_sizes(check, &["udp"], Type::DGRAM, [20_000, 30_000])?;
    expect_sizes(check, &["tcp"], Type::STREAM, [20_000, 30_000])?;
    expect_sizes(check, &["tcp", &address], Type::STREAM, [20_000, 30_000])?;
    // The kernel has a least and a largest size.
    expect_sizes(check, &["udp"], Type::DGRAM, [1, 100_000_000])?;
    for arguments in [&["udp"][..], &["tcp"], &["tcp", &address]] {
        expect_unset_sizes(check, arguments)?;
    }
    Ok(())
}

/// Sets both buffers, and expects what the kernel makes of the same on a socket of the grader's
/// own.
fn expect_sizes(check: &mut Check, arguments: &[&str], kind: Type, bytes: [usize; 2]) -> Verdict {
    let (own, sizes) = Truth::own(kind)?;
    let unset = [sizes.value("SO_RCVBUF")?, sizes.value("SO_SNDBUF")?];
    own.set_recv_buffer_size(bytes[0])?;
    own.set_send_buffer_size(bytes[1])?;
    let set = [format!("SO_RCVBUF={}", bytes[0]), format!("SO_SNDBUF={}", bytes[1])];
    let arguments: Vec<&str> =
        arguments.iter().copied().chain(set.iter().map(String::as_str)).collect();
    let report = Inspection::of(check, &arguments)?;
    report.expect_size("SO_RCVBUF", &sizes.value("SO_RCVBUF")?, &unset[0])?;
    report.expect_size("SO_SNDBUF", &sizes.value("SO_SNDBUF")?, &unset[1])?;
    Ok(())
}

/// Buffers that nobody has set. The kernel may enlarge those of a connection by itself, also
/// between the report and the grader's look, so a program that is right gets a second and a third
/// chance to be found so.
fn expect_unset_sizes(check: &mut Check, arguments: &[&str]) -> Verdict {
    let mut chances = 3;
    loop {
        chances -= 1;
        let report = Inspection::of(check, arguments)?;
        let told =
            report.expect_truth("SO_RCVBUF").and_then(|report| report.expect_truth("SO_SNDBUF"));
        match told {
            Err(Stop::Failed(_)) if chances > 0 => {}
            other => return other.map(|_| ()),
        }
    }
}

/// The time limit of a read is in milliseconds, which the kernel rounds to its tick; 0 stands for
/// none.
pub fn receive_timeout(check: &mut Check) -> Verdict {
    Inspection::of(check, &["udp"])?.expect_timeout(0)?;
    Inspection::of(check, &["udp", "SO_RCVTIMEO=1500"])?.expect_timeout(1500)?;
    Inspection::of(check, &["tcp", "SO_RCVTIMEO=61250"])?.expect_timeout(61_250)?;
    let none = Inspection::of(check, &["tcp", "SO_RCVTIMEO=0"]);
    told_as(none, &[Symptom::WrongStatus], "zero-refused")?.expect("SO_RCVTIMEO", "0")?;
    Ok(())
}

/// Off, on for some seconds, and on for none, which is not off.
pub fn linger(check: &mut Check) -> Verdict {
    for kind in ["tcp", "udp"] {
        Inspection::of(check, &[kind])?.expect("SO_LINGER", "off")?;
        for value in ["7", "300", "0", "off"] {
            let report = Inspection::of(check, &[kind, &format!("SO_LINGER={value}")])?;
            report.expect("SO_LINGER", value)?;
        }
    }
    Ok(())
}

/// TCP's own switch, unset, set and set to 0, on a connection and without one.
pub fn no_delay(check: &mut Check) -> Verdict {
    let peer = check.listen("127.0.0.1")?;
    let address = peer.address().to_string();
    Inspection::of(check, &["tcp"])?.expect("TCP_NODELAY", "0")?;
    Inspection::of(check, &["tcp", "TCP_NODELAY=1"])?.expect("TCP_NODELAY", "1")?;
    Inspection::of(check, &["tcp", "TCP_NODELAY=0"])?.expect("TCP_NODELAY", "0")?;
    Inspection::of(check, &["tcp", &address, "TCP_NODELAY=1"])?.expect("TCP_NODELAY", "1")?;
    Ok(())
}

/// Without `SO_BROADCAST` the kernel refuses a broadcast address in connect(2), so the option has
/// to come first. How the program goes on is for other checks to judge.
pub fn before_connect(check: &mut Check) -> Verdict {
    expect_broadcast_here()?;
    let arguments = ["udp", BROADCAST_ADDRESS, "SO_BROADCAST=1"];
    let program = check.start(arguments)?;
    let (_, socket) =
        report(&program, UDP_LINES, Type::DGRAM).map_err(|stop| on(&arguments, stop))?;
    let Some(peer) = socket.map(|socket| socket.peer()) else { return Ok(()) };
    if peer.is_some_and(|peer| peer.to_string() == BROADCAST_ADDRESS) {
        return Ok(());
    }
    let (expected, got) = sockopt::connected_to(BROADCAST_ADDRESS, peer);
    Err(Failure::new(Symptom::WrongStdout, expected, got).because("not-connected").into())
}

/// Settings are made in their order, also those that switch something off again. What the
/// report says of them is for other checks to judge.
pub fn last_setting(check: &mut Check) -> Verdict {
    let switched = ["udp", "SO_BROADCAST=1", "SO_KEEPALIVE=0", "SO_BROADCAST=0", "SO_KEEPALIVE=1"];
    let report = Inspection::of(check, &switched)?;
    report.expect_socket("SO_BROADCAST", "0")?.expect_socket("SO_KEEPALIVE", "1")?;
    let lingers = ["tcp", "SO_LINGER=5", "SO_REUSEADDR=1", "SO_LINGER=9"];
    Inspection::of(check, &lingers)?
        .expect_socket("SO_LINGER", "9")?
        .expect_socket("SO_REUSEADDR", "1")?;
    let off = ["tcp", "SO_LINGER=5", "TCP_NODELAY=1", "SO_LINGER=off", "TCP_NODELAY=0"];
    Inspection::of(check, &off)?
        .expect_socket("SO_LINGER", "off")?
        .expect_socket("TCP_NODELAY", "0")?;
    let forever = Inspection::of(check, &["udp", "SO_RCVTIMEO=1500", "SO_RCVTIMEO=0"])?;
    forever.expect_socket("SO_RCVTIMEO", "0")?;
    Ok(())
}
