"""Promises about the Docker daemon that a class gives to its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, port
from builder_contracts.contract.version_ranges import VersionRange


@dataclass(frozen=True)
class DaemonEndpoint:
    """The daemon responds at the address in the job's DOCKER_HOST."""

    endpoint: str

    @property
    def text(self) -> str:
        return f"DOCKER_HOST is {self.endpoint} and a daemon responds there"


@dataclass(frozen=True)
class DaemonReady:
    """Seconds until the daemon answers."""

    seconds: int

    @property
    def text(self) -> str:
        return f"daemon responds within {self.seconds} s"


@dataclass(frozen=True)
class DaemonVersion:
    """Version range of the server."""

    version: VersionRange

    @property
    def text(self) -> str:
        return f"Docker server {self.version.text}"


@dataclass(frozen=True)
class DaemonOwn:
    """The daemon is not the one that runs the job's container."""

    @property
    def text(self) -> str:
        return "daemon belongs to the job, not the host"


@dataclass(frozen=True)
class DaemonListens:
    """Nothing listens at the endpoint's port beyond the loopback interface."""

    port: int

    @property
    def text(self) -> str:
        return f"port {self.port} listens on loopback only"


@dataclass(frozen=True)
class DaemonStorageDriver:
    """The daemon stores layers with one of these drivers."""

    drivers: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"storage driver {' or '.join(self.drivers)}"


@dataclass(frozen=True)
class DaemonInsecureRegistries:
    """The registries beside those on loopback that the daemon uses without TLS."""

    registries: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"insecure registries: {', '.join(self.registries) or 'none beside loopback'}"


@dataclass(frozen=True)
class DaemonMtu:
    """The size of packets on the daemon's default bridge, in bytes."""

    bytes: int

    @property
    def text(self) -> str:
        return f"MTU of the default bridge is {self.bytes}"


@dataclass(frozen=True)
class DaemonNetworks:
    """The daemon's networks, all of them."""

    names: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"daemon has the networks {', '.join(self.names)} and no other"


DaemonSetting = DaemonStorageDriver | DaemonInsecureRegistries | DaemonMtu | DaemonNetworks
DAEMON_SETTINGS = (DaemonStorageDriver, DaemonInsecureRegistries, DaemonMtu, DaemonNetworks)

DaemonPromise = DaemonSetting | DaemonListens | DaemonEndpoint | DaemonReady | DaemonVersion | DaemonOwn


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[DaemonPromise]]:
    for field, value in section.items():
        where = (*at, field)
        match field:
            case "endpoint":
                port(value, where)
                yield NamedPromise(field, DaemonEndpoint(value), where)
            case "ready_within":
                yield NamedPromise("ready", DaemonReady(value), where)
            case "version":
                yield NamedPromise(field, DaemonVersion(VersionRange.read(value, where)), where)
            case "listens":
                yield NamedPromise(field, DaemonListens(port(section["endpoint"], (*at, "endpoint"))), where)
            case "storage_driver":
                yield NamedPromise("storage-driver", DaemonStorageDriver(tuple(value)), where)
            case "insecure_registries":
                yield NamedPromise("insecure-registries", DaemonInsecureRegistries(tuple(value)), where)
            case "mtu":
                yield NamedPromise(field, DaemonMtu(value), where)
            case "networks":
                yield NamedPromise(field, DaemonNetworks(tuple(value)), where)
            case "own":
                yield NamedPromise(field, DaemonOwn(), where)
            case _:
                raise NotImplementedError(
                    f"internal error: daemon.{field} is in the schema but has no promise"
                )
