//! How the program begins and ends: its command line, what it refuses, and when it closes the
//! socket.

use grader::retell::{of_silence, told_as, told_by};
use grader::wording::sockopt;
use grader::{Check, Connection, Failure, Finished, Program, Stop, Symptom, Verdict};
use socket2::Type;

use crate::inspection::{NOT_THE_TRUTH, TCP_LINES, ended_instead, on, printed_to_the_end, report};
use crate::truth::{self, Truth};

/// The broadcast address of the loopback network, with the port of the discard service: nothing is
/// ever sent there.
pub(crate) const BROADCAST_ADDRESS: &str = "127.255.255.255:9";

/// The symptom of a program that should have refused, and did not.
const WENT_ON: Symptom = Symptom::Named("went-on");

/// Waits for the beginning of the report.
///
/// # Errors
///
/// A failure if it does not come while standard input is open: `not-flushed` if it comes at its
/// end.
fn await_report(program: &Program) -> Verdict {
    match program.await_result(0, &sockopt::reports(&program.name())) {
        Ok(_) => Ok(()),
        Err(Stop::Failed(failure)) if failure.symptom.is_silence() => {
            let printed = printed_to_the_end(program)?;
            Err(if !printed.is_empty() {
                failure.because("not-flushed").into()
            } else {
                Stop::Failed(failure)
            })
        }
        Err(stop) => Err(ended_instead(program, stop)),
    }
}

/// Expects that this machine's loopback has a broadcast address, which the kernel guards by the
/// option.
///
/// # Errors
///
/// `Unsupported` if it has none.
pub(crate) fn expect_broadcast_here() -> Verdict {
    let address: std::net::SocketAddr = BROADCAST_ADDRESS.parse().expect("it is an address");
    let (guarded, _) = Truth::own(Type::DGRAM)?;
    let (allowed, _) = Truth::own(Type::DGRAM)?;
    allowed.set_broadcast(true)?;
    if guarded.connect(&address.into()).is_err() && allowed.connect(&address.into()).is_ok() {
        return Ok(());
    }
    Err(Stop::Unsupported(sockopt::no_guarded_broadcast(BROADCAST_ADDRESS)))
}

/// Starts the program with arguments that must lead to one of these statuses.
fn expect_refusal(check: &mut Check, arguments: &[&str], statuses: &[i32]) -> Verdict<Finished> {
    let finished = check.start(arguments)?.finish()?;
    if finished.status() == Some(0) {
        let (expected, got) = sockopt::went_on(arguments, statuses);
        return Err(Failure::new(WENT_ON, expected, got).into());
    }
    finished.expect_status(statuses).map_err(|stop| on(arguments, stop))?;
    finished.expect_some_error().map_err(|stop| on(arguments, stop))?;
    Ok(finished)
}

/// The kernel refuses a broadcast address without the option, and a peer that does not listen
/// refuses a connection.
pub fn refusal(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let refused = ["tcp", &nobody.address().to_string()];
    expect_refusal(check, &refused, &[1])?.expect_stdout(b"")?;
    expect_broadcast_here()?;
    let refused = expect_refusal(check, &["udp", BROADCAST_ADDRESS], &[1]);
    told_as(refused, &[WENT_ON], "broadcast-allowed")?.expect_stdout(b"")?;
    Ok(())
}

/// Options that there are not, values that they do not take, and what only tcp has.
pub fn bad_options(check: &mut Check) -> Verdict {
    let names = [["tcp", "SO_FOO=1"], ["tcp", "so_rcvbuf=1"], ["udp", "TCP_NODELAY=1"]];
    let switches = [
        ["tcp", "SO_REUSEADDR=true"],
        ["tcp", "SO_KEEPALIVE=2"],
        ["tcp", "SO_BROADCAST=yes"],
        ["tcp", "SO_REUSEADDR="],
        ["tcp", "TCP_NODELAY=-1"],
    ];
    let numbers = [
        ["udp", "SO_RCVBUF=-1"],
        ["tcp", "SO_SNDBUF=-1"],
        ["udp", "SO_SNDBUF=many"],
        ["udp", "SO_SNDBUF=9x"],
        ["udp", "SO_RCVBUF="],
        ["tcp", "SO_LINGER=-1"],
        ["tcp", "SO_LINGER=on"],
        ["udp", "SO_RCVTIMEO=-5"],
        ["udp", "SO_RCVTIMEO=1.5"],
    ];
    let bad: [(&[[&str; 2]], _); 3] = [
        (&names, "took-a-bad-name"),
        (&switches, "took-a-bad-switch"),
        (&numbers, "took-a-bad-number"),
    ];
    for (options, mistake) in bad {
        for arguments in options {
            let refused = expect_refusal(check, arguments, &[2]);
            expect_named(arguments, &told_as(refused, &[WENT_ON], mistake)?)?;
        }
    }
    Ok(())
}

/// Expects that standard error names the option, or the value that it does not take. The usage,
/// which may name every option, may stand around that line: so it is the first or the last.
fn expect_named(arguments: &[&str; 2], refused: &Finished) -> Verdict {
    let (name, value) = arguments[1].split_once('=').unwrap_or((arguments[1], ""));
    let stderr = String::from_utf8_lossy(refused.stderr());
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    // Where every option would take the value, it is the name that is wrong.
    let names_value = |line: &str| value != "1" && words(line).any(|word| word == value);
    let names = |line: &&&str| line.contains(name) || names_value(line);
    if [lines.first(), lines.last()].iter().flatten().any(names) {
        return Ok(());
    }
    let (expected, got) = sockopt::named(arguments, name, &stderr);
    Err(Failure::new(Symptom::WrongStderr, expected, got).into())
}

/// The words of a line as far as they could be values: no quotes, no punctuation around them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_of_word = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '.';
    let words = line.split(move |letter: char| !is_of_word(letter));
    words.map(|word| word.trim_end_matches('.')).filter(|word| !word.is_empty())
}

/// A bad option is told before anything is done: no connection arrives, and no failure comes before
/// it.
pub fn bad_options_first(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let arguments = ["tcp", &peer.address().to_string(), "SO_KEEPALIVE=1", "SO_FOO=1"];
    let program = check.start(arguments)?;
    let finished = program.finish()?;
    // The program has ended, so a connection of its own would be here by now.
    if peer.accept_if_there(&program)?.is_some() {
        let (expected, got) = sockopt::no_connection(&arguments);
        return Err(Failure::new(Symptom::WrongStatus, expected, got).because("connected").into());
    }
    finished.expect_status(&[2]).map_err(|stop| on(&arguments, stop))?;

    let nobody = check.refusing("127.0.0.1")?;
    let refused = ["tcp", &nobody.address().to_string(), "SO_KEEPALIVE=x"];
    let guarded = ["udp", BROADCAST_ADDRESS, "TCP_NODELAY=1"];
    for arguments in [refused, guarded] {
        let finished = check.start(arguments)?.finish()?;
        finished.expect_status(&[2]).map_err(|stop| on(&arguments, stop))?;
    }
    Ok(())
}

/// The socket stays open after the report and after a line, and closes when standard input ends.
/// The grader holds no second descriptor for it, since with one the program's close would close
/// nothing.
pub fn stays_open(check: &mut Check) -> Verdict {
    let mut peer = check.listen("127.0.0.1")?;
    let program = check.start(["tcp", &peer.address().to_string()])?;
    let mut connection = peer.accept(&program)?;
    await_report(&program)?;
    expect_open(&program, &mut connection)?;
    // An empty line is not the end, what comes need be no text, and it comes in several pieces.
    let pieces: [(&[u8], _); 5] = [
        (b"a line\n", Some("ends-at-a-line")),
        (b"\n", Some("empty-line")),
        (b"\xff\xfe\n", Some("no-text")),
        (b"more", None),
        (b" of it\nand", None),
    ];
    for (piece, mistake) in pieces {
        program.write_stdin(piece)?;
        let open = expect_open(&program, &mut connection);
        told_by(open, |failure| mistake.filter(|_| has_ended(failure)))?;
    }
    program.close_stdin();
    let finished = of_silence(program.finish(), Symptom::StillRunning)?;
    // Whoever reads all of it as text fails only when the end has come.
    told_by(finished.expect_status(&[0]), |failure| {
        failure.got.contains("UTF-8").then_some("no-text")
    })?;
    connection.expect_end()
}

/// Whether a program has ended that should not have.
fn has_ended(failure: &Failure) -> bool {
    matches!(failure.symptom, Symptom::Exited | Symptom::Crashed | Symptom::WrongStatus)
}

/// Expects that the program waits, with its socket open.
fn expect_open(program: &Program, connection: &mut Connection) -> Verdict {
    program.await_rest()?;
    program.expect_running()?;
    connection.take_in()?;
    let has_none = match truth::sockets(program) {
        Ok(sockets) => sockets.is_empty(),
        // Without a look at its descriptors, what the peer sees has to do.
        Err(Stop::Unsupported(_)) => false,
        Err(other) => return Err(other),
    };
    if connection.end().is_none() && !has_none {
        return Ok(());
    }
    program.expect_running()?;
    let (expected, got) = sockopt::still_connected(&program.name());
    Err(Failure::new(Symptom::CutShort, expected, got).because("closed-early").into())
}

/// A wrong command line ends with status 2 and a line on standard error; an address that cannot be
/// read, with 1 or 2.
pub fn usage(check: &mut Check) -> Verdict {
    let peer = check.listen("127.0.0.1")?;
    let address = peer.address().to_string();
    let two_addresses = ["tcp", &address, &address];
    let wrong: [&[&str]; 4] = [&[], &["TCP"], &["tcp4"], &["SO_KEEPALIVE=1"]];
    for arguments in wrong {
        expect_refusal(check, arguments, &[2])?.expect_stdout(b"")?;
    }
    let refused = expect_refusal(check, &two_addresses, &[2]);
    told_as(refused, &[WENT_ON], "second-address")?.expect_stdout(b"")?;
    for arguments in [["tcp", "127.0.0.1:port"], ["udp", "127.0.0.1:70000"]] {
        expect_refusal(check, &arguments, &[1, 2])?.expect_stdout(b"")?;
    }
    Ok(())
}

/// A failure is one line on standard error that names what was attempted and on what.
pub fn error_line(check: &mut Check) -> Verdict {
    let nobody = check.refusing("127.0.0.1")?;
    let refused = check.start(["tcp", &nobody.address().to_string()])?;
    refused.finish()?.expect_error_line_about(nobody.address())?;
    expect_broadcast_here()?;
    let guarded = check.start(["udp", BROADCAST_ADDRESS])?;
    guarded.finish()?.expect_error_line("127.255.255.255")?;
    Ok(())
}

/// HOST may be a name, and each address that the name has is tried, every time with a socket that
/// has all options set. Nobody answers at one of the two addresses of this name. How long the
/// program stays is for other checks to judge.
pub fn host_names(check: &mut Check) -> Verdict {
    for mut peer in check.named_peers()? {
        let address = peer.named_address().to_owned();
        let arguments = ["tcp", &address, "SO_REUSEADDR=1"];
        let program = check.start(arguments)?;
        let accepted = peer.accept(&program);
        let _connection = accepted.map_err(|stop| ended_instead(&program, stop))?;
        // When the report has come, all is set that the program ever sets.
        let socket = match report(&program, TCP_LINES, Type::STREAM) {
            Ok((_, socket)) => socket,
            Err(Stop::Error(error)) => return Err(error.into()),
            Err(Stop::Failed(_) | Stop::Unsupported(_)) => None,
        };
        let Some(socket) = socket else { continue };
        let has = socket.value("SO_REUSEADDR")?;
        if has != "1" {
            let (expected, got) = sockopt::not_as_asked(&arguments, "SO_REUSEADDR", "1", &has);
            let failure = Failure::new(Symptom::WrongStdout, expected, got);
            return Err(failure.because(NOT_THE_TRUTH).into());
        }
    }
    Ok(())
}
