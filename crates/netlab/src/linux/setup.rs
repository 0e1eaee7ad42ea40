//! Makes hosts and wires as a topology has them.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use sandbox::{NetworkNamespace, helper, message};

use super::helper::{HELPER_ARGUMENT, Refusal, Request, take_answer};
use super::netlink::{Batch, End, LOOPBACK, switch_offload_off};
use super::ring::Ring;
use super::wires::Ports;
use crate::topology::{Link, Topology};
use crate::unsupported::{NotStarted, refused};

/// The number of the first interface in a namespace, beyond the loopback's.
const FIRST_INDEX: usize = 2;

/// The helper, as the lab sees it.
#[derive(Debug)]
pub(super) struct Helper {
    requests: Mutex<OwnedFd>,
    process: Mutex<Child>,
}

impl Helper {
    /// Starts it; brings what its first answer does: two sockets in the switch's namespace, for
    /// routing messages and for packets, and the user namespace if there is one.
    fn start() -> Result<(Self, Vec<OwnedFd>), NotStarted> {
        let (requests, process) = helper::start(HELPER_ARGUMENT).map_err(|error| {
            io::Error::new(error.kind(), format!("start the lab's helper: {error}"))
        })?;
        let helper = Self { requests: Mutex::new(requests), process: Mutex::new(process) };
        let first = helper.with(take_answer);
        match first {
            Ok(descriptors) => Ok((helper, descriptors)),
            Err(refusal) => {
                let is_gone = refusal.error.kind() == io::ErrorKind::BrokenPipe;
                helper.close();
                Err(if is_gone {
                    NotStarted::Failed(io::Error::other(
                        "the lab's helper ended at once: does main() begin with \
                         lab_main_if_asked()?",
                    ))
                } else {
                    refused(&refusal.step, &refusal.error)
                })
            }
        }
    }

    /// Asks for several things at once, which is quicker than one after the other.
    pub(super) fn ask(&self, wanted: &[Request]) -> Result<Vec<Vec<OwnedFd>>, Refusal> {
        self.with(|requests| {
            for request in wanted {
                let sent = message::send(requests, &request.encode(), &[]);
                let step = || "ask the lab's helper".to_owned();
                sent.map_err(|error| Refusal { step: step(), error })?;
            }
            // All answers are taken, so that the next question is not answered by one of these.
            let answers: Vec<_> = wanted.iter().map(|_| take_answer(requests)).collect();
            answers.into_iter().collect()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&OwnedFd) -> T) -> T {
        work(&self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends it, and waits until it is gone.
    pub(super) fn close(&self) {
        // It fails when the helper was killed.
        let _ = self.with(|requests| rustix::net::shutdown(requests, rustix::net::Shutdown::Write));
        let _ = self.process.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

/// A namespace for a host, and what is needed to set it up.
struct Prepared {
    namespace: OwnedFd,
    routing: OwnedFd,
    plain: OwnedFd,
}

/// What a lab is made of.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) helper: Helper,
    pub(super) hosts: Vec<NetworkNamespace>,
    pub(super) ports: Ports,
    /// A socket for routing messages in the switch's namespace.
    pub(super) routing: OwnedFd,
}

/// Makes all that the topology, which is right, asks for.
pub(super) fn make(topology: &Topology) -> Result<Made, NotStarted> {
    let (helper, first) = Helper::start()?;
    match make_with(&helper, first, topology) {
        Ok((hosts, ports, routing)) => Ok(Made { helper, hosts, ports, routing }),
        Err(refusal) => {
            helper.close();
            Err(refused(&refusal.step, &refusal.error))
        }
    }
}

fn make_with(
    helper: &Helper,
    first: Vec<OwnedFd>,
    topology: &Topology,
) -> Result<(Vec<NetworkNamespace>, Ports, OwnedFd), Refusal> {
    let mut first = first.into_iter();
    let (routing, packets) = first.next().zip(first.next()).ok_or_else(incomplete)?;
    let user = first.next().map(Arc::new);
    let links = topology.links();
    let (ring, hosts) = std::thread::scope(|scope| {
        // The kernel waits for itself meanwhile, which takes longer than all of the rest.
        let ring = scope.spawn(|| Ring::new(packets));
        let hosts = make_hosts(helper, &routing, topology, &links);
        (ring.join(), hosts)
    });
    let ring = ring.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let ring = ring.map_err(|error| Refusal { step: "watch the wires".to_owned(), error })?;
    let interfaces = (0..links.len()).map(index).collect();
    let namespace = |namespace| NetworkNamespace::new(user.clone(), Arc::new(namespace));
    let hosts = hosts?.into_iter().map(namespace).collect();
    Ok((hosts, Ports { ring, interfaces }, routing))
}

/// Makes the hosts' namespaces, and all that is in them.
fn make_hosts(
    helper: &Helper,
    routing: &OwnedFd,
    topology: &Topology,
    links: &[Link],
) -> Result<Vec<OwnedFd>, Refusal> {
    let answers = helper.ask(&vec![Request::Host; topology.hosts().len()])?;
    let prepared = answers.into_iter().map(|answer| {
        let [namespace, routing, plain] = answer.try_into().map_err(|_| incomplete())?;
        Ok(Prepared { namespace, routing, plain })
    });
    let prepared: Vec<Prepared> = prepared.collect::<Result<_, _>>()?;
    lay_wires(routing, links, &prepared)?;
    for (at, host) in prepared.iter().enumerate() {
        set_up_host(topology, links, at, host)?;
    }
    Ok(prepared.into_iter().map(|host| host.namespace).collect())
}

fn incomplete() -> Refusal {
    Refusal {
        step: "hear from the lab's helper".to_owned(),
        error: io::ErrorKind::InvalidData.into(),
    }
}

/// The number that the nth interface of a namespace gets.
fn index(nth: usize) -> u32 {
    u32::try_from(FIRST_INDEX + nth).unwrap_or(u32::MAX)
}

/// Lays a wire for each link, from the switch's namespace, and switches the near ends on.
///
/// They go first: an interface that is switched on while its far end is already can send at once,
/// and the hosts' have to.
fn lay_wires(routing: &OwnedFd, links: &[Link], hosts: &[Prepared]) -> Result<(), Refusal> {
    let mut batch = Batch::default();
    for (at, link) in links.iter().enumerate() {
        let (port, interface) = (format!("port{at}"), link.interface());
        let mut hardware = link.hardware;
        // The switch's own end, to which nobody sends.
        hardware[1] = 1;
        let here = End { index: index(at), name: &port, hardware };
        let far = End { index: index(link.nth), name: &interface, hardware: link.hardware };
        batch.add_wire(here, far, hosts[link.host].namespace.as_raw_fd());
        batch.keep_ipv6_quiet(here.index);
        batch.bring_up(here.index);
    }
    batch.run(routing)
}

fn set_up_host(
    topology: &Topology,
    links: &[Link],
    at: usize,
    host: &Prepared,
) -> Result<(), Refusal> {
    let mut batch = Batch::default();
    batch.bring_up(LOOPBACK);
    for link in links.iter().filter(|link| link.host == at) {
        switch_offload_off(&host.plain, &link.interface())?;
        let index = index(link.nth);
        batch.keep_ipv6_quiet(index);
        batch.forward(index, topology.hosts()[at].forwards);
        batch.bring_up(index);
        batch.add_address(index, link.address, link.prefix);
        let others = links.iter().filter(|other| other.network == link.network && other.host != at);
        for other in others.filter(|_| !topology.is_resolving_addresses()) {
            batch.add_neighbour(index, other.address, other.hardware);
        }
        if let Some(router) = topology.router_address(&topology.hosts()[at])
            && links.iter().any(|other| other.network == link.network && other.address == router)
        {
            batch.add_default_route(index, router);
        }
    }
    batch.run(&host.routing)
}
