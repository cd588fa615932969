"""Tier *patches*: the series applies, in order, cleanly."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.kernel.judge.step_failure import find_failure
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.unavailable import Unavailable


def judge_series(record: KernelRecord) -> CheckResult | Unavailable:
    if isinstance(record.unpack, Unavailable):
        return record.unpack
    if not record.unpack.worked:
        return Unavailable(f"cannot unpack the source: {record.unpack.ended or record.unpack.end}")
    if record.patches is None:
        return Unavailable("this source has no patch series", provable_here=False)
    if isinstance(record.patches, Unavailable):
        return record.patches
    patches = [value for value in record.patches.objects() if "patch" in value]
    rejected = next((value for value in patches if value.get("status") != 0), None)
    if rejected is not None:
        output = " | ".join(str(rejected.get("said", "")).split("\n"))[:400]
        return CheckResult(
            False,
            f"patch {len(patches)} of the series, {rejected['patch']}, does not apply: {output}",
            "rebase the patch onto this source, or remove it from the series",
        )
    if failed := find_failure(record.patches):
        return failed
    if not patches:
        return CheckResult(
            False, "the series is empty", "list the patches in the 'series' file, or remove it"
        )
    return CheckResult(
        True, f"{len(patches)} patches apply in order, without fuzz, in {record.patches.seconds:.0f} s"
    )


SHOWS = {"patches": judge_series}
