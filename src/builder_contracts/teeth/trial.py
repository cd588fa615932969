"""Trials of mutants on facts: whether the judge of a clause sees that its promise has become false. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from builder_contracts.contract.model import Clause
from builder_contracts.contract.promises import Declaration, Promise, ProofPromise
from builder_contracts.facts.model import Facts
from builder_contracts.judge import assess
from builder_contracts.judge.witnesses import WeighedAssessment
from builder_contracts.observe.asked_words import is_asked
from builder_contracts.teeth.contrary_facts import contrary_facts
from builder_contracts.teeth.mutant import Mutant
from builder_contracts.teeth.operators import mutants_of
from builder_contracts.verdict import Assessment, Outcome

Assess = Callable[[Promise, Facts], WeighedAssessment]


class Reaction(Enum):
    """The reaction of a judge to a mutant."""

    RED = "red"
    KEPT = "kept"
    UNANSWERED = "not answered"
    """The facts hold no answer to the changed promise, so they show nothing of its judge."""


@dataclass(frozen=True)
class Trial:
    """One change of a clause, or of the facts that keep it, and the reaction to it.

    ``reason`` is why it is not red; a mutant that stays kept without one has met a judge that does not look.
    """

    change: str
    reaction: Reaction
    reason: str = ""

    @property
    def stayed_kept(self) -> bool:
        """Whether a false promise was kept, and nothing explains it."""
        return self.reaction is Reaction.KEPT and not self.reason


@dataclass(frozen=True)
class ClauseTrials:
    """All trials of a clause. ``reason`` is why nothing was tried; ``set_by_run``: the runner has it from the run."""

    clause: Clause
    trials: tuple[Trial, ...] = ()
    reason: str = ""
    set_by_run: bool = False

    def count(self, reaction: Reaction) -> int:
        """How many mutants met this reaction."""
        return sum(trial.reaction is reaction for trial in self.trials)

    @property
    def stayed_kept(self) -> int:
        """How many mutants stayed kept without a reason."""
        return sum(trial.stayed_kept for trial in self.trials)


def try_clause(clause: Clause, facts: Facts, judge: Assess = assess) -> ClauseTrials:
    """Judge every mutant of a clause on the facts, and the clause on facts that are changed until it is false.

    Nothing is tried where the clause itself is not kept on the facts.
    """
    if isinstance(clause.promise, Declaration):
        return ClauseTrials(clause, reason="declared: nothing checks it")
    if isinstance(clause.promise, ProofPromise):
        return ClauseTrials(clause, reason="shown by doing: facts hold no record of a proof")
    if not is_asked(clause.promise, facts):
        return ClauseTrials(
            clause, reason="the facts are answers to other words than the clause has; save them again"
        )
    original = judge(clause.promise, facts).assessment
    if original.outcome is not Outcome.KEPT:
        return ClauseTrials(clause, reason=f"{original.outcome.value} on these facts: {original.observation}")
    trials = [_try(mutant, facts, judge) for mutant in mutants_of(clause.promise)]
    trials += [
        _reaction(f"were it so: {change}", judge(clause.promise, contrary).assessment)
        for change, contrary in contrary_facts(clause.promise, facts)
    ]
    reason = "" if trials else "neither the contract language nor the facts have a contrary"
    return ClauseTrials(clause, tuple(trials), reason, set_by_run=original.set_by_run)


def _try(mutant: Mutant, facts: Facts, judge: Assess) -> Trial:
    if not is_asked(mutant.promise, facts):
        return Trial(mutant.change, Reaction.UNANSWERED, "the facts are answers to other words")
    return _reaction(mutant.change, judge(mutant.promise, facts).assessment, mutant.if_kept)


def _reaction(change: str, assessment: Assessment, if_kept: str = "") -> Trial:
    match assessment.outcome:
        case Outcome.BROKEN:
            return Trial(change, Reaction.RED)
        case Outcome.UNPROVEN:
            return Trial(change, Reaction.UNANSWERED, assessment.observation)
        case _:
            return Trial(change, Reaction.KEPT, if_kept)
