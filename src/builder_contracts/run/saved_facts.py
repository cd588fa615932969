"""Judge on saved facts, without a runner: by a newer contract, on another machine, in a fraction of a second.

Facts are an answer only to who asks with the same words, and only as long as they are believed to hold. All else is
unproven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from builder_contracts.contract.files import read_text
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

_RUN_SETTINGS = (ResourcePromise, Privileged, Capabilities, NoNewPrivileges, Seccomp, Egress)
"""Promises that a run gives to its own container, as its contract says."""


class SavedRun:
    """A run that judges on the saved facts of each class, by name, and starts nothing; other classes are left out.

    On facts that are older than ``max_age`` nothing is shown; None if any age will do.
    """

    def __init__(
        self,
        facts: Mapping[str, Facts],
        selection: Sequence[Selected],
        *,
        max_age: timedelta | None = None,
        environment: str = "",
        now: datetime | None = None,
    ) -> None:
        self.id = new_run_id()
        self._facts = facts
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
            late = self._too_old(facts)
            for clause in selected.clauses:
                declared = isinstance(clause.promise, Declaration)
                yield judge(
                    clause,
                    facts,
                    selected.contract,
                    today=self._now.date(),
                    environment=self._environment,
                    instead=None if declared else late or _unanswered(clause, facts),
                )

    @property
    def notes(self) -> tuple[str, ...]:
        """How old the facts of each class are."""
        return tuple(
            f"{name}: judged on facts that are {_age(facts, self._now)}"
            for name, facts in self._facts.items()
        )

    def _too_old(self, facts: Facts) -> Assessment | None:
        if self._max_age is None:
            return None
        taken = _taken(facts)
        if taken is None or taken > self._now + CLOCK_SKEW or self._now - taken > self._max_age:
            limit = f"at most {age_in_words(self._max_age)} are accepted"
            return unproven(f"the facts are {_age(facts, self._now)}, and {limit}; save them again")
        return None


def _unanswered(clause: Clause, facts: Facts) -> Assessment | None:
    """Why these facts cannot decide a clause, or None if they can."""
    promise = clause.promise
    if isinstance(promise, ProofPromise):
        return unproven("shown by doing: saved facts hold no record of a proof", provable_here=False)
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


def _taken(facts: Facts) -> datetime | None:
    try:
        taken = datetime.fromisoformat(facts.taken)
    except ValueError:
        return None
    return taken if taken.tzinfo else taken.replace(tzinfo=UTC)


def _age(facts: Facts, now: datetime) -> str:
    taken = _taken(facts)
    if taken is None:
        return "of unknown age"
    if taken > now + CLOCK_SKEW:
        return f"from the future ({facts.taken})"
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
