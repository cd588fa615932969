"""Tier *configure*: every option that the fragments ask for is really what they ask for."""

from __future__ import annotations

from builder_contracts.prove.kernel import kconfig
from builder_contracts.prove.kernel.judge.step_failure import failure
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.records import CheckResult, Unavailable

_SHOWN = 5


def options(record: KernelRecord) -> CheckResult | Unavailable:
    if isinstance(record.configure, Unavailable):
        return record.configure
    if found := failure(record.configure):
        return found
    requested, configured = record.requested, record.configured
    if not requested:
        return CheckResult(False, "the fragments ask for nothing", "set options in the fragments")
    dropped = [
        f"{name}={wanted} ({fragment}) became {configured.get(name, 'absent')}"
        for name, (wanted, fragment) in requested.items()
        if configured.get(name, kconfig.OFF) != wanted
    ]
    if dropped:
        more = f" and {len(dropped) - _SHOWN} more" if len(dropped) > _SHOWN else ""
        return CheckResult(
            False,
            f"{'; '.join(dropped[:_SHOWN])}{more}",
            "an option that it depends on is off, or it has no prompt, or this source does not have it: "
            "'make menuconfig' and / show its dependencies",
        )
    return CheckResult(
        True, f"all {len(requested)} requested options are set, in {record.configure.seconds:.0f} s"
    )


SHOWS = {"configure": options}
