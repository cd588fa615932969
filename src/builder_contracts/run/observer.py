"""Observe the runners of several classes in parallel, each once, with the containers and networks that they need."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.network import Denied
from builder_contracts.errors import EngineError
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.observe.observation import DEADLINE, gather
from builder_contracts.run.options import kind_of
from builder_contracts.run.tasks import Tasks
from builder_contracts.runner.docker.network_plan import EMPTY, NetworkPlan
from builder_contracts.runner.kubernetes.kubectl import Kubectl
from builder_contracts.runner.kubernetes.pod_template import PodTemplate
from builder_contracts.runner.kubernetes.scale_set import ScaleSetName
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.protocol import UnavailableRunner

if TYPE_CHECKING:
    from builder_contracts.run.cluster_observer import ClusterObserver
    from builder_contracts.run.engine_observer import EngineObserver
    from builder_contracts.runner.docker.launch_plan import LaunchPlan


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
    """The observations of one run: its engine, its networks, and the facts of each class, each gathered once.

    What a kind of runner needs is imported when the first of its kind is observed.
    """

    def __init__(self, options: ObserverOptions, tasks: Tasks | None = None) -> None:
        self._options = options
        self._tasks = tasks or Tasks()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._engine: EngineObserver | EngineError | None = None
        self._cluster: ClusterObserver | None = None

    def start(self, contract: Contract) -> Future[Facts]:
        """Begin to gather the facts of a class; once a run, however often it is called."""
        return self._tasks.start(("facts", contract.name), lambda: self._gather(contract))

    def facts(self, contract: Contract) -> Facts:
        """The facts of a class, gathered at the first call. Never raises for what happens in the runner."""
        return self.start(contract).result()

    def close(self) -> Leftovers:
        """End what is under way and remove everything that the run created; what remains."""
        self._ended.set()
        if self._engine is not None and not isinstance(self._engine, EngineError) and self._tasks.busy:
            # A command in a container that is gone ends at once.
            self._engine.stop()
        left = self._close_cluster()
        self._tasks.close()
        with self._lock:
            if self._engine is not None and not isinstance(self._engine, EngineError):
                left += self._engine.close()
            self._engine = None
        # A pod that was being created while the others were deleted.
        return left + self._close_cluster()

    def _close_cluster(self) -> Leftovers:
        return self._cluster.close() if self._cluster is not None else Leftovers()

    def _gather(self, contract: Contract) -> Facts:
        kind, deadline = kind_of(self._options.runner), self._options.deadline
        if kind == "local":
            from builder_contracts.runner.local.runner import local_runner

            this_machine = local_runner(contract.labels, hidden=self._options.hidden, run_ended=self._ended)
            return gather(contract, this_machine, forbidden={}, deadline=deadline)
        if kind == "ssh":
            from builder_contracts.runner.ssh.runner import ssh_runner

            login = ssh_runner(self._options.runner, run_ended=self._ended)
            return gather(contract, login, forbidden={}, deadline=deadline)
        if kind == "kubernetes":
            return self._get_cluster().gather(contract)
        engine = self._get_engine()
        if isinstance(engine, EngineError):
            lost = Unseen(str(engine))
            forbidden = dict.fromkeys((denied.host for denied in contract.promised(Denied)), lost)
            return gather(contract, UnavailableRunner(lost.reason), forbidden=forbidden)
        return engine.gather(contract)

    def _get_cluster(self) -> ClusterObserver:
        from builder_contracts.run.cluster_observer import ClusterObserver

        with self._lock:
            self._cluster = self._cluster or ClusterObserver(self._options)
            return self._cluster

    def _get_engine(self) -> EngineObserver | EngineError:
        """The engine, or why there is none: one that hangs is given up after a minute, and only once."""
        from builder_contracts.run.engine_observer import EngineObserver

        with self._lock:
            if self._engine is None:
                try:
                    self._engine = EngineObserver(self._options)
                except EngineError as error:
                    self._engine = error
            return self._engine
