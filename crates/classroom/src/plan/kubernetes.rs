//! An indexed Job for Kubernetes;
//! <https://kubernetes.io/docs/concepts/workloads/controllers/job/>.

use anyhow::{Context, bail};

use super::{MEMORY_GIB, Plan, Written, fill, shell, yaml};

/// The manifest's name in the plan.
const FILE: &str = "job.yaml";
/// Where the volume is mounted.
const VOLUME: &str = "/grading";

/// Writes the manifest.
///
/// # Errors
///
/// The image or the claim cannot be called so.
pub fn write(plan: &Plan, image: &str, claim: &str) -> anyhow::Result<Written> {
    if image.is_empty() || image.contains(|letter: char| letter.is_whitespace()) {
        bail!("{image:?} is no image's name");
    }
    let is_label = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    if claim.is_empty() || !claim.chars().all(|letter| is_label(letter) || "-.".contains(letter)) {
        bail!("{claim:?} is no claim's name: small letters, digits, `-` and `.` make one");
    }
    let Plan { title, slug, shards, jobs, submissions, .. } = plan;
    let name = plan.class.file_name().context("find the name of the submissions")?;
    let class = shell(&std::path::Path::new(VOLUME).join(name))?;
    let options = plan.options(&format!("{VOLUME}/plan")).join(" ");
    let command = format!(
        "exec target/debug/classroom batch {class} --out {VOLUME}/results \
         --shard \"$((JOB_COMPLETION_INDEX + 1))/{shards}\" --jobs {jobs} {options}"
    );
    let text = fill(
        include_str!("files/job.yaml"),
        &[
            ("TITLE", title),
            ("SLUG", slug),
            ("SUBMISSIONS", submissions),
            ("SHARDS", shards),
            ("JOBS", jobs),
            ("MEMORY", &(jobs * MEMORY_GIB)),
            ("RUST", &rust_version()),
            ("IMAGE", &yaml(image)?),
            ("COMMAND", &yaml(&command)?),
            ("VOLUME", &VOLUME),
            ("CLAIM", &claim),
            ("SHOWN", &name.to_string_lossy()),
        ],
    )?;
    let shown = plan.folder.display();
    let next = format!(
        "next: copy the submissions and the plan to the claim {claim}, as {FILE} says; then \
         kubectl create -f {shown}/{FILE}\nthen: copy its results back, and cargo xtask merge \
         results --out merged\n"
    );
    Ok(Written { name: FILE, text, next, notes: Vec::new() })
}

/// The version of Rust that the course asks for at least.
fn rust_version() -> &'static str {
    match env!("CARGO_PKG_RUST_VERSION") {
        "" => "1",
        version => version,
    }
}
