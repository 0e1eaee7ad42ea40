"""Grades one submission for Classroom 50.

Its runner starts this in the submission's checkout and reads result.json there. The grader comes
from course.tar.gz beside this file, so what a submission did to its own copy of it does not
matter: only regular files exercises/MODULE/src/**/*.rs are taken. An exit status other than 0 says
that the grader failed, which is no fault of the submission.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

MODULES = @MODULES@

here = pathlib.Path(__file__).resolve().parent
checkout = pathlib.Path.cwd()
result = checkout / "result.json"
result.unlink(missing_ok=True)


def regular_sources(folder):
    """The .rs files below folder that are no links, nor below any."""
    for at, folders, names in os.walk(folder):
        at = pathlib.Path(at)
        folders[:] = [name for name in folders if not (at / name).is_symlink()]
        for name in names:
            path = at / name
            if name.endswith(".rs") and path.is_file() and not path.is_symlink():
                yield path.relative_to(folder)


with tempfile.TemporaryDirectory(dir=os.environ.get("RUNNER_TEMP")) as work:
    course = pathlib.Path(work) / "course"
    with tarfile.open(here / "course.tar.gz") as archive:
        # Python has had filters since 3.12, and in later versions of 3.8 to 3.11.
        has_filters = hasattr(tarfile, "data_filter")
        archive.extractall(course, **({"filter": "data"} if has_filters else {}))
    for module in MODULES:
        target = course / "exercises" / module / "src"
        shutil.rmtree(target)
        target.mkdir()
        source = checkout / "exercises" / module / "src"
        parents = [source.parent.parent, source.parent, source]
        if all(path.is_dir() and not path.is_symlink() for path in parents):
            for path in regular_sources(source):
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / path, target / path)
        if not (target / "main.rs").exists():
            # Without it the workspace would not load, and nothing be graded.
            missing = f"exercises/{module}/src/main.rs was not handed in"
            (target / "main.rs").write_text(f"compile_error!({json.dumps(missing)});\n")
    environment = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"}
    command = ["cargo", "run", "--quiet", "--locked", "--package", "xtask", "--", "grade"]
    command += ["--format", "classroom50", "--out", str(result)]
    status = subprocess.run(command, cwd=course, env=environment, check=False).returncode

# 0 and 1 are verdicts; anything else is a failure of the grader.
if status not in (0, 1) or not result.is_file():
    result.unlink(missing_ok=True)
    sys.exit(f"the grader failed (exit status {status}); this is no fault of the submission")
