//! Which protections are in force.

/// What protects the machine from a program here, found out by doing it.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// Every protection, from those that every system has to those that few have.
    pub measures: Vec<Measure>,
}

/// One protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What it is ("Landlock").
    pub name: String,
    /// Why it is not to be had here; none where it is.
    pub missing: Option<String>,
}

impl Layer {
    /// The highest layer of which nothing is missing: "namespaces", "linux" or "everywhere".
    ///
    /// "namespaces" says that they can be had; a program gets those that its job asks for.
    pub fn name(&self) -> &'static str {
        if cfg!(not(target_os = "linux")) || self.is_missing(LANDLOCK) || self.is_missing(SECCOMP) {
            "everywhere"
        } else if self.is_missing(NETWORK) || self.is_missing(DISK) {
            "linux"
        } else {
            "namespaces"
        }
    }

    /// The names of the protections that are to be had.
    pub fn in_force(&self) -> impl Iterator<Item = &str> {
        self.measures.iter().filter(|each| each.missing.is_none()).map(|each| each.name.as_str())
    }

    /// The protections that are not to be had, each with the reason.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.measures.iter().filter_map(|each| Some((each.name.as_str(), each.missing.as_deref()?)))
    }

    fn is_missing(&self, name: &str) -> bool {
        !self.in_force().any(|each| each == name)
    }
}

/// Protections that need nothing of the kernel beyond POSIX.
pub(crate) const EVERYWHERE: &str = "cleared environment, own session, limits";
/// The name under which the file system's protection is reported.
pub(crate) const LANDLOCK: &str = "Landlock";
/// The name under which the filter of system calls is reported.
pub(crate) const SECCOMP: &str = "seccomp";
/// The name under which a program's own network is reported.
pub(crate) const NETWORK: &str = "network namespace";
/// The name under which a program's own small disk is reported.
pub(crate) const DISK: &str = "mount namespace";
/// The name under which the limit on processes is reported.
pub(crate) const PROCESSES: &str = "limit on processes";
