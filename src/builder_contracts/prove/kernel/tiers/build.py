"""Tier *build*: a cold build, in its own folder."""

from __future__ import annotations

from builder_contracts.evidence.verdict import Measure
from builder_contracts.prove.check_result import Finding
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.kernel.tiers.ended import find_failure
from builder_contracts.prove.unavailable import Lost


def judge_image(record: KernelRecord) -> Finding | Lost:
    if isinstance(record.cold, Lost):
        return record.cold
    if failed := find_failure(record.cold.step, record.cold):
        return failed
    if not record.cold.images or not record.cold.digests:
        return Finding(
            False, "make succeeded but produced no image", "check the makefile targets of this source"
        )
    hits = record.cold.cache.get("remote_storage_hit", 0)
    return Finding(
        True,
        f"{len(record.cold.digests)} objects and the image, cold, in {record.cold.step.seconds:.0f} s"
        + (f" ({hits} of them twice in the tree)" if hits else ""),
        witnesses=tuple(f"{name} sha256:{digest}" for name, digest in record.cold.images.items()),
        measures=(Measure("cold_seconds", record.cold.step.seconds, record.cold.step.budget),),
    )


def judge_confined(record: KernelRecord) -> Finding | Lost:
    if isinstance(record.cold, Lost):
        return record.cold
    if not record.cold.step.worked:
        return Lost("the build did not complete (see linux-xr-build)")
    strays = record.cold.strays
    if isinstance(strays, Lost):
        return strays
    if strays:
        more = f" and {len(strays) - 5} more" if len(strays) > 5 else ""
        return Finding(
            False,
            f"wrote {', '.join(strays[:5])}{more}",
            "a build step or makefile rule writes outside the build directory",
        )
    return Finding(
        True,
        "nothing changed outside the build directory, neither in the image nor in the source",
    )


SHOWS = {
    "build": judge_image,
    "build-confined": judge_confined,
}
