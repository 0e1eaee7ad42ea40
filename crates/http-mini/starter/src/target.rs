//! From a request's target to names below the folder.

/// Where a target points to, below the folder that is served.
#[derive(Debug)]
pub struct TargetPath {
    /// The names on the way, none of them empty, `.` or `..`, none with a slash in it. A file's
    /// name is bytes on Unix; see [`std::os::unix::ffi::OsStringExt`].
    pub names: Vec<Vec<u8>>,
    /// Whether it ends with a slash, and so means a folder.
    pub is_folder: bool,
}

/// Reads a target; `None` if it is malformed or leads upwards.
pub fn path(target: &[u8]) -> Option<TargetPath> {
    todo!("query, decoding, splitting, `..` in {target:?}: in which order?")
}
