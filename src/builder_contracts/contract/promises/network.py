"""Promises about the hosts that a job reaches over the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

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
class Responds:
    """An HTTP(S) request to this URL gets a response with this status."""

    url: str
    status: int

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def text(self) -> str:
        return f"{self.url} responds with status {self.status}"


@dataclass(frozen=True)
class Denied:
    """A forbidden host of the environment is out of reach in every spelling of its address."""

    host: str

    @property
    def text(self) -> str:
        return f"{self.host!r} is unreachable"


NetworkPromise = Egress | Resolves | Reaches | Responds | Denied


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
                    yield _reached(service, (*where, index))
            case "deny":
                for index, host in enumerate(value):
                    yield NamedPromise(f"deny/{host}", Denied(host), (*where, index))
            case _:
                raise NotImplementedError(f"network.{field} is in the schema and has no promise")


def _reached(service: str | dict[str, Any], at: Pointer) -> NamedPromise[NetworkPromise]:
    if isinstance(service, str):
        return NamedPromise(f"reach/{service}", Reaches(service.rpartition(":")[0], port(service, at)), at)
    authority = urlsplit(service["url"]).netloc
    if ":" in authority:
        port(authority, (*at, "url"))
    return NamedPromise(f"reach/{service['url']}", Responds(service["url"], service["status"]), at)
