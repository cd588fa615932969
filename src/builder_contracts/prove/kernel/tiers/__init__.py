"""One module a tier: what it shows, and the pure judge of each of its clauses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from builder_contracts.prove.kernel.record import KernelRecord
from builder_contracts.prove.kernel.tiers import boot, build, configure, memory, package, patches, rebuild
from builder_contracts.prove.records import Finding, Lost

Judge = Callable[[KernelRecord], Finding | Lost]


@dataclass(frozen=True)
class Shown:
    """One thing that the canary shows about its builder: the promise, and its judge."""

    promise: str
    judge: Judge


TIERS: Mapping[str, Mapping[str, Shown]] = {
    tier: {name: Shown(*entry) for name, entry in module.SHOWS.items()}
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

SHOWS: Mapping[str, Shown] = {name: shown for tier in TIERS.values() for name, shown in tier.items()}


def judge(record: KernelRecord) -> dict[str, Finding | Lost]:
    """The finding of every clause of every tier."""
    return {name: shown.judge(record) for name, shown in SHOWS.items()}
