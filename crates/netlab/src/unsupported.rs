//! Why there can be no lab here, and what to do about it. The words that a learner reads.

use std::fmt;
use std::io;

/// Why a lab was not started.
#[derive(Debug)]
pub enum NotStarted {
    /// This machine cannot have one.
    Unsupported(Unsupported),
    /// It can, and something else went wrong: a topology that cannot be, no memory left.
    Failed(io::Error),
}

/// What this machine refuses, found out by trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// What was tried and how the system refused it.
    pub reason: String,
    /// What the machine's owner can do.
    pub advice: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}. {}", self.reason, self.advice)
    }
}

impl fmt::Display for NotStarted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(unsupported) => unsupported.fmt(formatter),
            Self::Failed(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for NotStarted {}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn only_linux() -> NotStarted {
    NotStarted::Unsupported(Unsupported {
        reason: "the lab needs network namespaces, which only Linux has".to_owned(),
        advice: "Run the course in a virtual machine with Linux to see these checks; everything \
                 else works here."
            .to_owned(),
    })
}

#[cfg(target_os = "linux")]
pub(crate) use linux::refused;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::io;
    use std::path::Path;

    use super::{NotStarted, Unsupported};

    /// The lab could not take one of its steps ("make a user namespace").
    pub(crate) fn refused(step: &str, error: &io::Error) -> NotStarted {
        let reason = format!("the lab's hosts cannot be made: {step}: {error}");
        match error.raw_os_error() {
            Some(
                libc::EPERM
                | libc::EACCES
                | libc::ENOSPC
                | libc::EUSERS
                | libc::EINVAL
                | libc::ENOSYS
                | libc::EOPNOTSUPP
                | libc::EAFNOSUPPORT
                | libc::EPROTONOSUPPORT
                | libc::EROFS
                | libc::ENODEV
                | libc::ENOENT,
            ) => NotStarted::Unsupported(Unsupported { reason, advice: advice(step, error) }),
            // Memory, descriptors, processes: of those this machine has had some before.
            _ => NotStarted::Failed(io::Error::new(error.kind(), reason)),
        }
    }

    /// Settings are read to say which one it is; that it cannot be done is known already.
    fn advice(step: &str, error: &io::Error) -> String {
        let code = error.raw_os_error();
        if matches!(code, Some(libc::EOPNOTSUPP | libc::ENODEV)) && step.contains("wire") {
            return "The kernel's module for virtual wires is not loaded. Load it with `sudo \
                    modprobe veth` and try again."
                .to_owned();
        }
        if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
            return "Ubuntu's AppArmor restricts user namespaces to programs that it knows. `sudo \
                    sysctl kernel.apparmor_restrict_unprivileged_userns=0` lifts that until the \
                    next start; a line `kernel.apparmor_restrict_unprivileged_userns = 0` in \
                    /etc/sysctl.d/60-userns.conf lifts it for good."
                .to_owned();
        }
        if setting("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
            return "This system keeps user namespaces for root. `sudo sysctl \
                    kernel.unprivileged_userns_clone=1` lifts that until the next start."
                .to_owned();
        }
        for kind in ["user", "net"] {
            if setting(&format!("/proc/sys/user/max_{kind}_namespaces")) == Some(0) {
                return format!(
                    "This system allows no {kind} namespaces. `sudo sysctl \
                     user.max_{kind}_namespaces=10000` lifts that until the next start."
                );
            }
        }
        if in_container() {
            return "This is a container, whose rules forbid namespaces. With Docker or Podman, \
                    `--security-opt seccomp=unconfined` allows them; or run the course outside of \
                    the container."
                .to_owned();
        }
        if matches!(code, Some(libc::ENOSYS | libc::EINVAL)) {
            return "This kernel was built without namespaces. Run the course on another one, in a \
                    virtual machine for instance."
                .to_owned();
        }
        "Something between this program and the kernel forbids namespaces: a container, a sandbox \
         or a rule of this system's security module. Run the course outside of it."
            .to_owned()
    }

    fn setting(path: &str) -> Option<i64> {
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    fn in_container() -> bool {
        let marks = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];
        marks.iter().any(|mark| Path::new(mark).exists())
    }
}
