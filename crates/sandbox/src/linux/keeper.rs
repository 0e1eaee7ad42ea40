//! The keeper: one process a run, made from the caller's executable. It forks a warden for each
//! program, and cleans up when the caller is gone, however that came about.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Signal, WaitOptions, geteuid, getpid, kill_process, set_child_subreaper, wait, waitpid,
};

use super::filter::Filter;
use super::signals::{block_signals, signal_descriptor, take_signals};
use super::warden::Start;
use super::{fork, helper, message, probe, tree, warden};
use crate::scratch;

/// A request to run a job. With it come the job, the warden's end of the socket, the program's
/// ends of its standard streams, and the namespaces of a network that it is given.
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

/// Makes this process a helper that waits for what it starts. Returns the socket for requests.
fn become_keeper() -> io::Result<OwnedFd> {
    set_child_subreaper(Some(getpid()))?;
    // SIGTERM ends a warden, and is therefore waited for, not ignored, in there; a keeper ends with
    // its caller and no other way.
    block_signals(&[libc::SIGCHLD, libc::SIGTERM])?;
    helper::begin()
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
                let network = descriptors.split_off(descriptors.len().min(5));
                if let Ok([job, orders, stdin, stdout, stderr]) =
                    <[OwnedFd; 5]>::try_from(descriptors)
                {
                    let stdio = [stdin, stdout, stderr];
                    self.start_warden(Start { job, stdio, network }, &orders);
                }
            }
        }
        Ok(true)
    }

    fn start_warden(&mut self, wanted: Start, orders: &OwnedFd) {
        let context = &self.context;
        let inherited = [&self.requests, &self.signals];
        let started = fork(|| {
            // A warden that held the keeper's end would hide the keeper's death from the caller.
            close_in_child(inherited);
            warden::run(wanted, orders, context)
        });
        match started {
            Ok(pid) => {
                self.wardens.insert(pid.as_raw_pid());
            }
            Err(error) => warden::report_failure(orders, "fork", &error),
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
