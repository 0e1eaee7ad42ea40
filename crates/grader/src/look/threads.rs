//! The look itself: every thread of the processes, its counters and what it waits for.

use std::fs;
use std::io;
use std::mem::size_of;

use super::calls::{Call, OnDescriptor};
use super::object::{self, Handle};
use super::{Direction, Object, ThreadView, View, Waiting};

/// More entries than this in one `poll` or `select` are not looked at.
const POLL_ENTRIES_MAX: u64 = 4_096;

/// All threads of the given processes and of their children, as far down as they go.
///
/// Never an error: what cannot be read is [`Waiting::Unknown`], and a process that is gone has no
/// threads. The looks at two threads do not happen at one moment; [`stalled`](super::stalled) takes
/// two views for that reason.
pub fn look(pids: &[u32]) -> View {
    let mut view = View::default();
    let mut pids = pids.to_vec();
    let mut next = 0;
    while let Some(&pid) = pids.get(next) {
        let mut process = Process::new(pid);
        for tid in process.thread_ids() {
            view.threads.extend(process.thread(tid));
            for child in children(pid, tid) {
                if !pids.contains(&child) {
                    pids.push(child);
                }
            }
        }
        view.alarms |= process.has_alarms();
        next += 1;
    }
    view.threads.sort_by_key(|thread| (thread.pid, thread.tid));
    view.threads.dedup_by_key(|thread| (thread.pid, thread.tid));
    view
}

/// The processes that a thread has started and that it, or its process, has still to ask for.
pub(super) fn children(pid: u32, tid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{tid}/children"));
    let children = children.unwrap_or_default();
    children.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// A process during one look.
struct Process {
    pid: u32,
    /// Opened by the first descriptor that is looked at.
    handle: Option<Handle>,
    /// Whether the numbers of its system calls are those of the grader's own architecture.
    native: bool,
}

impl Process {
    fn new(pid: u32) -> Self {
        Self { pid, handle: None, native: is_native(pid) }
    }

    /// The ids of its threads, rising; none if it is gone.
    fn thread_ids(&self) -> Vec<u32> {
        let Ok(folder) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return Vec::new();
        };
        let mut ids: Vec<u32> =
            folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        ids.sort_unstable();
        ids
    }

    /// One thread; `None` if it has ended.
    fn thread(&mut self, tid: u32) -> Option<ThreadView> {
        let folder = format!("/proc/{}/task/{tid}", self.pid);
        // The counters come first: what is read after them was so with these or later ones.
        let status = fs::read_to_string(format!("{folder}/status"));
        let stat = match fs::read_to_string(format!("{folder}/stat")) {
            Ok(stat) => Stat::parse(&stat),
            Err(error) if is_gone(&error) => return None,
            Err(_) => None,
        };
        let Some(stat) = stat else { return Some(self.unknown(tid)) };
        let switches = switches(&status.unwrap_or_default());
        let waiting = match (stat.state, switches) {
            (b'S', Some(_)) => self.sleeping(&folder),
            (b'R' | b'D', Some(_)) => Waiting::Running,
            (b'T' | b't', _) => Waiting::Stopped,
            (b'Z' | b'X', _) => Waiting::Zombie,
            _ => Waiting::Unknown,
        };
        Some(ThreadView {
            pid: self.pid,
            parent: stat.parent,
            tid,
            name: stat.name,
            waiting,
            cpu_ticks: stat.cpu_ticks,
            switches: switches.unwrap_or(0),
        })
    }

    fn unknown(&self, tid: u32) -> ThreadView {
        ThreadView {
            pid: self.pid,
            parent: 0,
            tid,
            name: String::new(),
            waiting: Waiting::Unknown,
            cpu_ticks: 0,
            switches: 0,
        }
    }

    /// What a sleeping thread waits for.
    fn sleeping(&mut self, folder: &str) -> Waiting {
        let line = match fs::read_to_string(format!("{folder}/syscall")) {
            Ok(line) if self.native => line,
            _ => return Waiting::Unknown,
        };
        match Call::parse(&line) {
            // "running", or asleep outside of a call.
            None => Waiting::Running,
            Some(call) => self.waiting(call).unwrap_or(Waiting::Unknown),
        }
    }

    fn waiting(&mut self, call: Call) -> io::Result<Waiting> {
        Ok(match call {
            Call::Timed(call) => Waiting::Timed { call },
            Call::Lock(call) => Waiting::Lock { call },
            Call::Child(call) => Waiting::Child { call },
            Call::Signal(call) => Waiting::Signal { call },
            Call::Other(call) => Waiting::Other { call },
            Call::Unknown => Waiting::Unknown,
            Call::Descriptor(call) => self.descriptor(call)?,
            Call::Move { name, from, to } => self.either_end(name, from, to)?,
            Call::Poll { name, entries, count } => {
                let wanted = self.poll_entries(entries, count)?;
                self.several(name, wanted)?
            }
            Call::Select { name, count, read, write } => {
                let wanted = self.select_sets(count, read, write)?;
                self.several(name, wanted)?
            }
            Call::Epoll { name, fd } => self.epoll(name, fd)?,
        })
    }

    fn descriptor(&mut self, call: OnDescriptor) -> io::Result<Waiting> {
        let OnDescriptor { name, fd, direction, never_waits } = call;
        let descriptor = self.handle()?.descriptor(fd)?;
        if never_waits || object::is_nonblocking(&descriptor) {
            // Such a call cannot wait: the thread was on its way through it.
            return Ok(Waiting::Running);
        }
        if object::has_call_timeout(&descriptor, direction) {
            return Ok(Waiting::Timed { call: name });
        }
        let on = object::examine(&descriptor, direction)?;
        Ok(Waiting::Descriptor { call: name, fd, on, direction })
    }

    /// A call that moves bytes waits for its source first.
    fn either_end(&mut self, name: &'static str, from: i32, to: i32) -> io::Result<Waiting> {
        let source = self.handle()?.descriptor(from)?;
        let is_file = matches!(object::examine(&source, Direction::Receive)?, Object::Other { .. });
        let (fd, direction) = if is_file || object::is_ready(&source, Direction::Receive) {
            (to, Direction::Send)
        } else {
            (from, Direction::Receive)
        };
        drop(source);
        self.descriptor(OnDescriptor { name, fd, direction, never_waits: false })
    }

    fn several(
        &mut self,
        call: &'static str,
        wanted: Vec<(i32, Direction)>,
    ) -> io::Result<Waiting> {
        let mut waits = Vec::with_capacity(wanted.len());
        for (fd, direction) in wanted {
            let descriptor = self.handle()?.descriptor(fd)?;
            waits.push((fd, object::examine(&descriptor, direction)?, direction));
        }
        let ready = waits.iter().any(|(_, object, _)| object.ready());
        Ok(Waiting::Several { call, waits, ready })
    }

    fn epoll(&mut self, call: &'static str, fd: i32) -> io::Result<Waiting> {
        let wanted = fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", self.pid))?;
        // The kernel lists them by where they stand in its memory.
        let mut wanted: Vec<(i32, Direction)> = wanted.lines().filter_map(epoll_entry).collect();
        wanted.sort_by_key(|wait| wait.0);
        let instance = self.handle()?.descriptor(fd)?;
        match self.several(call, wanted)? {
            Waiting::Several { call, waits, .. } => {
                // The instance itself knows which changes it has told already (`EPOLLET`).
                let ready = object::is_ready(&instance, Direction::Receive);
                Ok(Waiting::Several { call, waits, ready })
            }
            waiting => Ok(waiting),
        }
    }

    /// The entries of `struct pollfd` in the program's memory; a negative descriptor is none.
    fn poll_entries(&self, address: u64, count: u64) -> io::Result<Vec<(i32, Direction)>> {
        if count > POLL_ENTRIES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let bytes = read_memory(self.pid, address, count as usize * size_of::<libc::pollfd>())?;
        let entries = bytes.chunks_exact(size_of::<libc::pollfd>()).filter_map(|entry| {
            let fd = i32::from_ne_bytes(entry[..4].try_into().ok()?);
            let events = i16::from_ne_bytes(entry[4..6].try_into().ok()?);
            let receive = events & (libc::POLLIN | libc::POLLRDNORM | libc::POLLRDHUP) != 0;
            let send = events & (libc::POLLOUT | libc::POLLWRNORM) != 0;
            (fd >= 0).then(|| (fd, direction(receive, send)))
        });
        Ok(entries.collect())
    }

    /// The descriptors in the sets of a `select` in the program's memory.
    fn select_sets(&self, count: u64, read: u64, write: u64) -> io::Result<Vec<(i32, Direction)>> {
        if count > POLL_ENTRIES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // The kernel reads whole words of bits.
        let words = (count as usize).div_ceil(64);
        let set = |address: u64| match address {
            0 => Ok(vec![0; words * 8]),
            _ => read_memory(self.pid, address, words * 8),
        };
        let (read, write) = (set(read)?, set(write)?);
        let has = |set: &[u8], fd: usize| {
            let word = set[fd / 64 * 8..][..8].try_into().map_or(0, u64::from_ne_bytes);
            word >> (fd % 64) & 1 == 1
        };
        let wanted = (0..count as usize).filter_map(|fd| {
            let (receive, send) = (has(&read, fd), has(&write, fd));
            (receive || send).then(|| (fd as i32, direction(receive, send)))
        });
        Ok(wanted.collect())
    }

    fn handle(&mut self) -> io::Result<&Handle> {
        let handle = match self.handle.take() {
            Some(handle) => handle,
            None => Handle::open(self.pid)?,
        };
        Ok(self.handle.insert(handle))
    }

    /// Whether a timer signal may come: there is a POSIX timer, or `SIGALRM` has a handler, which
    /// is the only trace that `alarm(2)` leaves.
    fn has_alarms(&self) -> bool {
        let timers = fs::read(format!("/proc/{}/timers", self.pid)).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        !timers.is_empty() || caught.unwrap_or(0) >> (libc::SIGALRM - 1) & 1 == 1
    }
}

/// `tfd: 5 events: 19 data: 5 ...`: a descriptor of an epoll instance, its events in hexadecimal.
fn epoll_entry(line: &str) -> Option<(i32, Direction)> {
    let mut words = line.strip_prefix("tfd:")?.split_ascii_whitespace();
    let fd = words.next()?.parse().ok()?;
    let events = words.nth(1)?;
    let events = u32::from_str_radix(events, 16).ok()?;
    let receive = events & (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLRDNORM) as u32 != 0;
    let send = events & (libc::EPOLLOUT | libc::EPOLLWRNORM) as u32 != 0;
    Some((fd, direction(receive, send)))
}

fn direction(receive: bool, send: bool) -> Direction {
    match (receive, send) {
        (true, true) => Direction::Either,
        (true, false) => Direction::Receive,
        (false, true) => Direction::Send,
        (false, false) => Direction::Nothing,
    }
}

/// What `/proc/PID/task/TID/stat` tells (proc_pid_stat(5)).
struct Stat {
    name: String,
    state: u8,
    parent: u32,
    cpu_ticks: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        // The name stands in parentheses and may itself hold any of them.
        let (head, tail) = line.rsplit_once(") ")?;
        let name = head.split_once('(')?.1.to_owned();
        let words: Vec<&str> = tail.split_ascii_whitespace().collect();
        let user: u64 = words.get(11)?.parse().ok()?;
        let system: u64 = words.get(12)?.parse().ok()?;
        Some(Self {
            name,
            state: *words.first()?.as_bytes().first()?,
            parent: words.get(1)?.parse().ok()?,
            cpu_ticks: user + system,
        })
    }
}

/// How often a thread has left its processor, of its own accord or not.
fn switches(status: &str) -> Option<u64> {
    let count = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().parse::<u64>().ok()
    };
    Some(count("voluntary_ctxt_switches:")? + count("nonvoluntary_ctxt_switches:")?)
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// Whether the program has the grader's own word size and machine; else its calls have other
/// numbers.
fn is_native(pid: u32) -> bool {
    /// The bytes of an ELF header up to and with the machine (elf(5)).
    const HEADER_BYTES: usize = 20;
    let header = |path: String| {
        let mut header = [0_u8; HEADER_BYTES];
        let mut file = fs::File::open(path)?;
        io::Read::read_exact(&mut file, &mut header)?;
        Ok::<_, io::Error>((header[4], header[18], header[19]))
    };
    match (header(format!("/proc/{pid}/exe")), header("/proc/self/exe".to_owned())) {
        (Ok(program), Ok(grader)) => program == grader,
        _ => false,
    }
}

/// Bytes of the program's memory (process_vm_readv(2)).
fn read_memory(pid: u32, address: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0_u8; bytes];
    if bytes == 0 {
        return Ok(buffer);
    }
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: bytes };
    let remote = libc::iovec { iov_base: address as usize as *mut libc::c_void, iov_len: bytes };
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `local` is the buffer, exclusively borrowed for the call; `remote` is only an address
    // in the other process, which the kernel checks.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    match usize::try_from(read) {
        Ok(read) if read == bytes => Ok(buffer),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses() {
        let line = "7 (a) (b) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0";
        let stat = Stat::parse(line).expect("the line is whole");
        assert_eq!((stat.name.as_str(), stat.state, stat.parent), ("a) (b", b'S', 1));
        assert_eq!(stat.cpu_ticks, 42);
    }

    #[test]
    fn epoll_entries_tell_their_events() {
        let line = "tfd:        5 events:       19 data:                5  pos:0 ino:2b sdev:8";
        assert_eq!(epoll_entry(line), Some((5, Direction::Receive)));
        let line = "tfd:       12 events: 8000001d data: 7  pos:0 ino:2b sdev:8";
        assert_eq!(epoll_entry(line), Some((12, Direction::Either)));
        assert_eq!(epoll_entry("flags:	02"), None);
    }

    #[test]
    fn the_two_kinds_of_switches_are_added() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t6\nnonvoluntary_ctxt_switches:\t2\n";
        assert_eq!(switches(status), Some(8));
        assert_eq!(switches("Name:\tx\n"), None);
    }
}
