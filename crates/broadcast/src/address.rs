//! What `address` promises.

use grader::retell::{is_success, told_by};
use grader::{Check, Verdict};

use crate::mistakes::of_result;

/// Runs `address` on each network, and expects its broadcast address and nothing else.
fn expect(check: &mut Check, cases: &[(&str, &str)]) -> Verdict {
    for (cidr, broadcast) in cases {
        let program = check.start(["address", cidr])?;
        of_result(program.finish_with(0)?.expect_stdout(format!("{broadcast}\n").as_bytes()))?;
    }
    Ok(())
}

/// The host part is whole numbers, and the address given may be any host's.
pub fn whole_numbers(check: &mut Check) -> Verdict {
    expect(
        check,
        &[
            ("172.60.50.0/24", "172.60.50.255"),
            ("172.60.50.17/24", "172.60.50.255"),
            ("10.0.0.0/8", "10.255.255.255"),
        ],
    )
}

/// The host part begins within a number.
pub fn any_prefix(check: &mut Check) -> Verdict {
    expect(
        check,
        &[
            ("172.60.50.0/20", "172.60.63.255"),
            ("192.168.1.5/30", "192.168.1.7"),
            ("10.200.0.1/9", "10.255.255.255"),
        ],
    )
}

/// All bits are the host's, or none is.
pub fn extremes(check: &mut Check) -> Verdict {
    expect(check, &[("0.0.0.0/0", "255.255.255.255"), ("10.1.2.3/32", "10.1.2.3")])
}

/// What is no network is wrong usage, and is named.
pub fn bad_cidr(check: &mut Check) -> Verdict {
    for cidr in [
        "172.60.50.0",
        "172.60.50.0/33",
        "172.60.50/24",
        "172.60.256.0/24",
        "172.60.50.0/x",
        "172.60.50.0/24/8",
        "172.60.50.0/ 24",
        "172.60.50.0/24x",
        "172.60.50.0/",
        "172.60.50.0/-1",
        "172.60.50.0/280",
        "172.60.50.0.0/24",
        "172..50.0/24",
    ] {
        let finished = check.start(["address", cidr])?.finish_with(2);
        let finished = told_by(finished, |failure| is_success(failure).then_some("not-refused"))?;
        finished.expect_stdout(b"")?.expect_error_containing(cidr)?;
    }
    Ok(())
}
