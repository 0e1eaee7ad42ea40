//! What the switch has seen.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::frame::Frame;
use crate::pcapng;

/// A packet on its way from one host to another. A broadcast is one `Packet` for each host that
/// it goes to.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Which packet it is, counted from 0: what goes to many hosts, or was doubled, has the same
    /// number.
    pub number: u64,
    /// When its sender sent it: the kernel's stamp.
    pub when: SystemTime,
    /// The same by the clock that timings are taken with.
    pub at: Instant,
    /// The name of the host that sent it. A packet that a router passes on is the router's.
    pub from: Arc<str>,
    /// The name of the host that it goes to; none if no host has its hardware address.
    pub to: Option<Arc<str>>,
    /// The Ethernet frame as it was sent, checksums included. Of a capture's later packets, when it
    /// has become very long, only the headers.
    pub bytes: Arc<[u8]>,
    /// How long the frame was.
    pub length: usize,
    /// What became of it.
    pub fate: Fate,
    pub(crate) from_port: usize,
    pub(crate) to_port: Option<usize>,
}

/// What the wires did to a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It did not arrive.
    pub lost: bool,
    /// It is the second one that a wire made of one.
    pub copy: bool,
    /// A bit of it was flipped: its receiver's kernel throws it away.
    pub corrupted: bool,
    /// It was held back until another one had passed it.
    pub held_back: bool,
    /// How much longer it was on its way than it had to be.
    pub delayed: Duration,
}

impl Fate {
    /// Whether nothing befell it.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// All packets since the beginning, and the interfaces by which they went.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The packets, in the order in which they were sent.
    pub packets: Vec<Packet>,
    /// The hosts' interfaces.
    pub interfaces: Vec<Interface>,
}

/// A host's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The host's name.
    pub host: Arc<str>,
    /// What the interface is called on the host.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// How many bits of the address say which network it is in.
    pub prefix: u8,
    /// Its hardware address.
    pub hardware: [u8; 6],
}

impl Packet {
    /// What its bytes say.
    pub fn frame(&self) -> Option<Frame<'_>> {
        Frame::parse(&self.bytes)
    }

    /// What its headers say, also of one of which no more than these was kept.
    pub fn headers(&self) -> Option<Frame<'_>> {
        Frame::parse_kept(&self.bytes, self.length)
    }
}

impl Capture {
    /// Writes a file that Wireshark and tshark read (pcapng). Each packet stands in it once, as it
    /// left its sender; copies that a wire made stand beside it as they arrived. What befell a
    /// packet is told in its comment.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_pcapng(&self, writer: impl Write) -> io::Result<()> {
        pcapng::write(self, writer)
    }
}
