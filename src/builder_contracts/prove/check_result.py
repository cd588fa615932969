"""The result of a check that an experiment makes immediately, and the assessment that follows from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from builder_contracts.prove.unavailable import Unavailable
from builder_contracts.prove.witnessed import Witnessed, unavailable
from builder_contracts.verdict import Measurement, broken, kept


@dataclass(frozen=True)
class CheckResult:
    """The result of one check of a canary."""

    good: bool
    observed: str
    likely: str = ""
    witnesses: tuple[str, ...] = ()
    measures: tuple[Measurement, ...] = ()


def passed(
    observed: str, witnesses: tuple[str, ...] = (), measures: tuple[Measurement, ...] = ()
) -> CheckResult:
    """What was checked is as it has to be."""
    return CheckResult(True, observed, "", witnesses, measures)


def failed(
    observed: str,
    likely: str,
    witnesses: tuple[str, ...] = (),
    measures: tuple[Measurement, ...] = (),
) -> CheckResult:
    """What was checked is not as it has to be, with the likely cause."""
    return CheckResult(False, observed, likely, witnesses, measures)


def judge_check(result: CheckResult | Unavailable | None) -> Witnessed:
    """The assessment of one check."""
    if result is None or isinstance(result, Unavailable):
        return unavailable(result)
    assessment = kept(result.observed) if result.good else broken(result.observed, result.likely)
    return dataclasses.replace(assessment, measurements=result.measures), result.witnesses
