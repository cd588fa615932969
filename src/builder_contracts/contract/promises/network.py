"""Promises about the hosts that a job reaches over the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, port


@dataclass(frozen=True)
class Egress:
    """Whether the job's network has a default route."""

    allowed: bool

    @property
    def text(self) -> str:
        return "a default route" if self.allowed else "no default route, so no external access"


@dataclass(frozen=True)
class Resolves:
    """The job's resolver answers this name."""

    host: str

    @property
    def text(self) -> str:
        return f"{self.host} resolves"


@dataclass(frozen=True)
class Reaches:
    """A TCP connection to this service is accepted."""

    host: str
    port: int

    @property
    def text(self) -> str:
        return f"{self.host}:{self.port} accepts connections"


@dataclass(frozen=True)
class Denied:
    """A forbidden host of the environment is out of reach in every spelling of its address."""

    host: str

    @property
    def text(self) -> str:
        return f"{self.host!r} is unreachable"


NetworkPromise = Egress | Resolves | Reaches | Denied


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[NetworkPromise]]:
    for field, value in section.items():
        where = (*at, field)
        match field:
            case "egress":
                yield NamedPromise(field, Egress(value == "any"), where)
            case "resolve":
                for index, host in enumerate(value):
                    yield NamedPromise(f"resolve/{host}", Resolves(host), (*where, index))
            case "reach":
                for index, service in enumerate(value):
                    reached = Reaches(service.rpartition(":")[0], port(service, (*where, index)))
                    yield NamedPromise(f"reach/{service}", reached, (*where, index))
            case "deny":
                for index, host in enumerate(value):
                    yield NamedPromise(f"deny/{host}", Denied(host), (*where, index))
            case _:
                raise NotImplementedError(f"network.{field} is in the schema and has no promise")
