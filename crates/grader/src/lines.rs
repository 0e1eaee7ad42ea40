//! The results that a program prints, line by line, while it runs.

use crate::context::Goal;
use crate::failure::Verdict;
use crate::process::Program;

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
}

fn complete_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines =
        bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    lines.filter(|line| !line.starts_with(READY)).map(<[u8]>::to_vec).collect()
}
