"""Tier *memory*: what the build and its link step need, against the limit of the class."""

from __future__ import annotations

from builder_contracts.contract.quantities import human_bytes
from builder_contracts.prove.kernel.record import KernelBuild, KernelRecord
from builder_contracts.prove.records import CheckResult, Unavailable
from builder_contracts.verdict import Measurement

HEADROOM = 0.9
"""The part of the limit that the link step may need: a build that just fits today does not tomorrow."""


def _measured(record: KernelRecord) -> KernelBuild | Unavailable:
    if isinstance(record.cold, Unavailable):
        return record.cold
    if not record.cold.measures:
        return Unavailable("nothing was measured: the build ended before")
    return record.cold


def limit(record: KernelRecord) -> CheckResult | Unavailable:
    build = _measured(record)
    if isinstance(build, Unavailable):
        return build
    if record.limit is None:
        return Unavailable("the class promises no memory limit", here=False)
    seen = next((measure.limit for measure in build.measures.values() if measure.limit), None)
    measures = (Measurement("peak_memory_bytes", build.peak, record.limit),)
    if build.oom_kills or build.step.killed:
        return CheckResult(
            False,
            f"{max(build.oom_kills, 1)} processes were killed at the limit of {human_bytes(seen or record.limit)}, "
            f"peak {human_bytes(build.peak)}",
            "raise the memory limit of the class; the platform gives linux-xr 16Gi",
            measures=measures,
        )
    if seen != record.limit:
        what = "no limit was in force" if seen is None else f"the limit in force was {human_bytes(seen)}"
        return Unavailable(
            f"{what}, the class promises {human_bytes(record.limit)}{record.capacity}",
            here=not record.capacity,
        )
    if not build.step.worked:
        return Unavailable("the build did not come to its end: see linux-xr-build")
    return CheckResult(
        True,
        f"peak {human_bytes(build.peak)} of {human_bytes(record.limit)}, nothing was killed",
        measures=measures,
    )


def link(record: KernelRecord) -> CheckResult | Unavailable:
    build = _measured(record)
    if isinstance(build, Unavailable):
        return build
    measure = build.measures.get("link")
    if measure is None:
        return Unavailable("the link step was not reached: see linux-xr-build")
    if record.limit is None:
        return Unavailable("the class promises no memory limit", here=False)
    if measure.status != 0:
        return Unavailable("the link step did not end well: see linux-xr-build")
    if measure.largest_process <= 0:
        return Unavailable("the system did not say what the link step needed")
    need = max(measure.largest_process, measure.peak)
    said = f"the largest process of the link step needs {human_bytes(measure.largest_process)}, all of it {human_bytes(measure.peak)}"
    measures = (Measurement("link_memory_bytes", need, HEADROOM * record.limit),)
    if need > HEADROOM * record.limit:
        return CheckResult(
            False,
            f"{said}: more than {HEADROOM:.0%} of the limit of {human_bytes(record.limit)}",
            "raise the memory limit of the class; the platform gives linux-xr 16Gi",
            measures=measures,
        )
    return CheckResult(True, f"{said}; the limit is {human_bytes(record.limit)}", measures=measures)


SHOWS = {
    "memory": limit,
    "memory-link": link,
}
