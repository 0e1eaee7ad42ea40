//! `cargo xtask peer`: the reference as a working partner for one's own program, with a log of the
//! conversation.
//!
//! The reference runs plainly, as any program of the user's: it reads the files that it is told to.
//! Between it and the learner's program stands a relay of the runner's, which sees every byte and
//! can be odd on purpose. Broadcast's listener has none, since a listener shares its port with
//! others and gets the datagrams itself; what it prints is the log.

mod ending;
mod log;
mod roles;
mod session;
mod tcp;
mod udp;
mod weird;
mod witness;

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use grader::module::Module;

use crate::interrupt::Group;
use crate::workspace::{Owner, Workspace};
use crate::{build, grade, modules, output};
use ending::{Ender, Ending};
use log::Log;
use roles::{Part, Role};
use session::{Aliases, News, Partner, Start};
use tcp::Caller;
use weird::Weird;

/// Talk to the reference: a working server, client, sender or listener for your own program.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The module; without one, all partners are listed. Inside a module's folder it may be left
    /// out before a role.
    #[arg(value_name = "MODULE")]
    module: Option<String>,
    /// The partner's role; without one, the module's partners are listed.
    #[arg(value_name = "ROLE")]
    role: Option<String>,
    /// What the role takes, as on the module's own command line; an ADDR to listen on may be left
    /// out. One that begins with a dash stands after `--`.
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
    /// Be odd on purpose, as networks and peers are: dribs, stall, reset for streams; loss, double,
    /// delay, stranger for datagrams; without names, all that the role has.
    #[arg(long, value_name = "KIND,...", num_args = 0..=1, require_equals = true,
        default_missing_value = "")]
    weird: Option<String>,
    /// The seed of the oddities, as an earlier session printed it.
    #[arg(long, value_name = "N", requires = "weird")]
    seed: Option<u64>,
    /// Also write the log to this file, after what it holds.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Show no log on standard error, only what the partner prints itself.
    #[arg(long)]
    quiet: bool,
}

/// All that a session needs to begin.
struct Session {
    role: &'static Role,
    address: String,
    rest: Vec<String>,
    weird: Weird,
    log: Log,
    aliases: Aliases,
    command: String,
    news: (Sender<News>, Receiver<News>),
    ending: Ending,
    ender: Ender,
}

/// A relay at work.
type Working = JoinHandle<anyhow::Result<()>>;

/// Runs the command. The status is the partner's own; 2 if it did not come to a conversation.
///
/// # Errors
///
/// Wrong usage, an address that cannot be used, a learner's program that does not listen, or a
/// reference that cannot be built or ends before it is ready.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Some(module) = &arguments.module else {
        output::tell(&list(None))?;
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(stood_in) = left_out(module) {
        // What stood in the module's place is the role, and so on.
        let all = arguments.role.iter().chain(&arguments.arguments);
        let all: Vec<String> = all.cloned().collect();
        return begin(roles::find(stood_in.name, module)?, &all, arguments);
    }
    let module = modules::find(module)?;
    let Some(role) = &arguments.role else {
        output::tell(&list(Some(module.name)))?;
        return Ok(ExitCode::SUCCESS);
    };
    begin(roles::find(module.name, role)?, &arguments.arguments, arguments)
}

/// The module in whose folder the user stands, if `name` is no module and one of that one's roles.
fn left_out(name: &str) -> Option<&'static Module> {
    let is_module = modules::TAUGHT.iter().any(|module| module.name == name);
    let stood_in = Workspace::find().ok()?.module_stood_in()?;
    let is_role = roles::of(stood_in.name).any(|role| role.name == name);
    (is_role && !is_module).then_some(stood_in)
}

fn begin(role: &'static Role, words: &[String], arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let is_new_log = arguments.log.as_ref().filter(|log| !log.exists());
    let result = Session::prepare(role, words, arguments).and_then(converse);
    if let (Err(_), Some(log)) = (&result, is_new_log)
        && fs_err::metadata(log).is_ok_and(|log| log.is_file() && log.len() == 0)
    {
        // It did not come to a conversation, so there is no log of one.
        _ = fs_err::remove_file(log);
    }
    result
}

fn converse(session: Session) -> anyhow::Result<ExitCode> {
    match session.role.part {
        Part::TcpServer => tcp_server(session),
        Part::TcpClient | Part::HttpClient => tcp_client(session),
        Part::UdpServer => udp_server(session),
        Part::UdpClient => udp_client(session),
        Part::Listener => listener(session),
        Part::TcpWitness => tcp_witness(&session),
        Part::UdpWitness => udp_witness(&session),
    }
}

/// The partners of one module or of all, with an example each.
fn list(module: Option<&str>) -> String {
    let mut told = String::from(
        "A working partner for your own program, with a log of the conversation:\n\n  \
         cargo xtask peer MODULE ROLE [ARGUMENT]... [--weird]\n",
    );
    let mut last = "";
    for role in roles::ROLES.iter().filter(|role| module.is_none_or(|name| name == role.module)) {
        if role.module != last {
            _ = write!(told, "\n{}\n", role.module);
            last = role.module;
        }
        let Role { name, usage, partner, example, .. } = role;
        _ = writeln!(told, "  {:<30}for {partner}", format!("{name} {usage}"));
        _ = writeln!(told, "    cargo xtask peer {} {example}", role.title());
    }
    told.push_str(
        "\nADDR is HOST:PORT. A partner that waits for your program needs none: it says where it \
         listens. --weird makes it odd, as networks are; --log FILE keeps the log.\n",
    );
    told
}

impl Session {
    fn prepare(
        role: &'static Role,
        words: &[String],
        arguments: &Arguments,
    ) -> anyhow::Result<Self> {
        let (address, rest) = role.split(words)?;
        let weird = match &arguments.weird {
            Some(kinds) => {
                let seed = arguments.seed.unwrap_or_else(grade::random_seed);
                Weird::parse(kinds, role, seed)?
            }
            None => Weird::none(),
        };
        if role.name == "serve" {
            must_be_folder(role, &rest[0])?;
        }
        let (ending, ender) = Ending::new().context("make a pipe")?;
        let command = format!("cargo xtask peer {} {}", role.title(), words.join(" "));
        Ok(Self {
            role,
            address: address.to_owned(),
            rest: rest.to_vec(),
            weird,
            log: Log::new(role.partner, arguments.quiet, arguments.log.as_deref())?,
            aliases: Aliases::default(),
            command: command.trim_end().to_owned(),
            news: mpsc::channel(),
            ending,
            ender,
        })
    }

    /// Builds and starts the reference with these arguments after its role's name.
    fn start(&self, program: &Path, arguments: &[&str]) -> anyhow::Result<(Partner, Group)> {
        let mut all = vec![self.role.name];
        all.extend(arguments);
        let has_message = !self.rest.is_empty();
        let start = Start {
            program,
            arguments: all,
            announces: self.role.waits(),
            reads_stdin: self.role.reads_stdin && !has_message,
        };
        Partner::start(start, &self.log, &self.aliases, &self.news.0)
    }

    fn rest(&self) -> Vec<&str> {
        self.rest.iter().map(String::as_str).collect()
    }

    /// The head of the log.
    fn begin(&self, advice: &str) {
        self.log.begin(&self.command, advice);
        if self.weird.is_any() {
            self.log.tell(&self.weird.told());
        }
    }

    /// Says on standard output where to find the partner, as every server of the course does.
    fn announce(&self, address: SocketAddr) -> anyhow::Result<()> {
        let printed = self.log.print(format!("listening on {address}\n").as_bytes());
        match printed {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(error).context("write to standard output")
            }
            _ => {
                let other = self.role.other_end(&reachable(address).to_string(), &self.rest);
                // On a line of its own, so that it can be copied.
                self.begin(&format!(
                    "Now, in another terminal (Ctrl-C ends it here):\n  {other}\n"
                ));
                self.log.show_head();
                Ok(())
            }
        }
    }

    /// Waits for the end of the partner and of the relay; the status is the partner's.
    fn end(
        self,
        mut partner: Partner,
        group: Group,
        relay: Option<Working>,
    ) -> anyhow::Result<ExitCode> {
        let news = self.news.1.recv();
        if let Ok(News::Failed { error, _held }) = news {
            partner.kill();
            _ = partner.finish()?;
            drop(group);
            self.log.finish();
            return Err(self.unreachable(error));
        }
        partner.drain();
        // Only now: what it said comes before the relay's last words.
        drop(self.ender);
        if let Some(relay) = relay {
            match relay.join() {
                Ok(result) => result?,
                Err(_) => bail!("the relay panicked"),
            }
        }
        let (status, _) = partner.finish()?;
        drop(group);
        self.log.note(None, session::told(status));
        self.log.finish();
        // A failure that came in the last moments, when the partner had sent all that it had.
        if let Ok(News::Failed { error, .. }) = self.news.1.try_recv() {
            return Err(unreachable(self.role, &self.address, &self.rest, error));
        }
        Ok(session::passed_on(status))
    }

    fn unreachable(&self, error: anyhow::Error) -> anyhow::Error {
        unreachable(self.role, &self.address, &self.rest, error)
    }

    /// Waits for the ready line of a reference that listens.
    fn ready(&self, partner: Partner) -> anyhow::Result<(Partner, SocketAddr)> {
        match self.news.1.recv() {
            Ok(News::Ready(address)) => Ok((partner, address)),
            _ => {
                let title = self.role.title();
                let (status, said) = partner.finish()?;
                let said = said.lines().next().unwrap_or("it says nothing on stderr").to_owned();
                bail!("{title} ended before it listened ({status}): {said}")
            }
        }
    }
}

/// Why the learner's program was not reached, and how to start it if it seems not to run.
fn unreachable(role: &Role, address: &str, rest: &[String], error: anyhow::Error) -> anyhow::Error {
    let is_refused = error.chain().any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
    });
    if !is_refused {
        return error;
    }
    let host = match role.part {
        Part::HttpClient => split_url(address).map_or(address, |(host, _)| host),
        _ => address,
    };
    let other = role.other_end(host, rest);
    let partner = role.partner;
    anyhow!("{error:#}; {partner} has to listen there first:\n  {other}")
}

/// The reference behind a stream relay.
fn tcp_server(session: Session) -> anyhow::Result<ExitCode> {
    let listener = bind(&session.address, TcpListener::bind)?;
    let own = listener.local_addr().context("read the relay's own address")?;
    let program = reference(session.role)?;
    let mut arguments = vec![inner_address(own)];
    arguments.extend(session.rest());
    let (partner, group) = session.start(&program, &arguments)?;
    let (partner, target) = session.ready(partner)?;
    session.aliases.add(target, &own.to_string());
    session.announce(own)?;
    let relay = stream_relay(&session, listener, Caller::Learner, vec![target])?;
    session.end(partner, group, Some(relay))
}

/// The reference led to the learner's server.
fn tcp_client(session: Session) -> anyhow::Result<ExitCode> {
    let (host, path) = match session.role.part {
        Part::HttpClient => {
            let (host, path) = split_url(&session.address)?;
            (with_port(host), Some(path.to_owned()))
        }
        _ => (session.address.clone(), None),
    };
    let targets = resolve(&host)?;
    let listener = TcpListener::bind(loopback_like(targets[0])).context("make the relay")?;
    let own = listener.local_addr().context("read the relay's own address")?;
    session.aliases.add(own, &host);
    let program = reference(session.role)?;
    let types = session.role.reads_stdin && session.rest.is_empty() && is_terminal_stdin();
    session.begin(if types { "Type what the client sends; Ctrl-D ends it.\n" } else { "" });
    let relay = stream_relay(&session, listener, Caller::Reference, targets)?;
    let address = match path {
        Some(path) => {
            session.log.foreword(&format!("Host will name the relay in between, {own}"));
            format!("http://{own}{path}")
        }
        None => own.to_string(),
    };
    let mut arguments = vec![address.as_str()];
    arguments.extend(session.rest());
    let (partner, group) = session.start(&program, &arguments)?;
    session.end(partner, group, Some(relay))
}

fn stream_relay(
    session: &Session,
    listener: TcpListener,
    caller: Caller,
    targets: Vec<SocketAddr>,
) -> anyhow::Result<Working> {
    let relay = tcp::Relay {
        caller,
        targets,
        role: session.role,
        weird: session.weird.clone(),
        log: session.log.clone(),
        aliases: session.aliases.clone(),
        news: session.news.0.clone(),
        ending: session.ending.clone(),
    };
    spawn(move || tcp::run(&listener, relay))
}

/// The reference behind a datagram relay.
fn udp_server(session: Session) -> anyhow::Result<ExitCode> {
    let socket = bind(&session.address, UdpSocket::bind)?;
    let own = socket.local_addr().context("read the relay's own address")?;
    let program = reference(session.role)?;
    let (partner, group) = session.start(&program, &[inner_address(own)])?;
    let (partner, target) = session.ready(partner)?;
    session.aliases.add(target, &own.to_string());
    session.announce(own)?;
    let relay = datagram_relay(&session, socket, Caller::Learner, vec![target])?;
    session.end(partner, group, Some(relay))
}

/// The reference led to the learner's server or listener.
fn udp_client(session: Session) -> anyhow::Result<ExitCode> {
    let targets = resolve(&session.address)?;
    let socket = UdpSocket::bind(loopback_like(targets[0])).context("make the relay")?;
    let own = socket.local_addr().context("read the relay's own address")?;
    session.aliases.add(own, &session.address);
    let program = reference(session.role)?;
    session.begin("");
    let relay = datagram_relay(&session, socket, Caller::Reference, targets)?;
    let address = own.to_string();
    let mut arguments = vec![address.as_str()];
    arguments.extend(session.rest());
    let (partner, group) = session.start(&program, &arguments)?;
    session.end(partner, group, Some(relay))
}

fn datagram_relay(
    session: &Session,
    socket: UdpSocket,
    caller: Caller,
    targets: Vec<SocketAddr>,
) -> anyhow::Result<Working> {
    let relay = udp::Relay {
        caller,
        socket,
        targets: targets.into(),
        role: session.role,
        whims: session.weird.whims(),
        log: session.log.clone(),
        aliases: session.aliases.clone(),
        news: session.news.0.clone(),
        ending: session.ending.clone(),
    };
    spawn(move || udp::run(relay))
}

/// Broadcast's listener, without a relay.
fn listener(session: Session) -> anyhow::Result<ExitCode> {
    resolve(&session.address)?;
    let program = reference(session.role)?;
    let (partner, group) = session.start(&program, &[&session.address])?;
    let (partner, own) = session.ready(partner)?;
    session.announce(own)?;
    session.log.note(None, "what the listener hears, it prints: a line a datagram");
    session.end(partner, group, None)
}

fn tcp_witness(session: &Session) -> anyhow::Result<ExitCode> {
    let listener = bind(&session.address, TcpListener::bind)?;
    session.announce(listener.local_addr().context("read the listener's own address")?)?;
    witness::tcp(&listener, session.role, &session.weird, &session.log)
}

fn udp_witness(session: &Session) -> anyhow::Result<ExitCode> {
    let socket = bind(&session.address, UdpSocket::bind)?;
    session.announce(socket.local_addr().context("read the socket's own address")?)?;
    witness::udp(&socket, &session.log)?;
    Ok(ExitCode::SUCCESS)
}

fn spawn(work: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> anyhow::Result<Working> {
    thread::Builder::new().name("relay".into()).spawn(work).context("start the relay")
}

/// Builds the reference of a module.
fn reference(role: &Role) -> anyhow::Result<PathBuf> {
    let workspace = Workspace::find()?;
    let built = build::build(&workspace, &[role.module], Owner::Reference, false)?;
    let package = Owner::Reference.package(role.module);
    // The compiler's words would show the source, which is to stay out of sight.
    let executable = built.outcomes.into_iter().next().and_then(|outcome| outcome.executable);
    executable.with_context(|| {
        format!("the reference does not build: `cargo build -p {package}` shows why")
    })
}

/// Binds to the first address of `HOST:PORT` that can be had.
fn bind<T>(address: &str, open: impl Fn(SocketAddr) -> io::Result<T>) -> anyhow::Result<T> {
    let mut failure = None;
    for candidate in resolve(address)? {
        match open(candidate) {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = Some((candidate, error)),
        }
    }
    let Some((candidate, error)) = failure else { bail!("{address} has no address") };
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; end the program that has it, or take another port (0 lets the system pick one)"
        }
        io::ErrorKind::AddrNotAvailable => "; it is no address of this machine",
        io::ErrorKind::PermissionDenied => "; ports below 1024 are the system's",
        _ => "",
    };
    bail!("cannot listen on {candidate}: {error}{advice}")
}

fn resolve(address: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let example = "ADDR is HOST:PORT, such as 127.0.0.1:7000 or [::1]:7000";
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !has_port {
        bail!("`{address}` is no address: {example}");
    }
    let found = address.to_socket_addrs();
    let found: Vec<SocketAddr> =
        found.with_context(|| format!("look up `{address}` ({example})"))?.collect();
    if found.is_empty() {
        bail!("`{address}` has no address: {example}");
    }
    Ok(found)
}

/// Where the reference listens behind the relay.
fn inner_address(relay: SocketAddr) -> &'static str {
    if relay.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" }
}

fn loopback_like(target: SocketAddr) -> SocketAddr {
    match target {
        SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
    }
}

/// An address at which a socket bound to `address` is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let host: IpAddr = match address.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, address.port())
}

/// Takes `http://HOST[:PORT]/PATH` apart, before the path.
fn split_url(url: &str) -> anyhow::Result<(&str, &str)> {
    let scheme = "http://";
    let rest = match url.get(..scheme.len()) {
        Some(begin) if begin.eq_ignore_ascii_case(scheme) => &url[scheme.len()..],
        _ => bail!("`{url}` is no URL for it: it takes http://HOST[:PORT][/PATH]"),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    if host.is_empty() || host.contains('@') {
        bail!("`{url}` names no host: it takes http://HOST[:PORT][/PATH]");
    }
    Ok((host, path))
}

/// `host` with the port of HTTP where it has none.
fn with_port(host: &str) -> String {
    let after_bracket = host.rfind(']').map_or(0, |at| at + 1);
    if host[after_bracket..].contains(':') { host.to_owned() } else { format!("{host}:80") }
}

fn must_be_folder(role: &Role, folder: &str) -> anyhow::Result<()> {
    if Path::new(folder).is_dir() {
        return Ok(());
    }
    let title = role.title();
    if folder.parse::<SocketAddr>().is_ok() {
        bail!("{title} misses its folder: it takes {}", role.usage);
    }
    bail!("{title}: there is no folder `{folder}`");
}

fn is_terminal_stdin() -> bool {
    io::IsTerminal::is_terminal(&io::stdin())
}

#[cfg(test)]
mod tests {
    use super::{list, split_url, with_port};

    #[test]
    fn the_list_fits_sixty_columns_and_ends_lines() {
        let told = list(None);
        // The others are filled when they are printed, and a command stays whole.
        let rows = told.lines().filter(|line| line.starts_with("  "));
        for line in rows.filter(|line| !line.contains("cargo xtask peer")) {
            assert!(line.chars().count() <= 60, "{line}");
        }
        assert!(list(Some("udp-echo")).contains("peer udp-echo client 127.0.0.1:7000 one two"));
        assert!(!list(Some("udp-echo")).contains("tcp-echo"));
    }

    #[test]
    fn a_url_is_split_before_its_path() {
        assert_eq!(split_url("HTTP://a:7000/x?y").expect("a URL"), ("a:7000", "/x?y"));
        assert_eq!(split_url("http://[::1]?q").expect("a URL"), ("[::1]", "?q"));
        assert_eq!(with_port("[::1]"), "[::1]:80");
        assert_eq!(with_port("[::1]:7000"), "[::1]:7000");
        assert!(split_url("https://a/").is_err());
        assert!(split_url("http://").is_err());
    }
}
