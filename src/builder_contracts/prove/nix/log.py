"""Nix's structured log (``--log-format internal-json``) as data. Pure.

Source of the activity numbers: nix's src/libutil/include/nix/util/logging.hh, enum ActivityType.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_BUILD, _SUBSTITUTE, _QUERY = 105, 108, 109
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class NixLog:
    """The structured log of one command of Nix.

    ``substitutes`` are (store path, cache URL), ``queries`` what a cache was asked for, in the same form; ``builds`` are
    derivations; ``messages`` are its errors and
    warnings in order, without colours.
    """

    substitutes: tuple[tuple[str, str], ...] = ()
    builds: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    queries: tuple[tuple[str, str], ...] = ()

    def says(self, pattern: str) -> str:
        """The first message that the pattern is found in, or an empty text."""
        return next((message for message in self.messages if re.search(pattern, message)), "")


def parse(raw: bytes) -> NixLog:
    """Read a log; lines that are not of the structured form count as messages."""
    substitutes: list[tuple[str, str]] = []
    queries: list[tuple[str, str]] = []
    builds: list[str] = []
    messages: list[str] = []
    for line in raw.decode("utf-8", "replace").splitlines():
        event = _event(line)
        if event is None:
            if line.strip() and not line.startswith("@nix"):
                messages.append(_clean(line))
            continue
        fields = event.get("fields") or []
        if event.get("action") == "start" and event.get("type") == _SUBSTITUTE and len(fields) >= 2:
            substitutes.append((str(fields[0]), str(fields[1])))
        elif event.get("action") == "start" and event.get("type") == _QUERY and len(fields) >= 2:
            queries.append((str(fields[0]), str(fields[1])))
        elif event.get("action") == "start" and event.get("type") == _BUILD:
            builds.append(str(fields[0]) if fields else "?")
        elif event.get("action") == "msg" and _is_small(event.get("level")):
            messages.append(_clean(str(event.get("msg", ""))))
    return NixLog(tuple(substitutes), tuple(builds), tuple(messages), tuple(queries))


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith("@nix "):
        return None
    try:
        value = json.loads(line[5:])
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("fields", []), list) else None


def _is_small(level: object) -> bool:
    return isinstance(level, int) and level <= 1


def _clean(text: str) -> str:
    return " ".join(_COLOUR.sub("", text).split())[:600]
