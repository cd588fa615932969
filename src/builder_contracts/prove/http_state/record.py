"""The record of the proof of a state over HTTP: plain data for its judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.prove.unavailable import Unavailable


@dataclass(frozen=True)
class HttpReply:
    """The reply to one request: its status, a detail, and the text of an accepted one.

    Of the race the status is 200 if there was one, and the text has the status of each of its requests.
    """

    status: str
    detail: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.detail[:120]}".strip()


@dataclass(frozen=True)
class HttpStateRecord:
    """The replies by step. ``holder`` is the ID of the first lock, ``states`` what was to be written, in the order
    of their serials.

    ``no_reader``: no read-only identity took part, for this reason; ``leftovers`` says what became of what was written.
    """

    replies: Mapping[str, HttpReply]
    holder: str
    states: tuple[str, ...]
    no_reader: Unavailable | None = None
    leftovers: str = ""
