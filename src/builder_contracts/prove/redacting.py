"""A runner that redacts a deployment's credentials from the output of tools, because that output ends in reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builder_contracts.redaction import Redactor
from builder_contracts.runner.protocol import CompletedCommand, OutsideView, Runner


def redact_completed(redactor: Redactor, completed: CompletedCommand) -> CompletedCommand:
    """The output of a command without secrets, of the same length."""
    return CompletedCommand(
        completed.status,
        redactor.redact_bytes(completed.stdout),
        redactor.redact_bytes(completed.stderr),
        completed.ended,
    )


@dataclass(frozen=True)
class RedactingRunner:
    """A runner whose commands print no secret."""

    runner: Runner
    redactor: Redactor

    @property
    def setting(self) -> OutsideView:
        return self.runner.setting

    def execute(self, arguments: Sequence[str], *, deadline: float) -> CompletedCommand:
        return redact_completed(self.redactor, self.runner.execute(arguments, deadline=deadline))
