//! The results that a program prints, line by line, while it runs.

use crate::bytes::first_difference;
use crate::context::Goal;
use crate::failure::{Failure, Symptom, Verdict};
use crate::process::Program;
use crate::wording::steps;

/// What stands before the address in a ready line, which is no result.
const READY: &[u8] = b"listening on ";

impl Program {
    /// The complete lines that it printed so far, without newlines; a ready line is left out.
    ///
    /// # Errors
    ///
    /// A failure if it prints without end.
    pub fn results(&self) -> Verdict<Vec<Vec<u8>>> {
        Ok(complete_lines(&self.stdout_so_far()?))
    }

    /// Waits for its result line `number`, counted from 0; a ready line is not counted. `expected` says what should come,
    /// as the learner reads it.
    ///
    /// # Errors
    ///
    /// A failure if the line does not come.
    pub fn await_result(&self, number: usize, expected: &str) -> Verdict<Vec<u8>> {
        let goal = Goal::of(self.index, expected.to_owned());
        self.context.wait(&goal, || {
            Ok(self.with(|state| complete_lines(&state.stdout.bytes).into_iter().nth(number)))
        })
    }

    /// Waits for its result line `number`, counted from 0, and expects exactly `line`.
    ///
    /// # Errors
    ///
    /// A failure if it does not come, or is another.
    pub fn expect_result(&self, number: usize, line: &str) -> Verdict {
        let came = self.await_result(number, &steps::prints_line(&self.name(), line))?;
        if came == line.as_bytes() {
            return Ok(());
        }
        let (expected, got) = first_difference(line.as_bytes(), &came, 0);
        let (expected, got) = steps::lines_differ(&self.name(), &expected, &got);
        Err(Failure::new(Symptom::WrongStdout, expected, got).into())
    }

    /// Expects exactly these result lines so far and no further one. What must not come has to be followed by something
    /// that must: call this after a later line has been awaited, or after the program's end.
    ///
    /// # Errors
    ///
    /// A failure at the first line that differs, is missing or is one too many.
    pub fn expect_results(&self, lines: &[String]) -> Verdict {
        let came = self.results()?;
        for (number, line) in lines.iter().enumerate() {
            if number < came.len() {
                self.expect_result(number, line)?;
            } else {
                let expected = steps::prints_line(&self.name(), line);
                let got = steps::lines_only(came.len());
                return Err(Failure::new(Symptom::CutShort, expected, got).into());
            }
        }
        let Some(extra) = came.get(lines.len()) else { return Ok(()) };
        let (expected, got) = steps::line_too_many(lines.len(), extra);
        Err(Failure::new(Symptom::ExtraBytes, expected, got).into())
    }
}

fn complete_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines =
        bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    lines.filter(|line| !line.starts_with(READY)).map(<[u8]>::to_vec).collect()
}
