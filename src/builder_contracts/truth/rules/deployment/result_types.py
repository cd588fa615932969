"""Compares the results of each conditional of OpenTofu: both have to be of one type."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule


@rule("deployment/result-types", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for module in context.model.modules.values():
        for at, agrees in module.conditionals:
            if agrees:
                yield Agrees(at)
                continue
            expected = Quote(at, "objects of different attributes become maps, whose values need one type")
            yield Contradicts(
                Quote(at, "the results of this conditional have no common type"),
                expected,
                "write null for the empty result, or make a conditional of each attribute",
            )
