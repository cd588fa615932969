"""The hosts around a runner, as an environment file has them. Without an engine's client, which takes long to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ForbiddenHost:
    """A host of the environment that jobs must not reach."""

    name: str
    address: str
    port: int

    @property
    def ipv6(self) -> bool:
        return ":" in self.address


@dataclass(frozen=True)
class NetworkPlan:
    """The hosts of an environment: named hosts with their ports, and forbidden hosts."""

    name: str
    hosts: Mapping[str, tuple[int, ...]]
    forbidden: tuple[ForbiddenHost, ...]

    @classmethod
    def from_document(cls, data: Mapping[str, Any]) -> NetworkPlan:
        """Read an environment file that the schema has accepted."""
        return cls(
            data["metadata"]["name"],
            {host: tuple(value["ports"]) for host, value in data.get("hosts", {}).items()},
            tuple(
                ForbiddenHost(name, value["address"], value["port"])
                for name, value in data.get("forbidden", {}).items()
            ),
        )


EMPTY = NetworkPlan("none", {}, ())
