//! The folder that a server of a check serves.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use grader::{Check, Server, Verdict};

/// The folder's name, which is DIR: programs run where it stands.
pub const NAME: &str = "site";

/// A folder with a file `hello.txt`.
pub struct Site {
    folder: PathBuf,
    /// What is in `hello.txt`: random, so that nothing else is mistaken for it.
    pub hello: Vec<u8>,
}

impl Site {
    /// Makes the folder in the check's own.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn new(check: &mut Check) -> Verdict<Self> {
        let folder = check.folder().join(NAME);
        fs_err::create_dir(&folder)?;
        let hello = format!("hello, {}\n", check.random_text(20)).into_bytes();
        let site = Self { folder, hello };
        site.file("hello.txt", &site.hello)?;
        Ok(site)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Puts a file into it, and the folders that lead there.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn file(&self, name: &str, bytes: &[u8]) -> Verdict {
        Ok(self.put(name, bytes)?)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::write(path, bytes)
    }

    /// Puts a symbolic link into it.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn link(&self, name: &str, to: impl AsRef<Path>) -> Verdict {
        Ok(fs_err::os::unix::fs::symlink(to, self.folder.join(name))?)
    }

    /// Puts a file of so many zeros into it, which takes no room on the disk.
    ///
    /// # Errors
    ///
    /// The grader's error.
    pub fn hollow_file(&self, name: &str, bytes: u64) -> Verdict {
        Ok(File::create(self.folder.join(name))?.set_len(bytes)?)
    }

    /// Starts a server for it.
    ///
    /// # Errors
    ///
    /// A failure if the server does not listen.
    pub fn serve(&self, check: &mut Check) -> Verdict<Server> {
        check.start_server(["serve", "127.0.0.1:0", NAME])
    }
}

/// A site and its server: how most checks begin.
///
/// # Errors
///
/// As [`Site::serve`].
pub fn start(check: &mut Check) -> Verdict<(Site, Server)> {
    let site = Site::new(check)?;
    let server = site.serve(check)?;
    Ok((site, server))
}
