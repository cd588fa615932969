"""Errors other than a broken promise, each with its exit code.

A broken promise is a verdict, never an exception of this module: see ``verdict``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The command line's answer to the shell. Numbers are an API: documented in docs/reference/cli.md."""

    KEPT = 0
    BROKEN = 1
    UNPROVEN = 2
    BAD_INPUT = 3
    CANNOT_RUN = 4
    NOTHING_SELECTED = 5
    LEFT_BEHIND = 6
    REFUSED = 7
    INTERRUPTED = 130
    TERMINATED = 143


class BuilderContractsError(Exception):
    """Base of every error that is reported to the user as a message, without a traceback."""

    exit_code = ExitCode.CANNOT_RUN

    def __str__(self) -> str:
        return _redact(super().__str__())


def printable(text: str) -> str:
    """The text on one line, without secrets and without what a terminal would act on: an input or a runner can say anything."""
    line = _redact(text).rstrip()
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def _redact(text: str) -> str:
    # Its patterns take as long to import as all of the help.
    from builder_contracts.redaction import redact

    return redact(text)


@dataclass(frozen=True)
class Location:
    """A place in an input file. Lines and columns count from 1; line 0 is the whole file, an option or a directory."""

    file: str
    line: int = 0
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input: where, what, and what would be right."""

    source: Location
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{printable(f'{self.source}: {self.message}')}\n    fix: {printable(self.fix)}"


class InputError(BuilderContractsError):
    """An input file or argument that cannot be used; carries every problem that was found in it."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            raise ValueError("an InputError needs at least one problem")
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def sentence(self) -> str:
        """All of it on one line, as a reason for something else."""
        return "; ".join(
            f"{problem.source}: {problem.message}; {problem.fix}".rstrip("; ") for problem in self.problems
        )


class EngineError(BuilderContractsError):
    """The Docker Engine cannot be reached, or stopped answering."""
