"""The catalog of tools, read from ``catalog.toml``, and the guess at a misspelt name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

MANAGERS = ("debian", "rpm", "apk", "nix")
"""Package managers, as the catalog names them."""

# Releases in a name: gcc-12, python3.11, clang-17.
_RELEASE = re.compile(r"-?[0-9]+(?:\.[0-9]+)*$")
_LONG = 5


@dataclass(frozen=True)
class KnownTool:
    """A tool of the catalog.

    ``version`` are the arguments that make it print its version, which the group of ``pattern`` finds there (empty:
    the first dotted number). ``packages`` are those whose own file it is, by package manager. ``also`` are other names
    of it and of programs that come with it.
    """

    name: str
    version: tuple[str, ...] = ("--version",)
    pattern: str = ""
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    also: tuple[str, ...] = ()

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, Any]) -> KnownTool:
        """From a table of the catalog."""
        return cls(
            name,
            version=tuple(table.get("version", cls.version)),
            pattern=table.get("pattern", ""),
            packages={manager: tuple(table[manager]) for manager in MANAGERS if manager in table},
            also=tuple(table.get("also", ())),
        )


@cache
def catalog() -> Mapping[str, KnownTool]:
    """Every tool of the catalog by its name."""
    tables = tomllib.loads(Path(__file__).with_name("catalog.toml").read_text("utf-8"))
    return {name: KnownTool.from_table(name, table) for name, table in tables.items()}


@cache
def _names() -> frozenset[str]:
    return frozenset(name for tool in catalog().values() for name in (tool.name, *tool.also))


def misspelt(name: str) -> str | None:
    """The tool that an unknown name was probably meant to be; None for names that are known or like no other.

    Alike are names of the same letters in another order, and names of five letters or more that differ by one letter:
    among short names, such as ``jq`` and ``yq``, one letter makes another tool.

    >>> misspelt("pyhton3"), misspelt("nxi"), misspelt("skope")
    ('python3', 'nix', 'skopeo')
    >>> misspelt("nix"), misspelt("gcc-12"), misspelt("yq"), misspelt("our-tool")
    (None, None, None, None)
    """
    if {name, _RELEASE.sub("", name), name.lower()} & _names():
        return None
    return next((other for other in sorted(catalog()) if _alike(name, other)), None)


def _alike(name: str, other: str) -> bool:
    if sorted(name) == sorted(other):
        return True
    if len(other) < _LONG or abs(len(name) - len(other)) > 1:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), min(len(name), len(other))
    )
    rest, expected = name[start:], other[start:]
    return rest[1:] == expected[1:] or rest[1:] == expected or rest == expected[1:]
