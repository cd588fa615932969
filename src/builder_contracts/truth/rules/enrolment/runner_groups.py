"""Compares `runnerGroup` with the declared groups."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.context import Context
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, get, text


@rule("enrolment/runner-groups", scope="own")
def check(context: Context) -> Iterator[Observation]:
    facts = context.facts("enrolment")
    groups = facts.get("runner_groups", default=["default"])
    for scale_set in context.model.scale_sets:
        value = get(scale_set.values, "runnerGroup")
        if value is None or text(value) in groups:
            yield Agrees(value.at if value is not None else scale_set.at)
        elif isinstance(value, Unknown):
            yield Unseen(value.at, value.reason)
        else:
            actual = Side(value.at, f"scale set {scale_set.name} joins the group {text(value)!r}")
            expected = Side(facts.at("runner_groups"), f"declared groups: {', '.join(groups)}")
            yield Contradicts(actual, expected, "declare the group and the repositories allowed to use it")
