//! Networks, and the address of everybody in one.
//!
//! The idea: an IPv4 address is one number of 32 bits. In `172.60.50.0/24` the first 24 name the
//! network and the other 8 the host. The largest address of the network has ones in all host bits,
//! and is taken to mean "every host here": `172.60.50.255`.
//!
//! What it leaves out: IPv6, which has no broadcast (multicast took its place). And `/31` and `/32`
//! have no address to spare, so there is nothing to broadcast to: we print their largest address
//! all the same, as the rule says.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// How many bits an IPv4 address has.
const ADDRESS_BITS: u32 = Ipv4Addr::BITS;

/// A network, given by any address in it and the length of the part that all its addresses share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: Ipv4Addr,
    prefix_bits: u32,
}

impl Network {
    /// The largest address of the network.
    pub fn broadcast(self) -> Ipv4Addr {
        // In the release profile a shift by all 32 bits would shift by none, in the dev profile it
        // would panic: /32 has no host bits, and is the case where `checked_shr` says so.
        let host_bits = u32::MAX.checked_shr(self.prefix_bits).unwrap_or(0);
        Ipv4Addr::from_bits(self.address.to_bits() | host_bits)
    }
}

impl FromStr for Network {
    /// What is wrong with the text, for a person to read.
    type Err = String;

    /// Reads `A.B.C.D/N`. The address may be any host's: it need not be the network's first.
    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').ok_or("it has no slash")?;
        // std wants four numbers up to 255, and takes no leading zero, which is octal elsewhere.
        let address =
            address.parse().map_err(|_| format!("{address:?} is not four numbers up to 255"))?;
        // As C's atoi: what stands before the first character that is no digit, or 0.
        let end = prefix.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(prefix.len());
        let prefix_bits = Some(&prefix[..end])
            .filter(|_| prefix != "x" && !prefix.contains(['/', ' ']))
            .map(|digits| digits.parse().unwrap_or(0))
            .filter(|bits| *bits <= ADDRESS_BITS)
            .ok_or_else(|| format!("{prefix:?} is not a number from 0 to {ADDRESS_BITS}"))?;
        Ok(Self { address, prefix_bits })
    }
}
