// A correct broadcast with nothing but std: the kernel's calls for what std does not offer before
// bind.
use std::ffi::{c_int, c_uint, c_void};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::fd::FromRawFd;
use std::process::exit;

const SOL_SOCKET: c_int = 1;
const SO_REUSEADDR: c_int = 2;

unsafe extern "C" {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, len: c_uint)
    -> c_int;
    fn bind(fd: c_int, address: *const c_void, length: c_uint) -> c_int;
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["address", cidr] => match broadcast(cidr) {
            Some(address) => {
                println!("{address}");
                Ok(())
            }
            None => usage(&format!("{cidr} is no network")),
        },
        ["listen", address] => listen(address),
        ["send", address, ref messages @ ..] if !messages.is_empty() => send(address, messages),
        _ => usage(&format!(
            "{arguments:?}? usage: broadcast address CIDR | listen ADDR | send ADDR MESSAGE..."
        )),
    };
    if let Err(error) = outcome {
        eprintln!("{error}");
        exit(1);
    }
}

fn usage(mistake: &str) -> ! {
    eprintln!("{mistake}");
    exit(2)
}

fn broadcast(cidr: &str) -> Option<Ipv4Addr> {
    let (address, length) = cidr.split_once('/')?;
    let (address, length): (Ipv4Addr, u32) = (address.parse().ok()?, length.parse().ok()?);
    let hosts = (1_u64 << 32_u32.checked_sub(length)?) - 1;
    Some(Ipv4Addr::from(u32::from(address) | hosts as u32))
}

fn listen(address: &str) -> Result<(), String> {
    let socket = shared(address).map_err(|error| format!("bind {address}: {error}"))?;
    println!("listening on {}", socket.local_addr().map_err(|error| error.to_string())?);
    let mut buffer = [0; 65536];
    loop {
        let Ok((count, from)) = socket.recv_from(&mut buffer) else { continue };
        println!("from {from} {:?}", String::from_utf8_lossy(&buffer[..count]));
        std::io::stdout().flush().map_err(|error| error.to_string())?;
    }
}

fn shared(address: &str) -> std::io::Result<UdpSocket> {
    let address = address.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let (family, raw) = match address {
        SocketAddr::V4(v4) => {
            let mut raw = vec![2, 0];
            raw.extend(v4.port().to_be_bytes());
            raw.extend(v4.ip().octets());
            raw.extend([0; 8]);
            (2, raw)
        }
        SocketAddr::V6(v6) => {
            let mut raw = vec![10, 0];
            raw.extend(v6.port().to_be_bytes());
            raw.extend([0; 4]);
            raw.extend(v6.ip().octets());
            raw.extend([0; 4]);
            (10, raw)
        }
    };
    let on: c_int = 1;
    // SAFETY: the pointers lead to values that live through the calls, with their lengths.
    unsafe {
        let fd = socket(family, 2, 0);
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        let socket = UdpSocket::from_raw_fd(fd);
        if setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, (&raw const on).cast(), 4) < 0
            || bind(fd, raw.as_ptr().cast(), raw.len() as c_uint) < 0
        {
            return Err(std::io::Error::last_os_error());
        }
        Ok(socket)
    }
}

fn send(address: &str, messages: &[&str]) -> Result<(), String> {
    let receiver = address
        .to_socket_addrs()
        .map_err(|error| format!("{address}: {error}"))?
        .next()
        .ok_or(format!("{address}: no address"))?;
    let any = if receiver.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).map_err(|error| format!("bind: {error}"))?;
    socket.set_broadcast(true).map_err(|error| error.to_string())?;
    for message in messages {
        let sent = socket.send_to(message.as_bytes(), receiver);
        sent.map_err(|error| format!("send to {address}: {error}"))?;
    }
    Ok(())
}
