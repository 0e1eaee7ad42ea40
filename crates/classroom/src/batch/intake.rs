//! Finds the submissions of a class, and whose they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::files::Source;
use super::gradescope;
use super::roster::{self, Roster};
use crate::results::{Person, printable};

/// One submission, found and not yet looked into.
#[derive(Debug, Clone)]
pub struct Found {
    /// Unique, and safe as a file's name.
    pub name: String,
    /// Whose it is, as far as is known.
    pub people: Vec<Person>,
    /// Where it is; nowhere if it is missing.
    pub source: Option<Source>,
    /// Its path as the instructor knows it.
    pub shown: String,
    /// When it was handed in, where the export says.
    pub submitted_at: Option<String>,
}

/// A class.
#[derive(Debug, Clone, Default)]
pub struct Class {
    /// Its submissions by name, those that are missing included.
    pub submissions: Vec<Found>,
    /// What the instructor should know.
    pub notes: Vec<String>,
}

/// The file by which a Gradescope export is known.
const GRADESCOPE: &str = "submission_metadata.yml";
/// What Moodle puts behind a learner's name and number.
const MOODLE: &str = "_assignsubmission_";
/// The summary that Classroom 50's `gh teacher download` writes beside the clones.
const CLASSROOM50: &str = "scores.csv";
/// How long a name may be, in bytes: `.json` and a number still fit into 255.
const NAME_BYTES: usize = 100;
/// What no file on Windows may be called.
const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];

impl Class {
    /// Finds the submissions in the folder, and whose they are by the export's own naming and the
    /// roster.
    ///
    /// # Errors
    ///
    /// The folder cannot be read or holds no submission.
    pub fn find(folder: &Path, roster: Option<&Roster>) -> anyhow::Result<Self> {
        let mut class = Self::default();
        let entries = entries(folder, &mut class.notes)?;
        let metadata = folder.join(GRADESCOPE);
        if metadata.is_file() {
            let bytes = fs_err::read(&metadata)?;
            class.take_gradescope(entries, &String::from_utf8_lossy(&bytes));
        } else if entries.iter().any(|entry| entry.name.contains(MOODLE)) {
            class.take_moodle(entries);
        } else {
            let accounts = accounts(&folder.join(CLASSROOM50), roster)?;
            class.take_others(entries, &accounts);
        }
        if class.submissions.is_empty() {
            bail!(
                "{} holds no submission: no folder, and no zip, tar or tar.gz archive",
                folder.display()
            );
        }
        if let Some(roster) = roster {
            class.apply(roster);
        }
        class.name_apart();
        Ok(class)
    }

    fn take_gradescope(&mut self, entries: Vec<Entry>, metadata: &str) {
        let known = gradescope::parse(metadata);
        for entry in entries {
            let told = known.get(&entry.name).cloned();
            if told.is_none() {
                self.notes.push(format!("{GRADESCOPE} does not name {}", printable(&entry.name)));
            }
            let told = told.unwrap_or_default();
            self.add(entry, |found| {
                found.people = told.people;
                found.submitted_at = told.created_at;
            });
        }
    }

    /// `Ada Lovelace_12345_assignsubmission_file_`, a folder or the beginning of a file's name.
    fn take_moodle(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            let Some((who, kind)) = entry.name.split_once(MOODLE) else {
                self.notes.push(format!(
                    "left out, since Moodle names no such file: {}",
                    printable(&entry.name)
                ));
                continue;
            };
            if !kind.starts_with("file") {
                self.notes.push(format!(
                    "left out, since it is no handed-in file: {}",
                    printable(&entry.name)
                ));
                continue;
            }
            let (name, number) = who.rsplit_once('_').unwrap_or((who, ""));
            let person = Person {
                name: Some(name.to_owned()),
                id: (!number.is_empty()).then(|| number.to_owned()),
                ..Person::default()
            };
            let who = who.to_owned();
            self.add(entry, |found| {
                found.name = safe_name(&who);
                found.people = vec![person];
            });
        }
    }

    /// Clones by Classroom 50 end in "-" and the account's name; all others are called as they are.
    fn take_others(&mut self, entries: Vec<Entry>, accounts: &BTreeMap<String, Account>) {
        for entry in entries {
            let stem = stem(&entry.name).to_lowercase();
            let is_of =
                |account: &&String| stem.ends_with(&format!("-{account}")) || stem == **account;
            let account = accounts.keys().filter(is_of).max_by_key(|account| account.len());
            let Some(account) = account.and_then(|account| accounts.get(account)) else {
                self.add(entry, |_| {});
                continue;
            };
            let account = account.clone();
            self.add(entry, |found| {
                found.name = safe_name(account.person.username.as_deref().unwrap_or(&found.name));
                found.people = vec![account.person];
                found.submitted_at = account.submitted_at;
            });
        }
    }

    fn add(&mut self, entry: Entry, describe: impl FnOnce(&mut Found)) {
        let mut found = Found {
            name: safe_name(stem(&entry.name)),
            people: Vec::new(),
            source: Some(entry.source),
            shown: printable(&entry.name),
            submitted_at: None,
        };
        describe(&mut found);
        self.submissions.push(found);
    }

    /// Says whose the submissions are, and who is missing.
    fn apply(&mut self, roster: &Roster) {
        let mut handed_in: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for found in &mut self.submissions {
            let mut indices: Vec<Option<usize>> =
                found.people.iter().map(|person| roster.find(person)).collect();
            if indices.iter().all(Option::is_none)
                && let Some(index) = roster.find_in_name(stem(&found.shown))
            {
                indices = vec![Some(index)];
                found.people = vec![Person::default()];
            }
            for (person, index) in found.people.iter_mut().zip(&indices) {
                if let Some(index) = index {
                    roster::complete(person, &roster.people[*index]);
                    handed_in.entry(*index).or_default().push(found.shown.clone());
                }
            }
            if indices.iter().all(Option::is_none) {
                self.notes.push(format!("the roster names nobody who fits {}", found.shown));
            }
        }
        for (index, person) in roster.people.iter().enumerate() {
            match handed_in.get(&index).map(Vec::as_slice) {
                None => self.submissions.push(missing(person)),
                Some([_]) => {}
                Some(several) => {
                    let who = label(person);
                    self.notes.push(format!("{who} has handed in {}", several.join(" and ")));
                }
            }
        }
    }

    /// Gives each a name of its own, also where a file system takes small and capital letters for
    /// the same.
    fn name_apart(&mut self) {
        let mut taken = BTreeSet::new();
        for found in &mut self.submissions {
            let base = found.name.clone();
            let mut number = 2;
            while !taken.insert(found.name.to_lowercase()) {
                found.name = format!("{base}-{number}");
                number += 1;
            }
        }
        self.submissions.sort_by(|left, right| left.name.cmp(&right.name));
    }
}

fn missing(person: &Person) -> Found {
    let known = [&person.username, &person.id, &person.email, &person.name];
    let name = known.into_iter().flatten().next().map_or("nobody", String::as_str);
    Found {
        name: safe_name(name),
        people: vec![person.clone()],
        source: None,
        shown: String::new(),
        submitted_at: None,
    }
}

/// What a person is called where one name is enough.
pub fn label(person: &Person) -> String {
    let known = [&person.name, &person.email, &person.username, &person.id];
    printable(known.into_iter().flatten().next().map_or("somebody", String::as_str))
}

/// One thing in the folder of submissions.
struct Entry {
    name: String,
    source: Source,
}

fn entries(folder: &Path, notes: &mut Vec<String>) -> anyhow::Result<Vec<Entry>> {
    for inside in ["src", "exercises"] {
        if folder.join(inside).is_dir() {
            bail!(
                "{} looks like one submission, since it has a folder {inside}; give the folder \
                 that holds the submissions",
                folder.display()
            );
        }
    }
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut entries = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let metadata = fs_err::symlink_metadata(&path)?;
        let source = match () {
            () if name.starts_with('.') || name == "__MACOSX" => continue,
            () if metadata.is_dir() => Some(Source::Folder(path)),
            () if metadata.is_file() => Source::archive(&path),
            () => None,
        };
        match source {
            Some(source) => entries.push(Entry { name, source }),
            None if [GRADESCOPE, CLASSROOM50].contains(&name.as_str()) => {}
            None => notes.push(format!(
                "left out, since it is neither a folder nor a zip, tar or tar.gz archive: {}",
                printable(&name)
            )),
        }
    }
    Ok(entries)
}

/// What is known of an account.
#[derive(Debug, Clone)]
struct Account {
    person: Person,
    submitted_at: Option<String>,
}

/// The accounts by their names in small letters, from Classroom 50's summary and from the roster.
fn accounts(summary: &Path, roster: Option<&Roster>) -> anyhow::Result<BTreeMap<String, Account>> {
    let mut accounts = BTreeMap::new();
    for person in roster.into_iter().flat_map(|roster| &roster.people) {
        if let Some(username) = &person.username {
            let account = Account { person: person.clone(), submitted_at: None };
            accounts.insert(username.to_lowercase(), account);
        }
    }
    if !summary.is_file() {
        return Ok(accounts);
    }
    let explain = || format!("read {}", summary.display());
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).from_path(summary).with_context(explain)?;
    let headings = reader.headers().with_context(explain)?.clone();
    let place = |heading: &str| headings.iter().position(|one| one == heading);
    let Some(username) = place("username") else { return Ok(accounts) };
    for record in reader.records() {
        let record = record.with_context(explain)?;
        let cell = |at: Option<usize>| {
            let cell = at.and_then(|at| record.get(at)).map(str::trim);
            cell.filter(|cell| !cell.is_empty()).map(str::to_owned)
        };
        let Some(username) = cell(Some(username)) else { continue };
        let names = [cell(place("first_name")), cell(place("last_name"))];
        let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let person = Person {
            name: (!name.is_empty()).then_some(name),
            email: cell(place("email")),
            id: None,
            username: Some(username.clone()),
        };
        let submitted_at = cell(place("datetime"));
        let known = accounts
            .entry(username.to_lowercase())
            .or_insert(Account { person, submitted_at: None });
        // A line a submission, in no order that is promised: the last one counts.
        let later = |old: &String, new: &String| {
            use crate::moment::Moment;
            Moment::parse(new) > Moment::parse(old)
        };
        match (&known.submitted_at, submitted_at) {
            (Some(old), Some(new)) if !later(old, &new) => {}
            (_, Some(new)) => known.submitted_at = Some(new),
            (_, None) => {}
        }
    }
    Ok(accounts)
}

/// The name without an archive's ending.
fn stem(name: &str) -> &str {
    let small = name.to_ascii_lowercase();
    let endings = [".zip", ".tar.gz", ".tgz", ".tar"];
    let ending = endings.iter().find(|ending| small.ends_with(**ending));
    ending.map_or(name, |ending| &name[..name.len() - ending.len()])
}

/// The name with nothing in it that a file system, a shell or a page might take for more, and not
/// one of the run's own files.
pub fn safe_name(name: &str) -> String {
    let allowed =
        |letter: char| letter.is_alphanumeric() || ['-', '_', '.', '@', '+'].contains(&letter);
    let mut safe: String =
        name.trim().chars().map(|letter| if allowed(letter) { letter } else { '_' }).collect();
    let mut end = safe.len().min(NAME_BYTES);
    while !safe.is_char_boundary(end) {
        end -= 1;
    }
    safe.truncate(end);
    let small = safe.to_lowercase();
    let is_reserved = RESERVED
        .iter()
        .any(|reserved| small == *reserved || small.starts_with(&format!("{reserved}.")));
    let begins_badly =
        safe.is_empty() || safe.starts_with(['.', '-']) || small.starts_with("batch");
    if is_reserved || begins_badly { format!("_{safe}") } else { safe }
}
