"""The two tables beside this module: which tests are to notice the mutants of a module, and which need not be noticed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.mutants.mutation import Mutant


class TableError(Exception):
    """A table, or a path of the command line, is not as it has to be."""


@dataclass(frozen=True)
class Suite:
    """Modules, and the tests that are to notice their mutants."""

    name: str
    modules: tuple[str, ...]
    """Patterns of paths below src/builder_contracts."""
    tests: tuple[str, ...]

    def covers(self, module: str) -> bool:
        return any(fnmatchcase(module, pattern) for pattern in self.modules)


@dataclass(frozen=True)
class Acceptance:
    """Mutants that may survive, and why that changes no outcome."""

    reason: str
    module: str = "*"
    function: str = "*"
    before: str = ""
    after: str = ""
    change: str = ""
    """A pattern that is searched for in the lines before and after, with ``=>`` between them."""

    def accepts(self, mutant: Mutant) -> bool:
        return (
            fnmatchcase(mutant.module, self.module)
            and fnmatchcase(mutant.function, self.function)
            and self.before in {"", mutant.before}
            and self.after in {"", mutant.after}
            and re.search(self.change, f"{mutant.before} => {mutant.after}") is not None
        )


def suites(file: Path) -> list[Suite]:
    rows = _rows(file, "suite", {"name": str, "modules": list, "tests": list}, optional=set())
    return [Suite(row["name"], tuple(row["modules"]), tuple(row["tests"])) for row in rows]


def acceptances(file: Path) -> list[Acceptance]:
    optional = {"module", "function", "before", "after", "change"}
    rows = _rows(file, "accepted", {"reason": str, **dict.fromkeys(optional, str)}, optional=optional)
    for row in rows:
        if not row.keys() & {"function", "before", "change"}:
            raise TableError(
                f"{file}: {row['reason']!r} accepts whole modules; name a function, before or change"
            )
        try:
            re.compile(row.get("change", ""))
        except re.error as error:
            raise TableError(f"{file}: {row['change']!r} is no pattern: {error}") from error
    return [Acceptance(**row) for row in rows]


def selected(paths: Iterable[str], suite: Suite, source: Path) -> list[str]:
    """The modules of a suite at or below the paths; without a path, all of them."""
    modules = (str(file.relative_to(source)) for file in sorted(source.rglob("*.py")))
    wanted = [str(Path(path).resolve()) for path in paths] or [str(source)]
    return [
        module
        for module in modules
        if suite.covers(module) and any((source / module).is_relative_to(path) for path in wanted)
    ]


def _rows(file: Path, key: str, types: dict[str, type], *, optional: set[str]) -> list[dict[str, Any]]:
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{file}: {error}") from error
    rows: list[dict[str, Any]] = document.pop(key, [])
    if document:
        raise TableError(f"{file}: unknown table {min(document)!r}; the tables are [[{key}]]")
    for number, row in enumerate(rows, 1):
        for name in sorted(types.keys() - optional - row.keys()):
            raise TableError(f"{file}: [[{key}]] number {number} lacks {name!r}")
        for name, value in row.items():
            if name not in types:
                raise TableError(f"{file}: [[{key}]] number {number} has an unknown field {name!r}")
            if not isinstance(value, types[name]) or not value:
                raise TableError(f"{file}: [[{key}]] number {number}: {name!r} is no {types[name].__name__}")
    return rows
