//! Finds out what this machine offers by doing it, each in a process of its own: on some systems a
//! namespace can be made and not be used, and no setting tells.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{WaitOptions, waitpid};

use super::keeper::Context;
use super::{confine, fork, namespace};
use crate::job::{Disk, Job, Network};
use crate::layer;

/// Writes one line a protection, its name, a tab and the reason why it is missing; returns the exit
/// status.
pub(super) fn run(answer: OwnedFd, context: &Context) -> i32 {
    let scratch = context.scratch.as_path();
    let folder = scratch.join("probe");
    let mut answer = fs::File::from(answer);
    let outcome = fs::create_dir_all(&folder).and_then(|()| {
        in_child(&mut answer, layer::LANDLOCK, || landlock(scratch, &folder))?;
        in_child(&mut answer, layer::SECCOMP, || seccomp(context))?;
        in_child(&mut answer, layer::NETWORK, || network(scratch, &folder))?;
        in_child(&mut answer, layer::DISK, || disk(scratch, &folder))?;
        let reason = match context.tasks_of_user {
            Some(_) => "",
            None => "root is never bound by it",
        };
        writeln!(answer, "{}\t{reason}", layer::PROCESSES)
    });
    // The folder goes with the scratch folder at the latest. The answer is complete, and the caller
    // goes on, only when its pipe is closed: after this.
    let _ = fs::remove_dir(&folder);
    i32::from(outcome.is_err())
}

fn in_child(
    answer: &mut fs::File,
    name: &str,
    attempt: impl FnOnce() -> Result<(), String>,
) -> io::Result<()> {
    let child = fork(|| {
        let reason = attempt().err().unwrap_or_default().replace(['\n', '\t'], " ");
        i32::from(writeln!(answer, "{name}\t{reason}").is_err())
    })?;
    waitpid(Some(child), WaitOptions::empty())?;
    Ok(())
}

fn landlock(scratch: &Path, folder: &Path) -> Result<(), String> {
    give_up_new_privileges()?;
    // It may write in the folder, and not beside it.
    confine::restrict_files(&Job::new("", folder)).map_err(|error| error.to_string())?;
    let forbidden = scratch.join("forbidden");
    if fs::write(&forbidden, "").is_ok() {
        // An empty file in the scratch folder goes with it.
        let _ = fs::remove_file(&forbidden);
        return Err("the kernel has no Landlock, or it is switched off".to_owned());
    }
    Ok(())
}

fn seccomp(context: &Context) -> Result<(), String> {
    let Some(filter) = &context.filter else {
        return Err("the kernel has no filters of system calls".to_owned());
    };
    give_up_new_privileges()?;
    filter.enforce().map_err(|error| error.to_string())?;
    // SAFETY: the request changes nothing but this process, which is about to end.
    let traced = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    let error = io::Error::last_os_error();
    match (traced, error.raw_os_error()) {
        (-1, Some(libc::EPERM)) => Ok(()),
        _ => Err("the filter is in force and filters nothing".to_owned()),
    }
}

fn give_up_new_privileges() -> Result<(), String> {
    rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string())
}

fn network(scratch: &Path, folder: &Path) -> Result<(), String> {
    let job = Job { network: Network::Lonely, ..Job::new("", folder) };
    enter(&job, scratch)
}

fn disk(scratch: &Path, folder: &Path) -> Result<(), String> {
    let disk = Disk { path: folder.to_owned(), bytes: 64 * 1024, inodes: 16 };
    enter(&Job { disk: Some(disk), ..Job::new("", folder) }, scratch)
}

fn enter(job: &Job, scratch: &Path) -> Result<(), String> {
    namespace::enter(job, scratch)
        .map(drop)
        .map_err(|(step, error)| format!("cannot {step}: {error}"))
}
