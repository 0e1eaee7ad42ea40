//! The harness of the course: what a check may do, what a verdict is, and how it is told.
//!
//! A check is a function that gets a program and plays its peer over real sockets ([`Check`]). It
//! judges any executable, in any language. Every step of a check records itself ([`record`]); a
//! step that fails knows what it expected and what it got ([`failure`]). [`runner::run`] runs the
//! checks of a module side by side.

pub mod bytes;
pub mod check;
mod context;
pub mod failure;
pub mod lab;
pub mod ladder;
pub mod look;
pub mod manifest;
pub mod module;
pub mod names;
pub mod page;
pub mod pattern;
pub mod process;
pub mod record;
pub mod report;
pub mod resources;
mod rest;
pub mod result_lines;
pub mod retell;
pub mod runner;
mod sockets;
pub mod stage;
mod stamps;
pub mod styles;
pub mod tcp;
pub mod tree;
pub mod udp;
pub mod wording;

pub use check::Check;
pub use failure::{Failure, Stop, Symptom, Verdict};
pub use lab::{Host, Lab};
pub use manifest::{Kind, Manifest};
pub use module::{CheckFn, Module, Target};
pub use names::NamedPeer;
pub use pattern::Pattern;
pub use process::{Finished, Program, Server};
pub use resources::Footprint;
pub use result_lines::ResultLines;
pub use runner::{Plan, Turn, does_not_build, run, run_core_first, take_turns};
pub use tcp::{Connection, Listener};
pub use udp::{Datagram, DatagramPeer};
