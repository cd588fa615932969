"""An explanation of a promise, and the sentences that several explanations share."""

from __future__ import annotations

from dataclasses import dataclass

RUNNER_LOST = "The runner did not start, died, or missed the deadline"
"""Why any clause that is observed in a runner can be unproven; without a period, so that causes can follow."""


@dataclass(frozen=True)
class Explanation:
    """A promise in prose, for the author of a contract and for the reader of a broken clause.

    ``how`` it is judged and on what evidence; when it is ``unproven``; ``why`` it matters to a job; what
    usually ``breaks`` it; how to ``fix`` it.
    """

    how: str
    unproven: str
    why: str
    breaks: str
    fix: str
