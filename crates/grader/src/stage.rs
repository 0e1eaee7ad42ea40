//! A check on two hosts of the lab, so that its packets are seen: the program on one, the grader's
//! sockets on the other.
//!
//! Nothing in a check knows of it: where it asks for a socket at 127.0.0.1, it gets one on the
//! grader's host, and a program that is to listen at 127.0.0.1:0 is told its own host's address.
//! What cannot be moved so is `Unsupported`, before any socket of the check's is opened on this
//! machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use netlab::Capture;
use sandbox::Sandbox;
use socket2::{Domain, Protocol, Socket, Type};

use crate::check::Check;
use crate::context::Context;
use crate::failure::{Stop, Verdict};
use crate::lab::{Lab, Seat};
use crate::module::Target;
use crate::pattern::Random;
use crate::record::Event;
use crate::runner;
use crate::wording::lab as words;

/// The host of the program.
const PROGRAM: &str = "alpha";
/// The host of the grader's sockets.
const GRADER: &str = "beta";
/// The host of a program that is a client of the program's own server.
const CLIENT: &str = "gamma";
/// The roles that wait for others; a second one belongs beside the first.
const SERVERS: [&str; 4] = ["server", "serve", "receive", "listen"];
/// The conversation is over when the wires have been silent for so long: longer than an
/// acknowledgement is put off (40 ms), and than the time after which a segment is sent again (200
/// ms).
const SILENCE: Duration = Duration::from_millis(260);
/// A conversation that does not come to rest is cut after so long.
const CUT_AFTER: Duration = Duration::from_secs(2);

/// The hosts of a check that has been moved into the lab.
pub(crate) struct Stage {
    program: netlab::Host,
    grader: netlab::Host,
    client: netlab::Host,
}

/// What to watch: a check, or a conversation that is like one.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The program.
    pub target: &'a Target,
    /// The check's id: with the seed it decides the random input, as in a grading.
    pub id: &'a str,
    /// Decides random input, and what befalls packets.
    pub seed: u64,
    /// How long one wait may take.
    pub deadline: Duration,
}

/// What came of a check that was watched.
#[derive(Debug)]
pub struct Traced {
    /// What the check said.
    pub verdict: Verdict,
    /// What the grader did and saw: each call an event of its own.
    pub events: Vec<Event>,
    /// When the check began, from which the events' times are counted.
    pub began: Instant,
    /// The packets, up to the moment at which the programs were ended.
    pub capture: Capture,
    /// Hosts, and the programs that ran on them.
    pub cast: Vec<(String, String)>,
    /// How many packets the switch has lost by itself, since it could not keep up.
    pub overruns: u64,
}

/// Runs `function` on the hosts of a lab.
///
/// # Errors
///
/// `Unsupported` where there is no lab; the grader's error.
pub fn trace(
    scene: &Scene<'_>,
    sandbox: &Sandbox,
    function: impl FnOnce(&mut Check) -> Verdict,
) -> Verdict<Traced> {
    let folder = sandbox.scratch().join(format!("trace-{}", scene.id));
    fs_err::create_dir(&folder)?;
    let random = Random::new(scene.seed, scene.id);
    let mut check = Check::new(sandbox, scene.target, folder.clone(), random, scene.deadline);
    check.take_stage(scene.seed)?;
    let recorder = check.context.recorder.clone();
    recorder.keep_apart();
    let verdict = catch_unwind(AssertUnwindSafe(|| {
        function(&mut check).map_err(|stop| check.context.conclude(stop))
    }));
    let verdict =
        verdict.unwrap_or_else(|panic| Err(Stop::Error(runner::panic_message(panic.as_ref()))));
    check.context.go_on();
    let turn = check.turn.clone().context("the check has no lab")?;
    let capture = check.await_silence(&turn);
    let cast = check.context.cast.borrow().clone();
    let (events, began, overruns) = (recorder.events(), recorder.began(), turn.overruns());
    // The programs end here, before the lab is somebody else's.
    drop(check);
    drop(turn);
    // What they left there goes with the run at the latest.
    let _ = sandbox::scratch::remove(&folder);
    Ok(Traced { verdict, events, began, capture, cast, overruns })
}

impl Check<'_> {
    /// This check is never moved into the lab to be traced, for this reason.
    ///
    /// # Errors
    ///
    /// `Unsupported`, in a trace.
    pub fn not_for_a_trace(&self, reason: &str) -> Verdict {
        self.context.must_be_here(reason)
    }

    fn take_stage(&mut self, seed: u64) -> Verdict {
        let turn = Rc::new(Seat::of(self.sandbox()).lab()?.take_turn(seed));
        self.turn = Some(Rc::clone(&turn));
        let lab = Lab::new(turn, Rc::clone(&self.context));
        let (program, grader) = (lab.host(PROGRAM)?, lab.host(GRADER)?);
        let client = lab.host(CLIENT)?;
        *self.context.stage.borrow_mut() = Some(Stage {
            program: program.raw().clone(),
            grader: grader.raw().clone(),
            client: client.raw().clone(),
        });
        self.context.begin_now();
        Ok(())
    }

    /// Waits until no more packets come, and takes what came.
    fn await_silence(&self, lab: &netlab::Lab) -> Capture {
        let began = Instant::now();
        let mut capture = lab.capture();
        let mut silent_since = began;
        while silent_since.elapsed() < SILENCE && began.elapsed() < CUT_AFTER {
            std::thread::sleep(SILENCE / 8);
            // What the programs print, and that they end, is part of the story; a flood is not.
            let _ = self.context.pump();
            let now = lab.capture();
            if now.packets.len() != capture.packets.len() {
                silent_since = Instant::now();
            }
            capture = now;
        }
        capture
    }
}

impl Context {
    /// Whether program and grader stand on hosts of a lab.
    pub fn is_staged(&self) -> bool {
        self.stage.borrow().is_some()
    }

    /// For what cannot be moved into a lab, for this reason.
    pub fn must_be_here(&self, reason: &str) -> Verdict {
        match self.is_staged() {
            true => Err(Stop::Unsupported(reason.to_owned())),
            false => Ok(()),
        }
    }

    /// An address of the grader's own: its host's instead of the loopback's.
    pub fn own(&self, address: SocketAddr) -> Verdict<SocketAddr> {
        let stage = self.stage.borrow();
        let Some(stage) = &*stage else { return Ok(address) };
        match address.ip() {
            IpAddr::V6(_) => Err(Stop::Unsupported(words::no_ipv6().to_owned())),
            IpAddr::V4(Ipv4Addr::LOCALHOST) => {
                Ok(SocketAddr::new(stage.grader.address().into(), address.port()))
            }
            IpAddr::V4(ip) if ip.is_loopback() => {
                Err(Stop::Unsupported(words::names_of_the_loopback().to_owned()))
            }
            IpAddr::V4(_) => Ok(address),
        }
    }

    /// The address at which a program that says that it listens at `address` is reached by the
    /// grader.
    pub fn reach(&self, address: SocketAddr) -> SocketAddr {
        let is_any = address.ip().is_unspecified() || address.ip().is_loopback();
        match &*self.stage.borrow() {
            Some(stage) if is_any => {
                SocketAddr::new(stage.program.address().into(), address.port())
            }
            _ => address,
        }
    }

    /// A socket of the grader's.
    pub fn socket(
        &self,
        address: SocketAddr,
        kind: Type,
        protocol: Protocol,
    ) -> io::Result<Socket> {
        match &*self.stage.borrow() {
            Some(stage) => {
                let socket = stage.grader.socket(Domain::IPV4.into(), kind.into(), 0)?;
                Ok(socket.into())
            }
            None => Socket::new(Domain::for_address(address), kind, Some(protocol)),
        }
    }

    /// Which host a program with these arguments runs on, if on one; the arguments then name hosts
    /// of the lab.
    pub fn place_program(&self, arguments: &mut [String]) -> Verdict<Option<netlab::Host>> {
        let stage = self.stage.borrow();
        let Some(stage) = &*stage else { return Ok(None) };
        let (program, grader) = (stage.program.address(), stage.grader.address());
        let names = |text: &str| arguments.iter().any(|argument| argument.contains(text));
        if names("::1") {
            return Err(Stop::Unsupported(words::no_ipv6().to_owned()));
        }
        if names("127.255.255.255") {
            return Err(Stop::Unsupported(words::loopback_broadcast().to_owned()));
        }
        if names("localhost") {
            return Err(Stop::Unsupported(words::names_of_the_loopback().to_owned()));
        }
        let serves = arguments.first().is_some_and(|role| SERVERS.contains(&role.as_str()));
        let is_own_client = !serves && names(&format!("{program}:"));
        for argument in arguments.iter_mut() {
            *argument = argument
                .replace("127.0.0.1:0", &format!("{program}:0"))
                .replace("127.0.0.1", &grader.to_string());
        }
        Ok(Some(if is_own_client { stage.client.clone() } else { stage.program.clone() }))
    }
}
