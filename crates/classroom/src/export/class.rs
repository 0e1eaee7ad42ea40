//! The results of a class, one after the other, each with its points.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::score::{Rules, Verdict};
use crate::assignment::Assignment;
use crate::batch::intake;
use crate::batch::roster::{self, Roster};
use crate::results::{
    ASSIGNMENT_FILE, BatchFile, Person, SubmissionResult, batch_paths, printable, result_paths,
};

/// The results in a folder, by the rules of an assignment.
pub struct Class {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    rules: Rules,
    roster: Option<Roster>,
    /// Submissions that the runs in the folder name, and that have no result there.
    pub open: Vec<String>,
}

/// One submission.
pub struct Entry {
    /// Its result; whose it is, completed by the roster.
    pub result: SubmissionResult,
    /// What it is worth.
    pub verdict: Verdict,
}

/// Which class it is, and by what its points count; the same in `export` and `report`.
#[derive(Debug, Args)]
pub struct Graded {
    /// The folder that `batch` wrote the results to.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
    /// The assignment whose points, extra checks and late policy count [default: the one the class
    /// was graded with, which `batch` keeps as RESULTS/assignment.toml].
    #[arg(long, value_name = "FILE")]
    pub assignment: Option<PathBuf>,
    /// A CSV file that says who is in the class, by name, email, id or username.
    #[arg(long, value_name = "FILE")]
    pub roster: Option<PathBuf>,
}

impl Class {
    /// The class whose results lie in the folder that is given.
    ///
    /// # Errors
    ///
    /// The folder holds no results, or the assignment or the roster cannot be used.
    pub fn find(graded: &Graded) -> anyhow::Result<Self> {
        let folder = &graded.results;
        if !folder.is_dir() {
            bail!(
                "there is no folder {}; give the folder that `cargo xtask batch --out` wrote to",
                folder.display()
            );
        }
        let runs = runs(folder)?;
        let paths = result_paths(folder)?;
        let kept = folder.join(ASSIGNMENT_FILE);
        let assignment = match &graded.assignment {
            Some(path) => Assignment::load(path)?,
            None if kept.is_file() => Assignment::load(&kept)?,
            None => plain(&runs, &paths)?,
        };
        let known: BTreeSet<String> = paths.iter().map(|path| name_of(path)).collect();
        let named = runs.iter().flat_map(|run| run.submissions.iter());
        // A shard and the whole that it was merged into name the same.
        let open: BTreeSet<&String> = named.filter(|name| !known.contains(*name)).collect();
        let open = open.into_iter().cloned().collect();
        let roster = graded.roster.as_deref().map(Roster::load).transpose()?;
        let rules = Rules::of(assignment)?;
        let class = Self { folder: folder.clone(), paths, rules, roster, open };
        class.refuse_strays()?;
        Ok(class)
    }

    /// The folder of the results.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The rules by which points are counted.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How many results there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is no result at all.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The submissions in the order of their names, each read when its turn comes.
    pub fn entries(&self) -> impl Iterator<Item = anyhow::Result<Entry>> {
        self.paths.iter().map(|path| {
            let mut result = SubmissionResult::load(path)?;
            // A name that leads elsewhere would be written elsewhere.
            if result.submission.name != name_of(path) {
                bail!(
                    "{} says that it is of {:?}; a result is called as its submission",
                    path.display(),
                    result.submission.name
                );
            }
            self.complete(&mut result);
            let verdict = self.rules.judge(&result);
            Ok(Entry { result, verdict })
        })
    }

    /// The people of the roster whom no result names.
    ///
    /// # Errors
    ///
    /// A result cannot be read.
    pub fn without_result(&self) -> anyhow::Result<Vec<String>> {
        let Some(roster) = &self.roster else { return Ok(Vec::new()) };
        let mut found = BTreeSet::new();
        for entry in self.entries() {
            found.extend(entry?.result.submission.people.iter().filter_map(|one| roster.find(one)));
        }
        let left = roster.people.iter().enumerate().filter(|(index, _)| !found.contains(index));
        Ok(left.map(|(_, person)| intake::label(person)).collect())
    }

    fn complete(&self, result: &mut SubmissionResult) {
        let Some(roster) = &self.roster else { return };
        let submission = &mut result.submission;
        if submission.people.is_empty()
            && let Some(index) = roster.find_in_name(&submission.name)
        {
            submission.people.push(roster.people[index].clone());
        }
        for person in &mut submission.people {
            if let Some(index) = roster.find(person) {
                roster::complete(person, &roster.people[index]);
            }
        }
    }

    /// A rule for a check that does not exist would be obeyed by nobody.
    fn refuse_strays(&self) -> anyhow::Result<()> {
        if self.rules.assignment().checks.is_empty() {
            return Ok(());
        }
        for entry in self.entries() {
            let entry = entry?;
            if !matches!(entry.verdict, Verdict::Points(_)) {
                continue;
            }
            if let Some(stray) = self.rules.strays(&entry.result).first() {
                bail!(
                    "the assignment has a rule for {stray:?}, which is no check of what was \
                     graded; checks are named \"MODULE/CHECK\""
                );
            }
            return Ok(());
        }
        Ok(())
    }
}

impl Entry {
    /// The submission as an instructor knows it: its people, or else its name.
    pub fn label(&self) -> String {
        let people = &self.result.submission.people;
        let names: Vec<String> = people
            .iter()
            .filter(|person| **person != Person::default())
            .map(intake::label)
            .collect();
        if names.is_empty() { printable(&self.result.submission.name) } else { names.join(", ") }
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the runs in the folder say of themselves.
fn runs(folder: &Path) -> anyhow::Result<Vec<BatchFile>> {
    batch_paths(folder)?.iter().map(|path| BatchFile::load(path)).collect()
}

/// The modules graded, each check as in its manifest: for results without a copy of the assignment.
fn plain(runs: &[BatchFile], paths: &[PathBuf]) -> anyhow::Result<Assignment> {
    if let Some(run) = runs.first() {
        let mut assignment = Assignment::plain(run.modules.clone());
        assignment.title.clone_from(&run.title);
        return Ok(assignment);
    }
    let first = paths.first().context("there are no results")?;
    Ok(Assignment::plain(SubmissionResult::load(first)?.key.modules))
}
