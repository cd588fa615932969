"""The lookup of an independent reader in a store, after a write that was accepted or rejected."""

from __future__ import annotations

from dataclasses import dataclass

ANOTHER, SECOND = "another identity", "a second client of the same identity"
"""Who the reader is, beside the writer."""


@dataclass(frozen=True)
class StoreLookup:
    """One look into a store. ``present`` is None where the reader got no answer that says so."""

    present: bool | None
    detail: str
