"""Classify the end of a command without an exit status, from the runner's own text (``Completed.ended``). Pure."""

from __future__ import annotations

import re

# As the engine words it, and as this host's processes are worded; both as they were before, too.
_DEADLINE = re.compile(r"(?:no|\S+ did not) (?:end|exit) within ")
_OUT_OF_MEMORY = "(out of memory)"


def is_deadline(ended: str) -> bool:
    """Return whether the command ran until its time was over. Any other end says nothing about the command."""
    return _DEADLINE.match(ended) is not None


def is_out_of_memory(ended: str) -> bool:
    """Return whether its container was killed at its memory limit."""
    return _OUT_OF_MEMORY in ended
