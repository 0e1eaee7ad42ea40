//! Hosts and wires of one's own: each host is a network namespace, and a switch in user space
//! carries what they send each other. It sees every packet, so it captures without being asked,
//! and it can lose, double, delay, reorder and corrupt packets by a seed. Needs no privileges, and
//! knows nothing of grading.
//!
//! ```text
//!  caller's process                                     the lab's user namespace
//! ┌────────────────────────────┐                   ┌──────────────────────────────────┐
//! │ switch (a thread)          │  packet sockets   │ p0 ══ veth ══ eth0 of one host   │
//! │   captures, loses, doubles ├───────────────────┤ p1 ══ veth ══ eth0 of another    │
//! │                            │                   │ …             each a namespace   │
//! │ Lab, Host                  ├──── requests ─────┤ helper: opens sockets in a host  │
//! └────────────────────────────┘    descriptors    └──────────────────────────────────┘
//! ```
//!
//! Only a process with one thread may enter a user namespace, so a *helper*, the same executable
//! once more, makes the namespaces and opens sockets inside of them. What it makes it hands over
//! as descriptors. A socket belongs to the network in which it was opened, whoever uses it: the
//! caller sets the hosts up over routing sockets, runs the switch, and plays a program's peer on
//! another host without ever leaving its own network.
//!
//! Nothing is left behind on any way out. Interfaces end with their namespaces, namespaces with the
//! last descriptor and process that hold them, and the helper ends when the caller's end of its
//! socket is closed, which the kernel does when the caller is killed.
//!
//! The helper is this executable with a hidden argument: a `main` that uses a lab calls
//! [`lab_main_if_asked`] before anything else.

#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "without a lab nothing calls the parts of one")
)]

mod capture;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod faults;
pub mod frame;
#[cfg(target_os = "linux")]
mod linux;
mod pcapng;
mod switch;
mod topology;
mod unsupported;

#[cfg(not(target_os = "linux"))]
use elsewhere as platform;
#[cfg(target_os = "linux")]
use linux as platform;

pub use capture::{Capture, Fate, Interface, Packet};
pub use faults::{Faults, REORDER_MAX, Way};
pub use platform::{Host, Lab, Turn, lab_main_if_asked};
pub use topology::{HostPlan, Topology};
pub use unsupported::{NotStarted, Unsupported};
