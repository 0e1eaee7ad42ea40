//! Which partners there are: the roles of the seven modules, what each wants on its command line,
//! and what it can do oddly.

use anyhow::bail;

use super::weird::{Oddity, STREAM_ODDITIES};
use crate::modules;

/// How a role talks, and therefore what stands between it and the learner's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A reference server behind a stream relay on the address asked for.
    TcpServer,
    /// A reference client that a stream relay leads to the learner's server.
    TcpClient,
    /// The same, where the address stands in a URL.
    HttpClient,
    /// A reference server behind a datagram relay.
    UdpServer,
    /// A reference client that a datagram relay leads to the learner's program.
    UdpClient,
    /// A reference program that needs the address itself: it shares the port with others.
    Listener,
    /// The runner's own listening stream socket.
    TcpWitness,
    /// The runner's own datagram socket.
    UdpWitness,
}

/// One partner.
#[derive(Debug)]
pub struct Role {
    /// The module.
    pub module: &'static str,
    /// The name of the role, as on the module's own command line.
    pub name: &'static str,
    /// The arguments after it, as a usage line shows them.
    pub usage: &'static str,
    /// How many arguments there may be beside the address: the fewest, and the most if there is
    /// such a number.
    counts: (usize, Option<usize>),
    /// How it talks.
    pub part: Part,
    /// What the learner runs against it.
    pub partner: &'static str,
    /// Arguments to try it with.
    pub example: &'static str,
    /// The learner's command line for the other end; `ADDR` stands for the address, `FRAMING` for
    /// the role's own second argument.
    pub other_end: &'static str,
    /// What it can do oddly.
    pub oddities: &'static [Oddity],
    /// Whether it reads standard input when it gets no argument beside the address.
    pub reads_stdin: bool,
}

const PLAIN: Role = Role {
    module: "",
    name: "",
    usage: "",
    counts: (0, Some(0)),
    part: Part::TcpServer,
    partner: "",
    example: "",
    other_end: "",
    oddities: &[],
    reads_stdin: false,
};

/// All partners, in the order in which the course teaches their modules.
pub static ROLES: &[Role] = &[
    Role {
        module: "tcp-echo",
        name: "server",
        usage: "[ADDR]",
        partner: "your client",
        example: "127.0.0.1:7000",
        other_end: "client ADDR \"hello world\"",
        oddities: STREAM_ODDITIES,
        ..PLAIN
    },
    Role {
        module: "tcp-echo",
        name: "client",
        usage: "ADDR [MESSAGE]",
        counts: (0, Some(1)),
        part: Part::TcpClient,
        partner: "your server",
        example: "127.0.0.1:7000 \"hello world\"",
        other_end: "server ADDR",
        oddities: STREAM_ODDITIES,
        reads_stdin: true,
    },
    Role {
        module: "udp-echo",
        name: "server",
        usage: "[ADDR]",
        part: Part::UdpServer,
        partner: "your client",
        example: "127.0.0.1:7000",
        other_end: "client ADDR one \"two words\" three",
        oddities: &[Oddity::Loss, Oddity::Double, Oddity::Delay, Oddity::Stranger],
        ..PLAIN
    },
    Role {
        module: "udp-echo",
        name: "client",
        usage: "ADDR MESSAGE...",
        counts: (1, None),
        part: Part::UdpClient,
        partner: "your server",
        example: "127.0.0.1:7000 one two",
        other_end: "server ADDR",
        oddities: &[Oddity::Loss, Oddity::Double, Oddity::Delay, Oddity::Stranger],
        ..PLAIN
    },
    Role {
        module: "sticky-packet",
        name: "receive",
        usage: "[ADDR] FRAMING",
        counts: (1, Some(1)),
        partner: "your sender",
        example: "127.0.0.1:7000 length",
        other_end: "send ADDR FRAMING one two three",
        oddities: &[Oddity::Stall, Oddity::Reset],
        ..PLAIN
    },
    Role {
        module: "sticky-packet",
        name: "send",
        usage: "ADDR FRAMING MESSAGE...",
        counts: (2, None),
        part: Part::TcpClient,
        partner: "your receiver",
        example: "127.0.0.1:7000 length one two",
        other_end: "receive ADDR FRAMING",
        oddities: STREAM_ODDITIES,
        ..PLAIN
    },
    Role {
        module: "broadcast",
        name: "listen",
        usage: "[ADDR]",
        part: Part::Listener,
        partner: "your sender",
        example: "127.255.255.255:7000",
        other_end: "send ADDR \"hello, everybody\"",
        ..PLAIN
    },
    Role {
        module: "broadcast",
        name: "send",
        usage: "ADDR MESSAGE...",
        counts: (1, None),
        part: Part::UdpClient,
        partner: "your listener",
        example: "127.255.255.255:7000 hello",
        other_end: "listen ADDR",
        oddities: &[Oddity::Loss, Oddity::Double, Oddity::Delay, Oddity::Stranger],
        ..PLAIN
    },
    Role {
        module: "sockopt-inspect",
        name: "tcp",
        usage: "[ADDR]",
        part: Part::TcpWitness,
        partner: "your socket",
        example: "127.0.0.1:7000",
        other_end: "tcp ADDR SO_LINGER=0",
        oddities: &[Oddity::Reset],
        ..PLAIN
    },
    Role {
        module: "sockopt-inspect",
        name: "udp",
        usage: "[ADDR]",
        part: Part::UdpWitness,
        partner: "your socket",
        example: "127.0.0.1:7000",
        other_end: "udp ADDR",
        ..PLAIN
    },
    Role {
        module: "http-mini",
        name: "serve",
        usage: "[ADDR] DIR",
        counts: (1, Some(1)),
        partner: "your client",
        example: "127.0.0.1:7000 .",
        other_end: "get http://ADDR/Cargo.toml",
        oddities: STREAM_ODDITIES,
        ..PLAIN
    },
    Role {
        module: "http-mini",
        name: "get",
        usage: "URL",
        part: Part::HttpClient,
        partner: "your server",
        example: "http://127.0.0.1:7000/Cargo.toml",
        other_end: "serve ADDR .",
        oddities: STREAM_ODDITIES,
        ..PLAIN
    },
    Role {
        module: "file-transfer",
        name: "serve",
        usage: "[ADDR] DIR",
        counts: (1, Some(1)),
        partner: "your client",
        example: "127.0.0.1:7000 .",
        other_end: "list ADDR",
        oddities: STREAM_ODDITIES,
        ..PLAIN
    },
    Role {
        module: "file-transfer",
        name: "put",
        usage: "ADDR FILE [NAME]",
        counts: (1, Some(2)),
        part: Part::TcpClient,
        partner: "your server",
        example: "127.0.0.1:7000 Cargo.toml",
        other_end: "serve ADDR .",
        oddities: STREAM_ODDITIES,
        ..PLAIN
    },
    Role {
        module: "file-transfer",
        name: "get",
        usage: "ADDR NAME [DEST]",
        counts: (1, Some(2)),
        part: Part::TcpClient,
        partner: "your server",
        example: "127.0.0.1:7000 Cargo.toml copy",
        other_end: "serve ADDR .",
        oddities: STREAM_ODDITIES,
        ..PLAIN
    },
    Role {
        module: "file-transfer",
        name: "list",
        usage: "ADDR",
        part: Part::TcpClient,
        partner: "your server",
        example: "127.0.0.1:7000",
        other_end: "serve ADDR .",
        oddities: STREAM_ODDITIES,
        ..PLAIN
    },
];

/// The roles of a module.
pub fn of(module: &str) -> impl Iterator<Item = &'static Role> {
    ROLES.iter().filter(move |role| role.module == module)
}

/// The role of this name, or an error that suggests the nearest names.
///
/// # Errors
///
/// The module has no such partner.
pub fn find(module: &str, name: &str) -> anyhow::Result<&'static Role> {
    if let Some(role) = of(module).find(|role| role.name == name) {
        return Ok(role);
    }
    if (module, name) == ("broadcast", "address") {
        bail!(
            "`broadcast address` talks to nobody, so it cannot be anybody's partner; \
             the roles of broadcast are listen, send"
        );
    }
    let names: Vec<&str> = of(module).map(|role| role.name).collect();
    let plural = format!("the roles of {module}");
    bail!("{module} has no role `{name}`; {}", modules::suggest(name, &names, &plural))
}

impl Role {
    /// Whether this role waits for the learner's program, so that its address may be left out.
    pub fn waits(&self) -> bool {
        !matches!(self.part, Part::TcpClient | Part::HttpClient | Part::UdpClient)
    }

    /// The address where none is given.
    pub fn default_address(&self) -> &'static str {
        match self.part {
            // Linux delivers to a socket bound to the broadcast address, elsewhere only a socket
            // bound to every address hears it.
            Part::Listener if cfg!(target_os = "linux") => "127.255.255.255:0",
            Part::Listener => "0.0.0.0:0",
            _ => "127.0.0.1:0",
        }
    }

    /// Takes the arguments apart: the address, or the URL, and what stands after it.
    ///
    /// # Errors
    ///
    /// There are too few or too many.
    pub fn split<'a>(&self, arguments: &'a [String]) -> anyhow::Result<(&'a str, &'a [String])> {
        let (least, most) = self.counts;
        let too_many = |given: usize| most.is_some_and(|most| given > most);
        let (address, rest) = match arguments {
            _ if self.waits() && arguments.len() == least => (self.default_address(), arguments),
            [address, rest @ ..] if rest.len() >= least && !too_many(rest.len()) => {
                (address.as_str(), rest)
            }
            [_, rest @ ..] if too_many(rest.len()) => bail!(
                "{} takes no argument {:?}: {}",
                self.title(),
                rest[most.unwrap_or(0)],
                self.how()
            ),
            _ => bail!("{} misses an argument: {}", self.title(), self.how()),
        };
        Ok((address, rest))
    }

    /// The module and the role: `tcp-echo server`.
    pub fn title(&self) -> String {
        format!("{} {}", self.module, self.name)
    }

    /// How to call it, with an example.
    fn how(&self) -> String {
        let Self { usage, example, .. } = self;
        let title = self.title();
        format!("it takes {usage}, as in `cargo xtask peer {title} {example}`")
    }

    /// The learner's command for the other end of a conversation at `address`.
    pub fn other_end(&self, address: &str, rest: &[String]) -> String {
        let framing = rest.first().map_or("", String::as_str);
        let arguments = self.other_end.replace("ADDR", address).replace("FRAMING", framing);
        format!("cargo run -p {} -- {arguments}", self.module)
    }
}

#[cfg(test)]
mod tests {
    use super::{ROLES, find, of};
    use crate::modules::TAUGHT;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_module_has_a_partner_and_every_example_fits_its_usage() {
        for module in TAUGHT {
            assert!(of(module.name).next().is_some(), "{} has no partner", module.name);
        }
        for role in ROLES {
            assert!(TAUGHT.iter().any(|module| module.name == role.module), "{}", role.module);
            let example: Vec<String> = role
                .example
                .split('"')
                .enumerate()
                .flat_map(|(at, piece)| match at % 2 {
                    0 => words(piece),
                    _ => vec![piece.to_owned()],
                })
                .collect();
            let (address, _) = role.split(&example).expect(role.usage);
            assert_eq!(address, example[0]);
        }
    }

    #[test]
    fn the_address_of_a_server_may_be_left_out() {
        let serve = find("http-mini", "serve").expect("the role");
        let folder = words("site");
        assert_eq!(serve.split(&folder).expect("a folder"), ("127.0.0.1:0", folder.as_slice()));
        let both = words("127.0.0.1:7000 site");
        assert_eq!(serve.split(&both).expect("both"), ("127.0.0.1:7000", &both[1..]));
        let error = serve.split(&[]).expect_err("the folder is missing").to_string();
        assert!(error.contains("[ADDR] DIR"), "{error}");
        let error = serve.split(&words("127.0.0.1:7000 a b")).expect_err("too many").to_string();
        assert!(error.contains("\"b\""), "{error}");
    }

    #[test]
    fn an_unknown_role_is_answered_with_the_nearest() {
        let error = find("tcp-echo", "sever").expect_err("no such role").to_string();
        assert_eq!(error, "tcp-echo has no role `sever`; did you mean `server`?");
        let error = find("sockopt-inspect", "zzz").expect_err("no such role").to_string();
        assert!(error.contains("the roles of sockopt-inspect are tcp, udp"), "{error}");
    }
}
