//! Rust, the crates that the programs use, and what one tries programs with by hand.

use std::env;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Finding;
use crate::build;
use crate::interrupt::Group;
use crate::workspace::Workspace;

/// The oldest Rust that the course is written for.
const NEEDED: &str = env!("CARGO_PKG_RUST_VERSION");
/// How long a program may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often a program that runs is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// How much of a program's words is kept, in bytes.
const KEPT_BYTES: u64 = 64 * 1024;

/// What a program said and whether it was content.
struct Said {
    succeeded: bool,
    words: String,
}

/// The compiler, asked in the course's folder: another one may be in force there.
pub(super) fn rust(workspace: &Workspace) -> Vec<Finding> {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.arg("--version").current_dir(workspace.root());
    let means = "no program can be built";
    let install = format!("install Rust {NEEDED} or newer from https://rustup.rs");
    let found = match run(&mut command) {
        Err(error) => Finding::missing("Rust", format!("`rustc --version`: {error:#}")),
        Ok(said) if !said.succeeded => {
            let words = said.words.trim();
            Finding::missing("Rust", format!("`rustc --version` failed: {words}"))
        }
        Ok(said) => {
            let version = said.words.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let tried = format!("`rustc --version` says {version}; the course needs {NEEDED}");
            if numbers(&version) >= numbers(NEEDED) {
                return vec![Finding::good("Rust", tried)];
            }
            return vec![
                Finding::missing("Rust", tried)
                    .means("the programs and the grader use what this version does not know")
                    .advice("`rustup update stable`"),
            ];
        }
    };
    vec![found.means(means).advice(install)]
}

/// The numbers of a version: `1.88.0-nightly` is 1 and 88.
fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', '-']).take(2).map_while(|number| number.parse().ok()).collect()
}

/// The system that rustc builds for, in its own words, such as `x86_64-unknown-linux-gnu`.
fn host() -> Option<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("-vV").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// Whether cargo finds everything without a network.
pub(super) fn crates(workspace: &Workspace) -> Vec<Finding> {
    let mut command = build::cargo(workspace.root());
    command.args(["metadata", "--offline", "--locked", "--quiet", "--format-version", "1"]);
    // What other systems need is not fetched, and not missed.
    if let Some(host) = host() {
        command.args(["--filter-platform", &host]);
    }
    let tried = "`cargo metadata --offline --locked`";
    let found = match run(&mut command) {
        Ok(said) if said.succeeded => {
            return vec![Finding::good(
                "crates",
                format!("{tried} found all of them: nothing is fetched any more"),
            )];
        }
        Ok(said) => {
            let why = said.words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let why = why.trim_start_matches("error: ").trim_end_matches('.');
            if why.contains("update the lock file") {
                return vec![
                    Finding::limited("crates", format!("{tried}: {why}"))
                        .means("a Cargo.toml asks for other crates than the course does")
                        .advice("the lines below name it; `cargo build` takes it as it is"),
                ];
            }
            Finding::limited("crates", format!("{tried}: {why}"))
        }
        Err(error) => Finding::limited("crates", format!("{tried}: {error:#}")),
    };
    vec![
        found
            .means("the next build may need a network")
            .advice("`cargo fetch --locked` once, while there is one"),
    ]
}

/// A program that the handouts use, and how to ask whether it is there.
struct Tool {
    name: &'static str,
    argument: &'static str,
    /// What it has to say about itself.
    says: &'static str,
    used_for: &'static str,
    /// The packages that hold it, and where one differs: of Debian, Fedora, Arch, Homebrew.
    packages: [&'static str; 4],
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "nc",
        argument: "-h",
        says: "-N",
        used_for: "talking to your programs by hand (`nc -N`), in most handouts",
        packages: ["netcat-openbsd", "netcat", "openbsd-netcat", "netcat"],
    },
    Tool {
        name: "curl",
        argument: "--version",
        says: "curl",
        used_for: "asking your http-mini server",
        packages: ["curl"; 4],
    },
    Tool {
        name: "python3",
        argument: "--version",
        says: "Python 3",
        used_for: "a server for your http-mini client",
        packages: ["python3", "python3", "python", "python"],
    },
    #[cfg(target_os = "linux")]
    Tool {
        name: "ss",
        argument: "-V",
        says: "ss",
        used_for: "the kernel's view of your sockets",
        packages: ["iproute2", "iproute", "iproute2", "iproute2mac"],
    },
    Tool {
        name: "tmux",
        argument: "-V",
        says: "tmux",
        used_for: "server and client side by side; a second terminal does as well",
        packages: ["tmux"; 4],
    },
];

/// What the handouts use beside the grader. Each is started.
pub(super) fn by_hand(_: &Workspace) -> Vec<Finding> {
    let (mut there, mut findings) = (Vec::new(), Vec::new());
    for tool in TOOLS {
        let Tool { name, argument, says, used_for, .. } = tool;
        let tried = match run(Command::new(name).arg(argument)) {
            Ok(said) if said.words.contains(says) => {
                there.push(*name);
                continue;
            }
            Ok(_) => format!("`{name} {argument}` does not speak of `{says}`: another {name}"),
            Err(error) => format!("`{name} {argument}`: {error:#}"),
        };
        findings.push(
            Finding::limited(*name, tried)
                .means(format!("not needed for grading; the handouts use it for {used_for}"))
                .advice(install(tool)),
        );
    }
    if !there.is_empty() {
        let there = there.join(", ");
        let tried = format!("started {there}: the handouts' commands can be tried");
        findings.insert(0, Finding::good("by hand", tried));
    }
    findings
}

/// How to install a tool with the package manager that is there.
fn install(tool: &Tool) -> String {
    const MANAGERS: [(&str, &str); 4] = [
        ("apt-get", "sudo apt-get install"),
        ("dnf", "sudo dnf install"),
        ("pacman", "sudo pacman -S"),
        ("brew", "brew install"),
    ];
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let known = MANAGERS.iter().zip(tool.packages).find(|((name, _), _)| is_there(name));
    match known {
        Some(((_, command), package)) => format!("`{command} {package}`"),
        None => format!("install {} with your system's package manager", tool.packages[0]),
    }
}

/// Runs a command to its end, or ends it when it takes too long. Of what it prints the beginning is
/// kept.
fn run(command: &mut Command) -> anyhow::Result<Said> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    build::end_with_runner(command);
    let mut child = match command.spawn() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("not found"),
        other => other.context("start it")?,
    };
    let _group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let words = [scope.spawn(|| beginning(stdout)), scope.spawn(|| beginning(stderr))];
        let status = wait(&mut child)?;
        let words = words.map(|words| words.join().unwrap_or_default()).concat();
        Ok(Said { succeeded: status.success(), words })
    })
}

/// What a program writes, up to a limit; the rest is read too, so that it does not wait for ever.
fn beginning(stream: Option<impl Read>) -> String {
    let Some(mut stream) = stream else {
        return String::new();
    };
    let mut words = Vec::new();
    // What was read before an error is what there is.
    _ = stream.by_ref().take(KEPT_BYTES).read_to_end(&mut words);
    _ = io::copy(&mut stream, &mut io::sink());
    String::from_utf8_lossy(&words).into_owned()
}

fn wait(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("wait for it")? {
            return Ok(status);
        }
        if began.elapsed() > PATIENCE {
            // All that it started goes too, else its outputs would stay open.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                _ = kill_process_group(group, Signal::KILL);
            }
            child.wait().context("wait for it")?;
            bail!("did not end within {} s", PATIENCE.as_secs());
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{numbers, run};

    #[test]
    #[cfg(unix)]
    fn a_program_may_print_more_than_is_kept() {
        let mut command = Command::new("sh");
        let said = run(command.args(["-c", "head -c 1000000 /dev/zero; echo end >&2; exit 3"]));
        let said = said.expect("it ends");
        assert!(!said.succeeded);
        assert!(said.words.ends_with("end\n"), "both outputs are kept");
        assert!(run(&mut Command::new("no-such-program")).is_err());
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("1.100.0") >= numbers("1.88"));
        assert!(numbers("1.88.0-nightly") >= numbers("1.88"));
        assert!(numbers("1.9.0") < numbers("1.88"));
        assert!(numbers("") < numbers("1.88"));
    }
}
