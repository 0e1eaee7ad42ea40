//! The look inside a stalled program: what each of its threads waits for, seen from outside.
//!
//! The program is not asked and not disturbed. On Linux the kernel tells which call a thread sleeps
//! in (`/proc/PID/task/TID/syscall`), and a duplicate of the program's own descriptor
//! (`pidfd_getfd(2)`) tells what that call waits for. Elsewhere nothing is seen, which costs time
//! and never a verdict: every wait then ends at its deadline.

use std::net::SocketAddr;

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod diag;
#[cfg(target_os = "linux")]
mod object;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod threads;
#[cfg(target_os = "linux")]
mod verdict;
mod words;

#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub use {
    diag::{SockDiag, tcp_receive_queue_of_peer},
    object::duplicate_descriptor,
    process::{
        anonymous_bytes, cpu_time, descriptors, peak_address_space_bytes, peak_memory_bytes,
        processor_waits, resident_bytes, threads, zombies,
    },
    threads::look,
    verdict::{stalled, stalled_on},
};

#[cfg(not(target_os = "linux"))]
pub use other::*;

pub use words::describe;

/// What one look at some processes showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Every thread of the processes, by process and thread id. A thread that ended is not there.
    pub threads: Vec<ThreadView>,
    /// Whether a timer signal (`alarm(2)`, `timer_create(2)`) may end a wait that looks endless.
    pub alarms: bool,
}

/// One thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadView {
    /// Its process.
    pub pid: u32,
    /// The parent of its process.
    pub parent: u32,
    /// Its own id; the first thread of a process has the process's id.
    pub tid: u32,
    /// The name that the kernel knows, at most 15 bytes.
    pub name: String,
    /// What it does or waits for.
    pub waiting: Waiting,
    /// Processor time that it has used, in ticks of `sysconf(_SC_CLK_TCK)`.
    pub cpu_ticks: u64,
    /// How often it has left a processor, by itself or not. Unchanged, it has not run in between.
    pub switches: u64,
}

/// What a thread does or waits for. Calls have the names that a learner knows them by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// It runs, is about to, or waits for a disk.
    Running,
    /// A signal or a tracer has stopped it.
    Stopped,
    /// It has ended, and nobody has asked for its status yet.
    Zombie,
    /// It sleeps in a call that a timeout will end.
    Timed {
        /// The call.
        call: &'static str,
    },
    /// It waits for one descriptor, without a timeout.
    Descriptor {
        /// The call.
        call: &'static str,
        /// The descriptor's number in the program.
        fd: i32,
        /// What the descriptor stands for.
        on: Object,
        /// What the call waits for.
        direction: Direction,
    },
    /// It waits for any of several descriptors, without a timeout.
    Several {
        /// The call.
        call: &'static str,
        /// The descriptors; none at all means that only a signal ends the wait.
        waits: Vec<(i32, Object, Direction)>,
        /// Whether the call is about to return. An edge-triggered `epoll` may not be, though one of
        /// its descriptors is ready.
        ready: bool,
    },
    /// It waits for another thread (a lock, a channel, a join), without a timeout.
    Lock {
        /// The call.
        call: &'static str,
    },
    /// It waits for a child process to end.
    Child {
        /// The call.
        call: &'static str,
    },
    /// It waits for a signal, without a timeout.
    Signal {
        /// The call.
        call: &'static str,
    },
    /// It sleeps in a call of which the grader cannot say what ends it.
    Other {
        /// The call.
        call: &'static str,
    },
    /// The kernel does not tell.
    Unknown,
}

/// What a call on a descriptor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Bytes, a datagram, the end of the stream or, on a listening socket, a connection.
    Receive,
    /// Room to send.
    Send,
    /// Either of the two.
    Either,
    /// A connection to accept.
    Accept,
    /// The answer to a connection request.
    Connect,
    /// An error or a hang-up alone (a `poll` that asks for nothing).
    Nothing,
}

/// What a descriptor stands for. `ready`: `poll(2)` finds it ready for what is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A TCP socket.
    Tcp(TcpView),
    /// A UDP socket.
    Udp(UdpView),
    /// A Unix-domain socket.
    Unix {
        /// Whether it is ready.
        ready: bool,
        /// Whether neither end has a name, as those of `socketpair(2)`.
        unnamed: bool,
    },
    /// A pipe.
    Pipe {
        /// The same for both of its ends.
        inode: u64,
        /// Whether it is ready.
        ready: bool,
    },
    /// Anything else, by the name under `/proc/PID/fd` ("anon_inode:[eventfd]").
    Other {
        /// The name.
        name: String,
        /// Whether it is ready.
        ready: bool,
    },
}

impl Object {
    /// Whether `poll(2)` finds it ready for what is waited for.
    pub fn ready(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.ready,
            Self::Udp(udp) => udp.ready,
            Self::Unix { ready, .. } | Self::Pipe { ready, .. } | Self::Other { ready, .. } => {
                *ready
            }
        }
    }
}

/// A TCP socket of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TcpView {
    /// Its own address.
    pub local: Option<SocketAddr>,
    /// The other end, if it is connected.
    pub peer: Option<SocketAddr>,
    /// Whether it is an IPv6 socket, which may carry an IPv4 connection.
    pub ipv6: bool,
    /// Whether it listens.
    pub listening: bool,
    /// Whether it has asked for a connection that is not answered yet.
    pub connecting: bool,
    /// Bytes that have arrived and that the program has not read (`SIOCINQ`).
    pub receive_queue: u32,
    /// Bytes, the end of the stream being one, that the peer has not acknowledged (`SIOCOUTQ`).
    pub send_queue: u32,
    /// Segments that were sent and not acknowledged (`tcpi_unacked`). With bytes in `send_queue`
    /// and none of these, the peer's window is closed.
    pub segments_in_flight: u32,
    /// Connections that wait to be accepted.
    pub accept_queue: u32,
    /// Whether it is ready for what is waited for.
    pub ready: bool,
    /// Whether `SO_RCVTIMEO` is set.
    pub receive_timeout: bool,
    /// Whether `SO_SNDTIMEO` is set.
    pub send_timeout: bool,
}

/// A UDP socket of the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UdpView {
    /// Its own address.
    pub local: Option<SocketAddr>,
    /// The only address that it talks to, if it is connected.
    pub peer: Option<SocketAddr>,
    /// Bytes of the datagram that waits; an empty one shows in `ready` alone.
    pub receive_queue: u32,
    /// Whether it is ready for what is waited for.
    pub ready: bool,
}

/// What the grader knows of one of its own TCP sockets in the conversation. Of a UDP socket there
/// is nothing to know: what it sent has arrived or is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraderSocket {
    /// Its own address.
    pub local: SocketAddr,
    /// The program's end.
    pub peer: Option<SocketAddr>,
    /// Bytes that have arrived and that the grader has not read (`SIOCINQ`).
    pub unread: u32,
    /// Bytes that the program's kernel has not acknowledged (`SIOCOUTQ`).
    pub unsent: u32,
}

/// One end of a TCP connection, as the kernel tells it by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpPeerState {
    /// The state, numbered as in the kernel's `tcp_states.h`: 1 is established, 8 is "the peer has
    /// finished sending".
    pub state: u8,
    /// Bytes that have arrived and not been read; an unread end of the stream counts as one more.
    pub receive_queue: u32,
    /// Bytes that were written and not acknowledged.
    pub send_queue: u32,
    /// The socket's inode; 0 if it is not yet accepted, or no longer open.
    pub inode: u32,
    /// How many bytes have arrived in all, the end of the stream being one; `None` if the kernel
    /// does not tell.
    pub received_bytes: Option<u64>,
}

/// The two addresses compared as the kernel does: a mapped IPv4 address is the IPv4 address.
#[cfg(target_os = "linux")]
fn same_address(one: SocketAddr, two: SocketAddr) -> bool {
    one.port() == two.port() && one.ip().to_canonical() == two.ip().to_canonical()
}
