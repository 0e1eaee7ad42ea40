//! How a job and what is reported of it travel between processes of one executable.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::job::{Disk, Exit, Job, Limits, Network, NetworkNamespace};

/// What a warden tells its caller.
#[derive(Debug)]
pub(super) enum Report {
    /// The disk is mounted; its root comes along as a descriptor.
    DiskReady,
    /// The program runs; a pidfd of it comes along.
    Started { program: u32, warden: u32 },
    /// The program was not started.
    Failed(Fault),
    /// The program has ended.
    Exited(Exit),
    /// Nothing of the program's tree is left.
    Ended { other_processes: u64 },
}

/// Why a program was not started.
#[derive(Debug)]
pub(super) struct Fault {
    /// What kind of step failed.
    pub(super) kind: FaultKind,
    /// The step, in words that follow "cannot start PROGRAM: ".
    pub(super) step: String,
    /// The error's number.
    pub(super) errno: i32,
}

/// Which kind of step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The program could not be executed.
    Execute,
    /// Its directory could not be entered.
    Directory,
    /// A namespace that the job asks for is not to be had.
    Unsupported,
    /// Another step.
    Other,
}

const FAULT_KINDS: [FaultKind; 4] =
    [FaultKind::Execute, FaultKind::Directory, FaultKind::Unsupported, FaultKind::Other];

impl Report {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        match self {
            Self::DiskReady => writer.number(0),
            Self::Started { program, warden } => {
                writer.number(1);
                writer.number(u64::from(*program));
                writer.number(u64::from(*warden));
            }
            Self::Failed(fault) => {
                writer.number(2);
                writer.number(fault.kind as u64);
                writer.number(fault.errno.cast_unsigned().into());
                writer.bytes(fault.step.as_bytes());
            }
            Self::Exited(exit) => {
                writer.number(3);
                writer.option(exit.status.map(|status| status.cast_unsigned().into()));
                writer.option(exit.signal.map(|signal| signal.cast_unsigned().into()));
                writer.number(exit.user_ms);
                writer.number(exit.system_ms);
            }
            Self::Ended { other_processes } => {
                writer.number(4);
                writer.number(*other_processes);
            }
        }
        writer.0
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        Some(match reader.number()? {
            0 => Self::DiskReady,
            1 => Self::Started { program: reader.small()?, warden: reader.small()? },
            2 => {
                let kind = *FAULT_KINDS.get(usize::try_from(reader.number()?).ok()?)?;
                let errno = reader.small()?.cast_signed();
                let step = String::from_utf8_lossy(reader.bytes()?).into_owned();
                Self::Failed(Fault { kind, step, errno })
            }
            3 => {
                let status = reader.option()?.map(|status| (status as u32).cast_signed());
                let signal = reader.option()?.map(|signal| (signal as u32).cast_signed());
                let (user_ms, system_ms) = (reader.number()?, reader.number()?);
                Self::Exited(Exit { status, signal, user_ms, system_ms })
            }
            4 => Self::Ended { other_processes: reader.number()? },
            _ => return None,
        })
    }
}

/// The job, but for the descriptors of a network that it is given, which travel beside it.
pub(super) fn encode_job(job: &Job) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.path(&job.program);
    writer.number(job.args.len() as u64);
    for argument in &job.args {
        writer.bytes(argument.as_bytes());
    }
    writer.path(&job.directory);
    writer.number(job.writable.len() as u64);
    for path in &job.writable {
        writer.path(path);
    }
    writer.number(job.readable.is_some().into());
    let readable = job.readable.as_deref().unwrap_or_default();
    writer.number(readable.len() as u64);
    for path in readable {
        writer.path(path);
    }
    writer.number(job.environment.len() as u64);
    for (name, value) in &job.environment {
        writer.bytes(name.as_bytes());
        writer.bytes(value.as_bytes());
    }
    let limits = &job.limits;
    writer.option(limits.address_space_bytes);
    writer.option(limits.data_bytes);
    writer.option(limits.cpu_seconds);
    writer.option(limits.file_size_bytes);
    writer.number(limits.file_size_is_told.into());
    writer.option(limits.open_files);
    writer.option(limits.processes);
    writer.number(job.stderr_terminal.into());
    writer.number(job.extra_descriptors as u64);
    writer.number(match job.network {
        Network::Host => 0,
        Network::Lonely => 1,
        Network::Given(_) => 2,
    });
    writer.number(u64::from(job.disk.is_some()));
    if let Some(disk) = &job.disk {
        writer.path(&disk.path);
        writer.number(disk.bytes);
        writer.number(disk.inodes);
    }
    writer.number(u64::from(job.hosts.is_some()));
    if let Some(hosts) = &job.hosts {
        writer.bytes(hosts.as_bytes());
    }
    writer.0
}

/// The job, which is given the network of these descriptors (see [`NetworkNamespace::in_order`]).
pub(super) fn decode_job(bytes: &[u8], network: Vec<OwnedFd>) -> Option<Job> {
    let mut reader = Reader(bytes);
    let program = reader.path()?;
    let args = reader.list(|reader| reader.text())?;
    let directory = reader.path()?;
    let writable = reader.list(Reader::path)?;
    let is_restricted = reader.number()? != 0;
    let readable = Some(reader.list(Reader::path)?).filter(|_| is_restricted);
    let environment = reader.list(|reader| Some((reader.text()?, reader.text()?)))?;
    let limits = Limits {
        address_space_bytes: reader.option()?,
        data_bytes: reader.option()?,
        cpu_seconds: reader.option()?,
        file_size_bytes: reader.option()?,
        file_size_is_told: reader.number()? != 0,
        open_files: reader.option()?,
        processes: reader.option()?,
    };
    let stderr_terminal = reader.number()? != 0;
    let extra_descriptors = usize::try_from(reader.number()?).ok()?;
    let network = match reader.number()? {
        0 => Network::Host,
        1 => Network::Lonely,
        _ => Network::Given(NetworkNamespace::from_order(network)?),
    };
    let disk = match reader.number()? {
        0 => None,
        _ => Some(Disk { path: reader.path()?, bytes: reader.number()?, inodes: reader.number()? }),
    };
    let hosts = match reader.number()? {
        0 => None,
        _ => Some(reader.text()?.into_string().ok()?),
    };
    Some(Job {
        program,
        args,
        directory,
        writable,
        readable,
        environment,
        limits,
        stderr_terminal,
        extra_descriptors,
        network,
        disk,
        hosts,
    })
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_ne_bytes());
    }

    fn option(&mut self, number: Option<u64>) {
        self.number(u64::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn path(&mut self, path: &Path) {
        self.bytes(path.as_os_str().as_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*number))
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn option(&mut self) -> Option<Option<u64>> {
        let given = self.number()? != 0;
        let number = self.number()?;
        Some(given.then_some(number))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<OsString> {
        self.bytes().map(|bytes| OsString::from_vec(bytes.to_vec()))
    }

    fn path(&mut self) -> Option<PathBuf> {
        self.text().map(PathBuf::from)
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        (0..count).map(|_| item(self)).collect()
    }
}
