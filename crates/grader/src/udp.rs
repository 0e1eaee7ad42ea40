//! The grader's datagram sockets: what they send and receive, from whom, and when the kernel received it.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::event::PollFlags;
use socket2::{Domain, Protocol, Socket, Type};

use crate::context::{Context, Goal};
use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::process::Program;
use crate::record::{Lane, Sample, What};
use crate::wording::steps;

/// The most that one datagram carries over IPv4: 65,535 less the headers of IP and UDP (RFC 768, RFC 791).
pub const MOST_BYTES: usize = 65_507;
/// Room for some tens of the largest datagrams; the kernel grants what `net.core.rmem_max` allows.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// A datagram that the grader received.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Who sent it.
    pub from: SocketAddr,
    /// When the kernel received it, counted from some fixed point: only differences mean anything
    /// (`SO_TIMESTAMPNS`, socket(7)). `None` where the kernel does not tell.
    pub stamp: Option<Duration>,
}

/// A datagram socket of the grader's, bound to a port of its own.
pub struct DatagramPeer {
    context: Rc<Context>,
    socket: Rc<Socket>,
    address: SocketAddr,
    buffer: Vec<MaybeUninit<u8>>,
}

impl DatagramPeer {
    /// Binds a free port of `host` ("127.0.0.1", "::1").
    pub(crate) fn open(context: Rc<Context>, host: &str) -> Verdict<Self> {
        let ip: IpAddr =
            host.parse().with_context(|| format!("{host:?} is not an address of the grader's"))?;
        let wanted = SocketAddr::new(ip, 0);
        let socket =
            match Socket::new(Domain::for_address(wanted), Type::DGRAM, Some(Protocol::UDP)) {
                Ok(socket) => socket,
                Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                    return Err(Stop::Unsupported(steps::no_such_address(host)));
                }
                Err(error) => {
                    return Err(anyhow::Error::from(error).context("open a socket").into());
                }
            };
        socket.set_nonblocking(true).context("set nonblocking")?;
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        ask_for_stamps(&socket);
        match socket.bind(&wanted.into()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                return Err(Stop::Unsupported(steps::no_such_address(host)));
            }
            Err(error) => {
                return Err(anyhow::Error::from(error).context(format!("bind {wanted}")).into());
            }
        }
        let address = socket.local_addr()?.as_socket().context("no internet address")?;
        let socket = Rc::new(socket);
        context.register(&socket);
        let buffer = vec![MaybeUninit::uninit(); 1 << 16];
        Ok(Self { context, socket, address, buffer })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket itself, for what has no step of its own.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends `bytes` as one datagram to `to`, where `program` should receive it.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn send_to(&mut self, program: &Program, to: SocketAddr, bytes: &[u8]) -> Verdict {
        loop {
            match self.socket.send_to(bytes, &to.into()) {
                Ok(_) => break,
                // What an earlier datagram met at a closed port is told here: it concerns that one.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let text = format!("send {} bytes to {to}", bytes.len());
                    return Err(anyhow::Error::from(error).context(text).into());
                }
            }
        }
        let bytes = Sample::of(bytes);
        self.record(program, What::DatagramSent { from: self.address, to, bytes });
        Ok(())
    }

    /// Waits for the next datagram, from whomever. `expected` says what should come, as the learner reads it.
    ///
    /// # Errors
    ///
    /// A failure if none comes.
    pub fn receive(&mut self, program: &Program, expected: &str) -> Verdict<Datagram> {
        let context = Rc::clone(&self.context);
        let socket = Rc::clone(&self.socket);
        let goal = Goal::on(&*socket, PollFlags::IN, Some(program.index), expected.to_owned());
        let datagram = context.wait(&goal, || Ok(self.receive_now()?))?;
        let (from, bytes) = (datagram.from, Sample::of(&datagram.bytes));
        self.record(program, What::DatagramReceived { from, to: self.address, bytes });
        Ok(datagram)
    }

    /// The next datagram if it is there already.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn receive_if_there(&mut self, program: &Program) -> Verdict<Option<Datagram>> {
        let datagram = self.receive_now()?;
        if let Some(datagram) = &datagram {
            let (from, bytes) = (datagram.from, Sample::of(&datagram.bytes));
            self.record(program, What::DatagramReceived { from, to: self.address, bytes });
        }
        Ok(datagram)
    }

    /// Expects a datagram with exactly these bytes next.
    ///
    /// # Errors
    ///
    /// A failure if none comes, or another one.
    pub fn expect(&mut self, program: &Program, bytes: &[u8]) -> Verdict<Datagram> {
        let expected = steps::sends_datagram(&program.name(), bytes);
        let datagram = self.receive(program, &expected)?;
        if datagram.bytes == bytes {
            return Ok(datagram);
        }
        let symptom = match () {
            () if bytes.starts_with(&datagram.bytes) => Symptom::CutShort,
            () if datagram.bytes.starts_with(bytes) => Symptom::ExtraBytes,
            () => Symptom::WrongBytes,
        };
        let (expected_text, got_text) = crate::bytes::first_difference(bytes, &datagram.bytes, 0);
        let (expected, got) = steps::datagram_bytes(
            &expected_text,
            &got_text,
            bytes.len() as u64,
            datagram.bytes.len() as u64,
        );
        Err(Failure::new(symptom, expected, got).into())
    }

    fn receive_now(&mut self) -> io::Result<Option<Datagram>> {
        loop {
            match receive_stamped(&self.socket, &mut self.buffer) {
                Ok(datagram) => return Ok(Some(datagram)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn record(&self, program: &Program, what: What) {
        let lane = Lane { program: program.name(), connection: None };
        self.context.recorder.record(&lane, what);
    }
}

#[cfg(target_os = "linux")]
fn ask_for_stamps(socket: &Socket) {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which lives through the call. Where it fails, no stamps come.
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

#[cfg(not(target_os = "linux"))]
fn ask_for_stamps(_socket: &Socket) {}

#[cfg(not(target_os = "linux"))]
fn receive_stamped(socket: &Socket, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Datagram> {
    let (count, from) = socket.recv_from(buffer)?;
    // SAFETY: recv_from has written `count` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), count) }.to_vec();
    let from = from.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    Ok(Datagram { bytes, from, stamp: None })
}

/// One datagram with the time at which the kernel received it (recvmsg(2), cmsg(3)).
#[cfg(target_os = "linux")]
fn receive_stamped(socket: &Socket, buffer: &mut [MaybeUninit<u8>]) -> io::Result<Datagram> {
    /// Room for the stamp, aligned as cmsg(3) wants it.
    #[repr(C, align(8))]
    struct Control([u8; 128]);

    let mut control = Control([0; 128]);
    let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut stamp = None;
    // SAFETY: all zeros is a valid msghdr, every pointer put into it lives through the call, and the kernel writes
    // the sender's address and its length.
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
            if count < 0 {
                return Err(io::Error::last_os_error());
            }
            *length = message.msg_namelen;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            if !header.is_null() && (*header).cmsg_type == libc::SCM_TIMESTAMPNS {
                let time: libc::timespec = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast());
                let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
                stamp = Some(Duration::new(time.tv_sec.unsigned_abs(), nanoseconds));
            }
            Ok(count.unsigned_abs())
        })?
    };
    // SAFETY: recvmsg has written `count` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), count) }.to_vec();
    let from = from.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    Ok(Datagram { bytes, from, stamp })
}
