//! The warden of one program: starts it, tells its caller what becomes of it, and ends all that is
//! below it on order or when the caller is gone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, kill_process_group, pidfd_open, set_child_subreaper,
};

use super::keeper::Context;
use super::program::{become_program, first_beyond, lift};
use super::signals::{block_signals, signal_descriptor, take_signals};
use super::wire::{self, Fault, FaultKind, Report};
use super::{fork, message, tree};
use crate::job::{Exit, Job, Network};

/// The order to end the program's tree.
pub(super) const ORDER_END: &[u8] = b"end";

/// What the keeper was sent to start a program with.
pub(super) struct Start {
    /// The file that describes the job.
    pub(super) job: OwnedFd,
    /// The program's ends of its standard streams.
    pub(super) stdio: [OwnedFd; 3],
    /// The namespaces of a network that it is given.
    pub(super) network: Vec<OwnedFd>,
}

/// Runs the warden to its end; returns its exit status.
pub(super) fn run(wanted: Start, orders: &OwnedFd, context: &Context) -> i32 {
    match start(wanted, orders, context) {
        Ok(Some(warden)) => warden.watch(),
        // The program's own process has said why it was not started.
        Ok(None) => 0,
        Err(error) => {
            report_failure(orders, "prepare its warden", &error);
            1
        }
    }
}

/// Tells the caller that the program was not started.
pub(super) fn report_failure(orders: &OwnedFd, step: &str, error: &io::Error) {
    let fault = Fault {
        kind: FaultKind::Other,
        step: step.to_owned(),
        errno: error.raw_os_error().unwrap_or(0),
    };
    tell(orders.as_fd(), &Report::Failed(fault), &[]);
}

/// A caller that is gone is noticed where its orders are read, not here.
fn tell(orders: BorrowedFd<'_>, report: &Report, descriptors: &[BorrowedFd<'_>]) {
    let _ = message::send(orders, &report.encode(), descriptors);
}

struct Warden {
    orders: OwnedFd,
    signals: OwnedFd,
    program: Pid,
    exit: Option<Exit>,
}

fn start(wanted: Start, orders: &OwnedFd, context: &Context) -> io::Result<Option<Warden>> {
    set_child_subreaper(Some(getpid()))?;
    // The keeper has blocked SIGTERM too, so that none is lost before this line.
    block_signals(&[libc::SIGCHLD, libc::SIGTERM])?;
    let signals = signal_descriptor(&[libc::SIGCHLD, libc::SIGTERM])?;
    let mut job = read_job(wanted.job, wanted.network)?;
    let beyond = first_beyond(job.extra_descriptors)?;
    if let Network::Given(network) = &mut job.network {
        *network = network.lifted(beyond)?;
    }
    let orders = rustix::io::fcntl_dupfd_cloexec(orders, beyond)?;
    let [stdin, stdout, stderr] = wanted.stdio;
    let stdio = [lift(stdin, beyond)?, lift(stdout, beyond)?, lift(stderr, beyond)?];
    let (faults, fault_end) = pipe_with(PipeFlags::CLOEXEC)?;
    let fault_end = lift(fault_end, beyond)?;

    let warden = getpid();
    let program = fork(|| {
        let fault = become_program(&job, warden, &stdio, &orders, context);
        let report = Report::Failed(fault).encode();
        // The warden is waiting for this; if it is gone, so is the caller.
        let _ = rustix::io::write(&fault_end, &report);
        1
    })?;
    drop((stdio, fault_end));
    // The end of this pipe is the exec of the program, which closes it.
    let mut report = Vec::new();
    File::from(faults).read_to_end(&mut report)?;
    let warden = Warden { orders, signals, program, exit: None };
    if report.is_empty() {
        let pidfd = pidfd_open(program, PidfdFlags::empty())?;
        let number = |pid: Pid| pid.as_raw_pid().cast_unsigned();
        let started = Report::Started { program: number(program), warden: number(getpid()) };
        tell(warden.orders.as_fd(), &started, &[pidfd.as_fd()]);
        return Ok(Some(warden));
    }
    tree::end_all(&BTreeSet::new())?;
    // The caller may be gone; then nobody needs to know.
    let _ = message::send(&warden.orders, &report, &[]);
    Ok(None)
}

fn read_job(description: OwnedFd, network: Vec<OwnedFd>) -> io::Result<Job> {
    let mut file = File::from(description);
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    wire::decode_job(&bytes, network).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Warden {
    fn watch(mut self) -> i32 {
        loop {
            let (ordered, signalled) = {
                let mut polled = [
                    PollFd::new(&self.orders, PollFlags::IN),
                    PollFd::new(&self.signals, PollFlags::IN),
                ];
                if retry_on_intr(|| poll(&mut polled, None)).is_err() {
                    return 1;
                }
                (!polled[0].revents().is_empty(), !polled[1].revents().is_empty())
            };
            let end_by_signal = signalled && take_signals(&self.signals).contains(&libc::SIGTERM);
            if signalled {
                self.reap();
            }
            if ordered || end_by_signal {
                // An order, or the end of the caller: either way the tree goes. The order is taken
                // from the socket, since closing one with unread bytes would reset it, and the
                // caller might lose the report that follows.
                let _ = message::try_receive(&self.orders);
                return match self.end() {
                    Ok(other_processes) => {
                        tell(self.orders.as_fd(), &Report::Ended { other_processes }, &[]);
                        0
                    }
                    // The keeper, which adopts what is left, tries again.
                    Err(_) => std::process::abort(),
                };
            }
        }
    }

    /// Notes the program's end, and waits for orphans that have ended. The program itself is left
    /// as it is, so that its number cannot become another process's while the caller uses it.
    fn reap(&mut self) {
        if self.exit.is_none()
            && let Ok(Some(exit)) = program_exit(self.program, libc::WNOHANG | libc::WNOWAIT)
        {
            self.note_exit(exit);
        }
        let spared = BTreeSet::from([self.program.as_raw_pid()]);
        // Whatever goes wrong here shows when the tree is ended.
        let _ = tree::reap(&spared);
    }

    fn note_exit(&mut self, exit: Exit) {
        self.exit = Some(exit);
        tell(self.orders.as_fd(), &Report::Exited(exit), &[]);
    }

    /// Ends all that is below; says how many other processes than the program were alive.
    fn end(&mut self) -> io::Result<u64> {
        // The kernel signals a whole group in one step, which no fork inside of it can outrun.
        // It fails when nothing of the group is left, which is as well.
        let _ = kill_process_group(self.program, Signal::STOP);
        let stopped = tree::freeze(&BTreeSet::new());
        let is_other = |pid: &&Pid| **pid != self.program && tree::is_living(**pid);
        let others = stopped.iter().filter(is_other).count();
        let _ = kill_process_group(self.program, Signal::KILL);
        if let Ok(Some(exit)) = program_exit(self.program, 0)
            && self.exit.is_none()
        {
            self.note_exit(exit);
        }
        tree::end_all(&BTreeSet::new())?;
        Ok(others as u64)
    }
}

/// How the program ended, if it has; `options` as for `waitid(2)`, `WEXITED` added.
fn program_exit(program: Pid, options: i32) -> io::Result<Option<Exit>> {
    // SAFETY: all zeros is a valid value of both.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { mem::zeroed() };
    let pid = program.as_raw_pid();
    // SAFETY: both pointers are live. The system call, unlike the C library's function, also tells
    // what the process used.
    let result = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PID,
            pid,
            &raw mut info,
            libc::WEXITED | options,
            &raw mut usage,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `waitid` has filled in the fields of a child's end, or left zeros.
    let (ended, status) = unsafe { (info.si_pid(), info.si_status()) };
    if ended == 0 {
        return Ok(None);
    }
    let exited = info.si_code == libc::CLD_EXITED;
    Ok(Some(Exit {
        status: exited.then_some(status),
        signal: (!exited).then_some(status),
        user_ms: milliseconds(usage.ru_utime),
        system_ms: milliseconds(usage.ru_stime),
    }))
}

fn milliseconds(time: libc::timeval) -> u64 {
    time.tv_sec.cast_unsigned() * 1000 + time.tv_usec.cast_unsigned() / 1000
}
