"""The record of the proof of a state store: plain data for its judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.unavailable import Unavailable


@dataclass(frozen=True)
class StateRecord:
    """The replies by step. Those of a reader need one, those of a restored state an older version. ``older_versions`` are how many the store listed after two writes; ``no_reader``:
    no read-only identity took part, for this reason; ``leftovers`` says what became of what was written to a deployment.
    """

    replies: Mapping[str, StateReply]
    older_versions: int
    no_reader: Unavailable | None = None
    leftovers: str = ""
