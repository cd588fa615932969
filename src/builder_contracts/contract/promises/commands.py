"""Promises about commands of a job: what runs, and how it ends."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.value_patterns import pattern


@dataclass(frozen=True)
class OutputPatterns:
    """Patterns that a stream of output must and must not hold."""

    matches: tuple[re.Pattern[str], ...] = ()
    forbids: tuple[re.Pattern[str], ...] = ()

    @property
    def all(self) -> tuple[re.Pattern[str], ...]:
        return self.matches + self.forbids


@dataclass(frozen=True)
class JobCommand:
    """A command ends with this status within these seconds, and prints what it must."""

    name: str
    arguments: tuple[str, ...]
    stdin: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    status: int = 0
    stdout: OutputPatterns = OutputPatterns()
    stderr: OutputPatterns = OutputPatterns()
    within: int = 10

    @property
    def line(self) -> str:
        """The command as one would type it, for messages alone."""
        return shlex.join(self.arguments)[:200]

    @property
    def text(self) -> str:
        parts = [f"'{self.line}' exits with {self.status} within {self.within} s"]
        for name, stream in (("stdout", self.stdout), ("stderr", self.stderr)):
            parts += [f"{name} matches /{expected.pattern}/" for expected in stream.matches]
            parts += [f"{name} does not match /{forbidden.pattern}/" for forbidden in stream.forbids]
        return ", ".join(parts)


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[JobCommand]]:
    for name, value in section.items():
        where = (*at, name)
        command = JobCommand(
            name,
            tuple(value["run"]),
            value.get("stdin"),
            tuple(value.get("environment", {}).items()),
            value.get("status", 0),
            _patterns(value.get("stdout", {}), (*where, "stdout")),
            _patterns(value.get("stderr", {}), (*where, "stderr")),
            value.get("within", 10),
        )
        yield NamedPromise(name, command, where)


def _patterns(value: dict[str, list[str]], at: Pointer) -> OutputPatterns:
    if both := sorted({*value.get("matches", ())} & {*value.get("forbids", ())}):
        raise PromiseError(
            (*at, "forbids"),
            f"pattern {both[0]!r} is both expected and forbidden",
            "keep one of the two",
            against=(*at, "matches"),
        )
    return OutputPatterns(
        *(
            tuple(pattern(text, (*at, field, number)) for number, text in enumerate(value.get(field, ())))
            for field in ("matches", "forbids")
        )
    )
