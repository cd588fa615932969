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
from builder_contracts.evidence.verdict import Verdict
from builder_contracts.prove.ending import ENDED
from builder_contracts.prove.judging import Where, judge
from builder_contracts.prove.places import Machine, Nowhere, Options, Place, Proved, in_containers
from builder_contracts.prove.records import Records
from builder_contracts.prove.unavailable import Lost

__all__ = ["Options", "Session"]

PLACES: Mapping[str, Callable[[Options], Place]] = {"docker": in_containers, "local": Machine}
"""Where a session proves, by the name of the runner."""


class Session:
    """The proofs of one process. Each class is proved once, when it is first asked for or prefetched."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock, self._setting_up = threading.Lock(), threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="proofs")
        self._proofs: dict[str, Future[tuple[Records, Where]]] = {}
        self._place: Place | None = None
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

    def place(self) -> Place:
        """Where the proofs are carried out; the first call sets it up. Raises BuilderContractsError after the end."""
        with self._setting_up:
            if self._closed:
                raise BuilderContractsError(ENDED)
            if self._place is None:
                try:
                    self._place = PLACES[self._options.runner](self._options)
                except BuilderContractsError as error:
                    # For all classes: an engine that hangs is given up after a minute, and only once.
                    self._place = Nowhere(Lost(str(error)))
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

    def _future(self, contract: Contract, wanted: list[Clause]) -> Future[tuple[Records, Where]]:
        with self._lock:
            if contract.name not in self._proofs:
                self._proofs[contract.name] = self._pool.submit(self._prove, contract, wanted)
            return self._proofs[contract.name]

    def _prove(self, contract: Contract, wanted: list[Clause]) -> tuple[Records, Where]:
        begun, started = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
        try:
            proved = self.place().prove(contract, wanted)
        except BuilderContractsError as error:
            proved = Proved(Lost(str(error)))
        records = proved.records
        if isinstance(records, Lost):
            records = _all_lost(wanted, records)
        environment = self._options.bindings.environment
        where = Where(environment, proved.about, proved.image, started, time.monotonic() - begun)
        return records, where


def _all_lost(wanted: Iterable[Clause], lost: Lost) -> Records:
    """Records in which every experiment that the clauses need was lost for one reason."""
    records = Records(nix=lost, scan=lost)
    for clause in wanted:
        match clause.promise:
            case CacheProof(role=role) if role != "nix":
                records.bazel[role] = lost
            case PublicationProof(target=target, show=show):
                records.attempts[(target, show)] = lost
                records.state = lost
            case CanaryProof(canary=canary):
                records.canaries[canary] = lost
            case _:
                pass
    return records
