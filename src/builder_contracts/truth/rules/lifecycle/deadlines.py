"""Compares `timeout-minutes` of jobs on the platform's labels with its bounds."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.contract.model import AUTOMATIC_LABELS
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import number, text

_GITHUB_DEFAULT_MINUTES = 360


@rule("lifecycle/deadlines", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("lifecycle")
    least, most = facts.get("job_minutes", "least", default=1), facts.get("job_minutes", "most", default=360)
    served = frozenset().union(*(carried for carried, _ in context.builders)) - AUTOMATIC_LABELS
    for job in context.model.jobs:
        if job.forge != "github" or not any((text(label) or "").lower() in served for label in job.labels):
            continue
        minutes = number(job.timeout) if job.timeout is not None else _GITHUB_DEFAULT_MINUTES
        at = job.timeout.at if job.timeout is not None else job.at
        if minutes is None:
            yield Undetermined(at, "the timeout is computed at run time")
        elif least <= minutes <= most:
            yield Agrees(at)
        else:
            expected = declared(facts, "job_minutes", says=f"{least} to {most} minutes")
            yield Contradicts(
                Quote(at, f"job {job.name} may take {minutes} minutes"),
                expected,
                "set a timeout within the bounds",
            )
