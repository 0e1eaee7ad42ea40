//! The results that a program prints, line by line, while it runs.

use crate::context::Goal;
use crate::failure::{Failure, Stop, Symptom, Verdict};
use crate::process::Program;

/// What stands before the address in a ready line, which is no result.
const READY: &[u8] = b"listening on ";

/// The results of one program taken one after another, for what prints much: each byte is looked at
/// once.
pub struct ResultLines {
    program: Program,
    at: usize,
}

impl Program {
    /// The complete lines that it printed so far, without newlines; a ready line is left out.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end.
    pub fn results(&self) -> Verdict<Vec<Vec<u8>>> {
        Ok(results_in(&self.stdout_so_far()?).map(<[u8]>::to_vec).collect())
    }

    /// Waits for its result line `number`, counted from 0; a ready line is not counted. `expected`
    /// says what should come, as the learner reads it.
    ///
    /// # Errors
    ///
    /// A failure if the line does not come.
    pub fn await_result(&self, number: usize, expected: &str) -> Verdict<Vec<u8>> {
        let goal = Goal::of(self.index, expected.to_owned());
        self.context.wait(&goal, || {
            Ok(self.with(|state| results_in(&state.stdout.bytes).nth(number).map(<[u8]>::to_vec)))
        })
    }

    /// Its results from here on: what stands on standard output so far is none, nor is a ready line
    /// that comes late. `most_bytes` may come in all; more is a failure.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end.
    pub fn follow_results(&self, most_bytes: u64) -> Verdict<ResultLines> {
        self.context.allow_stdout(self.index, most_bytes);
        let at = self.stdout_so_far()?.len();
        Ok(ResultLines { program: self.clone(), at })
    }
}

impl ResultLines {
    /// Waits for the next line, without its newline. `expected` says what should come, as the
    /// learner reads it.
    ///
    /// # Errors
    ///
    /// A failure if none comes.
    pub fn next(&mut self, expected: &str) -> Verdict<Vec<u8>> {
        loop {
            let mut looked = 0;
            let mut line = self.take(expected, |bytes| {
                let end = bytes[looked..].iter().position(|byte| *byte == b'\n');
                let length = end.map(|end| looked + end + 1);
                looked = bytes.len();
                Ok(length)
            })?;
            line.pop();
            if !line.starts_with(READY) {
                return Ok(line);
            }
        }
    }

    /// Waits until `enough` says how many of the bytes that have come are wanted, and takes these.
    ///
    /// # Errors
    ///
    /// A failure if they do not come, and what `enough` says.
    pub fn take(
        &mut self,
        expected: &str,
        mut enough: impl FnMut(&[u8]) -> Verdict<Option<usize>>,
    ) -> Verdict<Vec<u8>> {
        let goal = Goal::of(self.program.index, expected.to_owned());
        let (program, at) = (&self.program, self.at);
        let taken = program.context.wait(&goal, || {
            // `enough` may ask the program for more than its output: nothing stays borrowed
            // meanwhile.
            let bytes = program.with(|state| std::mem::take(&mut state.stdout.bytes));
            let come = bytes.get(at..).unwrap_or_default();
            let taken = enough(come).map(|length| length.map(|length| come[..length].to_vec()));
            program.with(|state| state.stdout.bytes = bytes);
            taken
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    /// The failure of a step that got a line it did not expect. The grader's sockets stay open
    /// until it is told.
    pub fn failure(
        &self,
        symptom: Symptom,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Stop {
        self.program.context.fail(Failure::new(symptom, expected, got))
    }
}

/// The lines that have their newline, without it.
pub(crate) fn complete_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

fn results_in(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    complete_lines(bytes).filter(|line| !line.starts_with(READY))
}
