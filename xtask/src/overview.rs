//! `cargo xtask` alone: where you are, and the one next thing to do.

use std::fmt::Write;
use std::process::ExitCode;

use crate::last::{self, Last};
use crate::workspace::Workspace;
use crate::{list, modules, output};

/// Runs the command.
///
/// # Errors
///
/// There is no course here, or standard output takes nothing.
pub fn run() -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let states: Vec<(&str, Option<Last>)> = modules::TAUGHT
        .iter()
        .map(|module| (module.name, last::read(&workspace, module.name)))
        .collect();
    output::print(tell(&states).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn tell(states: &[(&str, Option<Last>)]) -> String {
    let is_done = |last: &Option<Last>| last.is_some_and(|last| last.core_passed);
    let done = states.iter().filter(|(_, last)| is_done(last)).count();
    let mut told = format!("{done} of {} modules done\n\n", states.len());
    let width = states.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, last) in states {
        let mark = if is_done(last) { "done" } else { "" };
        let state = last.map_or_else(|| "never graded".to_owned(), list::state);
        _ = writeln!(told, "  {mark:4}  {name:width$}  {state}");
    }
    told.push('\n');
    told.push_str(&match states.iter().find(|(_, last)| !is_done(last)) {
        Some((name, last)) => format!("Next: {}", next_step(name, last.as_ref())),
        None => after_core(states),
    });
    told.push_str("\n\nAll commands: cargo xtask --help\n");
    told
}

/// Every module is done: what is left is extra credit, if anything.
fn after_core(states: &[(&str, Option<Last>)]) -> String {
    let left = states.iter().find_map(|(name, last)| {
        let Last { bonus, max_bonus, .. } = (*last)?;
        (bonus < max_bonus).then_some((name, max_bonus - bonus))
    });
    match left {
        Some((name, left)) => format!(
            "Next, for extra credit: cargo xtask grade {name}    \
             ({left} stretch points are left there)"
        ),
        None => "The course is finished: every check passed when it was last graded.".to_owned(),
    }
}

fn next_step(name: &str, last: Option<&Last>) -> String {
    match last {
        None | Some(Last { begun: false, builds: true, .. }) => format!(
            "read exercises/{name}/README.md, fill in a `todo!()` below exercises/{name}/src, \
             then\n      cargo xtask grade {name}"
        ),
        Some(_) => format!("cargo xtask grade {name}    (it says what to mend first)"),
    }
}

#[cfg(test)]
mod tests {
    use super::tell;
    use crate::last::Last;

    #[test]
    fn the_next_step_is_the_first_module_not_done() {
        let mut last = Last {
            score: 100,
            max_score: 100,
            bonus: 5,
            max_bonus: 40,
            core_passed: true,
            builds: true,
            begun: true,
        };
        let told = tell(&[("tcp-echo", Some(last)), ("udp-echo", None)]);
        assert!(told.starts_with("1 of 2 modules done"), "{told}");
        assert!(told.contains("read exercises/udp-echo/README.md"), "{told}");
        last.core_passed = false;
        let told = tell(&[("tcp-echo", Some(last)), ("udp-echo", None)]);
        assert!(told.contains("Next: cargo xtask grade tcp-echo "), "{told}");
    }

    #[test]
    fn extra_credit_is_offered_only_where_some_is_left() {
        let mut last = Last {
            score: 100,
            max_score: 100,
            bonus: 5,
            max_bonus: 40,
            core_passed: true,
            builds: true,
            begun: true,
        };
        let told = tell(&[("tcp-echo", Some(last))]);
        assert!(told.contains("grade tcp-echo    (35 stretch points"), "{told}");
        last.bonus = 40;
        let told = tell(&[("tcp-echo", Some(last))]);
        assert!(told.contains("The course is finished"), "{told}");
    }
}
