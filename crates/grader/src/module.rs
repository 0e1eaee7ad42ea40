//! A concept's checks, and the program that they judge.

use std::path::PathBuf;

use crate::check::Check;
use crate::failure::Verdict;

/// A check: it plays the program's peer, and stops at the first promise that the program breaks.
pub type CheckFn = fn(&mut Check) -> Verdict;

/// The checks of one concept.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// The concept's name, which is its folder's and its binary's ("tcp-echo").
    pub name: &'static str,
    /// The checks by their ids, which are those of the manifest.
    pub checks: &'static [(&'static str, CheckFn)],
}

/// The program that is graded.
#[derive(Debug, Clone)]
pub struct Target {
    /// The executable, as an absolute path.
    pub program: PathBuf,
    /// What the report calls it ("exercises/tcp-echo").
    pub shown_as: String,
}
