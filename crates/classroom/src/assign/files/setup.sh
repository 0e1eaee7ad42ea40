#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image: installs Rust, builds the grader, and tries
# it, so that a broken image is known before the first submission.
set -euo pipefail
root=${AUTOGRADER_ROOT:-/autograder}
course=$root/source/course
rust=@RUST@

if ! command -v cargo >/dev/null; then
    # run_autograder looks for it there.
    export CARGO_HOME=/opt/course-rust/cargo RUSTUP_HOME=/opt/course-rust/rustup PATH=/opt/course-rust/cargo/bin:$PATH
    apt-get update
    apt-get install -y --no-install-recommends ca-certificates curl gcc libc6-dev
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
        sh -s -- -y --no-modify-path --profile minimal --default-toolchain "$rust"
fi

cd "$course"
unset CARGO_TARGET_DIR
cargo build --locked --package classroom
install -m 755 target/debug/classroom "$root/source/grader"

# An empty submission builds what the submissions link against, and shows that grading works.
first=$(mktemp -d)
trap 'rm -rf "$first"' EXIT
mkdir -p "$first/submission" "$first/results"
AUTOGRADER_SUBMISSION=$first/submission AUTOGRADER_RESULTS=$first/results \
    bash "$root/source/run_autograder"
test -s "$first/results/results.json"

# What no submission should find, whatever it tries: the sources of the checks. `batch` tells graders
# apart by these files, so they stay, and are empty.
find "$course"/crates/*/src "$course/xtask/src" -type f -exec truncate --size 0 {} +
rm -rf "$course/target/debug"
echo "the autograder is ready"
