//! Takes hidden checks out of a module's crate: their registration, and with it whatever nothing
//! else uses. What that is, the compiler says.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;
use walkdir::WalkDir;

use super::shell::Cargo;
use super::{edit, tree};

/// The compiler's error for a `use` of something that is not there.
const STALE_IMPORT: &str = "E0432";

/// How often the compiler is asked what has become useless: each answer may lay bare more.
const ROUNDS: usize = 40;

/// What the compiler calls the things that can go.
const USELESS: [&str; 3] = ["dead_code", "unused_imports", "unused_macros"];

/// Takes the checks `hidden` out of the crate of `module` in the course at `root`.
///
/// # Errors
///
/// A check is registered in a way that this does not follow, or what is left does not compile.
pub fn hide(root: &Path, module: &str, hidden: &[&str], cargo: &Cargo) -> anyhow::Result<()> {
    if hidden.is_empty() {
        return Ok(());
    }
    let sources = root.join("crates").join(module).join("src");
    let library = sources.join("lib.rs");
    let text = fs_err::read_to_string(&library)?;
    let left = edit::without_registrations(&text, hidden)
        .with_context(|| format!("hide checks of {module} in its src/lib.rs"))?;
    tree::write(&library, &left)?;
    for _ in 0..ROUNDS {
        let messages = ask(root, module, cargo)?;
        let found = useless(&messages, root);
        let emptied = drop_empty_files(&sources)?;
        if found.is_empty() && !emptied {
            return Ok(());
        }
        if !take_out(&found, &sources, module)? && !emptied {
            return keep_quiet(&found, &sources);
        }
    }
    bail!("the crate of {module} still holds something useless after {ROUNDS} rounds")
}

fn ask(root: &Path, module: &str, cargo: &Cargo) -> anyhow::Result<Vec<Value>> {
    let package = format!("{module}-grading");
    let arguments = ["check", "--quiet", "--package", &package, "--message-format", "json"];
    let said = cargo.run(root, &arguments)?;
    let lines = said.stdout.split(|byte| *byte == b'\n');
    let messages: Vec<Value> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let errors = messages.iter().map(|message| &message["message"]);
    let mut errors = errors.filter(|message| message["level"] == "error");
    // What names an item that has gone can go, too; the last message only counts the others.
    let is_stale = |message: &Value| {
        message["code"]["code"] == STALE_IMPORT
            || message["spans"].as_array().is_some_and(Vec::is_empty)
    };
    let has_stale =
        messages.iter().any(|message| message["message"]["code"]["code"] == STALE_IMPORT);
    if said.succeeded || (has_stale && errors.all(is_stale)) {
        return Ok(messages);
    }
    let errors: Vec<&str> =
        messages.iter().filter_map(|message| message["message"]["rendered"].as_str()).collect();
    bail!(
        "without its hidden checks the crate of {module} does not compile:\n{}{}",
        errors.concat(),
        String::from_utf8_lossy(&said.stderr)
    )
}

/// What can go, by file.
#[derive(Default)]
struct Useless {
    /// Places in items that nothing uses.
    dead: Vec<usize>,
    /// Parts of `use` declarations, as the compiler would cut them.
    imports: Vec<Range<usize>>,
    /// Names in `use` declarations of what is no longer there.
    stale: Vec<Range<usize>>,
}

fn useless(messages: &[Value], root: &Path) -> BTreeMap<PathBuf, Useless> {
    let mut found: BTreeMap<PathBuf, Useless> = BTreeMap::new();
    let has_stale =
        messages.iter().any(|message| message["message"]["code"]["code"] == STALE_IMPORT);
    for message in messages.iter().map(|message| &message["message"]) {
        let code = message["code"]["code"].as_str().unwrap_or_default();
        // One thing at a time: with an error, the compiler's other remarks are not complete.
        let wanted = if has_stale { code == STALE_IMPORT } else { USELESS.contains(&code) };
        if !wanted {
            continue;
        }
        if code == "unused_imports" {
            let children = message["children"].as_array().into_iter().flatten();
            for span in children.flat_map(|child| child["spans"].as_array().into_iter().flatten()) {
                if span["suggested_replacement"] == ""
                    && let Some((file, bytes)) = place(span, root)
                {
                    found.entry(file).or_default().imports.push(bytes);
                }
            }
            continue;
        }
        let spans = message["spans"].as_array().into_iter().flatten();
        for span in spans.filter(|span| span["is_primary"] == true) {
            if let Some((file, bytes)) = place(span, root) {
                let useless = found.entry(file).or_default();
                if has_stale {
                    useless.stale.push(bytes);
                } else {
                    useless.dead.push(bytes.start);
                }
            }
        }
    }
    found
}

fn place(span: &Value, root: &Path) -> Option<(PathBuf, Range<usize>)> {
    let number = |name: &str| span[name].as_u64().and_then(|number| usize::try_from(number).ok());
    let file = root.join(span["file_name"].as_str()?);
    Some((file, number("byte_start")?..number("byte_end")?))
}

/// Whether anything could be taken out.
fn take_out(
    found: &BTreeMap<PathBuf, Useless>,
    sources: &Path,
    module: &str,
) -> anyhow::Result<bool> {
    let mut types = Vec::new();
    let mut is_less = false;
    for (file, useless) in found.iter().filter(|(file, _)| file.starts_with(sources)) {
        let text = fs_err::read_to_string(file)?;
        let attempt = || format!("read {} of {module}", file.display());
        let (items, _) = edit::items_at(&text, &useless.dead).with_context(attempt)?;
        let source = edit::Source::new(&text);
        let mut ranges: Vec<Range<usize>> =
            useless.imports.iter().map(|bytes| source.whole_if_alone(bytes.clone())).collect();
        for item in items {
            types.extend(item.type_name);
            ranges.push(item.bytes);
        }
        is_less |= !ranges.is_empty() || !useless.stale.is_empty();
        if !useless.stale.is_empty() {
            tree::write(file, &edit::without_imports(&text, useless.stale.clone()))?;
            continue;
        }
        tree::write(file, &edit::cut(&text, ranges))?;
    }
    for file in files(sources)? {
        let text = fs_err::read_to_string(&file)?;
        let mut ranges = Vec::new();
        for name in &types {
            ranges.extend(edit::impls_of(&text, name)?);
        }
        if !ranges.is_empty() {
            tree::write(&file, &edit::cut(&text, ranges))?;
        }
    }
    Ok(is_less)
}

/// A field or a variant that nothing reads stays, since others are written beside it; a learner's
/// build is not to warn of it.
fn keep_quiet(found: &BTreeMap<PathBuf, Useless>, sources: &Path) -> anyhow::Result<()> {
    for (file, useless) in found.iter().filter(|(file, _)| file.starts_with(sources)) {
        let text = fs_err::read_to_string(file)?;
        let mut quiet = String::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let end = start + line.len();
            if useless.dead.iter().any(|place| (start..end).contains(place)) {
                let indent = line.len() - line.trim_start().len();
                quiet.push_str(&line[..indent]);
                quiet.push_str("#[allow(dead_code)]\n");
            }
            quiet.push_str(line);
            start = end;
        }
        tree::write(file, &quiet)?;
    }
    Ok(())
}

/// A file in which nothing is left goes, with its declaration.
fn drop_empty_files(sources: &Path) -> anyhow::Result<bool> {
    let mut dropped = false;
    for file in files(sources)? {
        let (Some(name), Some(folder)) = (file.file_stem(), file.parent()) else { continue };
        if name == "lib" || !edit::is_empty(&fs_err::read_to_string(&file)?)? {
            continue;
        }
        let parent =
            if folder == sources { sources.join("lib.rs") } else { folder.with_extension("rs") };
        let text = fs_err::read_to_string(&parent)?;
        tree::write(&parent, &edit::without_module(&text, &name.to_string_lossy())?)?;
        fs_err::remove_file(&file)?;
        dropped = true;
    }
    Ok(dropped)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        if entry.file_type().is_file() && entry.path().extension().is_some_and(|kind| kind == "rs")
        {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}
