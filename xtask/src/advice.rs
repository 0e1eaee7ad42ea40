//! What to do about a machine that has run out of something.

use crate::terminal::{self, BAD, STRONG};

/// Says on standard error what failed, and what to do about it where that is known.
pub fn tell(error: &anyhow::Error) {
    let told = format!("{error:#}");
    terminal::remark(BAD, "error:", &told);
    if let Some(advice) = for_error(&told) {
        terminal::remark(STRONG, "help:", advice);
    }
}

/// The advice for an error of the runner's own that says which resource was short.
///
/// The text is searched, since the number of a wrapped `io::Error` cannot be asked for.
pub fn for_error(told: &str) -> Option<&'static str> {
    // Namespaces that are refused as "no space" mean a limit of the system, and say so themselves.
    if told.contains("namespace: ") {
        return None;
    }
    if told.contains("(os error 11)") {
        return Some(
            "no more processes or threads may be started: end some programs and try again",
        );
    }
    for_shortage(told)
}

/// The same for text that a compiler printed, where only a full disk or a lack of descriptors is
/// told so.
pub fn for_shortage(told: &str) -> Option<&'static str> {
    let says = |numbers: &[&str]| numbers.iter().any(|number| told.contains(number));
    if says(&["(os error 24)", "(os error 23)"]) {
        return Some(
            "no file descriptors are free: raise the limit (`ulimit -n 1024`), \
             or end other programs",
        );
    }
    if says(&["(os error 28)", "(os error 122)", "No space left on device"]) {
        return Some(
            "the disk is full: free some space there, or set TMPDIR to a folder with more room",
        );
    }
    None
}
