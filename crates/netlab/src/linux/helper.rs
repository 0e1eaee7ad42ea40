//! The lab's helper: a process with one thread, in namespaces of its own, which makes namespaces
//! for hosts and opens sockets inside of them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{UnshareFlags, move_into_link_name_space, unshare_unsafe};
use sandbox::{helper, message};

/// The first argument by which this executable knows that it is to be the helper.
pub(super) const HELPER_ARGUMENT: &str = "--run-as-helper-of-a-lab";

/// What the helper is asked for. Each request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A namespace for one more host. The answer brings it, and two sockets inside of it: one for
    /// routing messages and one for requests to interfaces.
    Host,
    /// A socket of this kind (`socket(2)`) on a host.
    Socket { host: u32, domain: i32, kind: i32, protocol: i32 },
}

impl Request {
    pub(super) fn encode(self) -> Vec<u8> {
        let numbers = match self {
            Self::Host => vec![0],
            Self::Socket { host, domain, kind, protocol } => {
                vec![1, host.cast_signed(), domain, kind, protocol]
            }
        };
        numbers.into_iter().flat_map(i32::to_ne_bytes).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let numbers: Vec<i32> =
            bytes.as_chunks().0.iter().copied().map(i32::from_ne_bytes).collect();
        match *numbers {
            [0] => Some(Self::Host),
            [1, host, domain, kind, protocol] => {
                Some(Self::Socket { host: host.cast_unsigned(), domain, kind, protocol })
            }
            _ => None,
        }
    }
}

/// A step that failed, and how.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) step: String,
    pub(super) error: io::Error,
}

/// The one message of an answer that is a refusal.
fn encode_refusal(refusal: &Refusal) -> Vec<u8> {
    let errno = refusal.error.raw_os_error().unwrap_or(libc::EIO);
    [&errno.to_ne_bytes(), refusal.step.as_bytes()].concat()
}

/// Takes the answer to one request from the socket: descriptors, which are the caller's alone.
///
/// # Errors
/// The helper's refusal; or it is gone, or says nothing.
pub(super) fn take_answer(requests: &OwnedFd) -> Result<Vec<OwnedFd>, Refusal> {
    let descriptors = take_message(requests)?;
    take_message(requests)?;
    Ok(descriptors)
}

fn take_message(requests: &OwnedFd) -> Result<Vec<OwnedFd>, Refusal> {
    let lost = |error| refusal("hear from the lab's helper", error);
    if !message::wait_readable(requests, ANSWER_DEADLINE).map_err(lost)? {
        return Err(lost(io::ErrorKind::TimedOut.into()));
    }
    let (bytes, descriptors) = message::receive(requests).map_err(lost)?;
    match bytes.split_first_chunk() {
        None if bytes == GIVEN => Ok(descriptors),
        None => Err(lost(io::Error::new(io::ErrorKind::BrokenPipe, "it is gone"))),
        Some((errno, step)) => {
            let error = io::Error::from_raw_os_error(i32::from_ne_bytes(*errno));
            Err(refusal(&String::from_utf8_lossy(step), error))
        }
    }
}

/// The two messages of an answer that is no refusal: with the descriptors, and once they have been
/// closed here.
const GIVEN: &[u8] = b"+";
/// How long the helper may take for what takes it a millisecond.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// Becomes the lab's helper and never returns if [`crate::Lab::start`] started this process.
///
/// Among the first lines of `main` in every executable that uses a lab: only a process with one
/// thread can enter a user namespace.
pub fn lab_main_if_asked() {
    if !helper::is_asked(HELPER_ARGUMENT) {
        return;
    }
    let status = match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("the lab's helper: {error}");
            1
        }
    };
    std::process::exit(status)
}

fn run() -> io::Result<()> {
    let requests = helper::begin()?;
    std::env::set_current_dir("/")?;
    let mut namespaces = Namespaces::default();
    // The first answer is to the start itself.
    answer(&requests, namespaces.enter())?;
    loop {
        let (bytes, _) = message::receive(&requests)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(request) = Request::decode(&bytes) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        answer(&requests, namespaces.serve(request))?;
    }
}

fn answer(requests: &OwnedFd, outcome: Result<Vec<OwnedFd>, Refusal>) -> io::Result<()> {
    let sent = match outcome {
        Ok(descriptors) => give(requests, descriptors),
        Err(refusal) => message::send(requests, &encode_refusal(&refusal), &[]),
    };
    // A caller that is gone is noticed where its requests are read.
    sent.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

/// Gives descriptors away, and says when they are the caller's alone: a socket that this process
/// had open as well would not be closed when the caller closes it.
fn give(requests: &OwnedFd, descriptors: Vec<OwnedFd>) -> io::Result<()> {
    let borrowed: Vec<BorrowedFd<'_>> =
        descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
    message::send(requests, GIVEN, &borrowed)?;
    drop(descriptors);
    message::send(requests, GIVEN, &[])
}

/// What a new host does otherwise than usual (`ip-sysctl` in the kernel's documentation), so that
/// one turn leaves nothing to the next: it tells of each closed port, not of one a second, and
/// forgets how quick a connection was when it has ended.
const SETTINGS: [(&str, &str); 2] = [("icmp_ratelimit", "0"), ("tcp_no_metrics_save", "1")];

/// The network namespaces that the helper has made for hosts.
#[derive(Default)]
struct Namespaces {
    hosts: Vec<OwnedFd>,
}

impl Namespaces {
    /// Enters namespaces of its own. Brings two sockets in there, for routing messages and for
    /// packets, and the user namespace if there was need of one.
    fn enter(&mut self) -> Result<Vec<OwnedFd>, Refusal> {
        let is_new_user = helper::unshare(UnshareFlags::NEWNET)
            .map_err(|(step, error)| Refusal { step: step.to_owned(), error })?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|error| refusal("close itself to others", error.into()))?;
        let routing = open_socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
        // For no packets until it is bound.
        let packets = open_socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        let mut descriptors = vec![routing, packets];
        if is_new_user {
            descriptors.push(namespace("user")?);
        }
        Ok(descriptors)
    }

    fn serve(&mut self, request: Request) -> Result<Vec<OwnedFd>, Refusal> {
        match request {
            Request::Host => {
                // SAFETY: UnshareFlags::FILES is not asked for.
                unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
                    .map_err(|error| refusal("make a network namespace", error.into()))?;
                for (setting, value) in SETTINGS {
                    // A container may keep all settings from being written; the lab works without.
                    let _ = fs::write(format!("/proc/sys/net/ipv4/{setting}"), value);
                }
                let (kept, given) = (namespace("net")?, namespace("net")?);
                let routing = open_socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
                let plain = open_socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
                self.hosts.push(kept);
                Ok(vec![given, routing, plain])
            }
            Request::Socket { host, domain, kind, protocol } => {
                let namespace = self.hosts.get(host as usize);
                let missing = || refusal("find the host", io::ErrorKind::NotFound.into());
                move_into_link_name_space(namespace.ok_or_else(missing)?.as_fd(), None)
                    .map_err(|error| refusal("enter the host", error.into()))?;
                Ok(vec![open_socket(domain, kind, protocol)?])
            }
        }
    }
}

fn refusal(step: &str, error: io::Error) -> Refusal {
    Refusal { step: step.to_owned(), error }
}

/// The namespace in which this process is now.
fn namespace(name: &str) -> Result<OwnedFd, Refusal> {
    let file = File::open(format!("/proc/self/ns/{name}"))
        .map_err(|error| refusal("hold on to a namespace", error))?;
    Ok(file.into())
}

fn open_socket(domain: i32, kind: i32, protocol: i32) -> Result<OwnedFd, Refusal> {
    // SAFETY: `socket` has no preconditions.
    let raw = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    if raw < 0 {
        return Err(refusal("open a socket", io::Error::last_os_error()));
    }
    // SAFETY: the descriptor is new and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_arrive_as_they_were_sent() {
        let socket = Request::Socket { host: 7, domain: 2, kind: 3, protocol: -1 };
        for request in [socket, Request::Host] {
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        assert_eq!(Request::decode(b"nonsense"), None);
    }
}
