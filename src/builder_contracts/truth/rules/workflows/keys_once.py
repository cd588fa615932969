"""Compares keys of a mapping in workflows, actions and pipelines with those before them: none is written twice."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule


@rule("workflows/keys-once", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    repeated = context.model.repeated_keys
    files = {first.file for _, first, _ in repeated}
    for name, first, last in repeated:
        again = Quote(last, f"{name} again, which replaces it or makes the file invalid")
        yield Contradicts(Quote(first, f"{name} is written twice"), again, "merge both, or remove one")
    for job in context.model.jobs:
        if job.at.file not in files:
            yield Agrees(job.at)
