"""A runner whose commands go through something else: a shutdown, a redactor, a watch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from builder_contracts.redaction import Redactor
from builder_contracts.runner.protocol import CompletedCommand, OutsideView, Runner

Command: TypeAlias = Callable[[float], CompletedCommand]
"""A command that waits to be run for at most so many seconds."""


@dataclass(frozen=True)
class WrappedRunner:
    """A runner that hands each command, and its deadline, to ``around``, which may run it."""

    runner: Runner
    around: Callable[[Command, float], CompletedCommand]

    @property
    def setting(self) -> OutsideView:
        return self.runner.setting

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        return self.around(
            lambda seconds: self.runner.execute(arguments, deadline=seconds, last_line=last_line), deadline
        )


def redact_completed(redactor: Redactor, completed: CompletedCommand) -> CompletedCommand:
    """The output of a command without secrets, of the same length: it ends in reports."""
    return replace(
        completed,
        stdout=redactor.redact_bytes(completed.stdout),
        stderr=redactor.redact_bytes(completed.stderr),
    )
