//! Starting programs: what they find, how they end, how that is told.

mod support;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sandbox::{Disk, Exit, Job, Sandbox};
use support::{
    Outcome, blocking, ensure, eventually, is_living, output, parent, python, read_all, read_line,
    same, shell, wait_exit,
};

/// How many programs are started, and as many not found, in search of a descriptor that stays
/// open.
const LEAK_ROUNDS: usize = 40;
/// The argument that makes this binary start a sandbox and no more.
const START_ONLY: &str = "--start-only";
/// The argument that makes this binary count its descriptors before and after many programs.
const LEAKS_ONLY: &str = "--leaks-only";

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    match std::env::args().nth(1).as_deref() {
        Some(START_ONLY) => return alone(start_only),
        Some(LEAKS_ONLY) => return alone(spawn_and_count),
        _ => {}
    }
    support::run(&[
        ("without_privileges", support::without_privileges),
        ("exit_status", exit_status),
        ("exit_by_signal", exit_by_signal),
        ("processor_time", processor_time),
        ("try_exit_does_not_wait", try_exit_does_not_wait),
        ("cannot_execute", cannot_execute),
        ("name_is_looked_up", name_is_looked_up),
        ("relative_paths_are_the_callers", relative_paths_are_the_callers),
        ("arguments_of_any_size", arguments_of_any_size),
        ("environment_is_the_jobs_alone", environment_is_the_jobs_alone),
        ("only_standard_descriptors", only_standard_descriptors),
        ("extra_descriptors", extra_descriptors),
        ("signals_are_reset", signals_are_reset),
        ("streams", streams),
        ("stderr_is_a_pipe_or_a_terminal", stderr_is_a_pipe_or_a_terminal),
        ("terminal_passes_much", terminal_passes_much),
        ("stop_and_continue", stop_and_continue),
        ("limits", limits),
        ("no_descriptor_leaks", no_descriptor_leaks),
        ("many_threads_spawn", many_threads_spawn),
        ("unwritable_folder_is_named", unwritable_folder_is_named),
        ("full_disk_is_named", full_disk_is_named),
        ("launch_cost", launch_cost),
    ])
}

fn exit_status() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&shell(&sandbox, "exit 7"))?;
    let exit = wait_exit(&mut running)?;
    same("status", (exit.status, exit.signal), (Some(7), None))?;
    same("asked again", running.try_exit()?, Some(exit))?;
    same("leftovers", running.kill()?.other_processes, 0)?;
    same("after the end", running.try_exit()?, Some(exit))
}

fn exit_by_signal() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&shell(&sandbox, "kill -SEGV $$"))?;
    let exit = wait_exit(&mut running)?;
    same("signal", (exit.status, exit.signal), (None, Some(11)))?;
    let core = fs::read_dir(sandbox.scratch())?.count();
    same("files left by the crash", core, 0)
}

fn processor_time() -> Outcome {
    let sandbox = Sandbox::start()?;
    let script = "import time\nwhile time.process_time() < 0.3: pass";
    let mut running = sandbox.spawn(&python(&sandbox, script))?;
    let exit = wait_exit(&mut running)?;
    let spent_ms = exit.user_ms + exit.system_ms;
    ensure((290..5_000).contains(&spent_ms), format!("{spent_ms} ms for a script of 300 ms"))
}

fn try_exit_does_not_wait() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&shell(&sandbox, "read line"))?;
    same("while it runs", running.try_exit()?, None)?;
    drop(running.stdin());
    same("after the end of its input", wait_exit(&mut running)?.status, Some(1))
}

fn cannot_execute() -> Outcome {
    let sandbox = Sandbox::start()?;
    let folder = sandbox.scratch().to_owned();
    let plain = folder.join("plain");
    fs::write(&plain, "#!/bin/sh\n")?;
    let orphan = folder.join("orphan");
    fs::write(&orphan, "#!/no/such/interpreter\n")?;
    fs::set_permissions(&orphan, fs::Permissions::from_mode(0o755))?;
    let told = |job: &Job| match sandbox.spawn(job) {
        Ok(_) => "started".to_owned(),
        Err(error) => error.to_string(),
    };
    let name = |path: &std::path::Path| path.display().to_string();
    for (program, expected) in [
        (folder.join("missing"), "No such file or directory (os error 2)"),
        (plain.clone(), "Permission denied (os error 13)"),
        (folder.clone(), "Permission denied (os error 13) (it is a folder)"),
        (
            orphan,
            "No such file or directory (os error 2) (the file is there, but not the interpreter \
             or loader that it names)",
        ),
    ] {
        let expected = format!("cannot start {}: {expected}", name(&program));
        same("message", told(&Job::new(&program, &folder)), expected)?;
    }
    let absent = folder.join("absent");
    let expected = format!("cannot start /bin/true in {}: No such file", name(&absent));
    let message = told(&Job::new("/bin/true", &absent));
    ensure(message.starts_with(&expected), message)
}

fn name_is_looked_up() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut job = Job::new("sh", sandbox.scratch());
    job.args = vec!["-c".into(), "echo found".into()];
    same("output", output(&sandbox, &job)?, "found\n".to_owned())?;
    job.environment.clear();
    let error = sandbox.spawn(&job).err().map(|error| error.kind());
    same("without PATH", error, Some(io::ErrorKind::NotFound))
}

fn relative_paths_are_the_callers() -> Outcome {
    let sandbox = Sandbox::start()?;
    let here = std::env::current_dir()?;
    let mut job = Job::new("/bin/pwd", ".");
    job.environment.clear();
    same("directory", output(&sandbox, &job)?.trim_end().into(), here)
}

fn arguments_of_any_size() -> Outcome {
    let sandbox = Sandbox::start()?;
    let long = "x".repeat(100_000);
    let mut job = shell(&sandbox, "printf '%s\n' \"$#\" \"${12}\"");
    job.args.push("name".into());
    job.args.extend(std::iter::repeat_n(long.clone().into(), 11));
    job.args.push("two words\\".into());
    same("output", output(&sandbox, &job)?, "12\ntwo words\\\n".to_owned())?;
    job.args.push("nul\0".into());
    ensure(sandbox.spawn(&job).is_err(), "a NUL in an argument was let by")
}

fn environment_is_the_jobs_alone() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut job = Job::new("/usr/bin/env", sandbox.scratch());
    job.environment = vec![("ONE".into(), "1".into()), ("TWO".into(), "a b".into())];
    same("environment", output(&sandbox, &job)?, "ONE=1\nTWO=a b\n".to_owned())
}

fn only_standard_descriptors() -> Outcome {
    let sandbox = Sandbox::start()?;
    // `ls` itself opens one for the folder that it lists.
    let mut job = Job::new("/bin/ls", sandbox.scratch());
    job.args = vec!["/proc/self/fd".into()];
    same("descriptors", output(&sandbox, &job)?, "0\n1\n2\n3\n".to_owned())
}

fn extra_descriptors() -> Outcome {
    let sandbox = Sandbox::start()?;
    for extra in [1, 5, 40] {
        let mut job = Job::new("/bin/ls", sandbox.scratch());
        job.args = vec!["-l".into(), "/proc/self/fd".into()];
        job.extra_descriptors = extra;
        let listed = output(&sandbox, &job)?;
        let null = listed.lines().filter(|line| line.ends_with("-> /dev/null")).count();
        same("of /dev/null", null, extra)?;
        // Standard streams, the folder that `ls` lists, and a line on the total.
        same("lines", listed.lines().count(), extra + 5)?;
    }
    Ok(())
}

fn signals_are_reset() -> Outcome {
    let sandbox = Sandbox::start()?;
    let script = "import re\n\
        t = open('/proc/self/status').read()\n\
        print(*re.findall(r'Sig(?:Blk|Ign):\\s*0*(\\w*)', t))";
    // Python itself ignores SIGPIPE (13) and SIGXFSZ (25).
    same("blocked and ignored", output(&sandbox, &python(&sandbox, script))?, " 1001000\n".into())
}

fn streams() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&shell(&sandbox, "cat; echo problem >&2"))?;
    let mut stdin = blocking(running.stdin())?;
    let mut stdout = blocking(running.stdout())?;
    stdin.write_all(b"one\n")?;
    same("echo", read_line(&mut stdout)?, "one".to_owned())?;
    stdin.write_all(b"two\n")?;
    drop(stdin);
    same("echo", read_line(&mut stdout)?, "two".to_owned())?;
    same("standard error", read_all(running.stderr())?, "problem\n".to_owned())?;
    ensure(running.stdin().is_none() && running.stdout().is_none(), "a stream was given twice")
}

fn stderr_is_a_pipe_or_a_terminal() -> Outcome {
    let sandbox = Sandbox::start()?;
    let script = "import errno, os, sys
print([os.isatty(number) for number in range(3)], flush=True)
if os.isatty(2): print(*os.get_terminal_size(2))
try:
    os.open('/dev/tty', os.O_RDWR)
except OSError as error:
    print(errno.errorcode[error.errno])
print(os.get_inheritable(0), len(os.listdir('/proc/self/fd')), flush=True)
input()
sys.stderr.write('10 %\\r20 %\\n\\tdone\\n')";
    for (stderr_terminal, expected) in [
        (false, "[False, False, False]\nENXIO\nTrue 4\n"),
        (true, "[False, False, True]\n80 24\nENXIO\nTrue 4\n"),
    ] {
        let mut job = python(&sandbox, script);
        job.stderr_terminal = stderr_terminal;
        let mut running = sandbox.spawn(&job)?;
        let stderr = running.stderr().ok_or("no standard error")?;
        let read = rustix::io::read(&stderr, &mut [0; 8]).err();
        same("before anything is written", read, Some(rustix::io::Errno::AGAIN))?;
        blocking(running.stdin())?.write_all(b"go on\n")?;
        same("what it finds", read_all(running.stdout())?, expected.to_owned())?;
        same("what it writes", read_all(Some(stderr))?, "10 %\r20 %\n\tdone\n".to_owned())?;
        same("status", wait_exit(&mut running)?.status, Some(0))?;
    }
    Ok(())
}

fn terminal_passes_much() -> Outcome {
    const BYTES: usize = 300_000;
    let sandbox = Sandbox::start()?;
    let mut job = python(&sandbox, &format!("import sys; sys.stderr.write('x' * {BYTES})"));
    job.stderr_terminal = true;
    let mut running = sandbox.spawn(&job)?;
    same("bytes", read_all(running.stderr())?.len(), BYTES)?;
    // What the program wrote last is there still when it has ended before anybody read.
    job.args = shell(&sandbox, "echo last words >&2").args;
    job.program = "/bin/sh".into();
    let mut running = sandbox.spawn(&job)?;
    wait_exit(&mut running)?;
    same("read late", read_all(running.stderr())?, "last words\n".to_owned())
}

fn stop_and_continue() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut running = sandbox.spawn(&shell(&sandbox, "while read line; do echo $line; done"))?;
    let state = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().unwrap_or_default().trim_start().chars().next()
    };
    let pid = running.pid();
    running.signal(Signal::STOP)?;
    eventually("the program is stopped", || state(pid) == Some('T'))?;
    same("a stopped program has not ended", running.try_exit()?, None)?;
    running.signal(Signal::CONT)?;
    let mut stdin = blocking(running.stdin())?;
    stdin.write_all(b"again\n")?;
    let mut stdout = blocking(running.stdout())?;
    same("after it goes on", read_line(&mut stdout)?, "again".to_owned())?;
    running.signal(Signal::TERM)?;
    let exit: Exit = wait_exit(&mut running)?;
    same("signal", exit.signal, Some(15))?;
    ensure(!is_living(pid), "it lives")
}

fn limits() -> Outcome {
    let sandbox = Sandbox::start()?;
    let mut job = shell(&sandbox, "ulimit -v; ulimit -d; ulimit -t; ulimit -f; ulimit -n");
    job.limits.address_space_bytes = Some(512 << 20);
    job.limits.data_bytes = Some(64 << 20);
    job.limits.cpu_seconds = Some(9);
    job.limits.file_size_bytes = Some(1 << 20);
    job.limits.open_files = Some(20);
    same("limits", output(&sandbox, &job)?, "524288\n65536\n9\n2048\n20\n".to_owned())?;
    job.args[1] = "head -c 2000000 /dev/zero > big".into();
    ensure(output(&sandbox, &job).is_err(), "the file's limit does not hold")?;
    same("size", fs::metadata(sandbox.scratch().join("big"))?.len(), 1 << 20)?;
    let mut job = python(&sandbox, "x = bytearray(200_000_000)");
    job.limits.data_bytes = Some(100 << 20);
    let text = output(&sandbox, &job).err().map(|error| error.to_string()).unwrap_or_default();
    ensure(text.contains("MemoryError"), text)
}

fn no_descriptor_leaks() -> Outcome {
    // The other tests open and close descriptors of this process meanwhile.
    let output = Command::new(std::env::current_exe()?).arg(LEAKS_ONLY).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure(output.status.success(), text)
}

fn spawn_and_count() -> Outcome {
    let sandbox = Sandbox::start()?;
    let own = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let job = Job::new("/bin/true", sandbox.scratch());
    let missing = Job::new("/missing", sandbox.scratch());
    drop(sandbox.spawn(&job)?);
    let keeper = parent(parent(sandbox.spawn(&job)?.pid()));
    let kept = || fs::read_dir(format!("/proc/{keeper}/fd")).map_or(0, Iterator::count);
    let children = || {
        let path = format!("/proc/{keeper}/task/{keeper}/children");
        fs::read_to_string(path).map_or(0, |list| list.split_whitespace().count())
    };
    eventually("the keeper waits for its wardens", || children() == 0)?;
    let (own_before, keeper_before) = (own(), kept());
    for _ in 0..LEAK_ROUNDS {
        let mut running = sandbox.spawn(&job)?;
        running.kill()?;
        drop(running);
        ensure(sandbox.spawn(&missing).is_err(), "a missing program started")?;
    }
    eventually("the keeper waits for its wardens", || children() == 0)?;
    same("the keeper's descriptors", kept(), keeper_before)?;
    same("the caller's descriptors", own(), own_before)
}

fn many_threads_spawn() -> Outcome {
    let sandbox = Sandbox::start()?;
    let job = shell(&sandbox, "echo $0");
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let run = |number: usize| {
            let mut job = job.clone();
            job.args.push(number.to_string().into());
            let sandbox = &sandbox;
            scope.spawn(move || -> Outcome {
                for _ in 0..3 {
                    same("output", output(sandbox, &job)?, format!("{number}\n"))?;
                }
                Ok(())
            })
        };
        let threads: Vec<_> = (0..20).map(run).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("panic".into())))
            .collect()
    });
    outcomes.into_iter().collect()
}

fn unwritable_folder_is_named() -> Outcome {
    let told = |folder: &str| -> io::Result<String> {
        let program = std::env::current_exe()?;
        let output = Command::new(program).arg(START_ONLY).env("TMPDIR", folder).output()?;
        String::from_utf8([output.stdout, output.stderr].concat()).map_err(io::Error::other)
    };
    let prefix = "make a folder for this run in";
    let expected = format!("{prefix} /no/such/folder: No such file or directory (os error 2)\n");
    same("message", told("/no/such/folder")?, expected)?;
    let message = told("/proc")?;
    ensure(message.starts_with(&format!("{prefix} /proc: ")), message)
}

fn full_disk_is_named() -> Outcome {
    let sandbox = Sandbox::start()?;
    let full = sandbox.scratch().join("full");
    fs::create_dir(&full)?;
    let mut job = Job::new(std::env::current_exe()?, sandbox.scratch());
    job.args = vec![START_ONLY.into()];
    job.environment = vec![("TMPDIR".into(), full.clone().into())];
    job.disk = Some(Disk { path: full.clone(), bytes: 16 * 1024, inodes: 100 });
    let mut running = match sandbox.spawn(&job) {
        Ok(running) => running,
        Err(error) => return support::explained(&sandbox, "mount namespace", &error),
    };
    let expected = format!(
        "make a folder for this run in {}: No space left on device (os error 28)\n",
        full.display()
    );
    same("message", read_all(running.stdout())?, expected)?;
    same("files left", fs::read_dir(running.path_inside(&full))?.count(), 0)
}

fn start_only() -> Outcome {
    Sandbox::start()?;
    Ok(())
}

fn alone(test: impl FnOnce() -> Outcome) -> ExitCode {
    match test() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            println!("{}", failed.message().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    }
}

fn launch_cost() -> Outcome {
    const COUNT: u32 = 50;
    let sandbox = Sandbox::start()?;
    let job = Job::new("/bin/true", sandbox.scratch());
    let (mut fastest, mut total) = (Duration::MAX, Duration::ZERO);
    for _ in 0..COUNT {
        let began = Instant::now();
        let running = sandbox.spawn(&job)?;
        fastest = fastest.min(began.elapsed());
        total += began.elapsed();
        drop(running);
    }
    println!("launch: {:?} on average, {fastest:?} at best", total / COUNT);
    // Ten times what it takes on an idle machine: a tripwire, not a measure.
    ensure(fastest < Duration::from_millis(20), format!("{fastest:?} at best"))
}
