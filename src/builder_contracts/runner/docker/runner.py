"""A runner image as a container in a Docker Engine, hardened as its contract promises."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import docker
import docker.errors
from docker.credentials.errors import StoreError
from docker.utils import parse_repository_tag

from builder_contracts.errors import BuilderContractsError
from builder_contracts.facts.model import ImageFacts, RunnerFacts, Seen, StartFacts, Unseen
from builder_contracts.runner.docker import engine
from builder_contracts.runner.docker.cleanup import RunLabels, remove_container
from builder_contracts.runner.docker.launch_plan import DaemonPlan, LaunchPlan
from builder_contracts.runner.docker.network import RunNetwork
from builder_contracts.runner.protocol import CompletedCommand, OutsideView

# Waits for input that never comes: a shell alone keeps the container alive, and no program of the image
# has to run.
_IDLE = ["/bin/sh", "-c", "read -r _"]


def describe_engine(client: docker.DockerClient) -> RunnerFacts:
    """The engine and the capacity of its host. Raises what engine.LOST lists."""
    info: dict[str, Any] = client.api.info()
    version, system, kernel = (
        engine.field(info, name, of=str, default="?")
        for name in ("ServerVersion", "OperatingSystem", "KernelVersion")
    )
    cgroup = engine.field(info, "CgroupVersion", of=str, default="1")
    return RunnerFacts(
        kind="docker",
        engine=f"Docker Engine {version}",
        host=f"{system}, Linux {kernel}, cgroup v{cgroup}",
        cpus=engine.field(info, "NCPU", of=int, default=0),
        memory=engine.field(info, "MemTotal", of=int, default=0),
        engine_id=engine.field(info, "ID", of=str, default=""),
    )


class DockerRunner:
    """One container of a class, from ``with`` to its removal.

    A failed start does not raise: ``setting`` holds it for the judges.
    """

    def __init__(
        self,
        client: docker.DockerClient,
        run: RunLabels,
        *,
        name: str,
        image: str,
        plan: LaunchPlan,
        network: RunNetwork,
        pull: bool = False,
        about_engine: RunnerFacts | None = None,
    ) -> None:
        self._client = client
        self._run = run
        self._name = name
        self._image = image
        self._plan = plan
        self._network = network
        self._pull = pull
        self._about_engine = about_engine
        self._containers: list[str] = []
        self.setting = OutsideView(Unseen("not started"), Unseen("not started"), Unseen("not started"))

    def __enter__(self) -> Self:
        try:
            self.setting = self._launch()
        except engine.LOST as error:
            why = engine.reason(error)
            unexpected = isinstance(error, engine.UnexpectedResponse)
            lost = Unseen(why if unexpected else f"the engine did not respond: {why}")
            self.setting = OutsideView(lost, lost, lost)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Last started first: a sidecar shares the network of the runner.
            for container in reversed(self._containers):
                remove_container(self._client, container)
        except engine.LOST:
            # The next run's sweep removes what an engine that is gone cannot.
            return

    def execute(self, arguments: Sequence[str], *, deadline: float) -> CompletedCommand:
        if not self._containers:
            return CompletedCommand(None, b"", b"", "the container was not started")
        return engine.execute(self._client, self._containers[0], arguments, deadline=deadline)

    @property
    def container(self) -> str:
        """The id of the runner's container. Raises when none was started."""
        if not self._containers:
            raise BuilderContractsError(f"no container of {self._name} was started")
        return self._containers[0]

    @property
    def daemon_container(self) -> str:
        """The id of the sidecar with its Docker daemon, empty without one."""
        return self._containers[1] if self._plan.daemon is not None and len(self._containers) > 1 else ""

    def _launch(self) -> OutsideView:
        about = self._about_engine or describe_engine(self._client)
        image, start = self._find_image()
        if isinstance(image, Unseen):
            return OutsideView(about, image, start)
        started = self._start(image)
        if not started.started:
            return OutsideView(about, image, started)
        ready: Seen[float] = Unseen("the class has no daemon", here=False)
        failure = ""
        if self._plan.daemon is not None:
            ready, failure = self._start_daemon(self._plan.daemon)
        inspected = self._client.api.inspect_container(self._containers[0])
        return OutsideView(
            about,
            image,
            started,
            privileged=engine.field(inspected, "HostConfig", "Privileged", of=bool),
            daemon_ready_after=ready,
            daemon_failure=failure,
        )

    def _find_image(self) -> tuple[Seen[ImageFacts], Seen[StartFacts]]:
        image = engine.describe_image(self._client, self._image)
        if image is None and self._pull:
            # A missing credential helper is the reason of a verdict below, not a warning of the SDK.
            warnings.filterwarnings("ignore", module=r"docker\.credentials")
            try:
                repository, tag = parse_repository_tag(self._image)
                self._client.api.pull(repository, tag or "latest")
            except docker.errors.NotFound as error:
                message = f"{self._image} not found in the registry: {engine.reason(error)}"
                return Unseen(message), StartFacts(exists=False, started=False, said=message)
            except engine.LOST as error:
                lost = Unseen(f"cannot pull {self._image}: {engine.reason(error)}")
                return lost, lost
            except (docker.errors.DockerException, StoreError) as error:
                # The SDK calls the credential helpers of its user, which the host of a job need not have.
                lost = Unseen(
                    f"cannot pull {self._image}: the docker client's credential helper fails: {engine.reason(error)}"
                )
                return lost, lost
            image = engine.describe_image(self._client, self._image)
        if image is not None:
            image = dataclasses.replace(image, history=engine.image_history(self._client, self._image))
            return image, StartFacts(exists=True, started=False)
        message = f"image {self._image} is not in the engine"
        if _names_registry(self._image):
            unasked = Unseen(f"{message}, and its registry was not queried; pass --pull", here=True)
            return unasked, unasked
        return Unseen(message), StartFacts(exists=False, started=False, said=message)

    def _start(self, image: ImageFacts) -> StartFacts:
        plan = self._plan
        api = self._client.api
        mode = "none" if plan.network == "none" else self._network.attach(plan.network)
        security = ["no-new-privileges"] if plan.no_new_privileges else []
        if plan.seccomp_unconfined:
            security.append("seccomp=unconfined")
        host_config = api.create_host_config(
            network_mode=mode,
            privileged=plan.privileged,
            cap_drop=None if plan.privileged else ["ALL"],
            cap_add=list(plan.add_capabilities) or None,
            security_opt=security,
            nano_cpus=plan.cpu_limit * 1_000_000 if plan.cpu_limit else None,
            cpu_shares=max(2, plan.cpu_request * 1024 // 1000) if plan.cpu_request else None,
            mem_limit=plan.memory_limit,
            # Kubernetes gives no swap on top of the limit.
            memswap_limit=plan.memory_limit,
            mem_reservation=plan.memory_request,
            pids_limit=plan.pids_limit,
        )
        try:
            created = api.create_container(
                image.digest,
                entrypoint=_IDLE,
                command=[],
                stdin_open=True,
                name=self._run.name(self._name),
                labels=self._run.labels,
                host_config=host_config,
            )
            container = engine.field(created, "Id", of=str)
            self._containers.append(container)
            for extra in plan.extra_networks:
                api.connect_container_to_network(container, extra)
            api.start(container)
        except docker.errors.APIError as error:
            return StartFacts(exists=True, started=False, said=engine.reason(error))
        return StartFacts(exists=True, started=True)

    def _start_daemon(self, daemon: DaemonPlan) -> tuple[Seen[float], str]:
        """Start the sidecar; the seconds until its daemon responded, or the end of its log.

        The sidecar is like the pool's: privileged, next to the job and on its network, as in the container
        mode "dind" of GitHub's Actions Runner Controller. The job itself stays unprivileged.
        """
        api = self._client.api
        address = f"tcp://127.0.0.1:{daemon.port}"
        started_at = time.monotonic()
        created = api.create_container(
            self._image,
            entrypoint=["dockerd"],
            command=[f"--host={address}", "--tls=false"],
            user="root",
            name=self._run.name(f"{self._name}-daemon"),
            labels=self._run.labels,
            volumes=["/var/lib/docker"],
            host_config=api.create_host_config(
                network_mode=f"container:{self._containers[0]}", privileged=True
            ),
        )
        container = engine.field(created, "Id", of=str)
        self._containers.append(container)
        try:
            api.start(container)
        except docker.errors.APIError as error:
            return Unseen("the daemon never became ready"), engine.reason(error)
        wait = 'until docker --host "$1" version >/dev/null 2>&1; do sleep 0.1; done'
        completed = engine.execute(
            self._client, container, ["sh", "-c", wait, "sh", address], deadline=daemon.ready_within
        )
        if completed.status == 0:
            return time.monotonic() - started_at, ""
        log = api.logs(container, tail=5).decode("utf-8", errors="replace")
        log_end = " | ".join(log.strip().split("\n"))[-600:]
        message = f"no response within {daemon.ready_within} s; end of its log: {log_end or '(empty)'}"
        return Unseen("the daemon never became ready"), message


def _names_registry(reference: str) -> bool:
    """Whether a reference begins with a registry's host, by the rule of the Docker reference grammar."""
    first, slash, _ = reference.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")
