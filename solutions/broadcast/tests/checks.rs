//! The module's own checks on this program: what `cargo mutants` measures the checks by.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    grader::lab::lab_main_if_asked();
    let checks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/broadcast");
    let program = env!("CARGO_BIN_EXE_broadcast-solution");
    grader::styles::prove_program(&broadcast_grading::MODULE, Path::new(checks), Path::new(program))
}
