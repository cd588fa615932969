"""Promises about programs that run with more rights than the job has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise


@dataclass(frozen=True)
class SetIdFiles:
    """The only files with a set-user-ID or set-group-ID bit."""

    allow: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"no set-ID files except {', '.join(self.allow)}" if self.allow else "no set-ID files"


@dataclass(frozen=True)
class FileCapabilities:
    """The only files that carry capabilities."""

    allow: tuple[str, ...]

    @property
    def text(self) -> str:
        return (
            f"no files with capabilities except {', '.join(self.allow)}"
            if self.allow
            else "no files with capabilities"
        )


@dataclass(frozen=True)
class Sudo:
    """sudo runs a command without a password, or is not there."""

    passwordless: bool

    @property
    def text(self) -> str:
        return "sudo works without a password" if self.passwordless else "no sudo on the job's PATH"


PrivilegePromise = SetIdFiles | FileCapabilities | Sudo


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[PrivilegePromise]]:
    for field, value in section.items():
        where = (*at, field)
        match field:
            case "set_id":
                yield NamedPromise("set-id", SetIdFiles(tuple(value)), where)
            case "file_capabilities":
                yield NamedPromise("file-capabilities", FileCapabilities(tuple(value)), where)
            case "sudo":
                yield NamedPromise(field, Sudo(value == "passwordless"), where)
            case _:
                raise NotImplementedError(f"privileges.{field} is in the schema and has no promise")
