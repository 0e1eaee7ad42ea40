//! The compiler, and the dependencies that it links against: found and built once a run.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::interrupt::Group;
use crate::workspace::{Owner, Workspace};

/// What is needed to compile submissions.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// What `rustc --version` says.
    pub version: String,
    /// The folder of the compiler and its libraries.
    pub sysroot: PathBuf,
    /// The folder of the compiled dependencies.
    pub libraries: PathBuf,
    /// By module: the names of the crates that it may use, and their files in `libraries`.
    pub of_module: BTreeMap<String, Vec<(String, String)>>,
}

impl Toolchain {
    /// Finds the compiler that cargo would use in the course's folder, and builds what the starters
    /// of `modules` depend on, unless that was done before.
    ///
    /// # Errors
    ///
    /// There is no compiler, or a dependency cannot be built.
    pub fn prepare(workspace: &Workspace, modules: &[String]) -> anyhow::Result<Self> {
        let version = ask(workspace, &["--version"])?;
        let sysroot = PathBuf::from(ask(workspace, &["--print", "sysroot"])?);
        let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for module in modules {
            wanted.insert(module.clone(), dependencies(workspace, module)?);
        }
        let mut names: Vec<&str> = wanted.values().flatten().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let manifest = stub_manifest(workspace, &names)?;
        let lock = fs_err::read(workspace.root().join("Cargo.lock")).unwrap_or_default();
        let verbose = ask(workspace, &["-vV"])?;
        let key = short_hash(&[verbose.as_bytes(), manifest.as_bytes(), &lock]);
        let folder = workspace.own_target().join("classroom").join("dependencies").join(&key);
        let libraries = folder.join("libraries");
        let list = folder.join("libraries.json");
        // Shards begin at the same time, and each would build where the others do.
        fs_err::create_dir_all(folder.parent().unwrap_or(&folder))?;
        let turn = fs_err::File::create(folder.with_extension("lock"))?;
        retry_on_intr(|| flock(&turn, FlockOperation::LockExclusive))
            .context("wait for another run that builds the dependencies")?;
        if !list.is_file() {
            build(workspace, &folder, &manifest, &lock, &names)?;
        }
        let files: BTreeMap<String, String> = serde_json::from_str(&fs_err::read_to_string(&list)?)
            .with_context(|| format!("read {}; remove it and try again", list.display()))?;
        let mut of_module = BTreeMap::new();
        for (module, names) in wanted {
            let file = |name: &String| {
                let name = name.replace('-', "_");
                let file = files.get(&name).cloned();
                Some((name, file?))
            };
            let found: Option<Vec<_>> = names.iter().map(file).collect();
            let Some(found) = found else {
                bail!("cargo built no library for a dependency of {module}: {}", names.join(", "));
            };
            of_module.insert(module, found);
        }
        Ok(Self { version, sysroot, libraries, of_module })
    }

    /// The compiler itself: `rustc` on the PATH may be a proxy that looks for it.
    pub fn rustc(&self) -> PathBuf {
        self.sysroot.join("bin/rustc")
    }
}

fn ask(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<String> {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace.root())
        .stderr(Stdio::inherit())
        .output()
        .context("start rustc; it comes with Rust, see https://rustup.rs")?;
    if !output.status.success() {
        bail!("`rustc {}` fails", arguments.join(" "));
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// The names under `[dependencies]` of the module's starter.
fn dependencies(workspace: &Workspace, module: &str) -> anyhow::Result<Vec<String>> {
    let path = workspace.program_folder(module, Owner::Learner).join("Cargo.toml");
    let table = table(&path)?;
    let names = table.get("dependencies").and_then(toml::Value::as_table);
    Ok(names.into_iter().flat_map(toml::Table::keys).cloned().collect())
}

fn table(path: &Path) -> anyhow::Result<toml::Table> {
    let text = fs_err::read_to_string(path)?;
    toml::from_str(&text).with_context(|| format!("{} is not valid TOML", path.display()))
}

/// A package of its own with the course's dependencies, as the course writes them.
fn stub_manifest(workspace: &Workspace, names: &[&str]) -> anyhow::Result<String> {
    let course = table(&workspace.root().join("Cargo.toml"))?;
    let known = course
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(toml::Value::as_table);
    let mut text = String::from(
        "[package]\nname = \"dependencies\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [lib]\npath = \"lib.rs\"\n[workspace]\n[profile.dev]\ndebug = false\n[dependencies]\n",
    );
    for name in names {
        let Some(value) = known.and_then(|known| known.get(*name)) else {
            bail!("the course's Cargo.toml does not say which version of {name} it takes");
        };
        text.push_str(&format!("{name} = {}\n", inline(value)));
    }
    Ok(text)
}

/// The value as it stands on one line of a TOML file. Its strings and keys are plain ASCII without
/// control characters (versions, features, paths), which Rust and TOML write alike.
fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("{text:?}"),
        toml::Value::Boolean(truth) => truth.to_string(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        toml::Value::Table(table) => {
            let pair =
                |(key, value): (&String, &toml::Value)| format!("{key:?} = {}", inline(value));
            format!("{{ {} }}", table.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        // Cargo knows no other values here.
        toml::Value::Float(_) | toml::Value::Datetime(_) => String::new(),
    }
}

/// Builds the dependencies and collects what the compiler needs of them in one folder. The list of
/// them is written last: without it nothing here counts.
fn build(
    workspace: &Workspace,
    folder: &Path,
    manifest: &str,
    lock: &[u8],
    names: &[&str],
) -> anyhow::Result<()> {
    if folder.exists() {
        fs_err::remove_dir_all(folder)?;
    }
    let stub = folder.join("stub");
    fs_err::create_dir_all(&stub)?;
    fs_err::write(stub.join("Cargo.toml"), manifest)?;
    fs_err::write(stub.join("lib.rs"), "")?;
    if !lock.is_empty() {
        fs_err::write(stub.join("Cargo.lock"), lock)?;
    }
    let messages = run_cargo(workspace, &stub, &folder.join("built"))?;
    let libraries = folder.join("libraries");
    fs_err::create_dir_all(&libraries)?;
    let mut files = BTreeMap::new();
    for message in messages.iter().filter(|message| message["reason"] == "compiler-artifact") {
        let name = message["target"]["name"].as_str().unwrap_or_default().replace('-', "_");
        for path in message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str)
        {
            let path = Path::new(path);
            let (Some(file), Some(kind)) = (path.file_name(), path.extension()) else { continue };
            if kind == "rlib" || kind == "rmeta" {
                copy_readable(path, &libraries.join(file))?;
            }
            if kind == "rlib" && names.iter().any(|wanted| wanted.replace('-', "_") == name) {
                files.insert(name.clone(), file.to_string_lossy().into_owned());
            }
        }
    }
    fs_err::remove_dir_all(folder.join("built"))?;
    fs_err::write(folder.join("libraries.json"), serde_json::to_vec_pretty(&files)?)?;
    Ok(())
}

/// Whoever the compiler runs as may read it.
fn copy_readable(from: &Path, to: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::copy(from, to)?;
    Ok(fs_err::set_permissions(to, std::fs::Permissions::from_mode(0o644))?)
}

fn run_cargo(workspace: &Workspace, stub: &Path, target: &Path) -> anyhow::Result<Vec<Value>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    // From the course's folder: its settings (a folder of vendored dependencies) hold here too.
    command.current_dir(workspace.root());
    command.args(["build", "--quiet", "--message-format", "json-render-diagnostics"]);
    command.arg("--manifest-path").arg(stub.join("Cargo.toml"));
    command.arg("--target-dir").arg(target);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command.spawn().context("start cargo")?;
    let _group = Group::of(&child);
    let output = child.wait_with_output().context("wait for cargo")?;
    if !output.status.success() {
        bail!("cannot build what the starters depend on; cargo says why above");
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// The first half of a SHA-256, in hexadecimal: a folder's name.
pub fn short_hash(parts: &[&[u8]]) -> String {
    hash(parts)[..32].to_owned()
}

/// SHA-256 over the parts and their lengths, in hexadecimal.
pub fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
