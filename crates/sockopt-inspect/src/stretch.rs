//! What a learner can do beyond the 100 points.

use grader::tcp::End;
use grader::wording::sockopt;
use grader::{Check, Failure, Symptom, Verdict};

use crate::inspection::Inspection;

/// The family follows the address, and addresses are told as `[IP]:PORT`.
pub fn ipv6(check: &mut Check) -> Verdict {
    let stream_peer = check.listen("::1")?;
    let datagram_peer = check.datagram_peer("::1")?;
    let to_stream = ["tcp", &stream_peer.address().to_string()];
    let to_datagram = ["udp", &datagram_peer.address().to_string()];
    for arguments in [to_stream, to_datagram] {
        let report = Inspection::of(check, &arguments)?;
        report.expect("family", "AF_INET6")?;
        report.expect("peer", arguments[1])?.expect_truth("local")?;
    }
    Ok(())
}

/// On, with no time at all: close throws the connection away, and the peer sees a reset. No second
/// descriptor for the socket is held here, since with one the program's close would close nothing.
pub fn linger_reset(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let program = check.start(["tcp", &peer.address().to_string(), "SO_LINGER=0"])?;
    let mut connection = peer.accept(&program)?;
    program.close_stdin();
    if connection.await_any_end()? == End::Reset {
        return Ok(());
    }
    let (expected, got) = sockopt::reset_wanted();
    Err(Failure::new(Symptom::StillOpen, expected, got).because("closed").into())
}
