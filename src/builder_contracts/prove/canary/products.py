"""Collect the cost and the artifacts of a canary's cold build."""

from __future__ import annotations

import re
from dataclasses import dataclass

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

# The CPU time of the host in ticks of a hundredth of a second, and that of the runner's cgroup.
# Sources: proc_stat(5), and the kernel's Documentation/admin-guide: cgroup-v2.rst has microseconds in cpu.stat,
# cgroup-v1/cpuacct.rst nanoseconds in cpuacct.usage.
_CPU = (
    "head -n 1 /proc/stat; "
    "cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null | head -n 1"
)
_CPU_TIMES = re.compile(rb"cpu +((?:\d+ ){7}\d+).*\n(usage_usec )?(\d+)\n")


@dataclass(frozen=True)
class CpuTime:
    """Seconds of CPU time until now: of the whole host, those in which it worked, and those of the runner."""

    total: float
    worked: float
    own: float


def cpu_time(job: ProofJob) -> CpuTime | None:
    """The CPU time until now, or None where a job shares its cgroup with others or the kernel does not tell."""
    if job.shared:
        return None
    return parse_cpu_time(job.run(["sh", "-c", _CPU], deadline=20).stdout)


def parse_cpu_time(printed: bytes) -> CpuTime | None:
    match = _CPU_TIMES.match(printed)
    if match is None:
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = (int(ticks) / 100 for ticks in match[1].split())
    worked = user + nice + system + irq + softirq + steal
    return CpuTime(worked + idle + iowait, worked, int(match[3]) / (1e6 if match[2] else 1e9))


def share_of_others(before: CpuTime | None, after: CpuTime | None) -> float | None:
    """The share of the host's CPU time that something else than the runner used, or None if it is unknown."""
    if before is None or after is None or after.total <= before.total:
        return None
    others = (after.worked - before.worked) - (after.own - before.own)
    return max(0.0, others / (after.total - before.total))


def collect(
    job: ProofJob, canary: Canary, nonce: str, seconds: float, before: CpuTime | None = None
) -> CanaryProducts | Unavailable:
    """Measure the runner after a cold build, run what was built, and copy the artifacts out.

    ``before`` is the CPU time when the build began.

    On a shared machine the cgroup is the whole job's, this program included, so memory is not measured; and of
    the disk only what is in the job's own home, where its temporary files are as well.
    """
    others = share_of_others(before, cpu_time(job)) if before else None
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
        others,
    )


def _sum(printed: CompletedCommand) -> int | None:
    """Return the sum of the numbers that a command printed, or None if it printed none or did not complete."""
    numbers = [] if printed.status is None else printed.stdout.split()
    return sum(map(int, numbers)) if numbers else None
