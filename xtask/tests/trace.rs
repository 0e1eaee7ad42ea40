//! `cargo xtask trace`: the packets of the references, as ladder, picture and capture. Where there
//! is no lab, that it says so.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Ended, course, folder, run, xtask};

/// Traces; none where this machine has no lab, which has been told then.
fn trace(arguments: &[&str]) -> Option<Ended> {
    let scratch = folder();
    let mut command = xtask(&course(), scratch.path());
    command.arg("trace").args(arguments).env("LC_ALL", "C").env("COLUMNS", "80");
    let ended = run(&mut command);
    if ended.stderr.contains("a trace needs the lab") {
        ended.refuses(&["a trace needs the lab", "cannot be made"]);
        println!("no lab here: {}", ended.stderr);
        return None;
    }
    Some(ended)
}

/// As [`trace`], of a conversation that goes well.
fn traced(arguments: &[&str]) -> Option<String> {
    let ended = trace(arguments)?;
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.is_ascii(), "{}", ended.stdout);
    let widest = ended.stdout.lines().map(str::len).max();
    assert!(widest <= Some(80), "{widest:?} columns:\n{}", ended.stdout);
    Some(ended.stdout)
}

/// How many packets of this kind there are.
fn count(ladder: &str, kind: &str) -> usize {
    ladder.lines().filter(|line| is_packet(line) && line.contains(kind)).count()
}

fn is_packet(line: &str) -> bool {
    ["|--- ", "|<-- ", "|  X "].iter().any(|arrow| line.contains(arrow))
}

#[test]
fn handshake_and_close_of_a_server() {
    let Some(ladder) = traced(&["tcp-echo", "--solutions"]) else { return };
    assert_eq!(count(&ladder, " SYN: "), 1, "{ladder}");
    assert_eq!(count(&ladder, " SYN-ACK: "), 1, "{ladder}");
    assert_eq!(count(&ladder, "ACK: agrees as well"), 1, "{ladder}");
    assert_eq!(count(&ladder, " FIN: "), 2, "{ladder}");
    let acknowledgements = count(&ladder, " ACK: acknowledges the FIN");
    match acknowledgements {
        2 => assert!(ladder.contains("The close took four packets"), "{ladder}"),
        1 => assert!(ladder.contains("The close took three packets, not four"), "{ladder}"),
        other => panic!("{other} acknowledgements of a FIN:\n{ladder}"),
    }
    for call in ["[connect]", "[send 5 bytes]", "[shutdown(Write)]"] {
        assert!(ladder.contains(call), "no {call}:\n{ladder}");
    }
    let states = ["CLOSED", "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "TIME-WAIT"];
    let places: Vec<_> = states.iter().map(|state| ladder.find(&format!("| {state} "))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{ladder}");
    assert!(ladder.contains("LAST-ACK |") && ladder.contains(" LISTEN |"), "{ladder}");
}

#[test]
fn segments_with_and_without_nodelay() {
    let Some(ladder) = traced(&["sticky-packet", "--solutions"]) else { return };
    let data: Vec<&str> = ladder
        .lines()
        .filter(|line| is_packet(line))
        .filter_map(|line| line.split_once("data, ")?.1.split('"').nth(1))
        .collect();
    assert_eq!(data, ["one", "twothree", "one", "two", "three"], "{ladder}");
    assert!(ladder.contains("[2 sends: 3 + 5 bytes]"), "{ladder}");
}

#[test]
fn a_datagram_is_lost_each_time_the_same() {
    let lost = || {
        let ladder = traced(&["udp-echo", "--solutions", "--seed", "9"])?;
        let packets = ladder.lines().filter(|line| is_packet(line));
        let what = |line: &str| line.split_once('|').map(|(_, what)| what.to_owned());
        Some(packets.filter_map(what).collect::<Vec<_>>())
    };
    let (Some(first), Some(second)) = (lost(), lost()) else { return };
    assert_eq!(first, second);
    let is_lost = |line: &&String| line.contains("LOST");
    assert_eq!(first.iter().filter(is_lost).count(), 1, "{first:#?}");
    assert!(first[1].contains("the same as before"), "{first:#?}");
}

#[test]
fn a_reset_and_a_broadcast() {
    let Some(ladder) = traced(&["sockopt-inspect", "--solutions"]) else { return };
    assert_eq!((count(&ladder, " RST: "), count(&ladder, "FIN: has")), (1, 0), "{ladder}");
    let Some(ladder) = traced(&["broadcast", "--solutions"]) else { return };
    assert!(ladder.contains("172.60.50.11, .12, .13"), "{ladder}");
}

#[test]
fn a_long_check_is_shortened() {
    let Some(ladder) = traced(&["tcp-echo", "half-close", "--solutions", "--seed", "1"]) else {
        return;
    };
    assert!(ladder.contains("more packets: "), "{ladder}");
    assert!(ladder.contains("[part of send 300,000 bytes"), "{ladder}");
    assert!(ladder.lines().count() < 150, "{ladder}");
    // A check that no wire carries: the module's plain conversation instead.
    let Some(ended) = trace(&["tcp-echo", "ipv6", "--solutions"]) else { return };
    assert!(ended.stderr.contains("IPv6, which the lab's wires do not carry"), "{}", ended.stderr);
    assert!(ended.stdout.contains("a server and a client"), "{}", ended.stdout);
}

#[test]
fn very_many_conversations_are_shortened() {
    let Some(ladder) = traced(&["tcp-echo", "no-leaks", "--solutions", "--seed", "1"]) else {
        return;
    };
    assert!(ladder.contains("192 more conversations, #7 to #198, are not shown: "), "{ladder}");
    assert!(ladder.contains("#6 172.60.50.12:") && ladder.contains("- #201 -"), "{ladder}");
    assert!(!ladder.contains("#7 172.60.50.12:") && !ladder.contains("- #100 -"), "{ladder}");
    assert!(ladder.lines().count() < 250, "{ladder}");
}

#[test]
fn each_program_has_its_name_and_its_line() {
    let Some(ladder) = traced(&["udp-echo", "client-closed-port", "--solutions"]) else { return };
    let ends: Vec<&str> = ladder.lines().filter(|line| line.contains("  #")).collect();
    assert!(ends[0].contains("  your client 172.60.50.11:"), "{ladder}");
    assert!(ends[1].contains("  your second client 172.60.50.11:"), "{ladder}");
    // The standard library writes it in five pieces.
    let Some(ladder) = traced(&["http-mini", "error-line", "--solutions"]) else { return };
    let lines: Vec<&str> = ladder.lines().collect();
    let words = lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    let refused = "your get says on stderr: connect to 172.60.50.12:";
    assert!(words.contains(refused) && !words.contains("stderr 2 bytes"), "{ladder}");
}

#[test]
fn tshark_reads_the_packets() {
    let scratch = folder();
    let (pcap, svg) = (scratch.path().join("a.pcapng"), scratch.path().join("a.svg"));
    let [pcap, svg] = [&pcap, &svg].map(|path| path.to_str().expect("UTF-8"));
    let arguments = ["http-mini", "--solutions", "--pcap", pcap, "--svg", svg];
    let Some(ladder) = traced(&arguments) else { return };
    let picture = fs_err::read_to_string(svg).expect("the picture");
    let arrows = picture.matches("class=\"way").count();
    let packets = ladder.lines().filter(|line| is_packet(line)).count();
    assert_eq!(arrows, packets, "{ladder}");
    assert!(picture.contains("SYN-ACK: agrees") && picture.ends_with("</svg>\n"));
    let Some(read) = tshark(Path::new(pcap)) else { return };
    assert_eq!(read.lines().count(), packets, "{read}");
    for line in read.lines() {
        assert!(line.starts_with("1\t1\t"), "a checksum is wrong: {line}");
        assert!(line.trim_end().ends_with('\t') || line.split('\t').nth(2) == Some(""), "{line}");
    }
}

/// Of each packet whether the checksums of TCP and IP are good (1), and what tshark warns of.
fn tshark(file: &Path) -> Option<String> {
    let mut command = Command::new("tshark");
    command.args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-r"]);
    command.arg(file).args(["-T", "fields", "-e", "tcp.checksum.status"]);
    command.args(["-e", "ip.checksum.status", "-e", "_ws.malformed"]);
    let Ok(output) = command.output() else {
        println!("no tshark here, so it did not look at the packets");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn wrong_usage_is_refused() {
    for (arguments, words) in [
        (vec!["tpc-echo"], ["there is no module `tpc-echo`", "tcp-echo"]),
        (vec!["tcp-echo", "half-open"], ["no check `half-open`", "half-close"]),
        (vec!["tcp-echo", "--program", "/nonexistent"], ["no program /nonexistent", "--program"]),
        (vec!["tcp-echo", "--solutions", "--svg", "/nowhere/a.svg"], ["/nowhere", "no folder"]),
    ] {
        let scratch = folder();
        let ended = run(xtask(&course(), scratch.path()).arg("trace").args(&arguments));
        ended.refuses(&words);
    }
}

#[test]
fn without_namespaces_it_says_what_to_do() {
    let scratch = folder();
    let forbid = "for kind in user net; do echo 0 > /proc/sys/user/max_${kind}_namespaces || exit 9; \
                  done; exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", forbid, env!("CARGO_BIN_EXE_xtask")]);
    command.args(["trace", "tcp-echo", "--solutions"]).current_dir(course());
    command.env("CARGO_MANIFEST_DIR", course().join("xtask")).env("TMPDIR", scratch.path());
    let can_unshare = Command::new("unshare").args(["--user", "--map-root-user", "true"]).output();
    if !can_unshare.is_ok_and(|output| output.status.success()) {
        println!("no user namespaces here: the other tests look at the refusal");
        return;
    }
    let ended = run(&mut command);
    ended.refuses(&["a trace needs the lab", "cannot be made", "max_user_namespaces"]);
}
