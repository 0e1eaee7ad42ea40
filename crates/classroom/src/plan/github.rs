//! A workflow for GitHub Actions;
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax>.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{Plan, Written, fill, shell, yaml};

/// The workflow's name in the plan.
const FILE: &str = "grade.yml";
/// How many jobs a matrix may have.
const MOST_JOBS: usize = 256;
/// How many minutes a shard may take: less than the six hours of a job, so that what is done by
/// then is kept.
const MINUTES: usize = 330;

/// Writes the workflow.
///
/// # Errors
///
/// The submissions or the plan are not in the course's repository, or there are too many shards.
pub fn write(plan: &Plan) -> anyhow::Result<Written> {
    let Plan { title, shards, jobs, submissions, .. } = plan;
    if *shards > MOST_JOBS {
        bail!(
            "{shards} shards are more than the {MOST_JOBS} jobs of a matrix; --per-shard {} makes \
             few enough",
            submissions.div_ceil(MOST_JOBS)
        );
    }
    let root = repository(plan.workspace.root());
    let [class, folder, course] = [&plan.class, &plan.folder, &plan.workspace.root().to_path_buf()]
        .map(|path| {
            let inside = path.strip_prefix(&root).with_context(|| {
                format!(
                    "{} is not in the repository {}: what is not committed there, no runner has",
                    path.display(),
                    root.display()
                )
            })?;
            let word = shell(if inside == Path::new("") { Path::new(".") } else { inside })?;
            if word.contains("${{") {
                bail!("{word} has `${{{{` in its name, which GitHub would take for its own");
            }
            Ok(word)
        });
    let (class, folder, course) = (class?, folder?, course?);
    let options = plan.options(&folder).join(" ");
    let numbers: Vec<String> = (1..=*shards).map(|number| number.to_string()).collect();
    let cargo =
        format!("cargo run --quiet --manifest-path {course}/Cargo.toml --package classroom");
    let shown_title = title.replace("${{", "$ {{");
    let [batch, merge] = [
        format!(
            "{cargo} -- batch {class} --out results --shard ${{{{ matrix.shard }}}}/{shards} \
             --jobs {jobs} {options}"
        ),
        format!("{cargo} -- merge shards/* --out merged"),
    ];
    let text = fill(
        include_str!("files/grade.yml"),
        &[
            ("TITLE", &shown_title),
            ("SUBMISSIONS", submissions),
            ("SHARDS", shards),
            ("NAME", &yaml(&format!("grade {shown_title}"))?),
            ("NUMBERS", &numbers.join(", ")),
            ("MINUTES", &MINUTES),
            ("BATCH", &yaml(&batch)?),
            ("MERGE", &yaml(&merge)?),
        ],
    )?;
    let shown = plan.folder.display();
    let next = format!(
        "next: copy {shown}/{FILE} to {}/.github/workflows/, commit both and the submissions to a \
         private repository, and start the workflow from its Actions page\nthen: its artifact \
         `results` is the whole\n",
        root.display()
    );
    Ok(Written { name: FILE, text, next, notes: Vec::new() })
}

/// The repository's folder: the course's own, or one around it.
fn repository(course: &Path) -> PathBuf {
    let around = course.ancestors().find(|folder| folder.join(".git").exists());
    around.unwrap_or(course).to_path_buf()
}
