//! Questions to the kernel about a TCP connection by its addresses (sock_diag(7)).
//!
//! Reading all of `/proc/net/tcp` for one connection is slow beside thousands of others that are
//! waiting for their end; an exact question costs some microseconds.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::TcpPeerState;

/// `SOCK_DIAG_BY_FAMILY` (`linux/sock_diag.h`).
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// A socket of any cookie (`INET_DIAG_NOCOOKIE`, `linux/inet_diag.h`).
const NO_COOKIE: u32 = u32::MAX;
/// `struct nlmsghdr`, in bytes.
const HEADER_BYTES: usize = 16;
/// `struct inet_diag_req_v2`, in bytes.
const REQUEST_BYTES: usize = 56;
/// `struct inet_diag_msg`, in bytes.
const ANSWER_BYTES: usize = 72;
/// States of `tcp_states.h`.
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const LISTEN: u8 = 10;
/// The attribute that holds a `struct tcp_info`, and the bit that asks for it (linux/inet_diag.h).
const TCP_INFO_ATTRIBUTE: u16 = 2;
const TCP_INFO_WANTED: u8 = 1 << (TCP_INFO_ATTRIBUTE - 1);
/// The kernel fills at most this much at a time (`NLMSG_GOODSIZE` is a page, a dump up to 32 KiB).
const BUFFER_BYTES: usize = 32_768;

/// An open line to the kernel, to be kept for further questions. It tells of the network namespace
/// in which it was opened.
#[derive(Debug)]
pub struct SockDiag {
    socket: OwnedFd,
}

/// The program's end of the connection between the grader's `local` and the program's `peer`
/// address; `None` if the kernel has no such connection. Each thread keeps a [`SockDiag`] for it.
///
/// # Errors
///
/// Those of `socket(2)`, `send(2)` and `recv(2)`, and what the kernel answers.
pub fn tcp_receive_queue_of_peer(
    local: SocketAddr,
    peer: SocketAddr,
) -> io::Result<Option<TcpPeerState>> {
    thread_local! {
        static DIAG: RefCell<Option<SockDiag>> = const { RefCell::new(None) };
    }
    DIAG.with_borrow_mut(|diag| {
        let open = match diag.take() {
            Some(open) => open,
            None => SockDiag::new()?,
        };
        // After an error the line is not used again: an answer might still stand in it.
        let state = open.peer_state(local, peer)?;
        *diag = Some(open);
        Ok(state)
    })
}

impl SockDiag {
    /// Opens a line.
    ///
    /// # Errors
    ///
    /// Those of `socket(2)`; `EPROTONOSUPPORT` from a kernel without sock_diag.
    pub fn new() -> io::Result<Self> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, and nobody else owns it.
        Ok(Self { socket: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Opens a line in another network: `open` makes a socket there of the domain, the kind and the
    /// protocol that it is given (`socket(2)`).
    ///
    /// # Errors
    ///
    /// Those of `open`.
    pub fn opened_by(open: impl FnOnce(i32, i32, i32) -> io::Result<OwnedFd>) -> io::Result<Self> {
        let socket = open(libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_SOCK_DIAG)?;
        Ok(Self { socket })
    }

    /// As [`SockDiag::peer_state`], in whichever of several networks that end of the connection is.
    ///
    /// # Errors
    ///
    /// As [`SockDiag::peer_state`].
    pub fn peer_state_on(
        lines: &[Self],
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<Option<TcpPeerState>> {
        for line in lines {
            if let Some(state) = line.peer_state(local, peer)? {
                return Ok(Some(state));
            }
        }
        Ok(None)
    }

    /// The program's end of the connection between the grader's `local` and the program's `peer`
    /// address; `None` if the kernel has no such connection.
    ///
    /// # Errors
    ///
    /// Those of `send(2)` and `recv(2)`, and what the kernel answers.
    pub fn peer_state(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<Option<TcpPeerState>> {
        // The kernel looks from the other end: what is asked for has `peer` as its own address.
        let request = Request { ends: Some((peer, local)), states: u32::MAX };
        let mut found = None;
        let (family, local, peer) = request.addresses();
        self.ask(&request.encode(family, local, peer), |answer| found = Some(answer))?;
        // Where no connection is, a listening socket of the same address answers.
        Ok(found.filter(|answer| answer.state.state != LISTEN).map(|answer| answer.state))
    }

    /// How many connections to the listening `ports` are being opened: the kernel repeats their
    /// segments by itself, a second later and more.
    pub(super) fn opening_connections(&self, ports: &[u16]) -> io::Result<usize> {
        if ports.is_empty() {
            return Ok(0);
        }
        let request = Request { ends: None, states: 1 << SYN_SENT | 1 << SYN_RECV };
        let mut opening = 0;
        for family in [libc::AF_INET, libc::AF_INET6] {
            let bytes = request.encode(family as u8, End::default(), End::default());
            self.ask(&bytes, |answer| {
                let port = match answer.state.state {
                    SYN_SENT => answer.peer_port,
                    _ => answer.local_port,
                };
                opening += usize::from(ports.contains(&port));
            })?;
        }
        Ok(opening)
    }

    /// Sends a request and hands over each answer.
    fn ask(&self, request: &[u8], mut each: impl FnMut(Answer)) -> io::Result<()> {
        let fd = self.socket.as_raw_fd();
        // SAFETY: the pointer and the length are those of `request`.
        let sent = unsafe { libc::send(fd, request.as_ptr().cast(), request.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        let is_dump = request[6..8] != encode_flags(false);
        let mut buffer = vec![0_u8; BUFFER_BYTES];
        loop {
            // SAFETY: the pointer and the length are those of `buffer`.
            let received = unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            let Ok(received) = usize::try_from(received) else {
                return Err(io::Error::last_os_error());
            };
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            for message in messages(&buffer[..received]) {
                match message? {
                    Message::Answer(answer) => each(answer),
                    Message::Done => return Ok(()),
                }
            }
            if !is_dump {
                return Ok(());
            }
        }
    }
}

/// What is asked for: one connection, or all in some states.
struct Request {
    ends: Option<(SocketAddr, SocketAddr)>,
    states: u32,
}

/// One end, as the kernel wants it: the address in network order, the port.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    address: [u8; 16],
    port: u16,
}

impl Request {
    fn addresses(&self) -> (u8, End, End) {
        let Some((one, two)) = self.ends else {
            return (libc::AF_INET as u8, End::default(), End::default());
        };
        let (one_ip, two_ip) = (one.ip().to_canonical(), two.ip().to_canonical());
        let family = if one_ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let end = |ip: IpAddr, port| {
            let mut address = [0; 16];
            match ip {
                IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => address = ip.octets(),
            }
            End { address, port }
        };
        (family as u8, end(one_ip, one.port()), end(two_ip, two.port()))
    }

    /// A `struct nlmsghdr` and a `struct inet_diag_req_v2`.
    fn encode(&self, family: u8, local: End, peer: End) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + REQUEST_BYTES);
        bytes.extend(((HEADER_BYTES + REQUEST_BYTES) as u32).to_ne_bytes());
        bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.extend(encode_flags(self.ends.is_none()));
        // Sequence and port number: one question at a time needs neither.
        bytes.extend([0; 8]);
        let details = if self.ends.is_some() { TCP_INFO_WANTED } else { 0 };
        bytes.extend([family, libc::IPPROTO_TCP as u8, details, 0]);
        bytes.extend(self.states.to_ne_bytes());
        bytes.extend(local.port.to_be_bytes());
        bytes.extend(peer.port.to_be_bytes());
        bytes.extend(local.address);
        bytes.extend(peer.address);
        // Any interface.
        bytes.extend([0; 4]);
        bytes.extend(NO_COOKIE.to_ne_bytes());
        bytes.extend(NO_COOKIE.to_ne_bytes());
        bytes
    }
}

fn encode_flags(is_dump: bool) -> [u8; 2] {
    let dump = if is_dump { libc::NLM_F_DUMP } else { 0 };
    ((libc::NLM_F_REQUEST | dump) as u16).to_ne_bytes()
}

/// One message of the kernel.
enum Message {
    Answer(Answer),
    /// There is no more: the end of a dump, or no such connection.
    Done,
}

/// One connection.
struct Answer {
    state: TcpPeerState,
    local_port: u16,
    peer_port: u16,
}

/// The messages in what one `recv` returned.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = io::Result<Message>> {
    std::iter::from_fn(move || {
        if bytes.len() < HEADER_BYTES {
            return None;
        }
        let length = number(bytes, 0) as usize;
        if length < HEADER_BYTES || length > bytes.len() {
            bytes = &[];
            return Some(Err(io::ErrorKind::InvalidData.into()));
        }
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        let message = decode(kind, &bytes[HEADER_BYTES..length]);
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
        Some(message)
    })
}

fn decode(kind: u16, body: &[u8]) -> io::Result<Message> {
    match i32::from(kind) {
        libc::NLMSG_DONE => Ok(Message::Done),
        libc::NLMSG_ERROR if body.len() >= 4 => match (number(body, 0) as i32).wrapping_neg() {
            0 | libc::ENOENT => Ok(Message::Done),
            error => Err(io::Error::from_raw_os_error(error)),
        },
        _ if kind == SOCK_DIAG_BY_FAMILY && body.len() >= ANSWER_BYTES => {
            let port = |offset| u16::from_be_bytes([body[offset], body[offset + 1]]);
            let state = TcpPeerState {
                state: body[1],
                receive_queue: number(body, 56),
                send_queue: number(body, 60),
                inode: number(body, 68),
                received_bytes: received_bytes(&body[ANSWER_BYTES..]),
            };
            Ok(Message::Answer(Answer { state, local_port: port(4), peer_port: port(6) }))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// `tcpi_bytes_received` of the `struct tcp_info` among these attributes (linux/tcp.h); the end of
/// the stream counts as one.
fn received_bytes(mut attributes: &[u8]) -> Option<u64> {
    const BYTES_RECEIVED: usize = 128;
    while attributes.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes([attributes[0], attributes[1]]));
        let kind = u16::from_ne_bytes([attributes[2], attributes[3]]);
        let value = attributes.get(4..length)?;
        if kind == TCP_INFO_ATTRIBUTE {
            let bytes = value.get(BYTES_RECEIVED..BYTES_RECEIVED + 8)?;
            return Some(u64::from_ne_bytes(bytes.try_into().ok()?));
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The number at `offset`, in the machine's own order.
fn number(bytes: &[u8], offset: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_ne_bytes(number)
}
