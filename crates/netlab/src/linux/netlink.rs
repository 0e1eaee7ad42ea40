//! Routing messages (`rtnetlink(7)`), written by hand.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::helper::Refusal;

/// Ethernet's largest packet, in bytes.
const MTU: u32 = 1500;
/// The loopback interface's number, in every namespace.
pub(super) const LOOPBACK: u32 = 1;

// linux/if_link.h and linux/veth.h
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_NUM_TX_QUEUES: u16 = 31;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const VETH_INFO_PEER: u16 = 1;
// linux/ip.h
const IPV4_DEVCONF_FORWARDING: u16 = 1;
// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
// linux/rtnetlink.h
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
// linux/neighbour.h
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;

/// The type of a message that answers (`NLMSG_ERROR`).
const ERROR: u16 = libc::NLMSG_ERROR as u16;
// linux/if_link.h and linux/rtnetlink.h
const RTM_NEWSTATS: u16 = 92;
const RTM_GETSTATS: u16 = 94;
/// `IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64)`.
const STATS_LINK_64: u32 = 1;
/// `NLMSG_HDRLEN`: length, type, flags, sequence number, port.
const HEADER_BYTES: usize = 16;
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Messages that are sent together; each is answered.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// What each message does, and which refusals of it do not matter.
    steps: Vec<(&'static str, &'static [i32])>,
}

/// One end of a virtual wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'a> {
    /// The interface's number, unused in its namespace.
    pub(super) index: u32,
    /// Its name.
    pub(super) name: &'a str,
    /// Its hardware address.
    pub(super) hardware: [u8; 6],
}

impl Batch {
    /// A wire: one end in the socket's own namespace, the other one in `there`, which is an open
    /// descriptor of this process.
    pub(super) fn add_wire(&mut self, here: End<'_>, far: End<'_>, there: RawFd) {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.message("lay a wire", &[], libc::RTM_NEWLINK, flags, |message| {
            message.link(here.index, 0);
            message.end(here);
            message.nest(IFLA_LINKINFO, |message| {
                message.attribute(IFLA_INFO_KIND, b"veth");
                message.nest(IFLA_INFO_DATA, |message| {
                    message.nest(VETH_INFO_PEER, |message| {
                        message.link(far.index, 0);
                        message.end(far);
                        message.attribute(IFLA_NET_NS_FD, &there.to_ne_bytes());
                    });
                });
            });
        });
    }

    /// Keeps the kernel from giving an interface an IPv6 address, and so from sending what hosts
    /// with one say to their neighbours. Needed before the interface is up.
    pub(super) fn keep_ipv6_quiet(&mut self, index: u32) {
        // Where there is no IPv6, it is quiet.
        let harmless = &[libc::EAFNOSUPPORT, libc::EOPNOTSUPP];
        self.message("keep IPv6 quiet", harmless, libc::RTM_SETLINK, 0, |message| {
            message.link(index, 0);
            message.nest(IFLA_AF_SPEC, |message| {
                message.nest(libc::AF_INET6 as u16, |message| {
                    message.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
                });
            });
        });
    }

    /// Whether packets that come in here for others are passed on. A new namespace takes this from
    /// the machine's settings, which are changed by whatever else runs on it.
    pub(super) fn forward(&mut self, index: u32, forwards: bool) {
        self.message("set what is passed on", &[], libc::RTM_SETLINK, 0, |message| {
            message.link(index, 0);
            message.nest(IFLA_AF_SPEC, |message| {
                message.nest(libc::AF_INET as u16, |message| {
                    message.nest(IFLA_INET_CONF, |message| {
                        let value = u32::from(forwards);
                        message.attribute(IPV4_DEVCONF_FORWARDING, &value.to_ne_bytes());
                    });
                });
            });
        });
    }

    /// Switches an interface on.
    pub(super) fn bring_up(&mut self, index: u32) {
        let step = "bring an interface up";
        self.message(step, &[], libc::RTM_NEWLINK, 0, |message| {
            message.link(index, libc::IFF_UP as u32);
        });
    }

    /// Gives an interface an address in a network, whose routes come with it.
    pub(super) fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        let broadcast = address.to_bits() | crate::topology::host_mask(prefix);
        self.message("give an address", &[], libc::RTM_NEWADDR, flags, |message| {
            message.bytes(&[libc::AF_INET as u8, prefix, 0, libc::RT_SCOPE_UNIVERSE]);
            message.bytes(&index.to_ne_bytes());
            message.attribute(IFA_LOCAL, &address.octets());
            message.attribute(IFA_ADDRESS, &address.octets());
            message.attribute(IFA_BROADCAST, &broadcast.to_be_bytes());
        });
    }

    /// Sends what has no other way to a router on the interface's network.
    pub(super) fn add_default_route(&mut self, index: u32, router: Ipv4Addr) {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.message("add a default route", &[], libc::RTM_NEWROUTE, flags, |message| {
            // Family, lengths of the destination and the source, type of service; then:
            message.bytes(&[libc::AF_INET as u8, 0, 0, 0]);
            let scope = libc::RT_SCOPE_UNIVERSE;
            message.bytes(&[libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, scope, libc::RTN_UNICAST]);
            message.bytes(&0_u32.to_ne_bytes());
            message.attribute(RTA_GATEWAY, &router.octets());
            message.attribute(RTA_OIF, &index.to_ne_bytes());
        });
    }

    /// Tells the hardware address of another host, which then needs not to be asked for.
    pub(super) fn add_neighbour(&mut self, index: u32, address: Ipv4Addr, hardware: [u8; 6]) {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.message("tell a host of another", &[], libc::RTM_NEWNEIGH, flags, |message| {
            message.bytes(&[libc::AF_INET as u8, 0, 0, 0]);
            message.bytes(&index.to_ne_bytes());
            message.bytes(&NUD_PERMANENT.to_ne_bytes());
            message.bytes(&[0, libc::RTN_UNICAST]);
            message.attribute(NDA_DST, &address.octets());
            message.attribute(NDA_LLADDR, &hardware);
        });
    }

    /// Sends all to a routing socket, and waits until all is done.
    ///
    /// # Errors
    /// Names the first step that was refused.
    pub(super) fn run(&self, socket: &OwnedFd) -> Result<(), Refusal> {
        let lost = |error: io::Error| Refusal { step: "ask for routing".to_owned(), error };
        let sent = send(socket, &self.bytes, SendFlags::empty());
        sent.map_err(|error| lost(error.into()))?;
        let mut buffer = vec![0; ANSWER_BYTES_MAX];
        let mut answered = 0;
        while answered < self.steps.len() {
            let received = recv(socket, &mut buffer[..], RecvFlags::empty());
            let (length, _) = received.map_err(|error| lost(error.into()))?;
            for (step, errno) in answers(&buffer[..length]) {
                answered += 1;
                let Some((step, harmless)) = self.steps.get(step) else { continue };
                if errno != 0 && !harmless.contains(&errno) {
                    let error = io::Error::from_raw_os_error(errno);
                    return Err(Refusal { step: (*step).to_owned(), error });
                }
            }
        }
        Ok(())
    }

    fn message(
        &mut self,
        step: &'static str,
        harmless: &'static [i32],
        kind: u16,
        flags: i32,
        fill: impl FnOnce(&mut Message<'_>),
    ) {
        let begin = self.bytes.len();
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        let mut message = Message(&mut self.bytes);
        message.bytes(&[0; 4]).bytes(&kind.to_ne_bytes()).bytes(&flags.to_ne_bytes());
        message.bytes(&(self.steps.len() as u32).to_ne_bytes()).bytes(&[0; 4]);
        fill(&mut message);
        let length = (self.bytes.len() - begin) as u32;
        self.bytes[begin..begin + 4].copy_from_slice(&length.to_ne_bytes());
        self.steps.push((step, harmless));
    }
}

/// How many packets have come in at all interfaces of the socket's namespace but the loopback,
/// where those that the far end of a wire has sent are counted at once.
pub(super) fn count_received(socket: &OwnedFd) -> io::Result<u64> {
    // struct if_stats_msg: family and padding, all interfaces, and what to tell of them.
    let body = [0, 0, STATS_LINK_64].map(u32::to_ne_bytes).concat();
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    let length = (HEADER_BYTES + body.len()) as u32;
    let header = [RTM_GETSTATS.to_ne_bytes(), flags.to_ne_bytes()].concat();
    let request = [&length.to_ne_bytes(), &header[..], &[0; 8], &body].concat();
    send(socket, &request, SendFlags::empty())?;
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    let mut count = 0;
    loop {
        let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
        for (kind, body) in messages(&buffer[..length]) {
            match kind {
                RTM_NEWSTATS if word(body, 4) != Some(LOOPBACK) => {
                    // Behind the header of the message, and of its one attribute, packets received
                    // come first (struct rtnl_link_stats64).
                    let counted = body.get(16..).and_then(|counts| counts.first_chunk());
                    count += counted.map_or(0, |count| u64::from_ne_bytes(*count));
                }
                RTM_NEWSTATS => {}
                // It is complete, or was refused.
                _ => {
                    return match word(body, 0).map(u32::cast_signed) {
                        Some(errno) if errno < 0 => Err(io::Error::from_raw_os_error(-errno)),
                        _ => Ok(count),
                    };
                }
            }
        }
    }
}

/// The answers in what was received: the number of the step, and of the error (0: done).
fn answers(bytes: &[u8]) -> Vec<(usize, i32)> {
    let errors = messages(bytes).into_iter().filter(|(kind, _)| *kind == ERROR);
    // The error's number, and the header of the message that it is about.
    let answer = |(_, body)| Some((word(body, 12)? as usize, -word(body, 0)?.cast_signed()));
    errors.filter_map(answer).collect()
}

/// The messages in what was received: the type of each, and what follows its header.
fn messages(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some(length) = word(bytes, 0).map(|length| length as usize) {
        if length < HEADER_BYTES || length > bytes.len() {
            break;
        }
        let (message, rest) = bytes.split_at(length);
        found.push((u16::from_ne_bytes([message[4], message[5]]), &message[HEADER_BYTES..]));
        bytes = rest.get(length.next_multiple_of(4) - length..).unwrap_or_default();
    }
    found
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A message that is being written. All of its parts are multiples of four bytes long.
struct Message<'a>(&'a mut Vec<u8>);

impl Message<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// `struct ifinfomsg`.
    fn link(&mut self, index: u32, flags: u32) {
        self.bytes(&[0; 4]).bytes(&index.to_ne_bytes());
        self.bytes(&flags.to_ne_bytes()).bytes(&flags.to_ne_bytes());
    }

    fn end(&mut self, end: End<'_>) {
        self.attribute(IFLA_IFNAME, format!("{}\0", end.name).as_bytes());
        self.attribute(IFLA_ADDRESS, &end.hardware);
        self.attribute(IFLA_MTU, &MTU.to_ne_bytes());
        // One queue keeps packets in order, and is quicker made than one for each processor.
        self.attribute(IFLA_NUM_TX_QUEUES, &1_u32.to_ne_bytes());
        self.attribute(IFLA_NUM_RX_QUEUES, &1_u32.to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |message| {
            message.bytes(value);
        });
    }

    fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Message<'_>)) {
        let begin = self.0.len();
        self.bytes(&[0; 2]).bytes(&kind.to_ne_bytes());
        fill(self);
        let length = (self.0.len() - begin) as u16;
        self.0[begin..begin + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

// linux/ethtool.h
const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_STXCSUM: u32 = 0x17;
const ETHTOOL_SSG: u32 = 0x19;
const ETHTOOL_STSO: u32 = 0x1f;
const ETHTOOL_SGSO: u32 = 0x24;

/// Makes the kernel compute checksums and cut segments before it hands packets to an interface, as
/// for a card that can do neither. `socket` is any socket in the interface's namespace.
pub(super) fn switch_offload_off(socket: &OwnedFd, interface: &str) -> Result<(), Refusal> {
    for command in [ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM, ETHTOOL_SSG] {
        // struct ethtool_value: what to set, and to what.
        let mut value = [command, 0];
        // SAFETY: all zeros is a valid request.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (place, byte) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *place = byte as libc::c_char;
        }
        request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
        // SAFETY: the request and the value that it points to are live and of the types that this
        // ioctl reads.
        let result =
            unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw const request) };
        if result != 0 {
            let error = io::Error::last_os_error();
            return Err(Refusal { step: "switch offload off".to_owned(), error });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_laid_out_as_the_kernel_reads_it() {
        let mut batch = Batch::default();
        batch.bring_up(3);
        batch.add_neighbour(7, [1, 2, 3, 4].into(), [2, 0, 0, 0, 0, 9]);
        let words = |bytes: &[u8]| -> Vec<u32> {
            let (words, rest) = bytes.as_chunks();
            assert!(rest.is_empty());
            words.iter().copied().map(u32::from_le_bytes).collect()
        };
        if cfg!(target_endian = "big") {
            return;
        }
        // Length; type and flags (REQUEST, ACK); sequence; port. Family; index; flags; change.
        assert_eq!(words(&batch.bytes[..32]), [32, 16 | 5 << 16, 0, 0, 0, 3, 1, 1]);
        assert_eq!(batch.bytes[32..36], 48_u32.to_le_bytes());
        let attributes = &batch.bytes[32 + 16 + 12..];
        assert_eq!(attributes[..8], [8, 0, 1, 0, 1, 2, 3, 4]);
        // Padded, which its length does not tell.
        assert_eq!(attributes[8..], [10, 0, 2, 0, 2, 0, 0, 0, 0, 9, 0, 0]);
    }

    #[test]
    fn answers_are_found() {
        let answer = |sequence: u32, errno: i32| {
            let kind = (libc::NLMSG_ERROR as u32).to_ne_bytes();
            let about = [[0; 4], [0; 4], sequence.to_ne_bytes(), [0; 4]].concat();
            let rest = [[0; 4], [0; 4], errno.to_ne_bytes()].concat();
            [&36_u32.to_ne_bytes()[..], &kind, &rest, &about].concat()
        };
        let both = [answer(4, 0), answer(5, -libc::EPERM)].concat();
        assert_eq!(answers(&both), [(4, 0), (5, libc::EPERM)]);
        assert_eq!(answers(&both[..both.len() - 1]), [(4, 0)]);
        assert_eq!(answers(b""), []);
    }
}
