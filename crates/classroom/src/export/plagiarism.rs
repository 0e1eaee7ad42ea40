//! Folders that a search for copied code can be started on: JPlag and Dolos.
//!
//! The handed-in files are taken once more, as `batch` takes them. The starter code goes along, so
//! that what everybody was given counts for nothing.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use grader::report::formats::utc;

use super::class::Class;
use super::out::Folder;
use super::sheet::guarded;
use crate::batch::files::{self, Taken};
use crate::batch::intake;
use crate::moment::Moment;
use crate::results::{Person, SubmissionResult, printable};
use crate::workspace::{Owner, Workspace};

/// The folder or file of the starter code.
const STARTER: &str = "starter";

/// The files of a program by their paths below `src`.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// One submission with its files, by module.
struct Handed {
    result: SubmissionResult,
    modules: BTreeMap<String, Files>,
}

/// Writes `MODULE/submissions/NAME/*.rs` and `MODULE/starter/*.rs`, and the commands.
///
/// JPlag takes each folder below its root directory for a submission, and the code given with `-bc`
/// for everybody's (<https://github.com/jplag/JPlag/wiki/1.-How-to-Use-JPlag>).
///
/// # Errors
///
/// A submission or the starter code cannot be read, or the folder takes no files.
pub fn jplag(
    class: &Class,
    submissions: &intake::Class,
    workspace: &Workspace,
    out: &mut Folder,
    notes: &mut Vec<String>,
) -> anyhow::Result<usize> {
    let modules = &class.rules().assignment().modules;
    let count = each(class, submissions, modules, notes, &mut |handed| {
        for (module, files) in &handed.modules {
            let folder = Path::new(module).join("submissions").join(&handed.result.submission.name);
            for (path, content) in files {
                out.add(&folder.join(path), content)?;
            }
        }
        Ok(())
    })?;
    let mut commands = String::from(
        "Each line searches one module (Java 25 and a release of JPlag; nothing leaves this \
         machine):\n\n",
    );
    for module in modules {
        for (path, content) in starter(workspace, module)? {
            out.add(&Path::new(module).join(STARTER).join(path), &content)?;
        }
        commands.push_str(&format!(
            "java -jar jplag.jar -l rust -bc {module}/{STARTER} -r {module} {module}/submissions\n"
        ));
    }
    out.add(Path::new("README.txt"), commands.as_bytes())?;
    Ok(count)
}

/// Writes `MODULE.zip` with `info.csv` at its root, and the commands.
///
/// Dolos compares files, so a submission is one: its source files one after the other, each under
/// its name (<https://dolos.ugent.be/docs/adding-metadata.html>). The row of the starter code says
/// `ignored`, which the reader knows (`lib/src/lib/dataset.ts`) and that page does not.
///
/// # Errors
///
/// As [`jplag`].
pub fn dolos(
    class: &Class,
    submissions: &intake::Class,
    workspace: &Workspace,
    out: &mut Folder,
    notes: &mut Vec<String>,
) -> anyhow::Result<usize> {
    let modules = &class.rules().assignment().modules;
    let mut archives = BTreeMap::new();
    for module in modules {
        archives.insert(module.clone(), Archive::begin(&starter(workspace, module)?)?);
    }
    let count = each(class, submissions, modules, notes, &mut |handed| {
        for (module, files) in &handed.modules {
            if let Some(archive) = archives.get_mut(module) {
                archive.add(&handed.result, files)?;
            }
        }
        Ok(())
    })?;
    let mut commands = String::from(
        "Each line searches one module on this machine (`npm install -g @dodona/dolos`). Whoever \
         uploads the archives to a server instead hands out names and code.\n\n",
    );
    for (module, archive) in archives {
        out.add(Path::new(&format!("{module}.zip")), &archive.finish()?)?;
        commands.push_str(&format!("dolos run -l rust -f web {module}.zip\n"));
    }
    out.add(Path::new("README.txt"), commands.as_bytes())?;
    Ok(count)
}

/// Hands over the submissions one after the other; how many there were.
fn each(
    class: &Class,
    submissions: &intake::Class,
    modules: &[String],
    notes: &mut Vec<String>,
    take: &mut dyn FnMut(Handed) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in class.entries() {
        let entry = entry?;
        let label = entry.label();
        let name = &entry.result.submission.name;
        let found = submissions.submissions.iter().find(|found| found.name == *name);
        let Some(source) = found.and_then(|found| found.source.as_ref()) else {
            if entry.result.status != crate::results::Outcome::Missing {
                notes.push(format!("left out, since its files are not there: {label}"));
            }
            continue;
        };
        let taken = files::take(source, modules)?;
        let graded = &entry.result.key.files_hash;
        if !graded.is_empty() && *graded != taken.hash() {
            notes.push(format!("its files are no longer those that were graded: {label}"));
        }
        if let Some(why) = &taken.refused {
            notes.push(format!("left out, since {}: {label}", printable(why)));
            continue;
        }
        let handed = Handed { modules: below_src(taken), result: entry.result };
        count += usize::from(!handed.modules.is_empty());
        take(handed)?;
    }
    Ok(count)
}

fn below_src(taken: Taken) -> BTreeMap<String, Files> {
    let below = |files: BTreeMap<String, Vec<u8>>| {
        let paths = files.into_iter().map(|(path, content)| {
            (PathBuf::from(path.strip_prefix("src/").unwrap_or(&path)), content)
        });
        paths.collect()
    };
    taken.modules.into_iter().map(|(module, files)| (module, below(files))).collect()
}

fn starter(workspace: &Workspace, module: &str) -> anyhow::Result<Files> {
    let folder = workspace.program_folder(module, Owner::Learner).join("src");
    let mut files = Files::new();
    for entry in walkdir::WalkDir::new(&folder).sort_by_file_name() {
        let entry = entry.with_context(|| format!("read the starter code of {module}"))?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|end| end == "rs") {
            let below = entry.path().strip_prefix(&folder).unwrap_or(entry.path());
            files.insert(below.to_path_buf(), fs_err::read(entry.path())?);
        }
    }
    Ok(files)
}

/// An archive for Dolos while it grows.
struct Archive {
    archive: zip::ZipWriter<Cursor<Vec<u8>>>,
    info: csv::Writer<Vec<u8>>,
}

impl Archive {
    fn begin(starter: &Files) -> anyhow::Result<Self> {
        let mut info = csv::Writer::from_writer(Vec::new());
        info.write_record(["filename", "full_name", "id", "label", "created_at", "ignored"])?;
        let mut begun = Self { archive: zip::ZipWriter::new(Cursor::new(Vec::new())), info };
        let name = format!("{STARTER}.rs");
        begun.put(&name, &joined(starter))?;
        begun.info.write_record([name.as_str(), "starter code", "", "", "", "true"])?;
        Ok(begun)
    }

    fn add(&mut self, result: &SubmissionResult, files: &Files) -> anyhow::Result<()> {
        let submission = &result.submission;
        let path = format!("submissions/{}.rs", submission.name);
        self.put(&path, &joined(files))?;
        let people = submission.people.iter().filter(|person| **person != Person::default());
        let people: Vec<String> = people.map(intake::label).collect();
        let moment = submission.submitted_at.as_deref().and_then(Moment::parse);
        let created = moment.map(|moment| utc(moment.0.div_euclid(1000))).unwrap_or_default();
        let full_name = if people.is_empty() { submission.name.clone() } else { people.join(", ") };
        self.info.write_record([
            path.as_str(),
            &guarded(&full_name),
            &guarded(&submission.name),
            "",
            &created,
            "",
        ])?;
        Ok(())
    }

    fn put(&mut self, path: &str, content: &[u8]) -> anyhow::Result<()> {
        self.archive.start_file(path, zip::write::SimpleFileOptions::default())?;
        self.archive.write_all(content)?;
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Vec<u8>> {
        let info = std::mem::replace(&mut self.info, csv::Writer::from_writer(Vec::new()));
        let info = info.into_inner().context("finish info.csv")?;
        self.put("info.csv", &info)?;
        Ok(self.archive.finish()?.into_inner())
    }
}

/// All files of a program as one.
fn joined(files: &Files) -> Vec<u8> {
    let mut whole = Vec::new();
    for (path, content) in files {
        let name = printable(&path.to_string_lossy()).replace('\n', " ");
        whole.extend_from_slice(format!("// {name}\n").as_bytes());
        whole.extend_from_slice(content);
        whole.extend_from_slice(b"\n");
    }
    whole
}
