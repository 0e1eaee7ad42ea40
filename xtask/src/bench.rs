//! `cargo xtask bench`: speed and size, side by side in one run. It measures; it is no test.
//!
//! All building happens in a copy of the course with a target folder of its own, so that nobody's
//! work is touched and a cold build is really cold. The registry's downloads are shared: they are
//! no part of a build. The solutions are measured as release builds, beside programs that people
//! use for the same; one that is not installed is named and left out.

mod echo;
mod files;
mod grading;
mod http;
mod load;
mod measure;
mod rival;
mod server;
mod watch;
mod yard;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};

use self::rival::Comparison;
use self::yard::Yard;
use crate::output;
use crate::terminal::{self, Progress};
use crate::workspace::Workspace;

/// Measure speed and size, side by side in one run.
#[derive(Debug, Args)]
pub struct Arguments {
    /// How often each measurement is repeated; the median is told.
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// How often the cold build is repeated.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=20))]
    cold_runs: u32,
    /// Measure this part alone; may be given several times.
    #[arg(long, value_name = "NAME", value_enum)]
    only: Vec<Part>,
}

/// What can be measured, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A build of the runner from nothing.
    ColdBuild,
    /// From an edit to the verdict.
    SaveToVerdict,
    /// From a save to the verdict in a watch, beside rustlings and workshop-runner.
    Watch,
    /// The verdict on a server that never answers.
    SilentServer,
    /// The grader's memory while 64 MiB are moved.
    Memory,
    /// The solution against socat.
    TcpEcho,
    /// The solution against socat.
    UdpEcho,
    /// The solution against nginx and python3.
    HttpMini,
    /// The solution against socat.
    FileTransfer,
}

/// One line of what has a goal.
struct Line {
    what: &'static str,
    measured: String,
    goal: &'static str,
}

/// All that was measured.
#[derive(Default)]
struct Results {
    lines: Vec<Line>,
    comparisons: Vec<Comparison>,
}

/// Runs the command.
///
/// # Errors
///
/// Something cannot be built, started or measured; what was measured before is told all the same.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let progress = Progress::begin("copying the course");
    let yard = Yard::lay_out(&workspace)?;
    let mut results = Results::default();
    let outcome = measure_all(arguments, &yard, &progress, &mut results);
    drop(progress);
    output::print(results.told().as_bytes())?;
    outcome.map(|()| ExitCode::SUCCESS)
}

fn measure_all(
    arguments: &Arguments,
    yard: &Yard,
    progress: &Progress,
    results: &mut Results,
) -> anyhow::Result<()> {
    let runs = arguments.runs;
    let Results { lines, comparisons } = results;
    for part in Part::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(part) {
            continue;
        }
        let name = part.to_possible_value().map(|value| value.get_name().to_owned());
        progress.say(format!("measuring {}", name.unwrap_or_default()));
        match part {
            Part::ColdBuild => lines.extend(yard.cold_build(arguments.cold_runs)?),
            Part::SaveToVerdict => lines.extend(yard.save_to_verdict(runs)?),
            Part::Watch => lines.extend(yard.watch(runs)?),
            Part::SilentServer => lines.extend(yard.silent_server(runs)?),
            Part::Memory => lines.extend(yard.memory(runs)?),
            Part::TcpEcho => comparisons.extend(yard.tcp_echo(runs)?),
            Part::UdpEcho => comparisons.push(yard.udp_echo(runs)?),
            Part::HttpMini => comparisons.extend(yard.http_mini(runs)?),
            Part::FileTransfer => comparisons.push(yard.file_transfer(runs)?),
        }
    }
    Ok(())
}

impl Results {
    fn told(&self) -> String {
        let mut tables = Vec::new();
        if !self.lines.is_empty() {
            let mut table = new_table(&["measured", "median", "goal"]);
            for Line { what, measured, goal } in &self.lines {
                table.add_row([*what, measured, goal]);
            }
            tables.push(format!("{}\n", table.trim_fmt()));
        }
        if !self.comparisons.is_empty() {
            let mut table = new_table(&["side by side", "solution", "rival", "", "ratio"]);
            for comparison in &self.comparisons {
                table.add_rows(comparison.rows());
            }
            tables.push(format!(
                "{}\n\nMedians. The solutions are release builds; a ratio above 1 means that the \
                 solution is faster.\n",
                table.trim_fmt()
            ));
        }
        tables.join("\n")
    }
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_width(terminal::columns());
    table.set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    table
}
