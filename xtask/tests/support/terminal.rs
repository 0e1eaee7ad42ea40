//! A real terminal for the tests: a shell in tmux, typed into and read like a person does.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{course, folder, names_in, processes_in, wait_until};

/// How long a test waits for what must come, on whatever machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often the screen is read.
const READ_PERIOD: Duration = Duration::from_millis(30);
/// What the shell prints when it waits for a command.
const PROMPT: &str = "ready>";

/// A terminal of 100 columns with a shell in it.
pub struct Terminal {
    socket: PathBuf,
    desk: tempfile::TempDir,
}

impl Terminal {
    /// With the runner's environment for the course at `root`. The shell works in a folder of its
    /// own, so that what works in the course's was started by the runner.
    pub fn open(root: &Path, scratch: &Path) -> Self {
        let desk = folder();
        let socket = desk.path().join("tmux");
        let terminal = Self { socket, desk };
        let shell = format!("env PS1='{PROMPT} ' bash --noprofile --norc -i");
        let mut start = terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100"]);
        start.args(["-y", "50", &shell]).current_dir(terminal.desk.path());
        start.env("CARGO_MANIFEST_DIR", root.join("xtask")).env("TMPDIR", scratch);
        start.env("CARGO_TARGET_DIR", root.join("target")).env("LC_ALL", "C.UTF-8");
        start.env_remove("NO_COLOR").env_remove("TMUX").env("TERM", "xterm-256color");
        let started = start.status().expect("tmux is installed, as .ci/run does it");
        assert!(started.success(), "tmux starts");
        terminal.wait_for("a shell", |screen| screen.contains(PROMPT));
        terminal
    }

    /// Types a command line and Enter.
    pub fn enter(&self, line: &str) {
        self.keys(&["-l", line]);
        self.keys(&["Enter"]);
    }

    /// Types keys by tmux's names of them.
    pub fn keys(&self, keys: &[&str]) {
        let typed = self.tmux(&["send-keys"]).args(keys).status().expect("tmux types");
        assert!(typed.success(), "tmux types {keys:?}");
    }

    /// Starts the runner's watch and waits until it is there.
    pub fn watch(&self, arguments: &str) {
        self.enter("stty -a > before");
        self.enter(&format!(
            "{} watch {arguments}; echo \"ended: $?\"",
            env!("CARGO_BIN_EXE_xtask")
        ));
        self.wait_for("the watch", |screen| screen.contains("each save is graded"));
    }

    /// All that was printed.
    pub fn screen(&self) -> String {
        let output =
            self.tmux(&["capture-pane", "-p", "-J", "-S", "-"]).output().expect("tmux reads");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the screen is as wanted.
    pub fn wait_for(&self, what: &str, is_there: impl Fn(&str) -> bool) {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "no {what} on this screen:\n{screen}");
            std::thread::sleep(READ_PERIOD);
        }
    }

    /// Waits until the watch has ended with this status, and sees that it has left the terminal as
    /// it was, and no process and no file behind.
    pub fn expect_ended(&self, status: i32, root: &Path, scratch: &Path) {
        let ended = format!("ended: {status}");
        self.wait_for(&ended, |screen| screen.lines().any(|line| line.trim() == ended));
        self.expect_settings_back();
        let left = || (processes_in(root), processes_in(scratch), names_in(scratch));
        let is_clean = || left() == (Vec::new(), Vec::new(), Vec::new());
        assert!(wait_until(is_clean), "left behind: {:?}", left());
    }

    /// The terminal's settings are those from before the watch.
    pub fn expect_settings_back(&self) {
        self.enter("stty -a > after; echo compared");
        let file = |name: &str| std::fs::read_to_string(self.desk.path().join(name));
        self.wait_for("comparison", |screen| screen.lines().any(|line| line.trim() == "compared"));
        let (before, after) = (file("before").expect("stty"), file("after").expect("stty"));
        assert_eq!(before, after, "the terminal's settings");
        std::fs::remove_file(self.desk.path().join("after")).expect("remove it");
        self.tmux(&["clear-history"]).status().expect("tmux forgets");
        self.enter("clear");
        self.wait_for("an empty screen", |screen| !screen.contains("compared"));
    }

    /// The number of the process that the shell started.
    pub fn watching_process(&self) -> u32 {
        let binary = std::fs::canonicalize(env!("CARGO_BIN_EXE_xtask")).expect("the runner");
        let desk = std::fs::canonicalize(self.desk.path()).expect("the desk");
        let is_it = |id: &u32| {
            std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|file| file == binary)
        };
        processes_in(&desk).into_iter().find(is_it).expect("the watch runs")
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(arguments).stdin(Stdio::null());
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Whether or not it is still there.
        _ = self.tmux(&["kill-server"]).stderr(Stdio::null()).status();
    }
}

/// A correct tcp-echo that needs no crate but std.
pub fn correct_program() -> String {
    let path = course().join("crates/tcp-echo/tests/styles/threads_std.rs");
    fs_err::read_to_string(path).expect("read the program")
}
