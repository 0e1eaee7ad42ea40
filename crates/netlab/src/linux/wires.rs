//! The thread that carries packets between the ports of the switch.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::retry_on_intr;

use super::netlink::count_received;
use super::ring::Ring;
use crate::switch::{Incoming, Outgoing, Switch};

/// How many frames are carried before others may look at the switch.
const FRAMES_AT_ONCE: usize = 64;
/// How long to wait for the thread, which takes microseconds, before taking it for dead.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// The ports of the switch.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) ring: Ring,
    /// The numbers of the interfaces.
    pub(super) interfaces: Vec<u32>,
}

/// What the thread and the lab share.
#[derive(Debug)]
pub(super) struct Wires {
    state: Mutex<State>,
    changed: Condvar,
    /// Wakes the thread.
    wake: OwnedFd,
    /// Tells how much was sent.
    routing: Mutex<OwnedFd>,
}

#[derive(Debug)]
struct State {
    switch: Switch,
    /// How many frames were carried, or swallowed by the switch.
    carried: u64,
    /// How many came for which there was no place in the ring.
    missed: u64,
    /// How many could not be sent on.
    unsent: u64,
    ending: bool,
}

impl Wires {
    /// Starts the thread. `routing` is a socket for routing messages in the switch's namespace.
    pub(super) fn start(
        switch: Switch,
        ports: Ports,
        routing: OwnedFd,
    ) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        // What came before there was a ring will not be in it.
        let before = count_received(&routing)?;
        let state = State { switch, carried: before, missed: 0, unsent: 0, ending: false };
        let wires = Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            routing: Mutex::new(routing),
        });
        let shared = Arc::clone(&wires);
        let thread = std::thread::Builder::new().name("lab's switch".to_owned());
        let thread = thread.spawn(move || {
            let _end = End(&shared);
            shared.carry(ports);
        })?;
        Ok((wires, thread))
    }

    /// Works with the switch once all that was sent before this call has been carried.
    pub(super) fn after_all<T>(&self, work: impl FnOnce(&mut Switch) -> T) -> T {
        work(&mut self.settle().switch)
    }

    /// Begins anew once all that was sent before this call has been carried.
    pub(super) fn begin(&self, seed: u64) {
        let mut state = self.settle();
        state.switch.forget(seed);
        // Carried or missed: together they go on counting all that was sent.
        state.carried += state.missed;
        (state.missed, state.unsent) = (0, 0);
    }

    /// How many frames were lost since the switch was too slow.
    pub(super) fn overruns(&self) -> u64 {
        let state = self.settle();
        state.missed + state.unsent
    }

    /// Makes the thread end.
    pub(super) fn end(&self) {
        self.lock().ending = true;
        // It fails when the thread is to be woken 2^64 times already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Waits until what the hosts have sent so far has been carried. That a call to send has
    /// returned does not say that the frame is in the ring: on a busy machine the kernel puts that
    /// off. It is counted, though.
    fn settle(&self) -> MutexGuard<'_, State> {
        let routing = self.routing.lock().unwrap_or_else(PoisonError::into_inner);
        // It cannot be counted when the lab is at its end.
        let sent = count_received(&routing).unwrap_or_default();
        drop(routing);
        let is_behind = |state: &mut State| state.carried + state.missed < sent && !state.ending;
        let waited = self.changed.wait_timeout_while(self.lock(), ANSWER_DEADLINE, is_behind);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry(&self, mut ports: Ports) {
        let mut next_due = None;
        while self.wait(&ports, next_due) {
            let mut state = self.lock();
            if state.ending {
                return;
            }
            state.carry_some(&mut ports);
            state.missed += ports.ring.take_overruns();
            next_due = state.switch.next_due();
            self.changed.notify_all();
        }
    }

    /// Waits for a frame, for somebody who wakes the thread, or until a frame's time has come;
    /// false when that cannot be waited for.
    fn wait(&self, ports: &Ports, next_due: Option<Instant>) -> bool {
        let timeout = next_due.map(|due| {
            let rest = due.saturating_duration_since(Instant::now());
            Timespec { tv_sec: rest.as_secs().cast_signed(), tv_nsec: rest.subsec_nanos().into() }
        });
        let mut polled =
            [PollFd::new(&ports.ring, PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
        if retry_on_intr(|| poll(&mut polled, timeout.as_ref())).is_err() {
            return false;
        }
        // It may not have been woken at all.
        let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
        true
    }
}

impl State {
    /// Carries some of what has come in, and what is due.
    fn carry_some(&mut self, ports: &mut Ports) {
        for _ in 0..FRAMES_AT_ONCE {
            let now = Instant::now();
            let due = self.switch.due(now);
            self.send(ports, due);
            let Some(frame) = ports.ring.first() else { return };
            let age = SystemTime::now().duration_since(frame.when).unwrap_or_default();
            let at = now.checked_sub(age).unwrap_or(now);
            let port = ports.interfaces.iter().position(|&number| number == frame.interface);
            // All interfaces in the switch's namespace are ports.
            let outgoing = port.map(|port| {
                let incoming = Incoming { port, bytes: frame.bytes, when: frame.when, at };
                self.switch.take(incoming, now)
            });
            ports.ring.pass();
            self.carried += 1;
            self.send(ports, outgoing.unwrap_or_default());
        }
    }

    fn send(&mut self, ports: &Ports, outgoing: Vec<Outgoing>) {
        for Outgoing { port, bytes } in outgoing {
            if ports.ring.send(ports.interfaces[port], &bytes).is_err() {
                self.unsent += 1;
            }
        }
    }
}

/// Tells those who wait that the thread has ended, also when it has panicked.
struct End<'a>(&'a Wires);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.lock().ending = true;
        self.0.changed.notify_all();
    }
}
