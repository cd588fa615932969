"""What the search for secrets leaves to its judge."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leak:
    """A place in something published where the secret was found, and in which encoding."""

    place: str
    encoding: str


@dataclass(frozen=True)
class Scan:
    """What was searched for secrets, and where they were found.

    ``places`` are how many hold or held something published; ``missed`` are those in which a copy that was planted
    for the search was not found.
    """

    items: int
    bytes: int
    leaks: tuple[Leak, ...]
    secrets: int
    places: int
    missed: tuple[str, ...] = ()
