//! Which hosts a lab has, and how they are joined.

use std::net::Ipv4Addr;

/// Networks, and the hosts that are linked to them.
///
/// ```
/// # use netlab::Topology;
/// let mut topology = Topology::new();
/// topology.network("office", [172, 60, 50, 0], 24);
/// topology.host("alpha").link("office", 1);
/// topology.host("beta").link("office", 2);
/// assert!(topology.check().is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Topology {
    networks: Vec<NetworkPlan>,
    hosts: Vec<HostPlan>,
    resolves_addresses: bool,
}

/// A network: all that are linked to it hear each other's broadcasts.
#[derive(Clone, Debug)]
pub(crate) struct NetworkPlan {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// How many bits of an address say which network it is in; less than 31.
    pub(crate) prefix: u8,
}

/// One host.
#[derive(Clone, Debug)]
pub struct HostPlan {
    pub(crate) name: String,
    /// The networks' names, and the number in each.
    pub(crate) links: Vec<(String, u32)>,
    pub(crate) default_router: Option<String>,
    pub(crate) forwards: bool,
}

/// One end of a wire: a host's interface, and the switch's port.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// The number of the host.
    pub(crate) host: usize,
    /// Which of the host's links it is.
    pub(crate) nth: usize,
    /// The number of the network.
    pub(crate) network: usize,
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) hardware: [u8; 6],
}

impl Link {
    /// The name of the host's interface.
    pub(crate) fn interface(&self) -> String {
        format!("eth{}", self.nth)
    }
}

impl Topology {
    /// No hosts yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Two hosts, `alpha` (172.60.50.1) and `beta` (172.60.50.2), on one network.
    pub fn pair() -> Self {
        let mut topology = Self::new();
        topology.network("office", [172, 60, 50, 0], 24);
        topology.host("alpha").link("office", 1);
        topology.host("beta").link("office", 2);
        topology
    }

    /// The lecture's network, 172.60.50.0/24, with three hosts `alpha`, `beta` and `gamma` (.11,
    /// .12 and .13) and a `sender` (.20); and its neighbour, 172.60.51.0/24, with a `neighbour`
    /// (.11), behind a `router` (.1 in both). Each host's default route leads to the router.
    pub fn broadcast() -> Self {
        let mut topology = Self::new();
        topology.network("lecture", [172, 60, 50, 0], 24);
        topology.network("next-door", [172, 60, 51, 0], 24);
        topology.host("router").link("lecture", 1).link("next-door", 1).forwards();
        for (name, number) in [("alpha", 11), ("beta", 12), ("gamma", 13), ("sender", 20)] {
            topology.host(name).link("lecture", number).default_router("router");
        }
        topology.host("neighbour").link("next-door", 11).default_router("router");
        topology
    }

    /// Adds a network, `address`/`prefix`.
    pub fn network(&mut self, name: &str, address: impl Into<Ipv4Addr>, prefix: u8) -> &mut Self {
        self.networks.push(NetworkPlan { name: name.to_owned(), address: address.into(), prefix });
        self
    }

    /// Adds a host, to be linked to networks.
    pub fn host(&mut self, name: &str) -> &mut HostPlan {
        self.hosts.push(HostPlan {
            name: name.to_owned(),
            links: Vec::new(),
            default_router: None,
            forwards: false,
        });
        let last = self.hosts.len() - 1;
        &mut self.hosts[last]
    }

    /// Lets hosts ask for each other's hardware addresses (ARP), as they do outside of a lab.
    /// Without this they know them from the start, and only an address that nobody has is asked
    /// for.
    pub fn resolves_addresses(&mut self) -> &mut Self {
        self.resolves_addresses = true;
        self
    }

    /// Says what is wrong with it.
    ///
    /// # Errors
    /// Names the first host or network that cannot be made as planned.
    pub fn check(&self) -> Result<(), String> {
        for (at, network) in self.networks.iter().enumerate() {
            let NetworkPlan { name, address, prefix } = network;
            let is_twice = self.networks[..at].iter().any(|other| other.name == *name);
            let bits = address.to_bits();
            if is_twice {
                return Err(format!("there are two networks {name}"));
            } else if !(1..=30).contains(prefix) || bits & host_mask(*prefix) != 0 {
                return Err(format!("{name}: {address}/{prefix} is no network for hosts"));
            }
        }
        for (at, host) in self.hosts.iter().enumerate() {
            if self.hosts[..at].iter().any(|other| other.name == host.name) {
                return Err(format!("there are two hosts {}", host.name));
            }
            self.check_host(host)?;
        }
        Ok(())
    }

    fn check_host(&self, host: &HostPlan) -> Result<(), String> {
        let name = &host.name;
        for (on, number) in &host.links {
            let network = self.networks.iter().find(|network| network.name == *on);
            let network = network.ok_or_else(|| format!("{name}: there is no network {on}"))?;
            // The first address is the network's own, the last one everybody's.
            if !(1..host_mask(network.prefix)).contains(number) {
                return Err(format!("{name}: {on} has no address with the number {number}"));
            }
            let holders = self.hosts.iter().flat_map(|other| &other.links);
            if holders.filter(|link| **link == (on.clone(), *number)).count() > 1 {
                return Err(format!("{name}: number {number} of {on} is another's too"));
            }
        }
        match &host.default_router {
            Some(router) if self.router_address(host).is_none() => {
                Err(format!("{name}: {router} is on none of its networks"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn hosts(&self) -> &[HostPlan] {
        &self.hosts
    }

    pub(crate) fn is_resolving_addresses(&self) -> bool {
        self.resolves_addresses
    }

    /// All links, in the order of the switch's ports.
    pub(crate) fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        for (host, plan) in self.hosts.iter().enumerate() {
            for (nth, (on, number)) in plan.links.iter().enumerate() {
                let found = self.networks.iter().position(|network| network.name == *on);
                let Some(network) = found else { continue };
                let NetworkPlan { address, prefix, .. } = self.networks[network];
                let port = u16::try_from(links.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
                links.push(Link {
                    host,
                    nth,
                    network,
                    address: Ipv4Addr::from_bits(address.to_bits() | number),
                    prefix,
                    // An address that a machine's owner has made up (IEEE 802).
                    hardware: [0x02, 0, 0, 0, port[0], port[1]],
                });
            }
        }
        links
    }

    /// The address, on one of the host's own networks, of its default router.
    pub(crate) fn router_address(&self, host: &HostPlan) -> Option<Ipv4Addr> {
        let links = self.links();
        let named =
            |link: &&Link| Some(&self.hosts[link.host].name) == host.default_router.as_ref();
        let is_near =
            |link: &&Link| host.links.iter().any(|(on, _)| *on == self.networks[link.network].name);
        links.iter().filter(named).find(is_near).map(|link| link.address)
    }
}

impl HostPlan {
    /// Links it to a network, where its address has this number: 11 is 172.60.50.11 in
    /// 172.60.50.0/24. Its interfaces are called `eth0`, `eth1`, … in the order of their links.
    pub fn link(&mut self, network: &str, number: u32) -> &mut Self {
        self.links.push((network.to_owned(), number));
        self
    }

    /// What it sends to addresses outside of its networks goes to this host.
    pub fn default_router(&mut self, host: &str) -> &mut Self {
        self.default_router = Some(host.to_owned());
        self
    }

    /// It passes on, from network to network, what is not for itself.
    pub fn forwards(&mut self) -> &mut Self {
        self.forwards = true;
        self
    }
}

/// The bits of an address that say which host it is.
pub(crate) fn host_mask(prefix: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_ones_are_right() {
        assert_eq!(Topology::pair().check(), Ok(()));
        let broadcast = Topology::broadcast();
        assert_eq!(broadcast.check(), Ok(()));
        assert_eq!(broadcast.links().len(), 7);
        let sender = &broadcast.hosts()[4];
        assert_eq!(broadcast.router_address(sender), Some([172, 60, 50, 1].into()));
        let neighbour = &broadcast.hosts()[5];
        assert_eq!(broadcast.router_address(neighbour), Some([172, 60, 51, 1].into()));
    }

    type Change = fn(&mut Topology);

    #[test]
    fn mistakes_are_named() {
        let wrong = |change: Change| {
            let mut topology = Topology::pair();
            change(&mut topology);
            topology.check().expect_err("it is wrong")
        };
        let cases: [(Change, &str); 8] = [
            (|t| _ = t.network("office", [10, 0, 0, 0], 8), "there are two networks office"),
            (|t| _ = t.network("x", [10, 0, 0, 1], 8), "x: 10.0.0.1/8 is no network for hosts"),
            (|t| _ = t.network("x", [10, 0, 0, 0], 31), "x: 10.0.0.0/31 is no network for hosts"),
            (|t| _ = t.host("beta"), "there are two hosts beta"),
            (|t| _ = t.host("c").link("home", 1), "c: there is no network home"),
            (
                |t| _ = t.host("c").link("office", 255),
                "c: office has no address with the number 255",
            ),
            (|t| _ = t.host("c").link("office", 2), "beta: number 2 of office is another's too"),
            (|t| _ = t.host("c").default_router("beta"), "c: beta is on none of its networks"),
        ];
        for (change, expected) in cases {
            assert_eq!(wrong(change), expected);
        }
    }
}
