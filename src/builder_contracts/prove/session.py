"""All proofs of one run: starts the services that its classes need, carries out each class's experiments side by
side, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.identity import Home
from builder_contracts.contract.promises.publication import NoSecrets, PublicationProof
from builder_contracts.errors import BuilderContractsError, EngineError, InputError
from builder_contracts.evidence.verdict import Verdict
from builder_contracts.facts.model import Runner as RunnerFacts
from builder_contracts.prove import bazel, flake, image, nix, products, publication, scan
from builder_contracts.prove.bench import Bench, Endpoint
from builder_contracts.prove.canary import Canary, folder_of, load
from builder_contracts.prove.job import Failed, said
from builder_contracts.prove.judging import Where, judge
from builder_contracts.prove.records import CanaryRecord, Leak, Lost, Records, Scan
from builder_contracts.runner import docker as docker_runner
from builder_contracts.runner import engine, ownership
from builder_contracts.runner.launch import plan
from builder_contracts.services.backends import BUCKET
from builder_contracts.services.catalogue import DATA, SERVICES
from builder_contracts.services.environment import NOTHING, Bindings
from builder_contracts.services.host import Host, ServiceDown
from builder_contracts.services.identities import Credentials

# Nothing that leaves a runner may name these: they exist on the builder only.
STORE = "/nix/store"


@dataclass(frozen=True)
class Options:
    """What a session proves with: other images by class, the runner, the environment's bindings, and the roles
    that a live environment may be written to."""

    images: Mapping[str, str] = field(default_factory=dict)
    runner: str = "docker"
    bindings: Bindings = NOTHING
    allow_writes: frozenset[str] = frozenset()
    specs: Mapping[str, Callable[[str, Credentials], Any]] = field(default_factory=lambda: SERVICES)
    plans: Mapping[str, Any] = field(default_factory=dict)


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

    def verdict(self, clause: Clause, contract: Contract, wanted: Iterable[Clause]) -> Verdict:
        """The verdict on one clause; the first call proves the class's ``wanted`` clauses."""
        records, where = self._future(contract, list(wanted)).result()
        return judge(clause, contract, records, where, today=datetime.now(UTC).date())

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
        self.host = Host(self.client, self.run, name="proofs")
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
        bench = Bench(
            self.client, self.run, self.host, self.credentials, endpoints, contract.name, reference, launch, home,
            self.about,
        )  # fmt: skip
        experiment = _Class(contract, wanted, bench, self.options)
        try:
            needed = [endpoints[role].service for role in experiment.roles() if role in endpoints]
            self.host.start(
                self.options.specs[name](self._alias(name), self.credentials) for name in dict.fromkeys(needed)
            )
        except engine.LOST as error:
            return _all_lost(wanted, Lost(f"the services could not be started: {engine.reason(error)}"))
        return experiment.carry_out()

    def _alias(self, service: str) -> str:
        roles = self.options.bindings.roles.values()
        return next(binding.host for binding in roles if binding.service == service)

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


class _Class:
    """The experiments of one class, those that its wanted clauses need and no other."""

    def __init__(self, contract: Contract, wanted: list[Clause], bench: Bench, options: Options) -> None:
        self.contract, self.bench, self.options = contract, bench, options
        self.promises = [clause.promise for clause in wanted]
        self.records = Records()
        self.products: list[products.Products] = []
        self.canaries: dict[str, Canary | Lost] = {}
        for name in contract.document.get("canaries", {}):
            try:
                self.canaries[name] = load(folder_of(contract.source.file) / name)
            except InputError as error:
                self.canaries[name] = Lost(str(error))

    def roles(self) -> list[str]:
        """The roles that the wanted clauses speak of."""
        found = [promise.role for promise in self.promises if isinstance(promise, CacheProof)]
        found += [promise.target for promise in self.promises if isinstance(promise, PublicationProof)]
        document = self.contract.document
        if any(isinstance(promise, NoSecrets) for promise in self.promises):
            found += [*document.get("publication", {}), *document.get("caches", {})]
        return list(dict.fromkeys(found))

    def carry_out(self) -> Records:
        """Everything that is wanted, independent experiments side by side; then the search for secrets."""
        begun = time.monotonic()
        unbound = [role for role in self.roles() if role not in self.bench.endpoints]
        for role in unbound:
            self._lose_role(role)
        work: list[Callable[[], None]] = []
        roles = [role for role in self.roles() if role not in unbound]
        caches = [role for role in self.contract.document.get("caches", {}) if role in roles]
        for name, canary in self.canaries.items():
            if isinstance(canary, Lost):
                self.records.canaries[name] = canary
            elif canary.tool == "nix" and self._wants(name, "nix"):
                work.append(lambda canary=canary: self._nix(canary, "nix" in roles))
            elif canary.tool == "bazel" and self._wants(name, *[role for role in caches if role != "nix"]):
                wanted = [role for role in caches if role.startswith("bazel")]
                for index, role in enumerate(wanted):
                    work.append(lambda canary=canary, role=role, first=not index: self._bazel(canary, role, first))
            elif canary.tool == "docker" and self._wants(name, "registry"):
                work.append(lambda canary=canary: self._image(canary, "registry" in roles))
        targets = [role for role in self.contract.document.get("publication", {}) if role in roles]
        work.append(lambda: self._publication(targets))
        if "objects" in targets:
            work.append(lambda: self.records.state.update(publication.prove_state(self.bench)))
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"prove-{self.contract.name}") as pool:
            for done in [pool.submit(_guarded, step) for step in work]:
                done.result()
        if any(isinstance(promise, NoSecrets) for promise in self.promises):
            self.records.scan = self._scan(roles)
        self.records.seconds = time.monotonic() - begun
        return self.records

    def _wants(self, canary: str, *roles: str) -> bool:
        """Whether a wanted clause needs this canary: one of its own, or one of a cache or target it feeds."""
        return any(
            (isinstance(promise, CanaryProof) and promise.canary == canary)
            or (isinstance(promise, CacheProof) and promise.role in roles)
            or (isinstance(promise, PublicationProof) and promise.target in roles and promise.target in ("nix", "registry"))
            or isinstance(promise, NoSecrets)
            for promise in self.promises
        )

    def _lose_role(self, role: str) -> None:
        binding = self.options.bindings.roles.get(role)
        environment = self.options.bindings.environment
        if binding is None:
            lost = Lost(f"the environment {environment} binds no endpoint to the role {role}")
        elif binding.not_working:
            lost = Lost(f"known not to work in {environment}: {binding.not_working}", here=False)
        elif role not in self.options.allow_writes:
            lost = Lost(f"nothing is written to {environment} unless --allow-writes {role} says so", here=False)
        else:
            lost = Lost(
                f"addresses outside are touched on real runners only; {binding.url} is one, this is a container",
                here=False,
            )
        if role == "nix":
            self.records.nix = lost
        else:
            self.records.bazel[role] = lost
        for identity in publication.IDENTITIES:
            self.records.attempts[(role, identity)] = lost
        if role == "objects":
            self.records.state.update({"second-lock": lost, "old-state": lost})

    def _paths(self) -> tuple[str, ...]:
        return (self.bench.home, STORE)

    def _nix(self, canary: Canary, cached: bool) -> None:
        findings: dict[str, Any] = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        try:
            with self.bench.fresh("build") as (plain, _):
                job = nix.config(plain)
                nonce = self.bench.nonce()
                job.stage(canary.folder, {canary.nonce: f"{nonce}\n".encode()})
                begun = time.monotonic()
                done = job.run(canary.command, deadline=canary.budget.seconds)
                self.bench.outputs.append(done.stdout + done.stderr)
                made = products.collect(job, canary, nonce, time.monotonic() - begun)
                self._products(canary, made, findings, done.status, said(done))
                findings["rebuild"] = flake.rebuild(job)
                findings["pure"] = flake.pure(job)
                findings["lock"] = flake.lock(job)
                if not cached:
                    return
                self.bench.host.up(self.bench.endpoints["nix"].service)
                published = nix.publish(self.bench, job, "path:.")
            self.records.nix = nix.prove(self.bench, published)
            self.bench.host.up(self.bench.endpoints["nix"].service)
            control = published.attempts["writer"].answers
            for name, attempt in published.attempts.items():
                self.records.attempts[("nix", name)] = dataclasses.replace(attempt, control=control)
        except Failed as failed:
            self._lose(findings, failed.lost, nix=True)
        except ServiceDown as down:
            self._lose(findings, Lost(str(down)), nix=True)
        except engine.LOST as error:
            self._lose(findings, Lost(f"the engine stopped answering: {engine.reason(error)}"), nix=True)

    def _lose(self, findings: dict[str, Any], lost: Lost, *, nix: bool) -> None:
        for show in ("builds", "runs", "artifacts", *(("rebuild", "pure", "lock") if nix else ())):
            findings.setdefault(show, lost)
        if nix:
            self.records.nix = lost

    def _products(
        self, canary: Canary, made: products.Products | Lost, findings: dict[str, Any], status: int | None, text: str
    ) -> None:
        findings["builds"] = products.judge_builds(canary, made, status, text)
        findings["runs"] = products.judge_runs(canary, made)
        findings["artifacts"] = products.judge_artifacts(canary, made, self._paths())
        if isinstance(made, products.Products):
            self.products.append(made)

    def _bazel(self, canary: Canary, role: str, first: bool) -> None:
        findings: dict[str, Any] = {}
        if first:
            self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        try:
            self.bench.host.up(self.bench.endpoints[role].service)
            record, made = bazel.prove(self.bench, canary, role)
            self.bench.host.up(self.bench.endpoints[role].service)
            self.records.bazel[role] = record
            cold = record.runs["cold"]
            self._products(canary, made, findings, cold.status, cold.ended or "; ".join(cold.warnings[-2:]))
        except Failed as failed:
            self._lose_bazel(findings, role, failed.lost)
        except ServiceDown as down:
            self._lose_bazel(findings, role, Lost(str(down)))
        except engine.LOST as error:
            self._lose_bazel(findings, role, Lost(f"the engine stopped answering: {engine.reason(error)}"))

    def _lose_bazel(self, findings: dict[str, Any], role: str, lost: Lost) -> None:
        self._lose(findings, lost, nix=False)
        self.records.bazel[role] = lost

    def _image(self, canary: Canary, pushed: bool) -> None:
        findings: dict[str, Any] = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        try:
            with self.bench.fresh("image") as (job, runner):
                nonce = self.bench.nonce()
                job.stage(canary.folder, {canary.nonce: f"{nonce}\n".encode()})
                begun = time.monotonic()
                done = job.run(canary.command, deadline=canary.budget.seconds)
                self.bench.outputs.append(done.stdout + done.stderr)
                made = products.collect(job, canary, nonce, time.monotonic() - begun)
                self._products(canary, made, findings, done.status, said(done))
                if pushed:
                    for name, attempt in image.push(self.bench, job, runner.daemon_container).items():
                        self.records.attempts[("registry", name)] = attempt
        except (Failed, ServiceDown, BuilderContractsError) as error:
            lost = error.lost if isinstance(error, Failed) else Lost(str(error))
            self._lose(findings, lost, nix=False)
            for name in publication.IDENTITIES:
                self.records.attempts.setdefault(("registry", name), lost)
        except engine.LOST as error:
            self._lose(findings, Lost(f"the engine stopped answering: {engine.reason(error)}"), nix=False)

    def _publication(self, targets: list[str]) -> None:
        """What the class's own clients do not try: raw requests from the network position of a runner."""
        tools = {canary.tool for canary in self.canaries.values() if isinstance(canary, Canary)}
        own = {"nix"} & set(self.contract.document.get("caches", {})) if "nix" in tools else set()
        own |= {"registry"} if "docker" in tools else set()
        rest = [target for target in targets if target not in own]
        if not rest:
            return
        try:
            with self.bench.fresh("publish") as (_, runner):
                for target in rest:
                    for name, attempt in publication.prove(self.bench, target, runner.container).items():
                        self.records.attempts[(target, name)] = attempt
        except (Failed, ServiceDown) as error:
            lost = error.lost if isinstance(error, Failed) else Lost(str(error))
            for target in rest:
                for name in publication.IDENTITIES:
                    self.records.attempts.setdefault((target, name), lost)

    def _scan(self, roles: list[str]) -> Scan | Lost:
        """Search all that was published and logged, and beside it a copy that was planted for the search."""
        bench = self.bench
        secrets = [bench.token, *bench.credentials.secrets]
        needles = {needle: name for secret in secrets for needle, name in scan.spellings(secret).items()}
        program = resources.files("builder_contracts.prove").joinpath("scan.py").read_text("utf-8")
        items = size = 0
        leaks: list[Leak] = []
        here: list[tuple[str, bytes]] = []
        try:
            for role in roles:
                service = bench.endpoints[role].service
                started = bench.host.up(service)
                for part, container in zip(started.service.parts, started.containers, strict=True):
                    here.append((f"log of {service}/{part.name}", bench.host.raw_log(container)))
                if role == "objects":
                    here += self._objects()
                    continue
                done = bench.host.execute(
                    service, ["/opt/services/bin/python", "-c", program, json.dumps(secrets), DATA], deadline=60
                )
                if done.status != 0:
                    return Lost(f"searching {service} failed: {said(done)}")
                report = json.loads(done.stdout)
                items, size = items + report["items"], size + report["bytes"]
                leaks += [Leak(f"{service}:{place}", spelling) for place, spelling in report["leaks"]]
        except ServiceDown as down:
            return Lost(str(down))
        except (Failed, *engine.LOST) as error:
            return Lost(f"not everything could be searched: {error}")
        for made in self.products:
            here += [(f"artifact {name}", content) for name, content in made.taken.items() if isinstance(content, bytes)]
        here += [(f"output of build {index + 1}", content) for index, content in enumerate(list(bench.outputs))]
        # What every verdict of this class is made from.
        here.append(("records", repr(dataclasses.replace(self.records)).encode()))
        for place, content in here:
            items, size = items + 1, size + len(content)
            leaks += [Leak(*found) for found in scan.search(place, content, needles)]
        planted = gzip.compress(f"planted {bench.token}".encode())
        control = any(scan.search("control", planted, needles))
        return Scan(items, size, tuple(leaks), len(secrets), control)

    def _objects(self) -> list[tuple[str, bytes]]:
        """Every object of the bucket, asked for as the writer."""
        import base64

        listed = self.bench.ask([publication.s3(self.bench, "writer", "list_objects_v2", {"Bucket": BUCKET})])[0]
        keys = [str(entry["Key"]) for entry in listed.get("reply", {}).get("Contents", [])]
        if not keys:
            return []
        answers = self.bench.ask(
            [publication.s3(self.bench, "writer", "get_object", {"Bucket": BUCKET, "Key": key}) for key in keys]
        )
        return [
            (f"object {key}", base64.b64decode(answer["body"])) for key, answer in zip(keys, answers, strict=True)
        ]


def _guarded(step: Callable[[], None]) -> None:
    """An engine that is gone ends a step; its clauses are then unproven for want of a record."""
    with contextlib.suppress(*engine.LOST):
        step()


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
