"""The command that repeats the check of a run."""

from __future__ import annotations

import shlex

from builder_contracts.dashboard.history.series import RecordedRun


def rerun_command(run: RecordedRun, *selection: str) -> str:
    """Check one class the way that run did; ``selection`` is added to the command line."""
    place = run.identity if run.runner == "ssh" else run.runner
    where = ["--runner", place] if place and place != "docker" else []
    if run.runner == "docker" and run.image:
        where = ["--image", f"{run.builder}={run.image}"]
    if run.environment not in ("", "none", "embedded"):
        where += ["--environment", run.environment]
    return shlex.join(["builder-contracts", "check", "--builder", run.builder, *selection, *where])
