"""Observe the containers of several classes in one Docker Engine, with the networks that they need."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves, Responds
from builder_contracts.errors import EngineError
from builder_contracts.facts.model import Facts, Seen
from builder_contracts.observe.observation import gather
from builder_contracts.run.observer import ObserverOptions
from builder_contracts.runner.docker import cleanup, engine
from builder_contracts.runner.docker.cleanup import RunLabels
from builder_contracts.runner.docker.launch_plan import plan
from builder_contracts.runner.docker.network import RunNetwork
from builder_contracts.runner.docker.runner import DockerRunner, describe_engine
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.protocol import StandIn


class EngineObserver:
    """The containers of one run, their networks, and the engine. Raises EngineError without one."""

    def __init__(self, options: ObserverOptions) -> None:
        self._options = options
        self._client = engine.connect()
        self._run = RunLabels()
        try:
            self._about = describe_engine(self._client)
        except engine.LOST as error:
            self._client.close()
            raise EngineError(f"lost connection to the Docker Engine: {engine.reason(error)}") from None
        self._network = RunNetwork(self._client, self._run, options.surroundings)
        self._removals = ThreadPoolExecutor(max_workers=4, thread_name_prefix="removal")
        # What dead runs left is in nobody's way: it goes while this run begins.
        self._removals.submit(cleanup.sweep, self._client)

    def gather(self, contract: Contract) -> Facts:
        options = self._options
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
        removal = contextlib.ExitStack()
        runner = removal.enter_context(
            DockerRunner(
                self._client,
                self._run,
                name=contract.name,
                image=options.images.get(contract.name, contract.image),
                plan=launch,
                network=self._network,
                pull=options.pull,
                platform=contract.platform,
                about_engine=self._about,
            )
        )
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
            self._removals.submit(removal.close)

    def stop(self) -> None:
        with contextlib.suppress(*engine.LOST):
            cleanup.remove_containers(self._client, self._run)

    def close(self) -> Leftovers:
        self._network.close()
        self._removals.shutdown(wait=True)
        left = cleanup.close(self._client, self._run)
        self._client.close()
        return left
