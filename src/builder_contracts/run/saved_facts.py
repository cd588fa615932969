"""Judge on saved facts and proofs, without a runner: by a newer contract, on another machine, in a fraction of a second.

Both are an answer only to who asks with the same words, and only as long as they are believed to hold. All else is
unproven.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from builder_contracts.contract.files import read_text, write
from builder_contracts.contract.model import Clause, Contract
from builder_contracts.contract.promises import Declaration, ProofPromise, ResourcePromise
from builder_contracts.contract.promises.isolation import Capabilities, NoNewPrivileges, Privileged, Seccomp
from builder_contracts.contract.promises.network import Egress
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.facts import json_codec
from builder_contracts.facts.model import Facts, ImageFacts, RunnerFacts, Unseen
from builder_contracts.judge import assess, judge
from builder_contracts.observe.asked_words import is_asked
from builder_contracts.run.inputs import new_run_id
from builder_contracts.run.options import usage_error
from builder_contracts.run.selection import Selected
from builder_contracts.runner.leftovers import Leftovers
from builder_contracts.verdict import CLOCK_SKEW, Assessment, Outcome, Verdict, age_in_words, unproven

if TYPE_CHECKING:
    from builder_contracts.prove.saved_proofs import SavedProofs

PROOFS = ".proofs.json"
"""The end of the name of a file of proofs, after the name of the class."""

_RUN_SETTINGS = (ResourcePromise, Privileged, Capabilities, NoNewPrivileges, Seccomp, Egress)
"""Promises that a run gives to its own container, as its contract says."""


class SavedRun:
    """A run that judges on the saved facts of each class, by name, and starts nothing; other classes are left out.

    ``proofs`` are those that were saved next to the facts. On facts or proofs that are older than ``max_age`` nothing
    is shown; None if any age will do.
    """

    def __init__(
        self,
        facts: Mapping[str, Facts],
        selection: Sequence[Selected],
        *,
        proofs: Mapping[str, SavedProofs] | None = None,
        max_age: timedelta | None = None,
        environment: str = "",
        now: datetime | None = None,
    ) -> None:
        self.id = new_run_id()
        self._facts, self._proofs = facts, proofs or {}
        self._selection = [selected for selected in selection if selected.contract.name in facts]
        self._max_age, self._environment = max_age, environment
        self._now = now or datetime.now(UTC)

    def close(self) -> Leftovers:
        """Nothing remains of what never was."""
        return Leftovers()

    def verdicts(self) -> Iterator[Verdict]:
        """The verdict on each selected clause."""
        for selected in self._selection:
            facts = self._facts[selected.contract.name]
            proofs = self._proofs.get(selected.contract.name)
            late = self._too_old("facts", facts.taken)
            for clause in selected.clauses:
                if proofs is not None and isinstance(clause.promise, ProofPromise):
                    yield self._judge_proof(clause, selected.contract, proofs)
                    continue
                declared = isinstance(clause.promise, Declaration)
                yield judge(
                    clause,
                    facts,
                    selected.contract,
                    today=self._now.date(),
                    environment=self._environment,
                    instead=None if declared else late or _unanswered(clause, facts),
                )

    def _judge_proof(self, clause: Clause, contract: Contract, proofs: SavedProofs) -> Verdict:
        from builder_contracts.prove import saved_proofs, verdicts

        instead = self._too_old("proofs", proofs.where.started)
        if not set(saved_proofs.digests([clause], contract)) <= {*proofs.asked}:
            instead = unproven("the saved proofs hold no answer to what the clause asks for; save them again")
        return verdicts.judge(
            clause, contract, proofs.records, proofs.where, today=self._now.date(), instead=instead
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """How old the facts and the proofs of each class are."""
        notes = []
        for name, facts in self._facts.items():
            notes.append(f"{name}: judged on facts that are {_age(facts.taken, self._now)}")
            if name in self._proofs:
                age = _age(self._proofs[name].where.started, self._now)
                notes.append(f"{name}: judged on proofs that are {age}")
        return tuple(notes)

    def _too_old(self, name: str, taken: str) -> Assessment | None:
        if self._max_age is None:
            return None
        since = _moment(taken)
        if since is None or since > self._now + CLOCK_SKEW or self._now - since > self._max_age:
            limit = f"at most {age_in_words(self._max_age)} are accepted"
            return unproven(f"the {name} are {_age(taken, self._now)}, and {limit}; save them again")
        return None


def _unanswered(clause: Clause, facts: Facts) -> Assessment | None:
    """Why these facts cannot decide a clause, or None if they can."""
    promise = clause.promise
    if isinstance(promise, ProofPromise):
        return unproven(
            "shown by doing, and no record of a proof is saved with the facts", provable_here=False
        )
    if not is_asked(promise, facts):
        return unproven("the facts are answers to other words than the clause has; save them again")
    of_run = isinstance(facts.runner, RunnerFacts) and facts.runner.kind == "docker"
    if of_run and isinstance(promise, _RUN_SETTINGS):
        seen = assess(promise, facts).assessment
        if seen.outcome is Outcome.BROKEN:
            return unproven(
                f"the run that saved the facts set it by another contract: {seen.observation}; save them again"
            )
    return None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _age(text: str, now: datetime) -> str:
    taken = _moment(text)
    if taken is None:
        return "of unknown age"
    if taken > now + CLOCK_SKEW:
        return f"from the future ({text})"
    return f"{age_in_words(now - taken)} old"


def load(path: Path, contracts: Sequence[Contract]) -> dict[str, Facts]:
    """The saved facts of each class: CLASS.json in a directory, or the file of the one class. Raises InputError."""
    if path.is_dir():
        files = {contract.name: path / f"{contract.name}.json" for contract in contracts}
        if missing := [name for name, file in files.items() if not file.is_file()]:
            raise InputError([_missing(path, name) for name in missing])
        read: dict[str, Facts] = {}
        return {name: _load(file, read) for name, file in files.items()}
    facts = _load(path, {})
    if len(contracts) > 1:
        reference = facts.image.reference if isinstance(facts.image, ImageFacts) else ""
        contracts = [contract for contract in contracts if contract.image == reference]
    if len(contracts) != 1:
        raise usage_error(
            f"--facts {path}: which class are these facts of?",
            "name the class: --builder CLASS, or teeth CLASS",
        )
    return {contracts[0].name: facts}


def load_proofs(path: Path, names: Iterable[str]) -> dict[str, SavedProofs]:
    """The proofs that were saved with the facts at that path, of the classes that have some. Raises InputError."""
    folder = path if path.is_dir() else path.parent
    files = {name: folder / f"{name}{PROOFS}" for name in names}
    if not any(file.is_file() for file in files.values()):
        return {}
    from builder_contracts.prove.saved_proofs import load_proofs as load_file

    return {name: load_file(file) for name, file in files.items() if file.is_file()}


def save(folder: Path, name: str, facts: Facts, proofs: SavedProofs | None) -> None:
    """Write what was observed of a class, where ``load`` and ``load_proofs`` read it. Raises InputError."""
    save_text(folder / f"{name}.json", json_codec.to_json(facts) + "\n")
    if proofs is not None:
        from builder_contracts.prove.saved_proofs import to_json

        save_text(folder / f"{name}{PROOFS}", to_json(proofs) + "\n")


def save_text(file: Path, text: str) -> None:
    """Write a file that the user asked for. Raises InputError."""
    try:
        write(file, text.encode())
    except OSError as error:
        raise usage_error(
            f"cannot write {file}: {error.strerror}", "choose a file in an existing directory"
        ) from None


def _missing(folder: Path, name: str) -> Problem:
    return Problem(
        Location(str(folder)),
        f"no facts of {name} here",
        f"name the classes, or save them with 'builder-contracts facts --builder {name} -o {folder / name}.json'",
    )


def _load(path: Path, read: dict[str, Facts]) -> Facts:
    """The facts in a file. ``read`` are facts by their text: one observation is often that of many classes."""
    text = read_text(path, json_codec.MAX_BYTES)
    facts = read.get(text) or json_codec.from_json(text, str(path))
    if isinstance(facts.asked, Unseen):
        raise InputError(
            [
                Problem(
                    Location(str(path)),
                    "these facts do not say with which words they were asked: an older release saved them",
                    "save them again with 'builder-contracts facts'",
                )
            ]
        )
    read[text] = facts
    return facts
