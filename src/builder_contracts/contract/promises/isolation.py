"""Promises about the access of a job to its host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise, PromiseError


@dataclass(frozen=True)
class Privileged:
    """Whether the job's container is privileged."""

    privileged: bool

    @property
    def text(self) -> str:
        return "a privileged container" if self.privileged else "the container is not privileged"


@dataclass(frozen=True)
class Capabilities:
    """Linux capabilities, without ``CAP_``, that are outside or inside the bounding set."""

    forbid: tuple[str, ...]
    require: tuple[str, ...]

    @property
    def text(self) -> str:
        parts = []
        if self.forbid:
            parts.append("no capabilities" if "ALL" in self.forbid else f"never {', '.join(self.forbid)}")
        if self.require:
            parts.append(f"always {', '.join(self.require)}")
        return f"capabilities: {'; '.join(parts)}"


@dataclass(frozen=True)
class NoNewPrivileges:
    """Whether the kernel's no_new_privs flag is set."""

    wanted: bool

    @property
    def text(self) -> str:
        return f"no_new_privs is {'set' if self.wanted else 'not set'}"


@dataclass(frozen=True)
class Seccomp:
    """Whether a system call filter is on."""

    filtered: bool

    @property
    def text(self) -> str:
        return "a seccomp filter is on" if self.filtered else "no seccomp filter"


@dataclass(frozen=True)
class DockerSocket:
    """Whether an engine's socket exists at one of the usual paths."""

    present: bool

    @property
    def text(self) -> str:
        return "a Docker socket" if self.present else "no Docker socket"


@dataclass(frozen=True)
class DockerDaemon:
    """Whether a job reaches an engine."""

    reachable: bool

    @property
    def text(self) -> str:
        return "a job can reach a Docker daemon" if self.reachable else "no reachable Docker daemon"


@dataclass(frozen=True)
class Device:
    """Whether a device node is there."""

    path: str
    present: bool

    @property
    def text(self) -> str:
        return f"{'a' if self.present else 'no'} device node {self.path}"


@dataclass(frozen=True)
class Mount:
    """Whether a job can mount a file system."""

    allowed: bool

    @property
    def text(self) -> str:
        return f"a job can{'' if self.allowed else 'not'} mount file systems"


@dataclass(frozen=True)
class Unshare:
    """Whether a job can create user and mount namespaces."""

    allowed: bool

    @property
    def text(self) -> str:
        return f"a job can{'' if self.allowed else 'not'} create namespaces"


IsolationPromise = (
    Privileged
    | Capabilities
    | NoNewPrivileges
    | Seccomp
    | DockerSocket
    | DockerDaemon
    | Device
    | Mount
    | Unshare
)


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[IsolationPromise]]:
    for field, value in section.items():
        where = (*at, field)
        match field:
            case "privileged":
                yield NamedPromise(field, Privileged(value), where)
            case "capabilities":
                yield NamedPromise(field, _capabilities(value, where), where)
            case "no_new_privileges":
                yield NamedPromise("no-new-privileges", NoNewPrivileges(value), where)
            case "seccomp":
                yield NamedPromise(field, Seccomp(value == "filtered"), where)
            case "docker_socket":
                yield NamedPromise("docker-socket", DockerSocket(value == "present"), where)
            case "docker_daemon":
                yield NamedPromise("docker-daemon", DockerDaemon(value == "reachable"), where)
            case "devices":
                for path, presence in value.items():
                    device = Device(path, presence == "present")
                    yield NamedPromise(f"device/{path.removeprefix('/dev/')}", device, (*where, path))
            case "mount":
                yield NamedPromise(field, Mount(value == "allowed"), where)
            case "unshare":
                yield NamedPromise(field, Unshare(value == "allowed"), where)
            case _:
                raise NotImplementedError(f"isolation.{field} is in the schema and has no promise")


def _capabilities(value: dict[str, list[str]], at: Pointer) -> Capabilities:
    forbid, require = tuple(value.get("forbid", ())), tuple(value.get("require", ()))
    if "ALL" in require:
        raise PromiseError(
            (*at, "require"), "'require' cannot contain ALL", "list the capabilities that jobs need"
        )
    both = set(forbid) & set(require) or (require and "ALL" in forbid)
    if both:
        raise PromiseError(at, "a capability is both forbidden and required", "keep one of the two")
    return Capabilities(forbid, require)
