//! The instructor's commands; `cargo xtask` starts them.

use std::process::ExitCode;

fn main() -> ExitCode {
    sandbox::keeper_main_if_asked();
    grader::lab::lab_main_if_asked();
    classroom::batch::worker::main_if_asked();
    classroom::main()
}
