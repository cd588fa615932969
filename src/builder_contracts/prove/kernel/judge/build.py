"""Tier *build*: a cold build, in its own directory."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.kernel.judge.step_failure import find_failure
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Measurement


def judge_image(record: KernelRecord) -> CheckResult | Unavailable:
    if isinstance(record.cold, Unavailable):
        return record.cold
    if failed := find_failure(record.cold.step, record.cold):
        return failed
    if not record.cold.images or not record.cold.digests:
        return CheckResult(
            False, "make succeeded but produced no image", "check the makefile targets of this source"
        )
    hits = record.cold.cache.get("remote_storage_hit", 0)
    return CheckResult(
        True,
        f"{len(record.cold.digests)} objects and the image, cold, in {record.cold.step.seconds:.0f} s"
        + (f" ({hits} of them twice in the tree)" if hits else ""),
        witnesses=tuple(f"{name} sha256:{digest}" for name, digest in record.cold.images.items()),
        measures=(Measurement("cold_seconds", record.cold.step.seconds, record.cold.step.budget),),
    )


def judge_confined(record: KernelRecord) -> CheckResult | Unavailable:
    if isinstance(record.cold, Unavailable):
        return record.cold
    if not record.cold.step.worked:
        return Unavailable("the build did not complete (see linux-xr-build)")
    strays = record.cold.strays
    if isinstance(strays, Unavailable):
        return strays
    if strays:
        more = f" and {len(strays) - 5} more" if len(strays) > 5 else ""
        return CheckResult(
            False,
            f"wrote {', '.join(strays[:5])}{more}",
            "a build step or makefile rule writes outside the build directory",
        )
    return CheckResult(
        True,
        "nothing changed outside the build directory, neither in the image nor in the source",
    )


SHOWS = {
    "build": judge_image,
    "build-confined": judge_confined,
}
