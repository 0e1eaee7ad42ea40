//! Conversations on this machine's own addresses. Nothing leaves the machine.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::Finding;
use crate::workspace::Workspace;

/// How long any one call may wait.
const PATIENCE: Duration = Duration::from_secs(2);
/// A conversation that no buffer holds as a whole.
const STREAM_BYTES: usize = 8 << 20;
/// The largest datagram of IPv4: 65,535 less the headers of IP and UDP (RFC 768, RFC 791).
const DATAGRAM_BYTES: usize = 65_507;
/// On loopback a refusal takes microseconds; one that takes this long was held back.
const PROMPT: Duration = Duration::from_millis(500);

/// What to do about a conversation that failed.
fn advice(error: &anyhow::Error) -> &'static str {
    let unreachable = [ErrorKind::NetworkUnreachable, ErrorKind::AddrNotAvailable];
    match error.root_cause().downcast_ref::<io::Error>() {
        Some(error) if unreachable.contains(&error.kind()) => {
            "the loopback interface is down: `sudo ip link set lo up`"
        }
        _ => FIREWALL,
    }
}

const FIREWALL: &str = "look for a firewall, a VPN or a security program that filters 127.0.0.1, \
                        and except that address there";

/// A conversation over TCP, from this machine to itself.
pub(super) fn tcp(_: &Workspace) -> Vec<Finding> {
    vec![match stream(Ipv4Addr::LOCALHOST.into()) {
        Ok(()) => Finding::good("TCP", "connected to 127.0.0.1, sent 8 MiB there and back, closed"),
        Err(error) => Finding::missing("TCP", format!("on 127.0.0.1: {error:#}"))
            .means("the grader cannot talk to a TCP program")
            .advice(advice(&error)),
    }]
}

/// Datagrams, from this machine to itself.
pub(super) fn udp(_: &Workspace) -> Vec<Finding> {
    vec![match datagram(Ipv4Addr::LOCALHOST.into()) {
        Ok(()) => Finding::good("UDP", "sent 65,507 bytes to 127.0.0.1 in one datagram, and back"),
        Err(error) => Finding::missing("UDP", format!("on 127.0.0.1: {error:#}"))
            .means("the grader cannot talk to a UDP program")
            .advice(advice(&error)),
    }]
}

/// Both over IPv6.
pub(super) fn ipv6(_: &Workspace) -> Vec<Finding> {
    let own = Ipv6Addr::LOCALHOST.into();
    vec![match stream(own).context("TCP").and_then(|()| datagram(own).context("UDP")) {
        Ok(()) => Finding::good("IPv6", "the same on ::1, TCP and UDP"),
        Err(error) => Finding::limited("IPv6", format!("on ::1: {error:#}"))
            .means("the stretch checks of IPv6 are not graded; core needs none")
            .advice("`sudo sysctl -w net.ipv6.conf.lo.disable_ipv6=0`, if you want them"),
    }]
}

/// The name that the handouts use.
pub(super) fn localhost(_: &Workspace) -> Vec<Finding> {
    let began = Instant::now();
    let found = ("localhost", 0).to_socket_addrs().map(|found| found.collect::<Vec<_>>());
    let took = began.elapsed();
    let advice = "see that /etc/hosts has the line `127.0.0.1 localhost`";
    let means = "commands of the handouts that say localhost fail or wait";
    vec![match found {
        Err(error) => Finding::limited("localhost", format!("asked for its addresses: {error}"))
            .means(means)
            .advice(advice),
        Ok(found) => {
            let addresses: Vec<String> = found.iter().map(|one| one.ip().to_string()).collect();
            let tried = format!("is {}, found in {} ms", addresses.join(" and "), took.as_millis());
            if found.iter().all(|one| one.ip().is_loopback()) && took < PATIENCE {
                Finding::good("localhost", tried)
            } else {
                Finding::limited("localhost", tried).means(means).advice(advice)
            }
        }
    }]
}

/// One datagram, two listeners.
pub(super) fn broadcast(_: &Workspace) -> Vec<Finding> {
    vec![match reaches_two() {
        Ok(()) => Finding::good(
            "broadcast",
            "one datagram to 127.255.255.255 reached two listeners on one port",
        ),
        Err(error) => Finding::limited("broadcast", format!("to 127.255.255.255: {error:#}"))
            .means("broadcast's checks of listeners cannot be passed here")
            .advice(advice(&error)),
    }]
}

/// Whether refusals come back, at once: what a firewall keeps silent about.
pub(super) fn filters(_: &Workspace) -> Vec<Finding> {
    let told = refused_stream().context("TCP").and_then(|tcp| {
        let udp = refused_datagram().context("UDP")?;
        Ok(tcp.max(udp))
    });
    let means = "checks of a refused connection wait or fail, whatever the program does";
    vec![match told {
        Ok(took) if took < PROMPT => Finding::good(
            "firewall",
            "a port where nobody listens refused TCP and UDP at once: nothing filters loopback",
        ),
        Ok(took) => Finding::limited(
            "firewall",
            format!("a port where nobody listens took {} ms to refuse", took.as_millis()),
        )
        .means(means)
        .advice(FIREWALL),
        Err(error) => Finding::limited(
            "firewall",
            format!("no refusal came from a port where nobody listens: {error:#}"),
        )
        .means(means)
        .advice(advice(&error)),
    }]
}

fn stream(own: IpAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind((own, 0)).context("listen")?;
    let address = listener.local_addr().context("ask for the port")?;
    let mut near = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
    let (far, _) = listener.accept().context("accept")?;
    for end in [&near, &far] {
        end.set_read_timeout(Some(PATIENCE)).context("set a timeout")?;
        end.set_write_timeout(Some(PATIENCE)).context("set a timeout")?;
    }
    let sender = near.try_clone().context("duplicate the socket")?;
    let sent: Vec<u8> = (0..STREAM_BYTES).map(|at| (at % 251) as u8).collect();
    let mut back = Vec::new();
    thread::scope(|scope| {
        let echo = scope.spawn(|| io::copy(&mut &far, &mut &far).and_then(|_| finish(&far)));
        let send = scope.spawn(|| (&sender).write_all(&sent).and_then(|()| finish(&sender)));
        let read = near.read_to_end(&mut back).context("read what comes back");
        let joined = |result: thread::Result<io::Result<()>>, attempt| match result {
            Ok(result) => result.context(attempt),
            Err(_) => bail!("{attempt}: the thread failed"),
        };
        let sent = joined(send.join(), "send");
        let echoed = joined(echo.join(), "send it back");
        sent.and(echoed).and(read)
    })?;
    ensure!(back == sent, "{} of {STREAM_BYTES} bytes came back as they were sent", back.len());
    Ok(())
}

fn finish(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(std::net::Shutdown::Write)
}

fn datagram(own: IpAddr) -> anyhow::Result<()> {
    let [near, far] = [open((own, 0).into())?, open((own, 0).into())?];
    let sent = vec![0xa5; DATAGRAM_BYTES];
    let mut buffer = vec![0; DATAGRAM_BYTES + 1];
    let target = far.local_addr().context("ask for the port")?;
    near.send_to(&sent, target).context("send 65,507 bytes")?;
    let (length, from) = far.recv_from(&mut buffer).context("receive them")?;
    far.send_to(&buffer[..length], from).context("send them back")?;
    let length = near.recv(&mut buffer).context("receive them again")?;
    ensure!(buffer[..length] == sent, "{length} of {DATAGRAM_BYTES} bytes came back");
    Ok(())
}

fn open(address: SocketAddr) -> anyhow::Result<UdpSocket> {
    let socket = UdpSocket::bind(address).with_context(|| format!("bind {address}"))?;
    socket.set_read_timeout(Some(PATIENCE)).context("set a timeout")?;
    Ok(socket)
}

fn reaches_two() -> anyhow::Result<()> {
    let first = shared(0)?;
    let port = first.local_addr().context("ask for the port")?.port();
    let second = shared(port)?;
    let sender = open((Ipv4Addr::LOCALHOST, 0).into())?;
    sender.set_broadcast(true).context("set SO_BROADCAST")?;
    let all = Ipv4Addr::new(127, 255, 255, 255);
    sender.send_to(b"to all", (all, port)).context("send")?;
    for (listener, which) in [(first, "first"), (second, "second")] {
        let mut buffer = [0; 64];
        let length = listener
            .recv(&mut buffer)
            .with_context(|| format!("receive it with the {which} of two listeners"))?;
        ensure!(&buffer[..length] == b"to all", "the {which} of two listeners got other bytes");
    }
    Ok(())
}

/// A UDP socket on all addresses that shares its port. `std` cannot say so before it binds.
fn shared(port: u16) -> anyhow::Result<UdpSocket> {
    use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).context("make a socket")?;
    sockopt::set_socket_reuseaddr(&socket, true).context("set SO_REUSEADDR")?;
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    bind(&socket, &address).with_context(|| format!("bind {address}"))?;
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(PATIENCE)).context("set a timeout")?;
    Ok(socket)
}

/// How long a port that is taken and not listened at takes to refuse.
fn refused_stream() -> anyhow::Result<Duration> {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let taken = socket(AddressFamily::INET, SocketType::STREAM, None).context("make a socket")?;
    bind(&taken, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("bind 127.0.0.1:0")?;
    let address = SocketAddr::try_from(getsockname(&taken).context("ask for the port")?)
        .context("ask for the port")?;
    let began = Instant::now();
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(began.elapsed()),
        Err(error) => Err(error).with_context(|| format!("connect to {address}")),
        Ok(_) => bail!("connect to {address}: something answers there"),
    }
}

/// The same for a datagram: the kernel's answer comes to a connected socket (`udp(7)`). The port's
/// owner is connected elsewhere, so nothing takes what comes from here.
fn refused_datagram() -> anyhow::Result<Duration> {
    let local = || open((Ipv4Addr::LOCALHOST, 0).into());
    let (owner, elsewhere, sender) = (local()?, local()?, local()?);
    let address = owner.local_addr().context("ask for the port")?;
    owner.connect(elsewhere.local_addr().context("ask for the port")?).context("connect")?;
    sender.connect(address).context("connect")?;
    let began = Instant::now();
    sender.send(b"x").context("send")?;
    match sender.recv(&mut [0; 8]) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(began.elapsed()),
        Err(error) => Err(error).with_context(|| format!("receive from {address}")),
        Ok(_) => bail!("receive from {address}: something answers there"),
    }
}
