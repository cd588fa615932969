"""The experiments of one class: those that its wanted clauses need, independent ones side by side."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.publication import STATE, NoSecrets, PublicationProof
from builder_contracts.errors import BuilderContractsError, InputError
from builder_contracts.prove import bazel, flake, image, nix, products, publication, search
from builder_contracts.prove.bench import Bench
from builder_contracts.prove.canary import Canary, folder_of, load
from builder_contracts.prove.job import Failed, Job, said
from builder_contracts.prove.kernel.experiment import Choice, prove
from builder_contracts.prove.records import CanaryRecord, Finding, Lost, Records
from builder_contracts.runner import engine
from builder_contracts.services.environment import Bindings
from builder_contracts.services.host import ServiceDown

# Nothing that leaves a runner may name it: it exists on the builder only.
STORE = "/nix/store"

# What ends one experiment and leaves the others alone.
_TROUBLE = (Failed, ServiceDown, BuilderContractsError, *engine.LOST)

Findings = dict[str, Finding | Lost]


class Experiments:
    """The experiments of one class on one bench."""

    def __init__(
        self,
        contract: Contract,
        wanted: list[Clause],
        bench: Bench,
        bindings: Bindings,
        allow_writes: frozenset[str],
        kernel: Choice = Choice(),  # noqa: B008 # frozen
    ) -> None:
        self.kernel = kernel
        self.contract, self.bench, self.bindings, self.allow_writes = contract, bench, bindings, allow_writes
        self.promises = [clause.promise for clause in wanted]
        self.records = Records()
        self.products: list[products.Products] = []
        self.canaries: dict[str, Canary | Lost] = {}
        for name in contract.document.get("canaries", {}):
            self.canaries[name] = _load(name, contract)

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
            self._lose_role(role, self._why_unbound(role))
        work: list[Callable[[], None]] = []
        roles = [role for role in self.roles() if role not in unbound]
        caches = [role for role in self.contract.document.get("caches", {}) if role.startswith("bazel")]
        # What the first canary of a tool builds is what its caches and targets are proved with.
        tools: set[str] = set()
        for name, canary in self.canaries.items():
            if isinstance(canary, Lost):
                self.records.canaries[name] = canary
                continue
            first = canary.tool not in tools
            tools.add(canary.tool)
            if first and canary.tool == "nix" and self._wants(name, "nix"):
                work.append(partial(self._nix, canary, "nix" in roles))
            elif first and canary.tool == "bazel" and self._wants(name, *caches) and {*caches} & {*roles}:
                for index, role in enumerate(role for role in caches if role in roles):
                    work.append(partial(self._bazel, canary, role, not index))
            elif first and canary.tool == "docker" and self._wants(name, "registry"):
                work.append(partial(self._image, canary, "registry" in roles))
            elif self._wants_itself(name):
                kernel = (canary.folder / "kernel.yaml").is_file()
                work.append(partial(self._kernel if kernel else self._alone, canary))
        targets = [role for role in self.contract.document.get("publication", {}) if role in roles]
        work.append(partial(self._publication, targets))
        if "objects" in targets:
            work.append(self._state)
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"prove-{self.contract.name}") as pool:
            for done in [pool.submit(_guarded, step) for step in work]:
                done.result()
        self._lose_what_died(roles)
        if any(isinstance(promise, NoSecrets) for promise in self.promises):
            # What a role holds that is out of reach cannot be searched.
            self.records.scan = (
                self._why_unbound(unbound[0])
                if unbound
                else search.everything(self.bench, roles, self.products, self.records)
            )
        self.records.seconds = time.monotonic() - begun
        return self.records

    def _wants(self, canary: str, *roles: str) -> bool:
        """Whether a wanted clause needs this canary: one of its own, or one of a cache or target it feeds."""
        return self._wants_itself(canary) or any(
            (isinstance(promise, CacheProof) and promise.role in roles)
            or (
                isinstance(promise, PublicationProof)
                and promise.target in roles
                and promise.target in ("nix", "registry")
            )
            or isinstance(promise, NoSecrets)
            for promise in self.promises
        )

    def _wants_itself(self, canary: str) -> bool:
        return any(isinstance(promise, CanaryProof) and promise.canary == canary for promise in self.promises)

    def _why_unbound(self, role: str) -> Lost:
        binding = self.bindings.roles.get(role)
        environment = self.bindings.environment
        if binding is None:
            return Lost(f"the environment {environment} binds no endpoint to the role {role}")
        if binding.not_working:
            return Lost(f"known not to work in {environment}: {binding.not_working}", here=False)
        if role not in self.allow_writes:
            return Lost(
                f"nothing is written to {environment} unless --allow-writes {role} says so", here=False
            )
        if self.bindings.from_containers:
            return Lost(
                f"on a live environment only the role nix can be proved, by a class that reads it: {role}",
                here=False,
            )
        return Lost(
            f"addresses outside are touched on real runners only; {binding.url} is one, this is a container",
            here=False,
        )

    def _lose_role(self, role: str, lost: Lost) -> None:
        """Whatever was found with the role, its clauses are unproven for this reason."""
        if role == "nix":
            self.records.nix = lost
        elif role.startswith("bazel"):
            self.records.bazel[role] = lost
        elif role == "objects":
            self.records.state.update(dict.fromkeys(STATE, lost))
        for identity in publication.IDENTITIES:
            self.records.attempts[(role, identity)] = lost

    def _lose_what_died(self, roles: list[str]) -> None:
        """A service that is dead at the end was not there for all of its clauses; its last words say why."""
        for role in roles:
            try:
                self.bench.host.up(self.bench.endpoints[role].service or "nix-cache")
            except ServiceDown as down:
                self._lose_role(role, Lost(str(down)))

    def _paths(self) -> tuple[str, ...]:
        return (self.bench.home, STORE)

    def _nix(self, canary: Canary, cached: bool) -> None:
        findings: Findings = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        try:
            with self.bench.fresh("build") as (plain, _):
                job = nix.config(plain)
                nonce = self.bench.nonce()
                self._flake(job, canary, nonce, findings)
                if not cached:
                    return
                self.bench.host.up(self.bench.endpoints["nix"].service or "nix-cache")
                published = nix.publish(self.bench, job, "path:.")
                if "writer" not in published.attempts:
                    raise Failed("publishing", "no writer's credentials were given", here=False)
                control = published.attempts["writer"].as_control()
                for name, attempt in published.attempts.items():
                    self.records.attempts[("nix", name)] = dataclasses.replace(attempt, control=control)
                nix.make_bad(self.bench, job, published)
            self.records.nix = nix.prove(self.bench, published)
        except _TROUBLE as error:
            self.records.nix = lost = _lost(error)
            _lack(canary, findings, lost)
            for name in publication.IDENTITIES:
                self.records.attempts.setdefault(("nix", name), lost)

    def _flake(self, job: Job, canary: Canary, nonce: str, findings: Findings) -> None:
        """Build a flake in a job with Nix's configuration, and look at what only Nix can show."""
        job.stage(canary.folder, canary.inputs, {canary.nonce: f"{nonce}\n".encode()})
        # Before the build, which would bring the lock up to date without a word.
        findings["lock"] = flake.lock(job)
        built = self._build(job, canary, nonce, findings)
        findings["rebuild"] = (
            flake.rebuild(job) if built else Lost("nothing was built that could be built again")
        )
        findings["pure"] = flake.pure(job)

    def _build(self, job: Job, canary: Canary, nonce: str, findings: Findings) -> bool:
        """Build a canary as it says; whether the command ended well."""
        begun = time.monotonic()
        done = job.run(canary.command, deadline=canary.budget.seconds)
        self.bench.outputs.append(done.stdout + done.stderr)
        made = products.collect(job, canary, nonce, time.monotonic() - begun)
        self._products(canary, made, findings, done.status, said(done))
        return done.status == 0

    def _alone(self, canary: Canary) -> None:
        """Build a canary in a fresh runner, without any cache or target."""
        findings: Findings = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        try:
            with self.bench.fresh(canary.name) as (job, _):
                nonce = self.bench.nonce()
                if canary.tool == "nix":
                    self._flake(nix.config(job), canary, nonce, findings)
                else:
                    job.stage(canary.folder, canary.inputs, {canary.nonce: f"{nonce}\n".encode()})
                    self._build(job, canary, nonce, findings)
        except _TROUBLE as error:
            _lack(canary, findings, _lost(error))

    def _products(
        self,
        canary: Canary,
        made: products.Products | Lost,
        findings: Findings,
        status: int | None,
        text: str,
    ) -> None:
        findings["builds"] = products.judge_builds(canary, made, status, text)
        findings["runs"] = products.judge_runs(canary, made)
        findings["artifacts"] = products.judge_artifacts(canary, made, self._paths())
        if isinstance(made, products.Products):
            self.products.append(made)

    def _bazel(self, canary: Canary, role: str, first: bool) -> None:
        try:
            self.bench.host.up(self.bench.endpoints[role].service)
            record, made = bazel.prove(self.bench, canary, role)
        except _TROUBLE as error:
            self.records.bazel[role] = _lost(error)
            if first:
                # That the class builds is not the cache's to decide.
                self._alone(canary)
            return
        self.records.bazel[role] = record
        findings: Findings = {}
        cold = record.runs["cold"]
        self._products(canary, made, findings, cold.status, cold.ended or "; ".join(cold.warnings[-2:]))
        if first:
            self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)

    def _image(self, canary: Canary, pushed: bool) -> None:
        findings: Findings = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        try:
            with self.bench.fresh("image") as (job, runner):
                nonce = self.bench.nonce()
                job.stage(canary.folder, canary.inputs, {canary.nonce: f"{nonce}\n".encode()})
                self._build(job, canary, nonce, findings)
                if pushed:
                    for name, attempt in image.push(self.bench, job, runner.daemon_container).items():
                        self.records.attempts[("registry", name)] = attempt
        except _TROUBLE as error:
            lost = _lost(error)
            _lack(canary, findings, lost)
            for name in publication.IDENTITIES:
                self.records.attempts.setdefault(("registry", name), lost)

    def _kernel(self, canary: Canary) -> None:
        self.records.canaries[canary.name] = prove(self.bench, canary, self.kernel)

    def _state(self) -> None:
        self.records.state.update(publication.prove_state(self.bench))

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
        except _TROUBLE as error:
            lost = _lost(error)
            for target in rest:
                for name in publication.IDENTITIES:
                    self.records.attempts.setdefault((target, name), lost)


def _load(name: str, contract: Contract) -> Canary | Lost:
    try:
        canary = load(folder_of(contract.source.file) / name)
    except InputError as error:
        return Lost(str(error))
    if contract.name not in canary.builders:
        return Lost(
            f"{canary.folder / 'canary.yaml'} names {', '.join(canary.builders)} as its builders: "
            f"add {contract.name} there, or take {name} out of the contract"
        )
    return canary


def _lost(error: BaseException) -> Lost:
    if isinstance(error, Failed):
        return error.lost
    if isinstance(error, engine.LOST):
        return Lost(f"the engine stopped answering: {engine.reason(error)}")
    return Lost(str(error))


def _lack(canary: Canary, findings: Findings, lost: Lost) -> None:
    """What was not found until then was lost."""
    for show in (
        "builds",
        "runs",
        "artifacts",
        *(("rebuild", "pure", "lock") if canary.tool == "nix" else ()),
    ):
        findings.setdefault(show, lost)


def _guarded(step: Callable[[], None]) -> None:
    """An engine that is gone ends a step; its clauses are then unproven for want of a record."""
    with contextlib.suppress(*engine.LOST):
        step()
