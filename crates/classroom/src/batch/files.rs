//! What is taken from one submission: regular files `src/**/*.rs`, and nothing else. Nothing is
//! ever extracted to the instructor's disk; what is refused is told, and stops nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::read::MultiGzDecoder;

use super::toolchain;
use crate::modules;
use crate::results::printable;

/// Where a submission is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder, perhaps a git clone.
    Folder(PathBuf),
    /// A zip archive.
    Zip(PathBuf),
    /// A tar archive.
    Tar(PathBuf),
    /// A tar archive, compressed with gzip.
    TarGz(PathBuf),
}

/// What was taken from a submission.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// By module: the files by their paths ("src/main.rs"), whose order is that of the bytes.
    pub modules: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// What the instructor should know, escaped.
    pub notes: Vec<String>,
    /// Why nothing was taken at all, if so.
    pub refused: Option<String>,
}

/// The most files and folders that are looked at.
const ENTRIES: u64 = 50_000;
/// The longest path, in bytes.
const PATH_BYTES: usize = 1024;
/// The largest source file, in bytes.
const FILE_BYTES: u64 = 1 << 20;
/// The most source code altogether, in bytes.
const TOTAL_BYTES: u64 = 8 << 20;
/// The most source files.
const FILES: usize = 500;
/// How much a compressed archive may unpack to, in bytes: somebody may have left the build in it.
const UNPACKED_BYTES: u64 = 1 << 30;
/// From so many bytes on, how many times larger than the archive its contents may be.
const RATIO_FROM_BYTES: u64 = 32 << 20;
const RATIO: u64 = 200;
/// How many remarks of one kind are told.
const ALIKE: usize = 5;
/// Folders that hold no work of the learner's.
const PASSED_OVER: [&str; 9] = [
    "target",
    ".git",
    ".cargo",
    "vendor",
    "node_modules",
    "__MACOSX",
    "solutions",
    "crates",
    "xtask",
];

impl Source {
    /// The archive's kind by its name; none for a file that is no archive.
    pub fn archive(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let path = path.to_path_buf();
        match () {
            () if name.ends_with(".zip") => Some(Self::Zip(path)),
            () if name.ends_with(".tar.gz") || name.ends_with(".tgz") => Some(Self::TarGz(path)),
            () if name.ends_with(".tar") => Some(Self::Tar(path)),
            () => None,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Zip(path) | Self::Tar(path) | Self::TarGz(path) => path,
        }
    }
}

impl Taken {
    /// SHA-256 over modules, paths and contents, and over the reason if nothing was taken.
    pub fn hash(&self) -> String {
        let mut parts: Vec<&[u8]> = Vec::new();
        for (module, files) in &self.modules {
            parts.push(module.as_bytes());
            for (path, content) in files {
                parts.extend([path.as_bytes(), content]);
            }
            parts.push(b"");
        }
        parts.extend(self.refused.as_ref().map(String::as_bytes));
        toolchain::hash(&parts)
    }
}

/// Takes the files of `modules` from a submission.
///
/// A program lies in `exercises/MODULE`, in a folder called MODULE, or, if there is one module
/// only,
/// in whatever folder has `src/main.rs`, the one nearest to the top, unless another module of the
/// course is called so.
///
/// # Errors
///
/// The instructor's or the machine's: the folder or the archive cannot be read. What is wrong with
/// a submission itself stands in what was taken.
pub fn take(source: &Source, modules: &[String]) -> anyhow::Result<Taken> {
    let mut picker = Picker::new(modules);
    let visited = visit(source, &mut picker);
    let refused = told(visited).with_context(|| format!("read {}", source.path().display()))?;
    let mut archives = std::mem::take(&mut picker.archives);
    // Learning platforms give a folder a learner, with the archive in it.
    if let (None, true, Source::Folder(folder)) = (&refused, picker.roots.is_empty(), source)
        && !archives.is_empty()
    {
        archives.sort();
        let inner = folder.join(archives.swap_remove(0));
        if !archives.is_empty() {
            picker.remarks.add(
                "another archive",
                "left alone",
                archives[0].as_os_str().as_encoded_bytes(),
            );
        }
        if let Some(inner) = Source::archive(&inner) {
            let visited = visit(&inner, &mut picker);
            let refused =
                told(visited).with_context(|| format!("read {}", inner.path().display()))?;
            return Ok(picker.finish(refused));
        }
    }
    Ok(picker.finish(refused))
}

/// Why a submission is refused, or the machine's error.
fn told(visited: Result<(), Stop>) -> anyhow::Result<Option<String>> {
    match visited {
        Ok(()) => Ok(None),
        Err(Stop::Refused(why)) => Ok(Some(why)),
        Err(Stop::Error(error)) => Err(error.into()),
    }
}

/// Why the way through a submission ends early.
#[derive(Debug)]
pub enum Stop {
    /// The submission is not as it may be.
    Refused(String),
    /// The machine failed.
    Error(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Error(error)
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder, which needs no word.
    Folder,
    /// Anything else, by the words for it.
    Other(&'static str),
}

/// Who looks at entries.
pub trait Visitor {
    /// Whether the content of the file at this path is wanted.
    fn wants(&mut self, path: &[u8], kind: Kind) -> bool;
    /// Takes the content of such a file.
    ///
    /// # Errors
    ///
    /// It goes beyond what is taken.
    fn take(&mut self, path: &[u8], content: &mut dyn Read) -> Result<(), Stop>;
}

/// Shows the visitor every entry.
///
/// # Errors
///
/// As [`Stop`] says.
pub fn visit(source: &Source, visitor: &mut dyn Visitor) -> Result<(), Stop> {
    let damaged = |error: io::Error| Stop::Refused(damaged(source.path(), &error.to_string()));
    match source {
        Source::Folder(folder) => visit_folder(folder, visitor),
        Source::Zip(path) => visit_zip(path, visitor),
        Source::Tar(path) => visit_tar(open(path)?, visitor).map_err(|stop| stop.or(damaged)),
        Source::TarGz(path) => {
            let file = open(path)?;
            let packed = file.metadata()?.len();
            let bounded = Bounded { inner: MultiGzDecoder::new(file), packed, total: 0 };
            visit_tar(bounded, visitor).map_err(|stop| stop.or(damaged))
        }
    }
}

impl Stop {
    /// What an archive's reader fails at is the archive.
    fn or(self, explain: impl FnOnce(io::Error) -> Self) -> Self {
        match self {
            Self::Refused(why) => Self::Refused(why),
            Self::Error(error) => match error.get_ref().map(ToString::to_string) {
                Some(why) if why.starts_with(BOMB) => Self::Refused(why),
                _ => explain(error),
            },
        }
    }
}

const BOMB: &str = "the archive unpacks to more than";

fn damaged(path: &Path, why: &str) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    printable(&format!("{name} cannot be read as an archive: {why}"))
}

fn open(path: &Path) -> io::Result<fs::File> {
    // A FIFO would wait for somebody who writes.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{} is no regular file", path.display())));
    }
    Ok(file)
}

/// A reader that refuses what grows too large, or too large for its source.
struct Bounded<R> {
    inner: R,
    packed: u64,
    total: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.total += count as u64;
        if self.total > UNPACKED_BYTES {
            return Err(io::Error::other(format!("{BOMB} {} MiB", UNPACKED_BYTES >> 20)));
        }
        if self.total > RATIO_FROM_BYTES && self.total / RATIO > self.packed {
            return Err(io::Error::other(format!("{BOMB} {RATIO} times its size")));
        }
        Ok(count)
    }
}

fn visit_folder(folder: &Path, visitor: &mut dyn Visitor) -> Result<(), Stop> {
    let mut count = 0;
    let mut open_folders = vec![PathBuf::new()];
    while let Some(below) = open_folders.pop() {
        let mut names = Vec::new();
        for entry in fs_err::read_dir(folder.join(&below))? {
            names.push(entry?.file_name());
            count += 1;
            if count > ENTRIES {
                return Err(Stop::Refused(too_many_entries()));
            }
        }
        names.sort();
        for name in names {
            let path = below.join(&name);
            let shown = path.as_os_str().as_encoded_bytes();
            let full = folder.join(&path);
            let kind = kind_of(fs_err::symlink_metadata(&full)?.file_type());
            match kind {
                Kind::Folder if PASSED_OVER.iter().any(|passed| name == *passed) => {}
                Kind::Folder => open_folders.push(path),
                _ if visitor.wants(shown, kind) => visitor.take(shown, &mut open(&full)?)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn kind_of(kind: fs::FileType) -> Kind {
    match () {
        () if kind.is_dir() => Kind::Folder,
        () if kind.is_file() => Kind::File,
        () if kind.is_symlink() => Kind::Other("a symbolic link"),
        () if kind.is_fifo() => Kind::Other("a FIFO"),
        () if kind.is_socket() => Kind::Other("a socket"),
        () => Kind::Other("a device"),
    }
}

fn too_many_entries() -> String {
    format!("it holds more than {ENTRIES} files and folders")
}

fn visit_zip(path: &Path, visitor: &mut dyn Visitor) -> Result<(), Stop> {
    let mut file = open(path)?;
    // The whole directory is read into memory next.
    if zip_entries(&mut file)? > ENTRIES {
        return Err(Stop::Refused(too_many_entries()));
    }
    let explain = |error: zip::result::ZipError| Stop::Refused(damaged(path, &error.to_string()));
    let mut archive = zip::ZipArchive::new(io::BufReader::new(file)).map_err(explain)?;
    if archive.len() as u64 > ENTRIES {
        return Err(Stop::Refused(too_many_entries()));
    }
    for index in 0..archive.len() {
        let (name, kind, packed) = {
            let entry = archive.by_index_raw(index).map_err(explain)?;
            (entry.name_raw().to_vec(), zip_kind(&entry), entry.compressed_size())
        };
        // Some programs for Windows write its separator.
        let name: Vec<u8> =
            name.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
        if !visitor.wants(&name, kind) {
            continue;
        }
        let entry = archive.by_index(index).map_err(explain)?;
        let mut bounded = Bounded { inner: entry, packed, total: 0 };
        let damaged = |error: io::Error| Stop::Refused(damaged(path, &error.to_string()));
        visitor.take(&name, &mut bounded).map_err(|stop| stop.or(damaged))?;
    }
    Ok(())
}

fn zip_kind<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> Kind {
    // The file type's bits of a Unix mode; archives made elsewhere have none.
    let bits = entry.unix_mode().unwrap_or_default() & 0o170_000;
    match bits {
        0o120_000 => Kind::Other("a symbolic link"),
        0o010_000 => Kind::Other("a FIFO"),
        0o140_000 => Kind::Other("a socket"),
        0o020_000 | 0o060_000 => Kind::Other("a device"),
        _ if entry.is_dir() || entry.name_raw().ends_with(b"\\") => Kind::Folder,
        _ if entry.encrypted() => Kind::Other("encrypted"),
        _ => Kind::File,
    }
}

/// How many entries the end of the file says there are; APPNOTE.TXT of the format, section 4.3.16.
fn zip_entries(file: &mut fs::File) -> io::Result<u64> {
    const LONGEST: u64 = 22 + 65_535;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    let mut end = Vec::new();
    file.take(LONGEST).read_to_end(&mut end)?;
    file.seek(SeekFrom::Start(0))?;
    let said = end.windows(22).rev().find(|window| window.starts_with(b"PK\x05\x06"));
    Ok(match said {
        // So many stand in a record of their own, which is for archives larger than any of these.
        Some([.., 0xff, 0xff, _, _, _, _, _, _, _, _, _, _]) => u64::MAX,
        Some(record) => u64::from(u16::from_le_bytes([record[10], record[11]])),
        // No archive: the reader of archives says so.
        None => 0,
    })
}

fn visit_tar(from: impl Read, visitor: &mut dyn Visitor) -> Result<(), Stop> {
    let mut archive = tar::Archive::new(from);
    // Raw entries: the reader would otherwise hold a long name in memory, however long it is.
    let (mut long_name, mut count): (Option<Vec<u8>>, u64) = (None, 0);
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        count += 1;
        if count > ENTRIES {
            return Err(Stop::Refused(too_many_entries()));
        }
        let kind = entry.header().entry_type();
        let path = entry.path_bytes().into_owned();
        if kind.is_gnu_longname() {
            long_name = Some(short_content(&mut entry)?);
            continue;
        }
        if kind.is_pax_local_extensions() {
            long_name = pax_path(&short_content(&mut entry)?).or(long_name);
            continue;
        }
        if kind.is_pax_global_extensions() || kind.is_gnu_longlink() {
            continue;
        }
        let mut path = long_name.take().unwrap_or(path);
        while path.last() == Some(&0) {
            path.pop();
        }
        let kind = tar_kind(kind);
        if visitor.wants(&path, kind) {
            visitor.take(&path, &mut entry)?;
        }
    }
    Ok(())
}

fn tar_kind(kind: tar::EntryType) -> Kind {
    match () {
        () if kind.is_dir() => Kind::Folder,
        () if kind.is_file() || kind.is_contiguous() => Kind::File,
        () if kind.is_symlink() => Kind::Other("a symbolic link"),
        () if kind.is_hard_link() => Kind::Other("a hard link"),
        () if kind.is_fifo() => Kind::Other("a FIFO"),
        () if kind.is_character_special() || kind.is_block_special() => Kind::Other("a device"),
        () => Kind::Other("no regular file"),
    }
}

/// The beginning of what describes the next entry.
fn short_content(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    entry.take(16 << 10).read_to_end(&mut content)?;
    Ok(content)
}

/// The path in an extended header: lines of `LENGTH KEY=VALUE`; pax(1).
fn pax_path(content: &[u8]) -> Option<Vec<u8>> {
    let mut rest = content;
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
        let line = rest.get(space + 1..length.checked_sub(1)?)?;
        if let Some(path) = line.strip_prefix(b"path=") {
            return Some(path.to_vec());
        }
        rest = rest.get(length..)?;
    }
    None
}

/// Remarks, few of each kind.
#[derive(Debug, Default)]
struct Remarks(BTreeMap<(String, String), (usize, Vec<String>)>);

impl Remarks {
    /// "PATH is WHAT: DONE".
    fn add(&mut self, what: &str, done: &str, path: &[u8]) {
        let (count, paths) = self.0.entry((what.to_owned(), done.to_owned())).or_default();
        *count += 1;
        if paths.len() < ALIKE {
            let mut shown = printable(&String::from_utf8_lossy(path)).replace('\n', "\\n");
            if shown.len() > 120 {
                shown = shown.chars().take(100).collect::<String>() + "…";
            }
            paths.push(shown);
        }
    }

    fn tell(self) -> Vec<String> {
        let tell = |((what, done), (count, paths)): ((String, String), (usize, Vec<String>))| {
            let more = count - paths.len();
            let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{done}, since it is {what}: {}{tail}", paths.join(", "))
        };
        self.0.into_iter().map(tell).collect()
    }
}

/// Picks the source files of the modules.
struct Picker<'a> {
    modules: &'a [String],
    /// The files of each folder that fits a module.
    roots: BTreeMap<Root, BTreeMap<String, Vec<u8>>>,
    /// Paths in small letters.
    seen: BTreeMap<String, String>,
    archives: Vec<PathBuf>,
    remarks: Remarks,
    total: u64,
    count: usize,
}

/// How well a folder fits, its depth, its path, and the module.
type Root = (u8, usize, String, String);

/// A place in a submission that fits a module.
struct Place {
    root: Root,
    path: String,
}

impl<'a> Picker<'a> {
    fn new(modules: &'a [String]) -> Self {
        Self {
            modules,
            roots: BTreeMap::new(),
            seen: BTreeMap::new(),
            archives: Vec::new(),
            remarks: Remarks::default(),
            total: 0,
            count: 0,
        }
    }

    /// Which modules' programs a file may belong to, the best first.
    fn places(&self, path: &str) -> Vec<Place> {
        let parts: Vec<&str> =
            path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let mut places = Vec::new();
        for (at, _) in parts.iter().enumerate().filter(|(_, part)| **part == "src") {
            let (above, below) = parts.split_at(at);
            if above.iter().any(|part| PASSED_OVER.contains(part)) {
                continue;
            }
            for module in self.modules {
                let named = above.last() == Some(&module.as_str());
                let rank = match () {
                    () if named && above.len() > 1 && above[above.len() - 2] == "exercises" => 0,
                    () if named => 1,
                    () if self.modules.len() == 1 && !is_of_another(above, module) => 2,
                    () => continue,
                };
                let root = (rank, above.len(), above.join("/"), module.clone());
                places.push(Place { root, path: below.join("/") });
            }
        }
        places
    }

    fn finish(self, refused: Option<String>) -> Taken {
        let mut taken = Taken { notes: self.remarks.tell(), ..Taken::default() };
        if let Some(why) = refused {
            taken.notes.push(format!("refused as a whole: {why}"));
            taken.refused = Some(why);
            return taken;
        }
        // Of two places that fit, one with a program is better than one without.
        for has_program in [true, false] {
            for ((_, _, _, module), files) in &self.roots {
                if files.contains_key("src/main.rs") == has_program
                    && !taken.modules.contains_key(module)
                {
                    taken.modules.insert(module.clone(), files.clone());
                }
            }
        }
        taken
    }
}

/// Whether a folder is called as another module of the course.
fn is_of_another(above: &[&str], module: &str) -> bool {
    let others = modules::TAUGHT.iter().map(|module| module.name).filter(|name| *name != module);
    others.into_iter().any(|other| above.contains(&other))
}

/// What is wrong with a path, if anything.
fn fault_of(path: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(path);
    match (path, text) {
        _ if path.len() > PATH_BYTES => Some("too long a path"),
        (_, Err(_)) => Some("a path that is not UTF-8"),
        ([b'/', ..] | [_, b':', ..], _) => Some("an absolute path"),
        (_, Ok(text)) if text.split('/').any(|part| part == "..") => Some("a path that leads out"),
        (_, Ok(text)) if text.chars().any(char::is_control) => {
            Some("a path with control characters")
        }
        _ => None,
    }
}

impl Visitor for Picker<'_> {
    fn wants(&mut self, path: &[u8], kind: Kind) -> bool {
        if kind == Kind::Folder {
            return false;
        }
        if let Some(fault) = fault_of(path) {
            self.remarks.add(fault, "left out", path);
            return false;
        }
        let text = String::from_utf8_lossy(path).into_owned();
        if let Kind::Other(what) = kind {
            self.remarks.add(what, "left out", path);
            return false;
        }
        if Source::archive(Path::new(&text)).is_some() && text.split('/').count() <= 2 {
            self.archives.push(PathBuf::from(&text));
        }
        if !text.ends_with(".rs") || self.places(&text).is_empty() {
            return false;
        }
        let small = text.to_lowercase();
        if let Some(first) = self.seen.get(&small) {
            let what = if *first == text {
                "a second file of that name"
            } else {
                "a file whose name differs from another's in case only"
            };
            self.remarks.add(what, "left out", path);
            return false;
        }
        self.seen.insert(small, text);
        true
    }

    fn take(&mut self, path: &[u8], content: &mut dyn Read) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        content.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES {
            self.remarks.add("larger than 1 MiB", "left out", path);
            return Ok(());
        }
        self.total += bytes.len() as u64;
        self.count += 1;
        if self.total > TOTAL_BYTES {
            return Err(Stop::Refused(format!(
                "its source files exceed {} MiB",
                TOTAL_BYTES >> 20
            )));
        }
        if self.count > FILES {
            return Err(Stop::Refused(format!("it holds more than {FILES} source files")));
        }
        for place in self.places(&String::from_utf8_lossy(path)) {
            self.roots.entry(place.root).or_default().insert(place.path, bytes.clone());
        }
        Ok(())
    }
}
