//! Whether nothing can ever happen again unless the grader does something.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::SocketAddr;

use rustix::net::sockopt;
use rustix::net::{AddressFamily, SocketType, ipproto};

use super::diag::SockDiag;
use super::object::{self, Handle};
use super::threads::look;
use super::{Direction, GraderSocket, Object, TcpView, ThreadView, View, Waiting, same_address};

/// Whether it is certain that every thread waits, without a timeout, for something that only the
/// grader could do, or for another of the threads, and that nothing is in flight either way.
///
/// `before` and `now` are two looks at the same processes, some 30 ms apart; `sockets` are all the
/// grader's sockets in the conversation, read after `before`. When the two look stalled, a third
/// look at the processes and at all of their sockets decides, so that nothing that was still under
/// way when `sockets` was read can be missed.
///
/// In doubt the answer is false, which costs time; a wrong "true" would cost a learner points. It
/// is the caller's part to ask only while the grader itself waits for the program: from `before` to
/// the answer the grader writes, connects and closes nothing, and reads nothing that stands in
/// `unread`.
pub fn stalled(before: &View, now: &View, sockets: &[GraderSocket]) -> bool {
    SockDiag::new().is_ok_and(|line| stalled_on(before, now, sockets, &[line]))
}

/// The same for programs and sockets that are in other networks than this thread: `lines` lead to
/// the kernel's word on all of these networks.
pub fn stalled_on(before: &View, now: &View, sockets: &[GraderSocket], lines: &[SockDiag]) -> bool {
    if !unchanged(before, now) || !everyone_waits(now, sockets) {
        return false;
    }
    let mut pids: Vec<u32> = now.threads.iter().map(|thread| thread.pid).collect();
    pids.dedup();
    // What has ended has no sockets any more, and none but root may look for them.
    let is_alive = |pid: &u32| {
        now.threads.iter().any(|thread| thread.pid == *pid && thread.waiting != Waiting::Zombie)
    };
    let living: Vec<u32> = pids.iter().copied().filter(is_alive).collect();
    let Ok(own) = open_tcp_sockets(&living) else { return false };
    if !nothing_in_flight(&own, now, sockets, lines) {
        return false;
    }
    let last = look(&pids);
    unchanged(now, &last) && everyone_waits(&last, sockets)
}

/// Whether no thread has run, come or gone between two looks.
fn unchanged(before: &View, now: &View) -> bool {
    let same = |(one, two): (&ThreadView, &ThreadView)| {
        (one.pid, one.tid) == (two.pid, two.tid)
            && (one.cpu_ticks, one.switches) == (two.cpu_ticks, two.switches)
            && same_call(&one.waiting, &two.waiting)
    };
    before.threads.len() == now.threads.len() && before.threads.iter().zip(&now.threads).all(same)
}

fn same_call(one: &Waiting, two: &Waiting) -> bool {
    use Waiting::{Child, Descriptor, Lock, Several, Signal, Zombie};
    match (one, two) {
        (Descriptor { call: one, fd: first, .. }, Descriptor { call: two, fd: second, .. }) => {
            one == two && first == second
        }
        (Several { call: one, waits: first, .. }, Several { call: two, waits: second, .. }) => {
            one == two && first.iter().map(|wait| wait.0).eq(second.iter().map(|wait| wait.0))
        }
        (Lock { call: one }, Lock { call: two })
        | (Child { call: one }, Child { call: two })
        | (Signal { call: one }, Signal { call: two }) => one == two,
        (Zombie, Zombie) => true,
        // Every other state is one in which nothing is certain.
        _ => false,
    }
}

/// Whether there are threads, and none of them will go on by itself.
fn everyone_waits(view: &View, sockets: &[GraderSocket]) -> bool {
    let mut living = view.threads.iter().filter(|thread| thread.waiting != Waiting::Zombie);
    !view.alarms
        && living.clone().next().is_some()
        && living.all(|thread| waits(thread, view, sockets))
}

fn waits(thread: &ThreadView, view: &View, sockets: &[GraderSocket]) -> bool {
    match &thread.waiting {
        Waiting::Descriptor { on, direction, .. } => {
            !on.ready() && waits_for_others(on, *direction, sockets)
        }
        Waiting::Several { waits, ready, .. } => {
            !ready
                && waits.iter().all(|(_, on, direction)| waits_for_others(on, *direction, sockets))
        }
        Waiting::Lock { .. } | Waiting::Signal { .. } => true,
        Waiting::Child { .. } => waits_for_child(thread, view),
        Waiting::Running
        | Waiting::Stopped
        | Waiting::Zombie
        | Waiting::Timed { .. }
        | Waiting::Other { .. }
        | Waiting::Unknown => false,
    }
}

/// A child that is there and none that has ended: else the wait is about to.
fn waits_for_child(thread: &ThreadView, view: &View) -> bool {
    let mut children = view.threads.iter().filter(|child| child.parent == thread.pid).peekable();
    children.peek().is_some() && children.all(|child| child.waiting != Waiting::Zombie)
}

/// Whether only the grader or another thread of the view could make this object ready.
fn waits_for_others(on: &Object, direction: Direction, sockets: &[GraderSocket]) -> bool {
    let receives = matches!(direction, Direction::Receive | Direction::Accept);
    match on {
        Object::Tcp(tcp) => tcp_waits(tcp, direction, sockets),
        Object::Udp(_) => receives,
        Object::Unix { unnamed, .. } => *unnamed && receives,
        // What the program prints the grader takes away, sooner or later.
        Object::Pipe { .. } => receives,
        Object::Other { name, .. } => name == "anon_inode:[eventfd]" && receives,
    }
}

fn tcp_waits(tcp: &TcpView, direction: Direction, sockets: &[GraderSocket]) -> bool {
    if tcp.listening {
        return tcp.accept_queue == 0;
    }
    if tcp.connecting || tcp.peer.is_none() {
        return false;
    }
    let grader = grader_end(tcp, sockets);
    // Of a connection within the program, the look at all of its sockets tells the other end.
    let nothing_to_come = tcp.ready || grader.is_none_or(|grader| grader.unsent == 0);
    let nobody_takes =
        tcp.ready || tcp.segments_in_flight == 0 && grader.is_some_and(|grader| grader.unread > 0);
    match direction {
        Direction::Receive => nothing_to_come,
        Direction::Send => nobody_takes,
        Direction::Either => nothing_to_come && nobody_takes,
        Direction::Nothing => true,
        Direction::Accept | Direction::Connect => false,
    }
}

/// The grader's socket at the other end of a connection.
fn grader_end<'a>(tcp: &TcpView, sockets: &'a [GraderSocket]) -> Option<&'a GraderSocket> {
    let (local, peer) = (tcp.local?, tcp.peer?);
    sockets.iter().find(|socket| {
        same_address(socket.local, peer)
            && socket.peer.is_some_and(|other| same_address(other, local))
    })
}

/// The program's own socket at the other end of a connection.
fn own_end<'a>(tcp: &TcpView, own: &'a [TcpView]) -> Option<&'a TcpView> {
    let (local, peer) = (tcp.local?, tcp.peer?);
    own.iter().find(|other| {
        other.local.is_some_and(|address| same_address(address, peer))
            && other.peer.is_some_and(|address| same_address(address, local))
    })
}

/// Whether every byte has come to its end, with all of the program's TCP sockets in `own`.
fn nothing_in_flight(
    own: &[TcpView],
    now: &View,
    sockets: &[GraderSocket],
    lines: &[SockDiag],
) -> bool {
    own.iter().all(|tcp| is_at_rest(tcp, own, sockets))
        && now.threads.iter().all(|thread| knows_its_peers(&thread.waiting, own, sockets))
        && kernel_is_at_rest(own, sockets, lines)
}

/// Whether what the program has sent on this socket has arrived, or waits for a reader.
fn is_at_rest(tcp: &TcpView, own: &[TcpView], sockets: &[GraderSocket]) -> bool {
    if tcp.listening || tcp.send_queue == 0 {
        return true;
    }
    let unread = match (grader_end(tcp, sockets), own_end(tcp, own)) {
        (Some(grader), _) => grader.unread,
        (None, Some(other)) => other.receive_queue,
        (None, None) => return false,
    };
    unread > 0 && tcp.segments_in_flight == 0
}

/// Whether the other end of every connection that is waited for is the grader's or the program's.
fn knows_its_peers(waiting: &Waiting, own: &[TcpView], sockets: &[GraderSocket]) -> bool {
    let knows = |object: &Object| match object {
        Object::Tcp(tcp) if !tcp.listening => {
            grader_end(tcp, sockets).is_some() || own_end(tcp, own).is_some()
        }
        _ => true,
    };
    match waiting {
        Waiting::Descriptor { on, .. } => knows(on),
        Waiting::Several { waits, .. } => waits.iter().all(|(_, on, _)| knows(on)),
        _ => true,
    }
}

/// What no descriptor of the program shows: what has arrived at the grader meanwhile, the last
/// bytes of connections that the program has closed, and connection requests that the kernel will
/// repeat.
fn kernel_is_at_rest(own: &[TcpView], sockets: &[GraderSocket], lines: &[SockDiag]) -> bool {
    let connections_are_at_rest = sockets.iter().all(|socket| {
        let Some(peer) = socket.peer else { return true };
        let is_open = own.iter().any(|tcp| grader_end(tcp, &[*socket]).is_some());
        has_news_for_grader(lines, socket, peer).is_ok_and(|has_news| !has_news)
            && (is_open
                || SockDiag::peer_state_on(lines, socket.local, peer)
                    .is_ok_and(|state| state.is_none_or(|state| state.send_queue == 0)))
    });
    let mut ports: Vec<u16> = own
        .iter()
        .filter(|tcp| tcp.listening)
        .filter_map(|tcp| tcp.local.map(|address| address.port()))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    let is_opening_none =
        |line: &SockDiag| line.opening_connections(&ports).is_ok_and(|opening| opening == 0);
    connections_are_at_rest && lines.iter().all(is_opening_none)
}

/// Whether more has come to the grader's end than it knew of: bytes, the end of the stream, a
/// reset. An end that no descriptor stands for any more (its inode is 0) has come to its last
/// state.
fn has_news_for_grader(
    lines: &[SockDiag],
    socket: &GraderSocket,
    peer: SocketAddr,
) -> io::Result<bool> {
    let own_end = SockDiag::peer_state_on(lines, peer, socket.local)?;
    Ok(own_end.is_none_or(|state| state.inode == 0 || state.receive_queue > socket.unread))
}

/// All TCP sockets of these processes, each once.
pub(super) fn open_tcp_sockets(pids: &[u32]) -> io::Result<Vec<TcpView>> {
    let mut seen = HashSet::new();
    let mut sockets = Vec::new();
    for &pid in pids {
        let folder = match fs::read_dir(format!("/proc/{pid}/fd")) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut handle = None;
        for entry in folder {
            let entry = entry?;
            let target = match fs::read_link(entry.path()) {
                Ok(target) => target,
                // A descriptor that was closed meanwhile shows in the counters of its thread.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_socket = target.to_str().is_some_and(|target| target.starts_with("socket:"));
            if !is_socket || !seen.insert(target) {
                continue;
            }
            let fd = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let fd = fd.ok_or(io::ErrorKind::InvalidData)?;
            let handle = match handle.take() {
                Some(open) => handle.insert(open),
                None => handle.insert(Handle::open(pid)?),
            };
            sockets.extend(tcp_socket(handle, fd)?);
        }
    }
    Ok(sockets)
}

/// The socket behind a descriptor, if it is one of TCP.
fn tcp_socket(handle: &Handle, fd: i32) -> io::Result<Option<TcpView>> {
    let socket = handle.descriptor(fd)?;
    let family = sockopt::socket_domain(&socket)?;
    let is_internet = matches!(family, AddressFamily::INET | AddressFamily::INET6);
    let is_tcp = is_internet
        && sockopt::socket_type(&socket)? == SocketType::STREAM
        && sockopt::socket_protocol(&socket)? == Some(ipproto::TCP);
    if !is_tcp {
        return Ok(None);
    }
    let ready = object::is_ready(&socket, Direction::Receive);
    object::examine_tcp(&socket, family == AddressFamily::INET6, ready).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn connection() -> (TcpView, GraderSocket) {
        let tcp = TcpView {
            local: Some(address(7_000)),
            peer: Some(address(40_000)),
            ..TcpView::default()
        };
        let grader = GraderSocket { local: address(40_000), peer: tcp.local, unread: 0, unsent: 0 };
        (tcp, grader)
    }

    #[test]
    fn a_recv_is_endless_once_everything_sent_has_arrived() {
        let (tcp, grader) = connection();
        assert!(tcp_waits(&tcp, Direction::Receive, &[grader]));
        let unsent = GraderSocket { unsent: 1, ..grader };
        assert!(!tcp_waits(&tcp, Direction::Receive, &[unsent]));
    }

    #[test]
    fn a_send_is_endless_only_while_the_grader_leaves_bytes_unread() {
        let (tcp, grader) = connection();
        let full = TcpView { send_queue: 100_000, ..tcp };
        let unread = GraderSocket { unread: 60_000, ..grader };
        assert!(tcp_waits(&full, Direction::Send, &[unread]));
        assert!(!tcp_waits(&full, Direction::Send, &[grader]));
        let moving = TcpView { segments_in_flight: 2, ..full };
        assert!(!tcp_waits(&moving, Direction::Send, &[unread]));
    }

    #[test]
    fn a_mapped_address_is_the_same_end() {
        let (tcp, grader) = connection();
        let mapped = |address: Option<SocketAddr>| {
            let address = address?;
            let SocketAddr::V4(v4) = address else { return None };
            Some(SocketAddr::from((v4.ip().to_ipv6_mapped(), address.port())))
        };
        let tcp = TcpView { local: mapped(tcp.local), peer: mapped(tcp.peer), ..tcp };
        assert_eq!(grader_end(&tcp, &[grader]), Some(&grader));
    }

    #[test]
    fn bytes_on_their_way_are_no_rest() {
        let (tcp, grader) = connection();
        let sending = TcpView { send_queue: 5, ..tcp };
        assert!(!is_at_rest(&sending, &[], &[grader]));
        assert!(is_at_rest(&sending, &[], &[GraderSocket { unread: 5, ..grader }]));
    }

    #[test]
    fn unknown_and_empty_views_are_never_stalled() {
        let thread = ThreadView {
            pid: 1,
            parent: 0,
            tid: 1,
            name: String::new(),
            waiting: Waiting::Unknown,
            cpu_ticks: 0,
            switches: 0,
        };
        let view = View { threads: vec![thread], alarms: false };
        assert!(!stalled(&view, &view, &[]));
        assert!(!stalled(&View::default(), &View::default(), &[]));
    }
}
