"""The command that asks what a run asked again."""

from __future__ import annotations

import shlex

from builder_contracts.dashboard.history.series import Run


def rerun_command(run: Run, *selection: str) -> str:
    """For one class as that run looked at it; ``selection`` are further words of the command line."""
    where = ["--runner", run.runner] if run.runner and run.runner != "docker" else []
    if run.runner == "docker" and run.image:
        where = ["--image", f"{run.builder}={run.image}"]
    if run.environment not in ("", "none", "embedded"):
        where += ["--environment", run.environment]
    return shlex.join(["builder-contracts", "check", "--builder", run.builder, *selection, *where])
