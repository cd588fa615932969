"""A run: read the inputs, observe each class once, perform the proofs, and yield verdicts.

    options -> inputs -> selection -> observations and proofs, classes in parallel -> verdicts, as they come

``builder-contracts check`` iterates over ``verdicts()``; an item of pytest calls ``verdict()`` for its own clause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import ProofPromise
from builder_contracts.facts.model import Facts
from builder_contracts.judge import judge
from builder_contracts.run.inputs import Inputs, new_run_id
from builder_contracts.run.observer import Observer, ObserverOptions
from builder_contracts.run.options import RunOptions
from builder_contracts.run.progress import Progress
from builder_contracts.run.selection import Selected
from builder_contracts.run.tasks import Tasks
from builder_contracts.runner import interrupts
from builder_contracts.runner.docker.network_plan import EMPTY, NetworkPlan
from builder_contracts.runner.kubernetes.kubectl import Kubectl
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.verdict import Verdict

if TYPE_CHECKING:
    from builder_contracts.prove.saved_proofs import SavedProofs
    from builder_contracts.run.prover import Prover


class Run:
    """One invocation. Nothing starts before the first verdict is asked for; closing it removes what it made."""

    def __init__(
        self, options: RunOptions, inputs: Inputs, selection: Sequence[Selected], progress: Progress
    ) -> None:
        self.id = new_run_id()
        self._options, self._inputs, self._progress = options, inputs, progress
        self._selection = {selected.contract.name: selected for selected in selection}
        self._tasks = Tasks()
        self._prover: Prover | None = None
        self._left: Leftovers | None = None
        self._observer = Observer(
            ObserverOptions(
                images=options.images,
                runner=options.runner,
                surroundings=NetworkPlan.from_document(inputs.document) if inputs.document else EMPTY,
                pull=options.pull,
                deadline=options.deadline,
                hidden=inputs.hidden,
                pods=inputs.pods,
                cluster=Kubectl(options.kube_context, options.namespace),
                witness_image=options.witness_image,
            ),
            self._tasks,
        )

    def begin(self) -> None:
        """Start to observe and to prove all selected classes."""
        for selected in self._selection.values():
            if len(selected.proved) < len(selected.clauses):
                self._observer.start(selected.contract)
        for selected in self._selection.values():
            if selected.proved:
                self._proofs(selected.contract)

    def verdicts(self) -> Iterator[Verdict]:
        """The verdict on each selected clause: in the order of the contract within a class, classes in parallel."""
        self.begin()
        pending = [(selected.contract, deque(selected.clauses)) for selected in self._selection.values()]
        while pending:
            for contract, clauses in pending:
                while clauses and self._evidence(clauses[0], contract).done():
                    yield self._judge(clauses.popleft(), contract)
            pending = [(contract, clauses) for contract, clauses in pending if clauses]
            evidence = [self._evidence(clauses[0], contract) for contract, clauses in pending]
            wait(evidence, timeout=self._progress.interval, return_when=FIRST_COMPLETED)
            for _, clauses in pending[:1]:
                self._progress.show(_work(clauses[0]))

    def verdict(self, clause: Clause, contract: Contract) -> Verdict:
        """The verdict on one selected clause; the first call for a class starts its observation or its proofs."""
        evidence = self._evidence(clause, contract)
        while not wait([evidence], timeout=self._progress.interval).done:
            self._progress.show(_work(clause))
        self._progress.show(_work(clause))
        return self._judge(clause, contract)

    def facts(self, contract: Contract) -> Facts:
        """The result of the observation of a class."""
        return self._observer.facts(contract)

    def evidence(self, selected: Selected) -> tuple[Facts, SavedProofs | None]:
        """What the verdicts on a class rest on: its facts, and the records of its proofs if any are selected."""
        contract = selected.contract
        proofs = self._get_prover().saved(contract, selected.proved) if selected.proved else None
        return self.facts(contract), proofs

    def close(self) -> Leftovers:
        """End what runs and remove everything that the run created: first the proofs', then the observations'.

        What remains. No signal interrupts it: it would leave containers running.
        """
        with interrupts.ignored():
            if self._left is None:
                proofs = self._prover.close() if self._prover is not None else Leftovers()
                self._left = proofs + self._observer.close()
            return self._left

    def _evidence(self, clause: Clause, contract: Contract) -> Future[Any]:
        """A future of the evidence by which the clause is judged."""
        if isinstance(clause.promise, ProofPromise):
            return self._proofs(contract)
        return self._observer.start(contract)

    def _proofs(self, contract: Contract) -> Future[Any]:
        selected = self._selection[contract.name].proved
        return self._get_prover().start(contract, selected)

    def _judge(self, clause: Clause, contract: Contract) -> Verdict:
        if isinstance(clause.promise, ProofPromise):
            return self._get_prover().verdict(clause, contract, self._selection[contract.name].proved)
        today, environment = datetime.now(UTC).date(), self._inputs.bindings.environment
        return judge(clause, self.facts(contract), contract, today=today, environment=environment)

    def _get_prover(self) -> Prover:
        """The prover, imported and made when the first proof is asked for."""
        if self._prover is None:
            from builder_contracts.prove.kernel.experiment import KernelOverrides
            from builder_contracts.run.prover import Prover, ProverOptions

            source, config = self._options.linux_xr_source, self._options.linux_xr_config
            self._prover = Prover(
                ProverOptions(
                    images=self._options.images,
                    runner=self._options.runner,
                    bindings=self._inputs.bindings,
                    allow_writes=self._options.allow_writes,
                    hidden=self._inputs.hidden,
                    kernel=KernelOverrides(self._path(source), self._path(config), self._progress.say),
                ),
                self._tasks,
            )
        return self._prover

    def _path(self, path: Path | None) -> Path | None:
        return self._options.cwd / path if path else None


def _work(clause: Clause) -> str:
    """The current task, in the words of the progress."""
    return f"{clause.builder}: {'proofs' if isinstance(clause.promise, ProofPromise) else 'observation'}"
