"""A runner image as a container in a Docker Engine, hardened as its contract promises."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

import docker
import docker.errors
from docker.credentials.errors import StoreError
from docker.utils import parse_repository_tag

from builder_contracts.contract.platforms import are_same, normalize
from builder_contracts.contract.promises.job import DEFAULT_START, JobStart, StartWay
from builder_contracts.errors import BuilderContractsError
from builder_contracts.facts.model import (
    NOT_ASKED,
    HandshakeFacts,
    ImageFacts,
    RunnerFacts,
    Seen,
    StartFacts,
    Unseen,
)
from builder_contracts.runner.command_end import is_deadline, is_own_exit
from builder_contracts.runner.docker import engine, kernel_view, tls_servers
from builder_contracts.runner.docker.cleanup import RunLabels, remove_container
from builder_contracts.runner.docker.job_start import (
    FIND_JOB,
    STARTED,
    JobProcess,
    announces,
    describe,
    entrypoint_and_command,
    image_fault,
    job_process,
)
from builder_contracts.runner.docker.launch_plan import DaemonPlan, LaunchPlan
from builder_contracts.runner.docker.network import RunNetwork
from builder_contracts.runner.protocol import CompletedCommand, OutsideView

# Seconds for which a job that starts in the contract's own way must keep running, and within which an ENTRYPOINT must
# run the job's command.
_SETTLED = 1.0
_COMMAND_WITHIN = 15.0
# Percentage of a minute in which tasks waited for a CPU from which on a host is too busy to be judged by the clock.
_BUSY = 50.0


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
        platform=normalize(
            "/".join(engine.field(info, name, of=str, default="") for name in ("OSType", "Architecture"))
        ),
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
        platform: str = "",
    ) -> None:
        self._client = client
        self._run = run
        self._name = name
        self._image = image
        self._plan = plan
        self._network = network
        self._pull = pull
        self._about_engine = about_engine
        self._platform = platform
        self._containers: list[str] = []
        self._job = JobProcess({})
        self._idle = ""
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
            for container in reversed([*self._containers, *filter(None, [self._idle])]):
                remove_container(self._client, container)
        except engine.LOST:
            # The next run's sweep removes what an engine that is gone cannot.
            return

    def execute(
        self, arguments: Sequence[str], *, deadline: float, last_line: bytes = b""
    ) -> CompletedCommand:
        if not self._containers:
            return CompletedCommand(None, b"", b"", "the container was not started")
        completed = engine.execute(
            self._client,
            self._containers[0],
            self._job.arguments(arguments),
            deadline=deadline,
            user=self._job.user,
            environment=self._job.env or None,
            directory=self._job.directory,
            last_line=last_line,
        )
        if completed.ended or completed.status in (126, 127):
            self._note_end()
        return completed

    def _note_end(self) -> None:
        """Keep how the job ended by itself: a start that ends is the image's fault, a kill is not."""
        start = self.setting.start
        if not isinstance(start, StartFacts) or not start.started or start.hopeless:
            return
        with contextlib.suppress(*engine.LOST):
            state = engine.field(
                self._client.api.inspect_container(self._containers[0]), "State", of=dict, default={}
            )
            end = engine.death(self._client, self._containers[0])
            status = state.get("ExitCode")
            killed = state.get("OOMKilled") or status in (engine.KILLED, 143)
            if state.get("Running") or killed or (self._plan.default_start and status != 0):
                return
            self.setting = dataclasses.replace(
                self.setting, start=dataclasses.replace(start, output=end, hopeless=True)
            )

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
        if isinstance(image, Unseen) or isinstance(start, Unseen):
            return OutsideView(about, image, start)
        look = partial(self._look, image)
        started = dataclasses.replace(self._start(image), way=describe(self._plan.start))
        if started.started and not self._plan.default_start:
            started = self._settle(started)
        if not started.started:
            # Where a job starts in its own way, another container would show another process.
            return OutsideView(about, image, started, look=look if self._plan.default_start else None)
        entrypoint, entrypoint_env = self._try_entrypoint(image)
        ready: Seen[float] = Unseen("the class has no daemon", provable_here=False)
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
            entrypoint=entrypoint,
            entrypoint_env=entrypoint_env,
            look=look,
            handshakes=self._shake_hands,
        )

    def _settle(self, start: StartFacts) -> StartFacts:
        """Wait until the job runs, and find its process; a start that ends or hangs is hopeless."""
        container = self._containers[0]
        announced = not announces(self._plan.start)
        started_at = time.monotonic()
        while True:
            elapsed = time.monotonic() - started_at
            if end := engine.death(self._client, container):
                return self._hopeless(start, end)
            announced = announced or STARTED.encode() in self._client.api.logs(container, tail=200)
            if announced and elapsed > _SETTLED:
                break
            if elapsed > _COMMAND_WITHIN:
                return self._hopeless(
                    start, f"ENTRYPOINT did not run the job's command within {_COMMAND_WITHIN:.0f} s"
                )
            time.sleep(0.1)
        self._job = self._find_job()
        return start

    def _find_job(self, user: str = "") -> JobProcess:
        """The job's process, which only its own user may look into."""
        completed = engine.execute(
            self._client, self._containers[0], ["/bin/sh", "-c", FIND_JOB], deadline=10, user=user
        )
        process = job_process(completed.stdout) or JobProcess({})
        if process.user and not user:
            return dataclasses.replace(self._find_job(process.user), user=process.user)
        config = engine.field(
            self._client.api.inspect_container(self._containers[0]), "Config", of=dict, default={}
        )
        names = [str(entry).partition("=")[0] for entry in engine.field(config, "Env", of=list, default=[])]
        unset = tuple(name for name in names if process.env and name not in process.env)
        return dataclasses.replace(process, unset=unset)

    def _hopeless(self, start: StartFacts, reason: str) -> StartFacts:
        log = self._client.api.logs(self._containers[0], tail=5).decode("utf-8", errors="replace")
        lines = " | ".join(line for line in log.split("\n") if line.strip())[-500:]
        message = f"{reason}; started by {start.way}; end of its log: {lines or '(empty)'}"
        return dataclasses.replace(start, started=False, output=message, hopeless=True)

    def _try_entrypoint(self, image: ImageFacts) -> tuple[Seen[StartFacts], Seen[dict[str, str]]]:
        """Start another container by the image's ENTRYPOINT, with the job's command as its arguments."""
        if not self._plan.try_entrypoint or not image.entrypoint:
            return NOT_ASKED, NOT_ASKED
        plan = dataclasses.replace(
            self._plan, start=JobStart(StartWay.ARGUMENTS), try_entrypoint=False, daemon=None, tls_tools=()
        )
        with DockerRunner(
            self._client,
            self._run,
            name=f"{self._name}-entrypoint",
            image=self._image,
            plan=plan,
            network=self._network,
            about_engine=self._about_engine,
        ) as trial:
            return trial.setting.start, trial._job.env or NOT_ASKED

    def _shake_hands(self) -> Mapping[str, Seen[HandshakeFacts]]:
        """Let tools request pages from the run's TLS servers, in another container, whose CA bundle is changed."""
        tools = self._plan.tls_tools
        if not tools:
            return {}
        try:
            return self._shake_hands_in_trial(tools)
        except engine.LOST as error:
            return dict.fromkeys(tools, Unseen(f"the engine did not respond: {engine.reason(error)}"))

    def _shake_hands_in_trial(self, tools: Sequence[str]) -> Mapping[str, Seen[HandshakeFacts]]:
        servers = self._network.await_tls()
        if isinstance(servers, Unseen):
            return dict.fromkeys(tools, servers)
        plan = dataclasses.replace(
            self._plan,
            start=DEFAULT_START,
            try_entrypoint=False,
            daemon=None,
            tls_tools=(),
            network="internal",
        )
        with DockerRunner(
            self._client,
            self._run,
            name=f"{self._name}-tls",
            image=self._image,
            plan=plan,
            network=self._network,
            about_engine=self._about_engine,
        ) as trial:
            start = trial.setting.start
            if isinstance(start, Unseen) or not start.started:
                reason = start.reason if isinstance(start, Unseen) else start.output
                return dict.fromkeys(tools, Unseen(f"no container to try TLS in: {reason}"))
            return tls_servers.shake_hands(
                self._client,
                trial.container,
                lambda arguments: trial.execute(arguments, deadline=30),
                servers,
                tools,
            )

    def _look(
        self, image: ImageFacts, program: str, arguments: Sequence[str], deadline: float
    ) -> CompletedCommand:
        """Look at the runner, or at a container of its image that idles where no shell keeps the runner alive."""
        completed = CompletedCommand(None, b"", b"", "the container was not started")
        if self._containers:
            completed = kernel_view.look(
                self._client,
                self._run,
                self._containers[0],
                program,
                arguments,
                deadline,
                process=self._job.number,
            )
        if completed.status == 0 or not self._plan.default_start or not self._is_dead():
            return completed
        try:
            self._start_idle(image)
        except engine.LOST as error:
            return CompletedCommand(None, b"", b"", engine.reason(error))
        return kernel_view.look(self._client, self._run, self._idle, program, arguments, deadline)

    def _is_dead(self) -> bool:
        try:
            inspected = self._client.api.inspect_container(self._containers[0]) if self._containers else {}
            return not engine.field(inspected, "State", "Running", of=bool, default=False)
        except engine.LOST:
            return False

    def _start_idle(self, image: ImageFacts) -> None:
        """A container as the runner's, kept alive by a program of the harness. Raises what engine.LOST lists."""
        api = self._client.api
        archive = kernel_view.idle_archive(engine.field(api.info(), "Architecture", of=str, default=""))
        if archive is None:
            raise engine.UnexpectedResponse("no program keeps a container alive on this architecture")
        self._idle = self._create(image, f"{self._name}-idle", [kernel_view.IDLE], [])
        self._connect(self._idle)
        api.put_archive(self._idle, "/", archive)
        api.start(self._idle)

    def _find_image(self) -> tuple[Seen[ImageFacts], Seen[StartFacts]]:
        image = engine.describe_image(self._client, self._image)
        if (image is None or not self._is_asked(image)) and self._pull:
            # A missing credential helper is the reason of a verdict below, not a warning of the SDK.
            warnings.filterwarnings("ignore", module=r"docker\.credentials")
            try:
                repository, tag = parse_repository_tag(self._image)
                self._client.api.pull(repository, tag or "latest", platform=self._platform or None)
            except docker.errors.NotFound as error:
                message = f"{self._image} not found in the registry: {engine.reason(error)}"
                return Unseen(message), StartFacts(exists=False, started=False, output=message)
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
        if image is not None and not self._is_asked(image):
            return image, Unseen(
                f"the engine has {self._image} for {image.platform}, not for {self._platform}; build it, or pass --pull"
            )
        if image is not None:
            image = dataclasses.replace(image, history=engine.image_history(self._client, self._image))
            return image, StartFacts(exists=True, started=False)
        message = f"image {self._image} is not in the engine"
        if _names_registry(self._image):
            unasked = Unseen(f"{message}, and its registry was not queried; pass --pull", provable_here=True)
            return unasked, unasked
        return Unseen(message), StartFacts(exists=False, started=False, output=message)

    def _is_asked(self, image: ImageFacts) -> bool:
        return not self._platform or are_same(image.platform, self._platform)

    def _start(self, image: ImageFacts) -> StartFacts:
        try:
            container = self._create(image, self._name, *entrypoint_and_command(self._plan.start))
            self._containers.append(container)
            self._connect(container)
            self._client.api.start(container)
        except docker.errors.APIError as error:
            message = engine.reason(error)
            return StartFacts(exists=True, started=False, output=message, hopeless=image_fault(message))
        return StartFacts(exists=True, started=True)

    def _create(
        self, image: ImageFacts, name: str, entrypoint: list[str] | None, command: list[str] | None
    ) -> str:
        """A container as the plan has it, on its first network; its id."""
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
        created = api.create_container(
            image.digest,
            entrypoint=entrypoint,
            command=command,
            stdin_open=True,
            name=self._run.name(name),
            labels=self._run.labels,
            host_config=host_config,
        )
        return engine.field(created, "Id", of=str)

    def _connect(self, container: str) -> None:
        for extra in self._plan.extra_networks:
            self._client.api.connect_container_to_network(container, extra)

    def _start_daemon(self, daemon: DaemonPlan) -> tuple[Seen[float], str]:
        """Start the sidecar; the seconds until its daemon responded, or the end of its log.

        The sidecar is like the pool's: privileged, next to the job and on its network, as in the container
        mode "dind" of GitHub's Actions Runner Controller. The job itself stays unprivileged.
        """
        api = self._client.api
        address = f"tcp://127.0.0.1:{daemon.port}"
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
            message = engine.reason(error)
            if image_fault(message):
                return Unseen("the daemon never became ready"), message
            return Unseen(f"the engine did not start the daemon: {message}"), ""
        started_at = time.monotonic()
        wait = 'until docker --host "$1" version >/dev/null 2>&1; do sleep 0.1; done'
        completed = engine.execute(
            self._client, container, ["sh", "-c", wait, "sh", address], deadline=daemon.ready_within
        )
        if completed.status == 0:
            return time.monotonic() - started_at, ""
        if not (is_own_exit(completed.ended) or is_deadline(completed.ended)):
            return Unseen(f"cannot tell whether the daemon became ready: {completed.ended}"), ""
        if is_deadline(completed.ended) and (waited := self._cpu_waiting(container)) >= _BUSY:
            reason = f"no response within {daemon.ready_within} s, while tasks of this host waited for a CPU {waited:.0f}% of the time"
            return Unseen(reason), ""
        log = api.logs(container, tail=5).decode("utf-8", errors="replace")
        log_end = " | ".join(log.strip().split("\n"))[-600:]
        message = f"no response within {daemon.ready_within} s; end of its log: {log_end or '(empty)'}"
        return Unseen("the daemon never became ready"), message

    def _cpu_waiting(self, container: str) -> float:
        """The percentage of the last minute in which a task of the host waited for a CPU; 0 where the kernel keeps none.

        Source: the kernel's Documentation/accounting/psi.rst; the file is that of the whole host.
        """
        completed = engine.execute(self._client, container, ["cat", "/proc/pressure/cpu"], deadline=10)
        match = re.search(rb"some .*avg60=([0-9.]+)", completed.stdout)
        return float(match[1]) if match else 0.0


def _names_registry(reference: str) -> bool:
    """Whether a reference begins with a registry's host, by the rule of the Docker reference grammar."""
    first, slash, _ = reference.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")
