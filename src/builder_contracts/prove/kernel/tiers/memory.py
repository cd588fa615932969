"""Tier *memory*: what the build and its link step need, against the limit of the class."""

from __future__ import annotations

from builder_contracts.contract.quantity import human_bytes
from builder_contracts.evidence.verdict import Measure
from builder_contracts.prove.check_result import Finding
from builder_contracts.prove.kernel.record import Build, KernelRecord
from builder_contracts.prove.unavailable import Lost

HEADROOM = 0.9
"""The part of the limit that the link step may need: a build that just fits today does not tomorrow."""


def _measured(record: KernelRecord) -> Build | Lost:
    if isinstance(record.cold, Lost):
        return record.cold
    if not record.cold.measures:
        return Lost("not measured: the build ended early")
    return record.cold


def judge_limit(record: KernelRecord) -> Finding | Lost:
    build = _measured(record)
    if isinstance(build, Lost):
        return build
    if record.limit is None:
        return Lost("the class promises no memory limit", provable_here=False)
    in_effect = next((measure.limit for measure in build.measures.values() if measure.limit), None)
    measures = (Measure("peak_memory_bytes", build.peak, record.limit),)
    if build.oom_kills or build.step.killed:
        return Finding(
            False,
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
        return Lost(
            f"{reason}, the class promises {human_bytes(record.limit)}{record.capacity}",
            provable_here=not record.capacity,
        )
    if not build.step.worked:
        return Lost("the build did not complete (see linux-xr-build)")
    if build.peak <= 0:
        return Lost("the system did not report the memory use of the build")
    return Finding(
        True,
        f"peak {human_bytes(build.peak)} of {human_bytes(record.limit)}, nothing was killed",
        measures=measures,
    )


def judge_link(record: KernelRecord) -> Finding | Lost:
    build = _measured(record)
    if isinstance(build, Lost):
        return build
    measure = build.measures.get("link")
    if measure is None:
        return Lost("the build did not reach the link step (see linux-xr-build)")
    if record.limit is None:
        return Lost("the class promises no memory limit", provable_here=False)
    if measure.status != 0:
        return Lost("the link step failed (see linux-xr-build)")
    if measure.largest_process <= 0:
        return Lost("the system did not report the memory use of the link step")
    need = max(measure.largest_process, measure.peak)
    observed = f"the link step peaks at {human_bytes(measure.peak)}, its largest process at {human_bytes(measure.largest_process)}"
    measures = (Measure("link_memory_bytes", need, HEADROOM * record.limit),)
    if need > HEADROOM * record.limit:
        return Finding(
            False,
            f"{observed}; this exceeds {HEADROOM:.0%} of the {human_bytes(record.limit)} limit",
            "raise the class's memory limit; the platform gives linux-xr 16Gi",
            measures=measures,
        )
    return Finding(True, f"{observed}; the limit is {human_bytes(record.limit)}", measures=measures)


SHOWS = {
    "memory": judge_limit,
    "memory-link": judge_link,
}
