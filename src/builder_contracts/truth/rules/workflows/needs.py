"""Compares commands and actions of a job, those of its composite actions included, with what its class
promises.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.contract.model import Contract
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.model import CiJob
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.rules.workflows.job_needs import (
    DAEMON,
    StepNeed,
    class_of,
    is_skipped,
    needs_of_job,
    promise_of,
)


@rule("workflows/needs", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for job in context.model.jobs:
        judged: set[tuple[str, str]] = set()
        agrees = False
        cases: set[tuple[str, tuple[bool, ...]]] = set()
        for choice in job.choices:
            contract = class_of(context, choice)
            if contract is None:
                continue
            case = (contract.name, tuple(is_skipped(step, choice.matrix) for step in job.steps))
            if case in cases:
                continue
            cases.add(case)
            needs = list(needs_of_job(context, job, choice))
            agrees = agrees or not needs
            for need in needs:
                if (contract.name, need.what) not in judged:
                    judged.add((contract.name, need.what))
                    yield _compare(context, job, contract, need)
        if agrees and not judged:
            yield Agrees(job.at)


def _compare(context: RuleContext, job: CiJob, contract: Contract, need: StepNeed) -> RuleResult:
    promised, at = promise_of(contract, need.what)
    if promised:
        return Agrees(need.at)
    others = [other.name for other in context.classes if promise_of(other, need.what)[0]]
    what = "a Docker daemon" if need.what == DAEMON else need.what
    actual = Quote(need.at, f"job {job.name} on {contract.name}: {need.because}")
    expected = Quote(at, f"{contract.name} does not promise {what}")
    fix = (
        f"run the job on {' or '.join(others)}"
        if others
        else f"install {what} in the job, or add it to a class"
    )
    return Contradicts(actual, expected, fix)
