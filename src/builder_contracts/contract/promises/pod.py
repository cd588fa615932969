"""Promises about the pod in which a job runs, beyond what its containers see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_contracts.contract.document import Pointer
from builder_contracts.contract.promises.named_promise import NamedPromise


@dataclass(frozen=True)
class HostPaths:
    """The paths of the node that volumes of the pod may show; no others."""

    allow: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"host paths: {_only(self.allow)}"


@dataclass(frozen=True)
class HostNamespaces:
    """The namespaces of the node that the pod may share: network, pid, ipc; no others."""

    allow: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"host namespaces: {_only(self.allow)}"


@dataclass(frozen=True)
class QosClass:
    """The class by which the node chooses whom to evict: Guaranteed, Burstable or BestEffort."""

    name: str

    @property
    def text(self) -> str:
        return f"QoS class {self.name}"


@dataclass(frozen=True)
class ImagePullPolicy:
    """When the node pulls the job's image: Always, IfNotPresent or Never."""

    name: str

    @property
    def text(self) -> str:
        return f"image pull policy {self.name}"


@dataclass(frozen=True)
class PriorityClass:
    """The name of the pod's priority class; empty for none."""

    name: str

    @property
    def text(self) -> str:
        return f"priority class {self.name}" if self.name else "no priority class"


PodPromise = HostPaths | HostNamespaces | QosClass | ImagePullPolicy | PriorityClass


def read(section: dict[str, Any], at: Pointer) -> Iterator[NamedPromise[PodPromise]]:
    for field, value in section.items():
        yield NamedPromise(field.replace("_", "-"), _promise(field, value), (*at, field))


def _promise(field: str, value: Any) -> PodPromise:
    match field:
        case "host_paths":
            return HostPaths(tuple(value))
        case "host_namespaces":
            return HostNamespaces(tuple(value))
        case "qos_class":
            return QosClass(value)
        case "image_pull_policy":
            return ImagePullPolicy(value)
        case "priority_class":
            return PriorityClass("" if value == "none" else value)
        case _:
            raise NotImplementedError(f"pod.{field} is in the schema and has no promise")


def _only(allowed: tuple[str, ...]) -> str:
    return f"only {', '.join(allowed)}" if allowed else "none"
