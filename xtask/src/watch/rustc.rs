//! After a save, what cargo did for the last one is done again by rustc alone.
//!
//! Cargo reads the whole workspace before it calls the compiler, and it waits where an editor's
//! `cargo check` holds the target folder. A save in a watch mostly changes a program's own source
//! and nothing else. So the watch remembers the command by which cargo compiled a program, and runs
//! it as long as all that cargo would look at is as it was. Whatever is out of the ordinary, a
//! program that does not compile included, is left to cargo.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Context;
use serde_json::Value;

use crate::build::{self, Build, Outcome};
use crate::cancel::Cancel;
use crate::interrupt::Group;
use crate::terminal::Progress;
use crate::workspace::{Owner, Workspace};

/// What is passed on of cargo's options. Without debug information and in few units a small program
/// compiles in two thirds of the time.
const OWN_OPTIONS: [&str; 4] = ["-C", "debuginfo=0", "-C", "codegen-units=4"];

/// The commands of the programs that cargo has compiled since the watch began.
#[derive(Debug, Default)]
pub struct Commands(Mutex<HashMap<String, Remembered>>);

/// How one program is compiled.
#[derive(Debug, Clone)]
struct Remembered {
    /// The compiler and its arguments.
    words: Vec<String>,
    /// Where the program goes.
    program: PathBuf,
    /// What the command depends on besides the source, as it was.
    inputs: Vec<(PathBuf, Stamp)>,
}

/// When a file was written last and its length in bytes; `None` if it is not there.
type Stamp = Option<(SystemTime, u64)>;

impl Commands {
    /// Builds the learner's program of `module`: by rustc alone if that is enough, else by cargo.
    ///
    /// # Errors
    ///
    /// As [`build::build_until`].
    pub fn build(
        &self,
        workspace: &Workspace,
        module: &str,
        colour: bool,
        progress: &Progress,
        cancel: &Cancel,
    ) -> anyhow::Result<Option<Outcome>> {
        if let Some(remembered) = self.of(module)
            && let Ok(Some(outcome)) = remembered.compile(workspace, colour, cancel)
        {
            return Ok(Some(outcome));
        }
        let owner = Owner::Learner;
        let mut built = build::build_until(workspace, &[module], owner, colour, progress, cancel)?;
        if let Some(remembered) = Remembered::from(&built, workspace, module) {
            self.lock().insert(module.to_owned(), remembered);
        }
        Ok(built.outcomes.pop())
    }

    /// The command for `module`, if it still holds.
    fn of(&self, module: &str) -> Option<Remembered> {
        let remembered = self.lock().get(module).cloned();
        remembered.filter(|one| one.inputs.iter().all(|(file, then)| stamp(file) == *then))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// What `built` tells of the program of `module`; `None` if it was not compiled, or needs more
    /// than one call of the compiler.
    fn from(built: &Build, workspace: &Workspace, module: &str) -> Option<Self> {
        let folder = workspace.program_folder(module, Owner::Learner);
        let compiled = built.commands.iter().filter_map(|command| shlex::split(command));
        let of_it = |words: &Vec<String>| {
            words.iter().any(|word| workspace.root().join(word).starts_with(folder.join("src")))
        };
        let [words] = compiled.filter(of_it).collect::<Vec<_>>().try_into().ok()?;
        let libraries = values_of(&words, "--extern").filter_map(|value| value.split_once('='));
        let libraries: Vec<PathBuf> = libraries.map(|(_, file)| PathBuf::from(file)).collect();
        let is_foreign = |file: &PathBuf| built.libraries.iter().any(|(_, known)| known == file);
        if !libraries.iter().all(is_foreign) {
            return None;
        }
        let out = PathBuf::from(values_of(&words, "--out-dir").next()?);
        let out = out.parent()?.join("watch");
        let root = workspace.root();
        let settings = ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", ".cargo/config"];
        let toolchain = ["rust-toolchain.toml", "rust-toolchain"];
        let own = ["Cargo.toml", "build.rs", "src/lib.rs"];
        let inputs = settings.iter().chain(&toolchain).map(|name| root.join(name));
        let inputs = inputs.chain(own.iter().map(|name| folder.join(name))).chain(libraries);
        let inputs = inputs.map(|file| {
            let then = stamp(&file);
            (file, then)
        });
        let inputs = inputs.collect();
        let program = out.join(module);
        Some(Self { words: own_words(words, &out, &program), program, inputs })
    }

    /// The program; `None` if the compiler refuses it.
    fn compile(
        &self,
        workspace: &Workspace,
        colour: bool,
        cancel: &Cancel,
    ) -> anyhow::Result<Option<Outcome>> {
        fs_err::create_dir_all(self.program.parent().context("a folder for the program")?)?;
        let (compiler, arguments) = self.words.split_first().context("a compiler")?;
        let mut command = Command::new(compiler);
        command.args(arguments).current_dir(workspace.root());
        build::end_with_runner(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("start rustc")?;
        let group = Arc::new(Group::of(&child));
        cancel.ends_group(&group);
        let mut outcome = Outcome::default();
        let stderr = child.stderr.take().context("a pipe from rustc")?;
        for line in BufReader::new(stderr).lines() {
            if let Ok(message) = serde_json::from_str::<Value>(&line.context("listen to rustc")?) {
                build::take_message(&message, &mut outcome);
            }
        }
        if !child.wait().context("wait for rustc")?.success() {
            return Ok(None);
        }
        if !colour {
            outcome.warnings = anstream::adapter::strip_str(&outcome.warnings).to_string();
        }
        outcome.errors.clear();
        outcome.executable = Some(self.program.clone());
        Ok(Some(outcome))
    }
}

/// Cargo's words, with a place and a state of the watch's own: cargo's next build finds its files
/// as it left them.
fn own_words(words: Vec<String>, out: &Path, program: &Path) -> Vec<String> {
    const CARGOS: [&str; 5] =
        ["incremental=", "debuginfo=", "codegen-units=", "metadata=", "extra-filename="];
    let mut kept: Vec<String> = Vec::with_capacity(words.len());
    let mut rest = words.into_iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-C" | "--out-dir" => {
                let value = rest.next().unwrap_or_default();
                let is_cargos = CARGOS.iter().any(|prefix| value.starts_with(prefix));
                if word == "-C" && !is_cargos {
                    kept.extend([word, value]);
                }
            }
            emit if emit.starts_with("--emit=") => {}
            _ => kept.push(word),
        }
    }
    kept.extend(OWN_OPTIONS.map(str::to_owned));
    let state = format!("incremental={}", out.join("incremental").display());
    kept.extend(["--emit=link".to_owned(), "-C".to_owned(), state]);
    kept.extend(["-o".to_owned(), program.display().to_string()]);
    kept
}

/// What follows each `option`.
fn values_of<'a>(words: &'a [String], option: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = words.windows(2);
    pairs.filter(move |pair| pair[0] == option).map(|pair| pair[1].as_str())
}

fn stamp(file: &Path) -> Stamp {
    let metadata = file.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
