//! What keeps programs under test apart, and what the grader sees of them.

use std::fs;
use std::net::{TcpListener, TcpStream};

use anyhow::ensure;
use grader::look;
use netlab::{Lab, NotStarted, Topology};
use sandbox::{Job, Running, Sandbox};

use super::Finding;
use crate::grade;
use crate::workspace::Workspace;

/// Every protection that there is, tried in a process of its own each; see `sandbox`'s probe.
pub(super) fn layers(_: &Workspace) -> Vec<Finding> {
    let Ok(sandbox) = grade::start_sandbox() else {
        // The scratch folder's line says why.
        return Vec::new();
    };
    let layer = sandbox.layer();
    let mut findings = Vec::new();
    for (name, reason) in layer.missing() {
        let (means, advice) = consequence(name, reason);
        let tried = format!("tried it: {reason}");
        findings.push(Finding::limited(name, tried).means(means).advice(advice));
    }
    let there: Vec<&str> = layer.in_force().collect();
    let tried = format!("programs under test get {}", there.join("; "));
    findings.insert(0, Finding::good("sandbox", tried));
    findings
}

/// What a missing protection means for the course, and what to do about it.
fn consequence(name: &str, reason: &str) -> (&'static str, String) {
    let read = |path: &str| fs::read_to_string(path).ok();
    match name {
        "network namespace" => (
            "checks that need a network of their own are not graded: in broadcast an address \
             without a route, and all that need the lab",
            namespaces_advice(read),
        ),
        "mount namespace" => (
            "checks that need a disk or an /etc/hosts of their own are not graded: in \
             file-transfer the full disk, elsewhere names with several addresses",
            namespaces_advice(read),
        ),
        "limit on processes" if reason.contains("root") => (
            "a program under test that starts processes without end could fill this machine",
            "grade as a user of your own, not as root".to_owned(),
        ),
        "Landlock" | "seccomp" => (
            "your own programs are graded just the same; for programs of strangers a wall less",
            "a newer kernel has it; nothing is needed to grade your own".to_owned(),
        ),
        _ => (
            "your own programs are graded just the same; for programs of strangers a wall less",
            "nothing is needed to grade your own".to_owned(),
        ),
    }
}

/// Why namespaces may be refused, from the most frequent reason to the last resort. That they are
/// refused was found by trying; the settings only say by whom.
fn namespaces_advice(read: impl Fn(&str) -> Option<String>) -> String {
    let says = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
    if says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return "Ubuntu's AppArmor refuses user namespaces to ordinary programs: `sudo sysctl -w \
                kernel.apparmor_restrict_unprivileged_userns=0` allows them until the next start. \
                It lifts a protection of the whole machine, so do it where you may; without it \
                the rest of the course can be done"
            .to_owned();
    }
    if says("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return "this kernel allows user namespaces to root alone: `sudo sysctl -w \
                kernel.unprivileged_userns_clone=1` allows them to all until the next start"
            .to_owned();
    }
    let limits = ["user", "net", "mnt"].map(|kind| format!("/proc/sys/user/max_{kind}_namespaces"));
    if let Some(path) = limits.iter().find(|path| says(path, "0")) {
        return format!(
            "this system allows none ({path} is 0): `echo 10000 | sudo tee {path}` allows them \
             until the next start"
        );
    }
    if read("/.dockerenv").is_some() || read("/run/.containerenv").is_some() {
        return "this is a container, whose filter refuses them: start it with `--security-opt \
                seccomp=unconfined`, or use the machine itself"
            .to_owned();
    }
    if cfg!(not(target_os = "linux")) {
        return "only Linux has them: a virtual machine with Linux, if you want those checks"
            .to_owned();
    }
    "ask who looks after this machine what refuses user namespaces here".to_owned()
}

/// Hosts of their own, with wires between them, for a moment.
pub(super) fn lab(_: &Workspace) -> Vec<Finding> {
    let means = "stretch checks of broadcast, udp-echo and file-transfer are not graded, which are \
                 extra credit, and `cargo xtask trace` has no packets to show; all else is";
    let finding = match Lab::start(&Topology::broadcast(), 0) {
        Ok(_) => Finding::good(
            "lab",
            "started hosts with networks of their own, and ended them: `cargo xtask trace` can \
             show your program's packets",
        ),
        Err(NotStarted::Unsupported(why)) => {
            Finding::limited("lab", format!("tried it: {}", why.reason))
                .means(means)
                .advice(why.advice.trim_end_matches('.'))
        }
        Err(NotStarted::Failed(error)) => Finding::limited("lab", format!("tried it: {error}"))
            .means(means)
            .advice("run it again when less is going on here"),
    };
    vec![finding]
}

/// Whether the grader can see what a program waits for, and its sockets.
pub(super) fn look_inside(_: &Workspace) -> Vec<Finding> {
    if cfg!(not(target_os = "linux")) {
        return vec![
            Finding::limited("a look inside", "this system has no view of another's sockets")
                .means(
                    "a program that hangs is found at the deadline only, and sockopt-inspect is \
                     not graded in full",
                )
                .advice("a virtual machine with Linux, if you want it"),
        ];
    }
    let Ok(sandbox) = grade::start_sandbox() else {
        // The scratch folder's line says why.
        return Vec::new();
    };
    let mut findings = Vec::new();
    match sees_the_wait(&sandbox) {
        Ok(()) => findings.push(Finding::good(
            "stalls",
            "saw from outside which call a program waits in: a hang is told at once",
        )),
        Err(error) => findings.push(
            Finding::limited("stalls", format!("looked at what a program waits for: {error:#}"))
                .means("a program that hangs is found at the deadline only, 10 s a check")
                .advice(
                    "the kernel hides /proc/PID/syscall: run the course outside the container, or \
                     with `--deadline-ms 3000`",
                ),
        ),
    }
    match takes_a_descriptor(&sandbox) {
        Ok(()) => findings.push(Finding::good(
            "sockets",
            "took a copy of a program's descriptor (pidfd_getfd): its sockets can be examined",
        )),
        Err(error) => findings.push(
            Finding::limited("sockets", format!("took a copy of a descriptor: {error:#}"))
                .means(
                    "sockopt-inspect is not graded in full: the grader cannot see a program's \
                     socket itself",
                )
                .advice(
                    "Linux 5.6 or newer has it; if Yama forbids it, `sudo sysctl -w \
                     kernel.yama.ptrace_scope=1`; containers need the capability SYS_PTRACE",
                ),
        ),
    }
    findings
}

/// A program that waits for its standard input, as a learner's waits for a peer.
fn waiting_program(sandbox: &Sandbox) -> anyhow::Result<Running> {
    Ok(sandbox.spawn(&Job::new("cat", sandbox.scratch()))?)
}

/// The reader of standard input is seen to wait for it: after a while, since it has to get there.
fn sees_the_wait(sandbox: &Sandbox) -> anyhow::Result<()> {
    use std::thread::sleep;
    use std::time::{Duration, Instant};
    let running = waiting_program(sandbox)?;
    let began = Instant::now();
    loop {
        let view = look::look(&running.pids());
        let waits = view
            .threads
            .iter()
            .any(|thread| matches!(thread.waiting, look::Waiting::Descriptor { fd: 0, .. }));
        if waits {
            return Ok(());
        }
        ensure!(
            began.elapsed() < Duration::from_secs(3),
            "it waits to read, and is seen to do something else: {:?}",
            view.threads.iter().map(|thread| &thread.waiting).collect::<Vec<_>>()
        );
        sleep(Duration::from_millis(5));
    }
}

fn takes_a_descriptor(sandbox: &Sandbox) -> anyhow::Result<()> {
    let running = waiting_program(sandbox)?;
    look::duplicate_descriptor(running.pid(), 0)?;
    Ok(())
}

/// Whether the kernel tells of one connection's queues (`sock_diag(7)`).
pub(super) fn connections(_: &Workspace) -> Vec<Finding> {
    if cfg!(not(target_os = "linux")) {
        return Vec::new();
    }
    let Ok(ends) = connection() else {
        // The line of TCP says why.
        return Vec::new();
    };
    vec![match queue_of(&ends) {
        Ok(()) => Finding::good(
            "connections",
            "asked the kernel for a connection's queue (sock_diag): checks know when bytes are \
             read",
        ),
        Err(error) => Finding::limited("connections", format!("asked sock_diag: {error:#}"))
            .means(
                "checks that send byte by byte cannot see when one was read, and may not be graded",
            )
            .advice("`sudo modprobe tcp_diag inet_diag`; a container may lack NETLINK_SOCK_DIAG"),
    }]
}

fn connection() -> std::io::Result<[TcpStream; 2]> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    Ok([near, listener.accept()?.0])
}

fn queue_of([near, _]: &[TcpStream; 2]) -> anyhow::Result<()> {
    let told = look::tcp_receive_queue_of_peer(near.local_addr()?, near.peer_addr()?)?;
    ensure!(told.is_some(), "the kernel knows no such connection");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::namespaces_advice;

    #[test]
    fn each_reason_for_refused_namespaces_has_its_advice() {
        let advice = |path: &'static str, value: &'static str| {
            namespaces_advice(move |asked| (asked == path).then(|| value.to_owned()))
        };
        let apparmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
        assert!(advice(apparmor, "1\n").starts_with("Ubuntu's AppArmor"));
        assert!(advice(apparmor, "0\n").starts_with("ask who"));
        let debian = "/proc/sys/kernel/unprivileged_userns_clone";
        assert!(advice(debian, "0\n").contains("unprivileged_userns_clone=1"));
        let limit = "/proc/sys/user/max_user_namespaces";
        assert!(advice(limit, "0\n").contains("max_user_namespaces is 0"));
        assert!(advice("/.dockerenv", "").contains("a container"));
    }
}
