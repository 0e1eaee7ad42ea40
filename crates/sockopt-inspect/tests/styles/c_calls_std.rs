//! A correct sockopt-inspect in one file, with the C library's own calls and nothing but std. It
//! prints each line as soon as it knows it.

use std::ffi::{c_int, c_void};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};

unsafe extern "C" {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn connect(fd: c_int, address: *const c_void, length: u32) -> c_int;
    fn getsockname(fd: c_int, address: *mut c_void, length: *mut u32) -> c_int;
    fn getpeername(fd: c_int, address: *mut c_void, length: *mut u32) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: u32)
    -> c_int;
    fn getsockopt(
        fd: c_int,
        level: c_int,
        name: c_int,
        value: *mut c_void,
        length: *mut u32,
    ) -> c_int;
}

const SOL_SOCKET: c_int = 1;
const SO_TYPE: c_int = 3;
const SO_DOMAIN: c_int = 39;

enum Shape {
    Switch,
    Bytes,
    Milliseconds,
    Linger,
}

/// Name, level, number, shape.
const OPTIONS: [(&str, c_int, c_int, Shape); 8] = [
    ("SO_REUSEADDR", SOL_SOCKET, 2, Shape::Switch),
    ("SO_BROADCAST", SOL_SOCKET, 6, Shape::Switch),
    ("SO_KEEPALIVE", SOL_SOCKET, 9, Shape::Switch),
    ("SO_RCVBUF", SOL_SOCKET, 8, Shape::Bytes),
    ("SO_SNDBUF", SOL_SOCKET, 7, Shape::Bytes),
    ("SO_RCVTIMEO", SOL_SOCKET, 20, Shape::Milliseconds),
    ("SO_LINGER", SOL_SOCKET, 13, Shape::Linger),
    ("TCP_NODELAY", 6, 1, Shape::Switch),
];

/// What setsockopt is given: the level, the number, the bytes.
struct Setting(c_int, c_int, Vec<u8>);

fn exit(status: i32, line: String) -> ! {
    eprintln!("{line}");
    std::process::exit(status)
}

fn bytes(numbers: &[c_int]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

fn setting(argument: &str, is_tcp: bool) -> Option<Setting> {
    let (name, value) = argument.split_once('=')?;
    let (_, level, number, shape) = OPTIONS.iter().find(|option| option.0 == name)?;
    if *level != SOL_SOCKET && !is_tcp {
        return None;
    }
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let whole = || value.parse::<i64>().ok().filter(|_| digits);
    let int = || whole().and_then(|whole| c_int::try_from(whole).ok());
    let bytes = match shape {
        Shape::Switch => bytes(&[int().filter(|on| *on <= 1)?]),
        Shape::Bytes => bytes(&[int()?]),
        Shape::Linger if value == "off" => bytes(&[0, 0]),
        Shape::Linger => bytes(&[1, int()?]),
        Shape::Milliseconds => {
            let whole = whole()?;
            [whole / 1000, whole % 1000 * 1000].iter().flat_map(|part| part.to_ne_bytes()).collect()
        }
    };
    Some(Setting(*level, *number, bytes))
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A `sockaddr_in` or `sockaddr_in6` and its length.
fn raw(address: SocketAddr) -> (Vec<u8>, u32) {
    let mut raw = Vec::new();
    let family: u16 = if address.is_ipv4() { 2 } else { 10 };
    raw.extend(family.to_ne_bytes());
    raw.extend(address.port().to_be_bytes());
    match address {
        SocketAddr::V4(v4) => {
            raw.extend(v4.ip().octets());
            raw.extend([0; 8]);
        }
        SocketAddr::V6(v6) => {
            raw.extend(v6.flowinfo().to_be_bytes());
            raw.extend(v6.ip().octets());
            raw.extend(v6.scope_id().to_ne_bytes());
        }
    }
    let length = raw.len() as u32;
    (raw, length)
}

fn open(domain: c_int, is_tcp: bool, settings: &[Setting]) -> io::Result<c_int> {
    let fd = check(unsafe { socket(domain, if is_tcp { 1 } else { 2 }, 0) })?;
    for Setting(level, number, bytes) in settings {
        let value = bytes.as_ptr().cast();
        check(unsafe { setsockopt(fd, *level, *number, value, bytes.len() as u32) })?;
    }
    Ok(fd)
}

fn open_connected(to: SocketAddr, is_tcp: bool, settings: &[Setting]) -> io::Result<c_int> {
    let fd = open(if to.is_ipv4() { 2 } else { 10 }, is_tcp, settings)?;
    let (address, length) = raw(to);
    check(unsafe { connect(fd, address.as_ptr().cast(), length) }).inspect_err(|_| {
        unsafe { close(fd) };
    })?;
    Ok(fd)
}

type Ask = unsafe extern "C" fn(c_int, *mut c_void, *mut u32) -> c_int;

fn address(fd: c_int, ask: Ask) -> io::Result<String> {
    let mut raw = [0_u8; 128];
    let mut length = 128;
    check(unsafe { ask(fd, raw.as_mut_ptr().cast(), &raw mut length) })?;
    let port = u16::from_be_bytes([raw[2], raw[3]]);
    if u16::from_ne_bytes([raw[0], raw[1]]) == 2 {
        return Ok(format!("{}.{}.{}.{}:{port}", raw[4], raw[5], raw[6], raw[7]));
    }
    let ip: [u8; 16] = raw[8..24].try_into().expect("16 bytes");
    Ok(format!("[{}]:{port}", std::net::Ipv6Addr::from(ip)))
}

fn option(fd: c_int, level: c_int, number: c_int) -> io::Result<[u8; 16]> {
    let mut value = [0_u8; 16];
    let mut length = 16;
    check(unsafe { getsockopt(fd, level, number, value.as_mut_ptr().cast(), &raw mut length) })?;
    Ok(value)
}

fn int_at(value: &[u8], at: usize) -> c_int {
    c_int::from_ne_bytes(value[at..at + 4].try_into().expect("4 bytes"))
}

fn long_at(value: &[u8], at: usize) -> i64 {
    i64::from_ne_bytes(value[at..at + 8].try_into().expect("8 bytes"))
}

fn report(fd: c_int, is_tcp: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut line = |name: &str, value: String| {
        writeln!(out, "{name}: {value}")?;
        out.flush()
    };
    let domain = int_at(&option(fd, SOL_SOCKET, SO_DOMAIN)?, 0);
    line("family", if domain == 2 { "AF_INET" } else { "AF_INET6" }.to_owned())?;
    let kind = int_at(&option(fd, SOL_SOCKET, SO_TYPE)?, 0);
    line("type", if kind == 1 { "SOCK_STREAM" } else { "SOCK_DGRAM" }.to_owned())?;
    line("fd", fd.to_string())?;
    line("local", address(fd, getsockname)?)?;
    line("peer", address(fd, getpeername).unwrap_or_else(|_| "none".to_owned()))?;
    for (name, level, number, shape) in OPTIONS {
        if level != SOL_SOCKET && !is_tcp {
            continue;
        }
        let value = option(fd, level, number)?;
        let text = match shape {
            Shape::Switch => c_int::from(int_at(&value, 0) != 0).to_string(),
            Shape::Bytes => int_at(&value, 0).to_string(),
            Shape::Linger if int_at(&value, 0) == 0 => "off".to_owned(),
            Shape::Linger => int_at(&value, 4).to_string(),
            Shape::Milliseconds => {
                (long_at(&value, 0) * 1000 + (long_at(&value, 8) + 999) / 1000).to_string()
            }
        };
        line(name, text)?;
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_tcp = match arguments.first().map(String::as_str) {
        Some("tcp") => true,
        Some("udp") => false,
        other => exit(2, format!("tcp or udp, not {other:?}")),
    };
    let mut rest = &arguments[1..];
    let to = rest.first().filter(|first| !first.contains('='));
    rest = &rest[usize::from(to.is_some())..];
    let mut settings = Vec::new();
    for argument in rest {
        match setting(argument, is_tcp) {
            Some(setting) => settings.push(setting),
            None => {
                exit(2, format!("bad option: {argument}\nusage: tcp|udp [ADDR] [NAME=VALUE]..."))
            }
        }
    }
    let opened = match to {
        None => open(2, is_tcp, &settings),
        Some(to) => match to.to_socket_addrs() {
            Err(error) => exit(2, format!("address {to}: {error}")),
            Ok(all) => all.fold(Err(io::ErrorKind::NotFound.into()), |opened, one| {
                opened.or_else(|_: io::Error| open_connected(one, is_tcp, &settings))
            }),
        },
    };
    let fd = opened.unwrap_or_else(|error| {
        exit(1, format!("open the socket for {}: {error}", to.map_or("nobody", String::as_str)))
    });
    report(fd, is_tcp).unwrap_or_else(|error| exit(1, format!("report on socket {fd}: {error}")));
    let mut piece = [0];
    while io::stdin().lock().read(&mut piece).is_ok_and(|count| count > 0) {}
    unsafe { close(fd) };
}
