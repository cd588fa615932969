"""Backends of proofs: containers that the run starts and removes, or this host."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.platforms import are_same
from builder_contracts.contract.promises.identity import Home
from builder_contracts.errors import EngineError
from builder_contracts.facts.model import ImageFacts, RunnerFacts, Unseen
from builder_contracts.prove import endpoints
from builder_contracts.prove.container_testbed import BAD_HOST, ContainerTestbed
from builder_contracts.prove.kernel.experiment import KernelOverrides
from builder_contracts.prove.local_testbed import LocalTestbed, without_client
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.schedule import ExperimentSchedule, roles
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.runner.docker import cleanup, engine
from builder_contracts.runner.docker import runner as docker_runner
from builder_contracts.runner.docker.launch_plan import LaunchPlan, plan
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.local import scratch_folder
from builder_contracts.runner.local.runner import local_runner
from builder_contracts.runner.shutdown import Shutdown
from builder_contracts.services.catalog import SERVICES, ServiceSpec
from builder_contracts.services.environment import NOTHING, Environment
from builder_contracts.services.principals import Credentials
from builder_contracts.services.stack import ServiceStack


@dataclass(frozen=True)
class ProverOptions:
    """Settings of a session: image overrides by class, the runner, the environment's bindings, the roles that a
    live environment may be written to, and the variables that are ``hidden`` from jobs on this machine. ``specs`` and
    ``plans`` replace services and launch plans; ``kernel`` chooses another kernel for kernel canaries."""

    images: Mapping[str, str] = field(default_factory=dict)
    runner: str = "docker"
    bindings: Environment = NOTHING
    allow_writes: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    specs: Mapping[str, Callable[[str, Credentials], ServiceSpec]] = field(default_factory=lambda: SERVICES)
    plans: Mapping[str, LaunchPlan] = field(default_factory=dict)
    kernel: KernelOverrides = field(default_factory=KernelOverrides)


@dataclass(frozen=True)
class ProofResult:
    """The records of one class, or the reason why they are missing, and their origin."""

    records: ProofRecords | Unavailable
    about: RunnerFacts | None = None
    image: ImageFacts | None = None


class ProofBackend(Protocol):
    """A backend that proves classes, several at a time."""

    def prove(self, contract: Contract, clauses: list[Clause]) -> ProofResult:
        """Carry out the experiments that these clauses of a class need."""
        ...

    def stop(self) -> None:
        """End what runs; what would begin afterwards fails at once, but for taking back what was written."""
        ...

    def close(self) -> Leftovers:
        """Remove everything that was made, and return what remains. Nothing runs any more by then."""
        ...


def home_of(contract: Contract) -> str:
    """The home that a class promises to its jobs, or the one that GitHub's own runner image has."""
    return next((promise.path for promise in contract.promised(Home)), "/home/runner")


class DockerBackend:
    """A Docker Engine: runners and services are containers of the run. Raises EngineError if none answers."""

    def __init__(self, options: ProverOptions) -> None:
        self.options = options
        self.client = engine.connect()
        self.run = cleanup.RunLabels()
        try:
            self.about: RunnerFacts = docker_runner.describe_engine(self.client)
            cleanup.sweep(self.client)
        except engine.LOST as error:
            raise EngineError(f"lost connection to the engine: {engine.reason(error)}") from None
        self.credentials = Credentials.random()
        self._ending = Shutdown()
        live = options.bindings.from_containers and bool(options.allow_writes)
        self.host = ServiceStack(self.client, self.run, name="proofs", routed=live)

    def prove(self, contract: Contract, clauses: list[Clause]) -> ProofResult:
        reference = self.options.images.get(contract.name, contract.image)
        try:
            image = engine.describe_image(self.client, reference)
        except engine.LOST as error:
            return ProofResult(Unavailable(f"the engine did not respond: {engine.reason(error)}"), self.about)
        if image is None:
            return ProofResult(Unavailable(f"image {reference} is not in the engine"), self.about)
        if contract.platform and not are_same(image.platform, contract.platform):
            reason = f"the engine has {reference} for {image.platform}, not for {contract.platform}"
            return ProofResult(Unavailable(reason), self.about)
        return ProofResult(self._experiment(contract, reference, clauses), self.about, image)

    def _experiment(
        self, contract: Contract, reference: str, clauses: list[Clause]
    ) -> ProofRecords | Unavailable:
        caches = contract.document.get("caches", {})
        by_role = {
            role: endpoints.from_container(
                role, self.options.bindings, self.options.allow_writes, os.environ, reads=role in caches
            )
            for role in roles(contract, clauses)
        }
        bound, unbound = endpoints.split_available(by_role)
        bench = ContainerTestbed(
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
        experiments = ExperimentSchedule(contract, clauses, bench, unbound, self.options.kernel)
        try:
            # Next to a deployed Nix cache the run starts one for the bad caches.
            needed = [endpoint.service or bench.bad_service(role) for role, endpoint in bound.items()]
            self.host.start(
                self.options.specs[name](self._alias(name), self.credentials)
                for name in dict.fromkeys(needed)
            )
        except engine.LOST as error:
            return Unavailable(f"cannot start the services: {engine.reason(error)}")
        return experiments.carry_out()

    def _alias(self, service: str) -> str:
        bindings = self.options.bindings.roles.values()
        return next((binding.host for binding in bindings if binding.service == service), BAD_HOST)

    def stop(self) -> None:
        self._ending.end(self._remove_containers)

    def _remove_containers(self) -> None:
        """A command in one of them then ends at once, and one that is being started does not start."""
        with contextlib.suppress(*engine.LOST):
            cleanup.remove_containers(self.client, self.run)

    def close(self) -> Leftovers:
        with contextlib.suppress(*engine.LOST):
            self.host.close()
        left = cleanup.close(self.client, self.run)
        self.client.close()
        return left


class LocalBackend:
    """This machine: jobs are folders of the run's own. Raises BuilderContractsError if there can be none."""

    def __init__(self, options: ProverOptions) -> None:
        self.options = options
        scratch_folder.sweep()
        self.root = scratch_folder.make()
        self._ending = Shutdown()

    def prove(self, contract: Contract, clauses: list[Clause]) -> ProofResult:
        bindings = self.options.bindings
        runner = local_runner(contract.labels, hidden=bindings.secrets | self.options.hidden)
        about = runner.setting.runner
        if isinstance(about, Unseen):
            return ProofResult(Unavailable(about.reason, provable_here=about.provable_here))
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
        bench = LocalTestbed(
            # No service of the run uses them; a deployed endpoint has its own credentials.
            credentials=Credentials.random(),
            endpoints=bound,
            name=contract.name,
            about=about,
            runner=runner,
            root=self.root,
            class_home=home_of(contract),
            ending=self._ending,
        )
        records = ExperimentSchedule(contract, clauses, bench, unbound, self.options.kernel).carry_out()
        return ProofResult(records, about)

    def stop(self) -> None:
        self._ending.end(lambda: scratch_folder.kill(self.root))

    def close(self) -> Leftovers:
        return scratch_folder.clear(self.root)


class UnavailableBackend:
    """A backend that cannot prove anything, with the reason."""

    def __init__(self, lost: Unavailable) -> None:
        self._lost = lost

    def prove(self, contract: Contract, clauses: list[Clause]) -> ProofResult:  # noqa: ARG002 # the protocol's
        return ProofResult(self._lost)

    def stop(self) -> None:
        """Nothing runs."""

    def close(self) -> Leftovers:
        """Nothing was made."""
        return Leftovers()


def in_containers(options: ProverOptions) -> ProofBackend:
    """An engine, if the environment has something to prove there. Raises EngineError."""
    if options.bindings.roles:
        return DockerBackend(options)
    reason = f"environment {options.bindings.environment} defines no roles: add 'roles' to its file"
    return UnavailableBackend(Unavailable.never(reason))
