//! A module's manifest, `crates/MODULE/module.toml`: what each check is worth and how it is told.

use std::path::{Path, PathBuf};
use std::{fmt, io, iter};

use serde::Deserialize;

use crate::wording;

/// The whole manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The module's name, which is its folder's and its binary's.
    pub name: String,
    /// The title of its lesson.
    pub title: String,
    /// In a handout: what its core checks add up to, if that is not 100.
    #[serde(default)]
    pub core_points: Option<u32>,
    /// In a handout: the points that checks give which are not in it.
    #[serde(default)]
    pub hidden_points: u32,
    /// The checks, in the order in which a learner meets them.
    #[serde(rename = "check")]
    pub checks: Vec<CheckEntry>,
}

/// What the manifest says of one check.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckEntry {
    /// Its id, in words joined by hyphens.
    pub id: String,
    /// Its title, a few words.
    pub title: String,
    /// Core or stretch.
    pub kind: Kind,
    /// The points that it is worth. Core points add up to 100.
    pub points: u32,
    /// Checks without which this one shows nothing.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Whether it measures how long something takes: then no other check runs beside it.
    #[serde(default)]
    pub alone: bool,
    /// The anchor of the handout's section that teaches it.
    pub lesson: String,
    /// What the program promises, in one sentence.
    pub promise: String,
    /// What the check does, step by step: what is sent, and what is expected.
    pub steps: Vec<String>,
    /// The rule behind it: what the kernel or the protocol does, and what follows for a program.
    pub rule: String,
    /// Hints in rising clarity: the first names what is seen, the last is all but the answer. The
    /// first one gives way to that of a mistake below, where one fits.
    pub hints: Vec<String>,
    /// Hints for mistakes that the check can tell by their symptom.
    #[serde(default, rename = "mistake")]
    pub mistakes: Vec<Mistake>,
}

/// A mistake that a check can tell from others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mistake {
    /// The symptom's name, as in [`crate::failure::Symptom::as_str`].
    pub symptom: String,
    /// The hint that names the misconception.
    pub hint: String,
    /// Clearer hints that follow it, where those of the check, from the second on, lead elsewhere.
    #[serde(default)]
    pub further: Vec<String>,
}

impl CheckEntry {
    /// The hints for a failure with this symptom, each clearer than the one before. The first is
    /// the one that the report of the failure tells.
    pub fn hints_for(&self, symptom: &str) -> Vec<&str> {
        let mistake = self.mistakes.iter().find(|mistake| mistake.symptom == symptom);
        let general = || self.hints.iter().skip(1).map(String::as_str);
        match mistake {
            Some(Mistake { hint, further, .. }) if further.is_empty() => {
                iter::once(hint.as_str()).chain(general()).collect()
            }
            Some(Mistake { hint, further, .. }) => {
                iter::once(hint).chain(further).map(String::as_str).collect()
            }
            None if symptom == wording::NOT_IMPLEMENTED => {
                iter::once(wording::NOT_IMPLEMENTED_HINT).chain(general()).collect()
            }
            None => self.hints.iter().map(String::as_str).collect(),
        }
    }
}

/// Whether a check is part of the 100 points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Part of the 100 points.
    Core,
    /// Extra credit.
    Stretch,
}

/// Why a manifest, or another file of a module that is read in its way, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The file.
    pub path: PathBuf,
    /// Line and column, both from 1, the column in characters; `None` when the file cannot be read
    /// at all.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub advice: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(formatter, ":{line}:{column}")?;
        }
        write!(formatter, ": {}; {}", self.problem, self.advice)
    }
}

impl std::error::Error for ManifestError {}

impl ManifestError {
    /// Reads the file at `path`, which the error calls `what`.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not UTF-8.
    pub fn read(path: &Path, what: &str) -> Result<String, Self> {
        // The path stands in the error already, so the file is read without its being named again.
        std::fs::read_to_string(path).map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => "put the file back, for example with `git checkout`",
                io::ErrorKind::InvalidData => "save the file as UTF-8",
                _ => "see to it that the file can be read",
            };
            Self {
                path: path.to_path_buf(),
                place: None,
                problem: format!("cannot read {what}: {error}"),
                advice: advice.to_owned(),
            }
        })
    }

    /// What TOML says of `text`, which came from the file at `path`.
    pub fn of_toml(error: &toml::de::Error, text: &str, path: &Path) -> Self {
        let at = error.span().map_or(0, |span| span.start);
        let problem = error.message().trim().replace('\n', ", ");
        Self::at(at, text, path, problem, "mend the line or put the file back")
    }

    /// A fault at the byte `offset` of `text`, which came from the file at `path`.
    pub fn at(offset: usize, text: &str, path: &Path, problem: String, advice: &str) -> Self {
        Self {
            path: path.to_path_buf(),
            place: Some(place(text, offset)),
            problem,
            advice: advice.to_owned(),
        }
    }
}

impl Manifest {
    /// Reads the manifest in the file at `path`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, breaks the format, names a check twice, or lets checks need each
    /// other in a circle or need one that is not there. The error knows the place and says what to
    /// do.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let text = ManifestError::read(path, "the manifest")?;
        Self::parse(&text, path)
    }

    /// Reads the manifest in `text`, which came from the file at `path`.
    ///
    /// # Errors
    ///
    /// As [`Manifest::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let fault = |at: Option<usize>, problem: String, advice: &str| {
            ManifestError::at(at.unwrap_or(0), text, path, problem, advice)
        };
        let manifest: Self =
            toml::from_str(text).map_err(|error| ManifestError::of_toml(&error, text, path))?;
        if let Some(told) = manifest.core_points
            && told != manifest.core_sum()
        {
            let problem =
                format!("the core checks add up to {}, not to {told}", manifest.core_sum());
            let at = text.find("core_points");
            return Err(fault(
                at,
                problem,
                "make `core_points` and the points of the checks agree",
            ));
        }
        for (index, check) in manifest.checks.iter().enumerate() {
            let id = &check.id;
            if manifest.checks[..index].iter().any(|other| other.id == *id) {
                let at = find_setting(text, "id", id, 1);
                let problem = format!("the check `{id}` stands here a second time");
                return Err(fault(at, problem, "give it an id of its own"));
            }
            for need in &check.needs {
                let at = find_setting(text, "id", id, 0);
                if !manifest.checks.iter().any(|other| other.id == *need) {
                    let problem = format!("the check `{id}` needs `{need}`, which is no check");
                    return Err(fault(
                        at,
                        problem,
                        "name a check of this file in `needs`, or none",
                    ));
                }
                if manifest.is_needed_by(id, need) {
                    let problem = format!("the check `{id}` needs itself, by way of `{need}`");
                    return Err(fault(at, problem, "break the circle in `needs`"));
                }
            }
        }
        Ok(manifest)
    }

    /// What the core checks add up to.
    pub fn core_sum(&self) -> u32 {
        let core = self.checks.iter().filter(|check| check.kind == Kind::Core);
        core.map(|check| check.points).sum()
    }

    /// Whether the check `start` needs `wanted`, directly or by way of others, or is it.
    fn is_needed_by(&self, wanted: &str, start: &str) -> bool {
        let mut seen = Vec::new();
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            if id == wanted {
                return true;
            }
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            let check = self.checks.iter().find(|check| check.id == id);
            open.extend(check.iter().flat_map(|check| check.needs.iter().map(String::as_str)));
        }
        false
    }
}

/// The line and the column, both from 1, of the byte at `offset`.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Where `name = "value"` stands in the text for the time after `skip` times.
fn find_setting(text: &str, name: &str, value: &str, skip: usize) -> Option<usize> {
    let mut offset = 0;
    let mut left = skip;
    for line in text.split_inclusive('\n') {
        let setting = line.split_once('=');
        let found = setting.is_some_and(|(left, right)| {
            left.trim() == name && right.trim().trim_matches(['"', '\'']) == value
        });
        if found && left == 0 {
            return Some(offset);
        }
        left -= usize::from(found);
        offset += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Manifest;
    use std::path::Path;

    const GOOD: &str = "name = \"m\"\ntitle = \"M\"\n\n\
        [[check]]\nid = \"a\"\ntitle = \"A\"\nkind = \"core\"\n\
        points = 100\nlesson = \"a\"\npromise = \"It does.\"\n\
        steps = [\"It is started.\"]\nrule = \"It must.\"\nhints = [\"Do it.\"]\n";

    fn error(text: &str) -> String {
        match Manifest::parse(text, Path::new("m/module.toml")) {
            Ok(_) => "no error".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_good_manifest_is_read() {
        assert_eq!(error(GOOD), "no error");
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let told = error(&GOOD.replace("points = 100", "points = \"hundred\""));
        assert!(told.starts_with("m/module.toml:8:10: "), "{told}");
        let told = error(&GOOD.replace("points", "pionts"));
        assert!(told.starts_with("m/module.toml:8:1: "), "{told}");
        assert!(told.contains("pionts"), "{told}");
        let told = error("name = \"ä\" x\n");
        assert!(told.starts_with("m/module.toml:1:12: "), "{told}");
    }

    #[test]
    fn a_handout_declares_its_own_total() {
        let of = |points: u32| {
            let declared = format!("title = \"M\"\ncore_points = {points}\nhidden_points = 10\n");
            GOOD.replace("title = \"M\"\n", &declared).replace("points = 100", "points = 90")
        };
        assert_eq!(error(&of(90)), "no error");
        let told = error(&of(80));
        assert!(told.starts_with("m/module.toml:3:1: the core checks add up to 90"), "{told}");
    }

    #[test]
    fn checks_are_told_apart_and_need_others_only() {
        let second = GOOD.split_once("[[check]]").map(|(_, check)| check).unwrap_or_default();
        let told = error(&format!("{GOOD}\n[[check]]{second}"));
        assert!(
            told.starts_with("m/module.toml:16:1: the check `a` stands here a second"),
            "{told}"
        );
        let told = error(&format!("{GOOD}needs = [\"b\"]\n"));
        assert!(told.starts_with("m/module.toml:5:1: the check `a` needs `b`"), "{told}");
        let told = error(&format!("{GOOD}needs = [\"a\"]\n"));
        assert!(told.contains("needs itself"), "{told}");
    }

    #[test]
    fn the_hints_follow_the_mistake() {
        let hints = "hints = [\"seen\", \"mechanism\", \"cure\"]\n\
            [[check.mistake]]\nsymptom = \"reset\"\nhint = \"closed\"\n\
            [[check.mistake]]\nsymptom = \"stalled\"\nhint = \"waits\"\nfurther = [\"for whom\"]\n";
        let text = GOOD.replace("hints = [\"Do it.\"]\n", hints);
        let manifest = Manifest::parse(&text, Path::new("m")).expect("the manifest is right");
        let chain = |symptom| manifest.checks[0].hints_for(symptom);
        assert_eq!(chain("cut-short"), ["seen", "mechanism", "cure"]);
        assert_eq!(chain("reset"), ["closed", "mechanism", "cure"]);
        assert_eq!(chain("stalled"), ["waits", "for whom"]);
        assert_eq!(chain("not-implemented")[1..], ["mechanism", "cure"]);
    }

    #[test]
    fn every_check_is_explained() {
        for (line, field) in
            [("steps = [\"It is started.\"]\n", "steps"), ("rule = \"It must.\"\n", "rule")]
        {
            let told = error(&GOOD.replace(line, ""));
            assert!(told.contains(&format!("missing field `{field}`")), "{told}");
        }
    }

    #[test]
    fn a_missing_file_is_told() {
        let told =
            Manifest::load(Path::new("no/such/module.toml")).expect_err("there is no such file");
        assert_eq!(told.place, None);
        assert!(told.to_string().starts_with("no/such/module.toml: cannot read"), "{told}");
    }
}
