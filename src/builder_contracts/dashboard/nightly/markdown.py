"""Text of others inside Markdown of ours."""

from __future__ import annotations

import re


def code(text: str, most: int = 300) -> str:
    """The text as one inline code span: no mention, link, tag or command of it takes effect."""
    line = " ".join(text.split())
    if len(line) > most:
        line = line[: most - 1] + "…"
    # A control character can hide the rest of a line on a terminal or in a diff.
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)
    if not line:
        return "(nothing)"
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"
