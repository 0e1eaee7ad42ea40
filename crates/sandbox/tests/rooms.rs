//! A room: what can be seen in it, how it ends, and what is told where there can be none.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use sandbox::{Room, Shown};
use support::{Outcome, ensure, same};

/// The first argument of a process that is to enter a room; it follows what is done there.
const INSIDE: &str = "--inside";

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, first, what, folder] = arguments.as_slice()
        && first == INSIDE
    {
        return inside(what, Path::new(folder));
    }
    support::run(&[
        ("status_and_signal", status_and_signal),
        ("what_is_seen", what_is_seen),
        ("what_is_hidden", what_is_hidden),
        ("orphans_end_with_the_room", orphans_end_with_the_room),
        ("a_killed_caller_ends_the_room", a_killed_caller_ends_the_room),
        ("refusals_name_the_step", refusals_name_the_step),
    ])
}

fn room(folder: &Path) -> Room {
    Room {
        at: folder.join("room"),
        shown: vec![Shown { source: folder.join("shown"), place: "/given/here".into() }],
        hidden: vec!["/usr/share".into(), folder.into()],
        work: "/room/work".into(),
        work_bytes: 1 << 20,
        work_inodes: 100,
        memory_bytes: 1 << 30,
    }
}

/// Runs in a process of its own, which has one thread.
fn inside(what: &str, folder: &Path) -> ExitCode {
    let mut room = room(folder);
    if what == "nowhere" {
        room.at = "/no/such/folder".into();
    }
    let entered = sandbox::enter_room(&room, || act(what, folder));
    match entered {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(255)),
        Err(error) => {
            println!("refused: {error}");
            ExitCode::from(99)
        }
    }
}

fn act(what: &str, folder: &Path) -> i32 {
    let list = |path: &str| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names.join(" ")
    };
    match what {
        "seven" => return 7,
        "abort" => std::process::abort(),
        "see" => {
            println!("given: {}", fs::read_to_string("/given/here/file").unwrap_or_default());
            println!("given stays: {}", fs::write("/given/here/file", "changed").is_err());
            println!("root stays: {}", fs::write("/new", "").is_err());
            println!("folder: {}", folder.exists());
            println!(
                "work: {:?}",
                fs::write("/room/work/file", "mine").map_err(|error| error.kind())
            );
            let large = vec![0; 2 << 20];
            println!("too much: {}", fs::write("/room/work/large", large).is_err());
            let processes =
                list("/proc").split(' ').filter(|name| name.parse::<u32>().is_ok()).count();
            println!("processes: {processes}");
            println!("user: {}", rustix::process::geteuid().is_root());
            println!(
                "names: {}",
                fs::read_to_string("/etc/hosts").is_ok_and(|text| text.contains("localhost"))
            );
        }
        "hide" => {
            println!("share: {:?}, bin: {}", list("/usr/share"), !list("/usr/bin").is_empty())
        }
        "orphan" => {
            let script = "setsid sleep 6000.25 >/dev/null 2>&1 & sleep 0";
            let started = Command::new("/bin/sh").args(["-c", script]).status();
            println!("started: {}", started.is_ok_and(|status| status.success()));
        }
        "wait" => {
            println!("waits");
            let _ = std::io::stdout().flush();
            let _ = Command::new("/bin/sleep").arg("6000.75").status();
        }
        _ => return 50,
    }
    0
}

struct Desk(PathBuf);

impl Desk {
    fn new(name: &str) -> Result<Self, libtest_mimic::Failed> {
        let folder = std::env::temp_dir().join(format!("rooms-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("room"))?;
        fs::create_dir_all(folder.join("shown"))?;
        fs::write(folder.join("shown/file"), "as given")?;
        Ok(Self(folder))
    }

    fn command(&self, what: &str) -> Result<Command, libtest_mimic::Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([INSIDE, what]).arg(&self.0).stdin(Stdio::null()).stderr(Stdio::inherit());
        Ok(command)
    }

    /// The status and what was printed; none where this machine has no rooms.
    fn run(&self, what: &str) -> Result<Option<(i32, String)>, libtest_mimic::Failed> {
        let output = self.command(what)?.output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.code() == Some(99) {
            println!("no rooms here: {said}");
            return Ok(None);
        }
        Ok(Some((output.status.code().unwrap_or(-1), said)))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // The next run makes a folder of another name.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn status_and_signal() -> Outcome {
    let desk = Desk::new("status")?;
    let Some((status, _)) = desk.run("seven")? else { return Ok(()) };
    same("status", status, 7)?;
    let Some((status, _)) = desk.run("abort")? else { return Ok(()) };
    same("SIGABRT", status, 128 + 6)
}

fn what_is_seen() -> Outcome {
    let desk = Desk::new("seen")?;
    let Some((_, said)) = desk.run("see")? else { return Ok(()) };
    let expected = "given: as given\ngiven stays: true\nroot stays: true\nfolder: false\n\
        work: Ok(())\ntoo much: true\nprocesses: 2\nuser: false\nnames: true\n";
    same("what is seen", said, expected.to_owned())?;
    same("the file", fs::read_to_string(desk.0.join("shown/file"))?, "as given".to_owned())
}

fn what_is_hidden() -> Outcome {
    let desk = Desk::new("hidden")?;
    let Some((_, said)) = desk.run("hide")? else { return Ok(()) };
    same("what is seen", said, "share: \"\", bin: true\n".to_owned())
}

fn orphans_end_with_the_room() -> Outcome {
    let desk = Desk::new("orphans")?;
    let Some((status, said)) = desk.run("orphan")? else { return Ok(()) };
    same("status", (status, said), (0, "started: true\n".to_owned()))?;
    ensure(!is_running("6000.25"), "the orphan lives")
}

fn a_killed_caller_ends_the_room() -> Outcome {
    use std::io::{BufRead, BufReader};
    let desk = Desk::new("killed")?;
    let mut caller = desk.command("wait")?.stdout(Stdio::piped()).spawn()?;
    let stdout = caller.stdout.take().ok_or("no pipe")?;
    let mut line = String::new();
    let mut lines = BufReader::new(stdout);
    lines.read_line(&mut line)?;
    caller.kill()?;
    caller.wait()?;
    if line.starts_with("refused") {
        println!("no rooms here: {line}");
        return Ok(());
    }
    // The room has the pipe open, so its end is the room's.
    let mut rest = String::new();
    lines.read_line(&mut rest)?;
    same("what was said", (line, rest), ("waits\n".to_owned(), String::new()))?;
    ensure(!is_running("6000.75"), "the guest's child lives")
}

fn refusals_name_the_step() -> Outcome {
    let desk = Desk::new("refused")?;
    let output = desk.command("nowhere")?.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    same("status", output.status.code(), Some(99))?;
    ensure(said.starts_with("refused: cannot "), said)
}

/// Whether a `sleep` for this time is there.
fn is_running(time: &str) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut commands =
        entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    commands.any(|command| {
        command == format!("sleep\0{time}\0") || command == format!("/bin/sleep\0{time}\0")
    })
}
