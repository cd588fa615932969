"""All proofs of one run: carries out each class's experiments side by side, judges them, and leaves nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises.caches import CacheProof
from builder_contracts.contract.promises.canaries import CanaryProof
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
from builder_contracts.prove.records import ProofRecords, Unavailable
from builder_contracts.prove.verdicts import ProofContext, judge
from builder_contracts.runner.shutdown import ENDED
from builder_contracts.verdict import Verdict

__all__ = ["Prover", "ProverOptions"]

PLACES: Mapping[str, Callable[[ProverOptions], ProofBackend]] = {
    "docker": in_containers,
    "local": LocalBackend,
}
"""Where a session proves, by the name of the runner."""


class Prover:
    """The proofs of one process. Each class is proved once, when it is first asked for or prefetched."""

    def __init__(self, options: ProverOptions) -> None:
        self._options = options
        self._lock, self._setting_up = threading.Lock(), threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="proofs")
        self._proofs: dict[str, Future[tuple[ProofRecords, ProofContext]]] = {}
        self._place: ProofBackend | None = None
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

    def place(self) -> ProofBackend:
        """Where the proofs are carried out; the first call sets it up. Raises BuilderContractsError after the end."""
        with self._setting_up:
            if self._closed:
                raise BuilderContractsError(ENDED)
            if self._place is None:
                try:
                    self._place = PLACES[self._options.runner](self._options)
                except BuilderContractsError as error:
                    # For all classes: an engine that hangs is given up after a minute, and only once.
                    self._place = UnavailableBackend(Unavailable(str(error)))
            return self._place

    def close(self) -> None:
        """Remove everything that the session created, also what is being started at this moment."""
        with self._setting_up:
            self._closed = True
            place = self._place
        if place is not None:
            place.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if place is not None:
            place.close()

    def _future(self, contract: Contract, wanted: list[Clause]) -> Future[tuple[ProofRecords, ProofContext]]:
        with self._lock:
            if contract.name not in self._proofs:
                self._proofs[contract.name] = self._pool.submit(self._prove, contract, wanted)
            return self._proofs[contract.name]

    def _prove(self, contract: Contract, wanted: list[Clause]) -> tuple[ProofRecords, ProofContext]:
        begun, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        try:
            proved = self.place().prove(contract, wanted)
        except BuilderContractsError as error:
            proved = ProofResult(Unavailable(str(error)))
        records = proved.records
        if isinstance(records, Unavailable):
            records = _all_lost(wanted, records)
        environment = self._options.bindings.environment
        where = ProofContext(environment, proved.about, proved.image, started, time.monotonic() - begun)
        return records, where


def _all_lost(wanted: Iterable[Clause], lost: Unavailable) -> ProofRecords:
    """Records in which every experiment that the clauses need was lost for one reason."""
    records = ProofRecords(nix=lost, scan=lost)
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
