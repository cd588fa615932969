"""A test file of another tool as promises, and the tests that have no counterpart. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from builder_contracts.draft.proposals import Proposal


@dataclass(frozen=True)
class LeftOut:
    """A test, or a part of one, that became no promise, and the reason."""

    test: str
    reason: str


Converted = Proposal | LeftOut


@dataclass(frozen=True)
class Conversion:
    """The promises of a test file, each path once, and what became none."""

    proposals: tuple[Proposal, ...]
    left_out: tuple[LeftOut, ...]


def merged(parts: Iterable[Converted]) -> Conversion:
    """Promises about the same subject as one; a later one that contradicts an earlier one is left out."""
    proposals: dict[tuple[str, ...], Proposal] = {}
    left_out: list[LeftOut] = []
    for part in parts:
        if isinstance(part, LeftOut):
            left_out.append(part)
            continue
        earlier = proposals.get(part.pointer)
        if earlier is None or earlier.value == "present":
            proposals[part.pointer] = part
            continue
        value = _both(earlier.value, part.value)
        if value is None:
            reason = f"{' '.join(part.pointer)} is {earlier.value!r} by an earlier test"
            left_out.append(LeftOut(part.why, reason))
        else:
            proposals[part.pointer] = Proposal(part.pointer, value, f"{earlier.why}; {part.why}")
    return Conversion(tuple(proposals.values()), tuple(left_out))


def _both(first: Any, second: Any) -> Any:
    """One value that promises what both do, or None if they contradict each other."""
    if second in ("present", first):
        return first
    if isinstance(first, list) and isinstance(second, list):
        return [*first, *(item for item in second if item not in first)]
    if isinstance(first, dict) and isinstance(second, dict):
        same = all(first[key] == second[key] for key in first.keys() & second.keys())
        return {**first, **second} if same else None
    return None


def command_name(text: str) -> str:
    """A name for a command of a contract.

    >>> command_name("Test Capabilities: 1")
    'test-capabilities-1'
    """
    return re.sub("[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:60] or "command"


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a mapping, else an empty one: a foreign file may hold anything."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def texts(value: Any) -> list[str] | None:
    """A list of texts; None for anything else."""
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else None
