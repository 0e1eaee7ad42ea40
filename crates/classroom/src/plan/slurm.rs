//! A job array for Slurm's `sbatch`; <https://slurm.schedmd.com/job_array.html>.

use super::{MEMORY_GIB, Plan, Written, shell};
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
    let text = format!(
        r#"#!/bin/sh
# Grades {title}: {submissions} submissions in {shards} shards.
#
#   sbatch grade.sbatch                    all shards
#   sbatch --array=2,5 grade.sbatch        shards 2 and 5 again; each goes on where it was
#
# What your cluster asks for besides (--partition, --account, --time) goes on sbatch's command line,
# which also overrides what stands here. The nodes share the folders named below.
#
#SBATCH --job-name=grade-{slug}
#SBATCH --array=1-{shards}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={jobs}
# A submission that takes too much memory is to be stopped by the grader, not with it.
#SBATCH --mem-per-cpu={MEMORY_GIB}G
#SBATCH --requeue
#SBATCH --output=/dev/null
set -eu
shard=${{SLURM_ARRAY_TASK_ID:?start this with sbatch, which says which shard it is}}
plan={folder}
program={program}
# One log for all starts of a shard.
exec >>"$plan/{LOGS}/shard-$shard.log" 2>&1
echo "shard $shard of {shards} on $(hostname), $(date)"
cd {course}
if ! [ -x "$program" ]; then
    echo "there is no $program; build it again: cargo build --package classroom"
    exit 2
fi
export CARGO_TARGET_DIR={target}
exec "$program" batch {class} --out "$plan/results" --shard "$shard/{shards}" \
    --jobs "${{SLURM_CPUS_PER_TASK:-{jobs}}}" \
    {options}
"#,
        submissions = plan.submissions,
    );
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
