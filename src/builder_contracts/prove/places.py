"""Backends of proofs: containers of an engine that the run starts and removes, or this host."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.identity import Home
from builder_contracts.errors import EngineError
from builder_contracts.facts.model import Image, Unseen
from builder_contracts.facts.model import Runner as RunnerFacts
from builder_contracts.prove import endpoints, workplace
from builder_contracts.prove.containers import BAD_HOST, ContainerBench
from builder_contracts.prove.ending import Ending
from builder_contracts.prove.experiments import Experiments, roles
from builder_contracts.prove.kernel.experiment import Choice
from builder_contracts.prove.machine import MachineBench, without_client
from builder_contracts.prove.records import Records
from builder_contracts.prove.unavailable import Lost
from builder_contracts.runner import docker as docker_runner
from builder_contracts.runner import engine, ownership
from builder_contracts.runner.launch import LaunchPlan, plan
from builder_contracts.runner.local import local_runner
from builder_contracts.services.catalogue import SERVICES, Service
from builder_contracts.services.environment import NOTHING, Bindings
from builder_contracts.services.host import Host
from builder_contracts.services.identities import Credentials


@dataclass(frozen=True)
class Options:
    """Settings of a session: image overrides by class, the runner, the environment's bindings, the roles that a
    live environment may be written to, and the variables that are ``hidden`` from jobs on this machine. ``specs`` and
    ``plans`` replace services and launch plans; ``kernel`` chooses another kernel for kernel canaries."""

    images: Mapping[str, str] = field(default_factory=dict)
    runner: str = "docker"
    bindings: Bindings = NOTHING
    allow_writes: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    specs: Mapping[str, Callable[[str, Credentials], Service]] = field(default_factory=lambda: SERVICES)
    plans: Mapping[str, LaunchPlan] = field(default_factory=dict)
    kernel: Choice = field(default_factory=Choice)


@dataclass(frozen=True)
class Proved:
    """The records of one class, or why there are none, and what they are of."""

    records: Records | Lost
    about: RunnerFacts | None = None
    image: Image | None = None


class Place(Protocol):
    """A backend that proves classes, several at a time."""

    def prove(self, contract: Contract, clauses: list[Clause]) -> Proved:
        """Carry out the experiments that these clauses of a class need."""
        ...

    def stop(self) -> None:
        """End what runs; what would begin afterwards fails at once, but for taking back what was written."""
        ...

    def close(self) -> None:
        """Remove everything that was made. Nothing runs any more by then."""
        ...


def home_of(contract: Contract) -> str:
    """The home that a class promises to its jobs, or the one that GitHub's own runner image has."""
    return next((promise.path for promise in contract.promised(Home)), "/home/runner")


class Engine:
    """A Docker Engine: runners and services are containers of the run. Raises EngineError where none answers."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.client = engine.connect()
        self.run = ownership.Run()
        try:
            self.about: RunnerFacts = docker_runner.describe_engine(self.client)
            ownership.sweep(self.client)
        except engine.LOST as error:
            raise EngineError(f"lost connection to the engine: {engine.reason(error)}") from None
        self.credentials = Credentials.random()
        self._ending = Ending()
        live = options.bindings.from_containers and bool(options.allow_writes)
        self.host = Host(self.client, self.run, name="proofs", routed=live)

    def prove(self, contract: Contract, clauses: list[Clause]) -> Proved:
        reference = self.options.images.get(contract.name, contract.image)
        try:
            image = engine.describe_image(self.client, reference)
        except engine.LOST as error:
            return Proved(Lost(f"the engine did not respond: {engine.reason(error)}"), self.about)
        if image is None:
            return Proved(Lost(f"image {reference} is not in the engine"), self.about)
        return Proved(self._experiment(contract, reference, clauses), self.about, image)

    def _experiment(self, contract: Contract, reference: str, clauses: list[Clause]) -> Records | Lost:
        caches = contract.document.get("caches", {})
        by_role = {
            role: endpoints.from_container(
                role, self.options.bindings, self.options.allow_writes, os.environ, reads=role in caches
            )
            for role in roles(contract, clauses)
        }
        bound, unbound = endpoints.split_available(by_role)
        bench = ContainerBench(
            engine_client=self.client,
            run=self.run,
            host=self.host,
            credentials=self.credentials,
            endpoints=bound,
            name=contract.name,
            image=reference,
            plan=self.options.plans.get(contract.name)
            or plan(contract, host_cpus=self.about.cpus, host_memory=self.about.memory),
            home=home_of(contract),
            about=self.about,
            ending=self._ending,
        )
        experiments = Experiments(contract, clauses, bench, unbound, self.options.kernel)
        try:
            # Next to a deployed Nix cache the run starts one for the bad caches.
            needed = [endpoint.service or bench.bad_service(role) for role, endpoint in bound.items()]
            self.host.start(
                self.options.specs[name](self._alias(name), self.credentials)
                for name in dict.fromkeys(needed)
            )
        except engine.LOST as error:
            return Lost(f"cannot start the services: {engine.reason(error)}")
        return experiments.carry_out()

    def _alias(self, service: str) -> str:
        bindings = self.options.bindings.roles.values()
        return next((binding.host for binding in bindings if binding.service == service), BAD_HOST)

    def stop(self) -> None:
        self._ending.end(self._remove_containers)

    def _remove_containers(self) -> None:
        """A command in one of them then ends at once, and one that is being started does not start."""
        with contextlib.suppress(*engine.LOST):
            ownership.remove_containers(self.client, self.run)

    def close(self) -> None:
        with contextlib.suppress(*engine.LOST):
            self.host.close()
        with contextlib.suppress(*engine.LOST):
            ownership.close(self.client, self.run)
        self.client.close()


class Machine:
    """This machine: jobs are folders of the run's own. Raises BuilderContractsError where there can be none."""

    def __init__(self, options: Options) -> None:
        self.options = options
        workplace.sweep()
        self.root = workplace.make()
        self._ending = Ending()

    def prove(self, contract: Contract, clauses: list[Clause]) -> Proved:
        bindings = self.options.bindings
        runner = local_runner(contract.labels, hidden=bindings.secrets | self.options.hidden)
        about = runner.setting.runner
        if isinstance(about, Unseen):
            return Proved(Lost(about.unseen, provable_here=about.here))
        allowed = self.options.allow_writes
        bound, unbound = endpoints.split_available(
            {
                role: endpoints.from_machine(role, bindings, allowed, os.environ, about)
                for role in roles(contract, clauses)
            }
        )
        for role in list(bound):
            if lost := without_client(role):
                del bound[role]
                unbound[role] = lost
        bench = MachineBench(
            # There are no services of the run to know them; a deployment's endpoint has its own.
            credentials=Credentials.random(),
            endpoints=bound,
            name=contract.name,
            about=about,
            runner=runner,
            root=self.root,
            class_home=home_of(contract),
            ending=self._ending,
        )
        records = Experiments(contract, clauses, bench, unbound, self.options.kernel).carry_out()
        return Proved(records, about)

    def stop(self) -> None:
        self._ending.end(lambda: workplace.kill(self.root))

    def close(self) -> None:
        workplace.clear(self.root)


class Nowhere:
    """No place at all, for one reason."""

    def __init__(self, lost: Lost) -> None:
        self._lost = lost

    def prove(self, contract: Contract, clauses: list[Clause]) -> Proved:  # noqa: ARG002 # the protocol's
        return Proved(self._lost)

    def stop(self) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing was made."""


def in_containers(options: Options) -> Place:
    """An engine, where the environment has something to prove there. Raises EngineError."""
    if options.bindings.roles:
        return Engine(options)
    reason = f"environment {options.bindings.environment} defines no roles: add 'roles' to its file"
    return Nowhere(Lost(reason, provable_here=False))
