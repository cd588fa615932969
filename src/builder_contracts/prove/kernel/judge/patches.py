"""Tier *patches*: the series applies, in order, cleanly."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.kernel.judge.step_failure import require, require_success
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.unavailable import Unavailable


def judge_series(record: KernelRecord) -> CheckResult | Unavailable:
    unpack = require(record.unpack)
    if not unpack.worked:
        return Unavailable(f"cannot unpack the source: {unpack.ended or unpack.end}")
    if record.patches is None:
        return Unavailable.never("this source has no patch series")
    step = require(record.patches)
    patches = [value for value in step.objects() if "patch" in value]
    rejected = next((value for value in patches if value.get("status") != 0), None)
    if rejected is not None:
        output = " | ".join(str(rejected.get("said", "")).split("\n"))[:400]
        return failed(
            f"patch {len(patches)} of the series, {rejected['patch']}, does not apply: {output}",
            "rebase the patch onto this source, or remove it from the series",
        )
    require_success(step)
    if not patches:
        return failed("the series is empty", "list the patches in the 'series' file, or remove it")
    return passed(f"{len(patches)} patches apply in order, without fuzz, in {step.seconds:.0f} s")


SHOWS = {"patches": judge_series}
