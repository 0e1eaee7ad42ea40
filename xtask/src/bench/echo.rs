//! tcp-echo and udp-echo against socat, which gives back what it gets through a pipe.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::load;
use super::rival::{Comparison, Rival, Unit};
use super::server::{Announces, Server};
use super::yard::Yard;

/// How long round trips are counted in one run.
const WINDOW: Duration = Duration::from_millis(200);
/// How much goes through an echo in one run.
const THROUGHPUT_BYTES: usize = 256 << 20;

impl Yard {
    /// How many bytes, and how many round trips, a second.
    pub fn tcp_echo(&self, runs: u32) -> anyhow::Result<Vec<Comparison>> {
        let (_server, address) = self.echo_server("tcp-echo")?;
        let throughput = |server| load::tcp_throughput(server, THROUGHPUT_BYTES);
        let round_trips = |server| load::tcp_round_trips(server, WINDOW);
        Ok(vec![
            Comparison::measure(
                "tcp-echo, 256 MiB",
                Unit::Mebibytes,
                runs,
                || throughput(address),
                vec![socat("TCP4-LISTEN:0,bind=127.0.0.1", throughput)],
            )?,
            Comparison::measure(
                "tcp-echo, round trips of 64 bytes",
                Unit::Answers,
                runs,
                || round_trips(address),
                vec![socat("TCP4-LISTEN:0,bind=127.0.0.1", round_trips)],
            )?,
        ])
    }

    /// How many round trips a second.
    pub fn udp_echo(&self, runs: u32) -> anyhow::Result<Comparison> {
        let (_server, address) = self.echo_server("udp-echo")?;
        let round_trips = |server| load::udp_round_trips(server, WINDOW);
        Comparison::measure(
            "udp-echo, round trips of 64 bytes",
            Unit::Answers,
            runs,
            || round_trips(address),
            vec![socat("UDP4-LISTEN:0,bind=127.0.0.1", round_trips)],
        )
    }

    fn echo_server(&self, module: &str) -> anyhow::Result<(Server, SocketAddr)> {
        let mut command = Command::new(self.release_of(module)?);
        Server::start(command.args(["server", "127.0.0.1:0"]), Announces::Stdout)
    }
}

/// socat without `fork` serves one client and ends, so each run has one of its own: nothing that it
/// forked can be left behind. Its start is no part of what is measured.
fn socat<'a>(
    listen: &'static str,
    measure: impl Fn(SocketAddr) -> anyhow::Result<f64> + 'a,
) -> Rival<'a> {
    Rival::new(
        "socat",
        Ok(Box::new(move || {
            let mut command = Command::new("socat");
            command.args(["-d", "-d", listen, "PIPE"]);
            let (_server, address) = Server::start(&mut command, Announces::Stderr)?;
            measure(address)
        })),
    )
}
