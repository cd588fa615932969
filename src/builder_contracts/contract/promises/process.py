"""Promises about what a job's processes inherit: directory, file mode mask, limits, kernel settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError
from builder_contracts.contract.quantities import byte_count, human_bytes


@dataclass(frozen=True)
class Bounds:
    """The least and the most of a number; None for no bound."""

    at_least: int | None = None
    at_most: int | None = None

    @property
    def text(self) -> str:
        parts = []
        if self.at_least is not None:
            parts.append(f"at least {self.at_least}")
        if self.at_most is not None:
            parts.append(f"at most {self.at_most}")
        return " and ".join(parts)

    def holds(self, number: int | None) -> bool:
        """Whether the number is within the bounds; None is above every number."""
        if number is None:
            return self.at_most is None
        return (self.at_least is None or number >= self.at_least) and (
            self.at_most is None or number <= self.at_most
        )


@dataclass(frozen=True)
class WorkingDirectory:
    """A job starts in this directory, which exists and where it can create files."""

    path: str

    @property
    def text(self) -> str:
        return f"jobs start in {self.path} and can create files there"


@dataclass(frozen=True)
class Umask:
    """Permission bits that new files lack."""

    mask: int

    @property
    def text(self) -> str:
        return f"umask {self.mask:04o}"


@dataclass(frozen=True)
class Ulimit:
    """Bounds of a soft limit, by its name in limits.conf(5)."""

    name: str
    bounds: Bounds

    @property
    def text(self) -> str:
        return f"soft limit {self.name} is {self.bounds.text}"


@dataclass(frozen=True)
class Sysctl:
    """A kernel setting: its exact text, or bounds of its number."""

    name: str
    value: str | None
    bounds: Bounds

    @property
    def text(self) -> str:
        return (
            f"{self.name} is {self.value!r}"
            if self.value is not None
            else f"{self.name} is {self.bounds.text}"
        )


@dataclass(frozen=True)
class SharedMemory:
    """The least size of /dev/shm in bytes; the job can write there."""

    bytes: int

    @property
    def text(self) -> str:
        return f"/dev/shm is writable and holds at least {human_bytes(self.bytes)}"  # noqa: S108 # the runner's


ProcessPromise = WorkingDirectory | Umask | Ulimit | Sysctl | SharedMemory


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[ProcessPromise]]:
    for field, value in section.items():
        where = (*at, field)
        match field:
            case "working_directory":
                yield NamedPromise("working-directory", WorkingDirectory(value), where)
            case "umask":
                yield NamedPromise(field, Umask(int(value, 8)), where)
            case "ulimits":
                for name, bounds in value.items():
                    yield NamedPromise(
                        f"ulimit/{name}", Ulimit(name, _bounds(bounds, (*where, name))), (*where, name)
                    )
            case "sysctls":
                for name, setting in value.items():
                    if isinstance(setting, str):
                        sysctl = Sysctl(name, setting, Bounds())
                    else:
                        sysctl = Sysctl(name, None, _bounds(setting, (*where, name)))
                    yield NamedPromise(f"sysctl/{name}", sysctl, (*where, name))
            case "shm":
                size = byte_count(value)
                if size == 0:
                    raise PromiseError(where, "shm: 0 promises nothing", "set a size, or remove the field")
                yield NamedPromise(field, SharedMemory(size), where)
            case _:
                raise NotImplementedError(f"process.{field} is in the schema and has no promise")


def _bounds(value: dict[str, int], at: Pointer) -> Bounds:
    bounds = Bounds(value.get("at_least"), value.get("at_most"))
    if bounds.at_least is not None and bounds.at_most is not None and bounds.at_least > bounds.at_most:
        raise PromiseError(
            (*at, "at_least"),
            f"at_least {bounds.at_least} exceeds at_most {bounds.at_most}",
            "lower at_least or raise at_most",
            against=(*at, "at_most"),
        )
    if bounds == Bounds(0):
        raise PromiseError((*at, "at_least"), "at_least: 0 promises nothing", "set a number above 0")
    return bounds
