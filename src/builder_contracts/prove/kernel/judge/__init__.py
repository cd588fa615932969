"""One module a tier: the pure judge of each thing that it shows (see contract.promises.canaries)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from builder_contracts.prove.kernel.judge import boot, build, configure, memory, package, patches, rebuild
from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.records import CheckResult, Unavailable

Judge = Callable[[KernelRecord], CheckResult | Unavailable]


TIERS: Mapping[str, Mapping[str, Judge]] = {
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

SHOWS: Mapping[str, Judge] = {name: found for tier in TIERS.values() for name, found in tier.items()}


def judge(record: KernelRecord) -> dict[str, CheckResult | Unavailable]:
    """The finding of every clause of every tier."""
    return {name: find(record) for name, find in SHOWS.items()}
