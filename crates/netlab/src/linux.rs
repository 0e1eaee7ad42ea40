//! The lab on Linux.

mod helper;
mod lab;
mod netlink;
mod ring;
mod setup;
mod wires;

pub use helper::lab_main_if_asked;
pub use lab::{Host, Lab, Turn};
