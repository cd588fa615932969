"""Exit criteria, each computed from the clauses that it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from builder_contracts.truth.platform import Criterion, Platform
from builder_contracts.verdict import Outcome, Verdict

_WORST = (Outcome.BROKEN, Outcome.UNPROVEN, Outcome.WAIVED, Outcome.KEPT)


@dataclass(frozen=True)
class CriterionStatus:
    """A criterion with the verdicts behind it. Met only when every clause is kept."""

    criterion: Criterion
    outcome: Outcome
    verdicts: tuple[Verdict, ...]
    unjudged: tuple[str, ...]

    @property
    def met(self) -> bool:
        return self.outcome is Outcome.KEPT

    @property
    def missing(self) -> tuple[Verdict, ...]:
        """The verdicts that keep the criterion from being met."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome is not Outcome.KEPT)


def compute(platform: Platform, verdicts: Mapping[str, Verdict]) -> list[CriterionStatus]:
    """The answers in the order of the file; a clause without a verdict leaves its criterion unproven."""
    answers: list[CriterionStatus] = []
    for criterion in platform.criteria:
        available = tuple(verdicts[clause] for clause in criterion.clauses if clause in verdicts)
        unjudged = tuple(clause for clause in criterion.clauses if clause not in verdicts)
        outcomes = {verdict.outcome for verdict in available} | ({Outcome.UNPROVEN} if unjudged else set())
        worst = next((outcome for outcome in _WORST if outcome in outcomes), Outcome.UNPROVEN)
        answers.append(CriterionStatus(criterion, worst, available, unjudged))
    return answers
