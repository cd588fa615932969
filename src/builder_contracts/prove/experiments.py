"""The experiments of one class: those that its wanted clauses need, independent ones side by side."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.publication import STATE, NoSecrets, PublicationProof
from builder_contracts.errors import BuilderContractsError, InputError
from builder_contracts.prove import bazel, flake, image, nix, products, publication, search
from builder_contracts.prove.bench import Bench
from builder_contracts.prove.canary import Canary, named
from builder_contracts.prove.containers import ContainerBench
from builder_contracts.prove.job import Failed, Job, said
from builder_contracts.prove.kernel.experiment import Choice, prove
from builder_contracts.prove.records import (
    Attempt,
    CanaryRecord,
    Finding,
    Lost,
    NixRecord,
    Records,
    controlled,
)
from builder_contracts.redaction import learn_secrets
from builder_contracts.runner import engine
from builder_contracts.services.host import ServiceDown
from builder_contracts.services.identities import WRITER

Findings = dict[str, Finding | Lost]


def roles(contract: Contract, wanted: Iterable[Clause]) -> list[str]:
    """The roles that the wanted clauses speak of."""
    promises = [clause.promise for clause in wanted]
    found = [promise.role for promise in promises if isinstance(promise, CacheProof)]
    found += [promise.target for promise in promises if isinstance(promise, PublicationProof)]
    if any(isinstance(promise, NoSecrets) for promise in promises):
        document = contract.document
        found += [*document.get("publication", {}), *document.get("caches", {})]
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class _Step:
    """An experiment, and what becomes of its clauses where it cannot be carried out."""

    experiment: Callable[[], None]
    lose: Callable[[Lost], None]


class Experiments:
    """The experiments of one class on one bench. ``unbound`` are roles out of reach, and why each of them is."""

    def __init__(
        self,
        contract: Contract,
        wanted: list[Clause],
        bench: Bench,
        unbound: Mapping[str, Lost],
        kernel: Choice = Choice(),  # noqa: B008 # frozen
    ) -> None:
        # Which variable holds a deployment's credentials is for its environment to say, whatever it is called.
        learn_secrets(*(secret for endpoint in bench.endpoints.values() for secret in endpoint.secrets))
        self.kernel = kernel
        self.contract, self.bench, self.unbound = contract, bench, unbound
        self.promises = [clause.promise for clause in wanted]
        self.records = Records()
        self.products: list[products.Products] = []
        self.canaries: dict[str, Canary | Lost] = {}
        for name in contract.document.get("canaries", {}):
            self.canaries[name] = _load(name, contract)

    def carry_out(self) -> Records:
        """Everything that is wanted, independent experiments side by side; then the search for secrets."""
        begun = time.monotonic()
        for role, lost in self.unbound.items():
            self._lose_role(role, lost)
        roles = list(self.bench.endpoints)
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"prove-{self.contract.name}") as pool:
            for done in [pool.submit(self._carry_out, step) for step in self._steps(roles)]:
                done.result()
        self._lose_what_died(roles)
        if any(isinstance(promise, NoSecrets) for promise in self.promises):
            self._carry_out(_Step(partial(self._search, roles), self._lose_search))
        self.records.seconds = time.monotonic() - begun
        return self.records

    def _steps(self, roles: Sequence[str]) -> Iterator[_Step]:
        """What can be carried out side by side."""
        caches = [role for role in self.contract.document.get("caches", {}) if role.startswith("bazel")]
        # What the first canary of a tool builds is what its caches and targets are proved with.
        tools: set[str] = set()
        for name, canary in self.canaries.items():
            if isinstance(canary, Lost):
                self.records.canaries[name] = canary
                continue
            first = canary.tool not in tools
            tools.add(canary.tool)
            lack = partial(self._lack, canary)
            if first and canary.tool == "nix" and self._wants(name, *{"nix"} & {*roles}):
                cached = "nix" in roles
                lose = partial(self._lose_nix, canary) if cached else lack
                yield _Step(partial(self._nix, canary, cached=cached), lose)
            elif first and canary.tool == "bazel" and {*caches} & {*roles} and self._wants(name, *caches):
                for index, role in enumerate(role for role in caches if role in roles):
                    yield _Step(
                        partial(self._bazel, canary, role, first=not index),
                        partial(self._lose_bazel, canary, role, first=not index),
                    )
            elif first and canary.tool == "docker" and self._wants(name, *{"registry"} & {*roles}):
                pushed = "registry" in roles
                lose = partial(self._lose_image, canary) if pushed else lack
                yield _Step(partial(self._image, canary, pushed=pushed), lose)
            elif self._wants_itself(name):
                yield _Step(partial(self._by_itself, canary), lack)
        targets = [role for role in self.contract.document.get("publication", {}) if role in roles]
        if others := self._without_client(targets):
            yield _Step(partial(self._publication, others), partial(self._lose_attempts, others))
        if "objects" in targets:
            yield _Step(self._state, self._lose_state)

    def _carry_out(self, step: _Step) -> None:
        """Whatever ends a step leaves the others alone; its clauses are then unproven for that reason."""
        try:
            step.experiment()
        except Exception as error:
            step.lose(self._why(error))

    def _why(self, error: Exception) -> Lost:
        if isinstance(error, Failed):
            return error.lost
        if isinstance(error, engine.LOST):
            return Lost(f"the engine stopped answering: {engine.reason(error)}")
        if isinstance(error, (ServiceDown, BuilderContractsError)):
            return Lost(str(error))
        at = traceback.extract_tb(error.__traceback__)[-1]
        said = self.bench.mask.redact(f"{type(error).__name__}: {error}")[:300]
        return Lost(
            f"builder-contracts itself failed ({said}, at {at.filename}:{at.lineno}), which shows nothing of the "
            "class; please report it"
        )

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

    def _lose_role(self, role: str, lost: Lost) -> None:
        """Whatever was found with the role, its clauses are unproven for this reason."""
        if role == "nix":
            self.records.nix = lost
        elif role.startswith("bazel"):
            self.records.bazel[role] = lost
        elif role == "objects":
            self._lose_state(lost)
        for identity in publication.IDENTITIES:
            self.records.attempts[(role, identity)] = lost

    def _lose_nix(self, canary: Canary, lost: Lost) -> None:
        self.records.nix = lost
        self._lack(canary, lost)
        self._lose_attempts(["nix"], lost)

    def _lose_bazel(self, canary: Canary, role: str, lost: Lost, *, first: bool) -> None:
        self.records.bazel[role] = lost
        if first:
            # That the class builds is not the cache's to decide.
            self._carry_out(_Step(partial(self._alone, canary), partial(self._lack, canary)))

    def _lose_image(self, canary: Canary, lost: Lost) -> None:
        self._lack(canary, lost)
        self._lose_attempts(["registry"], lost)

    def _lose_attempts(self, targets: Iterable[str], lost: Lost) -> None:
        for target in targets:
            for identity in publication.IDENTITIES:
                self.records.attempts.setdefault((target, identity), lost)

    def _lose_state(self, lost: Lost) -> None:
        self.records.state.update(dict.fromkeys(STATE, lost))

    def _lose_search(self, lost: Lost) -> None:
        self.records.scan = lost

    def _lack(self, canary: Canary, lost: Lost) -> None:
        """What was not found of a canary until then was lost."""
        record = self.records.canaries.get(canary.name)
        found = record.findings if isinstance(record, CanaryRecord) else {}
        findings = {**dict.fromkeys(canary.shows, lost), **found}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)

    def _lose_what_died(self, roles: list[str]) -> None:
        """A service that is dead at the end was not there for all of its clauses; its last words say why."""
        for role in roles:
            try:
                self.bench.ready(role)
            except ServiceDown as down:
                self._lose_role(role, Lost(str(down)))

    def _paths(self) -> tuple[str, ...]:
        return (*self.bench.paths, nix.STORE)

    def _nix(self, canary: Canary, *, cached: bool) -> None:
        findings: Findings = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        published = None
        try:
            with self.bench.fresh("build") as plain:
                job, begun, nonce = nix.config(plain), time.time(), self.bench.nonce()
                try:
                    self._flake(job, canary, nonce, findings)
                    if not cached:
                        return
                    self.bench.ready("nix")
                    published = nix.seed(self.bench, job, "path:.")
                    nix.publish(self.bench, job, published)
                    if lost := self.bench.endpoints["nix"].lacks(WRITER):
                        raise Failed.of(lost)
                    nix.make_bad(self.bench, job, published)
                finally:
                    if job.shared:
                        nix.forget(job, published, nonce=nonce, nonce_file=canary.nonce, since=begun)
            self.records.nix = nix.prove(self.bench, published)
        finally:
            # Also what a failed proof has published is taken back.
            if published is not None:
                self._published(published)

    def _published(self, published: nix.Published) -> None:
        """Take back what was published, and file what the attempts at it were answered."""
        try:
            left = nix.take_back(self.bench, published)
        except Exception as error:
            left = (publication.unasked(self._why(error)),)
        if isinstance(self.records.nix, NixRecord):
            self.records.nix = dataclasses.replace(self.records.nix, left=left)
        said = "" if self.bench.endpoints["nix"].service else publication.became(left)
        for name, attempt in controlled(published.attempts).items():
            self.records.attempts[("nix", name)] = (
                dataclasses.replace(attempt, left=said) if isinstance(attempt, Attempt) else attempt
            )

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

    def _by_itself(self, canary: Canary) -> None:
        """Build a canary in a fresh runner, without any cache or target."""
        if canary.kernel:
            self._kernel(canary)
        elif canary.tool == "nix":
            self._nix(canary, cached=False)
        elif canary.tool == "docker":
            self._image(canary, pushed=False)
        else:
            self._alone(canary)

    def _alone(self, canary: Canary) -> None:
        findings: Findings = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        with self.bench.fresh(canary.name) as job:
            nonce = self.bench.nonce()
            job.stage(canary.folder, canary.inputs, {canary.nonce: f"{nonce}\n".encode()})
            if canary.tool == "bazel" and job.shared:
                bazel.settle(job)
            self._build(job, canary, nonce, findings)

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

    def _bazel(self, canary: Canary, role: str, *, first: bool) -> None:
        self.bench.ready(role)
        record, made = bazel.prove(self.bench, canary, role)
        self.records.bazel[role] = record
        findings: Findings = {}
        cold = record.runs["cold"]
        self._products(canary, made, findings, cold.status, cold.ended or "; ".join(cold.warnings[-2:]))
        if first:
            self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)

    def _image(self, canary: Canary, *, pushed: bool) -> None:
        findings: Findings = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, findings)
        with self.bench.fresh("image") as job:
            nonce = self.bench.nonce()
            job.stage(canary.folder, canary.inputs, {canary.nonce: f"{nonce}\n".encode()})
            before = image.known(job) if job.shared else ""
            try:
                self._build(job, canary, nonce, findings)
                if pushed:
                    for name, attempt in image.push(self.bench, job).items():
                        self.records.attempts[("registry", name)] = attempt
            finally:
                if job.shared:
                    image.forget(job.last, before)

    def _kernel(self, canary: Canary) -> None:
        self.records.canaries[canary.name] = (
            prove(self.bench, canary, self.kernel)
            if isinstance(self.bench, ContainerBench)
            else Lost(
                "a kernel is built, packaged and booted in containers of its own: --runner docker shows it",
                here=False,
            )
        )

    def _state(self) -> None:
        self.records.state.update(publication.prove_state(self.bench))

    def _search(self, roles: Sequence[str]) -> None:
        # What a role holds that is out of reach cannot be searched.
        self.records.scan = (
            next(iter(self.unbound.values()))
            if self.unbound
            else search.everything(self.bench, roles, self.products, self.records)
        )

    def _without_client(self, targets: Iterable[str]) -> list[str]:
        """The targets that no client of the class's own tries to publish to."""
        tools = {canary.tool for canary in self.canaries.values() if isinstance(canary, Canary)}
        own = {"nix"} & set(self.contract.document.get("caches", {})) if "nix" in tools else set()
        own |= {"registry"} if "docker" in tools else set()
        return [target for target in targets if target not in own]

    def _publication(self, targets: Iterable[str]) -> None:
        """Raw requests from the network position of a runner."""
        with self.bench.fresh("publish") as job:
            for target in targets:
                self._carry_out(
                    _Step(partial(self._target, target, job), partial(self._lose_attempts, [target]))
                )

    def _target(self, target: str, job: Job) -> None:
        for name, attempt in publication.prove(self.bench, target, job).items():
            self.records.attempts[(target, name)] = attempt


def _load(name: str, contract: Contract) -> Canary | Lost:
    try:
        return named(name, contract)
    except InputError as error:
        return Lost(error.sentence)
