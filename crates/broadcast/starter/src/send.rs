//! The sender: each message is one datagram, and who hears it is not its business.

use anyhow::Result;

use crate::resolve;

/// Sends each of `messages` to `address` (`HOST:PORT`) as one datagram.
///
/// # Errors
/// Fails as soon as the kernel refuses one: no route leads there, or it is too long.
pub fn run(address: &str, messages: &[&str]) -> Result<()> {
    let receivers = resolve(address)?;
    todo!(
        "a datagram socket that may broadcast; send each of {messages:?} to the first of \
         {receivers:?} that the kernel can send to; an error names what was attempted on what"
    )
}
