"""Compares commands and actions of a job, those of its composite actions included, with what its class
promises.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.context import Context
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.rules.workflows.job_needs import DAEMON, class_of, needs_of_job, promise_of
from builder_contracts.truth.value import text


@rule("workflows/needs", scope="any")
def check(context: Context) -> Iterator[Observation]:
    for job in context.model.jobs:
        contract = next(
            (builder for label in job.labels or () if (builder := class_of(context, text(label) or ""))), None
        )
        if contract is None:
            continue
        seen: set[str] = set()
        for need in needs_of_job(context, job):
            if need.what in seen:
                continue
            seen.add(need.what)
            promised, at = promise_of(contract, need.what)
            if promised:
                yield Agrees(need.at)
                continue
            others = [contract.name for contract in context.classes if promise_of(contract, need.what)[0]]
            what = "a Docker daemon" if need.what == DAEMON else need.what
            actual = Side(need.at, f"job {job.name} on {contract.name}: {need.because}")
            expected = Side(at, f"{contract.name} does not promise {what}")
            fix = (
                f"run the job on {' or '.join(others)}"
                if others
                else f"install {what} in the job, or add it to a class"
            )
            yield Contradicts(actual, expected, fix)
        if not seen:
            yield Agrees(job.at)
