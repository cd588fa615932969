"""The catalog of tools, one file per tool in ``known``, and suggestions for a misspelled name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.tools.versions import ORDERS
from builder_contracts.tools.work import ToolWork

MANAGERS = ("debian", "rpm", "apk", "nix")
"""Package managers, as the catalog names them."""

# Releases in a name: gcc-12, python3.11, clang-17.
_RELEASE = re.compile(r"-?[0-9]+(?:\.[0-9]+)*$")
_LONG = 5
# sh and ssh, 7z and 7zz are different tools.
_SHORT = 2


@dataclass(frozen=True)
class KnownTool:
    """A tool of the catalog.

    ``version`` are the arguments that make it print its version, which the group of ``pattern`` finds there (empty:
    a line that explains its number) and which sorts by ``order``. ``packages`` are those whose own file it is, by
    package manager. ``also`` are other names of it and of programs that come with it. ``work`` shows that it works.
    """

    name: str
    version: tuple[str, ...] = ("--version",)
    pattern: str = ""
    order: str = "numbers"
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    work: ToolWork | None = None

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, Any]) -> KnownTool:
        """Read a table of the catalog."""
        return cls(
            name,
            version=tuple(table.get("version", cls.version)),
            pattern=table.get("pattern", ""),
            order=table.get("order", cls.order),
            packages={manager: tuple(table[manager]) for manager in MANAGERS if manager in table},
            also=tuple(table.get("also", ())),
            work=ToolWork.from_table(table["work"]) if "work" in table else None,
        )


@cache
def catalog() -> Mapping[str, KnownTool]:
    """Every tool of the catalog by its name."""
    return Catalog(Path(__file__).with_name("known"))


class Catalog(Mapping[str, KnownTool]):
    """The tools of a folder. The file of each is read when the tool is asked for: a contract names few of them."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.stem: path for path in sorted(folder.glob("*.toml"))}
        self._tools: dict[str, KnownTool] = {}

    def __getitem__(self, name: str) -> KnownTool:
        if name not in self._tools:
            self._tools[name] = _read_tool(self._files[name])
        return self._tools[name]

    def __contains__(self, name: object) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


_KEYS = frozenset({"version", "pattern", "order", "also", "work", *MANAGERS})
_WORK_KEYS = frozenset({"steps", "shows", "output", "files", "environment", "seconds"})
_STEP_KEYS = frozenset({"arguments", "program", "stdin", "into"})


def read_tools(folder: Path) -> Mapping[str, KnownTool]:
    """The tools of a folder, one TOML file a tool. Raises InputError for a file that is no tool."""
    return dict(Catalog(folder))


def _read_tool(path: Path) -> KnownTool:
    """The tool of a file. Raises InputError."""
    table: dict[str, Any] = {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        problem = _problem(table)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problem = f"not TOML: {error}"
    if problem:
        fix = "see docs/reference/contract.md, section 'Tools of your own'"
        raise InputError([Problem(Location(str(path)), problem, fix)])
    return KnownTool.from_table(path.stem, table)


def _problem(table: Mapping[str, Any]) -> str | None:
    """What is wrong with the table of a tool, or None."""
    work = table.get("work", {"steps": [{"arguments": []}]})
    lists = ("version", "also", *MANAGERS)
    if unknown := table.keys() - _KEYS:
        return f"unknown key {min(unknown)!r}"
    if wrong := [key for key in lists if key in table and not _texts(table[key])]:
        return f"{wrong[0]!r} is not a list of texts"
    if not isinstance(table.get("pattern", ""), str):
        return "'pattern' is not a text"
    if (pattern := table.get("pattern")) is not None:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            return f"'pattern' is not a regular expression: {error}"
        if groups != 1:
            return "'pattern' must have one group, which holds the version"
    if table.get("order", "numbers") not in ORDERS:
        return f"'order' is not one of {', '.join(ORDERS)}"
    return _work_problem(work)


def _work_problem(work: Any) -> str | None:
    if not isinstance(work, dict) or not isinstance(steps := work.get("steps"), list) or not steps:
        return "'work' has no 'steps'"
    if unknown := work.keys() - _WORK_KEYS:
        return f"'work' has unknown key {min(unknown)!r}"
    for key in ("files", "environment"):
        if not isinstance(table := work.get(key, {}), dict) or not _texts([*table, *table.values()]):
            return f"'{key}' of 'work' is not a table of texts"
    for key in ("output", "shows"):
        if not isinstance(work.get(key, ""), str) or not _texts([work.get(key, "")]):
            return f"'{key}' of 'work' is not a text"
    seconds = work.get("seconds", ToolWork.seconds)
    if not isinstance(seconds, int) or not 1 <= seconds <= 50:
        return "'seconds' of 'work' is not a whole number from 1 to 50"
    for step in steps:
        if not isinstance(step, dict) or step.keys() - _STEP_KEYS or not _texts(step.get("arguments")):
            return f"a step of 'work' has 'arguments' (a list of texts) and may have {', '.join(sorted(_STEP_KEYS))}"
        if not _texts([value for key, value in step.items() if key != "arguments"]):
            return "a step's 'program', 'stdin' and 'into' are texts"
    return None


def _texts(value: Any) -> bool:
    # The unit separator stands between the words of a question to the probe.
    return isinstance(value, list) and all(
        isinstance(text, str) and not {"\0", "\x1f"} & {*text} for text in value
    )


@cache
def _names() -> frozenset[str]:
    return frozenset(name for tool in catalog().values() for name in (tool.name, *tool.also))


@cache
def misspelt(name: str) -> str | None:
    """The tool that an unknown name was probably meant to be; None for names that are known or like no other.

    Alike are names of the same letters in another order, names that differ by a doubled letter, and names of five
    letters or more that differ by one letter: among short names, such as ``jq`` and ``yq``, one letter makes another
    tool.

    >>> misspelt("pyhton3"), misspelt("nxi"), misspelt("skope"), misspelt("gitt")
    ('python3', 'nix', 'skopeo', 'git')
    >>> misspelt("nix"), misspelt("gcc-12"), misspelt("yq"), misspelt("our-tool")
    (None, None, None, None)
    """
    guess = next((other for other in sorted(catalog()) if _alike(name, other)), None)
    # Last, because the other names of tools stand in their files.
    meant = guess and {name, _RELEASE.sub("", name), name.lower()} & _names()
    return None if meant else guess


def _alike(name: str, other: str) -> bool:
    if len(name) == len(other) and sorted(name) == sorted(other):
        return True
    if len(other) > _SHORT and any(name == other[:i] + other[i - 1 :] for i in range(1, len(other) + 1)):
        return True
    if len(other) < _LONG or abs(len(name) - len(other)) > 1:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), min(len(name), len(other))
    )
    rest, expected = name[start:], other[start:]
    return rest[1:] == expected[1:] or rest[1:] == expected or rest == expected[1:]
