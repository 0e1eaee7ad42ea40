//! Runs a program that is not trusted, and leaves nothing of it behind. Knows nothing of grading.
//!
//! A [`Sandbox`] is one run: it starts a *keeper*, a process of its own made from the same
//! executable, which outlives the caller for as long as it takes to clean up. Whether the caller
//! returns, panics, is interrupted or killed, the keeper ends every process that was started and
//! removes the run's scratch folder.
//!
//! ```text
//! caller ──── requests ────▶ keeper          one a run; a session of its own, ignores Ctrl-C
//!    │                         │ fork
//!    └── orders, reports ──▶ warden          one a program; adopts every orphan below it
//!                              │ fork, exec
//!                           program          and whatever it starts
//! ```
//!
//! Between a warden and the caller runs a socket. When it ends, for whatever reason, the warden
//! kills all that is below it. A daemon that forked twice and made itself a session is below it
//! still, since the warden is a subreaper.
//!
//! The keeper is this executable again, with a hidden argument: a `main` that uses a sandbox
//! calls [`keeper_main_if_asked`] before anything else.

mod companion;
mod ending;
mod job;
mod layer;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;
mod room;
pub mod scratch;
mod terminal;

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
use portable as platform;

pub use ending::{Closed, close_all_for_exit};
pub use job::{Disk, Exit, Job, Leftovers, Limits, Network, NetworkNamespace};
pub use layer::{Layer, Measure};
pub use platform::{Running, Sandbox, enter_room, keeper_main_if_asked, protect_self};
#[cfg(target_os = "linux")]
pub use platform::{helper, message};
pub use room::{Room, Shown};

/// The first argument by which this executable knows that it is to be the keeper. Argument
/// parsers take it for an unknown option, so a `main` that does not ask for it stops there.
const KEEPER_ARGUMENT: &str = "--run-as-keeper-of-a-sandbox";
