//! Sources that attack while they are compiled.

use std::fs;
use std::time::Instant;

use classroom::results::SubmissionResult;

use crate::support::{
    Desk, Layer, Named, Test, compiler_said, contains, ensure, expect_no_points, lacks, literal,
    said, spy,
};

pub const TESTS: &[Named] = &[
    ("including_files", including_files),
    ("own_build_settings", own_build_settings),
    ("environment_of_the_compiler", environment_of_the_compiler),
    ("endless_macro", endless_macro),
    ("endless_constant", endless_constant),
    ("exploding_types", exploding_types),
    ("huge_program", huge_program),
    ("endless_messages", endless_messages),
];

/// `include_str!`, `#[path]` and `.incbin`.
fn including_files() -> Test {
    let desk = Desk::new()?;
    let (secret, content) = desk.secret()?;
    let path = literal(&secret);
    let programs = [
        ("str", format!("fn main() {{ eprintln!(\"{{}}\", include_str!({path})); }}")),
        ("bytes", format!("fn main() {{ eprintln!(\"{{:?}}\", include_bytes!({path})); }}")),
        (
            "path",
            format!(
                "#[path = {path}] mod secret; fn main() {{ eprintln!(\"{{}}\", secret::SECRET); }}"
            ),
        ),
        ("include", format!("include!({path}); fn main() {{ eprintln!(\"{{}}\", SECRET); }}")),
        (
            "assembler",
            format!(
                "std::arch::global_asm!(\".globl secret\", \"secret:\", \".incbin \\\"{}\\\"\");\nfn main() {{}}",
                secret.display()
            ),
        ),
        ("passwords", "fn main() { eprintln!(\"{}\", include_str!(\"/etc/shadow\")); }".to_owned()),
        (
            "up",
            "fn main() { eprintln!(\"{}\", include_str!(\"../../../../../../etc/shadow\")); }"
                .to_owned(),
        ),
    ];
    for (name, program) in &programs {
        desk.hand_in(name, program)?;
    }
    let Some(results) = desk.grade(Layer::Linux)? else { return Ok(()) };
    for result in &results {
        expect_no_points(result)?;
        lacks(&compiler_said(result)?, content)?;
    }
    ensure(results.len() == programs.len(), "not all were graded")
}

/// build.rs, .cargo/config.toml, rust-toolchain.toml and Cargo.toml of the submission's own.
fn own_build_settings() -> Test {
    let desk = Desk::new()?;
    let marker = desk.out().with_file_name("marker");
    let touch = format!("std::fs::write({}, \"\").unwrap();", literal(&marker));
    desk.hand_in_file("one", "build.rs", &format!("fn main() {{ {touch} }}"))?;
    desk.hand_in_file("one", ".cargo/config.toml", "[build]\nrustc = \"/bin/false\"\n")?;
    desk.hand_in_file("one", "rust-toolchain.toml", "[toolchain]\nchannel = \"1.0.0\"\n")?;
    desk.hand_in_file("one", "Cargo.toml", "[package]\nname = \"x\"\nbuild = \"build.rs\"\n")?;
    let Some(result) =
        desk.grade_program(Layer::Everywhere, &spy("    found.push(\"runs\".into());"))?
    else {
        return Ok(());
    };
    contains(&said(&result)?, "found runs")?;
    ensure(!marker.exists(), "build.rs was run")
}

fn environment_of_the_compiler() -> Test {
    let desk = Desk::new()?;
    let mut names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    names.retain(|name| {
        name != "PATH" && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    });
    names
        .retain(|name| !["CARGO_PKG_NAME", "CARGO_PKG_VERSION", "TMPDIR"].contains(&name.as_str()));
    names.extend(["HOME", "USER", "CARGO_MANIFEST_DIR", "CARGO_HOME"].map(str::to_owned));
    let tests: String = names
        .iter()
        .map(|name| {
            format!(
                "    if option_env!(\"{name}\").is_some() {{ found.push(\"{name}\".into()); }}\n"
            )
        })
        .collect();
    let Some(result) = desk.grade_program(Layer::Everywhere, &spy(&tests))? else { return Ok(()) };
    let said = said(&result)?;
    ensure(said.trim_end().ends_with("found"), said)
}

/// Grades a source that the compiler would never be done with.
fn without_end(program: &str) -> Result<Option<SubmissionResult>, libtest_mimic::Failed> {
    let mut desk = Desk::new()?;
    desk.limits.compile_cpu_seconds = 2;
    desk.limits.data_bytes = 512 << 20;
    desk.limits.memory_bytes = 1 << 30;
    desk.limits.work_bytes = 256 << 20;
    desk.limits.file_bytes = 128 << 20;
    let began = Instant::now();
    let Some(result) = desk.grade_program(Layer::Everywhere, program)? else { return Ok(None) };
    // Its own deadline is far: this says that the limits, not somebody's patience, ended it.
    ensure(began.elapsed().as_secs() < 300, "it went on and on")?;
    expect_no_points(&result)?;
    ensure(result.attempts == 1, format!("tried {} times", result.attempts))?;
    Ok(Some(result))
}

fn endless_macro() -> Test {
    let program = "#![recursion_limit = \"1000000\"]\nmacro_rules! more { ($($t:tt)*) => { more!($($t)* $($t)* x) } }\n\
        more!(x x);\nfn main() {}\n";
    let Some(result) = without_end(program)? else { return Ok(()) };
    contains(&compiler_said(&result)?, "error")
}

fn endless_constant() -> Test {
    let program = "#![allow(long_running_const_eval)]\n\
        const ENDLESS: u64 = { let mut n = 0u64; loop { n = n.wrapping_add(1); if n == u64::MAX { break n; } } };\n\
        fn main() { println!(\"{ENDLESS}\"); }\n";
    let Some(result) = without_end(program)? else { return Ok(()) };
    contains(&compiler_said(&result)?, "had used 2 s of processor time")
}

fn exploding_types() -> Test {
    let program = "#![recursion_limit = \"4096\"]\ntrait Grow { fn grow(&self, depth: u32) -> u64; }\n\
        impl<T: Clone> Grow for T { fn grow(&self, depth: u32) -> u64 {\n\
        if depth == 0 { 0 } else { (self.clone(), self.clone()).grow(depth - 1) } } }\n\
        fn main() { println!(\"{}\", 1u8.grow(40)); }\n";
    let Some(result) = without_end(program)? else { return Ok(()) };
    contains(&compiler_said(&result)?, "error")
}

fn huge_program() -> Test {
    let program = "static HUGE: [u8; 1 << 30] = [1; 1 << 30];\nfn main() { println!(\"{}\", HUGE[std::env::args().count()]); }\n";
    let Some(result) = without_end(program)? else { return Ok(()) };
    contains(&compiler_said(&result)?, "error")
}

fn endless_messages() -> Test {
    let mut program = String::from(
        "macro_rules! noise { ($($n:literal)*) => { $(const _: () = $n;)* } }\nnoise!(",
    );
    for number in 0..700 {
        program.push_str(&format!("\"{number} {}\"\n", "noise ".repeat(150)));
    }
    program.push_str(");\nfn main() {}\n");
    let mut desk = Desk::new()?;
    desk.limits.compile_cpu_seconds = 10;
    let Some(result) = desk.grade_program(Layer::Everywhere, &program)? else { return Ok(()) };
    expect_no_points(&result)?;
    let told = compiler_said(&result)?;
    ensure(told.len() < 64 << 10, format!("{} bytes of messages are kept", told.len()))?;
    let size = fs::metadata(desk.out().join("one.json"))?.len();
    ensure(size < 128 << 10, format!("the result has {size} bytes"))
}
