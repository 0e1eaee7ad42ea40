//! `cargo xtask assign`: a handout that stands alone, and the autograders of the same assignment.
//!
//! ```text
//! DIR/handout          for learners: nothing of a solution or a hidden check is in it
//! DIR/gradescope.zip   Gradescope's autograder, with all checks
//! DIR/classroom50      Classroom 50's autograder, which is public: without the hidden ones
//! ```
//!
//! Everything is made in a folder beside DIR, which is renamed when it is whole.

mod autograders;
mod edit;
mod hide;
mod manifest;
mod packages;
mod plan;
mod readme;
mod shell;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::interrupt::{self, PassingFolder};
use crate::output;
use crate::terminal::Progress;
use crate::workspace::Workspace;
use plan::Plan;
use shell::Cargo;
use tree::Reader;

/// Make a handout that stands alone, and autograders for the same assignment.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The modules to hand out; with --assignment, its own.
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    /// The folder to make; it must not hold anything yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The title, the due date and how each check counts; without it, all as in the course.
    #[arg(long, value_name = "FILE")]
    assignment: Option<PathBuf>,
    /// Put all dependencies into the handout, for rooms without a network.
    #[arg(long)]
    vendor: bool,
    /// Make the handout a git repository, with a first commit.
    #[arg(long)]
    git: bool,
}

/// Runs the command.
///
/// # Errors
///
/// Wrong usage, a broken assignment, or something that cannot be read or written. Then there is no
/// folder.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let plan = Plan::find(&workspace, &arguments.modules, arguments.assignment.as_deref())?;
    let out = free_place(&arguments.out)?;
    let author = arguments.git.then(|| author(workspace.root())).transpose()?;
    let room = PassingFolder::make(beside(&out)?)
        .with_context(|| format!("make the handout beside {}", out.display()))?;
    make(&workspace, &plan, arguments, author.as_ref(), room.path())?;
    let mentions = mentions(&plan, &room.path().join("handout"))?;
    appear(room, &out)?;
    output::print(told(&plan, &arguments.out, arguments).as_bytes())?;
    for mention in mentions {
        anstream::eprintln!("note: {mention}");
    }
    Ok(ExitCode::SUCCESS)
}

fn make(
    workspace: &Workspace,
    plan: &Plan,
    arguments: &Arguments,
    author: Option<&Author>,
    room: &Path,
) -> anyhow::Result<()> {
    let progress = Progress::begin("laying out the handout");
    let cargo = Cargo::new(workspace);
    let handout = room.join("handout");
    tree::lay_out(workspace, plan, Reader::Learner, &cargo, &handout)?;
    let readme = readme::for_learners(plan, arguments.vendor);
    tree::write(&handout.join("README.md"), &readme)?;
    progress.say("writing the autograders");
    let slug = autograders::slug(plan);
    autograders::classroom50(workspace, plan, &handout, &slug, room)?;
    let inside = room.join("gradescope");
    autograders::gradescope(workspace, plan, &cargo, &inside, room)?;
    tree::write(&room.join("README.md"), &readme::for_instructors(plan, &slug))?;
    tree::write(&room.join("assignment.toml"), &toml::to_string(&plan.assignment)?)?;
    if arguments.vendor {
        progress.say("copying the dependencies");
        vendor(&cargo, &handout)?;
    }
    if let Some(author) = author {
        commit(&handout, &plan.assignment.title, author)?;
    }
    Ok(())
}

/// Where texts that were handed out still name a hidden check: no machine can reword them.
fn mentions(plan: &Plan, handout: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for module in &plan.modules {
        let name = module.module.name;
        for folder in [handout.join("crates").join(name), handout.join("exercises").join(name)] {
            let is_prose = |file: &PathBuf| {
                ["module.toml", "quiz.toml", "README.md"].iter().any(|name| file.ends_with(name))
            };
            for file in tree::files(&folder)?.into_iter().filter(is_prose) {
                let text = fs_err::read_to_string(&file).unwrap_or_default();
                // An id of one word is a word of the lesson, too.
                let is_telling = |check: &&plan::CheckPlan| check.hidden && check.id.contains('-');
                for check in module.checks.iter().filter(is_telling) {
                    let id = &check.id;
                    let names = [format!("`{id}`"), format!("\"{id}\""), check.title.clone()];
                    if names.iter().any(|name| text.contains(name)) {
                        let file = file.strip_prefix(handout)?;
                        found.push(format!(
                            "{} in the handout still names the hidden check {name}/{id}; reword it",
                            file.display()
                        ));
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The folder to make, if there is room for it.
fn free_place(out: &Path) -> anyhow::Result<PathBuf> {
    let shown = out.display();
    let full = std::path::absolute(out).with_context(|| format!("find {shown}"))?;
    match fs_err::symlink_metadata(&full) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("look at {shown}")),
        Ok(kind) if !kind.is_dir() => bail!("{shown} is there already, and is no folder"),
        Ok(_) if fs_err::read_dir(&full)?.next().is_some() => {
            bail!("{shown} is not empty; nothing was written, name another folder with --out");
        }
        Ok(_) => {}
    }
    match full.parent() {
        Some(parent) if parent.is_dir() => Ok(full),
        Some(parent) => bail!("there is no folder {} to make {shown} in", parent.display()),
        None => bail!("{shown} is no folder that can be made"),
    }
}

/// The folder in which all is made. An earlier run that was killed may have left one of the name.
fn beside(out: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = out.file_name() else {
        bail!("{} names no folder; end it with a name", out.display());
    };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".being-made");
    Ok(out.with_file_name(hidden))
}

/// Makes the folder appear under its name, whole.
fn appear(room: PassingFolder, out: &Path) -> anyhow::Result<()> {
    let whole = interrupt::hold();
    // An empty folder may be renamed over (rename(2)).
    let renamed = fs_err::rename(room.path(), out);
    drop(whole);
    drop(room);
    renamed.with_context(|| format!("give {} its name", out.display()))
}

fn vendor(cargo: &Cargo, handout: &Path) -> anyhow::Result<()> {
    let arguments = ["vendor", "--locked", "vendor"];
    let settings = cargo.must(handout, &arguments, "copy the dependencies")?;
    let file = handout.join(".cargo/config.toml");
    let mut text = fs_err::read_to_string(&file)?;
    text.push_str("\n# All dependencies are in the folder `vendor`: nothing is downloaded.\n");
    text.push_str(settings.trim_start());
    tree::write(&file, &text)?;
    // Cargo compares each file with its hash: git must neither leave one out nor change its lines.
    let file = handout.join(".gitignore");
    let mut text = fs_err::read_to_string(&file).unwrap_or_default();
    text.push_str("!/vendor/**\n");
    tree::write(&file, &text)?;
    tree::write(&handout.join(".gitattributes"), "/vendor/** -text\n")
}

/// Who commits.
struct Author {
    name: String,
    email: String,
}

/// Asked before anything is made.
fn author(root: &Path) -> anyhow::Result<Author> {
    let ask = |name: &str| {
        let value = shell::git(root, &["config", "--get", name]).unwrap_or_default();
        if value.is_empty() {
            bail!(
                "--git makes a commit, and git does not know whose: set your name and address \
                 with `git config --global user.name NAME` and `git config --global user.email \
                 ADDRESS`"
            );
        }
        Ok(value)
    };
    shell::git(root, &["--version"])?;
    Ok(Author { name: ask("user.name")?, email: ask("user.email")? })
}

fn commit(handout: &Path, title: &str, author: &Author) -> anyhow::Result<()> {
    shell::git(handout, &["init", "--quiet", "--initial-branch", "main"])?;
    // Whoever has global rules for ignored files would hand out less than there is.
    shell::git(handout, &["-c", "core.excludesFile=", "add", "--all"])?;
    let (name, email) =
        (format!("user.name={}", author.name), format!("user.email={}", author.email));
    let message = title.lines().next().filter(|line| !line.trim().is_empty());
    let message = message.unwrap_or("Handout");
    shell::git(
        handout,
        &["-c", &name, "-c", &email, "commit", "--quiet", "--no-verify", "-m", message],
    )?;
    Ok(())
}

fn told(plan: &Plan, out: &Path, arguments: &Arguments) -> String {
    let out = out.display();
    let hidden: usize = plan.modules.iter().map(|module| module.hidden().len()).sum();
    let hidden = match hidden {
        0 => "no check is hidden".to_owned(),
        1 => "without 1 hidden check".to_owned(),
        more => format!("without {more} hidden checks"),
    };
    let committed = if arguments.git { ", committed to git" } else { "" };
    let vendored = if arguments.vendor { ", with all dependencies" } else { "" };
    format!(
        "{out}/handout          for learners: {} ({hidden}{vendored}{committed})\n\
         {out}/gradescope.zip   Gradescope's autograder, with all checks: not for learners\n\
         {out}/classroom50      Classroom 50's autograder, without hidden checks\n\
         {out}/README.md        what goes where\n",
        plan.names().join(", ")
    )
}
