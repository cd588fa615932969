"""Label what a run creates in the engine, and remove what dead runs left there.

Containers, networks and volumes carry two labels: the ID of the run and its owner, the process that made them.
A killed run cannot clean up, so the next run removes everything whose owner is gone.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import docker
import docker.errors
import psutil
import requests.exceptions

from builder_contracts.runner.docker import engine
from builder_contracts.runner.leftovers import Leftovers

RUN = "dev.builder-contracts.run"
OWNER = "dev.builder-contracts.owner"
REMOVAL_TIMEOUT = 300
"""Seconds for the engine to remove one container with all that was written in it."""
_TRIES = 3


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
    before = _list(client, OWNER, _abandoned)
    after = {item.id for item in _remove_all(client, before, lambda: _list(client, OWNER, _abandoned))}
    return [item.name for item in before if item.id not in after]


def close(client: docker.DockerClient, run: RunLabels) -> Leftovers:
    """Remove everything that this run created; what remains. Never raises what engine.LOST lists."""
    label = f"{RUN}={run.id}"
    try:
        left = _remove_all(client, _list(client, label), lambda: _list(client, label))
    except engine.LOST as error:
        return Leftovers(
            unchecked=(
                f"whatever carries the label {label}, because the engine is lost ({engine.reason(error)}); the next run removes it",
            )
        )
    return Leftovers(tuple(f"{item.kind} {item.name} ({reason})" for item, reason in left.items()))


def remove_containers(client: docker.DockerClient, run: RunLabels) -> None:
    """Remove every container of this run. Raises what engine.LOST lists."""
    _each(_list(client, f"{RUN}={run.id}", kinds=("container",)), partial(_remove, client))


def remove_container(client: docker.DockerClient, container: str) -> None:
    """Remove a container and its anonymous volumes, whatever state it is in. Raises what engine.LOST lists."""
    _remove(client, _Item("container", container, container))


@dataclass(frozen=True)
class _Item:
    """Something in the engine: a container, network or volume."""

    kind: str
    id: str
    name: str


def _list(
    client: docker.DockerClient,
    label: str,
    chosen: Callable[[Mapping[str, str] | None], bool] = lambda _: True,
    kinds: tuple[str, ...] = ("container", "network", "volume"),
) -> list[_Item]:
    """Everything with this label, in an order in which it can be removed. Raises what engine.LOST lists."""
    filters = {"label": label}
    listings: Mapping[str, Callable[[], list[Any]]] = {
        "container": lambda: client.api.containers(all=True, filters=filters),
        "network": lambda: client.api.networks(filters=filters),
        "volume": lambda: client.api.volumes(filters=filters)["Volumes"] or [],
    }
    return [
        _Item(
            kind,
            entry["Name"] if kind == "volume" else entry["Id"],
            entry["Names"][0].lstrip("/") if kind == "container" else entry["Name"],
        )
        for kind in kinds
        for entry in listings[kind]()
        if chosen(entry.get("Labels"))
    ]


def _remove(client: docker.DockerClient, item: _Item) -> str:
    """Ask the engine to remove something; the reason if it refuses, or an empty text. Raises what engine.LOST lists."""
    api: Any = client.api
    try:
        # The SDK's own call gives up before a busy disk has forgotten the tree of a kernel.
        response = api.delete(
            f"{api.base_url}/v{api.api_version}/{item.kind}s/{item.id}",
            params={"force": True, "v": True} if item.kind == "container" else None,
            timeout=REMOVAL_TIMEOUT,
        )
    except requests.exceptions.Timeout:
        return f"no response within {REMOVAL_TIMEOUT} s"
    if response.status_code < 400 or response.status_code == 404:
        return ""
    try:
        return str(response.json()["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"


def _remove_all(
    client: docker.DockerClient, items: Sequence[_Item], remaining: Callable[[], list[_Item]]
) -> dict[_Item, str]:
    """Remove all; what remains, with the reason. Raises what engine.LOST lists.

    A network is in use for a moment longer, and somebody else may be removing a container.
    """
    reasons: dict[_Item, str] = {}
    until = time.monotonic() + REMOVAL_TIMEOUT
    tries = 0
    while items:
        for kind in ("container", "network", "volume"):
            of_kind = [item for item in items if item.kind == kind]
            reasons |= zip(of_kind, _each(of_kind, partial(_remove, client)), strict=True)
        items = remaining()
        tries += 1
        under_way = any("in progress" in reasons.get(item, "") for item in items)
        if tries >= _TRIES and not (under_way and time.monotonic() < until):
            break
        time.sleep(0.5 if items else 0)
    return {item: reasons.get(item) or "the engine still lists it" for item in items}


def _each(items: Sequence[_Item], remove: Callable[[_Item], str]) -> list[str]:
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(remove, items))


def _abandoned(labels: Mapping[str, str] | None) -> bool:
    owner = Owner.from_label((labels or {}).get(OWNER, ""))
    return owner is not None and owner.is_dead()
