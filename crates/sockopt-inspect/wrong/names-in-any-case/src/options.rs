//! The options: their names, their values, and how to set them.
//!
//! The idea: in C and in Python there is one call for all, `setsockopt(level, name, value)`. The
//! level says which layer of the kernel the option belongs to: `SOL_SOCKET` is every socket's,
//! `IPPROTO_TCP` is TCP's own. The value is a lump of bytes whose shape depends on the name: an
//! `int` for most, a `struct timeval` for `SO_RCVTIMEO`, a `struct linger` for `SO_LINGER`.
//! `socket2` has a method for each instead, so that the compiler knows the shape.

use std::time::Duration;

use anyhow::{Context, Result};
use socket2::Socket;

use crate::Transport;

/// One option with the value that it is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// SO_REUSEADDR: bind beside connections that a dead server left.
    ReuseAddress(bool),
    /// SO_BROADCAST: may send to a broadcast address.
    Broadcast(bool),
    /// SO_KEEPALIVE: ask a silent peer now and then whether it is still there.
    KeepAlive(bool),
    /// SO_RCVBUF: the size of the receive buffer in bytes.
    ReceiveBuffer(usize),
    /// SO_SNDBUF: the size of the send buffer in bytes.
    SendBuffer(usize),
    /// SO_RCVTIMEO: how long a read waits at most; `None` for ever.
    ReceiveTimeout(Option<Duration>),
    /// SO_LINGER: how long close waits for unsent bytes; `None` for the usual close.
    Linger(Option<Duration>),
    /// TCP_NODELAY: send small segments at once (Nagle's algorithm is off).
    NoDelay(bool),
}

impl Setting {
    /// Reads `NAME=VALUE`; an error names it and says what is wrong.
    pub fn parse(argument: &str, transport: Transport) -> Result<Self, String> {
        let Some((name, value)) = argument.split_once('=') else {
            return Err(format!("{argument:?} is neither HOST:PORT nor NAME=VALUE"));
        };
        let (setting, takes) = match name.to_uppercase().as_str() {
            "SO_REUSEADDR" => (switch(value).map(Self::ReuseAddress), "0 or 1"),
            "SO_BROADCAST" => (switch(value).map(Self::Broadcast), "0 or 1"),
            "SO_KEEPALIVE" => (switch(value).map(Self::KeepAlive), "0 or 1"),
            "SO_RCVBUF" => (int(value).map(|bytes| Self::ReceiveBuffer(bytes as usize)), "bytes"),
            "SO_SNDBUF" => (int(value).map(|bytes| Self::SendBuffer(bytes as usize)), "bytes"),
            "SO_RCVTIMEO" => (timeout(value).map(Self::ReceiveTimeout), "whole milliseconds"),
            "SO_LINGER" => (linger(value).map(Self::Linger), "off or whole seconds"),
            // The option exists, but a datagram socket has nobody at that level to take it.
            "TCP_NODELAY" if transport == Transport::Udp => {
                return Err(format!("{argument:?}: {name} is for tcp only"));
            }
            "TCP_NODELAY" => (switch(value).map(Self::NoDelay), "0 or 1"),
            _ => return Err(format!("{argument:?}: there is no option {name:?}")),
        };
        setting.ok_or_else(|| format!("{argument:?}: {name} takes {takes}, not {value:?}"))
    }

    /// Sets the option: setsockopt. What the kernel makes of the value is another matter.
    pub fn apply(self, socket: &Socket) -> Result<()> {
        match self {
            Self::ReuseAddress(on) => socket.set_reuse_address(on).context("set SO_REUSEADDR"),
            Self::Broadcast(on) => socket.set_broadcast(on).context("set SO_BROADCAST"),
            Self::KeepAlive(on) => socket.set_keepalive(on).context("set SO_KEEPALIVE"),
            // More than net.core.rmem_max (wmem_max) is cut to it, in silence. Linux doubles what
            // is left, to have room for its own book-keeping.
            Self::ReceiveBuffer(bytes) => {
                socket.set_recv_buffer_size(bytes).with_context(|| format!("set SO_RCVBUF={bytes}"))
            }
            Self::SendBuffer(bytes) => {
                socket.set_send_buffer_size(bytes).with_context(|| format!("set SO_SNDBUF={bytes}"))
            }
            // The kernel counts in ticks, 1 to 10 ms each, and rounds up to a whole one.
            Self::ReceiveTimeout(limit) => socket
                .set_read_timeout(limit)
                .with_context(|| format!("set SO_RCVTIMEO to {limit:?}")),
            Self::Linger(limit) => {
                socket.set_linger(limit).with_context(|| format!("set SO_LINGER to {limit:?}"))
            }
            Self::NoDelay(on) => socket.set_tcp_nodelay(on).context("set TCP_NODELAY"),
        }
    }
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// A number that a C `int` can hold, which is what the kernel takes. `socket2` would cut off the
/// rest: 4294967297 would arrive as 1.
fn int(value: &str) -> Option<u32> {
    number(value).and_then(|number| i32::try_from(number).ok()).map(i32::cast_unsigned)
}

fn timeout(value: &str) -> Option<Option<Duration>> {
    // In a `struct timeval`, zero means for ever and not at once.
    number(value).map(|limit_ms| (limit_ms > 0).then(|| Duration::from_millis(limit_ms)))
}

fn linger(value: &str) -> Option<Option<Duration>> {
    match value {
        "off" => Some(None),
        // Zero is a value here, and a drastic one: close throws away what is unsent and resets.
        seconds => int(seconds).map(|seconds| Some(Duration::from_secs(seconds.into()))),
    }
}

/// Digits and nothing else: `parse` alone would also take a plus sign.
fn number(value: &str) -> Option<u64> {
    let is_digits = value.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { value.parse().ok() } else { None }
}
