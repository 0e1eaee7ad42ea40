//! A job array for Slurm's `sbatch`; <https://slurm.schedmd.com/job_array.html>.

use super::{MEMORY_GIB, Plan, Written, fill, shell};
use anyhow::Context;

/// The script's name in the plan.
pub const FILE: &str = "grade.sbatch";
/// The folder of what the shards print.
pub const LOGS: &str = "logs";
/// The number of tasks in an array that a cluster takes unless it is configured otherwise
/// (`MaxArraySize`, less one since it counts from 0).
const USUAL_TASKS: usize = 1000;

/// Writes the script.
///
/// # Errors
///
/// A path is not UTF-8.
pub fn write(plan: &Plan) -> anyhow::Result<Written> {
    let Plan { title, slug, shards, jobs, .. } = plan;
    let [folder, class] = [&plan.folder, &plan.class].map(|path| shell(path));
    let (folder, class) = (folder?, class?);
    let course = shell(plan.workspace.root())?;
    let own_target = plan.workspace.own_target();
    let target = shell(own_target.parent().context("find cargo's target folder")?)?;
    let program = shell(&std::env::current_exe().context("find this program")?)?;
    let options = plan.options("\"$plan\"").join(" \\\n    ");
    let text = fill(
        include_str!("files/grade.sbatch"),
        &[
            ("TITLE", title),
            ("SLUG", slug),
            ("SUBMISSIONS", &plan.submissions),
            ("SHARDS", shards),
            ("JOBS", jobs),
            ("MEMORY_GIB", &MEMORY_GIB),
            ("LOGS", &LOGS),
            ("FOLDER", &folder),
            ("CLASS", &class),
            ("COURSE", &course),
            ("TARGET", &target),
            ("PROGRAM", &program),
            ("OPTIONS", &options),
        ],
    )?;
    let mut notes = Vec::new();
    if *shards > USUAL_TASKS {
        notes.push(format!(
            "{shards} shards are more than the {USUAL_TASKS} tasks of an array that most clusters \
             take; a larger --per-shard makes fewer"
        ));
    }
    let shown = plan.folder.display();
    let next = format!(
        "next: sbatch {shown}/{FILE}\nthen: cargo xtask merge {shown}/results --out \
         {shown}/merged\n"
    );
    Ok(Written { name: FILE, text, next, notes })
}
