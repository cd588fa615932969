"""A small piece of real work: what a tool must do to show that it is more than a file that prints a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Builtins only: echo, because some shells have no printf of their own.
_FIRST_LINE = 'IFS= read -r line <"$0" && echo "$line"'


NONCE = "{nonce}"
"""Stands for a number of eight digits that is new in each run, so that no prepared answer of a tool is the right one."""


@dataclass(frozen=True)
class WorkStep:
    """One command. ``program`` is the tool itself where it is empty; ``into`` is the file that takes standard output.

    ``{scratch}`` stands for the scratch folder, in which every step runs, and ``{nonce}`` for a number of the run:
    in arguments, standard input, files and variables, and ``{nonce}`` also in the expected output.
    """

    arguments: tuple[str, ...]
    program: str = ""
    stdin: str = ""
    into: str = ""


@dataclass(frozen=True)
class ToolWork:
    """Steps that must each exit with 0, in a scratch folder that holds ``files``.

    ``output`` is what the last step prints on standard output; None if that does not matter. A table can name a file in
    ``shows``: the last step is then the one that prints the first line of this file.
    """

    steps: tuple[WorkStep, ...]
    output: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    seconds: int = 20

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> ToolWork:
        """From the table ``work`` of a tool's file."""
        steps = [
            WorkStep(
                tuple(step["arguments"]), step.get("program", ""), step.get("stdin", ""), step.get("into", "")
            )
            for step in table["steps"]
        ]
        if "shows" in table:
            steps.append(WorkStep(("-c", _FIRST_LINE, table["shows"]), "/bin/sh"))
        return cls(
            tuple(steps),
            table.get("output"),
            tuple(table.get("files", {}).items()),
            tuple(table.get("environment", {}).items()),
            table.get("seconds", cls.seconds),
        )
