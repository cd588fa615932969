"""Tier *patches*: the series applies, in order, cleanly."""

from __future__ import annotations

from builder_contracts.prove.kernel.judge.step_failure import failure
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.records import CheckResult, Unavailable


def series(record: KernelRecord) -> CheckResult | Unavailable:
    if isinstance(record.unpack, Unavailable):
        return record.unpack
    if record.patches is None:
        return Unavailable("this source brings no patch series", here=False)
    if isinstance(record.patches, Unavailable):
        return record.patches
    tried = [value for value in record.patches.objects() if "patch" in value]
    refused = next((value for value in tried if value.get("status") != 0), None)
    if refused is not None:
        said = " | ".join(str(refused.get("said", "")).split("\n"))[:400]
        return CheckResult(
            False,
            f"{refused['patch']} does not apply, number {len(tried)} of the series: {said}",
            "rebase the patch onto this source, or take it out of the series",
        )
    if found := failure(record.patches):
        return found
    if not tried:
        return CheckResult(
            False, "the series names no patch", "list the patches in the file series, or remove it"
        )
    return CheckResult(
        True, f"{len(tried)} patches apply in order, without fuzz, in {record.patches.seconds:.0f} s"
    )


SHOWS = {"patches": series}
