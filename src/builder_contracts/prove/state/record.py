"""The record of the proof of a state store: plain data for its judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.unavailable import Unavailable

STEPS = (
    "lock",
    "second-lock",
    "reader-lock",
    "anonymous-lock",
    "unlock-by-other",
    "read-lock",
    "read-reader-lock",
    "read-anonymous-lock",
    "race",
    "first-write",
    "second-write",
    "versions",
    "restore",
    "read-state",
)
"""The requests of the proof. The steps of a reader need one, the last two an older version to restore."""


@dataclass(frozen=True)
class StateRecord:
    """The replies by step (see STEPS). ``older_versions`` are how many the store listed after two writes; ``no_reader``:
    no read-only identity took part, for this reason; ``leftovers`` says what became of what was written to a deployment.
    """

    replies: Mapping[str, StateReply]
    older_versions: int
    no_reader: Unavailable | None = None
    leftovers: str = ""
