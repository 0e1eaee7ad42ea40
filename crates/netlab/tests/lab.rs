//! The lab: what hosts send each other, what the switch does to it, and that nothing is left.

#[path = "../../sandbox/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use netlab::frame::{Tcp, Transport};
use netlab::{Capture, Faults, Host, Lab, NotStarted, Packet, Topology, Way};
use rustix::process::{Pid, Signal, kill_process};
use sandbox::{Job, Sandbox};
use support::{
    DEADLINE, Outcome, blocking, ensure, eventually, is_living, output, parent, python, read_line,
    same, wait_exit,
};

/// The argument that makes this binary the owner of a lab that waits to be killed.
const AS_OWNER: &str = "--as-owner";
/// The same, which panics instead.
const AS_PANICKING_OWNER: &str = "--as-panicking-owner";
/// The argument that makes this binary say whether it can start a lab.
const AS_STARTER: &str = "--as-starter";
/// The argument that makes this binary an owner that stands still while a program sends.
const AS_STANDING_OWNER: &str = "--as-standing-owner";

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    netlab::lab_main_if_asked();
    match std::env::args().nth(1).as_deref() {
        Some(mode @ (AS_OWNER | AS_PANICKING_OWNER)) => return as_owner(mode),
        Some(AS_STARTER) => return as_starter(),
        Some(AS_STANDING_OWNER) => return as_standing_owner(),
        _ => {}
    }
    support::run(&[
        ("without_privileges", support::without_privileges),
        ("start_cost", start_cost),
        ("handshake_and_close", handshake_and_close),
        ("datagrams", datagrams),
        ("nobody_at_a_port", nobody_at_a_port),
        ("nobody_at_many_ports", nobody_at_many_ports),
        ("programs_on_hosts", programs_on_hosts),
        ("hosts_are_quiet", hosts_are_quiet),
        ("hosts_that_ask", hosts_that_ask),
        ("directed_broadcast", directed_broadcast),
        ("limited_broadcast", limited_broadcast),
        ("neighbour_through_the_router", neighbour_through_the_router),
        ("only_a_router_forwards", only_a_router_forwards),
        ("checksums_are_right", checksums_are_right),
        ("same_seed_same_fates", same_seed_same_fates),
        ("a_program_survives_losses", a_program_survives_losses),
        ("lost_one_way", lost_one_way),
        ("doubled", doubled),
        ("corrupted", corrupted),
        ("delayed", delayed),
        ("reordered", reordered),
        ("tap_tells_at_once", tap_tells_at_once),
        ("turns_begin_anew", turns_begin_anew),
        ("pcapng_is_read_by_tshark", pcapng_is_read_by_tshark),
        ("wrong_topology", wrong_topology),
        ("many_threads_use_it", many_threads_use_it),
        ("overruns_are_told", overruns_are_told),
        ("no_descriptor_leaks", no_descriptor_leaks),
        ("owner_killed", owner_killed),
        ("owner_interrupted", owner_interrupted),
        ("owner_panics", owner_panics),
        ("helper_killed", helper_killed),
        ("refused_by_a_filter", refused_by_a_filter),
        ("refused_by_a_limit", refused_by_a_limit),
    ])
}

/// A lab, or none where this machine has none: then the refusal has been looked at.
fn lab(topology: &Topology) -> Result<Option<Lab>, Failed> {
    match Lab::start(topology, 1) {
        Ok(lab) => Ok(Some(lab)),
        Err(NotStarted::Unsupported(why)) => {
            println!("no lab here, so only its absence is tested: {why}");
            ensure(why.reason.starts_with("the lab's hosts cannot be made: "), &*why.reason)?;
            ensure(why.advice.ends_with('.'), why.advice)?;
            Ok(None)
        }
        Err(NotStarted::Failed(error)) => Err(format!("not started: {error}").into()),
    }
}

/// Runs the rest of a test with a lab, where there is one.
macro_rules! lab_or_return {
    ($topology:expr) => {
        match lab(&$topology)? {
            Some(lab) => lab,
            None => return Ok(()),
        }
    };
}

fn start_cost() -> Outcome {
    for (what, topology) in [("pair", Topology::pair()), ("broadcast", Topology::broadcast())] {
        let mut costs = Vec::new();
        for _ in 0..5 {
            let began = Instant::now();
            let lab = lab_or_return!(topology);
            costs.push(began.elapsed());
            drop(lab);
        }
        costs.sort();
        println!("{what}: {:?} at best, {:?} as a rule", costs[0], costs[2]);
    }
    Ok(())
}

fn any(host: &Host) -> SocketAddrV4 {
    SocketAddrV4::new(host.address(), 0)
}

fn v4(address: SocketAddr) -> Result<SocketAddrV4, Failed> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(address) => Err(format!("{address} is no IPv4 address").into()),
    }
}

fn udp(host: &Host) -> io::Result<UdpSocket> {
    let socket = host.udp_socket(any(host))?;
    socket.set_read_timeout(Some(DEADLINE))?;
    Ok(socket)
}

/// The TCP segments of a capture, and nothing but such.
fn segments(capture: &Capture) -> Result<Vec<(&Packet, Tcp<'_>)>, Failed> {
    let segment = |packet| match Packet::frame(packet)?.internet?.transport {
        Transport::Tcp(tcp) => Some((packet, tcp)),
        _ => None,
    };
    let found: Vec<_> = capture.packets.iter().filter_map(segment).collect();
    same("packets that are no segments", capture.packets.len() - found.len(), 0)?;
    Ok(found)
}

/// All that are different, in the order in which they come first: a machine that stands still makes
/// TCP send again, and rightly so.
fn first_of_each<T: Clone + Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut known = BTreeSet::new();
    items.filter(|item| known.insert(item.clone())).collect()
}

/// The first letter of its sender, its flags and its data.
fn tell_segment((packet, tcp): &(&Packet, Tcp<'_>)) -> String {
    let flags = tcp.flags;
    let names = [(flags.syn, 'S'), (flags.fin, 'F'), (flags.rst, 'R'), (flags.ack, 'A')];
    let set: String = names.iter().filter_map(|&(is_set, name)| is_set.then_some(name)).collect();
    format!("{}{set}{}", &packet.from[..1], String::from_utf8_lossy(tcp.payload))
}

fn handshake_and_close() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (lab.host("alpha"), lab.host("beta"));
    let listener = beta.tcp_listener(any(&beta))?;
    let mut client = alpha.tcp_connect(v4(listener.local_addr()?)?, DEADLINE)?;
    let (mut server, from) = listener.accept()?;
    same("client", from.ip(), alpha.address().into())?;
    client.write_all(b"hello")?;
    let mut bytes = [0; 5];
    server.read_exact(&mut bytes)?;
    same("bytes", &bytes, b"hello")?;
    client.shutdown(std::net::Shutdown::Write)?;
    same("end", server.read(&mut bytes)?, 0)?;
    drop(server);
    same("end", client.read(&mut bytes)?, 0)?;
    let capture = lab.capture();
    let told = first_of_each(segments(&capture)?.iter().map(tell_segment));
    same("told", told.join(" ").as_str(), "aS bSA aA aAhello bA aFA bFA")?;
    let first = &segments(&capture)?[0];
    same("segment size", first.1.options.maximum_segment, Some(1460))?;
    ensure(first.1.options.sack_permitted && first.1.options.timestamps.is_some(), "no options")?;
    same("to", first.0.to.as_deref(), Some("beta"))?;
    ensure(capture.packets.iter().all(|packet| packet.fate.is_plain()), "not all are plain")?;
    ensure(capture.packets.is_sorted_by_key(|packet| packet.when), "not in order")?;
    same("overruns", lab.overruns(), 0)
}

/// The UDP datagrams of a capture as "from>to:payload", one for each host that one goes to.
fn told_datagrams(capture: &Capture) -> Vec<String> {
    let tell = |packet: &Packet| match packet.frame()?.internet?.transport {
        Transport::Udp(udp) => {
            let to = packet.to.as_deref().unwrap_or("nobody");
            Some(format!("{}>{to}:{}", packet.from, String::from_utf8_lossy(udp.payload)))
        }
        _ => None,
    };
    capture.packets.iter().filter_map(tell).collect()
}

/// Receives one datagram; fails if it is not this one.
fn expect(socket: &UdpSocket, expected: &str) -> Outcome {
    let mut bytes = [0; 2048];
    let (length, _) = socket.recv_from(&mut bytes)?;
    same("datagram", String::from_utf8_lossy(&bytes[..length]).as_ref(), expected)
}

fn datagrams() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    alpha.send_to(b"ask", beta.local_addr()?)?;
    let (_, from) = beta.recv_from(&mut [0; 8])?;
    same("sender", from, alpha.local_addr()?)?;
    beta.send_to(b"answer", from)?;
    expect(&alpha, "answer")?;
    let capture = lab.capture();
    same(
        "told",
        told_datagrams(&capture),
        vec!["alpha>beta:ask".into(), "beta>alpha:answer".into()],
    )?;
    same("packets", capture.packets.len(), 2)
}

fn nobody_at_a_port() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    let closed = beta.local_addr()?;
    drop(beta);
    alpha.connect(closed)?;
    alpha.send(b"anybody?")?;
    let refused = alpha.recv(&mut [0; 8]).err().map(|error| error.kind());
    same("answer", refused, Some(io::ErrorKind::ConnectionRefused))?;
    let capture = lab.capture();
    let last = capture.packets.last().and_then(Packet::frame).and_then(|frame| frame.internet);
    let Some(Transport::Icmp(icmp)) = last.map(|packet| packet.transport) else {
        return Err("the last packet is no ICMP".into());
    };
    same("about", icmp.port_unreachable(), Some((alpha.local_addr()?, closed)))
}

fn nobody_at_many_ports() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    // In a container that is mounted read-only.
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    if mounts.lines().any(|line| line.split(' ').nth(1) == Some("/proc/sys")) {
        println!("settings cannot be written here: a host tells of one closed port a second");
        return Ok(());
    }
    for _ in 0..30 {
        let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
        alpha.connect(beta.local_addr()?)?;
        drop(beta);
        alpha.send(b"anybody?")?;
        let refused = alpha.recv(&mut [0; 8]).err().map(|error| error.kind());
        same("answer", refused, Some(io::ErrorKind::ConnectionRefused))?;
    }
    Ok(())
}

/// A server that echoes one conversation, and says where it listens and what it sees and may do.
const SERVER: &str = "import os, socket
for attempt in (lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
                lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
                lambda: open('/proc/sys/net/ipv4/ip_forward', 'w')):
    try:
        attempt()
        print('allowed')
    except PermissionError:
        print('denied')
print(sorted(name for _, name in socket.if_nameindex()), os.getuid())
s = socket.create_server(('0.0.0.0', 0))
print(s.getsockname()[1], flush=True)
c, a = s.accept()
print(a[0])
while d := c.recv(65536): c.sendall(d)";

fn programs_on_hosts() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let sandbox = Sandbox::start()?;
    let (alpha, beta) = (lab.host("alpha"), lab.host("beta"));
    let mut job = python(&sandbox, SERVER);
    job.network = beta.network();
    let mut server = sandbox.spawn(&job)?;
    let mut lines = blocking(server.stdout())?;
    for _ in 0..3 {
        same("attempt", read_line(&mut lines)?, "denied".to_owned())?;
    }
    let user = rustix::process::geteuid().as_raw();
    same("sees", read_line(&mut lines)?, format!("['eth0', 'lo'] {user}"))?;
    let port = read_line(&mut lines)?;
    let script = format!(
        "import socket
c = socket.create_connection(('{}', {port}))
c.sendall(b'hello')
c.shutdown(socket.SHUT_WR)
print(c.recv(99))",
        beta.address()
    );
    let mut job = python(&sandbox, &script);
    job.network = alpha.network();
    same("echo", output(&sandbox, &job)?, "b'hello'\n".to_owned())?;
    same("client", read_line(&mut lines)?, alpha.address().to_string())?;
    same("status", wait_exit(&mut server)?.status, Some(0))?;
    ensure(segments(&lab.capture())?.len() >= 9, "not all was captured")
}

/// Runs a Python script on a host.
fn on_host(host: &Host, script: &str) -> Result<String, Failed> {
    let sandbox = Sandbox::start()?;
    let mut job = python(&sandbox, script);
    job.network = host.network();
    Ok(output(&sandbox, &job)?)
}

fn hosts_are_quiet() -> Outcome {
    let lab = lab_or_return!(Topology::broadcast());
    // Without an IPv6 address on a wire there is nobody to look for routers or neighbours.
    let script = "print([l.split()[-1] for l in open('/proc/self/net/if_inet6')])";
    for host in lab.hosts() {
        same(host.name(), on_host(&host, script)?, "['lo']\n".to_owned())?;
    }
    same("packets", lab.capture().packets.len(), 0)
}

fn hosts_that_ask() -> Outcome {
    let mut topology = Topology::pair();
    topology.resolves_addresses();
    let lab = lab_or_return!(topology);
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    // What is lost at random is not what hosts find each other by.
    lab.host("beta").set_faults(Faults { duplicate: 1.0, ..Faults::default() });
    alpha.send_to(b"hello", beta.local_addr()?)?;
    expect(&beta, "hello")?;
    let capture = lab.capture();
    let kind = |packet: &Packet| Some((packet.from.to_string(), packet.frame()?.ethertype));
    let kinds = first_of_each(capture.packets.iter().filter_map(kind));
    let expected = [("alpha", 0x806), ("beta", 0x806), ("alpha", 0x800)];
    same("packets", kinds, expected.map(|(from, kind)| (from.to_owned(), kind)).to_vec())?;
    // Of the two kinds, one only is subject to faults.
    let is_copied = |packet: &&Packet| packet.fate.copy;
    let copied = capture.packets.iter().filter(is_copied).filter_map(kind);
    same("copied", copied.collect(), vec![("alpha".to_owned(), 0x800)])
}

/// Listeners on all hosts at one port, by their names.
fn listeners(lab: &Lab, port: u16) -> Result<Vec<(String, UdpSocket)>, Failed> {
    let listen = |host: Host| {
        let socket = host.udp_socket(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
        socket.set_read_timeout(Some(DEADLINE))?;
        Ok((host.name().to_owned(), socket))
    };
    lab.hosts().map(listen).collect()
}

/// What the sender sends there is heard by its three neighbours and the router, and not by the host
/// of the network next door.
fn is_heard_by_the_network(lab: &Lab, to: [u8; 4]) -> Outcome {
    let listeners = listeners(lab, 5000)?;
    let sender = lab.host("sender").udp_socket(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
    let to = SocketAddr::from((to, 5000));
    let refused = sender.send_to(b"early", to).err().map(|error| error.kind());
    same("without the option", refused, Some(io::ErrorKind::PermissionDenied))?;
    sender.set_broadcast(true)?;
    sender.send_to(b"to all", to)?;
    // What would come after it has come: nothing before.
    let neighbour = SocketAddr::from((lab.host("neighbour").address(), 5000));
    sender.send_to(b"to one", neighbour)?;
    for (name, socket) in &listeners {
        match name.as_str() {
            "neighbour" => expect(socket, "to one")?,
            // A host hears itself.
            _ => expect(socket, "to all")?,
        }
    }
    let mut expected: Vec<String> =
        ["router", "alpha", "beta", "gamma"].map(|to| format!("sender>{to}:to all")).into();
    expected.extend(["sender>router:to one".into(), "router>neighbour:to one".into()]);
    let capture = lab.capture();
    same("told", told_datagrams(&capture), expected)?;
    let numbers: BTreeSet<u64> = capture.packets.iter().map(|packet| packet.number).collect();
    same("numbers", numbers, BTreeSet::from([0, 1, 2]))
}

fn directed_broadcast() -> Outcome {
    let lab = lab_or_return!(Topology::broadcast());
    is_heard_by_the_network(&lab, [172, 60, 50, 255])
}

fn limited_broadcast() -> Outcome {
    let lab = lab_or_return!(Topology::broadcast());
    is_heard_by_the_network(&lab, [255, 255, 255, 255])
}

fn neighbour_through_the_router() -> Outcome {
    let lab = lab_or_return!(Topology::broadcast());
    let neighbour = lab.host("neighbour");
    let listener = neighbour.tcp_listener(any(&neighbour))?;
    let client = lab.host("alpha").tcp_connect(v4(listener.local_addr()?)?, DEADLINE)?;
    let (server, from) = listener.accept()?;
    same("client", from, client.local_addr()?)?;
    drop((client, server));
    let capture = lab.capture();
    let hops = capture.packets.iter().filter_map(|packet| {
        let time_to_live = packet.frame()?.internet?.time_to_live;
        Some((&*packet.from, packet.to.as_deref()?, time_to_live))
    });
    let expected = [
        ("alpha", "router", 64),
        ("router", "neighbour", 63),
        ("neighbour", "router", 64),
        ("router", "alpha", 63),
    ];
    same("hops", first_of_each(hops), expected.to_vec())
}

fn only_a_router_forwards() -> Outcome {
    let mut topology = Topology::new();
    topology.network("one", [10, 1, 0, 0], 16).network("other", [10, 2, 0, 0], 16);
    topology.host("both").link("one", 1).link("other", 1);
    topology.host("near").link("one", 2).default_router("both");
    topology.host("far").link("other", 2).default_router("both");
    let lab = lab_or_return!(topology);
    let (near, far, both) =
        (udp(&lab.host("near"))?, udp(&lab.host("far"))?, udp(&lab.host("both"))?);
    near.send_to(b"through", far.local_addr()?)?;
    near.send_to(b"to you", both.local_addr()?)?;
    expect(&both, "to you")?;
    let expected = ["near>both:through", "near>both:to you"].map(str::to_owned);
    same("told", told_datagrams(&lab.capture()), expected.into())
}

fn checksums_are_right() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (lab.host("alpha"), lab.host("beta"));
    let listener = beta.tcp_listener(any(&beta))?;
    let mut client = alpha.tcp_connect(v4(listener.local_addr()?)?, DEADLINE)?;
    let (mut server, _) = listener.accept()?;
    let sent: Vec<u8> = (0..400_000_u32).map(|number| (number / 7) as u8).collect();
    let mut got = Vec::new();
    std::thread::scope(|scope| -> io::Result<()> {
        let sender = scope.spawn(|| {
            client.write_all(&sent).and_then(|()| client.shutdown(std::net::Shutdown::Write))
        });
        server.read_to_end(&mut got)?;
        sender.join().unwrap_or_else(|_| Err(io::Error::other("the sender panicked")))
    })?;
    ensure(got == sent, "other bytes have arrived")?;
    // Also in fragments, which are checked when they are put together.
    let (one, other) = (udp(&alpha)?, udp(&beta)?);
    one.send_to(&[7; 4000], other.local_addr()?)?;
    same("datagram", other.recv_from(&mut [0; 5000])?.0, 4000)?;
    let capture = lab.capture();
    ensure(capture.packets.len() > 270, format!("only {} packets", capture.packets.len()))?;
    for packet in &capture.packets {
        let right = packet.frame().and_then(|frame| frame.internet?.checksums_are_right().into());
        same("checksums", right, Some(true))?;
        ensure(packet.length <= 1514, format!("a packet of {} bytes", packet.length))?;
    }
    same("overruns", lab.overruns(), 0)
}

/// All that can befall a packet, often.
const OFTEN: Faults = Faults { loss: 0.1, duplicate: 0.1, reorder: 0.1, corrupt: 0.1, delay_ms: 0 };

/// What befalls 40 datagrams each way, the same text twice.
fn fates_of_datagrams(lab: &Lab, seed: u64) -> Result<Vec<String>, Failed> {
    let lab = lab.take_turn(seed);
    let (alpha, beta) = (lab.host("alpha"), lab.host("beta"));
    beta.set_faults(OFTEN);
    let (one, other) = (udp(&alpha)?, udp(&beta)?);
    for number in 0..40 {
        let text = format!("number {}", number / 2);
        one.send_to(text.as_bytes(), other.local_addr()?)?;
        other.send_to(text.as_bytes(), one.local_addr()?)?;
    }
    let capture = lab.capture();
    let tell = |packet: &Packet| {
        let Transport::Udp(udp) = packet.frame()?.internet?.transport else { return None };
        let text = String::from_utf8_lossy(udp.payload).into_owned();
        Some(format!("{} {text} {:?}", packet.from, packet.fate))
    };
    Ok(capture.packets.iter().filter_map(tell).collect())
}

fn same_seed_same_fates() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let first = fates_of_datagrams(&lab, 7)?;
    for what in ["lost: true", "copy: true", "corrupted: true", "held_back: true"] {
        ensure(first.iter().any(|fate| fate.contains(what)), format!("none is {what}"))?;
    }
    for _ in 0..100 {
        same("fates", fates_of_datagrams(&lab, 7)?, first.clone())?;
    }
    // Another lab is no other; another seed is.
    let another = lab_or_return!(Topology::pair());
    same("fates elsewhere", fates_of_datagrams(&another, 7)?, first.clone())?;
    ensure(fates_of_datagrams(&lab, 8)? != first, "another seed has the same fates")
}

fn a_program_survives_losses() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (lab.host("alpha"), lab.host("beta"));
    beta.set_faults(Faults { loss: 0.05, duplicate: 0.1, reorder: 0.1, ..Faults::default() });
    let listener = beta.tcp_listener(any(&beta))?;
    let mut client = alpha.tcp_connect(v4(listener.local_addr()?)?, DEADLINE)?;
    let (mut server, _) = listener.accept()?;
    let sent = vec![42; 30_000];
    client.write_all(&sent)?;
    drop(client);
    let mut got = Vec::new();
    server.read_to_end(&mut got)?;
    ensure(got == sent, "other bytes have arrived")
}

fn lost_one_way() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    let all = Faults { loss: 1.0, ..Faults::default() };
    lab.host("beta").set_faults_one_way(Way::FromHost, all);
    alpha.send_to(b"ask", beta.local_addr()?)?;
    expect(&beta, "ask")?;
    beta.send_to(b"answer", alpha.local_addr()?)?;
    let capture = lab.capture();
    let lost: Vec<_> = capture.packets.iter().map(|packet| packet.fate.lost).collect();
    same("lost", lost, vec![false, true])?;
    lab.host("beta").set_faults(Faults::default());
    beta.send_to(b"again", alpha.local_addr()?)?;
    expect(&alpha, "again")
}

fn doubled() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    lab.host("beta").set_faults(Faults { duplicate: 1.0, ..Faults::default() });
    alpha.send_to(b"one", beta.local_addr()?)?;
    lab.host("beta").set_faults(Faults::default());
    alpha.send_to(b"two", beta.local_addr()?)?;
    for expected in ["one", "one", "two"] {
        expect(&beta, expected)?;
    }
    let copies = lab.capture().packets.iter().filter(|packet| packet.fate.copy).count();
    same("copies", copies, 1)
}

fn corrupted() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    lab.host("alpha").set_faults(Faults { corrupt: 1.0, ..Faults::default() });
    alpha.send_to(b"one", beta.local_addr()?)?;
    lab.host("alpha").set_faults(Faults::default());
    alpha.send_to(b"two", beta.local_addr()?)?;
    expect(&beta, "two")?;
    let capture = lab.capture();
    // As it was sent.
    same("told", told_datagrams(&capture), vec!["alpha>beta:one".into(), "alpha>beta:two".into()])?;
    same("corrupted", capture.packets[0].fate.corrupted, true)?;
    let script = "lines = [l.split() for l in open('/proc/self/net/snmp') if l.startswith('Udp:')]
counts = dict(zip(*lines))
print(counts['InDatagrams'], counts['InErrors'])";
    same("received", on_host(&lab.host("beta"), script)?, "1 1\n".to_owned())
}

fn delayed() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    lab.host("alpha").set_faults(Faults { delay_ms: 30, ..Faults::default() });
    let began = Instant::now();
    alpha.send_to(b"one", beta.local_addr()?)?;
    alpha.send_to(b"two", beta.local_addr()?)?;
    expect(&beta, "one")?;
    ensure(began.elapsed() >= Duration::from_millis(30), "it came too early")?;
    expect(&beta, "two")?;
    same("told", lab.capture().packets[1].fate.delayed, Duration::from_millis(30))
}

fn reordered() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    let held = Faults { reorder: 1.0, ..Faults::default() };
    lab.host("alpha").set_faults(held);
    alpha.send_to(b"one", beta.local_addr()?)?;
    lab.host("alpha").set_faults(Faults::default());
    alpha.send_to(b"two", beta.local_addr()?)?;
    // On a machine that stands still for longer than a packet is held back, it is not overtaken.
    let mut bytes = [0; 3];
    beta.recv_from(&mut bytes)?;
    if &bytes == b"two" {
        expect(&beta, "one")?;
    }
    // The last one comes too.
    lab.host("alpha").set_faults(held);
    alpha.send_to(b"end", beta.local_addr()?)?;
    beta.recv_from(&mut bytes)?;
    let fates: Vec<bool> = lab.capture().packets.iter().map(|p| p.fate.held_back).collect();
    same("held back", fates, vec![true, false, true])
}

fn tap_tells_at_once() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    alpha.send_to(b"before", beta.local_addr()?)?;
    let tap = lab.tap();
    alpha.send_to(b"after", beta.local_addr()?)?;
    let packet = tap.recv_timeout(DEADLINE)?;
    ensure(packet.bytes.ends_with(b"after"), "it tells of another packet")?;
    ensure(packet.at <= Instant::now(), "it was sent in the future")?;
    drop(lab);
    ensure(tap.recv().is_err(), "it goes on without a lab")
}

fn turns_begin_anew() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (lab.host("alpha"), lab.host("beta"));
    let turn = lab.take_turn(1);
    let listener = beta.tcp_listener(SocketAddrV4::new(beta.address(), 5000))?;
    let address = v4(listener.local_addr()?)?;
    let client = alpha.tcp_connect(address, DEADLINE)?;
    // Whoever closes sends until it is answered, long after nobody has the socket any more.
    beta.set_faults(Faults { loss: 1.0, ..Faults::default() });
    drop((client, listener));
    let seen = turn.capture().packets.len();
    eventually("a segment is sent again", || turn.capture().packets.len() > seen + 1)?;
    drop(turn);

    let turn = lab.take_turn(1);
    let tap = turn.tap();
    // Twice the time from one attempt to the next, in which there is nothing to be seen.
    let quiet = tap.recv_timeout(Duration::from_millis(1000));
    ensure(quiet.is_err(), format!("of an earlier turn: {quiet:?}"))?;
    let listener = beta.tcp_listener(address)?;
    let mut client = alpha.tcp_connect(address, DEADLINE)?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"x")?;
    server.read_exact(&mut [0])?;
    let capture = turn.capture();
    let told = first_of_each(segments(&capture)?.iter().map(tell_segment));
    same("told", told.join(" ").as_str(), "aS bSA aA aAx bA")?;
    same("first", capture.packets[0].number, 0)
}

fn pcapng_is_read_by_tshark() -> Outcome {
    let lab = lab_or_return!(Topology::broadcast());
    let (alpha, beta) = (lab.host("alpha"), lab.host("beta"));
    let listener = beta.tcp_listener(any(&beta))?;
    let mut client = alpha.tcp_connect(v4(listener.local_addr()?)?, DEADLINE)?;
    client.write_all(b"hello")?;
    listener.accept()?.0.read_exact(&mut [0; 5])?;
    beta.set_faults(Faults { loss: 1.0, ..Faults::default() });
    let (one, other) = (udp(&alpha)?, udp(&beta)?);
    one.send_to(b"gone", other.local_addr()?)?;
    beta.set_faults(Faults { duplicate: 1.0, ..Faults::default() });
    one.send_to(b"twice", other.local_addr()?)?;
    expect(&other, "twice")?;
    let folder = Sandbox::start()?;
    let file = folder.scratch().join("capture.pcapng");
    let capture = lab.capture();
    capture.write_pcapng(File::create(&file)?)?;

    let tshark = |arguments: &[&str]| {
        let mut command = Command::new("tshark");
        let options = ["ip", "tcp", "udp"].map(|layer| format!("{layer}.check_checksum:TRUE"));
        command.args(options.iter().flat_map(|option| ["-o", option]));
        // Where it would keep settings.
        command.env("HOME", folder.scratch()).arg("-r").arg(&file).args(arguments);
        command.output()
    };
    let output = match tshark(&["-Y", "_ws.expert.severity >= 0x600000 || _ws.malformed"]) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("tshark is not installed");
            return Ok(());
        }
        output => output?,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // As root it warns of itself.
    let is_own = |line: &&str| !line.contains("as user \"root\"") && !line.is_empty();
    let complaints: Vec<String> =
        text(&output.stderr).lines().filter(is_own).map(str::to_owned).collect();
    same("complaints", complaints, Vec::new())?;
    same("packets warned of", text(&output.stdout), String::new())?;
    let fields = ["frame.interface_name", "frame.comment", "udp.checksum.status"];
    let fields: Vec<&str> = fields.iter().flat_map(|field| ["-e", field]).collect();
    let shown = ["-Y", "udp", "-T", "fields", "-E", "separator=|"];
    let output = tshark(&[&shown, &fields[..]].concat())?;
    let expected = "alpha eth0|to beta: lost|1\nalpha eth0||1\n\
                    beta eth0|to beta: doubled: this is the copy|1\n";
    same("datagrams", text(&output.stdout).as_str(), expected)
}

fn wrong_topology() -> Outcome {
    let mut topology = Topology::pair();
    topology.host("beta");
    match Lab::start(&topology, 1) {
        Err(NotStarted::Failed(error)) => {
            same("error", error.to_string(), "there are two hosts beta".to_owned())
        }
        other => Err(format!("{other:?}").into()),
    }
}

fn many_threads_use_it() -> Outcome {
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (&lab.host("alpha"), &lab.host("beta"));
    let talk = |number: u8| -> Outcome {
        for _ in 0..20 {
            let (one, other) = (udp(alpha)?, udp(beta)?);
            one.send_to(&[number], other.local_addr()?)?;
            let mut bytes = [0; 2];
            same("length", other.recv_from(&mut bytes)?.0, 1)?;
            same("byte", bytes[0], number)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let talks: Vec<_> = (0..8).map(|number| scope.spawn(move || talk(number))).collect();
        talks.into_iter().try_for_each(|talk| talk.join().unwrap_or(Err("it panicked".into())))
    })?;
    same("packets", lab.capture().packets.len(), 160)
}

fn overruns_are_told() -> Outcome {
    let owner = Command::new(std::env::current_exe()?).arg(AS_STANDING_OWNER).output()?;
    let told = String::from_utf8_lossy(&owner.stdout).into_owned();
    ensure(told.starts_with("no lab here") || told == "told\n", format!("{told:?} {owner:?}"))
}

/// Stops for a while, again and again, until the ring was too small for what came meanwhile.
fn as_standing_owner() -> ExitCode {
    let run = || -> Outcome {
        let lab = lab_or_return!(Topology::pair());
        let beta = udp(&lab.host("beta"))?;
        same("overruns", lab.overruns(), 0)?;
        let sandbox = Sandbox::start()?;
        let script = format!(
            "import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True: s.sendto(b'flood', ('172.60.50.2', {}))",
            beta.local_addr()?.port()
        );
        let mut job = python(&sandbox, &script);
        job.network = lab.host("alpha").network();
        let _flood = sandbox.spawn(&job)?;
        eventually("some are lost", || {
            let script = "kill -STOP $PPID; sleep 0.2; kill -CONT $PPID";
            let stood = Command::new("/bin/sh").args(["-c", script]).status();
            stood.is_ok_and(|status| status.success()) && lab.overruns() > 0
        })?;
        println!("told");
        Ok(())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

fn no_descriptor_leaks() -> Outcome {
    // Other tests open descriptors at the same time: those of this one are its namespaces'.
    let lab = lab_or_return!(Topology::pair());
    let network = fs::read_link("/proc/self/ns/net")?;
    let ours = namespaces_of(&lab)?;
    same("namespaces", ours.len(), 2)?;
    ensure(!ours.contains(&network.display().to_string()), "a host is in this network")?;
    drop(lab);
    let held = held_namespaces("self");
    ensure(ours.is_disjoint(&held), format!("still held: {held:?}"))
}

/// The network namespaces of a lab's hosts.
fn namespaces_of(lab: &Lab) -> Result<BTreeSet<String>, Failed> {
    let ask =
        |host: Host| on_host(&host, "import os; print(os.readlink('/proc/self/ns/net'), end='')");
    lab.hosts().map(ask).collect()
}

/// The network namespaces that a process is in or has a descriptor of.
fn held_namespaces(pid: &str) -> BTreeSet<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let paths = descriptors.map(|entry| entry.path());
    let links = paths.chain([format!("/proc/{pid}/ns/net").into()]);
    let targets = links.filter_map(|link| Some(fs::read_link(link).ok()?.display().to_string()));
    targets.filter(|target| target.starts_with("net:")).collect()
}

/// Starts a lab and a program on one of its hosts, says who they are, and waits.
fn as_owner(mode: &str) -> ExitCode {
    let run = || -> Result<(), Failed> {
        let Some(lab) = lab(&Topology::broadcast())? else {
            println!("unsupported");
            return Ok(());
        };
        let sandbox = Sandbox::start()?;
        let mut job = python(&sandbox, "print('ready', flush=True); input()");
        job.network = lab.host("alpha").network();
        let mut running = sandbox.spawn(&job)?;
        read_line(&mut blocking(running.stdout())?)?;
        let helper = children(std::process::id())
            .into_iter()
            .find(|&pid| pid != parent(parent(running.pid())))
            .ok_or("there is no helper")?;
        let namespaces: Vec<String> = namespaces_of(&lab)?.into_iter().collect();
        println!("{helper} {} {}", running.pid(), namespaces.join(" "));
        io::stdout().flush()?;
        io::stdin().read_line(&mut String::new())?;
        if mode == AS_PANICKING_OWNER {
            panic!("as asked");
        }
        Ok(())
    };
    ExitCode::from(u8::from(run().is_err()))
}

/// The living children of a process.
fn children(of: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| parent(pid) == of && is_living(pid)).collect()
}

/// Nothing is left of an owner's lab, however the owner ends.
fn owner_ends(mode: &str, end: impl FnOnce(u32) -> Outcome) -> Outcome {
    let mut command = Command::new(std::env::current_exe()?);
    command.process_group(0).arg(mode).stdout(Stdio::piped()).stdin(Stdio::piped());
    let mut owner = command.stderr(Stdio::null()).spawn()?;
    let stdout = owner.stdout.take().ok_or("no standard output")?;
    let lines: Vec<String> = BufReader::new(stdout).lines().take(1).collect::<Result<_, _>>()?;
    let line = lines.first().ok_or("the owner says nothing")?;
    if line.starts_with("no lab here") {
        owner.wait()?;
        return Ok(());
    }
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let [helper, program, namespaces @ ..] = &words[..] else { return Err(line.as_str().into()) };
    same("namespaces", namespaces.len(), 6)?;
    let pids: Vec<u32> = vec![helper.parse()?, program.parse()?];
    ensure(pids.iter().all(|&pid| is_living(pid)), "they do not live")?;
    end(owner.id())?;
    drop(owner.stdin.take());
    owner.wait()?;
    eventually("the processes are gone", || !pids.iter().any(|&pid| is_living(pid)))?;
    let is_held = |name: &str| {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().into_string().ok());
        pids.any(|pid| held_namespaces(&pid).contains(name))
    };
    // What no process holds the kernel takes down, wires and all.
    eventually("the namespaces are gone", || !namespaces.iter().any(|name| is_held(name)))
}

fn signal_owner(owner: u32, signal: Signal, to_group: bool) -> Outcome {
    let pid = Pid::from_raw(owner.cast_signed()).ok_or("no such process")?;
    if to_group {
        // As a terminal does: everybody in the foreground group gets it.
        return Ok(rustix::process::kill_process_group(pid, signal)?);
    }
    Ok(kill_process(pid, signal)?)
}

fn owner_killed() -> Outcome {
    owner_ends(AS_OWNER, |owner| signal_owner(owner, Signal::KILL, false))
}

fn owner_interrupted() -> Outcome {
    owner_ends(AS_OWNER, |owner| signal_owner(owner, Signal::INT, true))
}

fn owner_panics() -> Outcome {
    owner_ends(AS_PANICKING_OWNER, |_| Ok(()))
}

fn helper_killed() -> Outcome {
    let before: BTreeSet<u32> = children(std::process::id()).into_iter().collect();
    let lab = lab_or_return!(Topology::pair());
    let (alpha, beta) = (udp(&lab.host("alpha"))?, udp(&lab.host("beta"))?);
    // Other tests start helpers and keepers too: it is the one in one of the lab's namespaces.
    let ours = namespaces_of(&lab)?;
    let is_ours =
        |pid: &u32| !before.contains(pid) && !held_namespaces(&pid.to_string()).is_disjoint(&ours);
    let found = children(std::process::id()).into_iter().find(is_ours);
    let Some(helper) = found else {
        println!("without privileges a helper cannot be told from another: as root it is tested");
        return ensure(!rustix::process::geteuid().is_root(), "there is no helper");
    };
    signal_owner(helper, Signal::KILL, false)?;
    // The wires need it no longer; new sockets do.
    alpha.send_to(b"still here", beta.local_addr()?)?;
    expect(&beta, "still here")?;
    eventually("it is missed", || udp(&lab.host("alpha")).is_err())?;
    let error = udp(&lab.host("alpha")).err().map(|error| error.to_string()).unwrap_or_default();
    ensure(error.contains("on alpha: "), error)
}

fn as_starter() -> ExitCode {
    match Lab::start(&Topology::pair(), 1) {
        Ok(_) => println!("started"),
        Err(NotStarted::Unsupported(why)) => {
            println!("unsupported: {}\n{}", why.reason, why.advice)
        }
        Err(NotStarted::Failed(error)) => println!("failed: {error}"),
    }
    ExitCode::SUCCESS
}

/// Where a filter of system calls forbids namespaces, as in most containers.
fn refused_by_a_filter() -> Outcome {
    let sandbox = Sandbox::start()?;
    if let Some(reason) = support::reason_missing(&sandbox, "seccomp") {
        println!("no filter here: {reason}");
        return Ok(());
    }
    let mut job = Job::new(std::env::current_exe()?, sandbox.scratch());
    job.args = vec![AS_STARTER.into()];
    let told = output(&sandbox, &job)?;
    let reason = "unsupported: the lab's hosts cannot be made: make a user namespace: Operation \
                  not permitted (os error 1)\n";
    ensure(told.starts_with(reason) && told.lines().count() == 2, told)
}

/// Where the machine's owner allows no user namespaces.
fn refused_by_a_limit() -> Outcome {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if user == 0 {
        println!("root needs no user namespaces");
        return Ok(());
    }
    // A user namespace in which there can be no further one.
    let mut command = Command::new("/usr/bin/python3");
    let script = format!(
        "import ctypes, os, sys
assert ctypes.CDLL(None).unshare(0x10000000) == 0
open('/proc/self/setgroups', 'w').write('deny')
open('/proc/self/uid_map', 'w').write('{user} {user} 1')
open('/proc/self/gid_map', 'w').write('{group} {group} 1')
open('/proc/sys/user/max_user_namespaces', 'w').write('0')
os.execv(sys.argv[1], sys.argv[1:])"
    );
    command.args(["-c", &script]).arg(std::env::current_exe()?).arg(AS_STARTER);
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    if told.is_empty() {
        println!("no user namespaces here at all: {}", String::from_utf8_lossy(&output.stderr));
        return Ok(());
    }
    let reason = "unsupported: the lab's hosts cannot be made: make a user namespace: No space \
                  left on device (os error 28)\n";
    ensure(told.starts_with(reason), told.clone())?;
    ensure(told.contains("sysctl user.max_user_namespaces=10000"), told)
}
