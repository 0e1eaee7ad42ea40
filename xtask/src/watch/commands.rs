//! What the learner asks for while the watch goes on: by one key at a terminal, else by a line.

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

/// A wish of the learner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A hint for the first failed check, or for the one named.
    Hint(Option<String>),
    /// On to the next module.
    Next,
    /// The modules and how far each is.
    List,
    /// The first failed check as a spec, or the one named.
    Explain(Option<String>),
    /// Grade again.
    Again,
    /// The end.
    Quit,
    /// Stop this process for a while (Ctrl-Z).
    Suspend,
    /// A line that is no command.
    Unknown(String),
}

/// The keys in one line, in the order in which a learner needs them.
pub const KEYS: &str = "h:hint n:next l:list e:explain a:again q:quit";

/// The key of the next hint.
pub const HINT_KEY: char = 'h';
/// The key of the explanation.
pub const EXPLAIN_KEY: char = 'e';

/// The commands, for those who type lines.
pub const LINES: &str = "hint, next, list, explain, again, quit";

/// Where wishes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A terminal, key by key.
    Keys,
    /// A pipe, or a terminal whose output goes elsewhere: line by line.
    Lines,
    /// Nowhere: `/dev/null` or a file.
    Nothing,
}

/// Reads wishes.
pub struct Reader {
    source: Source,
    line: Vec<u8>,
}

impl Reader {
    /// From this source.
    pub fn new(source: Source) -> Self {
        Self { source, line: Vec::new() }
    }

    /// Reads once and gives the wishes that are complete. Breaks when nothing more will come: the
    /// pipe is closed, or the terminal is gone.
    pub fn read(&mut self, input: BorrowedFd<'_>) -> ControlFlow<(), Vec<Command>> {
        let mut buffer = [0; 1024];
        match rustix::io::read(input, &mut buffer) {
            Ok(0) => ControlFlow::Break(()),
            Ok(count) if self.source == Source::Keys => {
                ControlFlow::Continue(keys(&buffer[..count]))
            }
            Ok(count) => ControlFlow::Continue(self.lines(&buffer[..count])),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {
                ControlFlow::Continue(Vec::new())
            }
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn lines(&mut self, bytes: &[u8]) -> Vec<Command> {
        /// A line longer than this is no command, and is not kept.
        const LINE_BYTES: usize = 256;
        let mut commands = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                commands.extend(line(&String::from_utf8_lossy(&self.line)));
                self.line.clear();
            } else if self.line.len() < LINE_BYTES {
                self.line.push(*byte);
            }
        }
        commands
    }
}

/// The wishes in a run of keys. Keys that send several bytes (arrows, F1; ECMA-48's control
/// sequences) mean nothing here, and none of their bytes may be taken for another key.
fn keys(bytes: &[u8]) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut rest = bytes.iter().copied();
    while let Some(key) = rest.next() {
        let command = match char::from(key.to_ascii_lowercase()) {
            HINT_KEY => Command::Hint(None),
            'n' => Command::Next,
            'l' => Command::List,
            EXPLAIN_KEY => Command::Explain(None),
            'a' => Command::Again,
            // Ctrl-D and Ctrl-\ end programs elsewhere.
            'q' | '\x04' | '\x1c' => Command::Quit,
            '\x1a' => Command::Suspend,
            '\x1b' => {
                if matches!(rest.next(), Some(b'[' | b'O')) {
                    _ = rest.find(|byte| (b'@'..=b'~').contains(byte));
                }
                continue;
            }
            _ => continue,
        };
        commands.push(command);
    }
    commands
}

/// The wish in a line: a command or the beginning of one, and perhaps a check.
fn line(text: &str) -> Option<Command> {
    let mut words = text.split_whitespace();
    let command = words.next()?.to_ascii_lowercase();
    let check = words.next().map(str::to_owned);
    let is = |name: &str| name.starts_with(&command);
    Some(match () {
        () if is("hint") => Command::Hint(check),
        () if is("next") => Command::Next,
        () if is("list") => Command::List,
        () if is("explain") => Command::Explain(check),
        () if is("again") => Command::Again,
        () if is("quit") || is("exit") => Command::Quit,
        () => Command::Unknown(command),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::ops::ControlFlow;
    use std::os::fd::AsFd;

    use super::{Command, Reader, Source, keys, line};

    #[test]
    fn a_key_is_a_command_and_an_arrow_is_none() {
        assert_eq!(keys(b"hN"), [Command::Hint(None), Command::Next]);
        assert_eq!(keys(b"\x1b[A\x1bOH\x1b[1;5Da"), [Command::Again]);
        assert_eq!(keys(b"\x1bq zx\n\xc3\xa4"), [], "Alt-q and others mean nothing");
        assert_eq!(keys(b"\x04"), [Command::Quit]);
        assert_eq!(keys(b"\x1a"), [Command::Suspend]);
    }

    #[test]
    fn a_line_is_a_command_with_perhaps_a_check() {
        assert_eq!(line("hint\r"), Some(Command::Hint(None)));
        assert_eq!(line(" E half-close "), Some(Command::Explain(Some("half-close".into()))));
        assert_eq!(line("q"), Some(Command::Quit));
        assert_eq!(line("hints"), Some(Command::Unknown("hints".into())));
        assert_eq!(line("  "), None);
    }

    #[test]
    fn lines_come_in_pieces_and_end_with_their_pipe() {
        let (input, mut output) = std::io::pipe().expect("a pipe");
        let mut reader = Reader::new(Source::Lines);
        let mut read = || reader.read(input.as_fd());
        output.write_all(b"li").expect("write");
        assert_eq!(read(), ControlFlow::Continue(vec![]));
        output.write_all(b"st\nagain\nne").expect("write");
        assert_eq!(read(), ControlFlow::Continue(vec![Command::List, Command::Again]));
        drop(output);
        assert_eq!(read(), ControlFlow::Break(()));
    }
}
