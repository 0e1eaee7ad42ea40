//! The terminal's keyboard, key by key without Enter, and given back on every way out.
//!
//! Only two things change: lines are not collected (ICANON) and keys are not shown (ECHO); see
//! termios(3). Ctrl-C still interrupts, and output is written as ever. Ctrl-Z and Ctrl-\ come as
//! keys, since the settings have to be given back before the process stops or ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcgetpgrp, tcsetattr,
};

use crate::interrupt;

/// The byte that switches a special key off (`_POSIX_VDISABLE`).
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_KEY: u8 = 0;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NO_KEY: u8 = 0xff;

/// The terminal that was taken.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// A terminal as it has to be given back.
struct Taken {
    terminal: OwnedFd,
    /// The settings that it had.
    original: Termios,
    drops_typed: bool,
}

/// A terminal whose keys this process would like to have whenever it is in the foreground. Dropping
/// it gives the terminal back.
#[derive(Debug)]
pub struct Keyboard {
    terminal: OwnedFd,
    original: Option<Termios>,
    drops_typed: bool,
}

impl Keyboard {
    /// Of this terminal. Nothing is changed yet.
    ///
    /// # Errors
    ///
    /// No descriptor is free.
    pub fn of(terminal: impl AsFd) -> io::Result<Self> {
        static AT_THE_END: Once = Once::new();
        AT_THE_END.call_once(|| interrupt::at_the_end(give_back_for_good));
        let terminal = terminal.as_fd().try_clone_to_owned()?;
        Ok(Self { terminal, original: None, drops_typed: false })
    }

    /// Keys that nobody has read when the terminal is given back were meant for this program: the
    /// shell does not get them.
    #[must_use]
    pub fn dropping_typed(mut self) -> Self {
        self.drops_typed = true;
        self
    }

    /// Takes the keyboard, if it is to be had and not taken yet.
    ///
    /// # Errors
    ///
    /// As [`Keyboard::wait_and_take`].
    pub fn take(&mut self) -> io::Result<()> {
        if is_ours(&self.terminal) { self.wait_and_take() } else { Ok(()) }
    }

    /// Takes the keyboard, if it is not taken yet. In the background the kernel stops this process
    /// (SIGTTOU), until the shell puts it into the foreground.
    ///
    /// # Errors
    ///
    /// Those of `tcsetattr(3)`, such as a terminal that is gone.
    pub fn wait_and_take(&mut self) -> io::Result<()> {
        // Held while the settings change, so that a signal meanwhile gives them back after.
        let mut taken = lock();
        if taken.is_some() {
            return Ok(());
        }
        let original = match &self.original {
            // After a stop the terminal may have anybody's settings: the first ones stay the right
            // ones.
            Some(original) => original.clone(),
            None => tcgetattr(&self.terminal)?,
        };
        let mut settings = original.clone();
        settings.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        settings.special_codes[SpecialCodeIndex::VMIN] = 1;
        settings.special_codes[SpecialCodeIndex::VTIME] = 0;
        settings.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
        settings.special_codes[SpecialCodeIndex::VQUIT] = NO_KEY;
        let terminal = self.terminal.try_clone()?;
        tcsetattr(&self.terminal, OptionalActions::Now, &settings)?;
        self.original = Some(original.clone());
        *taken = Some(Taken { terminal, original, drops_typed: self.drops_typed });
        Ok(())
    }

    /// What was taken is no longer ours: somebody stopped this process, and the shell has had the
    /// terminal since.
    pub fn lost(&self) {
        *lock() = None;
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether this process may read from here: it is in the terminal's foreground, or this is no
/// terminal that knows of such a thing. Whoever reads in the background is stopped (SIGTTIN).
pub fn is_ours(input: impl AsFd) -> bool {
    tcgetpgrp(input).map_or(true, |foreground| foreground == getpgrp())
}

/// Gives the terminal back, if it was taken. A terminal that is another process's by now is left
/// alone.
pub fn give_back() {
    lock().take().inspect(Taken::give_back);
}

/// The same before a signal ends the runner.
fn give_back_for_good() {
    let mut taken = lock();
    taken.take().inspect(Taken::give_back);
    // The lock is never given back: nobody takes the terminal once more in the last moment.
    std::mem::forget(taken);
}

impl Taken {
    fn give_back(&self) {
        if !is_ours(&self.terminal) {
            return;
        }
        // Not after what is being printed: Ctrl-S may have stopped that for good. A terminal that
        // is gone needs nothing.
        _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.original);
        if self.drops_typed {
            _ = tcflush(&self.terminal, QueueSelector::IFlush);
        }
    }
}

fn lock() -> MutexGuard<'static, Option<Taken>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{LocalModes, tcgetattr};

    use super::Keyboard;

    /// One test, since there is one keyboard a process.
    #[test]
    fn the_terminal_is_given_back_also_after_a_panic() {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&end).and_then(|()| unlockpt(&end)).expect("unlock it");
        let name = ptsname(&end, Vec::new()).expect("its name");
        let name = name.into_string().expect("a name in UTF-8");
        let terminal = std::fs::File::options().read(true).write(true).open(name).expect("open it");
        let modes = || tcgetattr(&terminal).expect("its settings").local_modes;
        let changed = LocalModes::ICANON | LocalModes::ECHO;
        let before = format!("{:?}", tcgetattr(&terminal).expect("its settings"));
        assert!(modes().contains(changed));

        let panicked = std::panic::catch_unwind(|| {
            let mut keyboard = Keyboard::of(&terminal).expect("a keyboard");
            keyboard.take().expect("take it");
            assert!(!modes().intersects(changed));
            assert!(modes().contains(LocalModes::ISIG), "Ctrl-C still interrupts");
            panic!("something went wrong");
        });
        assert!(panicked.is_err());
        assert_eq!(format!("{:?}", tcgetattr(&terminal).expect("its settings")), before);

        let mut keyboard = Keyboard::of(&terminal).expect("a keyboard");
        keyboard.take().expect("take it");
        keyboard.lost();
        assert!(!modes().intersects(changed), "nothing is given back that is not ours");
        keyboard.take().expect("take it again");
        drop(keyboard);
        assert_eq!(format!("{:?}", tcgetattr(&terminal).expect("its settings")), before);

        for (drops, left) in [(false, 2), (true, 0)] {
            let keyboard = Keyboard::of(&terminal).expect("a keyboard");
            let mut keyboard = if drops { keyboard.dropping_typed() } else { keyboard };
            keyboard.take().expect("take it");
            rustix::io::write(&end, b"k\n").expect("press keys");
            let typed = || rustix::io::ioctl_fionread(&terminal).expect("count what is typed");
            while typed() < 2 {
                std::thread::yield_now();
            }
            drop(keyboard);
            assert_eq!(typed(), left, "drops what was typed ahead: {drops}");
            _ = rustix::termios::tcflush(&terminal, rustix::termios::QueueSelector::IFlush);
        }
    }
}
