//! A workflow for GitHub Actions;
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax>.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{Plan, Written, shell, yaml};

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
    let text = format!(
        r#"# Grades {shown_title}: {submissions} submissions in {shards} shards.
#
# It runs from .github/workflows/ of the default branch. Keep the repository private: it holds what
# learners handed in, and the artifacts hold their points. "Re-run failed jobs" starts only those
# shards again that are not whole, and each goes on where it was.
name: {name}
on: workflow_dispatch
permissions:
  contents: read
jobs:
  grade:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        shard: [{numbers}]
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
      - name: Allow the namespaces that keep submissions apart
        run: sudo sysctl --ignore --write kernel.apparmor_restrict_unprivileged_userns=0
      - name: Take what an earlier attempt has graded
        if: ${{{{ github.run_attempt > 1 }}}}
        continue-on-error: true
        uses: actions/download-artifact@v8
        with:
          name: shard-${{{{ matrix.shard }}}}
          path: results
      - name: Grade
        timeout-minutes: {MINUTES}
        run: {batch}
      - name: Keep what is graded
        if: ${{{{ always() }}}}
        uses: actions/upload-artifact@v7
        with:
          name: shard-${{{{ matrix.shard }}}}
          path: results
          overwrite: true
  merge:
    needs: grade
    if: ${{{{ !cancelled() }}}}
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
      - uses: actions/download-artifact@v8
        with:
          pattern: shard-*
          path: shards
      - name: Merge
        run: {merge}
      - name: Keep the whole
        if: ${{{{ always() }}}}
        uses: actions/upload-artifact@v7
        with:
          name: results
          path: merged
          overwrite: true
"#,
        name = yaml(&format!("grade {shown_title}"))?,
        numbers = numbers.join(", "),
        batch = yaml(&batch)?,
        merge = yaml(&merge)?,
    );
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
