//! The report: what the kernel says of the socket, a line each.

use anyhow::Result;
use socket2::Socket;

/// Reads everything there is to say of `socket`, in the order of the report.
///
/// # Errors
/// Fails if the kernel refuses to tell; the error names what was asked.
pub fn report(socket: &Socket) -> Result<String> {
    todo!("read all lines back from {socket:?}: not one of them comes from the command line")
}
