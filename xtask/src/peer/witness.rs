//! The partners of `sockopt-inspect`: sockets of the runner's own, which tell what they see of the
//! program that connects to them.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use grader::record::{Sample, What};
use rustix::net::sockopt::set_socket_linger;

use super::log::{Log, Way};
use super::roles::Role;
use super::weird::{Pace, Weird};

/// How long a connection stands before it is reset, where it is to be.
const RESET_AFTER: Duration = Duration::from_millis(500);
/// The rest after a connection could not be accepted, when descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the kernel's table of datagram sockets is read.
const TABLE_PAUSE: Duration = Duration::from_millis(250);
/// Where Linux shows it (proc_net(5)).
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];

/// Accepts connections and tells how each ends, until the runner is ended.
pub fn tcp(listener: &TcpListener, role: &'static Role, weird: &Weird, log: &Log) -> ! {
    let mut number = 0;
    loop {
        match listener.accept() {
            Ok((stream, from)) => {
                number += 1;
                let to = stream.local_addr().unwrap_or(from);
                log.record(Some(number), What::ProgramConnected { from, to });
                let pace = weird.pace(number, role, log);
                let again = log.clone();
                let watch = move || watch_stream(stream, pace, &again, number);
                if let Err(error) = thread::Builder::new().spawn(watch) {
                    log.note(None, format!("no thread for a connection: {error}"));
                }
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                log.note(None, format!("cannot accept: {error}"));
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

fn watch_stream(mut stream: TcpStream, mut pace: Pace, log: &Log, number: u32) {
    let connection = Some(number);
    let resets = pace.is_to_reset();
    if resets {
        // Fails only for a duration of 0.
        _ = stream.set_read_timeout(Some(RESET_AFTER));
    }
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => {
                log.record(connection, What::ProgramFinishedSending);
                log.record(connection, What::GraderClosed);
                return;
            }
            Ok(count) => log.bytes(connection, Way::Received, &buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                pace.resets_at_end();
                log.record(connection, What::GraderReset);
                _ = set_socket_linger(&stream, Some(Duration::ZERO));
                return;
            }
            Err(_) => return log.record(connection, What::ProgramReset),
        }
    }
}

/// Tells who is connected to the socket, and what comes, until the runner is ended.
///
/// # Errors
///
/// The socket cannot be set up.
pub fn udp(socket: &UdpSocket, log: &Log) -> anyhow::Result<()> {
    socket.set_read_timeout(Some(TABLE_PAUSE)).context("set SO_RCVTIMEO")?;
    let own = socket.local_addr().context("read the socket's own address")?;
    let mut buffer = vec![0; 64 * 1024];
    let mut known = BTreeSet::new();
    loop {
        if let Ok((count, from)) = socket.recv_from(&mut buffer) {
            let bytes = Sample::of(&buffer[..count]);
            log.record(None, What::DatagramReceived { from, to: own, bytes });
        }
        let now = connected_to(own);
        for new in now.difference(&known) {
            log.note(
                None,
                format!(
                    "{new} is connected to this socket: no packet came, connect on a datagram \
                     socket only tells the kernel the peer's address"
                ),
            );
        }
        for gone in known.difference(&now) {
            log.note(None, format!("{gone} is closed: again no packet came"));
        }
        known = now;
    }
}

/// The datagram sockets of this machine that are connected to `own`; none where the system has no
/// such table.
fn connected_to(own: SocketAddr) -> BTreeSet<SocketAddr> {
    let texts = TABLES.iter().filter_map(|table| std::fs::read_to_string(table).ok());
    let mut connected = BTreeSet::new();
    for text in texts {
        connected.extend(text.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
            let is_own = remote == own || (own.ip().is_unspecified() && remote.ip().is_loopback());
            (is_own && remote.port() == own.port()).then_some(local)
        }));
    }
    connected
}

/// An address as the kernel's table has it: the words in the machine's byte order, in hexadecimal.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let word =
        |at: usize| u32::from_str_radix(host.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let port = u16::from_str_radix(port, 16).ok()?;
    let host: IpAddr = match host.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut octets = [0; 16];
            for (index, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(8 * index)?);
            }
            Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_addresses_are_read() {
        let four = address("0100007F:1B58").expect("IPv4");
        assert_eq!(four.to_string(), "127.0.0.1:7000");
        let six = address("00000000000000000000000001000000:1B58").expect("IPv6");
        assert_eq!(six.to_string(), "[::1]:7000");
        assert_eq!(address("local_address"), None);
    }
}
