// A correct udp-echo with nothing but std: an unconnected socket, and the sender of each datagram
// compared.
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::exit;
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", address] => server(address),
        ["client", address, ref messages @ ..] if !messages.is_empty() => client(address, messages),
        _ => {
            eprintln!("{arguments:?}? usage: udp-echo server ADDR | client ADDR MESSAGE...");
            exit(2);
        }
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        exit(1);
    }
}

fn server(address: &str) -> Result<(), String> {
    let socket = UdpSocket::bind(address).map_err(|error| format!("bind {address}: {error}"))?;
    println!("listening on {}", socket.local_addr().map_err(|error| error.to_string())?);
    let mut buffer = [0; 65536];
    loop {
        if let Ok((count, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..count], from);
        }
    }
}

fn client(address: &str, messages: &[&str]) -> Result<(), String> {
    let servers: Vec<SocketAddr> =
        address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?.collect();
    let mut failure = format!("{address}: no address");
    for server in servers {
        match converse(server, address, messages) {
            Ok(()) => return Ok(()),
            Err((error, true)) => return Err(error),
            Err((error, false)) => failure = error,
        }
    }
    Err(failure)
}

/// An error says whether something had been answered before.
fn converse(server: SocketAddr, name: &str, messages: &[&str]) -> Result<(), (String, bool)> {
    let mut answered = false;
    let any = if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).map_err(|error| (error.to_string(), answered))?;
    // The same host and port, connected, only to be told of a closed port.
    let probe = UdpSocket::bind(any).map_err(|error| (error.to_string(), answered))?;
    let connected = probe.connect(server);
    connected.map_err(|error| (format!("connect to {server}: {error}"), answered))?;
    for message in messages {
        let socket = if answered { &socket } else { &probe };
        match exchange(socket, server, message.as_bytes()) {
            Ok(true) => {}
            Ok(false) => return Err((format!("no reply from {name} after 3 tries"), answered)),
            Err(error) => return Err((format!("{server}: {error}"), answered)),
        }
        println!("{message}");
        answered = true;
    }
    std::io::stdout().flush().map_err(|error| (error.to_string(), answered))
}

fn exchange(socket: &UdpSocket, server: SocketAddr, message: &[u8]) -> std::io::Result<bool> {
    let mut buffer = [0; 65536];
    for _ in 0..3 {
        if socket.peer_addr().is_ok() {
            socket.send(message)?;
        } else {
            socket.send_to(message, server)?;
        }
        let began = Instant::now();
        while let Some(left) = Duration::from_millis(500).checked_sub(began.elapsed()) {
            socket.set_read_timeout(Some(left.max(Duration::from_micros(10))))?;
            match socket.recv_from(&mut buffer) {
                Ok((count, from)) if from == server && buffer[..count] == *message => {
                    return Ok(true);
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(false)
}
