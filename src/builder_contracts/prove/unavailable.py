"""The reason why something could not be done: its clauses are then unproven, neither broken nor kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Unavailable:
    """An experiment, or a part of one, that could not be carried out, and why.

    ``provable_here`` False: this environment can never prove it, so that trying again would not help.
    """

    reason: str
    provable_here: bool = True

    @classmethod
    def never(cls, reason: str) -> Unavailable:
        """What this environment can never prove."""
        return cls(reason, provable_here=False)
