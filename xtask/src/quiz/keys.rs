//! Answers by single keys of a terminal, which gets back its settings on every way out.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcsetattr,
};

use super::session::{Answer, say};
use super::telling::{self, LETTERS};
use crate::interrupt;

/// The settings that the terminal had before keys were taken from it.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The special code that stands for none (`_POSIX_VDISABLE`, termios(3)).
const NO_CODE: u8 = if cfg!(target_vendor = "apple") { 0xff } else { 0 };
/// How soon the rest of a key's escape sequence follows its first byte.
const SEQUENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

const END_OF_INPUT: u8 = 0x04;
const SUSPEND: u8 = 0x1a;
const ESCAPE: u8 = 0x1b;

/// The terminal on standard input, set to give each key at once and to show none.
#[derive(Debug)]
pub struct Keys {
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
    /// Ctrl-D, or the terminal has gone.
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
        interrupt::at_the_end(restore_for_good);
        give_each_key()?;
        Ok(Self { pending: Vec::new() })
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
            restore();
            kill_current_process_group(Signal::TSTP).context("stop at Ctrl-Z")?;
            give_each_key().context("take single keys from the terminal")?;
        }
        Ok(key)
    }

    /// The next key that means something.
    fn next(&mut self) -> io::Result<Key> {
        loop {
            let Some(byte) = self.byte()? else { return Ok(Key::End) };
            match byte {
                ESCAPE => self.skip_sequence()?,
                END_OF_INPUT => return Ok(Key::End),
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

impl Drop for Keys {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back the settings that it had, before a signal ends the runner. Does nothing
/// if nothing was changed.
fn restore_for_good() {
    let mut before = lock();
    give_back(&mut before);
    // The lock is never given back: nobody takes the terminal once more in the last moment.
    std::mem::forget(before);
}

fn restore() {
    give_back(&mut lock());
}

fn give_back(before: &mut Option<Termios>) {
    if let Some(settings) = before.take() {
        // A terminal that has gone needs no settings. Keys pressed meanwhile were meant for the
        // quiz, not for the shell.
        _ = tcsetattr(io::stdin(), OptionalActions::Now, &settings);
        _ = tcflush(io::stdin(), QueueSelector::IFlush);
    }
}

fn lock() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn give_each_key() -> io::Result<()> {
    // Held while the settings change, so that a signal meanwhile restores them after.
    let mut before = lock();
    let settings = tcgetattr(io::stdin())?;
    let mut changed = settings.clone();
    changed.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    changed.special_codes[SpecialCodeIndex::VMIN] = 1;
    changed.special_codes[SpecialCodeIndex::VTIME] = 0;
    // Ctrl-C stays a signal. Ctrl-Z comes as a key, so that the shell gets its terminal as it was.
    changed.special_codes[SpecialCodeIndex::VSUSP] = NO_CODE;
    tcsetattr(io::stdin(), OptionalActions::Now, &changed)?;
    *before = Some(settings);
    Ok(())
}

fn leave(out: &mut dyn Write) -> anyhow::Result<Answer> {
    say(out, "\n")?;
    Ok(Answer::Leave)
}
