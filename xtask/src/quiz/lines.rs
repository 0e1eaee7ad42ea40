//! Answers as lines: from a pipe, a file, or a terminal on which single keys are not wanted.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Stdin, Write};

use anyhow::{Context, bail};

use super::session::{Answer, say};
use super::telling::{self, LETTERS};

/// A line is judged by its beginning; what comes behind is read and dropped, so that a line without
/// end takes no memory.
const KEPT_BYTES: u64 = 64;
/// After so many lines in a row that are no answer, the input is no answers at all.
const PATIENCE: usize = 10;

/// A source of answers, one a line.
#[derive(Debug)]
pub struct Lines {
    stdin: BufReader<Stdin>,
    /// Whether the terminal shows what is typed; otherwise the answer is repeated.
    is_echoed: bool,
}

impl Lines {
    /// The lines of standard input.
    pub fn of_stdin() -> Self {
        let stdin = io::stdin();
        let is_echoed = stdin.is_terminal();
        Self { stdin: BufReader::new(stdin), is_echoed }
    }

    /// Asks until a line is an answer.
    ///
    /// # Errors
    ///
    /// Standard input cannot be read, or too many lines in a row are no answer.
    pub fn answer(&mut self, options: usize, out: &mut dyn Write) -> anyhow::Result<Answer> {
        for _ in 0..PATIENCE {
            say(out, &telling::prompt(options))?;
            let line = next_line(&mut self.stdin).context("read an answer from standard input")?;
            let Some(line) = line else {
                say(out, "\n")?;
                return Ok(Answer::Leave);
            };
            let said = line.trim();
            if let Some(answer) = meaning(said, options) {
                let echo = if self.is_echoed { String::new() } else { format!("{said}\n") };
                say(out, &echo)?;
                return Ok(answer);
            }
            let break_line = if self.is_echoed { "" } else { "\n" };
            say(out, &format!("{break_line}{}", telling::no_answer(said, options)))?;
        }
        bail!(
            "{PATIENCE} lines in a row on standard input were no answer; \
             write one of the letters a line, or q"
        )
    }
}

/// What a line means: `a`, `B`, `c)`, `q`, `quit`.
fn meaning(said: &str, options: usize) -> Option<Answer> {
    let said = said.to_ascii_lowercase();
    if said == "q" || said == "quit" {
        return Some(Answer::Leave);
    }
    let letter = said.strip_suffix([')', '.']).unwrap_or(&said);
    let index = LETTERS.iter().position(|known| letter == known.to_string())?;
    (index < options).then_some(Answer::Option(index))
}

/// The beginning of the next line; `None` at the end of the input.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut kept = Vec::new();
    input.by_ref().take(KEPT_BYTES).read_until(b'\n', &mut kept)?;
    if kept.is_empty() {
        return Ok(None);
    }
    if kept.last() != Some(&b'\n') {
        input.skip_until(b'\n')?;
    }
    Ok(Some(String::from_utf8_lossy(&kept).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_an_answer_and_other_lines_are_none() {
        for (said, meant) in [
            ("a", Some(Answer::Option(0))),
            ("C", Some(Answer::Option(2))),
            ("b)", Some(Answer::Option(1))),
            ("quit", Some(Answer::Leave)),
            ("d", None),
            ("ab", None),
            ("", None),
            ("1", None),
        ] {
            assert_eq!(meaning(said, 3), meant, "{said}");
        }
    }

    #[test]
    fn a_long_line_is_one_line_and_the_last_needs_no_end() {
        let text = format!("{}\nb\nc", "x".repeat(200_000));
        let mut input = text.as_bytes();
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).expect("memory can be read") {
            lines.push(line);
        }
        assert_eq!(lines[0].len() as u64, KEPT_BYTES);
        assert_eq!(lines[1..], ["b\n", "c"]);
    }
}
