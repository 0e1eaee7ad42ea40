//! How a watch tells a result: as `grade` does, but in two steps and with a next step of its own.

use grader::manifest::Kind;
use grader::report::text::{self, TextOptions};
use grader::report::{CheckReport, ModuleReport, Report, Status};

use super::commands::{HINT_KEY, Source};
use crate::{links, terminal};

/// The report as text, without the command to run next: a save runs it.
///
/// # Errors
///
/// None: it is written to memory.
pub fn text(report: &Report, colour: bool, source: Source) -> anyhow::Result<String> {
    let mut told = Vec::new();
    let hint_key = (source == Source::Keys).then_some(HINT_KEY);
    let options = TextOptions { step: false, hint_key, ..terminal::text_options(colour) };
    text::write(report, &options, &mut told)?;
    Ok(String::from_utf8_lossy(&links::linked(told)).into_owned())
}

/// The stretch checks of a module: in full where the core is done, else in one line, so that the
/// core's failure stays in view. Nothing where there are none.
///
/// # Errors
///
/// As [`text`].
pub fn rest(module: &ModuleReport, colour: bool, source: Source) -> anyhow::Result<Option<String>> {
    let stretch = module.checks.iter().filter(|check| check.kind == Kind::Stretch);
    let stretch: Vec<CheckReport> = stretch.cloned().collect();
    if stretch.is_empty() {
        return Ok(None);
    }
    let of = stretch.len();
    if !module.core_passed() {
        let passed = stretch.iter().filter(|check| check.status == Status::Passed).count();
        return Ok(Some(format!("stretch: {passed} of {of} checks pass")));
    }
    let modules = vec![ModuleReport { checks: stretch, ..module.clone() }];
    // The last line, a summary with the seed, was told with the core.
    let told = text(&Report { seed: 0, modules, error: None }, colour, source)?;
    let lines = told.trim_end().rsplit_once("\n\n").map_or("", |(lines, _)| lines);
    Ok(Some(format!("\n{lines}\n")))
}

/// The one thing to do next.
pub fn next_step(module: &ModuleReport, source: Source) -> String {
    let (name, place) = (&module.module, text::place(module));
    let failed = |kind: Kind| {
        module.checks.iter().any(|check| check.kind == kind && check.status == Status::Failed)
    };
    let does = if source == Source::Keys { "press" } else { "type" };
    let [next, again] = if source == Source::Keys { ["n", "a"] } else { ["next", "again"] };
    if module.error.is_some() {
        format!("Next: mend the first compiler error in {place} and save.")
    } else if failed(Kind::Core) {
        format!("Next: edit {place} and save.")
    } else if module.checks.iter().any(|check| check.status == Status::Error) {
        format!("Next: {does} {again}; if the grader fails again, report it with the lines above.")
    } else if failed(Kind::Stretch) {
        format!(
            "{name} is finished. Next: {does} {next} for another module, or edit {place} for \
             extra credit."
        )
    } else {
        format!("Nothing failed, {name} is finished. Next: {does} {next} for another module.")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use grader::manifest::Kind;
    use grader::report::{CheckReport, Feedback, ModuleReport, Status};

    use super::{Source, next_step, rest};

    fn check(id: &str, kind: Kind, status: Status, symptom: &str) -> CheckReport {
        let feedback = Feedback { symptom: symptom.into(), ..Feedback::default() };
        CheckReport {
            id: id.into(),
            title: format!("The title of {id}"),
            kind,
            status,
            max_points: if kind == Kind::Core { 50 } else { 10 },
            duration: Duration::ZERO,
            feedback: (status == Status::Failed).then_some(feedback),
            weaker_form: None,
        }
    }

    fn module(checks: Vec<CheckReport>) -> ModuleReport {
        let (module, program) = ("tcp-echo".into(), "exercises/tcp-echo".into());
        ModuleReport { module, program, checks, error: None }
    }

    #[test]
    fn stretch_is_told_in_full_only_where_the_core_is_done() {
        let core = |status| check("core", Kind::Core, status, "reset");
        let extra = check("extra", Kind::Stretch, Status::Failed, "stalled");
        let good = check("good", Kind::Stretch, Status::Passed, "");
        let open = module(vec![core(Status::Failed), extra.clone(), good.clone()]);
        let told = rest(&open, false, Source::Keys).expect("it is told").expect("there is stretch");
        assert_eq!(told, "stretch: 1 of 2 checks pass");
        assert_eq!(next_step(&open, Source::Keys), "Next: edit exercises/tcp-echo/src and save.");

        let done = module(vec![core(Status::Passed), extra, good]);
        let told = rest(&done, false, Source::Keys).expect("it is told").expect("there is stretch");
        assert!(told.contains("The title of extra") && !told.contains("title of core"), "{told}");
        assert!(!told.contains("seed"), "{told}");
        assert!(told.contains("Clearer hints: press h\n"), "{told}");
        let told =
            rest(&done, false, Source::Lines).expect("it is told").expect("there is stretch");
        assert!(told.contains("Clearer hints: cargo xtask hint tcp-echo\n"), "{told}");
        let step = next_step(&done, Source::Lines);
        assert!(step.contains("type next for another module, or edit"), "{step}");

        let plain = module(vec![core(Status::Passed)]);
        assert!(rest(&plain, false, Source::Keys).expect("it is told").is_none());
    }
}
