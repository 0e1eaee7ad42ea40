//! Whether anything outlived a run: its folder, or a process.

use std::path::{Path, PathBuf};

/// What is still there, as sentences. `scratch` is the run's folder, `programs` what it ran.
pub fn find(scratch: &Path, programs: &[PathBuf]) -> Vec<String> {
    let mut problems = Vec::new();
    if scratch.exists() {
        problems.push(format!(
            "the run's folder {} is still there; find out who kept it",
            scratch.display()
        ));
    }
    for process in processes() {
        let ran = process.executable.as_ref().is_some_and(|file| programs.contains(file));
        let stood = process.directory.as_ref().is_some_and(|folder| folder.starts_with(scratch));
        if ran || stood {
            problems.push(format!(
                "process {} ({}) outlived the run; find out how it got out of its sandbox",
                process.id, process.name
            ));
        }
    }
    problems
}

struct Process {
    id: u32,
    name: String,
    executable: Option<PathBuf>,
    directory: Option<PathBuf>,
}

/// All processes that can be looked at. Where there is no `/proc`, none: there the folder alone is
/// the proof.
fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let processes = entries.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let folder = entry.path();
        let name = std::fs::read_to_string(folder.join("comm")).ok()?.trim().to_owned();
        let executable = std::fs::read_link(folder.join("exe")).ok();
        let directory = std::fs::read_link(folder.join("cwd")).ok();
        Some(Process { id, name, executable, directory })
    });
    processes.collect()
}
