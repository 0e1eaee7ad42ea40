//! Programs that talk to others than the grader.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::support::{Desk, Layer, Named, Test, ensure, said, spy};

pub const TESTS: &[Named] = &[
    ("ports_of_others", ports_of_others),
    ("another_submissions_port", another_submissions_port),
    ("the_network_outside", the_network_outside),
];

/// TCP, UDP and abstract sockets of this machine.
fn ports_of_others() -> Test {
    let desk = Desk::new()?;
    let stream = TcpListener::bind("127.0.0.1:0")?;
    let datagrams = UdpSocket::bind("127.0.0.1:0")?;
    let name = format!("attack-{}", std::process::id());
    let local = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    stream.set_nonblocking(true)?;
    datagrams.set_nonblocking(true)?;
    local.set_nonblocking(true)?;
    let body = format!(
        "    use std::os::linux::net::SocketAddrExt;
    if std::net::TcpStream::connect(\"{}\").is_ok() {{ found.push(\"tcp\".into()); }}
    if let Ok(socket) = std::net::UdpSocket::bind(\"127.0.0.1:0\") {{ let _ = socket.send_to(b\"hi\", \"{}\"); }}
    let address = std::os::unix::net::SocketAddr::from_abstract_name(\"{name}\").unwrap();
    if std::os::unix::net::UnixStream::connect_addr(&address).is_ok() {{ found.push(\"abstract\".into()); }}",
        stream.local_addr()?,
        datagrams.local_addr()?
    );
    let Some(result) = desk.grade_program(Layer::Namespaces, &spy(&body))? else { return Ok(()) };
    let said = said(&result)?;
    ensure(said.trim_end().ends_with("found"), said)?;
    let silent = |result: io::Result<()>| {
        result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    ensure(silent(stream.accept().map(drop)), "a TCP connection came")?;
    ensure(silent(datagrams.recv(&mut [0; 8]).map(drop)), "a datagram came")?;
    ensure(silent(local.accept().map(drop)), "a local connection came")
}

/// One listens at a port that the other knows, and both are graded at the same time.
fn another_submissions_port() -> Test {
    let mut desk = Desk::new()?;
    desk.deadline_ms = 1_500;
    let listener = "fn main() { let socket = std::net::UdpSocket::bind(\"127.0.0.1:45678\"); let listener = \
        std::net::TcpListener::bind(\"127.0.0.1:45678\").unwrap(); \
        for stream in listener.incoming() { eprintln!(\"somebody came: {stream:?}\"); std::process::exit(4); } drop(socket); }";
    desk.hand_in("listens", listener)?;
    let body = "    for _ in 0..20 {
        if std::net::TcpStream::connect(\"127.0.0.1:45678\").is_ok() { found.push(\"connected\".into()); break; }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }";
    desk.hand_in("talks", &spy(body))?;
    let Some(results) = desk.grade(Layer::Namespaces)? else { return Ok(()) };
    let said = said(&results[1])?;
    ensure(said.trim_end().ends_with("found"), said)
}

/// 192.0.2.1 is for documentation (RFC 5737): nobody is there, and here no way leads there.
fn the_network_outside() -> Test {
    let desk = Desk::new()?;
    let body = "    let address = \"192.0.2.1:80\".parse().unwrap();
    match std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_millis(500)) {
        Err(error) if error.raw_os_error() == Some(101) => {}
        other => found.push(format!(\"tcp-{other:?}\")),
    }
    match std::net::UdpSocket::bind(\"0.0.0.0:0\").and_then(|socket| socket.send_to(b\"hi\", \"192.0.2.1:9\")) {
        Err(error) if error.raw_os_error() == Some(101) => {}
        other => found.push(format!(\"udp-{other:?}\")),
    }
    for entry in fs::read_to_string(\"/proc/net/dev\").unwrap_or_default().lines().skip(2) {
        let name = entry.split(':').next().unwrap_or_default().trim();
        if name != \"lo\" { found.push(format!(\"device-{name}\")); }
    }";
    let Some(result) = desk.grade_program(Layer::Namespaces, &spy(body))? else { return Ok(()) };
    let said = said(&result)?;
    ensure(said.trim_end().ends_with("found"), said)
}
