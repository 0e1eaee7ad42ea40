//! Programs that read what is not theirs.

use classroom::workspace::Workspace;

use crate::support::{Desk, Layer, Named, Test, contains, ensure, lacks, literal, said, spy};

pub const TESTS: &[Named] = &[
    ("reading_the_instructors_files", reading_the_instructors_files),
    ("reading_through_proc", reading_through_proc),
    ("reading_the_environment", reading_the_environment),
    ("tracing_the_grader", tracing_the_grader),
];

/// Checks, references, other submissions, results and home.
fn reading_the_instructors_files() -> Test {
    let desk = Desk::new()?;
    let root = Workspace::find()?.root().to_path_buf();
    let (secret, _) = desk.secret()?;
    desk.hand_in("other", "fn main() {}")?;
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from).unwrap_or_default();
    let places = [
        root.join("crates/tcp-echo/module.toml"),
        root.join("crates/tcp-echo/src/lib.rs"),
        root.join("solutions/tcp-echo/src/main.rs"),
        desk.submission("other").join("src/main.rs"),
        desk.out(),
        secret,
        home.join(".cargo/registry"),
        home.join(".ssh"),
        home.join(".bashrc"),
        "/etc/shadow".into(),
        "/root/.cargo".into(),
    ];
    let list: Vec<String> = places.iter().map(|place| literal(place)).collect();
    let body = format!(
        "    for place in [{}] {{
        if fs::read(place).is_ok() || fs::read_dir(place).is_ok_and(|mut list| list.next().is_some()) {{
            found.push(place.to_string());
        }}
    }}
    for place in [\"..\", \"../..\", \"../../..\", \"../../../..\"] {{
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {{
            if entry.path().to_string_lossy().contains(\"submissions\") {{ found.push(\"up\".into()); }}
        }}
    }}",
        list.join(", ")
    );
    desk.hand_in("one", &spy(&body))?;
    let Some(results) = desk.grade(Layer::Namespaces)? else { return Ok(()) };
    let one = results.iter().find(|result| result.submission.name == "one").ok_or("no result")?;
    let said = said(one)?;
    ensure(said.trim_end().ends_with("found"), said)
}

/// Every process's memory, environment, files and root.
fn reading_through_proc() -> Test {
    let desk = Desk::new()?;
    let body = "    let own = std::process::id().to_string();
    for entry in fs::read_dir(\"/proc\").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid == own || pid.parse::<u32>().is_err() { continue; }
        let command = fs::read_to_string(entry.path().join(\"cmdline\")).unwrap_or_default();
        if command.contains(\"tcp-echo\") { continue; }
        for name in [\"environ\", \"mem\", \"maps\", \"auxv\", \"stack\", \"syscall\", \"io\"] {
            let mut byte = [0; 1];
            if fs::File::open(entry.path().join(name)).and_then(|mut file| file.read_exact(&mut byte)).is_ok() {
                found.push(format!(\"{pid}-{name}\"));
            }
        }
        for name in [\"fd\", \"root/\", \"cwd/\", \"map_files\"] {
            if fs::read_dir(entry.path().join(name)).is_ok() { found.push(format!(\"{pid}-{name}\")); }
        }
        for name in [\"exe\", \"root\", \"cwd\"] {
            if fs::read_link(entry.path().join(name)).is_ok() { found.push(format!(\"{pid}-{name}\")); }
        }
        if pid.parse::<u32>().unwrap_or(0) > 500 { found.push(format!(\"stranger-{pid}\")); }
    }
    found.push(format!(\"self-{}\", fs::read_dir(\"/proc/self/root/home\").is_ok_and(|mut list| list.next().is_some())));";
    let Some(result) = desk.grade_program(Layer::Namespaces, &spy(body))? else { return Ok(()) };
    let said = said(&result)?;
    ensure(said.trim_end().ends_with("found self-false"), said)
}

fn reading_the_environment() -> Test {
    let desk = Desk::new()?;
    let body =
        "    for (name, value) in std::env::vars() { found.push(format!(\"{name}={value}\")); }";
    let Some(result) = desk.grade_program(Layer::Everywhere, &spy(body))? else { return Ok(()) };
    let said = said(&result)?;
    contains(&said, "PATH=")?;
    for name in ["CARGO", "USER", "SSH", "TOKEN", "PWD=", "RUST"] {
        lacks(&said, name)?;
    }
    for (name, value) in std::env::vars() {
        let is_common = ["PATH", "LANG", "HOME", "TMPDIR", "SHLVL", "_"].contains(&name.as_str());
        ensure(is_common || value.len() < 8 || !said.contains(&value), format!("{name} is known"))?;
    }
    Ok(())
}

fn tracing_the_grader() -> Test {
    let desk = Desk::new()?;
    let body = "    for pid in (1..64).filter(|pid| *pid != std::process::id() as i32) {
        // PTRACE_ATTACH and PTRACE_SEIZE.
        for request in [16, 0x4206] {
            if unsafe { ptrace(request, pid, 0, 0) } == 0 { found.push(format!(\"traces-{pid}\")); }
        }
    }";
    let Some(result) = desk.grade_program(Layer::Linux, &spy(body))? else { return Ok(()) };
    let said = said(&result)?;
    ensure(said.trim_end().ends_with("found"), said)
}
