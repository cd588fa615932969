"""Observe the runners of several classes in parallel, each once, with the containers and networks that they need."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves, Responds
from builder_contracts.errors import EngineError
from builder_contracts.facts.model import Facts, Seen, Unseen
from builder_contracts.observe.observation import DEADLINE, gather
from builder_contracts.run.options import kind_of
from builder_contracts.run.tasks import Tasks
from builder_contracts.runner.docker.cleanup import RunLabels
from builder_contracts.runner.docker.launch_plan import LaunchPlan, plan
from builder_contracts.runner.docker.network import EMPTY, NetworkPlan, RunNetwork
from builder_contracts.runner.kubernetes import runner as kubernetes
from builder_contracts.runner.kubernetes.kubectl import Kubectl, NoAnswer
from builder_contracts.runner.kubernetes.pod_template import PodTemplate
from builder_contracts.runner.kubernetes.runner import KubernetesRunner
from builder_contracts.runner.kubernetes.scale_set import ScaleSetName
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.local.runner import local_runner
from builder_contracts.runner.protocol import Runner, StandIn, UnavailableRunner
from builder_contracts.runner.ssh.runner import ssh_runner


@dataclass(frozen=True)
class ObserverOptions:
    """Settings of an observation: image overrides by class, the kind of runner, its surroundings.

    ``plans`` replaces the launch plan of a class; ``deadline`` is in seconds for one observation; ``hidden`` are
    variables of this process that jobs on this machine must not see. ``pods`` is where the pods of a class come from;
    ``cluster`` has the context and the namespace that were asked for, ``witness_image`` is of the witness in pods.
    """

    images: Mapping[str, str] = field(default_factory=dict)
    runner: str = "docker"
    surroundings: NetworkPlan = EMPTY
    pull: bool = False
    deadline: float = DEADLINE
    plans: Mapping[str, LaunchPlan] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    pods: Mapping[str, PodTemplate | ScaleSetName] = field(default_factory=dict)
    cluster: Kubectl = field(default_factory=Kubectl)
    witness_image: str = ""


class Observer:
    """The observations of one run: its engine, its networks, and the facts of each class, each gathered once."""

    def __init__(self, options: ObserverOptions, tasks: Tasks | None = None) -> None:
        self._options = options
        self._tasks = tasks or Tasks()
        self._lock = threading.Lock()
        self._docker: _Docker | EngineError | None = None
        self._cluster = _Cluster(options)

    def prefetch(self, contracts: Iterable[Contract]) -> None:
        """Start to observe these classes in parallel."""
        for contract in contracts:
            self.start(contract)

    def start(self, contract: Contract) -> Future[Facts]:
        """Begin to gather the facts of a class; once a run, however often it is called."""
        return self._tasks.start(("facts", contract.name), lambda: self._gather(contract))

    def facts(self, contract: Contract) -> Facts:
        """The facts of a class, gathered at the first call. Never raises for what happens in the runner."""
        return self.start(contract).result()

    def close(self) -> Leftovers:
        """End what is under way and remove everything that the run created; what remains."""
        docker = self._docker
        if isinstance(docker, _Docker):
            # A command in a container that is gone ends at once.
            docker.stop()
        left = self._cluster.close()
        self._tasks.close()
        with self._lock:
            left += self._docker.close() if isinstance(self._docker, _Docker) else Leftovers()
            self._docker = None
        # A pod that was being created while the others were deleted.
        return left + self._cluster.close()

    def _gather(self, contract: Contract) -> Facts:
        if self._options.runner == "local":
            runner: Runner = local_runner(contract.labels, hidden=self._options.hidden)
            return gather(contract, runner, forbidden={}, deadline=self._options.deadline)
        if kind_of(self._options.runner) == "ssh":
            runner = ssh_runner(self._options.runner)
            return gather(contract, runner, forbidden={}, deadline=self._options.deadline)
        if self._options.runner == "kubernetes":
            return self._cluster.gather(contract)
        with self._lock:
            if self._docker is None:
                try:
                    self._docker = _Docker(self._options.surroundings)
                except EngineError as error:
                    # Kept for the other classes: an engine that hangs is given up after a minute, and only once.
                    self._docker = error
            docker = self._docker
        if isinstance(docker, EngineError):
            lost = Unseen(str(docker))
            forbidden = dict.fromkeys((denied.host for denied in contract.promised(Denied)), lost)
            return gather(contract, UnavailableRunner(lost.reason), forbidden=forbidden)
        return docker.gather(contract, self._options)


class _Cluster:
    """The cluster's side of a survey."""

    def __init__(self, options: ObserverOptions) -> None:
        self._options = options
        self._run = RunLabels()
        self._lock = threading.Lock()
        self._used: dict[Kubectl, None] = {}

    def gather(self, contract: Contract) -> Facts:
        source, cluster = self._options.pods[contract.name], self._options.cluster
        if isinstance(source, ScaleSetName):
            kubectl = Kubectl(cluster.context, source.namespace)
            try:
                template = source.read(kubectl)
            except NoAnswer as error:
                reason = f"cannot read the scale set {source.namespace}/{source.name}: {error}"
                return gather(contract, UnavailableRunner(reason), forbidden={})
        else:
            template, kubectl = source, Kubectl(cluster.context, cluster.namespace or source.namespace)
        with self._lock:
            first = kubectl not in self._used
            self._used[kubectl] = None
        if first:
            kubernetes.sweep(kubectl)
        image = self._options.images.get(contract.name, "")
        witness = self._options.witness_image
        with KubernetesRunner(
            kubectl, self._run, contract, template, image=image, witness_image=witness
        ) as runner:
            return gather(contract, runner, forbidden={}, deadline=self._options.deadline)

    def close(self) -> Leftovers:
        with self._lock:
            used = list(self._used)
        left = Leftovers()
        for kubectl in used:
            left += kubernetes.close(kubectl, self._run)
        return left


class _Docker:
    """The engine's side of a survey; the SDK is imported only when it is needed."""

    def __init__(self, surroundings: NetworkPlan) -> None:
        from builder_contracts.runner.docker import cleanup, engine, runner

        self._runner = runner
        self._ownership = cleanup
        self._lost = engine.LOST
        self._client = engine.connect()
        self.run = RunLabels()
        try:
            self._about = runner.describe_engine(self._client)
        except engine.LOST as error:
            self._client.close()
            raise EngineError(f"lost connection to the Docker Engine: {engine.reason(error)}") from None
        self._network = RunNetwork(self._client, self.run, surroundings)
        self._removals = ThreadPoolExecutor(max_workers=4, thread_name_prefix="removal")
        # What dead runs left is in nobody's way: it goes while this run begins.
        self._removals.submit(cleanup.sweep, self._client)

    def gather(self, contract: Contract, options: ObserverOptions) -> Facts:
        launch = options.plans.get(contract.name) or plan(
            contract, host_cpus=self._about.cpus, host_memory=self._about.memory
        )
        # The services and stand-ins of the runner start in parallel with it.
        stand_ins = {
            promise.host: self._network.stand_in(promise.host) for promise in contract.promised(Denied)
        }
        named = {
            promise.host for kind in (Resolves, Reaches, Responds) for promise in contract.promised(kind)
        }
        if named:
            self._network.hosts()
        runner = self._runner.DockerRunner(
            self._client,
            self.run,
            name=contract.name,
            image=options.images.get(contract.name, contract.image),
            plan=launch,
            network=self._network,
            pull=options.pull,
            platform=contract.platform,
            about_engine=self._about,
        )
        runner.__enter__()
        try:
            forbidden: dict[str, Seen[StandIn]] = {
                name: future.result() for name, future in stand_ins.items()
            }
            return gather(
                contract,
                runner,
                forbidden=forbidden,
                may_try=launch.network != "routed",
                unreachable_hosts=self._network.unreachable(named, launch.network),
                deadline=options.deadline,
            )
        finally:
            # The facts need not wait for the removal of the container; the end of the run does.
            self._removals.submit(runner.__exit__, None, None, None)

    def stop(self) -> None:
        with contextlib.suppress(*self._lost):
            self._ownership.remove_containers(self._client, self.run)

    def close(self) -> Leftovers:
        self._network.close()
        self._removals.shutdown(wait=True)
        left = self._ownership.close(self._client, self.run)
        self._client.close()
        return left
