//! The solution and its rivals, measured in turns: whatever else the machine does meets them all.

use super::measure::median_figure;

/// Measures once; the result is a speed, so more is better.
pub type Measure<'a> = Box<dyn FnMut() -> anyhow::Result<f64> + 'a>;

/// A program that people use for the same.
pub struct Rival<'a> {
    name: &'static str,
    measure: anyhow::Result<Measure<'a>>,
    speeds: Vec<f64>,
}

/// What a speed counts.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// Answers a second.
    Answers,
    /// MiB (2^20 bytes) a second.
    Mebibytes,
}

/// One thing that was measured: the medians of all who did it.
pub struct Comparison {
    what: String,
    unit: Unit,
    solution: f64,
    rivals: Vec<(&'static str, anyhow::Result<f64>)>,
}

impl<'a> Rival<'a> {
    /// A rival, or why there is none.
    pub fn new(name: &'static str, measure: anyhow::Result<Measure<'a>>) -> Self {
        Self { name, measure, speeds: Vec::new() }
    }
}

impl Comparison {
    /// Measures the solution and its rivals in turns, `runs` times each. A rival that fails is left
    /// out from then on, and the result says why.
    ///
    /// # Errors
    ///
    /// The solution's own measurement fails.
    pub fn measure(
        what: impl Into<String>,
        unit: Unit,
        runs: u32,
        mut solution: impl FnMut() -> anyhow::Result<f64>,
        mut rivals: Vec<Rival<'_>>,
    ) -> anyhow::Result<Self> {
        let mut speeds = Vec::new();
        for _ in 0..runs {
            speeds.push(solution()?);
            for rival in &mut rivals {
                let Ok(measure) = &mut rival.measure else { continue };
                match measure() {
                    Ok(speed) => rival.speeds.push(speed),
                    Err(error) => rival.measure = Err(error),
                }
            }
        }
        let medians = rivals
            .into_iter()
            .map(|rival| (rival.name, rival.measure.map(|_| median_figure(rival.speeds))));
        let rivals = medians.collect();
        Ok(Self { what: what.into(), unit, solution: median_figure(speeds), rivals })
    }

    /// A row for each rival: what, the solution's speed, the rival, its speed, the ratio.
    pub fn rows(&self) -> Vec<[String; 5]> {
        let told = |speed: f64| match self.unit {
            Unit::Answers => format!("{speed:.0}/s"),
            Unit::Mebibytes => format!("{speed:.0} MiB/s"),
        };
        let mut rows = Vec::new();
        for (place, (name, speed)) in self.rivals.iter().enumerate() {
            let (what, solution) = match place {
                0 => (self.what.clone(), told(self.solution)),
                _ => Default::default(),
            };
            let (speed, ratio) = match speed {
                Ok(speed) => (told(*speed), format!("{:.2}", self.solution / speed)),
                Err(error) => (format!("{error:#}"), String::new()),
            };
            rows.push([what, solution, (*name).to_owned(), speed, ratio]);
        }
        rows
    }
}
