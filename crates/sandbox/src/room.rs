//! What a process and all that it starts may see of the machine, when that is next to nothing.

use std::path::PathBuf;

/// A room: namespaces of its own for users, processes, files, networks and interprocess
/// communication. See [`crate::enter_room`].
#[derive(Clone, Debug)]
pub struct Room {
    /// An empty folder, over which the room's root is laid while it is built. Rooms may share it.
    pub at: PathBuf,
    /// What can be seen, read-only, besides what any program needs (`/usr` and its kin, a few
    /// devices, a small `/etc`, the room's own `/proc`).
    pub shown: Vec<Shown>,
    /// What must not be seen, even where it lies below something shown (a course below `/usr`).
    pub hidden: Vec<PathBuf>,
    /// The folder that can be written to, absolute; it is empty at first, and gone with the room.
    pub work: PathBuf,
    /// How much that folder holds, in bytes. It is in memory, and takes what is used.
    pub work_bytes: u64,
    /// How many files and folders it holds.
    pub work_inodes: u64,
    /// How much memory the processes in the room may use together, in bytes, the one that entered
    /// it not counted. Past it the largest of them are killed; looked at a few times a second.
    pub memory_bytes: u64,
}

/// A folder or file that can be seen in a room.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Where it is.
    pub source: PathBuf,
    /// Where it is found in the room, absolute.
    pub place: PathBuf,
}
