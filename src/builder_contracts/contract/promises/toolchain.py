"""Promises about programs on the job's PATH."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.tools.catalog import KnownTool, catalog
from builder_contracts.tools.work import ToolWork, WorkStep


@dataclass(frozen=True)
class Tool:
    """A program by name: present or not, its version range, a piece of work, and features that must work.

    ``features`` are pairs of a name and the arguments that exercise it. ``pattern`` and ``order`` say how the tool
    states its version and sorts it. ``work`` is None where nothing is known that would show that it works.
    """

    name: str
    present: bool = True
    version: VersionRange | None = None
    version_command: tuple[str, ...] = ("--version",)
    features: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())
    package: str | None = None
    pattern: str = ""
    order: str = "numbers"
    work: ToolWork | None = None

    @property
    def text(self) -> str:
        if not self.present:
            return f"{self.name} is not on the job's PATH"
        version = f" {self.version.text}" if self.version else ""
        features = f" with {', '.join(name for name, _ in self.features)}" if self.features else ""
        return f"{self.name}{version} on the job's PATH{features}"


def read(
    section: dict[str, Any], at: Pointer, tools: Mapping[str, KnownTool] | None = None
) -> Iterator[NamedPromise[Tool]]:
    """``tools`` are known beside those of the catalog, and go before them."""
    tools = tools or {}
    for name, value in section.items():
        where = (*at, name)
        data = tools.get(name) or catalog().get(name) or KnownTool(name)
        if isinstance(value, str):
            present = value == "present"
            work = data.work if present else None
            yield NamedPromise(name, Tool(name, present=present, work=work), where)
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
                version_command=tuple(value.get("version_command", data.version)),
                features=tuple((feature, tuple(args)) for feature, args in value.get("features", {}).items()),
                package=value.get("package"),
                pattern=data.pattern,
                order=data.order,
                work=_work(value["work"]) if "work" in value else data.work,
            ),
            where,
        )


def _work(value: dict[str, Any]) -> ToolWork:
    step = WorkStep(tuple(value["arguments"]), stdin=value.get("stdin", ""))
    return ToolWork((step,), value.get("output"))
