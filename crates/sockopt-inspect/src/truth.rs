//! What the kernel says of the program's own socket, asked through a second descriptor for it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use grader::wording::sockopt;
use grader::{Program, Stop, Verdict, look};
use socket2::{Domain, Socket, Type};

/// A second descriptor for a program's socket. As long as it is held, the socket does not close.
pub(crate) struct Truth {
    socket: Socket,
    /// The numbers by which the program itself has the socket.
    numbers: Vec<i32>,
}

/// The program's internet sockets. One that it has twice is here once.
///
/// # Errors
///
/// `Unsupported` where the kernel does not let the grader look.
pub(crate) fn sockets(program: &Program) -> Verdict<Vec<Truth>> {
    let mut found: Vec<(String, Truth)> = Vec::new();
    for pid in program.pids() {
        for (number, name) in look_at(look::descriptors(pid))?.unwrap_or_default() {
            if !name.starts_with("socket:") {
                continue;
            }
            if let Some((_, same)) = found.iter_mut().find(|(other, _)| *other == name) {
                same.numbers.push(number);
                continue;
            }
            let copy: Option<OwnedFd> = look_at(look::duplicate_descriptor(pid, number))?;
            let Some(socket) = copy.map(Socket::from) else { continue };
            if socket.local_addr().is_ok_and(|address| address.as_socket().is_some()) {
                found.push((name, Truth { socket, numbers: vec![number] }));
            }
        }
    }
    Ok(found.into_iter().map(|(_, socket)| socket).collect())
}

/// `None` if the process, or the descriptor, is gone.
fn look_at<T>(looked: std::io::Result<T>) -> Verdict<Option<T>> {
    match looked {
        Ok(seen) => Ok(Some(seen)),
        Err(error) => match error.kind() {
            std::io::ErrorKind::Unsupported | std::io::ErrorKind::PermissionDenied => {
                Err(Stop::Unsupported(sockopt::no_look(&error)))
            }
            _ => Ok(None),
        },
    }
}

impl Truth {
    /// The socket of the program that the report is about, if it has one open: of several the one
    /// of the type asked for, that is connected, that was made last.
    pub(crate) fn of(program: &Program, kind: Type) -> Verdict<Option<Self>> {
        let of_kind = |truth: &Self| truth.socket.r#type().is_ok_and(|own| own == kind);
        let rank = |truth: &Self| (of_kind(truth), truth.peer().is_some(), truth.numbers[0]);
        Ok(sockets(program)?.into_iter().max_by_key(rank))
    }

    /// A socket of the grader's own, to learn what the kernel makes of a setting.
    pub(crate) fn own(kind: Type) -> Verdict<(Socket, Self)> {
        let socket = Socket::new(Domain::IPV4, kind, None)?;
        let copy = Self { socket: socket.try_clone()?, numbers: Vec::new() };
        Ok((socket, copy))
    }

    /// Where it is connected to.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok().and_then(|address| address.as_socket())
    }

    /// What the report's line `name` should say.
    pub(crate) fn value(&self, name: &str) -> Verdict<String> {
        let socket = &self.socket;
        let switch = |on: bool| u8::from(on).to_string();
        Ok(match name {
            "family" => match socket.local_addr()?.domain() {
                Domain::IPV4 => "AF_INET".to_owned(),
                Domain::IPV6 => "AF_INET6".to_owned(),
                other => format!("{other:?}"),
            },
            "type" => match socket.r#type()? {
                Type::STREAM => "SOCK_STREAM".to_owned(),
                Type::DGRAM => "SOCK_DGRAM".to_owned(),
                other => format!("{other:?}"),
            },
            "fd" => self.numbers.first().map(i32::to_string).unwrap_or_default(),
            "local" => {
                let local = socket.local_addr()?.as_socket();
                local.map_or_else(|| "none".to_owned(), |address| address.to_string())
            }
            "peer" => self.peer().map_or_else(|| "none".to_owned(), |address| address.to_string()),
            "SO_REUSEADDR" => switch(socket.reuse_address()?),
            "SO_BROADCAST" => switch(socket.broadcast()?),
            "SO_KEEPALIVE" => switch(socket.keepalive()?),
            "SO_RCVBUF" => socket.recv_buffer_size()?.to_string(),
            "SO_SNDBUF" => socket.send_buffer_size()?.to_string(),
            "SO_RCVTIMEO" => self.timeout_us()?.div_ceil(1000).to_string(),
            "SO_LINGER" => socket
                .linger()?
                .map_or_else(|| "off".to_owned(), |limit| limit.as_secs().to_string()),
            // A program that made a datagram socket where a stream was asked for has no such
            // option; that is told by the line `type`.
            "TCP_NODELAY" => socket.tcp_nodelay().map_or_else(|_| "none".to_owned(), switch),
            other => unreachable!("a report has no line {other}"),
        })
    }

    /// The limit of a read in microseconds, 0 for none.
    pub(crate) fn timeout_us(&self) -> Verdict<u128> {
        Ok(self.socket.read_timeout()?.map_or(0, |limit| limit.as_micros()))
    }

    /// Whether `printed` says what the kernel says: numbers and addresses by their meaning, a time
    /// rounded either way, a descriptor by any of its numbers.
    pub(crate) fn agrees(&self, name: &str, printed: &str) -> Verdict<bool> {
        let truth = self.value(name)?;
        if printed == truth {
            return Ok(true);
        }
        Ok(match name {
            "fd" => self.numbers.iter().any(|number| number.to_string() == printed),
            "local" | "peer" => {
                let address = |text: &str| text.parse::<SocketAddr>().ok();
                address(printed).is_some_and(|said| address(&truth) == Some(said))
            }
            "SO_RCVTIMEO" => (self.timeout_us()? / 1000).to_string() == printed,
            _ => false,
        })
    }
}
