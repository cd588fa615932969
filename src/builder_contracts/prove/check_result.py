"""The result of a check that an experiment makes on the spot, and the assessment that follows from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from builder_contracts.evidence.verdict import Measure, broken, kept, unproven
from builder_contracts.prove.unavailable import Lost
from builder_contracts.prove.witnessed import Witnessed, unavailable


@dataclass(frozen=True)
class Finding:
    """The result of one check of a canary."""

    good: bool
    observed: str
    likely: str = ""
    witnesses: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()


def judge_check(result: Finding | Lost | None) -> Witnessed:
    """The assessment of one check."""
    if result is None:
        return unproven("the experiment did not run"), ()
    if isinstance(result, Lost):
        return unavailable(result)
    assessment = kept(result.observed) if result.good else broken(result.observed, result.likely)
    return dataclasses.replace(assessment, measures=result.measures), result.witnesses
