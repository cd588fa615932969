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
from builder_contracts.contract.promises.publication import NoSecrets, PublicationProof
from builder_contracts.errors import BuilderContractsError, InputError
from builder_contracts.prove import bazel, flake, image, nix, products, publication, search
from builder_contracts.prove.bench import Bench
from builder_contracts.prove.canary import Canary, folder_of, load
from builder_contracts.prove.job import Failed, said
from builder_contracts.prove.kernel.experiment import Choice, prove
from builder_contracts.prove.records import CanaryRecord, Finding, Lost, Records
from builder_contracts.runner import engine
from builder_contracts.services.environment import Bindings
from builder_contracts.services.host import ServiceDown

# Nothing that leaves a runner may name it: it exists on the builder only.
STORE = "/nix/store"

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
                work.append(partial(self._nix, canary, "nix" in roles))
            elif canary.tool == "bazel" and self._wants(name, *[role for role in caches if role != "nix"]):
                wanted = [role for role in caches if role.startswith("bazel")]
                for index, role in enumerate(wanted):
                    work.append(partial(self._bazel, canary, role, not index))
            elif canary.tool == "docker" and self._wants(name, "registry"):
                work.append(partial(self._image, canary, "registry" in roles))
            elif canary.tool == "make" and any(
                isinstance(promise, CanaryProof) and promise.canary == name for promise in self.promises
            ):
                work.append(partial(self._kernel, canary))
        targets = [role for role in self.contract.document.get("publication", {}) if role in roles]
        work.append(partial(self._publication, targets))
        if "objects" in targets:
            work.append(self._state)
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"prove-{self.contract.name}") as pool:
            for done in [pool.submit(_guarded, step) for step in work]:
                done.result()
        if any(isinstance(promise, NoSecrets) for promise in self.promises):
            self.records.scan = search.everything(self.bench, roles, self.products, self.records)
        self.records.seconds = time.monotonic() - begun
        return self.records

    def _wants(self, canary: str, *roles: str) -> bool:
        """Whether a wanted clause needs this canary: one of its own, or one of a cache or target it feeds."""
        return any(
            (isinstance(promise, CanaryProof) and promise.canary == canary)
            or (isinstance(promise, CacheProof) and promise.role in roles)
            or (
                isinstance(promise, PublicationProof)
                and promise.target in roles
                and promise.target in ("nix", "registry")
            )
            or isinstance(promise, NoSecrets)
            for promise in self.promises
        )

    def _lose_role(self, role: str) -> None:
        binding = self.bindings.roles.get(role)
        environment = self.bindings.environment
        if binding is None:
            lost = Lost(f"the environment {environment} binds no endpoint to the role {role}")
        elif binding.not_working:
            lost = Lost(f"known not to work in {environment}: {binding.not_working}", here=False)
        elif role not in self.allow_writes:
            lost = Lost(
                f"nothing is written to {environment} unless --allow-writes {role} says so", here=False
            )
        elif self.bindings.from_containers:
            lost = Lost(
                f"on a live environment only the role nix can be proved, by a class that reads it: {role}",
                here=False,
            )
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
        findings: Findings = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        try:
            with self.bench.fresh("build") as (plain, _):
                job = nix.config(plain)
                nonce = self.bench.nonce()
                job.stage(canary.folder, {canary.nonce: f"{nonce}\n".encode()})
                # Before the build, which would bring the lock up to date without a word.
                findings["lock"] = flake.lock(job)
                begun = time.monotonic()
                done = job.run(canary.command, deadline=canary.budget.seconds)
                self.bench.outputs.append(done.stdout + done.stderr)
                made = products.collect(job, canary, nonce, time.monotonic() - begun)
                self._products(canary, made, findings, done.status, said(done))
                findings["rebuild"] = flake.rebuild(job)
                findings["pure"] = flake.pure(job)
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
            self.bench.host.up(self.bench.endpoints["nix"].service or "nix-cache")
        except Failed as failed:
            self._lose(findings, failed.lost, nix=True)
        except ServiceDown as down:
            self._lose(findings, Lost(str(down)), nix=True)
        except engine.LOST as error:
            self._lose(findings, Lost(f"the engine stopped answering: {engine.reason(error)}"), nix=True)

    def _lose(self, findings: Findings, lost: Lost, *, nix: bool) -> None:
        for show in ("builds", "runs", "artifacts", *(("rebuild", "pure", "lock") if nix else ())):
            findings.setdefault(show, lost)
        if nix:
            self.records.nix = lost
            for name in publication.IDENTITIES:
                self.records.attempts.setdefault(("nix", name), lost)

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
        findings: Findings = {}
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

    def _lose_bazel(self, findings: Findings, role: str, lost: Lost) -> None:
        self._lose(findings, lost, nix=False)
        self.records.bazel[role] = lost

    def _image(self, canary: Canary, pushed: bool) -> None:
        findings: Findings = {}
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
        except (Failed, ServiceDown) as error:
            lost = error.lost if isinstance(error, Failed) else Lost(str(error))
            for target in rest:
                for name in publication.IDENTITIES:
                    self.records.attempts.setdefault((target, name), lost)


def _guarded(step: Callable[[], None]) -> None:
    """An engine that is gone ends a step; its clauses are then unproven for want of a record."""
    with contextlib.suppress(*engine.LOST):
        step()
