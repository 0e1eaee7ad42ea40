//! When the bytes of a program had come, by the kernel's own clock: the grader may be late to look.

use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::event::PollFlags;

use super::{Connection, Listener, is_broken, is_transient, next_lane};
use crate::context::Goal;
use crate::failure::Verdict;
use crate::process::Program;
use crate::record::{Sample, What};
use crate::stamps::{self, Received};
use crate::wording::{steps, sticky_packet};

/// How much one read takes at the most.
const READ_BYTES: usize = 64 << 10;

/// The bytes of one read, and when they had come, counted from the epoch.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When the last of them had come at the latest.
    pub latest: Duration,
    /// When the last of them had come at the earliest: `latest` itself where the kernel tells
    /// (`SO_TIMESTAMPNS`, socket(7)), else the last look before this read that found nothing.
    pub earliest: Duration,
    /// The last look before this read that found nothing: all of these bytes came after it.
    pub nothing_before: Duration,
}

impl Listener {
    /// Has the kernel note when bytes come, on every connection that is accepted from now on. Gives
    /// the time: before it nothing came from a program that is started afterwards.
    pub fn stamp_arrivals(&self) -> Duration {
        stamps::ask_for(&self.socket);
        stamps::now()
    }

    /// Waits until `program` connects, and reads until `enough` says so of all bytes so far, or the
    /// stream ends: each read by itself, and when its bytes had come. `nothing_before` is a time
    /// before the program was started: on a busy machine it may have sent all before its start
    /// returns.
    ///
    /// # Errors
    ///
    /// A failure if the program does not connect, or nothing more comes.
    pub fn accept_arrivals(
        &mut self,
        program: &Program,
        mut nothing_before: Duration,
        enough: impl Fn(&[u8]) -> bool,
    ) -> Verdict<(Connection, Vec<Arrival>)> {
        let who = Some(program.index);
        let expected = steps::connects(&program.name(), self.address);
        let goal = Goal::on(&*self.socket, PollFlags::IN, who, expected);
        let accepted = self.context.wait(&goal, || {
            let looked = stamps::now();
            let accepted = self.try_accept()?;
            if accepted.is_none() {
                nothing_before = looked;
            }
            Ok(accepted)
        })?;
        let lane = next_lane(&self.context, program.name());
        let mut connection = Connection::new(self.context.clone(), accepted, who, lane)?;
        connection.record(What::ProgramConnected { from: connection.peer, to: self.address });
        let (mut arrivals, mut all) = (Vec::<Arrival>::new(), Vec::new());
        while !enough(&all)
            && let Some(arrival) = connection.await_arrival(&mut nothing_before)?
        {
            if let Some(previous) = arrivals.last() {
                // The note keeps the pieces apart in the record, each with its time.
                let pause = arrival.latest.saturating_sub(previous.latest);
                connection.note(sticky_packet::later(pause));
            }
            connection.consumed += arrival.bytes.len() as u64;
            connection.record(What::Received { bytes: Sample::of(&arrival.bytes), reads: 1 });
            all.extend_from_slice(&arrival.bytes);
            arrivals.push(arrival);
        }
        Ok((connection, arrivals))
    }
}

impl Connection {
    /// Waits for one read's bytes; `None` at the end of the stream. A look that finds nothing moves
    /// `nothing_before`.
    fn await_arrival(&mut self, nothing_before: &mut Duration) -> Verdict<Option<Arrival>> {
        let (context, socket) = (self.context.clone(), self.socket.clone());
        let expected = steps::ends_stream(&self.lane.program);
        let goal = Goal::on(&*socket, PollFlags::IN, self.who, expected);
        let mut buffer = vec![MaybeUninit::uninit(); READ_BYTES];
        let arrival = context.wait(&goal, || {
            let looked = stamps::now();
            match stamps::receive(&socket, &mut buffer) {
                Ok(Received { bytes, .. }) if bytes.is_empty() => Ok(Some(None)),
                Ok(Received { bytes, stamp, .. }) => {
                    let latest = stamp.unwrap_or_else(stamps::now);
                    let earliest = stamp.unwrap_or(*nothing_before);
                    Ok(Some(Some(Arrival {
                        bytes,
                        latest,
                        earliest,
                        nothing_before: *nothing_before,
                    })))
                }
                Err(error) if is_transient(&error) => {
                    *nothing_before = looked;
                    Ok(None)
                }
                Err(error) if is_broken(&error) => Ok(Some(None)),
                Err(error) => Err(error.into()),
            }
        })?;
        if arrival.is_none() {
            self.record(What::ProgramFinishedSending);
        }
        Ok(arrival)
    }
}
