"""Read the serial console of a booting kernel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PANIC = re.compile(r"Kernel panic - not syncing: .*")


@dataclass(frozen=True)
class Console:
    """The marked lines of our init by their first word, in order, and how the boot ended.

    ``panic`` is the kernel's own line, ``last`` the last line of all; ``ended``: init completed.
    """

    lines: Mapping[str, tuple[str, ...]]
    panic: str
    last: str
    ended: bool

    def line(self, key: str) -> str:
        """The only line of that word, or nothing."""
        return next(iter(self.lines.get(key, ())), "")


def parse_console(text: str, nonce: str) -> Console:
    """The console of the run with this nonce; lines of any other run do not count."""
    lines = [_ESCAPES.sub("", line).strip() for line in text.replace("\r", "\n").split("\n")]
    marked: dict[str, list[str]] = {}
    for line in lines:
        words = line.split(" ", 3)
        if len(words) >= 3 and words[0] == "LINUX-XR" and words[1] == nonce:
            marked.setdefault(words[2], []).append(words[3] if len(words) > 3 else "")
    panic = next((match[0] for line in lines if (match := _PANIC.search(line))), "")
    nonempty = [line for line in lines if line]
    return Console(
        {key: tuple(values) for key, values in marked.items()},
        panic,
        nonempty[-1][:200] if nonempty else "",
        "end" in marked,
    )
