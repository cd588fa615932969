"""Compares `runnerGroup` with the declared groups."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, get, text


@rule("enrolment/runner-groups", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("enrolment")
    groups = facts.get("runner_groups", default=["default"])
    for scale_set in context.model.scale_sets:
        value = get(scale_set.values, "runnerGroup")
        if value is None or text(value) in groups:
            yield Agrees(value.at if value is not None else scale_set.at)
        elif isinstance(value, Unknown):
            yield Undetermined(value.at, value.reason)
        else:
            actual = Quote(value.at, f"scale set {scale_set.name} joins the group {text(value)!r}")
            expected = Quote(facts.at("runner_groups"), f"declared groups: {', '.join(groups)}")
            yield Contradicts(actual, expected, "declare the group and the repositories allowed to use it")
