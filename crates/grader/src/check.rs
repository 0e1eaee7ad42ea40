//! What a check is given: the program, random bytes, a folder of its own, and peers to play.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use sandbox::{Job, Sandbox};

use crate::context::{Context, ProgramState};
use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::lab::Host;
use crate::module::Target;
use crate::pattern::{Pattern, Random};
use crate::process::{Program, Server};
use crate::record::{Lane, What};
use crate::tcp::{self, Connection, Listener};
use crate::udp::DatagramPeer;
use crate::wording::{lab as words, steps};

/// One running check.
pub struct Check<'a> {
    pub(crate) context: Rc<Context>,
    sandbox: &'a Sandbox,
    target: &'a Target,
    folder: PathBuf,
    random: Random,
    /// Roles, and the hosts of the lab on which they play.
    started: Vec<(String, Option<std::net::Ipv4Addr>)>,
    environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    hosts: Option<String>,
    /// The lab, while the check has it: behind `context`, whose programs are to end before another
    /// check gets it.
    pub(crate) turn: Option<Rc<netlab::Turn<'a>>>,
    /// It has asked for the lab itself, so that its seed decides what befalls packets.
    pub(crate) is_in_lab: bool,
}

impl<'a> Check<'a> {
    pub(crate) fn new(
        sandbox: &'a Sandbox,
        target: &'a Target,
        folder: PathBuf,
        random: Random,
        deadline: Duration,
    ) -> Self {
        let context = Rc::new(Context::new(deadline, sandbox.closed()));
        let environment = clean_environment(&folder);
        Self {
            context,
            sandbox,
            target,
            folder,
            random,
            started: Vec::new(),
            environment,
            hosts: None,
            turn: None,
            is_in_lab: false,
        }
    }

    /// The check's own folder, which is also the programs' working directory. It is gone when the
    /// check ends.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How long one wait may take.
    pub fn deadline(&self) -> Duration {
        self.context.deadline
    }

    /// From now on one wait may take so many deadlines: for a check that moves much data, on a disk
    /// that may be slow.
    pub fn be_patient(&self, deadlines: u32) {
        self.context.patience.set(deadlines);
    }

    /// The numbers that the seed gives this check.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// `count` random bytes of every value.
    pub fn random_bytes(&mut self, count: usize) -> Vec<u8> {
        self.random.bytes(count)
    }

    /// `count` random letters.
    pub fn random_text(&mut self, count: usize) -> String {
        self.random.letters(count)
    }

    /// `count` random letters, made quickly: for long payloads that should not fail a program that
    /// takes bytes for text.
    pub fn long_text(&mut self, count: usize) -> Vec<u8> {
        Pattern::of_letters(&mut self.random, count as u64).copy(0, count)
    }

    /// A long run of random bytes that is not held in memory.
    pub fn pattern(&mut self, total_bytes: u64) -> Pattern {
        Pattern::new(&mut self.random, total_bytes)
    }

    /// Starts the program with `arguments`; the first one is its role.
    ///
    /// # Errors
    ///
    /// The grader's error, if the program cannot be started.
    pub fn start<I>(&mut self, arguments: I) -> Verdict<Program>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.start_job(arguments, |_| {})
    }

    /// As [`Check::start`], with a word on how: limits, descriptors, a network of its own.
    ///
    /// # Errors
    ///
    /// As [`Check::start`]; what this machine cannot give is `Unsupported`.
    pub fn start_job<I>(&mut self, arguments: I, adjust: impl FnOnce(&mut Job)) -> Verdict<Program>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        self.start_at(None, arguments, adjust)
    }

    /// Starts the program, on a host of the lab or on this machine.
    pub(crate) fn start_at<I>(
        &mut self,
        host: Option<&Host>,
        arguments: I,
        adjust: impl FnOnce(&mut Job),
    ) -> Verdict<Program>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut arguments: Vec<String> =
            arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let staged = match host {
            None => self.context.place_program(&mut arguments)?,
            Some(_) => None,
        };
        let lane = self.name_program(arguments.first().map_or("", String::as_str), host);
        let mut job = Job::new(&self.target.program, &self.folder);
        job.args = arguments.iter().map(Into::into).collect();
        job.environment.clone_from(&self.environment);
        job.hosts.clone_from(&self.hosts);
        let place = host.map(Host::raw).or(staged.as_ref());
        if let Some(host) = place {
            job.network = host.network();
            self.context.cast.borrow_mut().push((host.name().to_owned(), lane.program.clone()));
        }
        adjust(&mut job);
        if staged.is_some() && !matches!(job.network, sandbox::Network::Given(_)) {
            return Err(Stop::Unsupported(words::network_of_its_own().to_owned()));
        }
        let command = steps::command(&self.target.program, &arguments);
        self.context.recorder.record(&lane, What::Started { command });
        let running = self.sandbox.spawn(&job).map_err(|error| match error.kind() {
            std::io::ErrorKind::Unsupported => {
                // It was not started: the check may go on with less.
                self.context.recorder.withdraw_start(&lane);
                self.started.pop();
                Stop::Unsupported(steps::not_given_here(&error))
            }
            _ => Stop::Error(anyhow::Error::from(error).context(steps::cannot_start())),
        })?;
        let mut programs = self.context.programs.borrow_mut();
        programs.push(ProgramState::new(lane, running));
        Ok(Program::new(Rc::clone(&self.context), programs.len() - 1))
    }

    /// Whether the check is moved into a lab to be traced. What needs a network or a disk of its
    /// own is `Unsupported` there, also where this machine has it.
    pub fn is_traced(&self) -> bool {
        self.context.is_staged()
    }

    /// Starts a program that must say `listening on IP:PORT`, and waits until it does.
    ///
    /// A ready line that is missing or wrong costs only the check that is about it: if the program
    /// listens all the same, its address is read from its socket.
    ///
    /// # Errors
    ///
    /// A failure if the program ends, or does not listen before the deadline.
    pub fn start_server<I>(&mut self, arguments: I) -> Verdict<Server>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let program = self.start(arguments)?;
        Server::ready(program, crate::sockets::listening)
    }

    /// As [`Check::start_server`], with a word on how: limits, descriptors, a disk of its own.
    ///
    /// # Errors
    ///
    /// As [`Check::start_server`]; what this machine cannot give is `Unsupported`.
    pub fn start_server_job<I>(
        &mut self,
        arguments: I,
        adjust: impl FnOnce(&mut Job),
    ) -> Verdict<Server>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let program = self.start_job(arguments, adjust)?;
        Server::ready(program, crate::sockets::listening)
    }

    /// Starts a server where one has listened before. Should a stranger have taken the port in
    /// between, that is no fault of the program's.
    ///
    /// # Errors
    ///
    /// As [`Check::start_server`]; the grader's error if somebody else listens at `address`.
    pub fn restart_server(&mut self, role: &str, address: SocketAddr) -> Verdict<Server> {
        let started = self.start_server([role, &address.to_string()]);
        match started {
            Err(Stop::Failed(_))
                if !self.context.is_staged() && std::net::TcpStream::connect(address).is_ok() =>
            {
                Err(Stop::Error(anyhow::anyhow!(steps::port_lost(address))))
            }
            other => other,
        }
    }

    /// A peer of the grader's for the program to connect to, at a free port of `host` ("127.0.0.1",
    /// "::1").
    ///
    /// # Errors
    ///
    /// The grader's error, or `Unsupported` if this machine has no such address.
    pub fn listen(&mut self, host: &str) -> Verdict<Listener> {
        Listener::open(Rc::clone(&self.context), host, &tcp::Buffers::default())
    }

    /// As [`Check::listen`], at exactly this address: for a port that a protocol fixes.
    ///
    /// # Errors
    ///
    /// `Unsupported` if it is taken, or is not for everybody.
    pub fn listen_at(&mut self, address: SocketAddr) -> Verdict<Listener> {
        Listener::open_exactly(Rc::clone(&self.context), address)
    }

    /// As [`Check::listen`], with small kernel buffers on the grader's side.
    ///
    /// # Errors
    ///
    /// As [`Check::listen`].
    pub fn listen_with(&mut self, host: &str, buffers: &tcp::Buffers) -> Verdict<Listener> {
        Listener::open(Rc::clone(&self.context), host, buffers)
    }

    /// A datagram socket of the grader's at a free port of `host` ("127.0.0.1", "::1").
    ///
    /// # Errors
    ///
    /// The grader's error, or `Unsupported` if this machine has no such address.
    pub fn datagram_peer(&mut self, host: &str) -> Verdict<DatagramPeer> {
        DatagramPeer::open(Rc::clone(&self.context), host)
    }

    /// Starts a program that receives datagrams, and waits until it says `listening on IP:PORT`; as
    /// [`Check::start_server`].
    ///
    /// # Errors
    ///
    /// As [`Check::start_server`].
    pub fn start_datagram_server<I>(&mut self, arguments: I) -> Verdict<Server>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let program = self.start(arguments)?;
        Server::ready(program, crate::sockets::bound_datagram)
    }

    /// An address at which a connection is refused: bound, so nobody else gets it, and not
    /// listening.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn refusing(&mut self, host: &str) -> Verdict<tcp::Refusing> {
        tcp::Refusing::open(&self.context, host)
    }

    /// Connects to `server`.
    ///
    /// # Errors
    ///
    /// A failure if the connection is refused.
    pub fn connect(&mut self, server: &Server) -> Verdict<Connection> {
        server.connect()
    }

    /// Records a word of the check's own.
    pub fn note(&self, text: impl Into<String>) {
        self.context.recorder.record(&Lane::default(), What::Note { text: text.into() });
    }

    /// Records that this machine lacks something and that the check goes on in a form that some
    /// wrong programs pass which the whole one would fail. The report says so.
    pub fn take_weaker_form(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.note(reason.clone());
        self.context.weaker_form.replace(Some(reason));
    }

    /// A failure of this check with its own words.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn fail<T>(
        &self,
        symptom: Symptom,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Verdict<T> {
        Err(self.context.fail(Failure::new(symptom, expected, got)))
    }

    pub(crate) fn sandbox(&self) -> &'a Sandbox {
        self.sandbox
    }

    /// What programs find in their environment.
    pub(crate) fn environment(&self) -> &[(std::ffi::OsString, std::ffi::OsString)] {
        &self.environment
    }

    /// Programs that are started from now on see `hosts` as /etc/hosts, and one more variable in
    /// their environment.
    pub(crate) fn give_hosts(&mut self, hosts: String, (name, value): (&str, &str)) {
        self.hosts = Some(hosts);
        self.environment.push((name.into(), value.into()));
    }

    /// "your server", "your second server", "your server on 172.60.50.11".
    fn name_program(&mut self, role: &str, host: Option<&Host>) -> Lane {
        let (role, address) = (steps::role_name(role), host.map(Host::address));
        self.started.push((role.clone(), address));
        let is_alike = |(other, place): &&(String, _)| *other == role && *place == address;
        let ordinal = self.started.iter().filter(is_alike).count();
        let name = steps::program_name(&role, ordinal);
        let program = address.map_or(name.clone(), |address| words::on_host(&name, address));
        Lane { program, connection: None }
    }
}

/// What a program is told: where programs are, and nothing of who grades it.
fn clean_environment(folder: &Path) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    vec![
        ("PATH".into(), path),
        ("LANG".into(), "C.UTF-8".into()),
        ("HOME".into(), folder.into()),
        ("TMPDIR".into(), folder.into()),
    ]
}
