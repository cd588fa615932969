"""The experiments of one class that its selected clauses need; independent experiments run in parallel."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.publication import NoSecrets, PublicationProof
from builder_contracts.errors import BuilderContractsError, InputError
from builder_contracts.prove.bazel import experiment as bazel
from builder_contracts.prove.bazel.record import BazelRun
from builder_contracts.prove.canary import flake, products
from builder_contracts.prove.canary import judge as judge_canary
from builder_contracts.prove.canary.definition import Canary, named
from builder_contracts.prove.canary.record import CanaryProducts, CanaryRecord
from builder_contracts.prove.check_result import CheckResult
from builder_contracts.prove.container_testbed import ContainerTestbed
from builder_contracts.prove.http_state import experiment as http_state
from builder_contracts.prove.job import ProofJob, StepFailed, format_completed
from builder_contracts.prove.kernel.experiment import KernelOverrides, prove
from builder_contracts.prove.leftovers import unchecked_leftovers
from builder_contracts.prove.nix import experiment as nix
from builder_contracts.prove.nix.record import NixRecord
from builder_contracts.prove.publication import docker_push
from builder_contracts.prove.publication import experiment as publication
from builder_contracts.prove.publish_attempt import IDENTITIES, with_control
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.secrets import experiment as search
from builder_contracts.prove.state import experiment as state
from builder_contracts.prove.testbed import Testbed
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.redaction import learn_secrets
from builder_contracts.runner.docker import engine
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.services.principals import WRITER
from builder_contracts.services.stack import ServiceDown

CheckResults = dict[str, CheckResult | Unavailable]


def roles(contract: Contract, clauses: Iterable[Clause]) -> list[str]:
    """The roles that these clauses are about."""
    promises = [clause.promise for clause in clauses]
    names = [promise.role for promise in promises if isinstance(promise, CacheProof)]
    names += [promise.target for promise in promises if isinstance(promise, PublicationProof)]
    if any(isinstance(promise, NoSecrets) for promise in promises):
        document = contract.document
        names += [*document.get("publication", {}), *document.get("caches", {})]
    return list(dict.fromkeys(names))


Experiment = Callable[[], None]
Lose = Callable[[Unavailable], None]
"""What becomes of the clauses of an experiment that cannot be carried out."""


class ExperimentSchedule:
    """The experiments of one class on one bench. ``unbound`` are roles out of reach, and why each of them is."""

    def __init__(
        self,
        contract: Contract,
        clauses: list[Clause],
        bench: Testbed,
        unbound: Mapping[str, Unavailable],
        kernel: KernelOverrides = KernelOverrides(),  # noqa: B008 # frozen
    ) -> None:
        # Which variable holds a deployment's credentials is for its environment to say, whatever it is called.
        learn_secrets(*(secret for endpoint in bench.endpoints.values() for secret in endpoint.secrets))
        self.kernel = kernel
        self.contract, self.bench, self.unbound = contract, bench, unbound
        self.promises = [clause.promise for clause in clauses]
        self.records = ProofRecords()
        self.products: list[CanaryProducts] = []
        self.canaries: dict[str, Canary | Unavailable] = {}
        for name in contract.document.get("canaries", {}):
            self.canaries[name] = _load(name, contract)

    def carry_out(self) -> ProofRecords:
        """Perform all experiments that the clauses need, independent ones in parallel; then search for secrets."""
        started_at = time.monotonic()
        for role, lost in self.unbound.items():
            self._lose_role(role, lost)
        roles = list(self.bench.endpoints)
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix=f"prove-{self.contract.name}") as pool:
            for future in [pool.submit(self._carry_out, *planned) for planned in self._plan(roles)]:
                future.result()
        self._mark_dead_services(roles)
        if any(isinstance(promise, NoSecrets) for promise in self.promises):
            self._carry_out(partial(self._search, roles), self._lose("scan"))
        self.records.seconds = time.monotonic() - started_at
        self.records.leftovers = sum(self.bench.left_behind, Leftovers())
        return self.records

    def _plan(self, roles: Sequence[str]) -> Iterator[tuple[Experiment, Lose]]:
        """Yield the experiments that can run in parallel."""
        caches = [role for role in self.contract.document.get("caches", {}) if role.startswith("bazel")]
        # The first canary of a tool also feeds the proofs of its caches and targets.
        tools: set[str] = set()
        for name, canary in self.canaries.items():
            if isinstance(canary, Unavailable):
                self.records.canaries[name] = canary
                continue
            first = canary.tool not in tools
            tools.add(canary.tool)
            lose_canary = partial(self._lose_canary, canary)
            if first and canary.tool == "nix" and self._needs(name, *{"nix"} & {*roles}):
                cached = "nix" in roles
                lose = partial(self._lose_nix, canary) if cached else lose_canary
                yield partial(self._nix, canary, cached=cached), lose
            elif first and canary.tool == "bazel" and {*caches} & {*roles} and self._needs(name, *caches):
                for index, role in enumerate(role for role in caches if role in roles):
                    yield (
                        partial(self._bazel, canary, role, first=not index),
                        partial(self._lose_bazel, canary, role, first=not index),
                    )
            elif first and canary.tool == "docker" and self._needs(name, *{"registry"} & {*roles}):
                pushed = "registry" in roles
                lose = partial(self._lose_image, canary) if pushed else lose_canary
                yield partial(self._image, canary, pushed=pushed), lose
            elif self._is_promised(name):
                yield partial(self._build_only, canary), lose_canary
        targets = [role for role in self.contract.document.get("publication", {}) if role in roles]
        if others := self._targets_without_client(targets):
            yield partial(self._publication, others), partial(self._lose_attempts, others)
        if "objects" in targets:
            yield self._state, self._lose("state")
        if "state" in targets:
            yield self._http_state, self._lose("http_state")

    def _carry_out(self, experiment: Experiment, lose: Lose) -> None:
        """Carry out one experiment. If it fails, its clauses are unproven for that reason, and the others continue."""
        try:
            experiment()
        except Exception as error:
            lose(self._why(error))

    def _why(self, error: Exception) -> Unavailable:
        if isinstance(error, StepFailed):
            return error.lost
        if isinstance(error, engine.LOST):
            return Unavailable(f"lost connection to the engine: {engine.reason(error)}")
        if isinstance(error, (ServiceDown, BuilderContractsError)):
            return Unavailable(str(error))
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = self.bench.mask.redact(f"{type(error).__name__}: {error}")[:300]
        return Unavailable(
            f"internal error ({reason} at {frame.filename}:{frame.lineno}), not a verdict on the class; please report it"
        )

    def _needs(self, canary: str, *roles: str) -> bool:
        """Return whether a clause needs this canary: its own, or one of a cache or target that it feeds."""
        return self._is_promised(canary) or any(
            (isinstance(promise, CacheProof) and promise.role in roles)
            or (
                isinstance(promise, PublicationProof)
                and promise.target in roles
                and promise.target in ("nix", "registry")
            )
            or isinstance(promise, NoSecrets)
            for promise in self.promises
        )

    def _is_promised(self, canary: str) -> bool:
        return any(isinstance(promise, CanaryProof) and promise.canary == canary for promise in self.promises)

    def _lose_role(self, role: str, lost: Unavailable) -> None:
        """Make every clause of the role unproven for this reason, whatever was recorded."""
        if role == "nix":
            self.records.nix = lost
        elif role.startswith("bazel"):
            self.records.bazel[role] = lost
        elif role == "objects":
            self.records.state = lost
        elif role == "state":
            self.records.http_state = lost
        self.records.attempts[role] = dict.fromkeys(IDENTITIES, lost)

    def _lose_nix(self, canary: Canary, lost: Unavailable) -> None:
        self.records.nix = lost
        self._lose_canary(canary, lost)
        self._lose_attempts(["nix"], lost)

    def _lose_bazel(self, canary: Canary, role: str, lost: Unavailable, *, first: bool) -> None:
        self.records.bazel[role] = lost
        if first:
            # Without the cache the class can still build, so prove that alone.
            self._carry_out(partial(self._build_uncached, canary), partial(self._lose_canary, canary))

    def _lose_image(self, canary: Canary, lost: Unavailable) -> None:
        self._lose_canary(canary, lost)
        self._lose_attempts(["registry"], lost)

    def _lose_attempts(self, targets: Iterable[str], lost: Unavailable) -> None:
        for target in targets:
            attempts = self.records.attempts.get(target, {})
            self.records.attempts[target] = {**dict.fromkeys(IDENTITIES, lost), **attempts}

    def _lose(self, record: str) -> Lose:
        """What makes a whole record unavailable."""
        return partial(setattr, self.records, record)

    def _lose_canary(self, canary: Canary, lost: Unavailable) -> None:
        """Make every clause of a canary that was not checked yet unproven for this reason."""
        record = self.records.canaries.get(canary.name)
        checked = record.results if isinstance(record, CanaryRecord) else {}
        results = {**dict.fromkeys(canary.shows, lost), **checked}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, results)

    def _mark_dead_services(self, roles: list[str]) -> None:
        """Make the clauses of a service that is dead at the end unproven, with its last words."""
        for role in roles:
            try:
                self.bench.ready(role)
            except ServiceDown as down:
                self._lose_role(role, Unavailable(str(down)))

    def _paths(self) -> tuple[str, ...]:
        return (*self.bench.paths, nix.STORE)

    def _nix(self, canary: Canary, *, cached: bool) -> None:
        results = self._open(canary)
        published = None
        try:
            with self.bench.fresh("build") as plain:
                job, started_at, nonce = nix.config(plain), time.time(), self.bench.nonce()
                try:
                    self._stage(job, canary, nonce)
                    self._flake(job, canary, nonce, results)
                    if not cached:
                        return
                    with self.bench.relying_on("nix"):
                        self.bench.ready("nix")
                        published = nix.seed(self.bench, job, "path:.")
                        nix.publish(self.bench, plain, published)
                        if lost := self.bench.endpoints["nix"].lacks(WRITER):
                            raise StepFailed.of(lost)
                        nix.make_bad(self.bench, job, published)
                finally:
                    if job.shared:
                        nix.delete_from_store(
                            job,
                            published,
                            flake.PACKAGES,
                            nonce=nonce,
                            nonce_file=canary.nonce,
                            since=started_at,
                        )
            with self.bench.relying_on("nix"):
                self.records.nix = nix.prove(self.bench, published)
        finally:
            # A failed proof may have published something, so remove it as well.
            if published is not None:
                self._published(published)

    def _open(self, canary: Canary) -> CheckResults:
        """The results of a canary, of which those that are not there when its experiment ends are lost."""
        results: CheckResults = {}
        self.records.canaries[canary.name] = CanaryRecord(canary.name, results)
        return results

    def _stage(self, job: ProofJob, canary: Canary, nonce: str) -> str:
        """Copy a canary into a job, with this nonce."""
        job.stage(canary.folder, canary.inputs, {canary.nonce: f"{nonce}\n".encode()})
        return nonce

    def _published(self, published: nix.Published) -> None:
        """Take back what was published, and record what the attempts at it got."""
        try:
            leftovers = nix.take_back(self.bench, published)
        except Exception as error:
            leftovers = unchecked_leftovers(self.bench, "nix", self._why(error))
        if isinstance(self.records.nix, NixRecord):
            self.records.nix = dataclasses.replace(self.records.nix, leftovers=leftovers)
        anonymous_reader = self.bench.endpoints["nix"].anonymous_reader
        self.records.attempts["nix"] = with_control(
            published.attempts, anonymous_reader=anonymous_reader, leftovers=leftovers
        )

    def _flake(self, job: ProofJob, canary: Canary, nonce: str, results: CheckResults) -> None:
        """Build a flake in a job with Nix's configuration, and check what only Nix can show."""
        # Before the build, which would update the lock silently.
        results["lock"] = flake.lock(job)
        built = self._build(job, canary, nonce, results)
        results["rebuild"] = (
            flake.rebuild(job) if built else Unavailable("nothing was built, so there is nothing to rebuild")
        )
        results["pure"] = flake.pure(job)

    def _build(self, job: ProofJob, canary: Canary, nonce: str, results: CheckResults) -> bool:
        """Build a canary by its own command; return whether it succeeded."""
        before, started_at = products.cpu_time(job), time.monotonic()
        completed = job.run(canary.command, deadline=canary.budget.seconds)
        self.bench.outputs.append(completed.stdout + completed.stderr)
        product = products.collect(job, canary, nonce, time.monotonic() - started_at, before)
        self._check(canary, product, results, completed.status, format_completed(completed))
        return completed.status == 0

    def _build_only(self, canary: Canary) -> None:
        """Build a canary in a fresh runner, without any cache or target."""
        if canary.kernel:
            self._kernel(canary)
        elif canary.tool == "nix":
            self._nix(canary, cached=False)
        elif canary.tool == "docker":
            self._image(canary, pushed=False)
        else:
            self._build_uncached(canary)

    def _build_uncached(self, canary: Canary) -> None:
        results = self._open(canary)
        with self.bench.fresh(canary.name) as job:
            nonce = self._stage(job, canary, self.bench.nonce())
            if canary.tool == "bazel" and job.shared:
                bazel.settle(job)
            self._build(job, canary, nonce, results)

    def _check(
        self,
        canary: Canary,
        product: CanaryProducts | Unavailable,
        results: CheckResults,
        status: int | None,
        output: str,
    ) -> None:
        results["builds"] = judge_canary.judge_builds(canary, product, status, output)
        results["runs"] = judge_canary.judge_runs(canary, product)
        results["artifacts"] = judge_canary.judge_artifacts(canary, product, self._paths())
        if isinstance(product, CanaryProducts):
            self.products.append(product)
        else:
            self.bench.unsearched.append(f"the artifacts of {canary.name}")

    def _bazel(self, canary: Canary, role: str, *, first: bool) -> None:
        results: CheckResults = {}

        def check_cold_build(job: ProofJob, nonce: str, cold: BazelRun, seconds: float) -> None:
            product = products.collect(job, canary, nonce, seconds)
            self._check(canary, product, results, cold.status, cold.ended or "; ".join(cold.warnings[-2:]))

        self.bench.ready(role)
        with self.bench.relying_on(role):
            self.records.bazel[role] = bazel.prove(
                self.bench,
                canary,
                role,
                check_cold_build,
                uploads=self.contract.document["caches"][role] == "read-write",
            )
        if first:
            self.records.canaries[canary.name] = CanaryRecord(canary.name, results)

    def _image(self, canary: Canary, *, pushed: bool) -> None:
        results = self._open(canary)
        with self.bench.fresh("image") as job:
            nonce = self._stage(job, canary, self.bench.nonce())
            before = docker_push.find_image(job) if job.shared else ""
            try:
                self._build(job, canary, nonce, results)
                if pushed:
                    with self.bench.relying_on("registry"):
                        self.records.attempts["registry"] = docker_push.push(self.bench, job)
            finally:
                if job.shared:
                    docker_push.remove_image(job.last, before)

    def _kernel(self, canary: Canary) -> None:
        self.records.canaries[canary.name] = (
            prove(self.bench, canary, self.kernel)
            if isinstance(self.bench, ContainerTestbed)
            else Unavailable.never(
                "kernels are built and booted in dedicated containers; use --runner docker"
            )
        )

    def _state(self) -> None:
        with self.bench.relying_on("objects"):
            self.records.state = state.prove(self.bench)

    def _http_state(self) -> None:
        with self.bench.relying_on("state"):
            self.records.http_state = http_state.prove(self.bench)

    def _search(self, roles: Sequence[str]) -> None:
        # A role that is out of reach cannot be searched, so the search would be incomplete.
        if self.unbound:
            self.records.scan = next(iter(self.unbound.values()))
            return
        artifacts = {
            name: content
            for product in self.products
            for name, content in product.artifacts.items()
            if isinstance(content, bytes)
        }
        self.records.scan = search.search_published(self.bench, roles, artifacts, repr(self.records).encode())

    def _targets_without_client(self, targets: Iterable[str]) -> list[str]:
        """The targets that no client of the class's own tries to publish to."""
        tools = {canary.tool for canary in self.canaries.values() if isinstance(canary, Canary)}
        clients = {"nix"} & set(self.contract.document.get("caches", {})) if "nix" in tools else set()
        clients |= {"registry"} if "docker" in tools else set()
        return [target for target in targets if target not in clients]

    def _publication(self, targets: Iterable[str]) -> None:
        """Raw requests from the network position of a runner."""
        with self.bench.fresh("publish") as job:
            for target in targets:
                self._carry_out(partial(self._target, target, job), partial(self._lose_attempts, [target]))

    def _target(self, target: str, job: ProofJob) -> None:
        with self.bench.relying_on(target):
            self.records.attempts[target] = publication.prove(self.bench, target, job)


def _load(name: str, contract: Contract) -> Canary | Unavailable:
    try:
        return named(name, contract)
    except InputError as error:
        return Unavailable(error.sentence)
