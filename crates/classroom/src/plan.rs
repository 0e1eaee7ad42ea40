//! `cargo xtask plan`: a class dealt out into shards, as a job array for an engine that there is
//! already.
//!
//! A plan is a folder: a copy of the assignment and of the roster, and one file for the engine in
//! which the seed, the deadline and the number of shards stand. So all shards have one key, and
//! each may be started again at any time: `batch --shard I/N` goes on where it was.

mod github;
mod kubernetes;
mod slurm;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::assignment::Assignment;
use crate::batch::toolchain::Toolchain;
use crate::batch::{Asked, new_seed};
use crate::output;
use crate::results::{ASSIGNMENT_FILE, printable};
use crate::workspace::Workspace;

/// The copy of the roster in a plan.
const ROSTER_FILE: &str = "roster.csv";
/// Memory for each grading that goes on at the same time, in GiB: a submission may take 4, and what
/// grades it must outlive one that tries to take more.
const MEMORY_GIB: usize = 5;

/// Write the job array that grades a class on a cluster or in CI.
#[derive(Debug, Args)]
#[command(next_line_help = true)]
pub struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// What is to run the shards.
    #[arg(long, value_enum, value_name = "ENGINE")]
    format: Format,
    /// The folder for the plan; it must not be there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// About how many submissions a shard has.
    #[arg(long, value_name = "N", default_value_t = 25,
        value_parser = clap::value_parser!(u16).range(1..=10_000))]
    per_shard: u16,
    /// How many submissions of a shard are graded at the same time.
    #[arg(long, value_name = "N", default_value_t = 2,
        value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// The seed of all random input [default: a new one].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// kubernetes: the container image that has the course in /course, as the plan says.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// kubernetes: the persistent volume claim that holds submissions, plan and results
    /// [default: grading].
    #[arg(long, value_name = "NAME")]
    claim: Option<String>,
}

/// What runs the shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A job array for `sbatch`.
    Slurm,
    /// An indexed Job.
    Kubernetes,
    /// A workflow with a matrix.
    GithubActions,
}

/// What all engines are told.
struct Plan<'a> {
    title: String,
    /// The title as a name: small letters, digits and hyphens, at most 40.
    slug: String,
    submissions: usize,
    shards: usize,
    per_shard: usize,
    jobs: usize,
    seed: u64,
    deadline_ms: u64,
    has_roster: bool,
    trust: bool,
    /// The folder or archive with the submissions, absolute.
    class: PathBuf,
    /// The plan's folder, absolute.
    folder: PathBuf,
    workspace: &'a Workspace,
}

/// What becomes of a plan in an engine's terms.
struct Written {
    /// The engine's file.
    name: &'static str,
    text: String,
    /// What the instructor does next.
    next: String,
    /// What the instructor should know.
    notes: Vec<String>,
}

/// Runs the command.
///
/// # Errors
///
/// Wrong usage, or the plan cannot be written.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let for_kubernetes = arguments.format == Format::Kubernetes;
    for (given, name) in
        [(arguments.image.is_some(), "--image"), (arguments.claim.is_some(), "--claim")]
    {
        if given && !for_kubernetes {
            bail!("{name} is for kubernetes alone");
        }
    }
    if arguments.out.symlink_metadata().is_ok() {
        bail!("{} is there already; name a new folder", arguments.out.display());
    }
    let workspace = Workspace::find()?;
    let (assignment, text) = arguments.asked.assignment(&workspace)?;
    let (class, unpacked) = arguments.asked.class(&workspace)?;
    drop(unpacked);
    let per_shard = usize::from(arguments.per_shard);
    let submissions = class.submissions.len();
    let shards = submissions.div_ceil(per_shard);
    let plan = Plan {
        title: printable(&assignment.title).replace('\n', " "),
        slug: slug(&assignment.title),
        submissions,
        shards,
        per_shard: submissions.div_ceil(shards),
        jobs: usize::from(arguments.jobs),
        seed: arguments.seed.unwrap_or_else(new_seed),
        deadline_ms: arguments.asked.deadline_ms,
        has_roster: arguments.asked.roster.is_some(),
        trust: arguments.asked.trust_submissions,
        class: fs_err::canonicalize(&arguments.asked.submissions)?,
        folder: absolute(&arguments.out)?,
        workspace: &workspace,
    };
    let written = match arguments.format {
        Format::Slurm => slurm::write(&plan)?,
        Format::Kubernetes => {
            let Some(image) = &arguments.image else {
                bail!("--image names the container image that has the course in /course; give it")
            };
            kubernetes::write(&plan, image, arguments.claim.as_deref().unwrap_or("grading"))?
        }
        Format::GithubActions => github::write(&plan)?,
    };
    if arguments.format == Format::Slurm {
        // A cluster's nodes often have no network; what is built here they find.
        Toolchain::prepare(&workspace, &assignment_modules(&assignment))?;
    }
    save(&plan, &text, arguments.asked.roster.as_deref(), &written)?;
    tell(&plan, &class.notes, &written, &arguments.out)?;
    Ok(ExitCode::SUCCESS)
}

/// The path without links, though its last part is not there yet.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        bail!("{} is no new folder's name", path.display());
    };
    fs_err::create_dir_all(parent)?;
    Ok(fs_err::canonicalize(parent)?.join(name))
}

/// The modules in the taught order, as a grading has them.
fn assignment_modules(assignment: &Assignment) -> Vec<String> {
    let taught = crate::modules::TAUGHT.iter().map(|module| module.name.to_owned());
    taught.filter(|name| assignment.modules.contains(name)).collect()
}

/// Writes the folder, whole or not at all.
fn save(
    plan: &Plan,
    assignment: &str,
    roster: Option<&Path>,
    written: &Written,
) -> anyhow::Result<()> {
    let parent = plan.folder.parent().context("find the folder of the plan")?;
    let folder = tempfile::Builder::new().prefix(".plan-").tempdir_in(parent)?;
    fs_err::write(folder.path().join(ASSIGNMENT_FILE), assignment)?;
    if let Some(roster) = roster {
        fs_err::copy(roster, folder.path().join(ROSTER_FILE))?;
    }
    fs_err::write(folder.path().join(written.name), &written.text)?;
    if written.name == slurm::FILE {
        fs_err::create_dir(folder.path().join(slurm::LOGS))?;
    }
    fs_err::rename(folder.path(), &plan.folder)?;
    // It has another name now, so there is nothing to remove.
    _ = folder.keep();
    Ok(())
}

fn tell(plan: &Plan, notes: &[String], written: &Written, out: &Path) -> anyhow::Result<()> {
    let mut text = String::new();
    for note in notes.iter().chain(&written.notes) {
        text.push_str(&format!("note: {note}\n"));
    }
    text.push_str(&format!(
        "{} in {} of up to {}, seed {}\nplan in {}\n{}",
        counted(plan.submissions, "submission"),
        counted(plan.shards, "shard"),
        plan.per_shard,
        plan.seed,
        out.display(),
        written.next,
    ));
    output::print(text.as_bytes())
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

impl Plan<'_> {
    /// What `batch` is told after its submissions and the shard, with the plan's own files in
    /// `folder`; each word ready for a shell.
    fn options(&self, folder: &str) -> Vec<String> {
        let mut options =
            vec![format!("--seed {}", self.seed), format!("--deadline-ms {}", self.deadline_ms)];
        options.push(format!("--assignment {folder}/{ASSIGNMENT_FILE}"));
        if self.has_roster {
            options.push(format!("--roster {folder}/{ROSTER_FILE}"));
        }
        if self.trust {
            options.push("--trust-submissions".to_owned());
        }
        options
    }
}

/// A template with a value for each `@NAME@` in it. What a value holds is no place for another.
fn fill(template: &str, values: &[(&str, &dyn Display)]) -> anyhow::Result<String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, behind)) = rest.split_once('@') {
        text.push_str(before);
        let is_name = |name: &str| {
            let is_letter = |letter: char| letter.is_ascii_uppercase() || letter == '_';
            !name.is_empty() && name.chars().all(is_letter)
        };
        match behind.split_once('@').filter(|(name, _)| is_name(name)) {
            Some((name, behind)) => {
                let value = values.iter().find(|(known, _)| *known == name);
                let (_, value) =
                    value.with_context(|| format!("there is no value for @{name}@"))?;
                text.push_str(&value.to_string());
                rest = behind;
            }
            None => {
                text.push('@');
                rest = behind;
            }
        }
    }
    Ok(text + rest)
}

/// A text as one word of a POSIX shell.
fn shell(path: &Path) -> anyhow::Result<String> {
    let Some(text) = path.to_str() else { bail!("{} is not UTF-8", path.display()) };
    if text.contains('\n') {
        bail!("{text:?} has a line break in its name");
    }
    Ok(format!("'{}'", text.replace('\'', "'\\''")))
}

/// A text as one YAML scalar: a double-quoted one may be written as in JSON.
fn yaml(text: &str) -> anyhow::Result<String> {
    Ok(serde_json::to_string(text)?)
}

/// The title as a DNS label (RFC 1123), with room for a shard's number and a prefix.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for letter in title.chars() {
        match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_alphanumeric() => slug.push(letter),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() >= 40 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "class".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_label() {
        for (title, expected) in [
            ("Echo, 2nd week!", "echo-2nd-week"),
            ("--", "class"),
            ("名字", "class"),
            ("a".repeat(99).as_str(), "a".repeat(40).as_str()),
        ] {
            assert_eq!(slug(title), expected);
        }
    }

    #[test]
    fn a_template_is_filled_once() {
        let text = fill("a@v6 is @A@, @B_C@@A@", &[("A", &"@B_C@"), ("B_C", &7)]).expect("filled");
        assert_eq!(text, "a@v6 is @B_C@, 7@B_C@");
        let error = fill("@A@ @B@", &[("A", &1)]).expect_err("a value is missing");
        assert!(error.to_string().contains("@B@"), "{error}");
    }

    #[test]
    fn a_path_stays_one_word() {
        let quoted = shell(Path::new("/a b/it's $HOME")).expect("quoted");
        let output =
            std::process::Command::new("sh").arg("-c").arg(format!("printf %s {quoted}")).output();
        assert_eq!(output.expect("a shell").stdout, b"/a b/it's $HOME");
        assert!(shell(Path::new("/a\nb")).is_err());
    }
}
