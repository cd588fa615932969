"""Collect the cost and the artifacts of a canary's cold build."""

from __future__ import annotations

from builder_contracts.prove.canary.definition import Canary
from builder_contracts.prove.canary.record import Artifacts, CanaryProducts
from builder_contracts.prove.job import ProofJob, StepFailed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.protocol import CompletedCommand

# Reads the largest amount of memory that the container's cgroup ever held, in version 2 and 1.
_PEAK = (
    "cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null | head -n 1"
)
_DISK = 'du -sbx "$HOME" "$@" 2>/dev/null | while read -r size _; do echo "$size"; done'


def collect(job: ProofJob, canary: Canary, nonce: str, seconds: float) -> CanaryProducts | Unavailable:
    """Measure the runner after a cold build, run what was built, and copy the artifacts out.

    On a shared machine the cgroup is the whole job's, this program included, so memory is not measured; and of
    the disk only what is in the job's own home, where its temporary files are as well.
    """
    artifacts: Artifacts = {}
    undelivered = ""
    try:
        artifacts = job.take(canary.artifacts)
    except StepFailed as failed:
        if not failed.exited:
            return failed.lost
        undelivered = failed.lost.reason
    folders = [] if job.shared else ["/tmp"]  # noqa: S108 # the runner's, nothing is written there
    disk = job.run(["sh", "-c", _DISK, "sh", *folders], deadline=60)
    peak = CompletedCommand(0, b"", b"") if job.shared else job.run(["sh", "-c", _PEAK], deadline=20)
    ran = job.run(canary.run, deadline=60) if canary.run else None
    return CanaryProducts(
        seconds,
        _sum(peak),
        _sum(disk),
        artifacts,
        ran,
        nonce,
        job.shared,
        undelivered,
        disk.ended or peak.ended,
    )


def _sum(printed: CompletedCommand) -> int | None:
    """Return the sum of the numbers that a command printed, or None if it printed none or did not complete."""
    numbers = [] if printed.status is None else printed.stdout.split()
    return sum(map(int, numbers)) if numbers else None
