//! Programs that use up what everybody needs, or outlive their grading. All of them run under
//! limits that this machine hardly notices.

use std::path::Path;

use classroom::results::{Outcome, SubmissionResult};

use crate::support::{
    Desk, Layer, Named, Test, check, contains, ensure, expect_no_points, processes, said, spy,
};

pub const TESTS: &[Named] = &[
    ("fork_bomb", fork_bomb),
    ("double_forked_daemon", double_forked_daemon),
    ("killing_everybody", killing_everybody),
    ("memory", memory),
    ("memory_of_many", memory_of_many),
    ("disk", disk),
    ("inodes", inodes),
    ("shared_memory", shared_memory),
    ("output_at_full_speed", output_at_full_speed),
    ("an_endless_peer", an_endless_peer),
    ("a_slow_peer", a_slow_peer),
    ("the_machines_fault", the_machines_fault),
];

/// A name for this test's processes: at most 15 bytes, as the kernel keeps it.
fn mark(name: &str) -> String {
    format!("{name}{}", std::process::id() % 100_000)
}

/// Rust for giving the process this name.
fn take_name(name: &str) -> String {
    format!("    unsafe {{ prctl(15, b\"{name}\\0\".as_ptr() as usize, 0, 0, 0); }}\n")
}

fn fork_bomb() -> Test {
    let mut desk = Desk::new()?;
    desk.limits.processes = 64;
    let name = mark("bomb");
    let body = format!(
        "{}    for _ in 0..200 {{ if unsafe {{ fork() }} < 0 {{ found.push(\"stopped\".into()); break; }} }}
    std::thread::sleep(std::time::Duration::from_millis(300));",
        take_name(&name)
    );
    let Some(result) = desk.grade_program(Layer::Namespaces, &spy(&body))? else { return Ok(()) };
    expect_no_points(&result)?;
    contains(&said(&result)?, "found stopped")?;
    let left = processes(&name);
    ensure(left.is_empty(), format!("{} processes are left", left.len()))
}

fn double_forked_daemon() -> Test {
    let desk = Desk::new()?;
    let name = mark("daemon");
    let body = format!(
        "{}    if unsafe {{ fork() }} == 0 {{ unsafe {{ setsid(); }}
        if unsafe {{ fork() }} == 0 {{ std::thread::sleep(std::time::Duration::from_secs(600)); }}
        unsafe {{ _exit(0) }}
    }}
    found.push(\"forked\".into());",
        take_name(&name)
    );
    let Some(result) = desk.grade_program(Layer::Linux, &spy(&body))? else { return Ok(()) };
    contains(&said(&result)?, "found forked")?;
    let left = processes(&name);
    ensure(left.is_empty(), format!("{} processes are left", left.len()))
}

/// The grader and its keepers live on, and the next submission is graded as if nothing were.
fn killing_everybody() -> Test {
    let desk = Desk::new()?;
    let body = "    for pid in [-1, 1, 2, 3, unsafe { getppid() }] {
        if unsafe { kill(pid, 9) } == 0 { found.push(format!(\"killed-{pid}\")); }
    }
    for pid in 4..200 { if pid != std::process::id() as i32 && unsafe { kill(pid, 9) } == 0 { found.push(format!(\"killed-{pid}\")); } }";
    desk.hand_in("killer", &spy(body))?;
    desk.hand_in("victim", &spy("    found.push(\"lives\".into());"))?;
    let Some(results) = desk.grade(Layer::Linux)? else { return Ok(()) };
    for result in &results {
        expect_no_points(result)?;
        ensure(result.attempts == 1, format!("{} had to be tried again", result.submission.name))?;
    }
    let killer = said(&results[0])?;
    ensure(killer.trim_end().ends_with("found"), killer)?;
    contains(&said(&results[1])?, "found lives")
}

/// The limit of each process.
fn memory() -> Test {
    let mut desk = Desk::new()?;
    desk.limits.data_bytes = 256 << 20;
    let body = "    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..256 {
        let mut piece: Vec<u8> = Vec::new();
        if piece.try_reserve_exact(16 << 20).is_err() { found.push(format!(\"stopped-at-{}\", kept.len())); break; }
        for page in piece.spare_capacity_mut().chunks_mut(4096) { page[0].write(1); }
        kept.push(piece);
    }
    if kept.len() > 18 { found.push(\"too-much\".into()); }
    drop(kept);";
    let Some(result) = desk.grade_program(Layer::Everywhere, &spy(body))? else { return Ok(()) };
    let said = said(&result)?;
    contains(&said, "found stopped-at-")?;
    ensure(!said.contains("too-much"), said)
}

/// The limit of all processes together: many that each stay below their own.
fn memory_of_many() -> Test {
    let mut desk = Desk::new()?;
    desk.limits.memory_bytes = 256 << 20;
    desk.deadline_ms = 10_000;
    let body = "    for _ in 0..8 { if unsafe { fork() } == 0 {
        let kept = vec![1u8; 64 << 20];
        std::thread::sleep(std::time::Duration::from_secs(5));
        drop(kept);
        unsafe { _exit(0) }
    } }
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let mut alive = 0;
    for entry in fs::read_dir(\"/proc\").into_iter().flatten().flatten() {
        let status = fs::read_to_string(entry.path().join(\"status\")).unwrap_or_default();
        let is_large = status.lines().any(|line| line.starts_with(\"RssAnon:\")
            && line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) > 60_000);
        alive += u32::from(is_large);
    }
    found.push(format!(\"alive-{}\", if alive <= 4 { \"few\" } else { \"many\" }));";
    let Some(result) = desk.grade_program(Layer::Namespaces, &spy(body))? else { return Ok(()) };
    expect_no_points(&result)?;
    let told = check(&result)?.feedback.as_ref().map(|feedback| feedback.got.clone());
    // It may itself have been the largest when it was looked at.
    let told = told.unwrap_or_default();
    ensure(told.contains("alive-few") || told.contains("SIGKILL"), told)
}

fn full_disk(body: &str) -> Result<Option<SubmissionResult>, libtest_mimic::Failed> {
    let mut desk = Desk::new()?;
    desk.limits.work_bytes = 64 << 20;
    desk.limits.work_inodes = 1000;
    // Several checks at once: a full disk is told of the program, not of the machine.
    desk.checks = ["one-message", "arbitrary-bytes", "large-payload"].map(str::to_owned).into();
    desk.hand_in("other", "fn main() {}")?;
    desk.hand_in("one", &spy(body))?;
    let Some(mut results) = desk.grade(Layer::Namespaces)? else { return Ok(None) };
    for result in &results {
        ensure(result.status == Outcome::Graded, format!("not graded: {}", result.error))?;
        expect_no_points(result)?;
    }
    Ok(Some(results.remove(0)))
}

fn disk() -> Test {
    let body = "    let mut file = fs::File::create(\"fill\").unwrap();
    let piece = vec![1u8; 1 << 20];
    for count in 0..1024 { if file.write_all(&piece).is_err() { found.push(format!(\"stopped-{}\", count < 100)); break; } }
    std::thread::sleep(std::time::Duration::from_millis(200));";
    let Some(result) = full_disk(body)? else { return Ok(()) };
    contains(&told(&result), "stopped-true")
}

fn inodes() -> Test {
    let body = "    for count in 0..100_000 { if fs::write(format!(\"file{count}\"), \"\").is_err() { found.push(format!(\"stopped-{}\", count < 1000)); break; } }
    std::thread::sleep(std::time::Duration::from_millis(200));";
    let Some(result) = full_disk(body)? else { return Ok(()) };
    contains(&told(&result), "stopped-true")
}

fn shared_memory() -> Test {
    let before = free_bytes(Path::new("/dev/shm"));
    let body = "    let mut file = fs::File::create(\"/dev/shm/fill\");
    match &mut file {
        Err(_) => found.push(\"denied\".into()),
        Ok(file) => { let piece = vec![1u8; 1 << 20]; for count in 0..4096 { if file.write_all(&piece).is_err() {
            found.push(format!(\"stopped-{}\", count < 100)); break; } } }
    }";
    let Some(result) = full_disk(body)? else { return Ok(()) };
    let told = told(&result);
    ensure(told.contains("denied") || told.contains("stopped-true"), told)?;
    ensure(!Path::new("/dev/shm/fill").exists(), "it wrote to this machine's /dev/shm")?;
    let after = free_bytes(Path::new("/dev/shm"));
    ensure(after + (64 << 20) > before, format!("{before} bytes were free, and now {after}"))
}

/// What all checks say.
fn told(result: &SubmissionResult) -> String {
    let checks = result.modules.iter().flat_map(|module| &module.checks);
    let got =
        checks.filter_map(|check| check.feedback.as_ref()).map(|feedback| feedback.got.as_str());
    got.collect::<Vec<_>>().join("\n")
}

fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |status| status.f_bavail * status.f_frsize)
}

fn output_at_full_speed() -> Test {
    let desk = Desk::new()?;
    let program = "use std::io::Write; fn main() { let piece = vec![b'x'; 1 << 16]; loop { \
        if std::io::stdout().write_all(&piece).is_err() { return; } } }";
    let Some(result) = desk.grade_program(Layer::Everywhere, program)? else { return Ok(()) };
    expect_no_points(&result)?;
    let feedback = check(&result)?.feedback.as_ref().ok_or("the check passed")?;
    ensure(feedback.symptom == "flood", format!("{}: {}", feedback.symptom, feedback.got))
}

/// Serves one connection with `answer`.
fn server(answer: &str) -> String {
    format!(
        "use std::io::{{Read, Write}};\nfn main() {{\n    let listener = std::net::TcpListener::bind(\"127.0.0.1:0\").unwrap();\n    \
         println!(\"listening on {{}}\", listener.local_addr().unwrap());\n    \
         for stream in listener.incoming() {{ let mut stream = stream.unwrap(); {answer} }}\n}}\n"
    )
}

fn an_endless_peer() -> Test {
    let desk = Desk::new()?;
    let program = server("loop { if stream.write_all(&[b'x'; 65536]).is_err() { break; } }");
    let Some(result) = desk.grade_program(Layer::Everywhere, &program)? else { return Ok(()) };
    expect_no_points(&result)
}

fn a_slow_peer() -> Test {
    let mut desk = Desk::new()?;
    desk.deadline_ms = 300;
    let program = server(
        "let mut text = [0; 64]; let n = stream.read(&mut text).unwrap_or(0); for byte in text[..n].iter().cycle() { \
         std::thread::sleep(std::time::Duration::from_millis(100)); if stream.write_all(&[*byte]).is_err() { break; } }",
    );
    let Some(result) = desk.grade_program(Layer::Everywhere, &program)? else { return Ok(()) };
    expect_no_points(&result)
}

/// Not an attack: a machine that cannot grade gives no verdict, and never a zero.
fn the_machines_fault() -> Test {
    let mut desk = Desk::new()?;
    desk.limits.compile_wall_seconds = 0;
    let program = "fn main() {}";
    let Some(result) = desk.grade_program(Layer::Everywhere, program)? else { return Ok(()) };
    ensure(result.status == Outcome::Error, "there is a verdict")?;
    ensure(result.attempts == 2, format!("tried {} times", result.attempts))?;
    ensure(result.modules.is_empty(), "there are points")?;
    contains(&result.error, "did not end within 0 s")?;
    // As it should be, it is graded.
    desk.limits = classroom::batch::order::Limits::default();
    let results = desk.grade(Layer::Everywhere)?.ok_or("no layer")?;
    ensure(results[0].status == Outcome::Graded, results[0].error.clone())
}
