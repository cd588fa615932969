"""Tier *build*: a cold build, in its own folder."""

from __future__ import annotations

from builder_contracts.prove.kernel.judge.step_failure import failure
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.records import CheckResult, Unavailable
from builder_contracts.verdict import Measurement


def image(record: KernelRecord) -> CheckResult | Unavailable:
    if isinstance(record.cold, Unavailable):
        return record.cold
    if found := failure(record.cold.step, record.cold):
        return found
    if not record.cold.images or not record.cold.digests:
        return CheckResult(
            False, "make ended well and left no image", "look at the targets of this source's makefile"
        )
    hits = record.cold.cache.get("remote_storage_hit", 0)
    return CheckResult(
        True,
        f"{len(record.cold.digests)} objects and the image, cold, in {record.cold.step.seconds:.0f} s"
        + (f" ({hits} of them twice in the tree)" if hits else ""),
        witnesses=tuple(f"{name} sha256:{digest}" for name, digest in record.cold.images.items()),
        measures=(Measurement("cold_seconds", record.cold.step.seconds, record.cold.step.budget),),
    )


def confined(record: KernelRecord) -> CheckResult | Unavailable:
    if isinstance(record.cold, Unavailable):
        return record.cold
    if not record.cold.step.worked:
        return Unavailable("the build did not come to its end: see linux-xr-build")
    strays = record.cold.strays
    if strays:
        more = f" and {len(strays) - 5} more" if len(strays) > 5 else ""
        return CheckResult(
            False,
            f"wrote {', '.join(strays[:5])}{more}",
            "a step of the build or a rule of the source writes outside of its build folder",
        )
    return CheckResult(
        True,
        "nothing outside its build folder changed: by the engine's comparison with the image, and in the source",
    )


SHOWS = {
    "build": image,
    "build-confined": confined,
}
