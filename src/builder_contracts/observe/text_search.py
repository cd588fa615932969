"""Searches text of a runner for a contract's patterns, and keeps one line of each match without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builder_contracts.contract.value_patterns import PatternTimeout, search
from builder_contracts.facts.model import Seen, Unseen
from builder_contracts.redaction import learn_configuration, redact

MOST_TEXT = 65536
"""Characters of a text that are searched."""

_MOST_LINE = 200


def matching_lines(text: str, patterns: Iterable[re.Pattern[str]], name: str) -> dict[str, Seen[str | None]]:
    """The first line that matches, by pattern; None for no match. ``name`` is that of the text in messages."""
    # The line may hold a secret by its place in the text, so the whole is learned from before a part is shown.
    learn_configuration(text)
    lines: dict[str, Seen[str | None]] = {}
    for pattern in patterns:
        try:
            match = search(text, pattern, name)
        except PatternTimeout as slow:
            lines[pattern.pattern] = Unseen(str(slow))
            continue
        lines[pattern.pattern] = None if match is None else shown_line(text, match.start())
    return lines


def shown_line(text: str, position: int = 0) -> str:
    """The line at a position as it may be shown: without secrets, and not longer than a message can bear."""
    start = text.rfind("\n", 0, position) + 1
    line = redact(text[start:].partition("\n")[0].strip())
    return line if len(line) <= _MOST_LINE else f"{line[:_MOST_LINE]}…"
