//! The folders that a build and a grading write to.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[cfg(target_os = "linux")]
use anyhow::Context;

use super::Finding;
use crate::workspace::{Owner, Workspace};
use crate::{grade, modules};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// What the grader and all programs take in cargo's target folder.
const BUILD_BYTES: u64 = GIB;
/// What the core checks write at the same time.
const SCRATCH_BYTES: u64 = 512 * MIB;
/// What file-transfer's stretch check of 1 GiB needs beside its file.
const GIGABYTE_BYTES: u64 = GIB + 128 * MIB;
/// How much is written to see that a folder takes it.
const SAMPLE_BYTES: usize = 4 << 20;
/// How far the clock of a network drive may be off.
const CLOCK: Duration = Duration::from_secs(2);

/// Cargo's target folder.
pub(super) fn build_folder(workspace: &Workspace) -> Vec<Finding> {
    let folder = workspace.own_target();
    let name = "build folder";
    let shown = folder.display();
    let attempt = fs_err::create_dir_all(&folder)
        .map_err(anyhow::Error::from)
        .and_then(|()| write_sample(&folder));
    let age = match attempt {
        Err(error) => {
            return vec![
                Finding::missing(name, format!("wrote to {shown}: {error:#}"))
                    .means("nothing can be built there")
                    .advice(
                        "make room or see to it that you may write there, or set CARGO_TARGET_DIR \
                         to a folder that does",
                    ),
            ];
        }
        Ok(age) => age,
    };
    if age > CLOCK {
        let seconds = age.as_secs();
        return vec![
            Finding::limited(
                name,
                format!("wrote to {shown}: its clock is {seconds} s away from this machine's"),
            )
            .means("cargo goes by the times of files, and may not build what you have changed")
            .advice("set the clocks, or move the course to a disk of this machine"),
        ];
    }
    vec![room(name, &folder, BUILD_BYTES, "a build may stop for lack of room")]
}

/// The folder of the programs under test, below `TMPDIR`.
pub(super) fn scratch_folder(_: &Workspace) -> Vec<Finding> {
    let name = "scratch folder";
    let sandbox = match grade::start_sandbox() {
        Ok(sandbox) => sandbox,
        Err(error) => {
            return vec![
                Finding::missing(name, format!("made a folder for programs: {error:#}"))
                    .means("no program can be started to be graded")
                    .advice("set TMPDIR to a folder of a local disk that you may write to"),
            ];
        }
    };
    let folder = sandbox.scratch().to_path_buf();
    if let Err(error) = write_sample(&folder) {
        return vec![
            Finding::missing(name, format!("wrote to {}: {error:#}", folder.display()))
                .means("programs cannot write the files that checks ask of them")
                .advice("free some room there, or set TMPDIR to a folder with more"),
        ];
    }
    let finding = room(name, &folder, SCRATCH_BYTES, "file-transfer's checks may lack room");
    if finding.state != super::State::Good {
        return vec![finding];
    }
    vec![room(
        name,
        &folder,
        GIGABYTE_BYTES,
        "file-transfer's stretch check of 1 GiB is not graded here",
    )]
}

/// Whether work can be saved, and a save is noticed as it happens.
pub(super) fn saves(workspace: &Workspace) -> Vec<Finding> {
    let module = modules::TAUGHT.first().map_or("", |module| module.name);
    let folder = workspace.program_folder(module, Owner::Learner);
    let shown = format!("a save in exercises/{module}");
    let events = watch(&folder);
    if let Err(error) = tempfile::Builder::new().prefix(".xtask-").tempfile_in(&folder) {
        return vec![
            Finding::missing("saves", format!("{shown}: {error}"))
                .means("your work cannot be saved")
                .advice("see to it that the folder is yours, with `chown` and `chmod u+w`"),
        ];
    }
    match events.and_then(|events| events.tell()) {
        Ok(true) => vec![Finding::good("saves", format!("{shown} is noticed as it happens"))],
        other => {
            let why = match other {
                Err(error) => format!("{error:#}"),
                _ => "the kernel told nothing".to_owned(),
            };
            vec![
                Finding::limited("saves", format!("waited for word of {shown}: {why}"))
                    .means("a command that waits for your saves has to look again and again")
                    .advice("nothing is needed; a disk of this machine would be quicker"),
            ]
        }
    }
}

/// Word of what is written in a folder.
struct Events {
    #[cfg(target_os = "linux")]
    descriptor: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
fn watch(folder: &Path) -> anyhow::Result<Events> {
    use rustix::fs::inotify;
    let descriptor = inotify::init(inotify::CreateFlags::CLOEXEC).context("watch a folder")?;
    let wanted = inotify::WatchFlags::CREATE | inotify::WatchFlags::CLOSE_WRITE;
    inotify::add_watch(&descriptor, folder, wanted).context("watch a folder")?;
    Ok(Events { descriptor })
}

/// Elsewhere that is not tried.
#[cfg(not(target_os = "linux"))]
fn watch(_folder: &Path) -> anyhow::Result<Events> {
    Ok(Events {})
}

impl Events {
    /// Whether there is word, after a moment at the most.
    #[cfg(target_os = "linux")]
    fn tell(&self) -> anyhow::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let patience = Timespec { tv_sec: 1, tv_nsec: 0 };
        let mut ready = [PollFd::new(&self.descriptor, PollFlags::IN)];
        Ok(poll(&mut ready, Some(&patience)).context("wait for word")? > 0)
    }

    #[cfg(not(target_os = "linux"))]
    fn tell(&self) -> anyhow::Result<bool> {
        Ok(true)
    }
}

/// Writes a few MiB, and returns how far the file's time is from now.
fn write_sample(folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(&vec![0x5a; SAMPLE_BYTES])?;
        file.sync_data()?;
        file.metadata()?.modified()
    };
    let modified = write();
    // It may not be there.
    _ = std::fs::remove_file(&path);
    let (modified, now) = (modified?, SystemTime::now());
    let apart = now.duration_since(modified).or_else(|_| modified.duration_since(now));
    Ok(apart.unwrap_or_default())
}

/// Whether there is room for so many bytes: the one thing that is asked, not tried.
fn room(name: &str, folder: &Path, wanted: u64, means: &str) -> Finding {
    let shown = folder.parent().unwrap_or(folder).display();
    let free = match rustix::fs::statvfs(folder) {
        Ok(told) => told.f_bavail.saturating_mul(told.f_frsize),
        Err(error) => {
            return Finding::limited(name, format!("wrote 4 MiB to {shown}; its room: {error}"))
                .means("it cannot be said whether the room will do")
                .advice("look at it with `df -h`");
        }
    };
    let tried = format!("wrote 4 MiB to {shown}, where {} are free", size(free));
    if free >= wanted {
        return Finding::good(name, tried);
    }
    Finding::limited(name, tried).means(means).advice(format!(
        "make room for {} there, or set {} to a folder that has it",
        size(wanted),
        if name == "build folder" { "CARGO_TARGET_DIR" } else { "TMPDIR" }
    ))
}

/// Bytes as people say them.
pub(super) fn size(bytes: u64) -> String {
    if bytes >= GIB {
        // One digit after the point is enough, and rounding down claims no room that is not there.
        format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB)
    } else {
        format!("{} MiB", bytes / MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::{GIB, MIB, room, size, write_sample};
    use crate::doctor::State;

    #[test]
    fn room_is_measured_and_the_sample_goes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_sample(folder.path()).expect("write there");
        assert_eq!(std::fs::read_dir(folder.path()).expect("read it").count(), 0);
        assert_eq!(room("x", folder.path(), 0, "").state, State::Good);
        let short = room("x", folder.path(), u64::MAX, "less");
        assert_eq!((short.state, short.means.as_str()), (State::Limited, "less"));
        assert!(write_sample(&folder.path().join("none")).is_err());
    }

    #[test]
    fn sizes_are_told_as_people_say_them() {
        assert_eq!(size(GIB + GIB / 2), "1.5 GiB");
        assert_eq!(size(700 * MIB), "700 MiB");
    }
}
