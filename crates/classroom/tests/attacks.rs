//! Submissions that mean no good: each test is one attack, and names the layer of the sandbox that
//! stops it. Where this machine lacks that layer the test says `unsupported`.

#[path = "attacks/compiling.rs"]
mod compiling;
#[path = "attacks/looking.rs"]
mod looking;
#[path = "attacks/scoring.rs"]
mod scoring;
#[path = "attacks/support.rs"]
mod support;
#[path = "attacks/talking.rs"]
mod talking;
#[path = "attacks/using_up.rs"]
mod using_up;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    grader::lab::lab_main_if_asked();
    classroom::batch::worker::main_if_asked();
    let mut arguments = Arguments::from_args();
    // Each grades a submission, and the machine may be small.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let tests = [scoring::TESTS, looking::TESTS, compiling::TESTS, using_up::TESTS, talking::TESTS];
    let trials = tests.into_iter().flatten().map(|&(name, test)| Trial::test(name, test)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
