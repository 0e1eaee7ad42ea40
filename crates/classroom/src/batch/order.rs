//! What the runner and the process that grades one submission say to each other.
//!
//! The order comes on standard input: one line of JSON, then the files, one after the other. The
//! answer goes to standard output: one line of JSON, then one more with what it all cost.

use std::path::PathBuf;

use sandbox::{Room, Shown};
use serde::{Deserialize, Serialize};

use crate::results::ModuleResult;

/// The first argument by which this executable knows that it is to grade one submission.
pub const WORKER_ARGUMENT: &str = "--grade-one-submission";

/// One submission to grade. Without a module it only finds out what this machine offers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The room in which it is built and run; none with `--trust-submissions` on a machine that
    /// has no rooms.
    pub room: Option<RoomOrder>,
    /// The modules, in the order in which they are graded.
    pub modules: Vec<ModuleOrder>,
    /// The compiler.
    pub rustc: PathBuf,
    /// The folder of the compiled dependencies, as the compiler finds it.
    pub libraries: PathBuf,
    /// The seed of all random input.
    pub seed: u64,
    /// How long a check waits for an answer, in milliseconds.
    pub deadline_ms: u64,
    /// The checks to run; all if empty.
    pub checks: Vec<String>,
    /// What the submission may use up.
    pub limits: Limits,
    /// A file, by whose lock checks that have to run alone take turns.
    pub turns: PathBuf,
}

/// What the room shows; the rest is the same for every submission.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoomOrder {
    /// An empty folder for laying it out.
    pub at: PathBuf,
    /// What is shown, and where.
    pub shown: Vec<(PathBuf, PathBuf)>,
    /// What must not be seen.
    pub hidden: Vec<PathBuf>,
    /// The folder for everything that is written.
    pub work: PathBuf,
}

/// One module of a submission.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ModuleOrder {
    /// The module's name.
    pub name: String,
    /// Its manifest, as TOML.
    pub manifest: String,
    /// The paths of the submission's files, relative to the folder of `src`, and their lengths in
    /// bytes; empty if it has no such program.
    pub files: Vec<(String, u64)>,
    /// Why the submission was refused, if it was; then there are no files.
    pub refused: Option<String>,
    /// The dependencies that the program may use: each crate's name, and its file in the folder of
    /// the dependencies.
    pub libraries: Vec<(String, String)>,
}

/// What one submission may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processor time of the compiler for one module.
    pub compile_cpu_seconds: u64,
    /// How long the compiler of one module may take altogether; past it the machine is at fault.
    pub compile_wall_seconds: u64,
    /// Private memory of each process.
    pub data_bytes: u64,
    /// Memory of all processes together.
    pub memory_bytes: u64,
    /// The size of a file.
    pub file_bytes: u64,
    /// Processes and threads of everything together, the grader's own included. Of these a program
    /// may have what its job allows, 1024, so that a fork bomb leaves the grader the rest.
    pub processes: u64,
    /// All files together.
    pub work_bytes: u64,
    /// The number of files and folders.
    pub work_inodes: u64,
}

impl Default for Limits {
    /// Generous enough for everything that a reference solution, or an honest attempt, does.
    fn default() -> Self {
        Self {
            compile_cpu_seconds: 120,
            compile_wall_seconds: 900,
            data_bytes: 3 << 30,
            memory_bytes: 4 << 30,
            file_bytes: 2 << 30,
            processes: 2048,
            work_bytes: 3 << 29,
            work_inodes: 20_000,
        }
    }
}

/// What came of an order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Why this machine has no rooms, if the order asked for one and there is none.
    pub refused: Option<String>,
    /// The layer of the sandbox that was in force.
    pub layer: String,
    /// What of it is missing on this machine, and why.
    pub missing: Vec<(String, String)>,
    /// The results, one a module.
    pub modules: Vec<ModuleResult>,
    /// Why the grader or the machine failed, if it did.
    pub fault: Option<String>,
    /// How long compiling took, in milliseconds.
    pub build_ms: u64,
    /// How long the checks took, in milliseconds.
    pub grade_ms: u64,
}

/// The answer's second line.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Processor time of the process that grades and of all that it waited for, in milliseconds.
    pub cpu_ms: u64,
}

impl RoomOrder {
    /// The room, with these limits.
    pub fn room(&self, limits: &Limits) -> Room {
        let shown = |(source, place): &(PathBuf, PathBuf)| Shown {
            source: source.clone(),
            place: place.clone(),
        };
        Room {
            at: self.at.clone(),
            shown: self.shown.iter().map(shown).collect(),
            hidden: self.hidden.clone(),
            work: self.work.clone(),
            work_bytes: limits.work_bytes,
            work_inodes: limits.work_inodes,
            memory_bytes: limits.memory_bytes,
        }
    }
}
