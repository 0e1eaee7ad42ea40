//! Networks, and the address of everybody in one.

use std::net::Ipv4Addr;
use std::str::FromStr;

/// A network, given by any address in it and the length of the part that all its addresses share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: Ipv4Addr,
    prefix_bits: u32,
}

impl Network {
    /// The largest address of the network.
    pub fn broadcast(self) -> Ipv4Addr {
        let Self { address, prefix_bits } = self;
        todo!("set all bits of {address} that are not among its first {prefix_bits}")
    }
}

impl FromStr for Network {
    /// What is wrong with the text, for a person to read.
    type Err = String;

    /// Reads `A.B.C.D/N`. The address may be any host's: it need not be the network's first.
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self { address: read_address(text)?, prefix_bits: read_prefix(text)? })
    }
}

/// What stands before the slash of `text`.
fn read_address(text: &str) -> Result<Ipv4Addr, String> {
    todo!("the four numbers before the slash of {text:?}")
}

/// What stands after the slash of `text`.
fn read_prefix(text: &str) -> Result<u32, String> {
    todo!("the number from 0 to 32 after the slash of {text:?}")
}
