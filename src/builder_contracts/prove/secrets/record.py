"""The record of the search for secrets: plain data for its judge."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leak:
    """A place in published content with the secret, and its encoding."""

    place: str
    encoding: str


@dataclass(frozen=True)
class Scan:
    """The extent of a search for secrets, and the places of its matches.

    ``places`` are how many hold or held something published; ``missed`` are those in which a copy that was planted
    for the search was not found, and ``undecoded`` what has a format that could not be looked into.
    """

    items: int
    bytes: int
    leaks: tuple[Leak, ...]
    secrets: int
    places: int
    missed: tuple[str, ...] = ()
    undecoded: tuple[str, ...] = ()
