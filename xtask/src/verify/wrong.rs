//! Known-wrong programs: the reference with one file changed, each one misconception.

use std::env;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::build;
use crate::interrupt::Group;
use crate::output::ResultFile;
use crate::workspace::{Owner, Workspace};

/// What a known-wrong program is meant to show, from its `wrong.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// What its author believes.
    pub misconception: String,
    /// The checks that must fail.
    pub fails: Vec<String>,
    /// The checks that may fail as well.
    #[serde(default)]
    pub may_fail: Vec<String>,
    /// The failures whose symptom and hint are held to.
    pub shows: Vec<Shown>,
}

/// A failure as a learner is to see it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The check.
    pub check: String,
    /// The symptom's name.
    pub symptom: String,
    /// Further symptoms, where the kernel's timing decides which one is seen.
    #[serde(default)]
    pub or: Vec<String>,
    /// `Some("first")` if the check's first hint is shown, else the hint of the symptom.
    #[serde(default)]
    pub hint: Option<HintWanted>,
}

/// Which hint is wanted, where it is not the symptom's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HintWanted {
    /// The check's first.
    First,
}

/// A known-wrong program.
#[derive(Debug, Clone)]
pub struct Wrong {
    /// Its folder's name.
    pub name: String,
    /// What it is meant to show.
    pub meaning: Meaning,
    folder: PathBuf,
}

impl Wrong {
    /// Whether the check is one that this program fails, or may fail.
    pub fn names(&self, check: &str) -> bool {
        self.meaning.fails.iter().chain(&self.meaning.may_fail).any(|named| named == check)
    }
}

/// What is needed to compile: found once, used for each program.
pub struct Compiler {
    program: OsString,
    version: String,
    libraries: Vec<(String, PathBuf)>,
    module: String,
    reference: PathBuf,
    out: PathBuf,
}

/// The known-wrong programs of a module by name, and a sentence for each that cannot be read.
///
/// # Errors
///
/// The folder is there and cannot be read.
pub fn all(workspace: &Workspace, module: &str) -> anyhow::Result<(Vec<Wrong>, Vec<String>)> {
    let folder = workspace.checks_folder(module).join("wrong");
    let (mut programs, mut problems) = (Vec::new(), Vec::new());
    if !folder.is_dir() {
        return Ok((programs, problems));
    }
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(&folder)? {
        folders.push(entry?.path());
    }
    folders.sort();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        match read(folder) {
            Ok(wrong) => programs.push(wrong),
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    Ok((programs, problems))
}

impl Compiler {
    /// Prepares to compile variants of the module's reference against the libraries that cargo
    /// built for it.
    ///
    /// # Errors
    ///
    /// There is no `rustc`, or a dependency of the reference was not built.
    pub fn new(
        workspace: &Workspace,
        module: &str,
        built: &[(String, PathBuf)],
    ) -> anyhow::Result<Self> {
        let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version =
            Command::new(&program).arg("-vV").output().context("ask rustc for its version")?;
        let reference = workspace.program_folder(module, Owner::Reference);
        let manifest = fs_err::read_to_string(reference.join("Cargo.toml"))?;
        let manifest: toml::Table =
            toml::from_str(&manifest).context("read the reference's Cargo.toml")?;
        let wanted = manifest.get("dependencies").and_then(toml::Value::as_table);
        let mut libraries = Vec::new();
        for name in wanted.into_iter().flat_map(toml::Table::keys) {
            let name = name.replace('-', "_");
            let Some(library) = built.iter().find(|(built, _)| *built == name) else {
                bail!("cargo built no library `{name}` for the reference of {module}");
            };
            libraries.push(library.clone());
        }
        Ok(Self {
            program,
            version: String::from_utf8_lossy(&version.stdout).into_owned(),
            libraries,
            module: module.to_owned(),
            reference: reference.join("src"),
            out: workspace.own_target().join("wrong").join(module),
        })
    }

    /// Where a compiled program stands.
    pub fn program(&self, wrong: &Wrong) -> PathBuf {
        self.out.join(&wrong.name).join(&wrong.name)
    }

    /// Compiles a program, unless it was compiled before from the same sources.
    ///
    /// # Errors
    ///
    /// What rustc says, or why the sources cannot be put together.
    pub fn compile(&self, wrong: &Wrong) -> anyhow::Result<PathBuf> {
        let folder = self.out.join(&wrong.name);
        let program = self.program(wrong);
        let sources = self.sources(wrong)?;
        let key = self.key(&sources)?;
        let key_file = folder.join("key");
        if program.is_file() && fs_err::read_to_string(&key_file).is_ok_and(|old| old == key) {
            return Ok(program);
        }
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        for (path, content) in &sources {
            let file = folder.join("src").join(path);
            if let Some(parent) = file.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::write(file, content)?;
        }
        self.run_rustc(&folder, &program)?;
        ResultFile::prepare(&key_file)?.write(key.as_bytes())?;
        Ok(program)
    }

    /// The reference's sources with the program's own in their place.
    fn sources(&self, wrong: &Wrong) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
        let changed = super::files_below(&wrong.folder.join("src"))?;
        let [changed] = changed.as_slice() else {
            bail!(
                "it has {} files in src/; leave the one that differs from the reference",
                changed.len()
            );
        };
        let files = super::files_below(&self.reference)?;
        if !files.contains(changed) {
            bail!(
                "its src/{} is no file of the reference; name it as that file",
                changed.display()
            );
        }
        let mut sources = Vec::new();
        for file in files {
            let folder = if file == *changed { &wrong.folder.join("src") } else { &self.reference };
            let content = fs_err::read(folder.join(&file))?;
            if file == *changed && content == fs_err::read(self.reference.join(&file))? {
                bail!("its src/{} is the reference's; put the mistake into it", file.display());
            }
            sources.push((file, content));
        }
        Ok(sources)
    }

    /// What the program depends on, in short: another key is another program.
    fn key(&self, sources: &[(PathBuf, Vec<u8>)]) -> anyhow::Result<String> {
        let mut hasher = DefaultHasher::new();
        (sources, &self.version, &self.libraries).hash(&mut hasher);
        for (_, library) in &self.libraries {
            let metadata = fs_err::metadata(library)?;
            (metadata.len(), metadata.modified()?).hash(&mut hasher);
        }
        Ok(format!("{:016x}", hasher.finish()))
    }

    fn run_rustc(&self, folder: &Path, program: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(&self.program);
        let crate_name = Owner::Reference.package(&self.module).replace('-', "_");
        command.args(["--edition", "2024", "--cap-lints", "allow", "-C", "codegen-units=1"]);
        command.args(["--crate-name", &crate_name, "--crate-type", "bin", "-C", "debuginfo=0"]);
        for (name, library) in &self.libraries {
            let mut value = OsString::from(format!("{name}="));
            value.push(library);
            command.arg("--extern").arg(value);
            if let Some(dependencies) = library.parent() {
                let mut value = OsString::from("dependency=");
                value.push(dependencies);
                command.arg("-L").arg(value);
            }
        }
        command.arg("-o").arg(program).arg(folder.join("src/main.rs"));
        command.env("CARGO_PKG_NAME", Owner::Reference.package(&self.module));
        command.env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        build::end_with_runner(&mut command);
        let child = command.spawn().context("start rustc")?;
        let _group = Group::of(&child);
        let output = child.wait_with_output().context("wait for rustc")?;
        if !output.status.success() {
            bail!("it does not compile; rustc says:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

fn read(folder: PathBuf) -> anyhow::Result<Wrong> {
    let path = folder.join("wrong.toml");
    let text = fs_err::read_to_string(&path).context("a known-wrong program has no wrong.toml")?;
    let meaning: Meaning =
        toml::from_str(&text).with_context(|| format!("{} breaks the format", path.display()))?;
    if meaning.misconception.trim().is_empty()
        || meaning.fails.is_empty()
        || meaning.shows.is_empty()
    {
        bail!(
            "{} needs a misconception, at least one check in `fails` and at least one `[[shows]]`",
            path.display()
        );
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Wrong { name, meaning, folder })
}
