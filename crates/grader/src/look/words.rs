//! What a look showed, in the words of a learner.

use std::collections::HashSet;
use std::net::SocketAddr;

use crate::bytes::thousands;

use super::{Direction, Object, TcpView, ThreadView, UdpView, View, Waiting};

/// More descriptors of one wait than this are counted, not named.
const NAMED_WAITS_MAX: usize = 3;

/// What each thread waits for, in sentences without a full stop, `who` being "your server". The
/// first thread of the first process comes first; threads that wait alike are told once.
pub fn describe(view: &View, who: &str) -> Vec<String> {
    let listening = listening_ports(view);
    let mut groups: Vec<(&ThreadView, String, usize)> = Vec::new();
    let living = view.threads.iter().filter(|thread| thread.waiting != Waiting::Zombie);
    for thread in living {
        let kind = kind(thread);
        match groups.iter_mut().find(|group| group.1 == kind) {
            Some(group) => group.2 += 1,
            None => groups.push((thread, kind, 0)),
        }
    }
    if groups.is_empty() && !view.threads.is_empty() {
        return vec![format!("{who} has ended")];
    }
    let first = groups.first().map(|group| group.0);
    let sentence = |(thread, _, alike): &(&ThreadView, String, usize)| {
        let subject = subject(thread, first, who);
        let mut line = format!("{subject} {}", predicate(&thread.waiting, &listening));
        if thread.waiting == Waiting::Running {
            line.push_str(&processor_time(thread.cpu_ticks));
        }
        match alike {
            0 => {}
            1 => line.push_str("; and 1 more thread the same"),
            more => line.push_str(&format!("; and {more} more threads the same")),
        }
        line
    };
    groups.iter().map(sentence).collect()
}

/// What two threads have in common that are told together: all but the descriptor and the peer.
fn kind(thread: &ThreadView) -> String {
    match &thread.waiting {
        Waiting::Descriptor { call, on, direction, .. } => {
            format!("{call} {direction:?} {} {}", object_kind(on), condition(on, *direction))
        }
        Waiting::Several { call, ready, .. } => format!("{call} {ready}"),
        Waiting::Timed { call }
        | Waiting::Lock { call }
        | Waiting::Child { call }
        | Waiting::Signal { call }
        | Waiting::Other { call } => format!("{:?} {call}", thread.waiting),
        waiting => format!("{waiting:?}"),
    }
}

fn object_kind(on: &Object) -> &str {
    match on {
        Object::Tcp(tcp) if tcp.listening => "listening",
        Object::Tcp(_) => "TCP",
        Object::Udp(_) => "UDP",
        Object::Unix { .. } => "Unix",
        Object::Pipe { .. } => "pipe",
        Object::Other { name, .. } => name,
    }
}

fn subject(thread: &ThreadView, first: Option<&ThreadView>, who: &str) -> String {
    let Some(first) = first else { return who.to_owned() };
    if thread.pid != first.pid {
        return format!("a child process of {who}");
    }
    if thread.tid == first.tid && thread.tid == thread.pid {
        return who.to_owned();
    }
    // A thread that was given no name has its process's.
    if thread.name == first.name || thread.name.is_empty() {
        return format!("another thread of {who}");
    }
    format!("the thread \"{}\" of {who}", thread.name.escape_debug())
}

fn predicate(waiting: &Waiting, listening: &HashSet<u16>) -> String {
    match waiting {
        Waiting::Running => "is not blocked: it runs".to_owned(),
        Waiting::Stopped => "is stopped by a signal".to_owned(),
        Waiting::Zombie => "has ended".to_owned(),
        Waiting::Timed { call: call @ ("nanosleep" | "clock_nanosleep") } => {
            format!("sleeps for a set time ({call})")
        }
        Waiting::Timed { call } => format!("waits in {call}, with a timeout"),
        Waiting::Descriptor { call, fd, on, direction } => {
            let object = object(*fd, on, listening);
            let condition = condition(on, *direction);
            format!("is blocked in {call} on fd {fd} ({object}){condition}")
        }
        Waiting::Several { call, waits, ready } => several(call, waits, *ready, listening),
        Waiting::Lock { call } => {
            format!("waits for a lock, a channel or the end of another thread ({call})")
        }
        Waiting::Child { call } => format!("waits for a child process to end ({call})"),
        Waiting::Signal { call } => format!("waits for a signal ({call})"),
        Waiting::Other { call } => format!("is blocked in {call}"),
        Waiting::Unknown => "waits for something that the grader cannot see".to_owned(),
    }
}

fn several(
    call: &str,
    waits: &[(i32, Object, Direction)],
    ready: bool,
    listening: &HashSet<u16>,
) -> String {
    let name = |(fd, on, _): &(i32, Object, Direction)| {
        format!("fd {fd} ({})", object(*fd, on, listening))
    };
    let mut named: Vec<String> = waits.iter().take(NAMED_WAITS_MAX).map(name).collect();
    if waits.len() > NAMED_WAITS_MAX {
        named.push(format!("{} more", waits.len() - NAMED_WAITS_MAX));
    }
    let last = named.pop();
    let named = match (named.is_empty(), last) {
        (_, None) => return format!("is blocked in {call} on no descriptor at all"),
        (true, Some(only)) => only,
        (false, Some(last)) => format!("{} and {last}", named.join(", ")),
    };
    let told = waits.iter().find(|(_, on, _)| on.ready()).map(|(fd, ..)| fd);
    let condition = match (ready, told, waits) {
        (true, ..) => "; the wait is about to end".to_owned(),
        // Only an instance that tells changes alone (`EPOLLET`) can be asleep now.
        (false, Some(fd), _) => format!("; fd {fd} is ready, but that is no news to it"),
        (false, None, [(_, on, direction)]) => condition(on, *direction),
        (false, None, _) => "; none of them is ready".to_owned(),
    };
    format!("is blocked in {call} on {named}{condition}")
}

fn object(fd: i32, on: &Object, listening: &HashSet<u16>) -> String {
    match (on, fd) {
        (Object::Tcp(tcp), _) => tcp_object(tcp, listening),
        (Object::Udp(udp), _) => udp_object(udp),
        (_, 0) => "its standard input".to_owned(),
        (_, 1) => "its standard output".to_owned(),
        (_, 2) => "its standard error".to_owned(),
        (Object::Unix { .. }, _) => "a Unix-domain socket".to_owned(),
        (Object::Pipe { .. }, _) => "a pipe".to_owned(),
        (Object::Other { name, .. }, _) => name.escape_debug().to_string(),
    }
}

fn tcp_object(tcp: &TcpView, listening: &HashSet<u16>) -> String {
    match (tcp.local.map(canonical), tcp.peer.map(canonical)) {
        (Some(local), _) if tcp.listening => format!("listening on {local}"),
        (Some(local), Some(peer)) if listening.contains(&local.port()) => {
            format!("the connection from {peer}")
        }
        (_, Some(peer)) => format!("the connection with {peer}"),
        _ => "a TCP socket that is not connected".to_owned(),
    }
}

fn udp_object(udp: &UdpView) -> String {
    match (udp.local.map(canonical), udp.peer.map(canonical)) {
        (_, Some(peer)) => format!("UDP, connected to {peer}"),
        (Some(local), None) => format!("UDP, bound to {local}"),
        (None, None) => "a UDP socket".to_owned(),
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// How it stands with what is waited for, as the sentence's second half; empty if there is no more
/// to say.
fn condition(on: &Object, direction: Direction) -> String {
    match (on, direction) {
        (Object::Tcp(tcp), _) if tcp.listening => match tcp.accept_queue {
            0 => "; no connection waits to be accepted".to_owned(),
            1 => "; 1 connection waits to be accepted".to_owned(),
            waiting => format!("; {waiting} connections wait to be accepted"),
        },
        (Object::Tcp(tcp), Direction::Receive | Direction::Either) => match tcp.receive_queue {
            0 if tcp.ready => "; the end of the stream or an error has just arrived".to_owned(),
            0 => "; its receive buffer is empty".to_owned(),
            bytes => format!("; {} in its receive buffer", bytes_wait(bytes)),
        },
        (Object::Tcp(tcp), Direction::Send) if tcp.ready => "; there is room again".to_owned(),
        (Object::Tcp(tcp), Direction::Send) => format!(
            "; its send buffer is full: {} for the other side to read",
            bytes_wait(tcp.send_queue)
        ),
        (Object::Tcp(_), Direction::Connect) => "; there is no answer yet".to_owned(),
        (Object::Udp(udp), Direction::Receive) if udp.ready => {
            "; a datagram has just arrived".to_owned()
        }
        (Object::Udp(_), Direction::Receive) => "; no datagram waits".to_owned(),
        (Object::Pipe { ready: false, .. }, Direction::Receive) => {
            "; nothing is there to read, and the other end is still open".to_owned()
        }
        (Object::Pipe { ready: false, .. }, Direction::Send) => {
            "; the pipe is full, and nobody reads it".to_owned()
        }
        _ => String::new(),
    }
}

fn bytes_wait(bytes: u32) -> String {
    if bytes == 1 {
        "1 byte waits".to_owned()
    } else {
        format!("{} bytes wait", thousands(bytes.into()))
    }
}

/// The ports on which the processes listen: of a connection to one of them, the peer came.
#[cfg(target_os = "linux")]
fn listening_ports(view: &View) -> HashSet<u16> {
    let mut pids: Vec<u32> = view.threads.iter().map(|thread| thread.pid).collect();
    pids.dedup();
    let sockets = super::verdict::open_tcp_sockets(&pids).unwrap_or_default();
    let listening = sockets.iter().filter(|socket| socket.listening);
    listening.filter_map(|socket| socket.local.map(|address| address.port())).collect()
}

/// The ports on which the processes listen, which nothing tells here.
#[cfg(not(target_os = "linux"))]
fn listening_ports(_view: &View) -> HashSet<u16> {
    HashSet::new()
}

#[cfg(target_os = "linux")]
fn processor_time(ticks: u64) -> String {
    // SAFETY: the call takes a number and has no other effect.
    let ticks_a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let ticks_a_second = u64::try_from(ticks_a_second).unwrap_or(0).max(1);
    let milliseconds = ticks * 1_000 / ticks_a_second;
    format!(", and has used {milliseconds} ms of processor time so far")
}

#[cfg(not(target_os = "linux"))]
fn processor_time(_ticks: u64) -> String {
    String::new()
}
