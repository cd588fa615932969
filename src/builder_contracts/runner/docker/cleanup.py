"""Label what a run creates in the engine, and remove what dead runs left there.

Containers, networks and volumes carry two labels: the ID of the run and its owner, the process that made them.
A killed run cannot clean up, so the next run removes everything whose owner is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import docker
import docker.errors
import psutil
import requests.exceptions

RUN = "dev.builder-contracts.run"
OWNER = "dev.builder-contracts.owner"
REMOVAL_TIMEOUT = 300
"""Seconds for the engine to remove one container with all that was written in it."""


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").split("\n", 1)[0]
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process started, in seconds since boot: distinguishes it from a later one with the same ID."""
    try:
        # Since boot, because the time of day is set while runs are under way.
        return f"{psutil.Process(pid).create_time() - psutil.boot_time():.2f}"
    except psutil.Error:
        return ""


@dataclass(frozen=True)
class Owner:
    """A process that lives on one boot of one machine, in one PID namespace."""

    boot: str
    namespace: str
    pid: int
    started: str

    @classmethod
    def this_process(cls) -> Owner:
        pid = os.getpid()
        return cls(_first_line("/proc/sys/kernel/random/boot_id"), _namespace(), pid, _started(pid))

    @classmethod
    def from_label(cls, text: str) -> Owner | None:
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    @property
    def label(self) -> str:
        return json.dumps(asdict(self))

    def is_dead(self) -> bool:
        """True only where this can be told from here: same boot, same namespace, process gone."""
        observer = Owner.this_process()
        if (self.boot, self.namespace) != (observer.boot, observer.namespace):
            return False
        return _started(self.pid) != self.started


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


@dataclass(frozen=True)
class RunLabels:
    """One run of the harness: its id, and the labels for everything that it creates."""

    id: str = field(default_factory=lambda: f"{time.strftime('%H%M%S')}-{secrets.token_hex(3)}")
    owner: Owner = field(default_factory=Owner.this_process)

    @property
    def labels(self) -> dict[str, str]:
        return {RUN: self.id, OWNER: self.owner.label}

    def name(self, what: str) -> str:
        """A name for a container, network or volume of this run."""
        return f"builder-contracts-{self.id}-{what}"


def sweep(client: docker.DockerClient) -> list[str]:
    """Remove what dead runs left in the engine; the names of what was removed."""
    api = client.api
    filters = {"label": OWNER}
    left = [
        container
        for container in api.containers(all=True, filters=filters)
        if _abandoned(container.get("Labels"))
    ]
    _remove_all(client, [container["Id"] for container in left])
    removed = [container["Names"][0].lstrip("/") for container in left]
    for network in api.networks(filters=filters):
        if _abandoned(network.get("Labels")):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_network(network["Id"])
                removed.append(network["Name"])
    for volume in api.volumes(filters=filters)["Volumes"] or []:
        if _abandoned(volume.get("Labels")):
            with contextlib.suppress(docker.errors.APIError):
                api.remove_volume(volume["Name"])
                removed.append(volume["Name"])
    return removed


def _abandoned(labels: Mapping[str, str] | None) -> bool:
    owner = Owner.from_label((labels or {}).get(OWNER, ""))
    return owner is not None and owner.is_dead()


def remove_container(client: docker.DockerClient, container: str) -> None:
    """Remove a container and its anonymous volumes, whatever state it is in. Raises what engine.LOST lists."""
    api: Any = client.api
    # The SDK's own call gives up before a busy disk has forgotten the tree of a kernel. Gone already, or
    # going: both are fine, and whatever else the engine says cannot be helped here.
    with contextlib.suppress(requests.exceptions.Timeout):
        api.delete(
            f"{api.base_url}/v{api.api_version}/containers/{container}",
            params={"force": True, "v": True},
            timeout=REMOVAL_TIMEOUT,
        )


def _remove_all(client: docker.DockerClient, containers: list[str]) -> None:
    if containers:
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(partial(remove_container, client), containers))


def remove_containers(client: docker.DockerClient, run: RunLabels) -> None:
    """Remove every container of this run. Raises what engine.LOST lists."""
    filters = {"label": f"{RUN}={run.id}"}
    _remove_all(client, [container["Id"] for container in client.api.containers(all=True, filters=filters)])


def close(client: docker.DockerClient, run: RunLabels) -> None:
    """Remove everything that this run created."""
    filters: dict[str, Any] = {"label": f"{RUN}={run.id}"}
    remove_containers(client, run)
    for network in client.api.networks(filters=filters):
        with contextlib.suppress(docker.errors.APIError):
            client.api.remove_network(network["Id"])
    for volume in client.api.volumes(filters=filters)["Volumes"] or []:
        with contextlib.suppress(docker.errors.APIError):
            client.api.remove_volume(volume["Name"])
