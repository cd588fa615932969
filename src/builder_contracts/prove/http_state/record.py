"""The record of the proof of a state over HTTP: plain data for its judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.prove.state_reply import StateReply
from builder_contracts.prove.unavailable import Unavailable


@dataclass(frozen=True)
class HttpStateRecord:
    """The replies by step. ``holder`` is the ID of the first lock, ``states`` what was to be written, in the order
    of their serials.

    ``no_reader``: no read-only identity took part, for this reason; ``leftovers`` says what became of what was written.
    """

    replies: Mapping[str, StateReply]
    holder: str
    states: tuple[str, ...]
    no_reader: Unavailable | None = None
    leftovers: str = ""
