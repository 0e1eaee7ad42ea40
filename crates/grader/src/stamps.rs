//! When bytes and datagrams had come, by the kernel's own clock (`SO_TIMESTAMPNS`, socket(7)): the
//! grader may be late to look.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use socket2::Socket;

/// What one read gave.
pub(crate) struct Received {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Who sent them; `None` on a stream, whose peer does not change.
    pub(crate) from: Option<SocketAddr>,
    /// When the last of them had come, counted from the epoch; `None` where the kernel does not
    /// tell.
    pub(crate) stamp: Option<Duration>,
}

impl Received {
    /// What was read into `buffer`.
    ///
    /// # Safety
    ///
    /// The first `count` bytes of `buffer` are written.
    unsafe fn of(buffer: &[MaybeUninit<u8>], count: usize, from: &socket2::SockAddr) -> Self {
        // SAFETY: the caller knows that they are written.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), count) };
        Self { bytes: bytes.to_vec(), from: from.as_socket(), stamp: None }
    }
}

/// The time by the clock of the stamps, counted from the epoch.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Has the kernel note when something comes. Where it cannot, no stamps come.
pub(crate) fn ask_for(socket: &Socket) {
    #[cfg(target_os = "linux")]
    linux::ask_for(socket);
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// One read, or one datagram, with its stamp.
#[cfg(target_os = "linux")]
pub(crate) use linux::receive;

/// One read, or one datagram, without a stamp.
#[cfg(not(target_os = "linux"))]
pub(crate) fn receive(socket: &Socket, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Received> {
    let (count, from) = socket.recv_from(buffer)?;
    // SAFETY: recv_from has written `count` bytes.
    Ok(unsafe { Received::of(buffer, count, &from) })
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::AsRawFd;

    use super::*;

    pub(super) fn ask_for(socket: &Socket) {
        let on: libc::c_int = 1;
        // SAFETY: the option takes an int, which lives through the call.
        unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPNS,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            );
        }
    }

    /// One read, or one datagram, with its stamp (recvmsg(2), cmsg(3)).
    pub(crate) fn receive(socket: &Socket, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Received> {
        /// Room for the stamp, aligned as cmsg(3) wants it.
        #[repr(C, align(8))]
        struct Control([u8; 128]);

        let mut control = Control([0; 128]);
        let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let mut stamp = None;
        // SAFETY: all zeros is a valid msghdr, every pointer put into it lives through the call,
        // and the kernel writes the sender's address, if there is one, and its length.
        let (count, from) = unsafe {
            socket2::SockAddr::try_init(|name, length| {
                let mut message: libc::msghdr = std::mem::zeroed();
                message.msg_name = name.cast();
                message.msg_namelen = *length;
                message.msg_iov = &raw mut slice;
                message.msg_iovlen = 1;
                message.msg_control = control.0.as_mut_ptr().cast();
                message.msg_controllen = control.0.len();
                let count = libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0);
                let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
                *length = message.msg_namelen;
                stamp = stamp_of(&message);
                Ok(count)
            })?
        };
        // SAFETY: recvmsg has written `count` bytes.
        Ok(Received { stamp, ..unsafe { Received::of(buffer, count, &from) } })
    }

    /// The stamp among a message's control data.
    ///
    /// # Safety
    ///
    /// The kernel has filled the message, and what it points to is still there.
    unsafe fn stamp_of(message: &libc::msghdr) -> Option<Duration> {
        let mut stamp = None;
        // SAFETY: the macros stay within the message's control part; a stamp's data is one
        // timespec, which need not be aligned.
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(message);
            while !header.is_null() {
                let kind = ((*header).cmsg_level, (*header).cmsg_type);
                if kind == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
                    let data = libc::CMSG_DATA(header).cast::<libc::timespec>();
                    let time = std::ptr::read_unaligned(data);
                    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
                    stamp = Some(Duration::new(time.tv_sec.unsigned_abs(), nanoseconds));
                }
                header = libc::CMSG_NXTHDR(message, header);
            }
        }
        stamp
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn a_datagram_comes_with_its_sender_and_when_it_came() -> io::Result<()> {
        let before = now();
        let here = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let there = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = here.local_addr()?;
        let here = Socket::from(here);
        ask_for(&here);
        there.send_to(b"hello", address)?;
        let received = receive(&here, &mut [MaybeUninit::uninit(); 64])?;
        assert_eq!(received.bytes, b"hello");
        assert_eq!(received.from, Some(there.local_addr()?));
        assert_eq!(received.stamp.is_some(), cfg!(target_os = "linux"));
        assert_is_later(before, received.stamp);
        Ok(())
    }

    #[test]
    fn the_bytes_of_a_stream_come_with_when_they_came() -> io::Result<()> {
        let before = now();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut there = TcpStream::connect(listener.local_addr()?)?;
        let here = Socket::from(listener.accept()?.0);
        ask_for(&here);
        there.write_all(b"hello")?;
        let mut buffer = [MaybeUninit::uninit(); 64];
        let received = receive(&here, &mut buffer)?;
        assert_eq!((received.bytes.as_slice(), received.from), (&b"hello"[..], None));
        // Linux gives none for a stream's first bytes if they come while it begins to note times.
        assert_is_later(before, received.stamp);
        drop(there);
        assert_eq!(receive(&here, &mut buffer)?.bytes, b"");
        Ok(())
    }

    fn assert_is_later(before: Duration, stamp: Option<Duration>) {
        // A clock that is set back or forth meanwhile is no mistake of this module's.
        let day = Duration::from_secs(86_400);
        assert!(stamp.is_none_or(|stamp| stamp + day > before && stamp < now() + day));
    }
}
