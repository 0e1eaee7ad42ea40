//! From the number and the arguments of a system call to what it waits for.

use libc::c_long;

use super::Direction;

/// `epoll_pwait2(2)`, which the C library's header may lack; the same on every architecture.
const SYS_EPOLL_PWAIT2: c_long = 441;
/// `futex_waitv(2)`; the same on every architecture.
const SYS_FUTEX_WAITV: c_long = 449;

/// A call in which a thread sleeps, before its descriptors are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A timeout ends it.
    Timed(&'static str),
    /// It waits for one descriptor.
    Descriptor(OnDescriptor),
    /// It moves bytes from one descriptor to another and may wait for either.
    Move { name: &'static str, from: i32, to: i32 },
    /// `poll`: `count` entries of `struct pollfd` at `entries`.
    Poll { name: &'static str, entries: u64, count: u64 },
    /// `select`: the sets to read and to write at these addresses, null for none.
    Select { name: &'static str, count: u64, read: u64, write: u64 },
    /// `epoll_wait` on the instance `fd`.
    Epoll { name: &'static str, fd: i32 },
    /// It waits for another thread.
    Lock(&'static str),
    /// It waits for a child.
    Child(&'static str),
    /// It waits for a signal.
    Signal(&'static str),
    /// A known call whose end the grader cannot foresee.
    Other(&'static str),
    /// Any other call.
    Unknown,
}

/// A call on one descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OnDescriptor {
    /// The name on a stream.
    pub(super) name: &'static str,
    /// The descriptor.
    pub(super) fd: i32,
    /// What it waits for.
    pub(super) direction: Direction,
    /// Whether the call itself was told not to wait (`MSG_DONTWAIT`).
    pub(super) never_waits: bool,
}

impl Call {
    /// Reads a line of `/proc/PID/task/TID/syscall` of a thread that sleeps in a call: the number,
    /// six arguments, the stack pointer and the program counter. `None` if it is not such a line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let number: c_long = words.next()?.parse().ok().filter(|number| *number >= 0)?;
        let mut arguments = [0_u64; 6];
        for argument in &mut arguments {
            *argument = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        }
        Some(
            on_descriptor(number, arguments)
                .map(Self::Descriptor)
                .or_else(|| on_several(number, arguments))
                .or_else(|| on_something_else(number, arguments))
                .unwrap_or(Self::Unknown),
        )
    }
}

/// The kernel reads an `int` from the lower half of a register.
fn int(argument: u64) -> i32 {
    argument as u32 as i32
}

fn on_descriptor(number: c_long, arguments: [u64; 6]) -> Option<OnDescriptor> {
    use Direction::{Accept, Connect, Receive, Send};
    let [_, _, _, fourth, fifth, _] = arguments;
    let message_flags = match number {
        libc::SYS_recvfrom | libc::SYS_sendto | libc::SYS_recvmmsg | libc::SYS_sendmmsg => fourth,
        libc::SYS_recvmsg | libc::SYS_sendmsg => arguments[2],
        _ => 0,
    };
    let (name, direction) = match number {
        libc::SYS_read => ("read", Receive),
        libc::SYS_readv => ("readv", Receive),
        libc::SYS_recvfrom if fifth == 0 => ("recv", Receive),
        libc::SYS_recvfrom => ("recv_from", Receive),
        libc::SYS_recvmsg => ("recvmsg", Receive),
        libc::SYS_recvmmsg if fifth == 0 => ("recvmmsg", Receive),
        libc::SYS_write => ("write", Send),
        libc::SYS_writev => ("writev", Send),
        libc::SYS_sendto if fifth == 0 => ("send", Send),
        libc::SYS_sendto => ("send_to", Send),
        libc::SYS_sendmsg => ("sendmsg", Send),
        libc::SYS_sendmmsg => ("sendmmsg", Send),
        libc::SYS_accept | libc::SYS_accept4 => ("accept", Accept),
        libc::SYS_connect => ("connect", Connect),
        _ => return None,
    };
    let never_waits = int(message_flags) & libc::MSG_DONTWAIT != 0;
    Some(OnDescriptor { name, fd: int(arguments[0]), direction, never_waits })
}

fn on_several(number: c_long, arguments: [u64; 6]) -> Option<Call> {
    let [first, second, third, fourth, fifth, _] = arguments;
    #[cfg(target_arch = "x86_64")]
    match number {
        libc::SYS_poll => return Some(poll("poll", first, second, int(third) >= 0)),
        libc::SYS_select => return Some(select("select", [first, second, third], fifth != 0)),
        libc::SYS_epoll_wait => return Some(epoll("epoll_wait", first, int(fourth) >= 0)),
        _ => {}
    }
    Some(match number {
        libc::SYS_ppoll => poll("ppoll", first, second, third != 0),
        libc::SYS_pselect6 => select("select", [first, second, third], fifth != 0),
        libc::SYS_epoll_pwait => epoll("epoll_wait", first, int(fourth) >= 0),
        SYS_EPOLL_PWAIT2 => epoll("epoll_wait", first, fourth != 0),
        _ => return None,
    })
}

fn poll(name: &'static str, entries: u64, count: u64, timed: bool) -> Call {
    // The count is an `unsigned int` in the kernel.
    let count = count & u64::from(u32::MAX);
    if timed { Call::Timed(name) } else { Call::Poll { name, entries, count } }
}

fn select(name: &'static str, [count, read, write]: [u64; 3], timed: bool) -> Call {
    let count = u64::try_from(int(count)).unwrap_or(0);
    if timed { Call::Timed(name) } else { Call::Select { name, count, read, write } }
}

fn epoll(name: &'static str, fd: u64, timed: bool) -> Call {
    if timed { Call::Timed(name) } else { Call::Epoll { name, fd: int(fd) } }
}

fn on_something_else(number: c_long, arguments: [u64; 6]) -> Option<Call> {
    let [first, second, third, fourth, _, _] = arguments;
    #[cfg(target_arch = "x86_64")]
    if number == libc::SYS_pause {
        return Some(Call::Signal("pause"));
    }
    Some(match number {
        libc::SYS_nanosleep => Call::Timed("nanosleep"),
        libc::SYS_clock_nanosleep => Call::Timed("clock_nanosleep"),
        // A wait that a stop signal interrupted goes on as this call: its timeout is not seen here,
        // and only waits with one are restarted so.
        libc::SYS_restart_syscall => Call::Timed("a wait that was interrupted"),
        libc::SYS_recvmmsg => Call::Timed("recvmmsg"),
        libc::SYS_futex => futex(int(second), fourth),
        SYS_FUTEX_WAITV if fourth == 0 => Call::Lock("futex"),
        SYS_FUTEX_WAITV => Call::Timed("futex"),
        libc::SYS_wait4 => Call::Child("wait4"),
        libc::SYS_waitid => Call::Child("waitid"),
        libc::SYS_rt_sigsuspend => Call::Signal("sigsuspend"),
        libc::SYS_rt_sigtimedwait if third == 0 => Call::Signal("sigwait"),
        libc::SYS_rt_sigtimedwait => Call::Timed("sigtimedwait"),
        libc::SYS_splice => Call::Move { name: "splice", from: int(first), to: int(third) },
        libc::SYS_sendfile => Call::Descriptor(OnDescriptor {
            name: "sendfile",
            fd: int(first),
            direction: Direction::Send,
            never_waits: false,
        }),
        libc::SYS_io_uring_enter => Call::Other("io_uring_enter"),
        libc::SYS_openat => Call::Other("open"),
        libc::SYS_close => Call::Other("close"),
        libc::SYS_flock => Call::Other("flock"),
        libc::SYS_fcntl => Call::Other("fcntl"),
        libc::SYS_fsync | libc::SYS_fdatasync => Call::Other("fsync"),
        libc::SYS_tee | libc::SYS_vmsplice => Call::Other("splice"),
        _ => return None,
    })
}

/// `futex(2)`: what waits for a lock has a timeout as its fourth argument, or null.
fn futex(operation: i32, timeout: u64) -> Call {
    let waits = matches!(
        operation & libc::FUTEX_CMD_MASK,
        libc::FUTEX_WAIT
            | libc::FUTEX_WAIT_BITSET
            | libc::FUTEX_LOCK_PI
            | libc::FUTEX_LOCK_PI2
            | libc::FUTEX_WAIT_REQUEUE_PI
    );
    match (waits, timeout) {
        (true, 0) => Call::Lock("futex"),
        (true, _) => Call::Timed("futex"),
        (false, _) => Call::Other("futex"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: c_long, arguments: [u64; 6]) -> String {
        let words: Vec<String> = arguments.iter().map(|word| format!("{word:#x}")).collect();
        format!("{number} {} 0x7ffe0000 0x7f0000\n", words.join(" "))
    }

    #[test]
    fn a_read_of_std_is_a_recv() {
        let call = Call::parse(&line(libc::SYS_recvfrom, [4, 0x1000, 64, 0, 0, 0]));
        let expected =
            OnDescriptor { name: "recv", fd: 4, direction: Direction::Receive, never_waits: false };
        assert_eq!(call, Some(Call::Descriptor(expected)));
    }

    #[test]
    fn a_negative_poll_timeout_is_none() {
        let endless = line(libc::SYS_ppoll, [0x1000, 2, 0, 0, 0, 0]);
        let expected = Call::Poll { name: "ppoll", entries: 0x1000, count: 2 };
        assert_eq!(Call::parse(&endless), Some(expected));
        let epoll = line(libc::SYS_epoll_pwait, [3, 0x1000, 8, 0xffff_ffff, 0, 0]);
        let expected = Call::Epoll { name: "epoll_wait", fd: 3 };
        assert_eq!(Call::parse(&epoll), Some(expected));
        let timed = line(libc::SYS_epoll_pwait, [3, 0x1000, 8, 250, 0, 0]);
        assert_eq!(Call::parse(&timed), Some(Call::Timed("epoll_wait")));
    }

    #[test]
    fn what_is_no_call_is_none() {
        for line in ["running\n", "-1 0x7ffe 0x7f00\n", "", "7 0x1\n", "x"] {
            assert_eq!(Call::parse(line), None, "{line:?}");
        }
    }
}
