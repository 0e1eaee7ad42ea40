//! What a class takes for granted: the failed checks of its submissions, matched with those of the
//! known-wrong programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::results::{ModuleResult, SubmissionResult};

/// What is needed of a known-wrong program's `wrong.toml`.
#[derive(Debug, Deserialize)]
struct Meaning {
    misconception: String,
    fails: Vec<String>,
    #[serde(default)]
    shows: Vec<Shown>,
}

#[derive(Debug, Deserialize)]
struct Shown {
    check: String,
    symptom: String,
    #[serde(default)]
    or: Vec<String>,
}

/// A mistake by what it shows: the checks that fail with it, and with which symptoms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Signature {
    module: String,
    fails: BTreeSet<String>,
    /// By check: one of these symptoms.
    shows: BTreeMap<String, BTreeSet<String>>,
}

/// The known mistakes of some modules.
#[derive(Debug, Default)]
pub struct Known {
    /// Programs that show the same cannot be told apart: all their misconceptions fit.
    mistakes: Vec<(Signature, Vec<String>)>,
}

/// A mistake that a submission shows, by its place in [`Known`].
pub type MistakeId = usize;

impl Known {
    /// Reads those of `module` in `folder`, one folder a program; a folder that is not there has
    /// none.
    ///
    /// # Errors
    ///
    /// A `wrong.toml` cannot be read or breaks the format.
    pub fn read(&mut self, module: &str, folder: &Path) -> anyhow::Result<()> {
        if !folder.is_dir() {
            return Ok(());
        }
        let mut paths = Vec::new();
        for entry in fs_err::read_dir(folder)? {
            paths.push(entry?.path().join("wrong.toml"));
        }
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()) {
            let text = fs_err::read_to_string(path)?;
            let meaning: Meaning = toml::from_str(&text)
                .with_context(|| format!("{} breaks the format", path.display()))?;
            self.add(module, meaning);
        }
        Ok(())
    }

    fn add(&mut self, module: &str, meaning: Meaning) {
        let symptoms = |shown: Shown| {
            let all = shown.or.into_iter().chain([shown.symptom]);
            (shown.check, all.collect::<BTreeSet<_>>())
        };
        let signature = Signature {
            module: module.to_owned(),
            fails: meaning.fails.into_iter().collect(),
            shows: meaning.shows.into_iter().map(symptoms).collect(),
        };
        match self.mistakes.iter_mut().find(|(known, _)| *known == signature) {
            Some((_, beliefs)) if beliefs.contains(&meaning.misconception) => {}
            Some((_, beliefs)) => beliefs.push(meaning.misconception),
            None => self.mistakes.push((signature, vec![meaning.misconception])),
        }
    }

    /// The mistakes that a submission shows. One that explains less than another is left out: who
    /// makes the wider mistake need not make the narrower one as well.
    pub fn of(&self, result: &SubmissionResult) -> Vec<MistakeId> {
        let fits: Vec<MistakeId> = (0..self.mistakes.len())
            .filter(|id| {
                let (signature, _) = &self.mistakes[*id];
                let module = result.modules.iter().find(|one| one.module == signature.module);
                module.is_some_and(|module| signature.fits(module))
            })
            .collect();
        let explained_by = |one: &Signature, other: &Signature| {
            one.module == other.module
                && one.fails.is_subset(&other.fails)
                && one.fails.len() < other.fails.len()
        };
        let is_widest = |id: &&MistakeId| {
            let one = &self.mistakes[**id].0;
            !fits.iter().any(|other| explained_by(one, &self.mistakes[*other].0))
        };
        fits.iter().filter(is_widest).copied().collect()
    }

    /// The module, the misconceptions that fit, and the checks that fail with them.
    pub fn told(&self, id: MistakeId) -> (&str, &[String], Vec<&str>) {
        let (signature, beliefs) = &self.mistakes[id];
        (&signature.module, beliefs, signature.fails.iter().map(String::as_str).collect())
    }
}

impl Signature {
    fn fits(&self, module: &ModuleResult) -> bool {
        // A program that does not compile fails everything and shows nothing.
        if module.error.is_some() {
            return false;
        }
        let failed: BTreeMap<&str, &str> = module
            .checks
            .iter()
            .filter(|check| check.status == "failed")
            .map(|check| {
                let symptom = check.feedback.as_ref().map_or("", |told| told.symptom.as_str());
                (check.id.as_str(), symptom)
            })
            .collect();
        self.fails.iter().all(|id| failed.contains_key(id.as_str()))
            && self.shows.iter().all(|(id, symptoms)| {
                failed.get(id.as_str()).is_some_and(|symptom| symptoms.contains(*symptom))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Meaning};
    use crate::export::score::tests::graded;

    fn known(wrong: &[&str]) -> Known {
        let mut known = Known::default();
        for text in wrong {
            let meaning: Meaning = toml::from_str(text).expect("a wrong.toml");
            known.add("tcp-echo", meaning);
        }
        known
    }

    const NARROW: &str = "misconception = \"narrow\"\nfails = [\"a\"]\n\
        [[shows]]\ncheck = \"a\"\nsymptom = \"stalled\"\nor = [\"cut-short\"]\n";
    const WIDE: &str = "misconception = \"wide\"\nfails = [\"a\", \"b\"]\nmay_fail = [\"c\"]\n\
        [[shows]]\ncheck = \"b\"\nsymptom = \"cut-short\"\nhint = \"first\"\n";
    const OTHER: &str = "misconception = \"other\"\nfails = [\"a\"]\n\
        [[shows]]\ncheck = \"a\"\nsymptom = \"reset\"\n";

    #[test]
    fn a_submission_shows_the_mistakes_that_explain_most() {
        let known = known(&[NARROW, WIDE, OTHER]);
        // Every failure of these has the symptom cut-short.
        let one = graded(&[("a", "core", "failed", 1), ("b", "core", "passed", 1)]);
        assert_eq!(known.of(&one), [0]);
        let both = graded(&[("a", "core", "failed", 1), ("b", "core", "failed", 1)]);
        assert_eq!(known.of(&both), [1]);
        let skipped = graded(&[("a", "core", "skipped", 1), ("b", "core", "failed", 1)]);
        assert!(known.of(&skipped).is_empty());
        let mut broken = both;
        broken.modules[0].error = Some("error".into());
        assert!(known.of(&broken).is_empty());
    }

    #[test]
    fn what_cannot_be_told_apart_is_one_mistake() {
        let same = NARROW.replace("narrow", "also narrow");
        let known = known(&[NARROW, &same, NARROW]);
        assert_eq!(known.mistakes.len(), 1);
        assert_eq!(known.told(0).1, ["narrow", "also narrow"]);
    }
}
