//! A machine that allows no user namespaces: all that needs none works, and what needs one says
//! why it cannot be had and what to do about it.
//!
//! Such a machine is made in a user namespace: its limit holds for what runs in it alone.
#![cfg(target_os = "linux")]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Ended, course, folder, run};

/// Within the namespace: no further ones, and then no rights over it either.
const FORBID: &str = "echo 0 > /proc/sys/user/max_user_namespaces || exit 9
exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all \"$0\" \"$@\"";

/// The runner, where no user namespace can be made; none where even that cannot be arranged.
fn without_namespaces(arguments: &[&str]) -> Option<Ended> {
    let scratch = folder();
    let begin = |program: &str| {
        let mut command = Command::new("unshare");
        // As root, the course could do without user namespaces.
        command.args(["--user", "--map-user=1234", "--map-group=1234", "--keep-caps"]);
        command.args(["sh", "-c", FORBID, program]);
        command.current_dir(course()).env("CARGO_MANIFEST_DIR", course().join("xtask"));
        command.env("TMPDIR", scratch.path()).env("NO_COLOR", "1").env("COLUMNS", "80");
        command
    };
    let refused = begin("sh").args(["-c", "echo inside; exec unshare --user true"]).output();
    let is_ready = refused
        .as_ref()
        .is_ok_and(|output| output.stdout == b"inside\n" && !output.status.success());
    if !is_ready {
        println!("unsupported: such a machine cannot be made here: {refused:?}");
        return None;
    }
    Some(run(begin(env!("CARGO_BIN_EXE_xtask")).args(arguments)))
}

/// Its words with one space between them, wherever its lines end.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn core_checks_pass_and_the_others_say_why_not() {
    let checks = ["address", "one-message", "no-route", "three-hosts"];
    let mut arguments = vec!["grade", "broadcast", "--solutions", "--format", "json"];
    arguments.extend(checks.iter().flat_map(|check| ["--check", check]));
    let Some(ended) = without_namespaces(&arguments) else { return };
    let document: Value = serde_json::from_str(&ended.stdout).expect(&ended.stderr);
    let graded = document["modules"][0]["checks"].as_array().expect("the checks");
    let of = |id: &str| graded.iter().find(|check| check["id"] == id).expect(id);
    // What takes a namespace elsewhere has another form here.
    for id in ["address", "one-message", "no-route"] {
        assert_eq!(of(id)["status"], "passed", "{}", ended.stdout);
    }
    let form = of("no-route")["weaker_form"].as_str().unwrap_or_default();
    assert!(form.contains("no network of its own"), "{}", ended.stdout);
    assert!(of("address").get("weaker_form").is_none(), "{}", ended.stdout);
    assert_eq!(of("three-hosts")["status"], "unsupported", "{}", ended.stdout);
    let told = of("three-hosts").to_string();
    for words in ["make a user namespace: ", "sysctl user.max_user_namespaces=10000"] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_proof_says_what_it_cannot_show() {
    // Where `localhost` has one address only, `host-names` lets this program pass.
    let arguments = ["verify", "tcp-echo", "--wrong", "first-address-only"];
    let Some(ended) = without_namespaces(&arguments) else { return };
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    let note = "note: `host-names` takes a weaker form here: localhost";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);
}

#[test]
fn a_trace_says_what_to_do_and_only_that() {
    let Some(ended) = without_namespaces(&["trace", "tcp-echo", "--solutions"]) else { return };
    ended.refuses(&["a trace needs the lab", "sysctl user.max_user_namespaces=10000"]);
    // The kernel calls the limit "No space left on device", and no disk is full.
    assert!(!ended.stderr.contains("disk"), "{}", ended.stderr);
}

#[test]
fn doctor_says_what_is_missing() {
    let Some(ended) = without_namespaces(&["doctor"]) else { return };
    assert_eq!(ended.status, Some(0), "{}{}", ended.stdout, ended.stderr);
    let told = words(&ended.stdout);
    for name in ["network namespace", "mount namespace", "lab"] {
        assert!(told.contains(&format!("limited {name}: tried it: ")), "{name}:\n{told}");
    }
    for advice in ["max_user_namespaces is 0", "sysctl user.max_user_namespaces=10000"] {
        assert!(told.contains(advice), "{advice}:\n{told}");
    }
}
