//! The keeper: one process a run, made from the caller's executable. It forks a warden for each
//! program, and cleans up when the caller is gone, however that came about.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::retry_on_intr;
use rustix::process::{
    DumpableBehavior, Pid, Resource, Signal, WaitOptions, geteuid, getpid, kill_process,
    set_child_subreaper, set_dumpable_behavior, setsid, wait, waitpid,
};

use super::filter::Filter;
use super::signals::{block_signals, signal_descriptor, take_signals};
use super::{fork, message, probe, tree, warden};
use crate::scratch;

/// A request to run a job. With it come the job, the warden's end of the socket, and the program's
/// ends of its standard streams.
pub(super) const REQUEST_JOB: &[u8] = b"job";
/// A request to find out what this machine offers. With it comes a pipe for the answer.
pub(super) const REQUEST_PROBE: &[u8] = b"probe";
/// The first byte of the keeper's first message: the scratch folder's path follows.
pub(super) const HELLO_READY: u8 = b'+';
/// The first byte of the keeper's first message: the reason why it cannot serve follows.
pub(super) const HELLO_FAILED: u8 = b'-';

/// What every program of the run needs alike.
pub(super) struct Context {
    /// The filter of system calls, where the kernel has them.
    pub(super) filter: Option<Filter>,
    /// How many processes and threads the user had at the start; none for root, whom the limit on
    /// them does not bind.
    pub(super) tasks_of_user: Option<u64>,
    /// The run's scratch folder.
    pub(super) scratch: PathBuf,
}

struct Keeper {
    requests: OwnedFd,
    signals: OwnedFd,
    context: Context,
    wardens: BTreeSet<i32>,
}

/// Runs the keeper to its end.
pub(super) fn main() -> ! {
    let status = match run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("the sandbox's keeper: {error}");
            1
        }
    };
    std::process::exit(status)
}

fn run() -> io::Result<()> {
    let requests = become_keeper()?;
    let base = std::path::absolute(std::env::temp_dir())?;
    let scratch = match scratch::make(&base) {
        Ok(path) => path,
        Err(error) => {
            let text = [&[HELLO_FAILED], error.to_string().as_bytes()].concat();
            return message::send(&requests, &text, &[]);
        }
    };
    let served = serve(requests, &scratch);
    let removed = scratch::remove(&scratch);
    served.and(removed)
}

/// Makes this process independent of its caller's terminal, descriptors and fate. Returns the
/// socket for requests, which is standard input until then.
fn become_keeper() -> io::Result<OwnedFd> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setsid()?;
    set_child_subreaper(Some(getpid()))?;
    // SIGTERM ends a warden, and is therefore waited for, not ignored, in there; a keeper ends with
    // its caller and no other way.
    block_signals(&[libc::SIGCHLD, libc::SIGTERM])?;
    for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE, libc::SIGTSTP] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    close_from(3);
    let requests = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(requests)
}

fn serve(requests: OwnedFd, scratch: &Path) -> io::Result<()> {
    let user = geteuid().as_raw();
    let context = Context {
        filter: Filter::for_keeper(),
        tasks_of_user: (user != 0).then(|| tree::tasks_of_user(user)),
        scratch: scratch.to_owned(),
    };
    let hello = [&[HELLO_READY], scratch.as_os_str().as_encoded_bytes()].concat();
    message::send(&requests, &hello, &[])?;
    // The working directory would otherwise keep a file system busy.
    std::env::set_current_dir("/")?;
    let signals = signal_descriptor(&[libc::SIGCHLD])?;
    let mut keeper = Keeper { requests, signals, context, wardens: BTreeSet::new() };
    let served = keeper.serve_until_end();
    keeper.finish()?;
    served
}

impl Keeper {
    fn serve_until_end(&mut self) -> io::Result<()> {
        loop {
            let (asked, child_ended) = {
                let mut polled = [
                    PollFd::new(&self.requests, PollFlags::IN),
                    PollFd::new(&self.signals, PollFlags::IN),
                ];
                retry_on_intr(|| poll(&mut polled, None))?;
                (!polled[0].revents().is_empty(), !polled[1].revents().is_empty())
            };
            if child_ended {
                take_signals(&self.signals);
                self.reap()?;
            }
            if asked && !self.answer()? {
                return Ok(());
            }
        }
    }

    /// Takes one request; false when the caller is gone.
    fn answer(&mut self) -> io::Result<bool> {
        let (request, mut descriptors) = message::receive(&self.requests)?;
        match request.as_slice() {
            b"" => return Ok(false),
            REQUEST_PROBE => {
                if let Some(answer) = descriptors.pop() {
                    self.start_probe(answer);
                }
            }
            // A request that came without all of its descriptors is answered by the end of the
            // warden's socket, one of those dropped here.
            _ => {
                if let Ok([job, orders, stdin, stdout, stderr]) =
                    <[OwnedFd; 5]>::try_from(descriptors)
                {
                    self.start_warden(&job, orders, [stdin, stdout, stderr]);
                }
            }
        }
        Ok(true)
    }

    fn start_warden(&mut self, job: &OwnedFd, orders: OwnedFd, stdio: [OwnedFd; 3]) {
        let (keep, context) = (&orders, &self.context);
        let inherited = [&self.requests, &self.signals];
        let started = fork(|| {
            // A warden that held the keeper's end would hide the keeper's death from the caller.
            close_in_child(inherited);
            warden::run(job, keep, stdio, context)
        });
        match started {
            Ok(pid) => {
                self.wardens.insert(pid.as_raw_pid());
            }
            Err(error) => warden::report_failure(&orders, "fork", &error),
        }
    }

    fn start_probe(&mut self, answer: OwnedFd) {
        let context = &self.context;
        let inherited = [&self.requests, &self.signals];
        let started = fork(|| {
            close_in_child(inherited);
            probe::run(answer, context)
        });
        // Without an answer the caller says that nothing could be found out.
        if let Ok(pid) = started {
            self.wardens.insert(pid.as_raw_pid());
        }
    }

    /// Waits for those that have ended. When a warden was killed, what was below it is left to the
    /// keeper.
    fn reap(&mut self) -> io::Result<()> {
        let mut orphans = false;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let was_warden = self.wardens.remove(&pid.as_raw_pid());
            orphans |= !was_warden || !status.exited();
        }
        if orphans { tree::end_all(&self.wardens) } else { Ok(()) }
    }

    /// Ends all wardens, and with them their programs, and whatever is left without a warden.
    fn finish(&self) -> io::Result<()> {
        for warden in self.wardens.iter().copied().filter_map(Pid::from_raw) {
            // One that has ended meanwhile is what is wanted.
            let _ = kill_process(warden, Signal::TERM);
        }
        for warden in self.wardens.iter().copied().filter_map(Pid::from_raw) {
            let _ = retry_on_intr(|| waitpid(Some(warden), WaitOptions::empty()));
        }
        tree::end_all(&BTreeSet::new())
    }
}

/// Closes, in a child that never returns to their owner, descriptors that are the keeper's alone.
fn close_in_child<const N: usize>(descriptors: [&OwnedFd; N]) {
    for descriptor in descriptors {
        // SAFETY: the child ends without running the owner's destructor, and uses neither again.
        unsafe { libc::close(descriptor.as_raw_fd()) };
    }
}

/// Closes what this process inherited without asking (a build tool's pipes).
fn close_from(first: libc::c_uint) {
    // SAFETY: called before this process has opened anything from this number up.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if result != 0 {
        // Linux before 5.9. What stays open is harmless: it is not handed on to programs.
        let limit = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(1024);
        for number in first..u32::try_from(limit.min(65_536)).unwrap_or(1024) {
            // SAFETY: as above.
            unsafe { libc::close(number.cast_signed()) };
        }
    }
}
