//! A name that stands for two addresses, of which one answers.
//!
//! What `localhost` stands for differs: ::1 and 127.0.0.1 here, 127.0.0.1 alone there, where a
//! program that tries only the first address of a name would go unnoticed. So the programs of a
//! check are given a name of its own, in an /etc/hosts that only they see.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::{Deref, DerefMut};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sandbox::Job;

use crate::check::Check;
use crate::failure::{Stop, Verdict};
use crate::tcp::{Listener, Refusing};
use crate::wording::{lab as words, steps};

/// The name. Nobody else has one below `.test` (RFC 6761, 6.2).
const NAME: &str = "two-addresses.test";
/// What it stands for: two addresses of the loopback interface, which on Linux has all of
/// 127.0.0.0/8.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];
/// Without it glibc takes only the first line of a name, unless /etc/host.conf says `multi on`:
/// host.conf(5).
const ALL_ADDRESSES: (&str, &str) = ("RESOLV_MULTI", "on");
/// How often to look for a port that is free at both addresses.
const PORT_TRIES: u32 = 50;

/// A peer of the grader's that waits at one of the addresses that a name stands for. At the others
/// a connection to its port is refused.
pub struct NamedPeer {
    address: String,
    listener: Listener,
    /// Keeps the port at the other address.
    _refusing: Option<Refusing>,
}

impl NamedPeer {
    /// Its address as a program is told: NAME:PORT.
    pub fn named_address(&self) -> &str {
        &self.address
    }
}

impl Deref for NamedPeer {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        &self.listener
    }
}

impl DerefMut for NamedPeer {
    fn deref_mut(&mut self) -> &mut Listener {
        &mut self.listener
    }
}

impl Check<'_> {
    /// Two peers that are reached by one name with two addresses: each address is the one that
    /// answers once. A resolver may sort the addresses as it likes, so whoever tries a single one
    /// fails to reach one of the peers.
    ///
    /// Every program that the check starts from now on knows the name. Where that is not to be had,
    /// there is one peer, at 127.0.0.1 and by the name of `localhost`, and the transcript says why.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn named_peers(&mut self) -> Verdict<Vec<NamedPeer>> {
        self.context.must_be_here(words::names_of_the_loopback())?;
        match self.know_name() {
            Ok(()) => {}
            Err(reason) => return self.peer_at_localhost(&reason.to_string()),
        }
        let [first, second] = ADDRESSES;
        let peers: Verdict<Vec<_>> = [(first, second), (second, first)]
            .into_iter()
            .map(|(answering, refusing)| self.named_peer(answering, refusing))
            .collect();
        match peers {
            Err(Stop::Unsupported(reason)) => self.peer_at_localhost(&reason),
            other => other,
        }
    }

    fn named_peer(&mut self, answering: Ipv4Addr, refusing: Ipv4Addr) -> Verdict<NamedPeer> {
        for _ in 0..PORT_TRIES {
            let refusing = self.refusing(&refusing.to_string())?;
            let port = refusing.address().port();
            let answering = SocketAddr::from((answering, port));
            match self.listen_at(answering) {
                Ok(listener) => {
                    self.note(steps::two_addresses(NAME, refusing.address(), answering));
                    let address = format!("{NAME}:{port}");
                    return Ok(NamedPeer { address, listener, _refusing: Some(refusing) });
                }
                // The port is somebody's there.
                Err(Stop::Unsupported(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Err(Stop::Unsupported(steps::no_common_port(answering, refusing)))
    }

    fn peer_at_localhost(&mut self, reason: &str) -> Verdict<Vec<NamedPeer>> {
        self.take_weaker_form(steps::localhost_instead(reason));
        let listener = self.listen("127.0.0.1")?;
        let address = format!("localhost:{}", listener.address().port());
        Ok(vec![NamedPeer { address, listener, _refusing: None }])
    }

    /// Gives the programs that are started from now on an /etc/hosts with the name, if this
    /// machine's resolver then finds both of its addresses: it may ask a service of the machine's
    /// instead (nscd, systemd-resolved), or nobody.
    fn know_name(&mut self) -> io::Result<()> {
        let own = std::fs::read("/etc/hosts")?;
        let mut hosts = String::from_utf8_lossy(&own).into_owned();
        for address in ADDRESSES {
            // The last line of the machine's file may lack its end.
            hosts.push_str(&format!("\n{address} {NAME}"));
        }
        hosts.push('\n');
        let mut job = Job::new("getent", self.folder());
        job.args = vec!["ahosts".into(), NAME.into()];
        job.environment = self.environment().to_vec();
        job.environment.push((ALL_ADDRESSES.0.into(), ALL_ADDRESSES.1.into()));
        job.hosts = Some(hosts.clone());
        let printed = self.output_of(&job)?;
        let first_words = printed.lines().filter_map(|line| line.split_whitespace().next());
        let found: BTreeSet<IpAddr> = first_words.filter_map(|word| word.parse().ok()).collect();
        if found != ADDRESSES.map(IpAddr::from).into() {
            return Err(io::Error::other(steps::resolver_finds(NAME, &found)));
        }
        self.give_hosts(hosts, ALL_ADDRESSES);
        Ok(())
    }

    /// What a program of the system's prints: little, and it ends by itself.
    fn output_of(&self, job: &Job) -> io::Result<String> {
        let mut running = self.sandbox().spawn(job)?;
        let timeout = Timespec::try_from(self.deadline()).map_err(io::Error::other)?;
        let ended = {
            let exit = running.exit_fd();
            poll(&mut [PollFd::new(&exit, PollFlags::IN)], Some(&timeout))?
        };
        if ended == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, steps::resolver_is_slow(NAME)));
        }
        let mut text = String::new();
        if let Some(stdout) = running.stdout() {
            File::from(stdout).read_to_string(&mut text)?;
        }
        Ok(text)
    }
}
