"""Pure judges of the kernel canary, one module per tier (see contract.promises.canaries)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.kernel.judge import boot, build, configure, memory, package, patches, rebuild
from builder_contracts.prove.kernel.judge.step_failure import NotReached
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.unavailable import Unavailable

TierJudge = Callable[[KernelRecord], CheckResult | Unavailable]
"""Raises NotReached."""


TIERS: Mapping[str, Mapping[str, TierJudge]] = {
    tier: module.SHOWS
    for tier, module in (
        ("patches", patches),
        ("configure", configure),
        ("build", build),
        ("memory", memory),
        ("rebuild", rebuild),
        ("package", package),
        ("boot", boot),
    )
}
"""What each tier shows, in the order in which the tiers run."""

SHOWS: Mapping[str, TierJudge] = {
    name: tier_judge for tier in TIERS.values() for name, tier_judge in tier.items()
}


def judge(record: KernelRecord) -> dict[str, CheckResult | Unavailable]:
    """The result of every clause of every tier."""
    return {name: judge_clause(name, record) for name in SHOWS}


def judge_clause(name: str, record: KernelRecord) -> CheckResult | Unavailable:
    """The result of one clause."""
    try:
        return SHOWS[name](record)
    except NotReached as not_reached:
        return not_reached.result
