"""Start services on a network of the run, watch them, and read their logs."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.errors
from docker.types import EndpointConfig

from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, remove_container
from builder_contracts.runner.docker.network import SERVICES_IMAGE
from builder_contracts.runner.file_archive import pack
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.services.catalog import CONF, ServiceSpec

# Seconds for a service to become ready: the slowest needs four on idle cores. A dead service is noticed at once.
READY_WITHIN = 120
# Seconds for a service that was ready and is in doubt.
_RESPONDS_WITHIN = 15
_USER = 10001

_WAIT = """
for url; do
  case "$url" in
    tcp://*) hostport="${url#tcp://}"; until (exec 3<>"/dev/tcp/${hostport%:*}/${hostport#*:}") 2>/dev/null; do sleep 0.1; done ;;
    *) until curl --silent --fail --output /dev/null --max-time 2 "$url"; do sleep 0.1; done ;;
  esac
done
"""


class ServiceDown(Exception):
    """A service that did not start, died, or is silent; the text ends with the last lines of its log."""


@dataclass
class RunningService:
    """A service that was started: the container ids of its parts, front first."""

    service: ServiceSpec
    containers: tuple[str, ...]
    address: str = ""


@dataclass
class ServiceStack:
    """The services of one run on one internal network. Each starts once, when it is first needed."""

    client: docker.DockerClient
    run: RunLabels
    name: str = "services"
    routed: bool = False
    _started: dict[str, Future[RunningService]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _network: str = ""

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="services")

    @property
    def network(self) -> str:
        """The name of the network, which has no route outside unless ``routed``."""
        with self._lock:
            if not self._network:
                name = self.run.name(self.name)
                self.client.api.create_network(
                    name, driver="bridge", internal=not self.routed, labels=self.run.labels
                )
                self._network = name
            return self._network

    def attach(self, kind: str) -> str:  # noqa: ARG002 # a runner's plan names the kind; here there is one network
        """The network for a runner of the proofs."""
        return self.network

    def start(self, services: Iterable[ServiceSpec]) -> None:
        """Start services in the background, concurrently. Starting a service again does nothing."""
        network = self.network
        for service in services:
            with self._lock:
                if service.name not in self._started:
                    self._started[service.name] = self._pool.submit(self._start, network, service)

    def up(self, name: str) -> RunningService:
        """Wait until the service is ready. Raises ServiceDown if it does not start, or has died since."""
        future = self._started.get(name)
        if future is None:
            raise ServiceDown(f"no service {name} in this run")
        try:
            started = future.result(timeout=READY_WITHIN + 15)
        except (*engine.LOST, TimeoutError) as error:
            raise ServiceDown(f"cannot start {name}: {engine.reason(error)}") from None
        try:
            for part, container in zip(started.service.parts, started.containers, strict=True):
                state = engine.field(self._api.inspect_container(container), "State", of=dict)
                if not engine.field(state, "Running", of=bool):
                    raise ServiceDown(
                        f"{name} died: {part.name} exited with status {state.get('ExitCode')}; {self.tail(container)}"
                    )
                if state.get("Paused"):
                    raise ServiceDown(f"{name} is paused: {part.name} does not run")
        except engine.LOST as error:
            raise ServiceDown(f"cannot inspect {name}: {engine.reason(error)}") from None
        return started

    def silence(self, name: str) -> str:
        """Why a service that was ready does not respond any more, or an empty text."""
        try:
            started = self.up(name)
        except ServiceDown as down:
            return str(down)
        wait = ["bash", "-c", _WAIT, "bash", *started.service.ready]
        completed = engine.execute(self.client, started.containers[-1], wait, deadline=_RESPONDS_WITHIN)
        if completed.status == 0:
            return ""
        return f"{name} does not respond any more ({completed.ended or f'status {completed.status}'})"

    def log(self, name: str) -> list[dict[str, Any]]:
        """The JSON lines of all parts of a service: nginx's access log and the server's own log."""
        started = self.up(name)
        lines: list[dict[str, Any]] = []
        for part, container in zip(started.service.parts, started.containers, strict=True):
            lines += [line | {"part": part.name} for line in json_lines(self.raw_log(container))]
        return lines

    def raw_log(self, container: str) -> bytes:
        """Everything that a container printed."""
        return bytes(self._api.logs(container, stdout=True, stderr=True))

    def tail(self, container: str) -> str:
        """The last lines that a container printed, for a message."""
        try:
            text = bytes(self._api.logs(container, tail=5)).decode("utf-8", "replace")
        except engine.LOST:
            text = ""
        lines = " | ".join(line.strip()[:200] for line in text.splitlines() if line.strip())
        return f"end of its log: {lines}" if lines else "no output"

    def execute(
        self, name: str, arguments: Iterable[str], *, part: int = -1, deadline: float = 30, user: str = ""
    ) -> CompletedCommand:
        """Run a program in a service's container: defects and read-backs inspect the stored data."""
        return engine.execute(
            self.client, self.up(name).containers[part], list(arguments), deadline=deadline, user=user
        )

    def stop(self, name: str) -> None:
        """Kill every container of a service, as a crash would."""
        for container in self.up(name).containers:
            self._api.kill(container)

    def container(self, purpose: str, command: list[str], **host_config: Any) -> str:
        """Start another container of the services image for this run; its id."""
        return self._create(purpose, command, {}, host_config or {"network_mode": self.network})

    def close(self) -> None:
        """Wait for pending starts, then remove every container and the network."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for future in self._started.values():
            if future.done() and not future.cancelled() and future.exception() is None:
                for container in reversed(future.result().containers):
                    remove_container(self.client, container)
        if self._network:
            with contextlib.suppress(docker.errors.APIError):
                self._api.remove_network(self._network)

    @property
    def _api(self) -> Any:
        return self.client.api

    def _start(self, network: str, service: ServiceSpec) -> RunningService:
        containers: list[str] = []
        for part in service.parts:
            if containers:
                host_config: dict[str, Any] = {"network_mode": f"container:{containers[0]}"}
                endpoint = None
            else:
                host_config = {"network_mode": network}
                endpoint = EndpointConfig("1.44", aliases=[service.alias])
            purpose = f"{self.name}-{service.name}-{part.name}"
            try:
                started = self._create(
                    purpose, list(part.command), part.files, host_config, network, endpoint
                )
            except engine.LOST as error:
                # A part that shares the network of one that has died cannot start.
                logs = "".join(f"; {self.tail(container)}" for container in containers)
                raise ServiceDown(
                    f"{service.name}: cannot start {part.name}: {engine.reason(error)}{logs}"
                ) from None
            containers.append(started)
        wait = ["bash", "-c", _WAIT, "bash", *service.ready]
        completed = engine.execute(self.client, containers[-1], wait, deadline=READY_WITHIN)
        if completed.status != 0:
            why = completed.ended or completed.stderr.decode("utf-8", "replace")
            raise ServiceDown(
                f"{service.name} does not respond at {' and '.join(service.ready)} ({why}); "
                + "; ".join(self.tail(container) for container in containers)
            )
        inspected = self._api.inspect_container(containers[0])
        networks = engine.field(inspected, "NetworkSettings", "Networks", of=dict)
        address = engine.field(next(iter(networks.values()), None), "IPAddress", of=str)
        return RunningService(service, tuple(containers), address)

    def _create(
        self,
        purpose: str,
        command: list[str],
        files: Mapping[str, str],
        host_config: Mapping[str, Any],
        network: str = "",
        endpoint: EndpointConfig | None = None,
    ) -> str:
        try:
            created = self._api.create_container(
                SERVICES_IMAGE,
                command,
                name=self.run.name(purpose),
                labels=self.run.labels,
                host_config=self._api.create_host_config(
                    cap_drop=["ALL"],
                    security_opt=["no-new-privileges"],
                    pids_limit=512,
                    mem_limit="1g",
                    **host_config,
                ),
                networking_config=self._api.create_networking_config({network: endpoint})
                if endpoint
                else None,
            )
        except docker.errors.ImageNotFound:
            raise docker.errors.ImageNotFound(engine.absent(SERVICES_IMAGE)) from None
        container = engine.field(created, "Id", of=str)
        if files:
            contents = {name: text.encode() for name, text in files.items()}
            # Only the services' user can read them.
            self._api.put_archive(container, CONF, pack(contents, owner=_USER, mode=0o400))
        self._api.start(container)
        return container


def json_lines(raw: bytes) -> list[dict[str, Any]]:
    """The lines of a log that are JSON objects."""
    objects = []
    for line in raw.decode("utf-8", "replace").splitlines():
        if line.startswith("{"):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                objects.append(value)
    return objects
