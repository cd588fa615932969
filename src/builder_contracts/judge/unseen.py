"""The assessment of a promise whose fact could not be observed."""

from __future__ import annotations

from builder_contracts.evidence.verdict import Finding, unproven
from builder_contracts.facts.model import Unseen


def unproven_because(fact: Unseen, inspect: str = "") -> Finding:
    """Unproven, with the reason that the observation gave."""
    return unproven(fact.unseen, here=fact.here, look=inspect)
