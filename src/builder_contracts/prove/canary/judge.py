"""Judge the build of a canary: its cost, its program and its artifacts. Pure."""

from __future__ import annotations

import hashlib
import tarfile

from builder_contracts.contract.quantities import human_bytes
from builder_contracts.prove.canary.definition import Canary
from builder_contracts.prove.canary.record import Artifacts, CanaryProducts
from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.job import format_completed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.command_end import is_deadline, is_out_of_memory
from builder_contracts.verdict import Measurement

# The share of the host's CPU time, used by other work, from which on a build that is late proves nothing.
_BUSY = 0.25


def judge_builds(
    canary: Canary, products: CanaryProducts | Unavailable, status: int | None, output: str
) -> CheckResult | Unavailable:
    """Judge whether the canary was built within its budget. ``output`` is how its command ended, and its last lines."""
    others = products.others if isinstance(products, CanaryProducts) else None
    if status is None:
        return _did_not_complete(output, others)
    if status != 0:
        return failed(
            f"the build exited with status {status}: {output}",
            "run the command from canary.yaml in the image by hand",
        )
    if isinstance(products, Unavailable):
        return products
    if products.undelivered:
        return failed(
            f"the build succeeded, but {products.undelivered}",
            "fix 'artifacts' in canary.yaml, or the command",
        )
    budget = canary.budget
    costs = (
        ("time", "cold_seconds", products.seconds, budget.seconds),
        ("memory", "peak_memory_bytes", products.memory, budget.memory),
        ("disk", "disk_bytes", products.disk, budget.disk),
    )
    measures = tuple(
        Measurement(name, spent, allowed) for _, name, spent, allowed in costs if spent is not None
    )
    over = [
        f"{_amount(resource, spent)} of {resource} (budget {_amount(resource, allowed)})"
        for resource, _, spent, allowed in costs
        if spent is not None and allowed is not None and spent > allowed
    ]
    if over:
        observed = f"built, but used {' and '.join(over)}"
        late_only = len(over) == 1 and products.seconds > budget.seconds
        if late_only and (busy := _busy(others)):
            return Unavailable(f"{observed}, {busy}")
        return failed(observed, "reduce the cost, or raise the budget in canary.yaml", measures=measures)
    if unmeasured := [
        resource
        for resource, _, spent, allowed in costs
        if spent is None and allowed is not None and not (resource == "memory" and products.shared)
    ]:
        reason = products.unmeasured or "the host does not report it"
        return Unavailable(
            f"built, but its use of {' and '.join(unmeasured)} is unknown: {reason}",
            provable_here=bool(products.unmeasured),
        )
    memory = human_bytes(products.memory) if products.memory else "an unknown amount"
    disk = human_bytes(products.disk) if products.disk else "an unknown amount"
    cost = f"{memory} of memory and {disk} of disk"
    origin = f"the runner, whose cgroup peaked at {memory}"
    if products.shared:
        cost = f"{disk} of disk (memory is not measured on a shared machine)"
        origin = "the job's directory"
    return passed(
        f"built in {products.seconds:.1f} s with {cost}, within budget",
        witnesses=(
            f"client: {' '.join(canary.command)} exited with status 0",
            f"outside: {len(products.artifacts)} entries of {', '.join(canary.artifacts)} copied from {origin}",
        ),
        measures=measures,
    )


def _busy(others: float | None) -> str:
    """Why the time of a build says nothing about the class, or an empty text."""
    if others is None or others < _BUSY:
        return ""
    return f"while other work used {others:.0%} of the host's CPU time"


def _did_not_complete(output: str, others: float | None) -> CheckResult | Unavailable:
    """The canary's own budget and the class's memory limit break the clause; any other end proves nothing."""
    observed = f"the build did not complete: {output}"
    if is_deadline(output):
        if busy := _busy(others):
            return Unavailable(f"{observed}, {busy}")
        return failed(observed, "raise the budget, or find out what it waits for")
    if is_out_of_memory(output):
        return failed(observed, "raise the class's memory limit, or build with fewer jobs")
    return Unavailable(observed)


def _amount(resource: str, value: float) -> str:
    return f"{value:.0f} s" if resource == "time" else human_bytes(int(value))


def judge_runs(canary: Canary, products: CanaryProducts | Unavailable) -> CheckResult | Unavailable:
    """Judge whether the program runs and prints the expected text, with this run's nonce in it."""
    if isinstance(products, Unavailable):
        return products
    if products.undelivered:
        return Unavailable(products.undelivered)
    if products.ran is None:
        return Unavailable.never(f"canary.yaml of {canary.name} has no 'run'")
    command = " ".join(canary.run)
    if products.ran.status is None:
        return Unavailable(f"{command} did not complete: {format_completed(products.ran)}")
    expected = canary.says.replace("NONCE", products.nonce)
    text = products.ran.stdout.decode("utf-8", "replace")
    witnesses = (
        f"client: status {products.ran.status}, {text[:200]!r}",
        f"nonce: {products.nonce}, made for this run",
    )
    if products.ran.status != 0 or expected not in text:
        return failed(
            f"{command} failed: {format_completed(products.ran)}",
            f"the program should print {expected!r}",
            witnesses,
        )
    return passed(f"{command} printed {expected!r}", witnesses)


def judge_artifacts(
    canary: Canary, products: CanaryProducts | Unavailable, builder_paths: tuple[str, ...]
) -> CheckResult | Unavailable:
    """Judge whether the artifacts are complete away from the builder."""
    if isinstance(products, Unavailable):
        return products
    if products.undelivered:
        return Unavailable(products.undelivered)
    return check_completeness(products.artifacts, canary.artifacts, builder_paths)


def check_completeness(
    artifacts: Artifacts, expected: tuple[str, ...], builder_paths: tuple[str, ...]
) -> CheckResult:
    """Check that artifacts are complete away from the builder: real files that contain no path of it."""
    likely = "deliver real files: copy with cp -L, and build with relative or mapped paths"
    files = {name: content for name, content in artifacts.items() if isinstance(content, bytes)}
    for name, entry in artifacts.items():
        if isinstance(entry, tarfile.TarInfo) and not entry.isdir():
            kind = f"a link to {entry.linkname}" if entry.issym() or entry.islnk() else "not a regular file"
            return failed(f"{name} is {kind}, so it does not survive the transfer", likely)
    for name, content in files.items():
        for path in builder_paths:
            if path.encode() in content:
                return failed(f"{name} contains {path}, which exists only on the builder", likely)
        if not content:
            return failed(f"{name} is empty", "the build wrote nothing to it; check the build log")
    missing = [
        path for path in expected if not any(name == path or name.startswith(f"{path}/") for name in files)
    ]
    if missing:
        return failed(f"missing artifacts: {', '.join(missing)}", "fix 'artifacts' or the command")
    size = sum(map(len, files.values()))
    digests = (f"{name} sha256:{hashlib.sha256(files[name]).hexdigest()[:16]}…" for name in sorted(files))
    return passed(
        f"{len(files)} files, {size} bytes, no links, no references to {' or '.join(builder_paths)}",
        witnesses=(
            f"client: delivered {', '.join(sorted(artifacts))[:300]}",
            f"outside: {', '.join(digests)[:300]}",
        ),
        measures=(Measurement("artifact_bytes", size),),
    )
