//! Links from a text on the terminal to the files of the course that it names.
//!
//! Terminals that know them open the file at a click (OSC 8:
//! <https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda>). The words stay the same,
//! so a text says no less without them, and nothing but a terminal ever gets one.

use std::env;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::Path;

use crate::terminal;
use crate::workspace::Workspace;

/// The folders of the course whose files a text may name.
const FOLDERS: [&str; 3] = ["exercises/", "solutions/", "crates/"];
/// The first VTE (GNOME Terminal and others) that knows links, as `VTE_VERSION` tells it: 0.50.
const VTE: u32 = 5000;
/// The first Konsole, as `KONSOLE_VERSION` tells it: 20.12.
const KONSOLE: u32 = 201_200;
/// The first tmux that hands links on.
const TMUX: (u32, u32) = (3, 4);
/// Terminals that tell their name in `TERM_PROGRAM`.
const PROGRAMS: [&str; 6] = ["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "rio"];
/// Parts of `TERM` by which terminals tell their name.
const TERMS: [&str; 5] = ["kitty", "alacritty", "foot", "ghostty", "wezterm"];

/// How a link names a line of a file: there is no common way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Not at all: `file://HOST/PATH`.
    File,
    /// As kitty does: `file://HOST/PATH#LINE`.
    Fragment,
    /// As Visual Studio Code does: `vscode://file/PATH:LINE:COLUMN`.
    VsCode,
}

/// `text`, for standard output: with links if that is a terminal that takes them, else as it is.
pub fn linked(text: Vec<u8>) -> Vec<u8> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if !io::stdout().is_terminal() || !terminal::stdout_colours() {
        return text;
    }
    match (kind(variable), Workspace::find(), std::str::from_utf8(&text)) {
        (Some(kind), Ok(workspace), Ok(told)) => {
            let host = fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            link(told, workspace.root(), host.trim(), kind).into_bytes()
        }
        _ => text,
    }
}

/// What links the terminal takes that these variables describe.
fn kind(variable: impl Fn(&str) -> Option<String>) -> Option<Kind> {
    let value = |name: &str| variable(name).unwrap_or_default();
    let number = |name: &str| value(name).parse().unwrap_or(0);
    let (term, program) = (value("TERM"), value("TERM_PROGRAM"));
    if ["", "dumb", "linux"].contains(&term.as_str()) {
        return None;
    }
    let takes = match variable("FORCE_HYPERLINK") {
        Some(told) => told != "0",
        None => {
            PROGRAMS.contains(&program.as_str())
                || TERMS.iter().any(|name| term.contains(name))
                || number("VTE_VERSION") >= VTE
                || number("KONSOLE_VERSION") >= KONSOLE
                || variable("WT_SESSION").is_some()
                || program == "tmux" && version(&value("TERM_PROGRAM_VERSION")) >= TMUX
        }
    };
    takes.then_some(match (program.as_str(), term.contains("kitty")) {
        ("vscode", _) => Kind::VsCode,
        (_, true) => Kind::Fragment,
        _ => Kind::File,
    })
}

/// "3.4a" is (3, 4).
fn version(told: &str) -> (u32, u32) {
    let mut numbers = told.split(|letter: char| !letter.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    (next(), next())
}

/// `text` with a link for each file below `root` that it names.
fn link(text: &str, root: &Path, host: &str, kind: Kind) -> String {
    let mut linked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = FOLDERS.iter().filter_map(|folder| rest.find(folder)).min() {
        let (before, from) = rest.split_at(at);
        linked.push_str(before);
        let place = Place::at_start(from);
        let inside = linked.chars().next_back().is_some_and(is_path);
        if !inside && root.join(place.path).is_file() {
            let uri = place.uri(root, host, kind);
            _ = write!(linked, "\x1b]8;;{uri}\x1b\\{}\x1b]8;;\x1b\\", place.text);
        } else {
            linked.push_str(place.text);
        }
        rest = &from[place.text.len()..];
    }
    linked + rest
}

/// A file that a text names, and a line of it.
struct Place<'a> {
    /// All of it as it stands in the text.
    text: &'a str,
    path: &'a str,
    /// The line and the column: ":12:5", ":12", or nothing.
    line: &'a str,
}

impl<'a> Place<'a> {
    /// What `text` begins with.
    fn at_start(text: &'a str) -> Self {
        let end = text.find(|letter| !is_path(letter)).unwrap_or(text.len());
        // A full stop ends the sentence, not the name.
        let path = text[..end].trim_end_matches('.');
        let mut line_end = path.len();
        for _ in 0..2 {
            let Some(rest) = text[line_end..].strip_prefix(':') else { break };
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                break;
            }
            line_end += 1 + digits;
        }
        let line = &text[path.len()..line_end];
        let anchor = match text[line_end..].strip_prefix('#') {
            Some(anchor) if line.is_empty() => {
                let end = anchor.find(|letter| !is_path(letter)).unwrap_or(anchor.len());
                1 + anchor[..end].trim_end_matches('.').len()
            }
            _ => 0,
        };
        Self { text: &text[..line_end + anchor], path, line }
    }

    fn uri(&self, root: &Path, host: &str, kind: Kind) -> String {
        let path = root.join(self.path);
        let path = encoded(path.to_string_lossy().as_bytes());
        match kind {
            Kind::File => format!("file://{host}{path}"),
            Kind::Fragment => {
                let line = self.line.split(':').nth(1);
                let fragment = line.map_or_else(String::new, |line| format!("#{line}"));
                format!("file://{host}{path}{fragment}")
            }
            Kind::VsCode => format!("vscode://file{path}{}", self.line),
        }
    }
}

fn is_path(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "/._-".contains(letter)
}

/// A path as a URI writes it (RFC 3986, 3.3).
fn encoded(path: &[u8]) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path {
        if byte.is_ascii() && is_path(char::from(*byte)) || *byte == b'~' {
            encoded.push(char::from(*byte));
        } else {
            _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{Kind, kind, link};

    fn kind_of(variables: &[(&str, &str)]) -> Option<Kind> {
        kind(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn only_terminals_that_take_links_get_them() {
        let xterm = ("TERM", "xterm-256color");
        assert_eq!(kind_of(&[]), None);
        assert_eq!(kind_of(&[xterm]), None);
        assert_eq!(kind_of(&[xterm, ("VTE_VERSION", "4900")]), None);
        assert_eq!(kind_of(&[xterm, ("VTE_VERSION", "7006")]), Some(Kind::File));
        assert_eq!(kind_of(&[xterm, ("TERM_PROGRAM", "vscode")]), Some(Kind::VsCode));
        assert_eq!(kind_of(&[("TERM", "xterm-kitty")]), Some(Kind::Fragment));
        let tmux =
            |version| kind_of(&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "tmux"), version]);
        assert_eq!(tmux(("TERM_PROGRAM_VERSION", "3.3a")), None);
        assert_eq!(tmux(("TERM_PROGRAM_VERSION", "3.4")), Some(Kind::File));
        let forced = ("FORCE_HYPERLINK", "1");
        assert_eq!(kind_of(&[xterm, forced]), Some(Kind::File));
        assert_eq!(kind_of(&[("TERM", "dumb"), forced]), None);
        let vte = ("VTE_VERSION", "7006");
        assert_eq!(kind_of(&[xterm, vte, ("FORCE_HYPERLINK", "0")]), None);
    }

    #[test]
    fn files_of_the_course_become_links_and_nothing_else() {
        let folder = tempfile::Builder::new().prefix("a course-").tempdir().expect("a folder");
        let root = folder.path();
        let source = root.join("exercises/tcp-echo/src");
        fs_err::create_dir_all(&source).expect("make the folders");
        fs_err::write(source.join("main.rs"), "").expect("write the file");
        let named = "exercises/tcp-echo/src/main.rs";
        let told = |text: &str, kind| link(text, root, "host", kind);
        let path = format!("{}/{named}", root.display()).replace(' ', "%20");
        let linked = |uri: &str, text: &str| format!("\x1b]8;;{uri}\x1b\\{text}\x1b]8;;\x1b\\");

        let place = format!("{named}:31:5");
        let file = linked(&format!("file://host{path}"), &place);
        assert_eq!(told(&format!("at {place}: no"), Kind::File), format!("at {file}: no"));
        let kitty = linked(&format!("file://host{path}#31"), &place);
        assert_eq!(told(&place, Kind::Fragment), kitty);
        let code = linked(&format!("vscode://file{path}:31:5"), &place);
        assert_eq!(told(&place, Kind::VsCode), code);
        let end = linked(&format!("file://host{path}"), named);
        assert_eq!(told(&format!("Edit {named}."), Kind::File), format!("Edit {end}."));
        let anchor = linked(&format!("file://host{path}"), &format!("{named}#half-close"));
        assert_eq!(told(&format!("{named}#half-close."), Kind::File), format!("{anchor}."));

        for other in
            ["exercises/tcp-echo", "exercises/none.rs:3", "/exercises/tcp-echo/src/main.rs"]
        {
            assert_eq!(told(other, Kind::File), other);
        }
    }
}
