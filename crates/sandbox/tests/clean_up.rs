//! Nothing of a program outlives its run, whatever the program does and however the run ends.

mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sandbox::Sandbox;
use support::{
    Outcome, blocking, count_marked, ensure, eventually, is_living, parent, python, read_line,
    same, shell, wait_exit,
};

/// The argument that makes this binary a caller that starts a tree and waits to be killed.
const AS_CALLER: &str = "--as-caller";
/// The argument that makes this binary a caller that panics instead.
const AS_PANICKING_CALLER: &str = "--as-panicking-caller";
/// The argument that makes this binary a caller that closes all before it exits.
const AS_CLOSING_CALLER: &str = "--as-closing-caller";
/// Its exit status.
const CLOSED: i32 = 42;

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    let mut arguments = std::env::args().skip(1);
    let (mode, marker) = (arguments.next(), arguments.next().unwrap_or_default());
    match mode.as_deref() {
        Some(mode @ (AS_CALLER | AS_PANICKING_CALLER)) => return as_caller(mode, &marker),
        Some(AS_CLOSING_CALLER) => return as_closing_caller(&marker),
        _ => {}
    }
    support::run(&[
        ("without_privileges", support::without_privileges),
        ("ignores_sigterm", ignores_sigterm),
        ("double_forked_daemon", double_forked_daemon),
        ("daemon_is_known_while_it_runs", daemon_is_known_while_it_runs),
        ("stopped_tree", stopped_tree),
        ("fork_bomb", fork_bomb),
        ("fork_bomb_of_sessions", fork_bomb_of_sessions),
        ("drop_of_running", drop_of_running),
        ("drop_of_sandbox_first", drop_of_sandbox_first),
        ("close_while_others_use_it", close_while_others_use_it),
        ("close_all_for_exit", close_all_for_exit),
        ("orphans_are_waited_for", orphans_are_waited_for),
        ("warden_killed", warden_killed),
        ("keeper_killed", keeper_killed),
        ("caller_killed", caller_killed),
        ("caller_interrupted", caller_interrupted),
        ("caller_panics", caller_panics),
        ("program_dies_with_its_warden", program_dies_with_its_warden),
        ("locked_folders_are_removed", locked_folders_are_removed),
    ])
}

/// Ends its first process, so that the rest belongs to nobody, in a session of its own.
const DAEMON: &str = "import os, signal, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(600)";

fn ignores_sigterm() -> Outcome {
    let sandbox = Sandbox::start()?;
    let script = "trap '' TERM INT HUP; echo ready; while :; do sleep 1; done";
    let mut running = sandbox.spawn(&shell(&sandbox, script))?;
    let mut stdout = blocking(running.stdout())?;
    same("line", read_line(&mut stdout)?, "ready".to_owned())?;
    running.signal(Signal::TERM)?;
    same("after SIGTERM", running.try_exit()?, None)?;
    running.kill()?;
    same("exit", running.try_exit()?.and_then(|exit| exit.signal), Some(9))?;
    ensure(!Path::new(&format!("/proc/{}", running.pid())).exists(), "the process is there still")
}

fn double_forked_daemon() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&python(&sandbox, DAEMON))?;
    let mut stdout = blocking(running.stdout())?;
    let daemon: u32 = read_line(&mut stdout)?.parse()?;
    same("exit of the program", wait_exit(&mut running)?.status, Some(0))?;
    ensure(is_living(daemon), "the daemon ended with the program")?;
    eventually("its parent is gone", || running.pids() == [daemon])?;
    same("leftovers", running.kill()?.other_processes, 1)?;
    ensure(!is_living(daemon), "the daemon lives")?;
    same("asked again", running.kill()?.other_processes, 1)
}

fn daemon_is_known_while_it_runs() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&python(&sandbox, DAEMON))?;
    let mut stdout = blocking(running.stdout())?;
    let daemon: u32 = read_line(&mut stdout)?.parse()?;
    wait_exit(&mut running)?;
    eventually("only the daemon is there", || running.pids() == [daemon])?;
    running.kill()?;
    same("after the end", running.pids(), Vec::new())
}

fn stopped_tree() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&shell(&sandbox, "sleep 600 & echo ready; kill -STOP $$"))?;
    let mut stdout = blocking(running.stdout())?;
    read_line(&mut stdout)?;
    same("leftovers", running.kill()?.other_processes, 1)
}

fn fork_bomb() -> Outcome {
    bomb("pass")
}

fn fork_bomb_of_sessions() -> Outcome {
    bomb("os.setsid()")
}

/// How many processes a bomb starts in all. Root is not bound by a limit on processes, so the bomb
/// counts, in a file to which it adds a byte before each fork; those killed are replaced until it
/// is used up.
const BOMB_FORKS: usize = 150;

/// The bombs of one user share a limit on processes, so one waits for the other.
static ONE_BOMB: Mutex<()> = Mutex::new(());

/// A program whose every process forks without end.
fn bomb(in_each: &str) -> Outcome {
    let _one = ONE_BOMB.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = Sandbox::start()?;
    let marker = format!("bomb-{}-{}", std::process::id(), in_each.len());
    let script = format!(
        "import os, time
count = os.open('count', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
while os.fstat(count).st_size < {BOMB_FORKS}:
    os.write(count, b'.')
    if os.fork() == 0:
        {in_each}
time.sleep(600) # {marker}"
    );
    let mut running = sandbox.spawn(&python(&sandbox, &script))?;
    eventually("the bomb forks", || count_marked(&marker) > 50)?;
    let began = Instant::now();
    let leftovers = running.kill()?;
    let forks = fs::metadata(sandbox.scratch().join("count"))?.len();
    println!("{forks} forks, {leftovers:?}, ended in {:?}", began.elapsed());
    same("processes left", count_marked(&marker), 0)?;
    ensure(leftovers.other_processes > 10, "there was no bomb")
}

fn drop_of_running() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&python(&sandbox, DAEMON))?;
    let mut stdout = blocking(running.stdout())?;
    let daemon: u32 = read_line(&mut stdout)?.parse()?;
    drop(running);
    ensure(!is_living(daemon), "the daemon lives")
}

fn drop_of_sandbox_first() -> Outcome {
    let sandbox = Sandbox::start()?;
    let scratch = sandbox.scratch().to_owned();
    let mut running = sandbox.spawn(&python(&sandbox, DAEMON))?;
    let mut stdout = blocking(running.stdout())?;
    let daemon: u32 = read_line(&mut stdout)?.parse()?;
    eventually("its parents are gone", || running.pids() == [daemon])?;
    drop(sandbox);
    ensure(!is_living(daemon), "the daemon lives")?;
    ensure(!scratch.exists(), "the scratch folder is there still")?;
    same("leftovers", running.kill()?.other_processes, 1)
}

fn close_while_others_use_it() -> Outcome {
    let sandbox = Sandbox::start()?;
    let scratch = sandbox.scratch().to_owned();
    let mut running = sandbox.spawn(&python(&sandbox, DAEMON))?;
    let keeper = parent(parent(running.pid()));
    let daemon: u32 = read_line(&mut blocking(running.stdout())?)?.parse()?;
    let waiting = sandbox.spawn(&shell(&sandbox, "exec sleep 600"))?;
    let gone = || !is_living(daemon) && !is_living(keeper) && !scratch.exists();
    std::thread::scope(|scope| {
        let close = || {
            sandbox.close();
            gone()
        };
        let closing = [scope.spawn(close), scope.spawn(close)];
        let mut waiting = waiting;
        same("exit", wait_exit(&mut waiting)?.signal, Some(9))?;
        for thread in closing {
            same("all is gone", thread.join().ok(), Some(true))?;
        }
        same("leftovers", waiting.kill()?.other_processes, 0)
    })?;
    let error = sandbox.spawn(&shell(&sandbox, "exit 0")).err().map(|error| error.kind());
    same("a program after it", error, Some(io::ErrorKind::BrokenPipe))?;
    sandbox.close();
    same("leftovers", running.kill()?.other_processes, 1)
}

fn close_all_for_exit() -> Outcome {
    let marker = format!("closing-{}", std::process::id());
    let mut command = Command::new(std::env::current_exe()?);
    command.args([AS_CLOSING_CALLER, &marker]).stdout(Stdio::piped());
    let caller = command.spawn()?;
    let output = caller.wait_with_output()?;
    // At once: this is what the call is for.
    same("processes left", count_marked(&marker), 0)?;
    let text = String::from_utf8_lossy(&output.stdout);
    same("status", output.status.code(), Some(CLOSED)).map_err(|_| text.as_ref())?;
    let folders: Vec<&str> = text.lines().collect();
    same("lines", folders.len(), 2).map_err(|_| text.as_ref())?;
    same("folders left", folders.iter().filter(|folder| Path::new(folder).exists()).count(), 0)
}

/// What a thread does once its program has ended.
type Next<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Closes two runs while other threads wait for programs; none of them may go on.
fn as_closing_caller(marker: &str) -> ExitCode {
    let run = || -> io::Result<()> {
        let (first, second) = (Sandbox::start()?, Sandbox::start()?);
        println!("{}\n{}", first.scratch().display(), second.scratch().display());
        let job = |sandbox| shell(sandbox, &format!("echo; sleep 600 & sleep 600 # {marker}"));
        let mut running = Vec::new();
        for sandbox in [&first, &second, &second, &second] {
            running.push(sandbox.spawn(&job(sandbox))?);
        }
        for each in &mut running {
            read_line(&mut blocking(each.stdout())?)?;
        }
        let next: [Option<Next>; 4] = [
            Some(Box::new(move || drop(first))),
            Some(Box::new(|| drop(second.spawn(&shell(&second, "exit 0"))))),
            Some(Box::new(|| drop(Sandbox::start()))),
            None,
        ];
        std::thread::scope(|scope| {
            for (number, (mut running, next)) in running.into_iter().zip(next).enumerate() {
                scope.spawn(move || {
                    if let Err(error) = wait_exit(&mut running) {
                        println!("thread {number}: {error}");
                    }
                    if let Some(next) = next {
                        next();
                        println!("thread {number} went on");
                    }
                    drop(running);
                    println!("thread {number} ended its program");
                });
            }
            sandbox::close_all_for_exit();
            // Time for the others to do what they must not.
            std::thread::sleep(Duration::from_millis(200));
            std::process::exit(CLOSED)
        })
    };
    ExitCode::from(u8::from(run().is_err()))
}

fn orphans_are_waited_for() -> Outcome {
    let sandbox = Sandbox::start()?;
    let script = "for n in 1 2 3 4 5; do (true & true) & done; wait; sleep 0.2; \
        echo ready; read line";
    let mut running = sandbox.spawn(&shell(&sandbox, script))?;
    let mut stdout = blocking(running.stdout())?;
    read_line(&mut stdout)?;
    let warden = parent(running.pid());
    let path = format!("/proc/{warden}/task/{warden}/children");
    let program = running.pid().to_string();
    eventually("the orphans are gone", || {
        fs::read_to_string(&path).is_ok_and(|list| list.trim() == program)
    })?;
    same("leftovers", running.kill()?.other_processes, 0)
}

fn warden_killed() -> Outcome {
    let sandbox = Sandbox::start()?;
    let script = "sleep 600 & setsid sleep 600 & echo $!; wait";
    let mut running = sandbox.spawn(&shell(&sandbox, script))?;
    let mut stdout = blocking(running.stdout())?;
    let other: u32 = read_line(&mut stdout)?.parse()?;
    let pids = running.pids();
    same("processes", pids.len(), 3)?;
    kill(parent(running.pid()))?;
    eventually("the keeper ends what is left", || !pids.iter().copied().any(is_living))?;
    ensure(!is_living(other), "the other session lives")?;
    let error = running.kill().err().map(|error| error.kind());
    same("told", error, Some(io::ErrorKind::BrokenPipe))?;
    // The run goes on.
    let mut next = sandbox.spawn(&shell(&sandbox, "exit 3"))?;
    same("the next program", wait_exit(&mut next)?.status, Some(3))
}

fn keeper_killed() -> Outcome {
    let sandbox = Sandbox::start()?;
    let scratch = sandbox.scratch().to_owned();
    let job = shell(&sandbox, "read line");
    let mut running = sandbox.spawn(&job)?;
    kill(parent(parent(running.pid())))?;
    eventually("the keeper is missed", || sandbox.spawn(&job).is_err())?;
    // Its wardens do their work without it.
    running.kill()?;
    ensure(!is_living(running.pid()), "the program lives")?;
    drop(sandbox);
    ensure(!scratch.exists(), "the scratch folder is there still")
}

fn caller_killed() -> Outcome {
    caller_ends(AS_CALLER, kill)
}

fn caller_interrupted() -> Outcome {
    // As a terminal does: everybody in the foreground group gets it.
    caller_ends(AS_CALLER, |caller| {
        let group = Pid::from_raw(caller.cast_signed()).ok_or("no such group")?;
        Ok(rustix::process::kill_process_group(group, Signal::INT)?)
    })
}

fn caller_panics() -> Outcome {
    caller_ends(AS_PANICKING_CALLER, |_| Ok(()))
}

fn caller_ends(mode: &str, end: impl FnOnce(u32) -> Outcome) -> Outcome {
    let marker = format!("caller-{}{mode}", std::process::id());
    let mut command = Command::new(std::env::current_exe()?);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.args([mode, &marker]).stdout(Stdio::piped()).stdin(Stdio::piped());
    let mut caller = command.stderr(Stdio::null()).spawn()?;
    let stdout = caller.stdout.take().ok_or("no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let scratch = PathBuf::from(lines.next().ok_or("the caller says nothing")??);
    ensure(scratch.exists(), "there was no scratch folder")?;
    same("line", lines.next().ok_or("the caller starts nothing")??, "running".to_owned())?;
    // The caller, the daemon and the shell.
    ensure(count_marked(&marker) >= 3, "there was no tree")?;
    end(caller.id())?;
    let began = Instant::now();
    drop(caller.stdin.take());
    caller.wait()?;
    eventually("the tree is gone", || count_marked(&marker) == 0)?;
    eventually("the scratch folder is gone", || !scratch.exists())?;
    ensure(began.elapsed() < Duration::from_secs(5), "it took more than five seconds")
}

fn as_caller(mode: &str, marker: &str) -> ExitCode {
    let run = || -> io::Result<()> {
        let sandbox = Sandbox::start()?;
        fs::write(sandbox.scratch().join("file"), "left behind")?;
        println!("{}", sandbox.scratch().display());
        let daemon = DAEMON.replace("time.sleep(600)", &format!("time.sleep(600) # {marker}"));
        let mut first = sandbox.spawn(&python(&sandbox, &daemon))?;
        read_line(&mut blocking(first.stdout())?)?;
        let script = format!("sleep 600 & sleep 600 & echo ready; wait # {marker}");
        let mut second = sandbox.spawn(&shell(&sandbox, &script))?;
        read_line(&mut blocking(second.stdout())?)?;
        println!("running");
        io::stdout().flush()?;
        // Waits for the end of its input, or for what kills it.
        io::stdin().read_line(&mut String::new())?;
        if mode == AS_PANICKING_CALLER {
            panic!("as asked");
        }
        Ok(())
    };
    ExitCode::from(u8::from(run().is_err()))
}

fn program_dies_with_its_warden() -> Outcome {
    let sandbox = Sandbox::start()?;
    let running = sandbox.spawn(&shell(&sandbox, "exec sleep 600"))?;
    // A stopped keeper can clean nothing up: what ends the program is the kernel.
    let warden = parent(running.pid());
    let keeper = parent(warden);
    signal(keeper, Signal::STOP)?;
    let outcome =
        kill(warden).and_then(|()| eventually("the program is gone", || !is_living(running.pid())));
    signal(keeper, Signal::CONT)?;
    outcome
}

fn locked_folders_are_removed() -> Outcome {
    let sandbox = Sandbox::start()?;
    let scratch = sandbox.scratch().to_owned();
    let outside = scratch.with_extension("outside");
    fs::create_dir_all(scratch.join("a/b/c"))?;
    fs::create_dir(&outside)?;
    fs::write(outside.join("keep"), "")?;
    std::os::unix::fs::symlink(&outside, scratch.join("a/b/link"))?;
    for folder in ["a/b/c", "a/b", "a"] {
        fs::set_permissions(scratch.join(folder), fs::Permissions::from_mode(0o000))?;
    }
    drop(sandbox);
    ensure(!scratch.exists(), "the scratch folder is there still")?;
    ensure(outside.join("keep").exists(), "a symlink was followed")?;
    Ok(fs::remove_dir_all(outside)?)
}

fn kill(pid: u32) -> Outcome {
    signal(pid, Signal::KILL)
}

fn signal(pid: u32, signal: Signal) -> Outcome {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or("no such process")?;
    Ok(kill_process(pid, signal)?)
}
