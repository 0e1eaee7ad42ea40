//! What a descriptor of the program stands for, read from a duplicate of it.
//!
//! A duplicate lives for some microseconds only: as long as it does, a close by the program would
//! not reach the peer.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, readlink};
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, SocketType, getpeername, getsockname, ipproto};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::{Direction, Object, TcpView, UdpView};

/// The kernel's number of the state "a connection request was sent" (`tcp_states.h`).
const TCP_SYN_SENT: u8 = 2;

/// A second descriptor for what descriptor `fd` of process `pid` stands for (`pidfd_getfd(2)`).
///
/// # Errors
///
/// `ESRCH` if there is no such process, `EBADF` if it has no such descriptor, `EPERM` if the kernel
/// forbids the look (Yama's `ptrace_scope`, another user's process).
pub fn duplicate_descriptor(pid: u32, fd: i32) -> io::Result<OwnedFd> {
    Handle::open(pid)?.descriptor(fd)
}

/// A process that cannot become another one while it is looked at.
#[derive(Debug)]
pub(super) struct Handle(OwnedFd);

impl Handle {
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    pub(super) fn descriptor(&self, fd: i32) -> io::Result<OwnedFd> {
        Ok(pidfd_getfd(&self.0, fd, PidfdGetfdFlags::empty())?)
    }
}

/// Whether calls on the descriptor return at once instead of waiting.
pub(super) fn is_nonblocking(descriptor: &OwnedFd) -> bool {
    fcntl_getfl(descriptor).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK))
}

/// Whether `poll(2)` finds the descriptor ready in this direction. In doubt it is.
pub(super) fn is_ready(descriptor: impl AsFd, direction: Direction) -> bool {
    let events = match direction {
        Direction::Receive | Direction::Accept => PollFlags::IN,
        Direction::Send | Direction::Connect => PollFlags::OUT,
        Direction::Either => PollFlags::IN | PollFlags::OUT,
        Direction::Nothing => PollFlags::empty(),
    };
    let mut entry = [PollFd::new(&descriptor, events)];
    poll(&mut entry, Some(&Timespec::default())) != Ok(0)
}

/// What the descriptor stands for, and how it stands with `direction`.
pub(super) fn examine(descriptor: &OwnedFd, direction: Direction) -> io::Result<Object> {
    let status = fstat(descriptor)?;
    let ready = is_ready(descriptor, direction);
    match FileType::from_raw_mode(status.st_mode) {
        FileType::Socket => examine_socket(descriptor, ready),
        FileType::Fifo => Ok(Object::Pipe { inode: status.st_ino, ready }),
        _ => other(descriptor, ready),
    }
}

fn examine_socket(socket: &OwnedFd, ready: bool) -> io::Result<Object> {
    let family = sockopt::socket_domain(socket)?;
    let protocol = sockopt::socket_protocol(socket)?;
    match (family, sockopt::socket_type(socket)?) {
        (AddressFamily::INET | AddressFamily::INET6, SocketType::STREAM)
            if protocol == Some(ipproto::TCP) =>
        {
            Ok(Object::Tcp(examine_tcp(socket, family == AddressFamily::INET6, ready)?))
        }
        (AddressFamily::INET | AddressFamily::INET6, SocketType::DGRAM)
            if protocol == Some(ipproto::UDP) =>
        {
            Ok(Object::Udp(examine_udp(socket, ready)?))
        }
        (AddressFamily::UNIX, _) => Ok(Object::Unix { ready, unnamed: is_unnamed(socket) }),
        _ => other(socket, ready),
    }
}

fn other(descriptor: &OwnedFd, ready: bool) -> io::Result<Object> {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let name = readlink(path, Vec::new())?.to_string_lossy().into_owned();
    Ok(Object::Other { name, ready })
}

/// A TCP socket as it stands.
pub(super) fn examine_tcp(socket: &OwnedFd, ipv6: bool, ready: bool) -> io::Result<TcpView> {
    let listening = sockopt::socket_acceptconn(socket)?;
    let info = TcpInfo::of(socket.as_fd())?;
    let (receive_queue, send_queue) = if listening {
        (0, 0)
    } else {
        (queue(socket, libc::FIONREAD)?, queue(socket, libc::TIOCOUTQ)?)
    };
    Ok(TcpView {
        local: local_address(socket),
        peer: peer_address(socket),
        ipv6,
        listening,
        connecting: info.state == TCP_SYN_SENT,
        receive_queue,
        send_queue,
        segments_in_flight: if listening { 0 } else { info.unacked },
        // Of a listening socket the field tells how many connections wait (tcp(7), `tcp_get_info`).
        accept_queue: if listening { info.unacked } else { 0 },
        ready,
        receive_timeout: has_timeout(socket, Timeout::Recv)?,
        send_timeout: has_timeout(socket, Timeout::Send)?,
    })
}

fn examine_udp(socket: &OwnedFd, ready: bool) -> io::Result<UdpView> {
    Ok(UdpView {
        local: local_address(socket),
        peer: peer_address(socket),
        receive_queue: queue(socket, libc::FIONREAD)?,
        ready,
    })
}

/// Whether a timeout ends a call on this descriptor: `SO_RCVTIMEO` or `SO_SNDTIMEO` of a socket.
pub(super) fn has_call_timeout(descriptor: &OwnedFd, direction: Direction) -> bool {
    let which = match direction {
        Direction::Send | Direction::Connect => Timeout::Send,
        _ => Timeout::Recv,
    };
    // What is no socket has no timeout either.
    has_timeout(descriptor, which).unwrap_or(false)
}

fn has_timeout(socket: &OwnedFd, which: Timeout) -> io::Result<bool> {
    Ok(sockopt::socket_timeout(socket, which)?.is_some_and(|timeout| timeout > Duration::ZERO))
}

/// How many bytes wait, by `SIOCINQ` (which is `FIONREAD`) or `SIOCOUTQ` (which is `TIOCOUTQ`).
fn queue(socket: &OwnedFd, request: libc::Ioctl) -> io::Result<u32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: both requests write one `int` to the address given, which is valid for it.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut bytes) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(u32::try_from(bytes).unwrap_or(0))
}

fn local_address(socket: &OwnedFd) -> Option<SocketAddr> {
    getsockname(socket).ok()?.try_into().ok()
}

fn peer_address(socket: &OwnedFd) -> Option<SocketAddr> {
    getpeername(socket).ok()??.try_into().ok()
}

/// Whether neither end of a Unix-domain socket has a name: then nobody but the heirs of the process
/// that made it can hold the other end.
fn is_unnamed(socket: &OwnedFd) -> bool {
    /// The length of an address that is a family and no name (unix(7)).
    const UNNAMED_BYTES: u32 = 2;
    let local = getsockname(socket).is_ok_and(|name| name.addr_len() <= UNNAMED_BYTES);
    let peer = getpeername(socket);
    local && peer.is_ok_and(|name| name.is_none_or(|name| name.addr_len() <= UNNAMED_BYTES))
}

/// The part of `struct tcp_info` (`linux/tcp.h`) that the look needs.
struct TcpInfo {
    state: u8,
    unacked: u32,
}

impl TcpInfo {
    const UNACKED_OFFSET: usize = 24;
    const BYTES: usize = 28;

    fn of(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let mut info = [0_u8; Self::BYTES];
        let mut length = Self::BYTES as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, which is how many `info` has.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut unacked = [0_u8; 4];
        unacked.copy_from_slice(&info[Self::UNACKED_OFFSET..Self::BYTES]);
        Ok(Self { state: info[0], unacked: u32::from_ne_bytes(unacked) })
    }
}
