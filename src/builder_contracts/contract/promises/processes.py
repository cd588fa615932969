"""Promises about processes that run next to the job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.value_patterns import pattern


@dataclass(frozen=True)
class RunningProcess:
    """A process of this name, with such arguments, runs as this user, or none does."""

    name: str
    running: bool = True
    arguments: re.Pattern[str] | None = None
    user: str | None = None

    @property
    def key(self) -> str:
        """The name of its facts: the same name with other arguments is another question."""
        return f"{self.name} /{self.arguments.pattern}/" if self.arguments else self.name

    @property
    def text(self) -> str:
        arguments = f" with arguments that match /{self.arguments.pattern}/" if self.arguments else ""
        user = f" as {self.user}" if self.user else ""
        return f"{'a' if self.running else 'no'} process {self.name}{arguments} runs{user}"


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[RunningProcess]]:
    for name, value in section.items():
        where = (*at, name)
        data: dict[str, Any] = {"running": value == "present"} if isinstance(value, str) else dict(value)
        if data.get("running") is False and "user" in data:
            raise PromiseError(
                (*where, "user"),
                "a process that does not run has no user",
                "remove the user, or 'running: false'",
                against=(*where, "running"),
            )
        if "arguments" in data:
            data["arguments"] = pattern(data["arguments"], (*where, "arguments"))
        yield NamedPromise(name, RunningProcess(name, **data), where)
