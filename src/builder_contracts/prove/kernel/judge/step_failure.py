"""Requirements of a clause: a tier that was reached, a step that succeeded, or the reason why it did not."""

from __future__ import annotations

import re
from typing import TypeVar

from builder_contracts.contract.quantities import human_bytes
from builder_contracts.prove.check_result import CheckResult, failed
from builder_contracts.prove.kernel.record import KernelBuild, TierStep
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.command_end import is_deadline

# How make, env and the shell report that a program does not exist.
_MISSING = re.compile(
    r"(?:make(?:\[\d+\])?: |sh: \d+: |env: |/bin/sh: \d+: )['\u2018]?([A-Za-z0-9_./+-]+)['\u2019]?: "
    r"(?:No such file or directory|not found)"
)
_MISSING_CCACHE = re.compile(r"ccache: error: Could not find compiler \"?([^\"\s]+)\"? in PATH")

_Fact = TypeVar("_Fact")


class NotReached(Exception):
    """A clause has its result although its own facts were not looked at: what it needs is missing or failed."""

    def __init__(self, result: CheckResult | Unavailable) -> None:
        super().__init__(result)
        self.result = result


def require(fact: _Fact | Unavailable) -> _Fact:
    """A fact that a clause cannot do without. Raises NotReached."""
    if isinstance(fact, Unavailable):
        raise NotReached(fact)
    return fact


def require_success(step: TierStep | Unavailable, build: KernelBuild | None = None) -> TierStep:
    """A step that has to have succeeded. Raises NotReached with the reason why it did not."""
    step = require(step)
    if failure := find_failure(step, build):
        raise NotReached(failure)
    return step


def find_failure(step: TierStep, build: KernelBuild | None = None) -> CheckResult | Unavailable | None:
    """Return why a step did not succeed, or None if it did. Unavailable: something other than the step ended it."""
    if step.worked:
        return None
    kills = build.oom_kills if build else 0
    if kills or step.killed:
        return _killed(build)
    if step.status is None and is_deadline(step.ended):
        return failed(
            f"exceeded its budget of {step.budget:.0f} s: {step.end}",
            "it is waiting for something, or the host is too slow",
        )
    if step.status is None:
        return Unavailable(f"did not complete: {step.ended}")
    missing = _MISSING.search(step.stderr) or _MISSING_CCACHE.search(step.stderr)
    if missing:
        return failed(
            f"status {step.status}: {missing[1]} is not in the image ({step.end})",
            f"install the package that provides {missing[1]}",
        )
    return failed(
        f"status {step.status}: {step.end}",
        "run the step by hand in the image (see docs/explanation/kernel-canary.md)",
    )


def _killed(build: KernelBuild | None) -> CheckResult:
    measures = build.measures if build else {}
    limit = next((measure.limit for measure in measures.values() if measure.limit), None)
    part = next((name for name, measure in measures.items() if measure.oom_kills), "")
    peak = f", peak {human_bytes(build.peak)}" if build and build.peak else ""
    return failed(
        f"killed{f' during {part}' if part else ''} at the memory limit of "
        f"{human_bytes(limit) if limit else 'the class'}{peak}",
        "raise the class's memory limit, or compile with fewer jobs",
    )
