//! The autograders of an assignment: Gradescope's archive and Classroom 50's folder.
//!
//! Gradescope: <https://gradescope-autograders.readthedocs.io/en/latest/specs/>, an archive with
//! `setup.sh` and `run_autograder`. Classroom 50:
//! <https://github.com/foundation50/classroom50/wiki/Advanced-Autograding>, a folder
//! `CLASSROOM/autograders/ASSIGNMENT` with `autograder.py`, which is published for everybody to
//! read. It therefore holds what learners have already, and no hidden check.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use walkdir::WalkDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::plan::Plan;
use super::shell::{self, Cargo};
use super::tree::{self, Reader};
use crate::assignment::{Assignment, LatePolicy};
use crate::interrupt;
use crate::workspace::Workspace;

const SETUP: &str = include_str!("files/setup.sh");
const RUN_AUTOGRADER: &str = include_str!("files/run_autograder");
const AUTOGRADER_PY: &str = include_str!("files/autograder.py");

/// The most that Classroom 50's runner fetches, in bytes.
const BUNDLE_BYTES: u64 = 10 << 20;

/// Writes `gradescope.zip` into the folder `to`; `room` is an empty folder for what goes into it.
///
/// # Errors
///
/// A file cannot be read or written.
pub fn gradescope(
    workspace: &Workspace,
    plan: &Plan,
    cargo: &Cargo,
    room: &Path,
    to: &Path,
) -> anyhow::Result<()> {
    tree::lay_out(workspace, plan, Reader::Autograder, cargo, &room.join("course"))?;
    // Gradescope has due dates and late rules of its own.
    let rules = Assignment {
        due: None,
        grace_minutes: 0,
        late: LatePolicy::Accept,
        ..plan.assignment.clone()
    };
    tree::write(&room.join("assignment.toml"), &toml::to_string(&rules)?)?;
    let version = shell::rust_version(workspace)?;
    tree::write(&room.join("setup.sh"), &SETUP.replace("@RUST@", &version))?;
    tree::write(&room.join("run_autograder"), RUN_AUTOGRADER)?;
    let path = to.join("gradescope.zip");
    tree::write(&path, "")?;
    let file = File::options().write(true).open(path).context("write gradescope.zip")?;
    let mut archive = ZipWriter::new(file);
    for entry in WalkDir::new(room).sort_by_file_name() {
        let entry = entry?;
        if !entry.file_type().is_file() {
            continue;
        }
        let name = entry.path().strip_prefix(room)?.to_string_lossy().replace('\\', "/");
        let is_program = ["setup.sh", "run_autograder"].contains(&name.as_str());
        let mode = if is_program { 0o755 } else { 0o644 };
        archive.start_file(name, SimpleFileOptions::default().unix_permissions(mode))?;
        archive.write_all(&fs_err::read(entry.path())?)?;
    }
    archive.finish()?;
    let _whole = interrupt::hold();
    Ok(fs_err::remove_dir_all(room)?)
}

/// Writes the folder for Classroom 50 into `to`, from the learners' own `handout`.
///
/// # Errors
///
/// A file cannot be read or written, or it is more than Classroom 50 takes.
pub fn classroom50(
    workspace: &Workspace,
    plan: &Plan,
    handout: &Path,
    slug: &str,
    to: &Path,
) -> anyhow::Result<()> {
    let folder = to.join("classroom50");
    let bundle = folder.join("autograders").join(slug);
    let modules = serde_json::to_string(&plan.names())?;
    tree::write(&bundle.join("autograder.py"), &AUTOGRADER_PY.replace("@MODULES@", &modules))?;
    let packed = bundle.join("course.tar.gz");
    pack(handout, &packed)?;
    let bytes = fs_err::metadata(&packed)?.len();
    if bytes > BUNDLE_BYTES {
        bail!(
            "the grader for Classroom 50 has {} MiB, and its runner fetches no more than {}",
            bytes >> 20,
            BUNDLE_BYTES >> 20
        );
    }
    let rust = shell::rust_version(workspace)?;
    let runtime = serde_json::json!({ "runs-on": "ubuntu-latest", "rust": rust });
    let runtime = format!("{}\n", serde_json::to_string_pretty(&runtime)?);
    tree::write(&folder.join("runtime.json"), &runtime)?;
    tree::write(&folder.join("README.md"), &steps(plan, slug))
}

/// The handout without what is only there for its readers' own machines.
fn pack(handout: &Path, to: &Path) -> anyhow::Result<()> {
    tree::write(to, "")?;
    let file = File::options().write(true).open(to).context("write course.tar.gz")?;
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::best()));
    archive.mode(tar::HeaderMode::Deterministic);
    for entry in WalkDir::new(handout).sort_by_file_name() {
        let entry = entry?;
        let path = entry.path().strip_prefix(handout)?;
        if entry.file_type().is_file() {
            archive.append_path_with_name(entry.path(), path)?;
        }
    }
    archive.into_inner()?.finish()?.flush().map_err(io::Error::into)
}

fn steps(plan: &Plan, slug: &str) -> String {
    let title = plan.assignment.title.trim();
    let due = plan.assignment.due.as_ref().map_or_else(String::new, |due| {
        format!("The due date, {due}, is set there, too, or in Classroom 50's web pages.\n")
    });
    format!(
        "# {title} in Classroom 50\n\n\
         1. Put the learners' folder `handout` into a template repository, say \
         `ORG/{slug}-template`.\n\
         2. Copy `autograders/{slug}` to `CLASSROOM/autograders/{slug}` in your organization's \
         repository `classroom50`,\n   and commit it.\n\
         3. Add the assignment; the name `{slug}` is the folder's:\n\n       \
         gh teacher assignment add ORG CLASSROOM {slug} --name \"{title}\" --template \
         ORG/{slug}-template --runtime runtime.json\n\n{due}\
         Classroom 50's own workflow then grades each submission with `autograder.py`, in the \
         learner's repository. What is\nin its folder can be read by everybody, so it holds no \
         hidden checks; after the due date,\n`cargo xtask batch --assignment` grades with these, \
         too. Each grading builds the grader first (about a minute).\n"
    )
}

/// A short name made of the title: "Week 3: Echo" is "week-3-echo".
pub fn slug(plan: &Plan) -> String {
    let words = plan.assignment.title.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<String> =
        words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    let mut name = words.join("-");
    name.truncate(60);
    let name = name.trim_end_matches('-');
    if name.is_empty() { "assignment".to_owned() } else { name.to_owned() }
}
