//! Answers by single keys of a terminal, which gets back its settings on every way out.

use std::io::{self, Write};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};

use super::session::{Answer, say};
use super::telling::{self, LETTERS};
use crate::keyboard::{self, Keyboard};

/// How soon the rest of a key's escape sequence follows its first byte.
const SEQUENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

const END_OF_INPUT: u8 = 0x04;
const SUSPEND: u8 = 0x1a;
const ESCAPE: u8 = 0x1b;
/// Ctrl-\, which ends programs elsewhere.
const QUIT: u8 = 0x1c;

/// The terminal on standard input, set to give each key at once and to show none.
#[derive(Debug)]
pub struct Keys {
    keyboard: Keyboard,
    /// Bytes that were read and not yet looked at, the next one last.
    pending: Vec<u8>,
}

/// A key that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// A small letter; capitals count as the same.
    Letter(char),
    /// Enter or the space bar.
    GoOn,
    /// Ctrl-D or Ctrl-\, or the terminal has gone.
    End,
    /// Ctrl-Z.
    Suspend,
}

impl Keys {
    /// Takes over the terminal, until this is dropped or a signal ends the runner.
    ///
    /// # Errors
    ///
    /// Standard input is no terminal.
    pub fn take() -> io::Result<Self> {
        // Keys typed ahead were meant for the quiz, not for the shell.
        let mut keyboard = Keyboard::of(io::stdin())?.dropping_typed();
        keyboard.wait_and_take()?;
        Ok(Self { keyboard, pending: Vec::new() })
    }

    /// Waits for the key of an option, or for one that leaves; other keys are as if not pressed.
    ///
    /// # Errors
    ///
    /// The terminal cannot be read or written.
    pub fn answer(&mut self, options: usize, out: &mut dyn Write) -> anyhow::Result<Answer> {
        loop {
            let key = self.ask(&telling::prompt(options), out)?;
            let letter = match key {
                Key::End | Key::Letter('q') => return leave(out),
                Key::Letter(letter) => letter,
                Key::GoOn | Key::Suspend => continue,
            };
            let index = LETTERS[..options].iter().position(|known| *known == letter);
            if let Some(index) = index {
                say(out, &format!("{letter}\n"))?;
                return Ok(Answer::Option(index));
            }
        }
    }

    /// Waits for the key that goes on; whether it was not the one that leaves.
    ///
    /// # Errors
    ///
    /// As [`Keys::answer`].
    pub fn go_on(&mut self, out: &mut dyn Write) -> anyhow::Result<bool> {
        say(out, "\n")?;
        loop {
            match self.ask("Enter: the next question, q: leave ", out)? {
                Key::GoOn | Key::Letter('n') => {
                    say(out, "\n")?;
                    return Ok(true);
                }
                Key::End | Key::Letter('q') => {
                    say(out, "\n")?;
                    return Ok(false);
                }
                Key::Letter(_) | Key::Suspend => {}
            }
        }
    }

    /// Shows the prompt and waits for a key. After a pause (Ctrl-Z, `fg`) it is shown again.
    fn ask(&mut self, prompt: &str, out: &mut dyn Write) -> anyhow::Result<Key> {
        // The prompt may stand there already: after a key that means nothing it is not repeated.
        say(out, &format!("\r{prompt}"))?;
        let key = self.next().context("read a key from the terminal")?;
        if key == Key::Suspend {
            say(out, "\n")?;
            keyboard::give_back();
            kill_current_process_group(Signal::TSTP).context("stop at Ctrl-Z")?;
            self.keyboard.wait_and_take().context("take single keys from the terminal")?;
        }
        Ok(key)
    }

    /// The next key that means something.
    fn next(&mut self) -> io::Result<Key> {
        loop {
            let Some(byte) = self.byte()? else { return Ok(Key::End) };
            match byte {
                ESCAPE => self.skip_sequence()?,
                END_OF_INPUT | QUIT => return Ok(Key::End),
                SUSPEND => return Ok(Key::Suspend),
                b'\r' | b'\n' | b' ' => return Ok(Key::GoOn),
                letter if letter.is_ascii_alphabetic() => {
                    return Ok(Key::Letter(char::from(letter.to_ascii_lowercase())));
                }
                _ => {}
            }
        }
    }

    /// An arrow key comes as ESC, `[`, and a letter that is no answer (ECMA-48, section 5.4); a key
    /// with Alt as ESC and the key.
    fn skip_sequence(&mut self) -> io::Result<()> {
        if !self.follows()? {
            return Ok(());
        }
        let Some(b'[' | b'O') = self.byte()? else { return Ok(()) };
        while self.follows()? {
            if matches!(self.byte()?, None | Some(b'@'..=b'~')) {
                break;
            }
        }
        Ok(())
    }

    /// Whether another byte is there, or comes at once.
    fn follows(&self) -> io::Result<bool> {
        if !self.pending.is_empty() {
            return Ok(true);
        }
        let stdin = io::stdin();
        let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut wanted, Some(&SEQUENCE)) {
            Err(Errno::INTR) => Ok(false),
            polled => Ok(polled? > 0),
        }
    }

    /// The next byte; `None` when the terminal has gone.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.pending.is_empty() {
            let mut bytes = [0; 64];
            let count = loop {
                match rustix::io::read(io::stdin(), &mut bytes) {
                    Err(Errno::INTR) => {}
                    read => break read?,
                }
            };
            self.pending.extend(bytes[..count].iter().rev());
        }
        Ok(self.pending.pop())
    }
}

fn leave(out: &mut dyn Write) -> anyhow::Result<Answer> {
    say(out, "\n")?;
    Ok(Answer::Leave)
}
