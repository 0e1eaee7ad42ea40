//! Small questions about sockets that several steps ask.

use std::net::SocketAddr;

use socket2::Socket;

use crate::look;

/// How many bytes wait to be read, and how many were written but not acknowledged yet (tcp(7):
/// SIOCINQ, SIOCOUTQ).
pub(crate) fn queues(socket: &Socket) -> (u32, u32) {
    #[cfg(target_os = "linux")]
    {
        (ask(socket, libc::FIONREAD), ask(socket, libc::TIOCOUTQ))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        (0, 0)
    }
}

#[cfg(target_os = "linux")]
fn ask(socket: &Socket, request: libc::Ioctl) -> u32 {
    use std::os::fd::AsRawFd;

    let mut answer: libc::c_int = 0;
    // SAFETY: both requests write one int to the address given, and the descriptor is open for the
    // call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut answer) };
    if result == 0 { u32::try_from(answer).unwrap_or(0) } else { 0 }
}

/// The addresses at which these processes listen for connections, read from their own sockets.
pub(crate) fn listening(pids: &[u32]) -> Vec<SocketAddr> {
    addresses(pids, is_listener)
}

/// Whether a socket listens (`SO_ACCEPTCONN`, socket(7)).
#[cfg(target_os = "linux")]
fn is_listener(socket: &Socket) -> bool {
    socket.is_listener().unwrap_or(false)
}

/// Not every kernel tells. Nor is a program's socket to be had elsewhere than on Linux, so nobody
/// asks.
#[cfg(not(target_os = "linux"))]
fn is_listener(_socket: &Socket) -> bool {
    false
}

/// The addresses to which these processes' datagram sockets are bound.
pub(crate) fn bound_datagram(pids: &[u32]) -> Vec<SocketAddr> {
    let bound = |socket: &Socket| {
        let port = socket.local_addr().ok().and_then(|address| address.as_socket());
        socket.r#type().is_ok_and(|kind| kind == socket2::Type::DGRAM)
            && port.is_some_and(|address| address.port() != 0)
    };
    addresses(pids, bound)
}

fn addresses(pids: &[u32], wanted: impl Fn(&Socket) -> bool) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for pid in pids {
        for (descriptor, name) in look::descriptors(*pid).unwrap_or_default() {
            if !name.starts_with("socket:") {
                continue;
            }
            let Ok(copy) = look::duplicate_descriptor(*pid, descriptor) else { continue };
            let socket = Socket::from(copy);
            if wanted(&socket)
                && let Some(address) =
                    socket.local_addr().ok().and_then(|address| address.as_socket())
                && !found.contains(&address)
            {
                found.push(address);
            }
        }
    }
    found
}
