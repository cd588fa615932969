"""The lookup of an independent reader in a store, after a write that was accepted or rejected."""

from __future__ import annotations

from dataclasses import dataclass

ANOTHER, SECOND = "another identity", "a second client of the same identity"
"""The identity of the reader, compared with the writer."""


@dataclass(frozen=True)
class StoreLookup:
    """One lookup in a store. ``present`` is None if the response does not say."""

    present: bool | None
    detail: str
