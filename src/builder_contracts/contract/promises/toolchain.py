"""Promises about programs on the job's PATH."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.tools.catalog import KnownTool, catalog


@dataclass(frozen=True)
class Tool:
    """A program by name: present or not, its version range, and features that must work.

    ``features`` are pairs of a name and the arguments that exercise it.
    """

    name: str
    present: bool = True
    version: VersionRange | None = None
    version_command: tuple[str, ...] = ("--version",)
    features: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())
    package: str | None = None

    @property
    def text(self) -> str:
        if not self.present:
            return f"{self.name} is not on the job's PATH"
        version = f" {self.version.text}" if self.version else ""
        features = f" with {', '.join(name for name, _ in self.features)}" if self.features else ""
        return f"{self.name}{version} on the job's PATH{features}"


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[Tool]]:
    for name, value in section.items():
        where = (*at, name)
        default = catalog().get(name, KnownTool(name)).version
        if isinstance(value, str):
            yield NamedPromise(name, Tool(name, present=value == "present"), where)
            continue
        version = value.get("version")
        if version is None and "version_command" in value:
            raise PromiseError(
                (*where, "version_command"),
                f"version_command of {name} has no effect without a version",
                "add 'version', or remove 'version_command'",
            )
        yield NamedPromise(
            name,
            Tool(
                name,
                version=VersionRange.read(version, (*where, "version")) if version else None,
                version_command=tuple(value.get("version_command", default)),
                features=tuple((feature, tuple(args)) for feature, args in value.get("features", {}).items()),
                package=value.get("package"),
            ),
            where,
        )
