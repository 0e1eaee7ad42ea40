//! A folder that a program works in, seen from the grader's side: what the grader puts there, and
//! what must be there later.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use grader::bytes::first_difference_in;
use grader::retell::retold;
use grader::tree::{Entry, snapshot};
use grader::wording::file_transfer as words;
use grader::{Check, Failure, Pattern, Program, Symptom, Verdict};

use crate::watch::IN_SIGHT;

/// How many bytes before the first difference a message shows, and how many in all.
const CONTEXT_BYTES: usize = 16;
const SHOWN_BYTES: usize = 64;

/// A file that should have been whole, or as it was, and is not.
pub(crate) const INCOMPLETE: Symptom = Symptom::Named("incomplete-file");
/// Something of a transfer is still there after its end.
pub(crate) const LEFT_BEHIND: &str = "left-behind";

/// Everything below a folder at some time.
pub(crate) type Snapshot = BTreeMap<PathBuf, Entry>;

/// A folder of a check's.
pub(crate) struct Folder {
    path: PathBuf,
    /// As the programs know it, from the folder in which they run.
    name: &'static str,
}

impl Folder {
    /// The folder in which the check's programs run.
    pub fn working(check: &Check) -> Self {
        Self { path: check.folder().to_path_buf(), name: "." }
    }

    /// A new folder `name` below it.
    pub fn new(check: &Check, name: &'static str) -> Verdict<Self> {
        let path = check.folder().join(name);
        fs_err::create_dir(&path)?;
        Ok(Self { path, name })
    }

    /// The folder `name` that stands in it.
    pub fn below(&self, name: &'static str) -> Self {
        Self { path: self.path.join(name), name }
    }

    /// The same folder, on the disk that only `program` sees.
    pub fn inside(self, program: &Program) -> Self {
        Self { path: program.path_inside(&self.path), ..self }
    }

    /// Where the grader finds it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it as the learner reads it.
    pub fn shown(&self, name: &str) -> String {
        if self.name == "." { name.to_owned() } else { format!("{}/{name}", self.name) }
    }

    /// Puts a file there.
    pub fn write(&self, check: &Check, name: &str, bytes: &[u8]) -> Verdict {
        fs_err::write(self.path.join(name), bytes)?;
        check.note(words::grader_writes(&self.shown(name), bytes.len() as u64));
        Ok(())
    }

    /// Puts a file of `size` bytes there, all of them 0, which takes no room on the disk.
    pub fn write_hollow(&self, check: &Check, name: &str, size: u64) -> Verdict {
        fs_err::File::create(self.path.join(name))?.set_len(size)?;
        check.note(words::grader_writes(&self.shown(name), size));
        Ok(())
    }

    /// Puts empty files there until its disk takes no more: fewer than `most`.
    pub fn fill_with_empty_files(&self, check: &Check, most: u64) -> Verdict {
        for number in 0..most {
            match fs_err::File::create_new(self.path.join(format!("filler-{number}"))) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    check.note(words::grader_fills(self.name));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(grader::Stop::Error(anyhow::anyhow!(
            "{} takes more than {most} files",
            self.path.display()
        )))
    }

    /// Takes the folder away with all that is in it.
    pub fn take_away(&self, check: &Check) -> Verdict {
        fs_err::remove_dir_all(&self.path)?;
        check.note(words::grader_takes_away(self.name));
        Ok(())
    }

    /// Makes a folder below it.
    pub fn make_folder(&self, check: &Check, name: &str) -> Verdict {
        fs_err::create_dir(self.path.join(name))?;
        check.note(words::grader_makes(words::A_FOLDER, &self.shown(name)));
        Ok(())
    }

    /// Makes a symlink to `to` there.
    pub fn make_link(&self, check: &Check, name: &str, to: &str) -> Verdict {
        std::os::unix::fs::symlink(to, self.path.join(name))
            .with_context(|| format!("make the symlink {name}"))?;
        check.note(words::grader_makes(&words::a_link(to), &self.shown(name)));
        Ok(())
    }

    /// Makes a FIFO there.
    pub fn make_fifo(&self, check: &Check, name: &str) -> Verdict {
        let path = CString::new(self.path.join(name).as_os_str().as_bytes())
            .context("the path of a FIFO")?;
        // SAFETY: the path is a C string that lives through the call.
        if unsafe { libc::mkfifo(path.as_ptr(), 0o600) } != 0 {
            return Err(io::Error::last_os_error().into());
        }
        check.note(words::grader_makes(words::A_FIFO, &self.shown(name)));
        Ok(())
    }

    /// Everything that is there now.
    pub fn snapshot(&self) -> Verdict<Snapshot> {
        Ok(snapshot(&self.path)?)
    }

    /// Expects that the file `name` has exactly these bytes.
    pub fn expect_file(&self, name: &str, bytes: &[u8]) -> Verdict {
        match self.wrong_file(name, bytes)? {
            None => Ok(()),
            Some(failure) => Err(failure.into()),
        }
    }

    /// Expects that `program` gives the file `name` these bytes. Whether it does so in time is for
    /// the check `put` to say.
    pub fn await_file(&self, program: &Program, name: &str, bytes: &[u8]) -> Verdict {
        let expected = words::stores(&program.name(), &self.shown(name));
        let stored = program.await_that(expected, || {
            let wrong = self.wrong_file(name, bytes)?;
            Ok(wrong.is_none().then_some(()))
        });
        match stored {
            Err(stop) if stop.is_silence() => self.expect_file(name, bytes),
            other => other,
        }
    }

    /// Expects that the file `name` has exactly the bytes of `pattern`.
    pub fn expect_pattern(&self, name: &str, pattern: &Pattern) -> Verdict {
        let Some(mut file) = self.open(name)? else {
            return Err(self.missing(name, pattern.total_bytes()).into());
        };
        let (mut buffer, mut done) = (vec![0; 1 << 20], 0);
        loop {
            let count = file.read(&mut buffer)?;
            let matching = pattern.matching(done, &buffer[..count]);
            done += matching as u64;
            if count == 0 && done == pattern.total_bytes() {
                return Ok(());
            }
            if matching < count || count == 0 {
                let rest = &buffer[matching..count.min(matching + SHOWN_BYTES)];
                let came = file.metadata()?.len();
                let lengths = (pattern.total_bytes() - done, came.max(done) - done);
                let wanted = pattern.copy(done, SHOWN_BYTES);
                let shown = first_difference_in(&wanted, rest, done, lengths);
                let failure = self.differs(name, shown, pattern.total_bytes(), came);
                return Err(failure.into());
            }
        }
    }

    /// Expects that all is as it was `before`: a transfer that broke, which was to become `name`,
    /// has left nothing.
    pub fn expect_as(&self, before: &Snapshot, name: &str) -> Verdict {
        match self.difference(before, name)? {
            None => Ok(()),
            Some(failure) => Err(failure.into()),
        }
    }

    /// Expects that what is new since `before` has names that begin with a dot: it is not complete,
    /// so nobody may see it.
    pub fn expect_hidden(&self, before: &Snapshot) -> Verdict {
        let now = self.snapshot()?;
        let new = now.keys().filter(|path| !before.contains_key(*path));
        let new: Vec<String> = new.map(|path| path.to_string_lossy().into_owned()).collect();
        if new.iter().all(|name| name.starts_with('.')) {
            return Ok(());
        }
        let (expected, got) = words::hidden(self.name, &new);
        Err(Failure::new(Symptom::Named(IN_SIGHT), expected, got).into())
    }

    /// As [`Folder::expect_as`], once `program` has noticed that the transfer broke.
    pub fn await_as(&self, program: &Program, before: &Snapshot, name: &str) -> Verdict {
        let expected = words::tidies(&program.name(), self.name);
        let tidied = program
            .await_that(expected, || Ok(self.difference(before, name)?.is_none().then_some(())));
        match tidied {
            Err(stop) if stop.is_silence() => self.expect_as(before, name),
            other => other,
        }
    }

    /// What is not as it was: a file that was there, `name`, or anything else that is new.
    fn difference(&self, before: &Snapshot, name: &str) -> Verdict<Option<Failure>> {
        let now = self.snapshot()?;
        for (path, entry) in before {
            let shown = self.shown(&path.to_string_lossy());
            let got = match (entry, now.get(path)) {
                (entry, Some(same)) if entry == same => continue,
                (Entry::File(old), Some(Entry::File(new))) => {
                    let (expected, got) = difference_within(old, new);
                    let sizes = (old.len() as u64, new.len() as u64);
                    let (expected, got) =
                        words::file_differs(&shown, (&expected, sizes.0), (&got, sizes.1));
                    return Ok(Some(Failure::new(INCOMPLETE, expected, got)));
                }
                (_, Some(_)) => words::changed(&shown),
                (_, None) => words::gone(&shown),
            };
            let expected = words::as_before(&shown);
            return Ok(Some(Failure::new(INCOMPLETE, expected, got)));
        }
        if let (None, Some(Entry::File(new))) =
            (before.get(Path::new(name)), now.get(Path::new(name)))
        {
            let (expected, got) = words::appeared(&self.shown(name), new.len() as u64);
            return Ok(Some(Failure::new(INCOMPLETE, expected, got)));
        }
        let new = now.keys().filter(|path| !before.contains_key(*path));
        let new: Vec<String> = new.map(|path| path.to_string_lossy().into_owned()).collect();
        if new.is_empty() {
            return Ok(None);
        }
        let (expected, got) = words::left_behind(self.name, &new);
        Ok(Some(Failure::new(Symptom::Named(LEFT_BEHIND), expected, got)))
    }

    fn wrong_file(&self, name: &str, bytes: &[u8]) -> Verdict<Option<Failure>> {
        let Some(mut file) = self.open(name)? else {
            return Ok(Some(self.missing(name, bytes.len() as u64)));
        };
        let mut got = Vec::new();
        // More than is wanted shows that it is too much; all of it need not be in memory.
        let limit = bytes.len() as u64 + SHOWN_BYTES as u64;
        Read::by_ref(&mut file).take(limit).read_to_end(&mut got)?;
        if got == bytes {
            return Ok(None);
        }
        let came = file.metadata()?.len();
        let shown = difference_within(bytes, &got);
        Ok(Some(self.differs(name, shown, bytes.len() as u64, came)))
    }

    /// The regular file `name`; `None` if there is none.
    fn open(&self, name: &str) -> Verdict<Option<File>> {
        let path = self.path.join(name);
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn missing(&self, name: &str, size: u64) -> Failure {
        let shown = self.shown(name);
        let expected = words::file_wanted(&shown, size);
        let present = fs_err::read_dir(&self.path).into_iter().flatten().flatten();
        let present: Vec<String> =
            present.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        let got = if present.iter().any(|other| other == name) {
            words::no_file(&shown)
        } else {
            words::file_missing(&shown, &present)
        };
        Failure::new(Symptom::WrongBytes, expected, got)
    }

    fn differs(
        &self,
        name: &str,
        (expected, got): (String, String),
        wanted: u64,
        came: u64,
    ) -> Failure {
        let shown = self.shown(name);
        let (expected, got) = words::file_differs(&shown, (&expected, wanted), (&got, came));
        Failure::new(Symptom::WrongBytes, expected, got)
    }
}

/// The first difference between two files, with a little of what stands around it.
pub(crate) fn difference_within(expected: &[u8], got: &[u8]) -> (String, String) {
    let same = expected.iter().zip(got).take_while(|(one, other)| one == other).count();
    let from = same.saturating_sub(CONTEXT_BYTES);
    let window = |bytes: &[u8]| bytes[from..bytes.len().min(from + SHOWN_BYTES)].to_vec();
    let lengths = ((expected.len() - from) as u64, (got.len() - from) as u64);
    first_difference_in(&window(expected), &window(got), from as u64, lengths)
}

/// The same verdict, a file that is wrong told as one that is incomplete.
pub(crate) fn whole_or_old<T>(verdict: Verdict<T>) -> Verdict<T> {
    let differs = [Symptom::WrongBytes, Symptom::CutShort, Symptom::ExtraBytes];
    retold(verdict, |failure| differs.contains(&failure.symptom).then_some(INCOMPLETE))
}
