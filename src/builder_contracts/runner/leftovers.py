"""Leftovers: containers, networks, volumes and directories that a run created and could not remove."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leftovers:
    """What remains of a run, one line each with the reason.

    ``refused`` was asked for and is still there; of ``unchecked`` nobody can say what remains.
    """

    refused: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    def __add__(self, other: Leftovers) -> Leftovers:
        return Leftovers(
            tuple(dict.fromkeys(self.refused + other.refused)),
            tuple(dict.fromkeys(self.unchecked + other.unchecked)),
        )

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(f"left behind: {line}" for line in (*self.refused, *self.unchecked))
