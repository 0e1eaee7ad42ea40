//! What is counted over the whole class, a few numbers a submission.

use std::collections::BTreeMap;

use super::misconceptions::{Known, MistakeId};
use crate::export::score::{Lateness, Verdict};
use crate::export::{Class, Entry};

/// The class in numbers.
#[derive(Debug, Default)]
pub struct Survey {
    /// One entry a submission, in the order of the results.
    pub rows: Vec<Row>,
    /// The checks of the modules, in the order of the first submission that was graded.
    pub modules: Vec<(String, Vec<CheckCount>)>,
    /// By mistake: the submissions that show it.
    pub mistakes: BTreeMap<MistakeId, Vec<usize>>,
}

/// One submission in the table of all.
#[derive(Debug)]
pub struct Row {
    /// Its people, or its name.
    pub label: String,
    /// What came of it.
    pub state: State,
}

/// What came of a submission.
#[derive(Debug)]
pub enum State {
    /// It has points.
    Graded {
        /// What is handed in.
        points: f64,
        /// The same without extra points.
        core: f64,
        /// The points that the checks which count are worth.
        max_points: u32,
        /// By module: the points.
        modules: Vec<f64>,
        /// How many checks did not pass, of those that count.
        failed: usize,
        /// Whether it came in time.
        lateness: Lateness,
    },
    /// Nothing was handed in.
    Missing,
    /// There is no verdict, and this is why.
    Open(String),
}

/// How often a check passed.
#[derive(Debug, Clone, Default)]
pub struct CheckCount {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How its points count: "core", "extra" or "does not count".
    pub worth: &'static str,
    /// How many passed it, failed it, were not tried, and could not be shown.
    pub passed: usize,
    /// See `passed`.
    pub failed: usize,
    /// See `passed`.
    pub skipped: usize,
    /// See `passed`.
    pub unsupported: usize,
}

impl Survey {
    /// Looks at every submission once.
    ///
    /// # Errors
    ///
    /// A result cannot be read.
    pub fn of(class: &Class, known: &Known) -> anyhow::Result<Self> {
        let mut survey = Self::default();
        for (index, entry) in class.entries().enumerate() {
            let entry = entry?;
            let state = survey.state(&entry);
            if matches!(state, State::Graded { .. }) {
                for mistake in known.of(&entry.result) {
                    survey.mistakes.entry(mistake).or_default().push(index);
                }
            }
            survey.rows.push(Row { label: entry.label(), state });
        }
        Ok(survey)
    }

    /// How many submissions have points.
    pub fn graded(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.state, State::Graded { .. })).count()
    }

    /// The core points in hundredths of the maximum, of each submission that has a verdict; sorted.
    pub fn shares(&self) -> Vec<f64> {
        let share = |row: &Row| match row.state {
            State::Graded { core, max_points, .. } if max_points > 0 => {
                Some(100.0 * core / f64::from(max_points))
            }
            _ => None,
        };
        let mut shares: Vec<f64> = self.rows.iter().filter_map(share).collect();
        shares.sort_by(f64::total_cmp);
        shares
    }

    fn state(&mut self, entry: &Entry) -> State {
        let score = match &entry.verdict {
            Verdict::Points(score) => score,
            Verdict::Missing => return State::Missing,
            Verdict::Open(why) => return State::Open(why.clone()),
        };
        for module in &score.scored.modules {
            let known = self.modules.iter().position(|(name, _)| *name == module.name);
            let place = known.unwrap_or_else(|| {
                self.modules.push((module.name.clone(), Vec::new()));
                self.modules.len() - 1
            });
            let counts = &mut self.modules[place].1;
            for check in &module.checks {
                let known = counts.iter().position(|count| count.id == check.id);
                let place = known.unwrap_or_else(|| {
                    counts.push(CheckCount::new(check));
                    counts.len() - 1
                });
                counts[place].add(check.status);
            }
        }
        let counting = score.scored.checks().filter(|(_, check)| {
            check.worth == grader::report::formats::Worth::Points
                && check.status != grader::report::Status::Passed
        });
        State::Graded {
            points: score.scored.points,
            core: score.core_points(),
            max_points: score.scored.max_points,
            modules: score.scored.modules.iter().map(|one| score.module_points(one)).collect(),
            failed: counting.count(),
            lateness: score.lateness,
        }
    }
}

impl CheckCount {
    fn new(check: &grader::report::formats::ScoredCheck) -> Self {
        Self {
            id: check.id.clone(),
            title: check.title.clone(),
            worth: worth(check.worth),
            ..Self::default()
        }
    }

    fn add(&mut self, status: grader::report::Status) {
        use grader::report::Status;
        match status {
            Status::Passed => self.passed += 1,
            Status::Failed => self.failed += 1,
            Status::Skipped => self.skipped += 1,
            Status::Unsupported | Status::Error => self.unsupported += 1,
        }
    }
}

/// How the points of a check count, in words.
pub fn worth(worth: grader::report::formats::Worth) -> &'static str {
    use grader::report::formats::Worth;
    match worth {
        Worth::Points => "core",
        Worth::Extra => "extra",
        Worth::Nothing => "does not count",
    }
}
