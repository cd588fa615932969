"""The form of an explanation: a promise in prose, for whoever wrote it, broke it, or has to mend it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """A promise in prose.

    ``how`` it is judged and on what evidence; when it is ``unproven``; ``why`` it matters to a job; what
    usually ``breaks`` it; how to ``mend`` it.
    """

    how: str
    unproven: str
    why: str
    breaks: str
    mend: str
