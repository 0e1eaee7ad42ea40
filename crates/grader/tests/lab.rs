//! Checks in the lab: where programs and peers are, what a failure shows, what is left, and what
//! there is where there can be no lab.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use grader::lab::{Faults, Sighting};
use grader::report::{CheckReport, ModuleReport, Status};
use grader::{Check, CheckFn, Manifest, Module, Plan, Target, Verdict, run};
use libtest_mimic::{Arguments, Failed, Trial};
use sandbox::Sandbox;

type Outcome = Result<(), Failed>;
type Test = (&'static str, fn() -> Outcome);
/// A datagram, and whether it was lost, or is the second of two.
type Journey = (Vec<u8>, bool, bool);

/// The deadline of a wait: long beside all that passes.
const DEADLINE: Duration = Duration::from_secs(20);
/// The argument that makes this binary grade one check of the lab and say what came of it.
const AS_GRADER: &str = "--as-grader";
/// Each datagram has one chance in three to be lost.
const LOSSY: Faults = Faults { loss: 0.3, duplicate: 0.3, reorder: 0.0, corrupt: 0.0, delay_ms: 0 };

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    grader::lab::lab_main_if_asked();
    if std::env::args().nth(1).as_deref() == Some(AS_GRADER) {
        return as_grader();
    }
    let tests: [Test; 8] = [
        ("both_ends_on_hosts", both_ends_on_hosts),
        ("what_comes_after_the_end_is_awaited", last_words_are_awaited),
        ("a_stall_on_a_host_is_seen", stall_is_seen),
        ("a_lost_request_is_no_stall", lost_request_is_no_stall),
        ("a_failure_shows_the_packets", failure_shows_packets),
        ("the_same_seed_loses_the_same", same_seed_same_losses),
        ("checks_take_turns_and_leave_nothing", turns),
        ("without_namespaces_it_is_unsupported", without_namespaces),
    ];
    let trials = tests.map(|(name, test)| Trial::test(name, test)).into();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A program may end long before its last bytes arrive: its kernel brings them over.
fn last_words_are_awaited() -> Outcome {
    /// Longer than the wait for packets of which nothing is known.
    const WAY: Faults =
        Faults { loss: 0.0, duplicate: 0.0, reorder: 0.0, corrupt: 0.0, delay_ms: 450 };
    fn check(check: &mut Check) -> Verdict {
        let lab = check.lab()?;
        let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
        let mut peer = there.listen()?;
        lab.set_faults(&there, WAY);
        let program = check.start_on(&here, ["tell", &peer.address().to_string(), "last words"])?;
        let mut connection = peer.accept(&program)?;
        connection.expect_bytes(b"last words")?;
        connection.expect_end()?;
        program.finish_with(0)?;
        Ok(())
    }
    let Some(report) = grade_one(&[("late", check)], DEADLINE)? else { return Ok(()) };
    ensure(report.status == Status::Passed, told(&report))
}

fn ensure(holds: bool, told: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(Failed::from(told.into())) }
}

/// The program, as a file that can be executed wherever this package was checked out.
fn program(folder: &Path) -> std::io::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/program.py");
    let path = folder.join("program");
    std::fs::write(&path, format!("#!/usr/bin/python3\n{}", std::fs::read_to_string(source)?))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

fn grade(
    checks: &'static [(&'static str, CheckFn)],
    deadline: Duration,
) -> Result<ModuleReport, Failed> {
    let mut text = "name = \"lab\"\ntitle = \"Lab\"\n".to_owned();
    for (id, _) in checks {
        text.push_str(&format!(
            "[[check]]\nid = \"{id}\"\ntitle = \"The title\"\nkind = \"stretch\"\npoints = 1\n\
             lesson = \"lesson\"\npromise = \"It does.\"\nhints = [\"Do it.\"]\n\
             steps = [\"It is started.\"]\nrule = \"It must.\"\n"
        ));
    }
    let manifest = Manifest::parse(&text, Path::new("module.toml"))?;
    let module = Module { name: "lab", checks };
    let sandbox = Sandbox::start()?;
    let program = program(sandbox.scratch())?;
    let target = Target { program, shown_as: "program".to_owned() };
    let plan = Plan { module: &module, manifest: &manifest, target, only: None, seed: 7, deadline };
    Ok(run(&plan, &sandbox))
}

/// The report of one check; `None` where there can be no lab.
fn grade_one(
    checks: &'static [(&'static str, CheckFn)],
    deadline: Duration,
) -> Result<Option<CheckReport>, Failed> {
    let report = grade(checks, deadline)?.checks.into_iter().next().ok_or("no check")?;
    match report.status {
        Status::Unsupported => {
            println!("no lab here: {}", report.feedback.unwrap_or_default().got);
            Ok(None)
        }
        _ => Ok(Some(report)),
    }
}

fn told(report: &CheckReport) -> String {
    let feedback = report.feedback.clone().unwrap_or_default();
    let (status, symptom) = (report.status.as_str(), feedback.symptom);
    format!("{status} {symptom}\n{}\n{}\n{}", feedback.transcript, feedback.expected, feedback.got)
}

fn both_ends_on_hosts() -> Outcome {
    fn check(check: &mut Check) -> Verdict {
        let lab = check.lab()?;
        let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
        let server = check.start_server_on(&there, ["echo", "172.60.50.12:0"])?;
        let mut client = here.connect(&server, there.reach(&server))?;
        client.send_bytewise(b"piece by piece")?;
        client.expect_echo()?;
        client.finish_sending()?;
        client.expect_end()?;
        let mut peer = there.listen()?;
        let program = check.start_on(&here, ["client", &peer.address().to_string(), "hello"])?;
        let mut connection = peer.accept(&program)?;
        connection.expect_bytes(b"hello")?;
        connection.send(b"welcome")?;
        program.finish_with(0)?.expect_stdout(b"welcome\n")?;
        check.note(format!("{} and {}", server.name(), program.name()));
        check.fail(grader::Symptom::Named("shown"), "this", connection.peer().ip().to_string())
    }
    let Some(report) = grade_one(&[("both-ends", check)], DEADLINE)? else { return Ok(()) };
    let told = told(&report);
    ensure(told.starts_with("failed shown"), told.clone())?;
    ensure(
        told.contains("your echo on 172.60.50.12 and your client on 172.60.50.11"),
        told.clone(),
    )?;
    ensure(told.contains("\n172.60.50.11\nthe lab's wires have seen "), told)
}

fn stall_is_seen() -> Outcome {
    fn check(check: &mut Check) -> Verdict {
        let lab = check.lab()?;
        let there = lab.host("beta")?;
        let server = check.start_server_on(&there, ["silent", "0.0.0.0:0"])?;
        let mut client = lab.host("alpha")?.connect(&server, there.reach(&server))?;
        client.send(b"hello")?;
        client.expect_echo()
    }
    let began = Instant::now();
    let Some(report) = grade_one(&[("stall", check)], DEADLINE)? else { return Ok(()) };
    let told = told(&report);
    ensure(told.starts_with("failed stalled\n"), told.clone())?;
    ensure(told.contains("172.60.50.12") && told.contains("TCP ACK 5 bytes"), told)?;
    ensure(began.elapsed() < DEADLINE, "it was seen by the deadline alone")
}

/// The server waits for a connection, and the request for one is lost: the kernel will repeat it.
fn lost_request_is_no_stall() -> Outcome {
    fn check(check: &mut Check) -> Verdict {
        let lab = check.lab()?;
        let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
        let server = check.start_server_on(&there, ["echo", "0.0.0.0:0"])?;
        lab.set_faults(&here, Faults { loss: 1.0, ..LOSSY });
        here.connect(&server, there.reach(&server))?;
        Ok(())
    }
    let deadline = Duration::from_millis(900);
    let Some(report) = grade_one(&[("lost", check)], deadline)? else { return Ok(()) };
    let told = told(&report);
    ensure(told.starts_with("failed too-late\n"), told.clone())?;
    ensure(told.contains("TCP SYN: lost"), told)
}

fn failure_shows_packets() -> Outcome {
    fn check(check: &mut Check) -> Verdict {
        let lab = check.lab()?;
        let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
        let mut peer = there.datagram_peer()?;
        let program = check.start_on(&here, ["datagrams", "172.60.50.77:7000", "1"])?;
        program.finish_with(0)?;
        let program = check.start_on(&here, ["datagrams", "172.60.50.12:7000", "1"])?;
        peer.expect(&program, b"number 0")?;
        Ok(())
    }
    let Some(report) = grade_one(&[("packets", check)], DEADLINE)? else { return Ok(()) };
    let got = report.feedback.clone().unwrap_or_default().got;
    let asked = "ARP: 172.60.50.11 asks who has 172.60.50.77: reached ";
    ensure(got.contains(asked), got.clone())?;
    let datagram = " -> 172.60.50.12:7000 UDP 8 bytes \"number 0\": arrived\n";
    ensure(got.contains(datagram), got.clone())?;
    let closed = "172.60.50.12 -> 172.60.50.11 ICMP port unreachable: arrived";
    ensure(got.contains(closed), got)
}

/// What each grading saw: which datagrams were sent and lost.
static SEEN: Mutex<Vec<Vec<Journey>>> = Mutex::new(Vec::new());

fn keep(seen: Vec<Sighting>) {
    let seen = seen.into_iter().map(|one| (one.bytes, one.fate.lost, one.fate.copy)).collect();
    SEEN.lock().expect("no test has panicked").push(seen);
}

fn lose(check: &mut Check) -> Verdict {
    let lab = check.lab()?;
    let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
    let peer = there.datagram_peer()?;
    lab.set_faults(&here, LOSSY);
    let to: SocketAddr = peer.address();
    check.start_on(&here, ["datagrams", &to.to_string(), "60"])?.finish_with(0)?;
    keep(lab.datagrams());
    Ok(())
}

fn same_seed_same_losses() -> Outcome {
    for _ in 0..3 {
        let Some(report) = grade_one(&[("lose", lose)], DEADLINE)? else { return Ok(()) };
        ensure(report.status == Status::Passed, told(&report))?;
    }
    let seen = SEEN.lock().expect("no test has panicked");
    let lost = seen[0].iter().filter(|(_, lost, _)| *lost).count();
    ensure((5..40).contains(&lost), format!("{lost} were lost"))?;
    ensure(seen.iter().all(|one| *one == seen[0]), format!("{seen:?}"))
}

/// Six checks at the same time, of which each sees its own datagrams alone.
fn turns() -> Outcome {
    fn check(check: &mut Check) -> Verdict {
        let lab = check.lab()?;
        let (here, there) = (lab.host("alpha")?, lab.host("beta")?);
        let mut peer = there.datagram_peer()?;
        let program = check.start_on(&here, ["datagrams", &peer.address().to_string(), "1"])?;
        let datagram = peer.expect(&program, b"number 0")?;
        let sources: BTreeSet<SocketAddr> = lab.datagrams().iter().map(|one| one.source).collect();
        if sources == BTreeSet::from([datagram.from]) {
            return Ok(());
        }
        check.fail(grader::Symptom::WrongBytes, "one sender", format!("{sources:?}"))
    }
    let checks: &[(&str, CheckFn)] =
        &[("a", check), ("b", check), ("c", check), ("d", check), ("e", check), ("f", check)];
    for report in grade(checks, DEADLINE)?.checks {
        let is_well = matches!(report.status, Status::Passed | Status::Unsupported);
        ensure(is_well, told(&report))?;
    }
    Ok(())
}

fn as_grader() -> ExitCode {
    match grade(&[("lose", lose)], DEADLINE) {
        Ok(report) => {
            println!("{}", told(&report.checks[0]));
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// In a user namespace in which there can be no further one, the grader says so and what to do.
fn without_namespaces() -> Outcome {
    let script = "import ctypes, os, sys
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # its own files in /proc are its own again
user, group = os.geteuid(), os.getegid()
if ctypes.CDLL(None).unshare(0x10000000) != 0:
    sys.exit('no user namespaces here at all')
open('/proc/self/setgroups', 'w').write('deny')
open('/proc/self/uid_map', 'w').write(f'{user} {user} 1')
open('/proc/self/gid_map', 'w').write(f'{group} {group} 1')
open('/proc/sys/user/max_user_namespaces', 'w').write('0')
os.execv(sys.argv[1], sys.argv[1:])";
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", script]).arg(std::env::current_exe()?).arg(AS_GRADER);
    command.env("TMPDIR", "/tmp");
    let output = command.output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if told.is_empty() {
        println!("it cannot be tried here: {}", String::from_utf8_lossy(&output.stderr));
        return Ok(());
    }
    ensure(told.starts_with("unsupported "), told.clone())?;
    ensure(told.contains("the lab's hosts cannot be made: make a user namespace: "), told.clone())?;
    ensure(told.contains("sysctl user.max_user_namespaces"), told)
}
