"""All proofs of one run: starts the services that its classes need, carries out each class's experiments side by
side, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.identity import Home
from builder_contracts.contract.promises.publication import PublicationProof
from builder_contracts.errors import EngineError
from builder_contracts.evidence.verdict import Verdict
from builder_contracts.facts.model import Runner as RunnerFacts
from builder_contracts.prove import nix
from builder_contracts.prove.bench import Bench, Endpoint
from builder_contracts.prove.experiments import Experiments
from builder_contracts.prove.judging import Where, judge
from builder_contracts.prove.kernel.experiment import Choice
from builder_contracts.prove.records import Lost, Records
from builder_contracts.runner import docker as docker_runner
from builder_contracts.runner import engine, ownership
from builder_contracts.runner.launch import LaunchPlan, plan
from builder_contracts.services.catalogue import SERVICES, Service
from builder_contracts.services.environment import NOTHING, Bindings
from builder_contracts.services.host import Host
from builder_contracts.services.identities import Credentials


@dataclass(frozen=True)
class Options:
    """What a session proves with: other images by class, the runner, the environment's bindings, and the roles
    that a live environment may be written to. ``specs`` and ``plans`` replace services and launch plans;
    ``kernel`` chooses another kernel for kernel canaries."""

    images: Mapping[str, str] = field(default_factory=dict)
    runner: str = "docker"
    bindings: Bindings = NOTHING
    allow_writes: frozenset[str] = frozenset()
    specs: Mapping[str, Callable[[str, Credentials], Service]] = field(default_factory=lambda: SERVICES)
    plans: Mapping[str, LaunchPlan] = field(default_factory=dict)
    kernel: Choice = field(default_factory=Choice)


def may_write(options: Options, role: str) -> bool:
    """Whether proofs may write to the role's own endpoint in a deployment, from containers of this host."""
    return role in options.allow_writes and options.bindings.from_containers


class Session:
    """The proofs of one process. Each class is proved once, when it is first asked for or prefetched."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="proofs")
        self._proofs: dict[str, Future[tuple[Records, Where]]] = {}
        self._docker: _Docker | None = None
        self._closed = False

    def prefetch(self, clauses: Mapping[str, tuple[Contract, list[Clause]]]) -> None:
        """Begin with the proofs of these classes, side by side."""
        for contract, wanted in clauses.values():
            self._future(contract, wanted)

    def ready(self, contract: Contract, wanted: Iterable[Clause], *, within: float) -> bool:
        """Whether the class is proved, or is within some seconds; the first call begins."""
        done, _ = wait([self._future(contract, list(wanted))], timeout=within)
        return bool(done)

    def verdict(self, clause: Clause, contract: Contract, wanted: Iterable[Clause]) -> Verdict:
        """The verdict on one clause; the first call proves the class's ``wanted`` clauses."""
        records, where = self._future(contract, list(wanted)).result()
        return judge(clause, contract, records, where, today=datetime.now(UTC).date())

    def network(self) -> str:
        """The name of the network that fresh runners are on. Raises EngineError."""
        with self._lock:
            if self._docker is None:
                self._docker = _Docker(self._options)
            return self._docker.host.network

    def close(self) -> None:
        """Remove everything that the session created, also what is being started at this moment."""
        self._closed = True
        with self._lock:
            docker = self._docker
        if docker is not None:
            docker.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if docker is not None:
            docker.close()

    def _future(self, contract: Contract, wanted: list[Clause]) -> Future[tuple[Records, Where]]:
        with self._lock:
            if contract.name not in self._proofs:
                self._proofs[contract.name] = self._pool.submit(self._prove, contract, wanted)
            return self._proofs[contract.name]

    def _prove(self, contract: Contract, wanted: list[Clause]) -> tuple[Records, Where]:
        begun, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        bindings = self._options.bindings
        where = Where(bindings.environment, started=started)
        if reason := self._not_here():
            return _all_lost(wanted, Lost(reason, here=False)), where
        try:
            with self._lock:
                if self._docker is None:
                    self._docker = _Docker(self._options)
                docker = self._docker
        except EngineError as error:
            return _all_lost(wanted, Lost(str(error))), where
        reference = self._options.images.get(contract.name, contract.image)
        where = dataclasses.replace(where, about=docker.about)
        try:
            found = engine.describe_image(docker.client, reference)
        except engine.LOST as error:
            return _all_lost(wanted, Lost(f"the engine did not answer: {engine.reason(error)}")), where
        if found is None:
            return _all_lost(wanted, Lost(f"the engine has no image {reference}")), where
        records = docker.prove(contract, reference, wanted)
        where = dataclasses.replace(where, image=found, seconds=time.monotonic() - begun)
        return records, where

    def _not_here(self) -> str:
        bindings = self._options.bindings
        if not bindings.roles:
            return f"the environment {bindings.environment} binds no roles: add 'roles' to its file"
        if self._options.runner != "docker":
            return (
                "a proof needs fresh runners of the class, which only the docker runner starts; what this runner "
                "shows are facts"
            )
        return ""


class _Docker:
    """The engine's side of a session."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.client = engine.connect()
        self.run = ownership.Run()
        try:
            self.about: RunnerFacts = docker_runner.describe_engine(self.client)
            ownership.sweep(self.client)
        except engine.LOST as error:
            raise EngineError(f"the Docker Engine stopped answering: {engine.reason(error)}") from None
        self.credentials = Credentials.random()
        live = options.bindings.from_containers and bool(options.allow_writes)
        self.host = Host(self.client, self.run, name="proofs", routed=live)
        self._lock = threading.Lock()

    def prove(self, contract: Contract, reference: str, wanted: list[Clause]) -> Records:
        launch = self.options.plans.get(contract.name) or plan(
            contract, host_cpus=self.about.cpus, host_memory=self.about.memory
        )
        home = next((promise.path for promise in contract.promised(Home)), "/home/runner")
        endpoints = {
            role: Endpoint(role, binding.url, binding.service)
            for role, binding in self.options.bindings.roles.items()
            if binding.service
        }
        if "nix" in contract.document.get("caches", {}) and (live := self._live_nix()):
            endpoints["nix"] = live
        bench = Bench(
            self.client, self.run, self.host, self.credentials, endpoints, contract.name, reference, launch, home,
            self.about,
        )  # fmt: skip
        experiment = Experiments(
            contract, wanted, bench, self.options.bindings, self.options.allow_writes, self.options.kernel
        )
        try:
            # Beside a deployment's own Nix cache the run has one that offers what must be refused.
            needed = [
                endpoints[role].service or "nix-cache" for role in experiment.roles() if role in endpoints
            ]
            self.host.start(
                self.options.specs[name](self._alias(name), self.credentials)
                for name in dict.fromkeys(needed)
            )
        except engine.LOST as error:
            return _all_lost(wanted, Lost(f"the services could not be started: {engine.reason(error)}"))
        return experiment.carry_out()

    def _alias(self, service: str) -> str:
        roles = self.options.bindings.roles.values()
        return next((binding.host for binding in roles if binding.service == service), nix.BAD_HOST)

    def _live_nix(self) -> Endpoint | None:
        """A deployment's own Nix cache, where this run may write to it from its containers."""
        binding = self.options.bindings.roles.get("nix")
        if binding is None or binding.service or binding.not_working or not may_write(self.options, "nix"):
            return None
        given = {
            name: os.environ.get(name, "") for name in (binding.reader, binding.writer, binding.signing_key)
        }
        return Endpoint(
            "nix",
            binding.url,
            "",
            Credentials.from_texts(given[binding.reader], given[binding.writer]),
            given[binding.signing_key],
            binding.public_key,
        )

    def stop(self) -> None:
        """End what runs by removing its containers: a command in one of them then ends at once."""
        with contextlib.suppress(*engine.LOST):
            for container in self.client.api.containers(filters={"label": f"{ownership.RUN}={self.run.id}"}):
                ownership.remove_container(self.client, container["Id"])

    def close(self) -> None:
        with contextlib.suppress(*engine.LOST):
            self.host.close()
        with contextlib.suppress(*engine.LOST):
            ownership.close(self.client, self.run)
        self.client.close()


def _all_lost(wanted: Iterable[Clause], lost: Lost) -> Records:
    """Records in which every experiment that the clauses need was lost for one reason."""
    records = Records(nix=lost, scan=lost)
    for clause in wanted:
        match clause.promise:
            case CacheProof(role=role) if role != "nix":
                records.bazel[role] = lost
            case PublicationProof(target=target, show=show):
                records.attempts[(target, show)] = lost
                records.state[show] = lost
            case CanaryProof(canary=canary):
                records.canaries[canary] = lost
            case _:
                pass
    return records
