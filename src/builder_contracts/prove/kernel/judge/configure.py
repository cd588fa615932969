"""Tier *configure*: every option of the fragments has the requested value."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.kernel import kconfig
from builder_contracts.prove.kernel.judge.step_failure import require_success
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.unavailable import Unavailable

_EXAMPLES = 5


def judge_options(record: KernelRecord) -> CheckResult | Unavailable:
    step = require_success(record.configure)
    requested, configured = record.requested, record.configured
    if not requested:
        return failed("the fragments request no options", "set options in the fragments")
    dropped = [
        f"{name}={value} ({fragment}) resolved to {configured.get(name, 'absent')}"
        for name, (value, fragment) in requested.items()
        if configured.get(name, kconfig.OFF) != value
    ]
    if dropped:
        more = f" and {len(dropped) - _EXAMPLES} more" if len(dropped) > _EXAMPLES else ""
        return failed(
            f"{'; '.join(dropped[:_EXAMPLES])}{more}",
            "a dependency is off, the option has no prompt, or this source lacks it; search with / in 'make menuconfig'",
        )
    return passed(f"all {len(requested)} requested options are set, in {step.seconds:.0f} s")


SHOWS = {"configure": judge_options}
