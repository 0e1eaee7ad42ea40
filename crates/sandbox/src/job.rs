//! What to run, and what came of it.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A program to run, and what it may do.
#[derive(Clone, Debug)]
pub struct Job {
    /// The executable. A name without a slash is looked up in the `PATH` of `environment`.
    pub program: PathBuf,
    /// Its arguments, the program's own name not among them.
    pub args: Vec<OsString>,
    /// Its working directory, where it may also write.
    pub directory: PathBuf,
    /// Files and folders that it may write to, besides its directory and the likes of `/dev/null`.
    /// Enforced where the kernel has Landlock. All of them exist.
    pub writable: Vec<PathBuf>,
    /// What it may read and execute besides that; everything if none is given. Enforced where the
    /// kernel has Landlock. All of them exist.
    pub readable: Option<Vec<PathBuf>>,
    /// Its whole environment: nothing of the caller's is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// What it may use up.
    pub limits: Limits,
    /// Whether its standard error is a terminal of 80 columns and 24 lines, not a pipe: for
    /// programs that show their progress on one only. Bytes pass as they are ("\n" stays "\n"), and
    /// it does not become the program's controlling terminal. See [`crate::Running::stderr`] for
    /// its end.
    pub stderr_terminal: bool,
    /// How many more descriptors it finds open, from 3 up; all of them are `/dev/null`.
    pub extra_descriptors: usize,
    /// The network that it sees.
    pub network: Network,
    /// A small disk that only this program sees.
    pub disk: Option<Disk>,
    /// What this program reads in `/etc/hosts`, which names its resolver knows; `hosts(5)`. None:
    /// what the caller reads there.
    pub hosts: Option<String>,
}

impl Job {
    /// A job with a small environment (`PATH`, `LANG`, `HOME` and `TMPDIR`) and the default limits.
    pub fn new(program: impl Into<PathBuf>, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        let environment = vec![
            ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("HOME".into(), directory.clone().into()),
            ("TMPDIR".into(), directory.clone().into()),
        ];
        Self {
            program: program.into(),
            args: Vec::new(),
            directory,
            writable: Vec::new(),
            readable: None,
            environment,
            limits: Limits::default(),
            stderr_terminal: false,
            extra_descriptors: 0,
            network: Network::Host,
            disk: None,
            hosts: None,
        }
    }
}

/// What a program may use up; see `setrlimit(2)`. `None` leaves the caller's own limit.
///
/// No core file is ever written.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Address space. None by default: runtimes such as Java's reserve far more than they use.
    pub address_space_bytes: Option<u64>,
    /// Private writable memory. Memory that is shared escapes this limit.
    pub data_bytes: Option<u64>,
    /// Processor time of each process. Past it SIGXCPU comes, a second later SIGKILL.
    pub cpu_seconds: Option<u64>,
    /// The size of each file that it writes. Past it SIGXFSZ comes, or EFBIG if that is ignored.
    pub file_size_bytes: Option<u64>,
    /// That SIGXFSZ is ignored: what would make a file too large fails as on a full disk.
    pub file_size_is_told: bool,
    /// The lowest descriptor number that it cannot have.
    pub open_files: Option<u64>,
    /// Processes and threads, beyond those that the user had when the sandbox was started. All
    /// programs of the user share this limit, and root is never bound by it.
    pub processes: Option<u64>,
}

impl Default for Limits {
    /// Generous enough for correct programs in any language.
    fn default() -> Self {
        Self {
            address_space_bytes: None,
            data_bytes: Some(4 << 30),
            cpu_seconds: Some(120),
            file_size_bytes: Some(4 << 30),
            file_size_is_told: false,
            open_files: Some(1024),
            processes: Some(1024),
        }
    }
}

/// The network that a program sees.
#[derive(Clone, Debug, Default)]
pub enum Network {
    /// The caller's.
    #[default]
    Host,
    /// One of its own with a loopback interface, up, and nothing else.
    Lonely,
    /// One that somebody else has made.
    Given(NetworkNamespace),
}

/// A network namespace that a program is to join, held by descriptors: `setns(2)`.
///
/// Joining a network namespace takes power over the user namespace that owns it. A process outside
/// has that over each user namespace that its own user has made just below its own
/// (`user_namespaces(7)`), and gives it up when it becomes the program.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux has namespaces"))]
pub struct NetworkNamespace {
    user: Option<Arc<OwnedFd>>,
    network: Arc<OwnedFd>,
}

impl NetworkNamespace {
    /// The namespace `network` (`/proc/PID/ns/net`). `user` (`/proc/PID/ns/user`) is the user
    /// namespace that owns it; none if that is the caller's own.
    pub fn new(user: Option<Arc<OwnedFd>>, network: Arc<OwnedFd>) -> Self {
        Self { user, network }
    }

    /// The user namespace, if there is one to join, and the network namespace, in the order in
    /// which a process joins them.
    #[cfg(target_os = "linux")]
    pub(crate) fn in_order(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.user.iter().chain([&self.network]).map(|namespace| namespace.as_fd())
    }

    /// The same, held by descriptors whose numbers are at least `lowest`.
    #[cfg(target_os = "linux")]
    pub(crate) fn lifted(&self, lowest: i32) -> io::Result<Self> {
        let lift = |descriptor| rustix::io::fcntl_dupfd_cloexec(descriptor, lowest);
        let lifted: Result<Vec<OwnedFd>, _> = self.in_order().map(lift).collect();
        Self::from_order(lifted?).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The namespace of these descriptors, which are in the order of [`Self::in_order`].
    #[cfg(target_os = "linux")]
    pub(crate) fn from_order(mut descriptors: Vec<OwnedFd>) -> Option<Self> {
        let network = Arc::new(descriptors.pop()?);
        Some(Self { user: descriptors.pop().map(Arc::new), network })
    }
}

/// A small disk, in memory, mounted for one program alone and gone with it.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The empty folder where the program finds it. It may write there.
    pub path: PathBuf,
    /// How much it holds; the system rounds up to whole pages.
    pub bytes: u64,
    /// How many files and folders it holds, its root among them.
    pub inodes: u64,
}

/// How a program ended: exactly one of `status` and `signal` is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status, if it ended by itself.
    pub status: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// Processor time that it spent itself, its children that it waited for included.
    pub user_ms: u64,
    /// Processor time that the kernel spent for it, its children that it waited for included.
    pub system_ms: u64,
}

/// What was still there when a program's tree was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// How many processes, other than the program, were alive.
    pub other_processes: usize,
}

/// The program in the job's `PATH`, not in the caller's, if it is a name without a slash; else its
/// absolute path.
///
/// # Errors
/// `NotFound`; and where the caller's own directory is gone.
pub(crate) fn find_program(job: &Job) -> io::Result<PathBuf> {
    if job.program.as_os_str().as_bytes().contains(&b'/') {
        return std::path::absolute(&job.program);
    }
    let path = job.environment.iter().find(|(name, _)| name == "PATH");
    path.into_iter()
        .flat_map(|(_, folders)| std::env::split_paths(folders))
        .map(|folder| folder.join(&job.program))
        .find(|file| file.is_file())
        .ok_or_else(|| rustix::io::Errno::NOENT.into())
}

/// What the error's own text leaves open.
pub(crate) fn remark(program: &Path, error: &io::Error) -> &'static str {
    if program.is_dir() {
        " (it is a folder)"
    } else if error.kind() == io::ErrorKind::NotFound && program.exists() {
        " (the file is there, but not the interpreter or loader that it names)"
    } else {
        ""
    }
}
