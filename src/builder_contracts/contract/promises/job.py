"""Promises about how a job of the class starts, and about the shells that its steps run in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError


class StartWay(Enum):
    """What becomes of the image's ENTRYPOINT when a job starts."""

    REPLACED = "replaced"
    """The pool's template puts its own command there, as ARC's pods and GitHub's job containers do."""
    ARGUMENTS = "arguments"
    """ENTRYPOINT gets the job's command as its arguments, as in GitLab's Docker executor."""
    IMAGE = "image"
    """ENTRYPOINT and CMD start a runner agent, and steps run next to it."""


@dataclass(frozen=True)
class JobStart:
    """Jobs start this way; ``command`` is the template's, empty where any will do."""

    way: StartWay
    command: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        command = f"the command {list(self.command)}" if self.command else "the job's command"
        match self.way:
            case StartWay.REPLACED:
                return f"a job starts with {command} in place of ENTRYPOINT"
            case StartWay.ARGUMENTS:
                return f"a job starts with ENTRYPOINT, which runs {command}"
            case StartWay.IMAGE:
                return "a job starts with the image's ENTRYPOINT and CMD, which keep running"


DEFAULT_START = JobStart(StartWay.REPLACED)
"""How a job starts where the contract does not say: as an ARC pod does, whose template has a command."""


@dataclass(frozen=True)
class StepShell:
    """Steps run in this shell, and it changes neither their variables nor their tools."""

    shell: str

    @property
    def text(self) -> str:
        return f"steps in '{self.shell}' have the job's own variables, PATH and tools"


JobPromise = JobStart | StepShell


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[JobPromise]]:
    command = tuple(section.get("command", ()))
    if "start" in section or command:
        way = StartWay(section.get("start", "replaced"))
        if command and way is StartWay.IMAGE:
            raise PromiseError(
                (*at, "command"),
                "command conflicts with 'start: image', which runs the image's own CMD",
                "remove one of them",
                against=(*at, "start"),
            )
        yield NamedPromise(
            "start", JobStart(way, command), (*at, "start" if "start" in section else "command")
        )
    for index, shell in enumerate(section.get("shells", ())):
        name = "-".join(re.findall(r"\w+", shell))
        yield NamedPromise(f"shell/{name}", StepShell(shell), (*at, "shells", index))
