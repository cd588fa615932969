"""The reply of a store of states to one request, and the judging of those who lock at once. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder_contracts.prove.publish_attempt import is_accepted
from builder_contracts.verdict import Assessment, broken, kept, unproven


@dataclass(frozen=True)
class StateReply:
    """Status, detail, and the text that was returned.

    Of a race the status is an accepting one if there was one, and the text has the status of each of its requests.
    """

    status: str
    detail: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.detail[:120]}".strip()

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> StateReply:
        """From an answer of the outside client."""
        text = base64.b64decode(answer["body"]).decode("utf-8", "replace")
        return cls(str(answer["status"]), str(answer["detail"]), text)


def judge_race(race: StateReply, taken: Sequence[str], cause: str) -> Assessment:
    """Judge those who locked at once; ``taken`` are the statuses of a lock that somebody holds."""
    statuses = race.text.split()
    winners = sum(is_accepted(status) for status in statuses)
    if winners > 1:
        return broken(f"{winners} of {len(statuses)} who locked at once acquired the lock", cause)
    if "LOST" in (race.status, *statuses):
        return unproven(f"the store did not respond to each of them: {race}")
    if len(statuses) < 2:
        return unproven(f"nobody raced for the lock: {race}")
    if not winners or sum(status in taken for status in statuses) != len(statuses) - 1:
        return unproven(f"not each of the others was rejected because the lock is taken: {race.text}")
    return kept(f"one of {len(statuses)} who locked at once acquired the lock, the others found it taken")
