"""What canaries may cost, by their own files: for reports that state a value and not its budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from builder_contracts.contract.model import Contract
from builder_contracts.prove.canary import folder_of, load
from builder_contracts.prove.kernel import recipe
from builder_contracts.prove.kernel.tiers import rebuild

Budgets = Mapping[tuple[str, str], Mapping[str, float]]
"""The budget of a quantity by class and canary."""


def of_canaries(contracts: Iterable[Contract]) -> Budgets:
    """The budgets of all canaries that the contracts name and that stand beside them. Raises InputError."""
    found: dict[tuple[str, str], Mapping[str, float]] = {}
    for contract in contracts:
        for name in contract.document.get("canaries", {}):
            folder = folder_of(contract.source.file) / name
            # Contracts may have been copied here without their canaries.
            if (folder / "canary.yaml").is_file():
                found[contract.name, name] = _of(folder)
    return found


def _of(folder: Path) -> Mapping[str, float]:
    canary = load(folder)
    if canary.tool == "make":
        tiers = recipe.load(folder).budget
        return {
            "cold_seconds": tiers["build"],
            "warm_seconds": tiers["rebuild"],
            "cache_hit_ratio": rebuild.RATE,
        }
    budget = canary.budget
    limits = {
        "cold_seconds": budget.seconds,
        "peak_memory_bytes": budget.memory,
        "disk_bytes": budget.disk,
    }
    return {quantity: float(limit) for quantity, limit in limits.items() if limit is not None}
