"""What a canary's cold build cost and what left the builder, looked at away from it."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.contract.quantities import human_bytes
from builder_contracts.prove.canary.definition import Canary, completeness
from builder_contracts.prove.job import ProofJob, StepFailed, said
from builder_contracts.prove.records import CheckResult, Unavailable
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.verdict import Measurement

# Reads the largest amount of memory that the container's control group ever held, in version 2 and 1.
_PEAK = (
    "cat /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null | head -n 1"
)
_DISK = 'du -sbx "$HOME" "$@" 2>/dev/null | while read -r size _; do echo "$size"; done'


@dataclass(frozen=True)
class CanaryProducts:
    """The end of a cold build: its cost, what came out, and how what was built runs.

    ``memory`` and ``disk`` are bytes, None where they cannot be told from somebody else's, which ``shared`` says.
    """

    seconds: float
    memory: int | None
    disk: int | None
    taken: Mapping[str, tarfile.TarInfo | bytes]
    ran: CompletedCommand | None
    nonce: str
    shared: bool = False


def collect(job: ProofJob, canary: Canary, nonce: str, seconds: float) -> CanaryProducts | Unavailable:
    """Measure the runner after a cold build, run what was built, and take the artifacts out.

    On a shared machine the control group is the whole job's, this program included, so memory is not measured; and of
    the disk only what is in the job's own home, where its temporary files are as well.
    """
    try:
        taken = job.take(canary.artifacts)
    except StepFailed as failed:
        return failed.lost
    peak = [] if job.shared else job.run(["sh", "-c", _PEAK], deadline=20).stdout.split()
    folders = [] if job.shared else ["/tmp"]  # noqa: S108 # the runner's, nothing is written there
    disk = job.run(["sh", "-c", _DISK, "sh", *folders], deadline=60).stdout.split()
    ran = job.run(canary.run, deadline=60) if canary.run else None
    return CanaryProducts(
        seconds,
        int(peak[0]) if peak else None,
        sum(map(int, disk)) if disk else None,
        taken,
        ran,
        nonce,
        job.shared,
    )


def judge_builds(
    canary: Canary, products: CanaryProducts | Unavailable, status: int | None, said_by: str
) -> CheckResult | Unavailable:
    """Whether the canary was built, within its budget."""
    if status is None:
        return CheckResult(
            False, f"the build did not end: {said_by}", "raise the budget, or find what it waits for"
        )
    if status != 0:
        return CheckResult(
            False,
            f"the build ended with status {status}: {said_by}",
            "run the command of canary.yaml in the image by hand",
        )
    if isinstance(products, Unavailable):
        return CheckResult(
            False,
            f"the build ended well, but {products.reason}",
            "correct 'artifacts' in canary.yaml, or the command",
        )
    budget = canary.budget
    costs = (
        ("cold_seconds", products.seconds, budget.seconds),
        ("peak_memory_bytes", products.memory, budget.memory),
        ("disk_bytes", products.disk, budget.disk),
    )
    measures = tuple(Measurement(name, spent, allowed) for name, spent, allowed in costs if spent is not None)
    over = [
        f"{_amount(what, spent)} of {what}; the budget is {_amount(what, allowed)}"
        for what, spent, allowed in (
            ("time", products.seconds, budget.seconds),
            ("memory", products.memory, budget.memory),
            ("disk", products.disk, budget.disk),
        )
        if spent is not None and allowed is not None and spent > allowed
    ]
    if over:
        return CheckResult(
            False,
            f"built, but took {' and '.join(over)}",
            "make it cheaper, or raise the budget in canary.yaml",
            measures=measures,
        )
    memory = human_bytes(products.memory) if products.memory else "an unknown amount"
    disk = human_bytes(products.disk) if products.disk else "an unknown amount"
    cost = f"{memory} of memory and {disk} of disk"
    held = f"the runner, whose control group held {memory} at most"
    if products.shared:
        cost = f"{disk} of disk (memory is not measured on a machine that others use)"
        held = "the job's own folder"
    return CheckResult(
        True,
        f"built in {products.seconds:.1f} s with {cost}, within its budget",
        witnesses=(
            f"client: {' '.join(canary.command)} ended with status 0",
            f"outside: {len(products.taken)} entries of {', '.join(canary.artifacts)} taken from {held}",
        ),
        measures=measures,
    )


def _amount(what: str, value: float) -> str:
    return f"{value:.0f} s" if what == "time" else human_bytes(int(value))


def judge_runs(canary: Canary, products: CanaryProducts | Unavailable) -> CheckResult | Unavailable:
    """Whether what was built runs and says what it should, with this run's nonce in it."""
    if isinstance(products, Unavailable):
        return products
    if products.ran is None:
        return Unavailable(f"canary.yaml of {canary.name} has no 'run'", here=False)
    wanted = canary.says.replace("NONCE", products.nonce)
    text = products.ran.stdout.decode("utf-8", "replace")
    witnesses = (
        f"client: status {products.ran.status}, {text[:200]!r}",
        f"nonce: {products.nonce}, made for this run",
    )
    if products.ran.status != 0 or wanted not in text:
        return CheckResult(
            False,
            f"{' '.join(canary.run)} ended with {said(products.ran)}",
            f"it should print {wanted!r}",
            witnesses,
        )
    return CheckResult(True, f"{' '.join(canary.run)} printed {wanted!r}", "", witnesses)


def judge_artifacts(
    canary: Canary, products: CanaryProducts | Unavailable, builder_paths: tuple[str, ...]
) -> CheckResult | Unavailable:
    """Whether what left the builder is complete without it."""
    if isinstance(products, Unavailable):
        return products
    return completeness(products.taken, canary.artifacts, builder_paths)
