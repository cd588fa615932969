"""Compares autoscalers with the scale sets that ARC scales."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import text


@rule("lifecycle/scaling-owner", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("lifecycle")
    owner = facts.get("owner", default="the controller")
    for scale_set in context.model.scale_sets:
        rival = next(
            (
                autoscaler
                for autoscaler in context.model.autoscalers
                if autoscaler.deployed and text(autoscaler.target) == scale_set.name
            ),
            None,
        )
        if rival is not None:
            actual = Quote(rival.at, f"an autoscaler scales {scale_set.name}")
            expected = declared(facts, "owner", says=f"{owner} scales {scale_set.name}")
            yield Contradicts(
                actual, expected, "remove the autoscaler; the controller owns minRunners and maxRunners"
            )
        else:
            yield Agrees(scale_set.at)
