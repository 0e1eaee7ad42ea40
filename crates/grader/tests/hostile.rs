//! The harness against programs that mean no good, and against checks that fail in every way.
//!
//! After every grading nothing of the program is left: no process, no file, nobody who listens.

#[path = "hostile/checks.rs"]
mod checks;
#[path = "hostile/programs_told.rs"]
mod programs_told;
#[path = "hostile/runner.rs"]
mod runner;
#[path = "hostile/support.rs"]
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    let arguments = Arguments::from_args();
    if !arguments.list
        && let Err(error) = support::prepare_programs()
    {
        eprintln!("error: {}", error.message().unwrap_or_default());
        return ExitCode::FAILURE;
    }
    let tests = programs_told::TESTS.iter().chain(runner::TESTS);
    let trials = tests.map(|&(name, test)| Trial::test(name, test)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    support::remove_programs();
    conclusion.exit_code()
}
