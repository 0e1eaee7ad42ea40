//! An indexed Job for Kubernetes;
//! <https://kubernetes.io/docs/concepts/workloads/controllers/job/>.

use anyhow::{Context, bail};

use super::{MEMORY_GIB, Plan, Written, shell, yaml};

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
    let (command, image, memory) = (yaml(&command)?, yaml(image)?, jobs * MEMORY_GIB);
    let text = format!(
        r#"# Grades {title}: {submissions} submissions in {shards} shards.
#
# The image has the course in /course and Rust; from the course's folder this makes one:
#
#   FROM rust:{rust}
#   COPY . /course
#   WORKDIR /course
#   RUN cargo fetch && cargo build --package classroom
#
# The claim `{claim}` holds the submissions, as {shown}, and this folder, as plan; the results come
# to results. Shards on several nodes need one that several nodes may write to (ReadWriteMany).
#
#   kubectl create -f {FILE}
#   kubectl replace --force -f {FILE}    # again; each shard goes on where it was
apiVersion: batch/v1
kind: Job
metadata:
  name: grade-{slug}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  # A shard that the machine failed is started again, and no other one with it.
  backoffLimitPerIndex: 3
  maxFailedIndexes: {shards}
  podFailurePolicy:
    rules:
      # Status 2 is wrong usage, or a node that cannot keep submissions apart: it would come again.
      - action: FailIndex
        onExitCodes:
          containerName: batch
          operator: In
          values: [2]
      # Evicted, or its node is gone: nobody's fault.
      - action: Ignore
        onPodConditions:
          - type: DisruptionTarget
            status: "True"
  template:
    spec:
      restartPolicy: Never
      # A submission has no business with the cluster.
      automountServiceAccountToken: false
      enableServiceLinks: false
      # The sandbox makes namespaces of its own, which the usual profiles forbid, and mounts a
      # /proc in them. All of that needs users that are none of the node's.
      hostUsers: false
      containers:
        - name: batch
          image: {image}
          workingDir: /course
          command: ["/bin/sh", "-c"]
          args:
            - {command}
          resources:
            requests:
              cpu: {jobs}
              memory: {memory}Gi
            limits:
              # A submission that takes too much memory is to be stopped by the grader, not with it.
              memory: {memory}Gi
          securityContext:
            procMount: Unmasked
            seccompProfile:
              type: Unconfined
            appArmorProfile:
              type: Unconfined
          volumeMounts:
            - name: grading
              mountPath: {VOLUME}
      volumes:
        - name: grading
          persistentVolumeClaim:
            claimName: {claim}
"#,
        rust = rust_version(),
        shown = name.to_string_lossy(),
    );
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
