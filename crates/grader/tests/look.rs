//! The look inside a program, against programs that are blocked in one known way each.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

#[cfg(target_os = "linux")]
#[path = "look/cases.rs"]
mod cases;
#[cfg(target_os = "linux")]
#[path = "look/fixtures.rs"]
mod fixtures;

#[cfg(target_os = "linux")]
fn main() {
    if let Ok(name) = std::env::var(fixtures::FIXTURE) {
        return fixtures::run(&name);
    }
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, cases::trials()).exit();
}

/// Elsewhere nothing is seen, and nothing is ever certain.
#[cfg(not(target_os = "linux"))]
fn main() {
    use grader::look::{View, look, peak_memory_bytes, stalled};
    assert_eq!(look(&[std::process::id()]), View::default());
    assert!(!stalled(&View::default(), &View::default(), &[]));
    assert!(peak_memory_bytes(std::process::id()).is_err());
}
