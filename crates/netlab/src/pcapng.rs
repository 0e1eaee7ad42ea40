//! Writes packets in the pcapng format (draft-ietf-opsawg-pcapng), in this machine's byte order, as
//! the format allows.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use crate::capture::{Capture, Interface, Packet};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const NAME_RESOLUTION: u32 = 4;
const ENHANCED_PACKET: u32 = 6;

/// What readers tell the byte order by.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const VERSION: (u16, u16) = (1, 0);
const LINKTYPE_ETHERNET: u16 = 1;
/// Packets are never cut at a fixed length.
const NO_SNAP_LENGTH: u32 = 0;
const NANOSECONDS: u8 = 9;

// Options, each of the block that it stands in; the comment is every block's.
const OPTION_END: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_IPV4: u16 = 4;
const INTERFACE_HARDWARE: u16 = 6;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
const RECORD_END: u16 = 0;
const RECORD_IPV4: u16 = 1;

/// The direction in a packet's flags.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// See [`Capture::write_pcapng`].
pub(crate) fn write(capture: &Capture, mut writer: impl Write) -> io::Result<()> {
    let mut section = Block::new(SECTION_HEADER);
    section.long(BYTE_ORDER).short(VERSION.0).short(VERSION.1);
    // The section's length is not said: -1.
    section.bytes(&u64::MAX.to_ne_bytes());
    section.option(SECTION_APPLICATION, b"netlab").option(OPTION_END, b"");
    writer.write_all(&section.finish())?;
    for interface in &capture.interfaces {
        writer.write_all(&describe(interface))?;
    }
    writer.write_all(&names(&capture.interfaces))?;
    let mut packets = capture.packets.iter().peekable();
    while let Some(first) = packets.next() {
        // All that became of one packet stands together.
        let mut became = vec![first];
        while let Some(next) = packets.next_if(|next| next.number == first.number) {
            became.push(next);
        }
        let originals: Vec<&Packet> =
            became.iter().copied().filter(|packet| !packet.fate.copy).collect();
        let told = originals.iter().filter_map(|packet| tell(packet));
        let comment = told.collect::<Vec<_>>().join("; ");
        writer.write_all(&packet(first, first.from_port, OUTBOUND, &comment))?;
        for copy in became.iter().filter(|packet| packet.fate.copy) {
            if let Some(port) = copy.to_port {
                let comment = tell(copy).unwrap_or_default();
                writer.write_all(&packet(copy, port, INBOUND, &comment))?;
            }
        }
    }
    writer.flush()
}

/// What befell it, in a few words; none if nothing did.
fn tell(packet: &Packet) -> Option<String> {
    let Some(to) = &packet.to else { return Some("no host has this address".to_owned()) };
    let fate = packet.fate;
    if fate.is_plain() {
        return None;
    }
    let mut told = Vec::new();
    told.extend(fate.copy.then(|| "doubled: this is the copy".to_owned()));
    told.extend(fate.corrupted.then(|| "a bit was flipped on the way".to_owned()));
    told.extend(fate.lost.then(|| "lost".to_owned()));
    told.extend(fate.held_back.then(|| "held back behind the next packet".to_owned()));
    let delay_ms = fate.delayed.as_millis();
    told.extend((delay_ms > 0).then(|| format!("delayed by {delay_ms} ms")));
    Some(format!("to {to}: {}", told.join(", ")))
}

fn describe(interface: &Interface) -> Vec<u8> {
    let mut block = Block::new(INTERFACE_DESCRIPTION);
    block.short(LINKTYPE_ETHERNET).short(0).long(NO_SNAP_LENGTH);
    let name = format!("{} {}", interface.host, interface.name);
    let mask = !crate::topology::host_mask(interface.prefix);
    let address = [interface.address.octets(), mask.to_be_bytes()].concat();
    block
        .option(INTERFACE_NAME, name.as_bytes())
        .option(INTERFACE_IPV4, &address)
        .option(INTERFACE_HARDWARE, &interface.hardware)
        .option(INTERFACE_RESOLUTION, &[NANOSECONDS])
        .option(OPTION_END, b"");
    block.finish()
}

fn names(interfaces: &[Interface]) -> Vec<u8> {
    let mut block = Block::new(NAME_RESOLUTION);
    for interface in interfaces {
        let name = [interface.host.as_bytes(), b"\0"].concat();
        block.option(RECORD_IPV4, &[interface.address.octets().as_slice(), &name].concat());
    }
    block.option(RECORD_END, b"");
    block.finish()
}

fn packet(packet: &Packet, interface: usize, direction: u32, comment: &str) -> Vec<u8> {
    let since_epoch = packet.when.duration_since(SystemTime::UNIX_EPOCH);
    // Until the year 2554.
    let nanoseconds = since_epoch.unwrap_or(Duration::ZERO).as_nanos() as u64;
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut block = Block::new(ENHANCED_PACKET);
    block.long(length(interface)).long((nanoseconds >> 32) as u32).long(nanoseconds as u32);
    block.long(length(packet.bytes.len())).long(length(packet.length)).padded(&packet.bytes);
    if !comment.is_empty() {
        block.option(COMMENT, comment.as_bytes());
    }
    block.option(PACKET_FLAGS, &direction.to_ne_bytes()).option(OPTION_END, b"");
    block.finish()
}

/// A block, to which its length, before and after what it holds, is still to come.
struct Block(Vec<u8>);

impl Block {
    fn new(kind: u32) -> Self {
        let mut block = Self(Vec::new());
        block.long(kind).long(0);
        block
    }

    fn short(&mut self, number: u16) -> &mut Self {
        self.bytes(&number.to_ne_bytes())
    }

    fn long(&mut self, number: u32) -> &mut Self {
        self.bytes(&number.to_ne_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The bytes, and what fills the last word of 32 bits up.
    fn padded(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// An option, or a record of names. A text longer than its length can say is cut.
    fn option(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.short(kind).short(length).padded(&value[..usize::from(length)])
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() + 4).unwrap_or(u32::MAX);
        self.0[4..8].copy_from_slice(&length.to_ne_bytes());
        self.long(length);
        self.0
    }
}
