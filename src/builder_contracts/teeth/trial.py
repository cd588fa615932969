"""Trials of mutants on facts: whether the judge of a clause sees that its promise has become false. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from builder_contracts.contract.model import Clause
from builder_contracts.contract.promises import Declaration, Promise, ProofPromise
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.judge import assess
from builder_contracts.judge.witnesses import WeighedAssessment
from builder_contracts.observe.asked_words import digests
from builder_contracts.teeth.mutant import Mutant
from builder_contracts.teeth.operators import mutants_of
from builder_contracts.verdict import Outcome

Assess = Callable[[Promise, Facts], WeighedAssessment]


class Reaction(Enum):
    """The reaction of a judge to a mutant."""

    RED = "red"
    KEPT = "kept"
    UNANSWERED = "not answered"
    """The facts hold no answer to the changed promise, so they show nothing of its judge."""


@dataclass(frozen=True)
class Trial:
    """One mutant of a clause and the reaction to it.

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
    """Judge every mutant of a clause on the facts, as long as the clause itself is kept on them."""
    mutants = mutants_of(clause.promise)
    if not mutants:
        return ClauseTrials(clause, reason=_without_mutants(clause.promise))
    if not _is_asked(clause.promise, facts):
        return ClauseTrials(
            clause, reason="the facts are answers to other words than the clause has; save them again"
        )
    original = judge(clause.promise, facts).assessment
    if original.outcome is not Outcome.KEPT:
        return ClauseTrials(clause, reason=f"{original.outcome.value} on these facts: {original.observation}")
    trials = tuple(_try(mutant, facts, judge) for mutant in mutants)
    return ClauseTrials(clause, trials, set_by_run=original.set_by_run)


def _try(mutant: Mutant, facts: Facts, judge: Assess) -> Trial:
    if not _is_asked(mutant.promise, facts):
        return Trial(mutant.change, Reaction.UNANSWERED, "the facts are answers to other words")
    assessment = judge(mutant.promise, facts).assessment
    match assessment.outcome:
        case Outcome.BROKEN:
            return Trial(mutant.change, Reaction.RED)
        case Outcome.UNPROVEN:
            return Trial(mutant.change, Reaction.UNANSWERED, assessment.observation)
        case _:
            return Trial(mutant.change, Reaction.KEPT, mutant.if_kept)


def _is_asked(promise: Promise, facts: Facts) -> bool:
    asked = () if isinstance(facts.asked, Unseen) else facts.asked
    return set(digests([promise])) <= set(asked)


def _without_mutants(promise: Promise) -> str:
    if isinstance(promise, Declaration):
        return "declared: nothing checks it"
    if isinstance(promise, ProofPromise):
        return "shown by doing: facts hold no record of a proof"
    return "the contract language has no words for the contrary"
