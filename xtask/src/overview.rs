//! `cargo xtask` alone: the map of the course, where you stopped, and the one next thing to do.

use std::process::ExitCode;

use grader::manifest::Manifest;
use grader::page::Page;
use grader::report::text::TextOptions;
use grader::wording;

use crate::progress::{self, Progress, Standing};
use crate::workspace::Workspace;
use crate::{modules, output, terminal};

/// Runs the command.
///
/// # Errors
///
/// There is no course here, a manifest is broken, or standard output takes nothing.
pub fn run() -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let manifests = modules::TAUGHT.iter().map(|module| workspace.manifest(module.name));
    let manifests = manifests.collect::<anyhow::Result<Vec<Manifest>>>()?;
    let options = terminal::text_options(terminal::stdout_colours());
    output::print(tell(&manifests, &progress::read(&workspace), &options).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A module of the course, and how far it is.
struct Stop<'a> {
    manifest: &'a Manifest,
    standing: Option<Standing>,
}

impl Stop<'_> {
    fn name(&self) -> &str {
        &self.manifest.name
    }

    fn is_done(&self) -> bool {
        self.standing.is_some_and(|standing| standing.is_done)
    }
}

fn tell(manifests: &[Manifest], progress: &Progress, options: &TextOptions) -> String {
    let standing = |manifest| progress.standing(manifest);
    let stops: Vec<Stop> =
        manifests.iter().map(|manifest| Stop { manifest, standing: standing(manifest) }).collect();
    let last = progress.last_graded(stops.iter().map(Stop::name));
    let here = stops.iter().find(|stop| Some(stop.name()) == last);
    let done = stops.iter().filter(|stop| stop.is_done()).count();
    let mut page = Page::new(options);
    page.heading(0, &format!("Socket programming: {done} of {} modules done", stops.len()));
    page.blank();
    map(&mut page, &stops, last);
    page.blank();
    if let Some(here) = here {
        page.prose(0, &where_you_stopped(here, progress, done == stops.len()));
    }
    let (step, command) = next_step(&stops, here);
    page.heading(0, &step);
    if let Some(command) = command {
        page.command(2, &command);
    }
    page.blank();
    page.prose(0, "All commands: cargo xtask --help");
    page.text().to_owned()
}

/// A line a module, narrow enough for 60 columns.
fn map(page: &mut Page, stops: &[Stop], last: Option<&str>) {
    let width = stops.iter().map(|stop| stop.name().len()).max().unwrap_or(0);
    let row = |mark: &str, cells: [&str; 5]| {
        let [name, points, core, stretch, state] = cells;
        format!("{mark:1} {name:width$}  {points:>7}  {core:>6}  {stretch:>7}  {state}")
    };
    page.line(&row("", ["module", "points", "checks", "stretch", "state"]));
    for stop in stops {
        let of = |some: u32, all: u32| format!("{some}/{all}");
        let standing = stop.standing.unwrap_or_else(|| Standing::nothing(stop.manifest));
        let Standing { score, max_score, core_passed, core, bonus, max_bonus, .. } = standing;
        let (points, core) = (of(score, max_score), of(core_passed, core));
        let mark = if Some(stop.name()) == last { ">" } else { "" };
        let stretch = of(bonus, max_bonus);
        page.line(&row(mark, [stop.name(), &points, &core, &stretch, state(stop)]));
    }
}

fn state(stop: &Stop) -> &'static str {
    match stop.standing {
        None => "never graded",
        Some(Standing { builds: false, .. }) => "does not build",
        Some(Standing { is_begun: false, .. }) => "not begun",
        Some(Standing { is_done: true, .. }) => "done",
        Some(_) => "begun",
    }
}

/// What the last grading found.
fn where_you_stopped(here: &Stop, progress: &Progress, all_done: bool) -> String {
    let name = here.name();
    let failure = progress.first_failure(here.manifest);
    let symptom = |check| progress.check(name, check).map_or("", |seen| seen.symptom);
    if let Some(check) = failure.filter(|_| here.is_done()) {
        let symptom = wording::heading(symptom(check));
        let next = if all_done { "" } else { ", and the next module may be begun" };
        return format!(
            "You stopped (>) at {name}: its core is done{next}. What failed when it was last \
             graded is extra credit, first {check} ({symptom})."
        );
    }
    let found = match failure {
        _ if here.standing.is_some_and(|standing| !standing.builds) => {
            "the program did not build".to_owned()
        }
        Some(check) => {
            format!("the first failure was {check} ({})", wording::heading(symptom(check)))
        }
        None => "nothing failed".to_owned(),
    };
    format!("You stopped (>) at {name}: when it was last graded, {found}.")
}

/// The one next thing to do, and the command for it.
fn next_step(stops: &[Stop], here: Option<&Stop>) -> (String, Option<String>) {
    let open = here.filter(|stop| !stop.is_done());
    if let Some(stop) = open.or_else(|| stops.iter().find(|stop| !stop.is_done())) {
        return (next_in(stop), Some(format!("cargo xtask grade {}", stop.name())));
    }
    // Every module is done: what is left is extra credit, if anything.
    let left = stops.iter().find_map(|stop| {
        let Standing { bonus, max_bonus, .. } = stop.standing?;
        (bonus < max_bonus).then_some((stop.name(), max_bonus - bonus))
    });
    match left {
        Some((name, left)) => (
            format!("Next, for extra credit: {left} stretch points are left in {name}; run"),
            Some(format!("cargo xtask grade {name}")),
        ),
        None => {
            ("The course is finished: every check passed when it was last graded.".to_owned(), None)
        }
    }
}

fn next_in(stop: &Stop) -> String {
    let name = stop.name();
    match stop.standing {
        Some(Standing { builds: false, .. }) => {
            format!("Next: mend the first compiler error in exercises/{name}/src, then run")
        }
        None | Some(Standing { is_begun: false, .. }) => format!(
            "Next: read exercises/{name}/README.md, fill in a `todo!()` below \
             exercises/{name}/src, then run"
        ),
        Some(Standing { never_run: 1.., failed: 0, .. }) => {
            format!("Next: {name} has checks that were never run; run")
        }
        Some(_) => format!("Next: edit exercises/{name}/src, then run"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use grader::manifest::Manifest;
    use grader::report::text::TextOptions;

    use super::tell;
    use crate::progress::Progress;

    fn manifest(name: &str) -> Manifest {
        let check = |id: &str, kind: &str, points: u32| {
            format!(
                "[[check]]\nid = \"{id}\"\ntitle = \"A\"\nkind = \"{kind}\"\npoints = {points}\n\
                 lesson = \"a\"\npromise = \"It does.\"\nhints = [\"Do it.\"]\n\
             steps = [\"It is started.\"]\nrule = \"It must.\"\n"
            )
        };
        let text = format!(
            "name = \"{name}\"\ntitle = \"M\"\n{}{}{}",
            check("first", "core", 60),
            check("second", "core", 40),
            check("extra", "stretch", 40)
        );
        Manifest::parse(&text, Path::new("module.toml")).expect("the manifest is right")
    }

    fn told(known: &str) -> String {
        let progress = Progress::parse(known).expect("the progress is right");
        let manifests = [manifest("tcp-echo"), manifest("sockopt-inspect")];
        tell(&manifests, &progress, &TextOptions { columns: 60, ..TextOptions::default() })
    }

    /// A module that was graded on this day, with what came of its three checks.
    fn graded(name: &str, day: u32, checks: [&str; 3]) -> String {
        let [first, second, extra] = checks;
        format!(
            "[{name}]\ngraded = \"2026-01-{day:02}T00:00:00Z\"\nbuilds = true\n[{name}.checks]\n\
             first = {{ last = \"{first}\" }}\nsecond = {{ last = \"{second}\", symptom = \"reset\" }}\n\
             extra = {{ last = \"{extra}\" }}\n"
        )
    }

    #[test]
    fn the_map_fits_60_columns_and_shows_points_checks_and_state() {
        let broken = graded("sockopt-inspect", 1, ["passed", "passed", "passed"])
            .replace("builds = true", "builds = false");
        let told = told(&broken);
        assert!(told.lines().all(|line| line.len() <= 60), "{told}");
        let row = "> sockopt-inspect  100/100     2/2    40/40  does not build\n";
        assert!(told.contains(row), "{told}");
        assert!(
            told.contains("  tcp-echo           0/100     0/2     0/40  never graded"),
            "{told}"
        );
        assert!(told.contains("mend the first compiler error"), "{told}");
    }

    #[test]
    fn the_next_step_goes_on_where_you_stopped() {
        let done = ["passed", "passed", "failed"];
        let first = graded("tcp-echo", 1, ["passed", "failed", "failed"]);
        let second = graded("sockopt-inspect", 2, ["passed", "failed", "failed"]);
        let both = told(&format!("{first}{second}"));
        assert!(both.contains("at sockopt-inspect: when it was last"), "{both}");
        assert!(both.contains("cargo xtask grade sockopt-inspect\n"), "{both}");
        assert!(both.contains("first failure was second (reset,"), "{both}");
        let behind = told(&format!("{first}{}", graded("sockopt-inspect", 2, done)));
        assert!(behind.contains("cargo xtask grade tcp-echo\n"), "{behind}");
        let ahead = told(&graded("tcp-echo", 1, done));
        assert!(ahead.contains("Next: read exercises/sockopt-inspect/README.md"), "{ahead}");
        let words = ahead.replace('\n', " ");
        let done = "its core is done, and the next module may be begun. What failed when it was \
             last graded is extra credit, first extra (";
        assert!(words.contains(done), "{ahead}");
    }

    #[test]
    fn extra_credit_is_offered_only_where_some_is_left() {
        let done = |extra| {
            let checks = ["passed", "passed", extra];
            let (first, second) = (graded("tcp-echo", 1, checks), "sockopt-inspect");
            told(&format!("{first}{}", graded(second, 2, ["passed", "unsupported", "passed"])))
        };
        assert!(done("failed").contains("40 stretch points"));
        assert!(!done("failed").contains("may be begun"), "there is no next module");
        assert!(done("passed").contains("The course is finished"));
    }

    #[test]
    fn checks_that_an_update_brought_are_named() {
        let graded = graded("tcp-echo", 1, ["passed", "passed", "passed"]);
        let told = told(&graded.replace("second = ", "gone = "));
        assert!(told.contains("tcp-echo          60/100     1/2    40/40  begun"), "{told}");
        assert!(told.contains("has checks that were never run"), "{told}");
    }
}
