"""The assessment of a promise whose fact could not be observed."""

from __future__ import annotations

from builder_contracts.facts.model import Unseen
from builder_contracts.verdict import Assessment, unproven


def unproven_because(fact: Unseen, inspect: str = "") -> Assessment:
    """Unproven, with the reason that the observation gave."""
    return unproven(fact.reason, provable_here=fact.provable_here, inspect=inspect)
