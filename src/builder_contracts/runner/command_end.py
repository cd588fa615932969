"""Classify the end of a command without an exit status, from the runner's own text (``CompletedCommand.ended``). Pure.

A program's output may follow that text, so only its beginning counts.
"""

from __future__ import annotations

import re

# As the engine words it, and as this host's processes are worded; both as they were before, too.
_DEADLINE = re.compile(r"(?:no|\S+ did not) (?:end|exit) within ")
_EXIT = re.compile(
    r"(?:the )?container (?:exited|died) with status (?P<status>\d+)(?P<memory> \(out of memory\))?"
)
# SIGKILL and SIGTERM come from somebody else.
_KILLED = ("137", "143")


def is_deadline(ended: str) -> bool:
    """Return whether the command ran until its time was over. Any other end says nothing about the command."""
    return _DEADLINE.match(ended) is not None


def is_out_of_memory(ended: str) -> bool:
    """Return whether its container was killed at its memory limit."""
    match = _EXIT.match(ended)
    return match is not None and match["memory"] is not None


def is_own_exit(ended: str) -> bool:
    """Return whether its container ended by itself: nobody killed or removed it, and the engine is not lost."""
    match = _EXIT.match(ended)
    return match is not None and match["status"] not in _KILLED
