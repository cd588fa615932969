"""Settings that this run gave to its container: finding them there shows nothing of the pool."""

from __future__ import annotations

import dataclasses

from builder_contracts.facts.model import Facts, RunnerFacts
from builder_contracts.verdict import Assessment, Outcome


def set_by_run(assessment: Assessment, facts: Facts) -> Assessment:
    """The assessment of a run setting: kept in a container of this run, it is no more than declared.

    On a runner that somebody else configured, the same fact is evidence.
    """
    if assessment.outcome is not Outcome.KEPT or not isinstance(facts.runner, RunnerFacts):
        return assessment
    if facts.runner.kind != "docker":
        return assessment
    return dataclasses.replace(
        assessment, observation=f"{assessment.observation}; set by this run", declared=True, set_by_run=True
    )
