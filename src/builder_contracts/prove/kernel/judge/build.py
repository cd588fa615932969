"""Tier *build*: a cold build, in its own directory."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.kernel.judge.step_failure import require, require_success
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.verdict import Measurement


def judge_image(record: KernelRecord) -> CheckResult | Unavailable:
    cold = require(record.cold)
    require_success(cold.step, cold)
    if not cold.images or not cold.digests:
        return failed("make succeeded but produced no image", "check the makefile targets of this source")
    hits = cold.cache.get("remote_storage_hit", 0)
    return passed(
        f"{len(cold.digests)} objects and the image, cold, in {cold.step.seconds:.0f} s"
        + (f" ({hits} of them twice in the tree)" if hits else ""),
        witnesses=tuple(f"{name} sha256:{digest}" for name, digest in cold.images.items()),
        measures=(Measurement("cold_seconds", cold.step.seconds, cold.step.budget),),
    )


def judge_confined(record: KernelRecord) -> CheckResult | Unavailable:
    cold = require(record.cold)
    if not cold.step.worked:
        return Unavailable("the build did not complete (see linux-xr-build)")
    if strays := require(cold.strays):
        more = f" and {len(strays) - 5} more" if len(strays) > 5 else ""
        return failed(
            f"wrote {', '.join(strays[:5])}{more}",
            "a build step or makefile rule writes outside the build directory",
        )
    return passed("nothing changed outside the build directory, neither in the image nor in the source")


SHOWS = {"build": judge_image, "build-confined": judge_confined}
