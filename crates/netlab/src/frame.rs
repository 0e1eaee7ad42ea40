//! What the bytes of a packet say: Ethernet, IPv4 and IPv6, TCP, UDP and ICMP.
//!
//! Written by hand, since all of it is 200 lines and a learner's first build needs two crates less.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The length of an Ethernet header.
pub const ETHERNET_BYTES: usize = 14;
/// The numbers of protocols above IP (RFC 790 and its successors).
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// An Ethernet frame.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The hardware address that it is for.
    pub destination: [u8; 6],
    /// The hardware address that it comes from.
    pub source: [u8; 6],
    /// What it carries: 0x0800 IPv4, 0x0806 ARP, 0x86dd IPv6.
    pub ethertype: u16,
    /// The IP packet in it, if it is one, and whole.
    pub internet: Option<Internet<'a>>,
}

/// An IP packet.
#[derive(Clone, Debug)]
pub struct Internet<'a> {
    /// The address that it comes from.
    pub source: IpAddr,
    /// The address that it is for.
    pub destination: IpAddr,
    /// How many more routers may pass it on (IPv6: hop limit).
    pub time_to_live: u8,
    /// The protocol above, see [`protocol`].
    pub protocol: u8,
    /// Where its payload belongs in the datagram, and whether more fragments follow; 0 and false
    /// for one that is not fragmented.
    pub fragment: (u16, bool),
    /// What it carries.
    pub payload: &'a [u8],
    /// How many more bytes it carries that were not kept, see [`Frame::parse_kept`].
    pub missing: usize,
    /// The payload, understood.
    pub transport: Transport<'a>,
    header: &'a [u8],
}

/// What an IP packet carries.
#[derive(Clone, Debug)]
pub enum Transport<'a> {
    /// A TCP segment.
    Tcp(Tcp<'a>),
    /// A UDP datagram.
    Udp(Udp<'a>),
    /// A message of ICMP or ICMPv6.
    Icmp(Icmp<'a>),
    /// Something else, a later fragment, or what was cut short.
    Other,
}

/// A TCP segment (RFC 9293).
#[derive(Clone, Debug)]
pub struct Tcp<'a> {
    /// The port that it comes from.
    pub source_port: u16,
    /// The port that it is for.
    pub destination_port: u16,
    /// The number of its first byte.
    pub sequence: u32,
    /// The number of the byte that its sender expects next; counts if `flags.ack`.
    pub acknowledgement: u32,
    /// Its control bits.
    pub flags: TcpFlags,
    /// How many bytes its sender has room for, still to be scaled.
    pub window: u16,
    /// Its options.
    pub options: TcpOptions,
    /// Its data.
    pub payload: &'a [u8],
}

/// The control bits of a TCP segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named as in RFC 9293")]
pub struct TcpFlags {
    pub fin: bool,
    pub syn: bool,
    pub rst: bool,
    pub psh: bool,
    pub ack: bool,
    pub urg: bool,
}

/// The options of a TCP segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// The largest segment that its sender takes, in bytes.
    pub maximum_segment: Option<u16>,
    /// By how many bits the windows that its sender announces are to be shifted (RFC 7323).
    pub window_scale: Option<u8>,
    /// Whether its sender understands selective acknowledgements (RFC 2018).
    pub sack_permitted: bool,
    /// What has arrived beyond a gap: from the first number up to the second.
    pub sack: Vec<(u32, u32)>,
    /// The sender's time stamp, and the one that it echoes (RFC 7323).
    pub timestamps: Option<(u32, u32)>,
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Debug)]
pub struct Udp<'a> {
    /// The port that it comes from.
    pub source_port: u16,
    /// The port that it is for.
    pub destination_port: u16,
    /// Its data, or of a first fragment what of the data is in it.
    pub payload: &'a [u8],
}

/// A message of ICMP (RFC 792) or ICMPv6 (RFC 4443).
#[derive(Clone, Debug)]
pub struct Icmp<'a> {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// What follows its eight bytes of header: of an error, the beginning of the packet that it is
    /// about.
    pub payload: &'a [u8],
    is_v6: bool,
}

impl<'a> Frame<'a> {
    /// Understands a frame; `None` if it is shorter than its header.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        Self::parse_kept(bytes, bytes.len())
    }

    /// The same of a frame of this length of which only the beginning was kept: an IPv4 packet in
    /// it is understood as far as it goes.
    pub fn parse_kept(bytes: &'a [u8], length: usize) -> Option<Self> {
        let cut = length.saturating_sub(bytes.len());
        let (destination, rest) = bytes.split_first_chunk()?;
        let (source, rest) = rest.split_first_chunk()?;
        let (ethertype, payload) = rest.split_first_chunk()?;
        let ethertype = u16::from_be_bytes(*ethertype);
        let internet = match ethertype {
            0x0800 => Internet::parse_v4(payload, cut),
            0x86dd => Internet::parse_v6(payload),
            _ => None,
        };
        Some(Self { destination: *destination, source: *source, ethertype, internet })
    }

    /// Whether it is for all hosts, or for a group of them.
    pub fn is_for_many(&self) -> bool {
        self.destination[0] & 1 == 1
    }
}

impl<'a> Internet<'a> {
    /// `cut` bytes of the frame's end were not kept.
    fn parse_v4(bytes: &'a [u8], cut: usize) -> Option<Self> {
        let header_bytes = usize::from(bytes.first()? & 0xf) * 4;
        let length = usize::from(number(bytes, 2)?);
        let missing = length.saturating_sub(bytes.len());
        if missing > cut {
            return None;
        }
        // Short frames are padded, so the frame's end says nothing.
        let (header, payload) = bytes.get(..length - missing)?.split_at_checked(header_bytes)?;
        let address = |at| Some(IpAddr::V4(Ipv4Addr::from(*header.get(at..)?.first_chunk::<4>()?)));
        let (source, destination) = (address(12)?, address(16)?);
        let fragment = number(header, 6)?;
        let fragment = ((fragment & 0x1fff) * 8, fragment & 0x2000 != 0);
        let protocol = *header.get(9)?;
        let transport = Transport::parse(protocol, fragment, payload);
        let time_to_live = *header.get(8)?;
        Some(Self {
            source,
            destination,
            time_to_live,
            protocol,
            fragment,
            payload,
            missing,
            transport,
            header,
        })
    }

    /// Extension headers are not followed: what is behind one is `Other`.
    fn parse_v6(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(40)?;
        let payload = rest.get(..usize::from(number(header, 4)?))?;
        let address = |at| Some(IpAddr::V6(Ipv6Addr::from(*header.get(at..)?.first_chunk()?)));
        let (source, destination) = (address(8)?, address(24)?);
        let (protocol, time_to_live, fragment) = (header[6], header[7], (0, false));
        let transport = Transport::parse(protocol, fragment, payload);
        Some(Self {
            source,
            destination,
            time_to_live,
            protocol,
            fragment,
            payload,
            missing: 0,
            transport,
            header,
        })
    }

    /// How many bytes of header come before its payload.
    pub fn payload_offset(&self) -> usize {
        self.header.len()
    }

    /// Whether all checksums are right: that of an IPv4 header, and that of a TCP segment, a UDP
    /// datagram or an ICMP message that is not fragmented (RFC 1071).
    pub fn checksums_are_right(&self) -> bool {
        if self.source.is_ipv4() && sum(0, self.header) != 0xffff {
            return false;
        }
        let known = [protocol::ICMP, protocol::TCP, protocol::UDP, protocol::ICMPV6];
        let has_one = known.contains(&self.protocol) && self.fragment == (0, false);
        // A UDP datagram over IPv4 may come without: 0.
        let is_bare = self.protocol == protocol::UDP && self.payload.get(6..8) == Some(&[0, 0]);
        if !has_one || is_bare && self.source.is_ipv4() {
            return true;
        }
        let before = if self.protocol == protocol::ICMP { 0 } else { self.pseudo_header_sum() };
        sum(before, self.payload) == 0xffff
    }

    fn pseudo_header_sum(&self) -> u32 {
        let addresses = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                [source.octets(), destination.octets()].concat()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                [source.octets(), destination.octets()].concat()
            }
            _ => Vec::new(),
        };
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        sum(u32::from(self.protocol) + length, &addresses)
    }
}

impl<'a> Transport<'a> {
    fn parse(protocol: u8, fragment: (u16, bool), payload: &'a [u8]) -> Self {
        let understood = match protocol {
            _ if fragment.0 > 0 => None,
            protocol::TCP => Tcp::parse(payload).map(Self::Tcp),
            protocol::UDP => Udp::parse(payload).map(Self::Udp),
            protocol::ICMP => Icmp::parse(payload, false).map(Self::Icmp),
            protocol::ICMPV6 => Icmp::parse(payload, true).map(Self::Icmp),
            _ => None,
        };
        understood.unwrap_or(Self::Other)
    }

    /// The ports that it comes from and is for, if it has such.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp(tcp) => Some((tcp.source_port, tcp.destination_port)),
            Self::Udp(udp) => Some((udp.source_port, udp.destination_port)),
            _ => None,
        }
    }
}

impl<'a> Tcp<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header_bytes = usize::from(*bytes.get(12)? >> 4) * 4;
        let (header, payload) = bytes.split_at_checked(header_bytes)?;
        let options = header.get(20..)?;
        let bits = header[13];
        let flag = |bit: u8| bits & bit != 0;
        Some(Self {
            source_port: number(header, 0)?,
            destination_port: number(header, 2)?,
            sequence: long_number(header, 4)?,
            acknowledgement: long_number(header, 8)?,
            flags: TcpFlags {
                fin: flag(0x01),
                syn: flag(0x02),
                rst: flag(0x04),
                psh: flag(0x08),
                ack: flag(0x10),
                urg: flag(0x20),
            },
            window: number(header, 14)?,
            options: TcpOptions::parse(options),
            payload,
        })
    }
}

impl TcpOptions {
    /// Takes what it understands, up to the end or to something malformed.
    fn parse(mut bytes: &[u8]) -> Self {
        let mut options = Self::default();
        while let Some(&kind) = bytes.first().filter(|&&kind| kind != 0) {
            if kind == 1 {
                bytes = &bytes[1..];
                continue;
            }
            let length = usize::from(bytes.get(1).copied().unwrap_or_default());
            if length < 2 || length > bytes.len() {
                break;
            }
            let (option, rest) = bytes.split_at(length);
            let data = &option[2..];
            match kind {
                2 => options.maximum_segment = number(data, 0),
                3 => options.window_scale = data.first().copied(),
                4 => options.sack_permitted = true,
                5 => {
                    let pairs = data.chunks_exact(8);
                    let pair = |pair| Some((long_number(pair, 0)?, long_number(pair, 4)?));
                    options.sack = pairs.filter_map(pair).collect();
                }
                8 => options.timestamps = long_number(data, 0).zip(long_number(data, 4)),
                _ => {}
            }
            bytes = rest;
        }
        options
    }
}

impl<'a> Udp<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let length = usize::from(number(bytes, 4)?);
        let (header, rest) = bytes.split_at_checked(8)?;
        let payload = rest.get(..length.checked_sub(8)?).unwrap_or(rest);
        let (source_port, destination_port) = (number(header, 0)?, number(header, 2)?);
        Some(Self { source_port, destination_port, payload })
    }
}

impl<'a> Icmp<'a> {
    fn parse(bytes: &'a [u8], is_v6: bool) -> Option<Self> {
        let (header, payload) = bytes.split_at_checked(8)?;
        Some(Self { kind: header[0], code: header[1], payload, is_v6 })
    }

    /// If it says that nobody is at a port: where the refused packet came from, and where to.
    pub fn port_unreachable(&self) -> Option<(SocketAddr, SocketAddr)> {
        let expected = if self.is_v6 { (1, 4) } else { (3, 3) };
        if (self.kind, self.code) != expected {
            return None;
        }
        self.about()
    }

    /// If it is an error about a packet with ports: where that came from, and where to.
    pub fn about(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (is_error, header_bytes, addresses) = if self.is_v6 {
            (self.kind < 128, 40, (8, 24))
        } else {
            let header_bytes = usize::from(self.payload.first()? & 0xf) * 4;
            (matches!(self.kind, 3 | 11 | 12), header_bytes, (12, 16))
        };
        let address = |at: usize| -> Option<IpAddr> {
            let bytes = self.payload.get(at..)?;
            Some(match self.is_v6 {
                true => IpAddr::V6(Ipv6Addr::from(*bytes.first_chunk()?)),
                false => IpAddr::V4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
            })
        };
        let port = |at| number(self.payload, header_bytes + at);
        let source = SocketAddr::new(address(addresses.0)?, port(0)?);
        let destination = SocketAddr::new(address(addresses.1)?, port(2)?);
        is_error.then_some((source, destination))
    }
}

/// The sum of RFC 1071 over bytes, on top of `before`, folded into 16 bits.
fn sum(before: u32, bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|word| {
        u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or_default()]))
    });
    // A packet has at most 2^15 words of 16 bits, whose sum fits.
    let mut sum = before + words.sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long_number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Packets for tests.
#[cfg(test)]
pub(crate) mod build {
    /// An Ethernet frame with an IPv4 packet in it, without checksums, from one host (1 to 9) to
    /// another.
    pub(crate) fn packet(from: u8, to: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let length = (20 + payload.len()) as u16;
        let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0, 0x45, 0];
        frame.extend(length.to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, protocol, 0, 0, 172, 60, 50, from, 172, 60, 50, to]);
        frame.extend(payload);
        frame
    }

    /// A UDP datagram from port to port.
    pub(crate) fn udp(from: (u8, u16), to: (u8, u16), payload: &[u8]) -> Vec<u8> {
        let length = (8 + payload.len()) as u16;
        let numbers = [from.1, to.1, length, 0].map(u16::to_be_bytes).concat();
        packet(from.0, to.0, super::protocol::UDP, &[&numbers, payload].concat())
    }

    /// A TCP segment: its flags' bits, its number, and the one that it acknowledges.
    pub(crate) fn tcp(
        from: (u8, u16),
        to: (u8, u16),
        (flags, sequence, acknowledgement): (u8, u32, u32),
        payload: &[u8],
    ) -> Vec<u8> {
        let ports = [from.1, to.1].map(u16::to_be_bytes).concat();
        let numbers = [sequence, acknowledgement].map(u32::to_be_bytes).concat();
        let rest = [0x50, flags, 1, 0, 0, 0, 0, 0];
        let segment = [&ports, &numbers, &rest[..], payload].concat();
        packet(from.0, to.0, super::protocol::TCP, &segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hexadecimal: &str) -> Vec<u8> {
        let digits: Vec<u8> = hexadecimal.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        digits.chunks(2).filter_map(byte).collect()
    }

    /// As Linux sent it from one host of a lab to another.
    const SYN: &str = "\
        02000000 00020200 00000001 08004500 003c3cb2 40004006 418eac3c 3201ac3c 32028750 \
        ae0f58d0 314c0000 0000a002 faf0cd74 00000204 05b40402 080ab85d 4b410000 00000103 \
        030a";
    const UNREACHABLE: &str = "\
        02000000 00010200 00000002 080045c0 0040849b 00004001 38e6ac3c 3202ac3c 32010303 \
        b99a0000 00004500 002416e4 40004011 6769ac3c 3201ac3c 3202ed82 00090010 9251616e \
        79626f64 793f";

    #[test]
    fn a_syn() {
        let bytes = bytes(SYN);
        let frame = Frame::parse(&bytes).expect("it is a frame");
        assert_eq!((frame.source, frame.destination), ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]));
        assert_eq!((frame.ethertype, frame.is_for_many()), (0x800, false));
        let packet = frame.internet.expect("it is an IP packet");
        assert_eq!(packet.source, IpAddr::from([172, 60, 50, 1]));
        assert_eq!(packet.destination, IpAddr::from([172, 60, 50, 2]));
        assert_eq!((packet.time_to_live, packet.fragment), (64, (0, false)));
        assert!(packet.checksums_are_right());
        let Transport::Tcp(tcp) = &packet.transport else { panic!("{packet:?}") };
        assert_eq!((tcp.source_port, tcp.destination_port), (34640, 44559));
        assert_eq!((tcp.sequence, tcp.acknowledgement), (1_490_039_116, 0));
        assert_eq!(tcp.flags, TcpFlags { syn: true, ..TcpFlags::default() });
        assert_eq!((tcp.window, tcp.payload), (64240, &b""[..]));
        let options = &tcp.options;
        assert_eq!(options.maximum_segment, Some(1460));
        assert_eq!(options.window_scale, Some(10));
        assert!(options.sack_permitted && options.sack.is_empty());
        assert_eq!(options.timestamps, Some((3_093_121_857, 0)));
    }

    #[test]
    fn wrong_bits_are_noticed() {
        let right = bytes(SYN);
        // The header of IPv4, then TCP's. The hardware addresses have no checksum here.
        for at in ETHERNET_BYTES..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 0x10;
            let frame = Frame::parse(&wrong).expect("it is a frame");
            let is_right = frame.internet.is_some_and(|packet| packet.checksums_are_right());
            // What is no longer TCP, or a later fragment, has none that is known of.
            let is_unknown = [20, 21, 23].contains(&at);
            assert!(!is_right || is_unknown, "byte {at}");
        }
    }

    #[test]
    fn nobody_at_a_port() {
        let bytes = bytes(UNREACHABLE);
        let packet = Frame::parse(&bytes).and_then(|frame| frame.internet).expect("a packet");
        assert!(packet.checksums_are_right());
        let Transport::Icmp(icmp) = &packet.transport else { panic!("{packet:?}") };
        assert_eq!((icmp.kind, icmp.code), (3, 3));
        let about = icmp.port_unreachable().map(|(from, to)| (from.to_string(), to.to_string()));
        assert_eq!(about, Some(("172.60.50.1:60802".to_owned(), "172.60.50.2:9".to_owned())));
    }

    #[test]
    fn selective_acknowledgements() {
        let options = TcpOptions::parse(&bytes("01 01 05 12 0000000100000002 0000000500000009"));
        assert_eq!(options.sack, [(1, 2), (5, 9)]);
        // A length beyond the end, and one that would go nowhere.
        assert_eq!(TcpOptions::parse(&bytes("04 02 02 09")).maximum_segment, None);
        assert!(TcpOptions::parse(&bytes("04 02 08 00")).sack_permitted);
    }

    #[test]
    fn what_is_cut_short_is_no_packet() {
        let whole = bytes(SYN);
        for length in 0..whole.len() {
            let frame = Frame::parse(&whole[..length]);
            assert_eq!(frame.is_some(), length >= ETHERNET_BYTES);
            assert!(frame.is_none_or(|frame| frame.internet.is_none()));
        }
        let udp = build::udp((1, 7), (2, 9), b"hello");
        let padded = [udp.as_slice(), &[0; 13]].concat();
        let packet = Frame::parse(&padded).and_then(|frame| frame.internet).expect("a packet");
        let Transport::Udp(udp) = packet.transport else { panic!("{packet:?}") };
        assert_eq!(udp.payload, b"hello");
    }

    #[test]
    fn a_datagram_over_ipv6() {
        // From ::1 to ::1, from port 7 to port 9, with the checksum that RFC 8200 asks for.
        let loopback = "0000000000000000 0000000000000001";
        let header =
            format!("333300000001 020000000001 86dd 60000000 000a 11 40{}", loopback.repeat(2));
        let sum = !(1_u16 + 1 + 17 + 10 + 7 + 9 + 10 + 0x6869);
        let frame = bytes(&format!("{header} 0007 0009 000a {sum:04x} 6869"));
        let frame = Frame::parse(&frame).expect("it is a frame");
        assert!(frame.is_for_many());
        let packet = frame.internet.expect("it is an IP packet");
        assert!(packet.source.is_ipv6() && packet.checksums_are_right());
        assert_eq!(packet.transport.ports(), Some((7, 9)));
    }
}
