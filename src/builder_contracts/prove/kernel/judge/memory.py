"""Tier *memory*: the memory of the build and of its link step, compared with the limit of the class."""

from __future__ import annotations

from builder_contracts.contract.quantities import human_bytes
from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.kernel.judge.step_failure import NotReached, require
from builder_contracts.prove.kernel.record import KernelBuild, KernelRecord
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Measurement

HEADROOM = 0.9
"""The part of the limit that the link step may need: a build that just fits today does not tomorrow."""


def _measured(record: KernelRecord) -> KernelBuild:
    cold = require(record.cold)
    if not cold.measures:
        raise NotReached(Unavailable("not measured: the build ended early"))
    return cold


def judge_limit(record: KernelRecord) -> CheckResult | Unavailable:
    build = _measured(record)
    if record.limit is None:
        return Unavailable.never("the class promises no memory limit")
    in_effect = next((measure.limit for measure in build.measures.values() if measure.limit), None)
    measures = (Measurement("peak_memory_bytes", build.peak, record.limit),)
    if build.oom_kills or build.step.killed:
        return failed(
            f"{max(build.oom_kills, 1)} processes were killed at the limit of {human_bytes(in_effect or record.limit)}, "
            f"peak {human_bytes(build.peak)}",
            "raise the class's memory limit; the platform gives linux-xr 16Gi",
            measures=measures,
        )
    if in_effect != record.limit:
        reason = (
            "no limit was in effect"
            if in_effect is None
            else f"the limit in effect was {human_bytes(in_effect)}"
        )
        return Unavailable(
            f"{reason}, the class promises {human_bytes(record.limit)}{record.capacity}",
            provable_here=not record.capacity,
        )
    if not build.step.worked:
        return Unavailable("the build did not complete (see linux-xr-build)")
    if build.peak <= 0:
        return Unavailable("the system did not report the memory use of the build")
    return passed(
        f"peak {human_bytes(build.peak)} of {human_bytes(record.limit)}, nothing was killed",
        measures=measures,
    )


def judge_link(record: KernelRecord) -> CheckResult | Unavailable:
    build = _measured(record)
    measure = build.measures.get("link")
    if measure is None:
        return Unavailable("the build did not reach the link step (see linux-xr-build)")
    if record.limit is None:
        return Unavailable.never("the class promises no memory limit")
    if measure.status != 0:
        return Unavailable("the link step failed (see linux-xr-build)")
    if measure.largest_process <= 0:
        return Unavailable("the system did not report the memory use of the link step")
    need = max(measure.largest_process, measure.peak)
    observed = f"the link step peaks at {human_bytes(measure.peak)}, its largest process at {human_bytes(measure.largest_process)}"
    measures = (Measurement("link_memory_bytes", need, HEADROOM * record.limit),)
    if need > HEADROOM * record.limit:
        return failed(
            f"{observed}; this exceeds {HEADROOM:.0%} of the {human_bytes(record.limit)} limit",
            "raise the class's memory limit; the platform gives linux-xr 16Gi",
            measures=measures,
        )
    return passed(f"{observed}; the limit is {human_bytes(record.limit)}", measures=measures)


SHOWS = {"memory": judge_limit, "memory-link": judge_link}
