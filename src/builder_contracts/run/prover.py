"""Perform all proofs of one run: the experiments of each class in parallel, then their judging and their cleanup."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
from builder_contracts.contract.promises.job import DEFAULT_START, JobStart
from builder_contracts.contract.promises.publication import PublicationProof
from builder_contracts.errors import BuilderContractsError
from builder_contracts.prove.backends import (
    LocalBackend,
    ProofBackend,
    ProofResult,
    ProverOptions,
    UnavailableBackend,
    in_containers,
)
from builder_contracts.prove.records import ProofRecords
from builder_contracts.prove.saved_proofs import SavedProofs, digests
from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.verdicts import ProofContext, judge
from builder_contracts.run.options import kind_of
from builder_contracts.run.tasks import Tasks
from builder_contracts.runner.docker.job_start import describe
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.runner.shutdown import ENDED
from builder_contracts.verdict import Verdict

__all__ = ["Prover", "ProverOptions"]

PLACES: Mapping[str, Callable[[ProverOptions], ProofBackend]] = {
    "docker": in_containers,
    "local": LocalBackend,
    "kubernetes": lambda _: UnavailableBackend(
        Unavailable("nothing is proved in pods; use --runner docker, or local in a job", provable_here=False)
    ),
    "ssh": lambda _: UnavailableBackend(
        Unavailable(
            "nothing is proved over ssh; use --runner local in a job on that host", provable_here=False
        )
    ),
}
"""The backend of a session's proofs, by the kind of the runner."""

SIDE_BY_SIDE = 4
"""Classes that are proved at the same time: each builds, and a host has only so much memory."""


class Prover:
    """The proofs of one process. Each class is proved once, when it is first asked for."""

    def __init__(self, options: ProverOptions, tasks: Tasks | None = None) -> None:
        self._options = options
        self._tasks = tasks or Tasks()
        self._setting_up, self._room = threading.Lock(), threading.Semaphore(SIDE_BY_SIDE)
        self._place: ProofBackend | None = None
        self._closed = False
        self._left_behind: list[Leftovers] = []

    def start(
        self, contract: Contract, selected: Sequence[Clause]
    ) -> Future[tuple[ProofRecords, ProofContext]]:
        """Begin to prove these clauses of a class; once a run, however often it is called."""
        return self._tasks.start(("proofs", contract.name), lambda: self._prove(contract, list(selected)))

    def verdict(self, clause: Clause, contract: Contract, selected: Sequence[Clause]) -> Verdict:
        """The verdict on one clause; the first call proves the class's ``selected`` clauses."""
        records, where = self.start(contract, selected).result()
        return judge(clause, contract, records, where, today=datetime.now(UTC).date())

    def saved(self, contract: Contract, selected: Sequence[Clause]) -> SavedProofs:
        """The records of a class, as a file keeps them."""
        return SavedProofs(*self.start(contract, selected).result(), digests(selected, contract))

    def place(self) -> ProofBackend:
        """The backend of the proofs, set up by the first call. Raises BuilderContractsError after the end."""
        with self._setting_up:
            if self._closed:
                raise BuilderContractsError(ENDED)
            if self._place is None:
                try:
                    self._place = PLACES[kind_of(self._options.runner)](self._options)
                except BuilderContractsError as error:
                    # For all classes: an engine that hangs is given up after a minute, and only once.
                    self._place = UnavailableBackend(Unavailable(str(error)))
            return self._place

    def close(self) -> Leftovers:
        """Remove everything that the session created, including what is just being started; what remains of it, here
        and in deployments."""
        with self._setting_up:
            self._closed = True
            place = self._place
        if place is not None:
            place.stop()
        self._tasks.close()
        left = place.close() if place is not None else Leftovers()
        return sum(self._left_behind, left)

    def _prove(self, contract: Contract, selected: list[Clause]) -> tuple[ProofRecords, ProofContext]:
        with self._room:
            started_at, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
            try:
                proved = self.place().prove(contract, selected)
            except BuilderContractsError as error:
                proved = ProofResult(Unavailable(str(error)))
        records = proved.records
        if isinstance(records, Unavailable):
            records = _all_lost(selected, records)
        self._left_behind.append(records.leftovers)
        environment = self._options.bindings.environment
        start = ""
        if proved.about is not None and proved.about.kind == "docker":
            start = describe(next(iter(contract.promised(JobStart)), DEFAULT_START))
        seconds = time.monotonic() - started_at
        where = ProofContext(environment, proved.about, proved.image, started, seconds, start)
        return records, where


def _all_lost(selected: Iterable[Clause], lost: Unavailable) -> ProofRecords:
    """Records in which every experiment that the clauses need was lost for one reason."""
    records = ProofRecords(nix=lost, scan=lost)
    for clause in selected:
        match clause.promise:
            case CacheProof(role=role) if role != "nix":
                records.bazel[role] = lost
            case PublicationProof(target=target, show=show):
                records.attempts.setdefault(target, {})[show] = lost
                records.state = records.http_state = lost
            case CanaryProof(canary=canary):
                records.canaries[canary] = lost
            case _:
                pass
    return records
