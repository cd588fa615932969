"""The record of the proof of a state store: plain data for its judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STEPS = (
    "lock",
    "second-lock",
    "read-lock",
    "first-write",
    "second-write",
    "versions",
    "restore",
    "read-state",
)
"""The requests of the proof, in their order. The last two need an older version to restore."""


@dataclass(frozen=True)
class StateReply:
    """The reply of the store to one request: its status, a detail, and the text that it returned."""

    status: str
    detail: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.detail}".strip()


@dataclass(frozen=True)
class StateRecord:
    """The replies by step (see STEPS). ``older_versions`` are how many the store listed after two writes."""

    replies: Mapping[str, StateReply]
    older_versions: int
