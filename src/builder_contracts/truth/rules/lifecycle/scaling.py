"""Compares `minRunners` and `maxRunners` with the bounds of the label."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, get, number, text


@rule("lifecycle/scaling", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("lifecycle")
    bounds = facts.get("scaling")
    for scale_set in context.model.scale_sets:
        label = text(scale_set.label)
        if isinstance(scale_set.label, Unknown):
            yield Undetermined(scale_set.label.at, scale_set.label.reason)
        if label is None:
            continue
        if label not in bounds:
            actual = Quote(scale_set.at, f"scale set {scale_set.name} has label {label!r}")
            yield Contradicts(
                actual, Quote(facts.at("scaling"), "declared bounds"), "declare bounds for this label"
            )
            continue
        for key, word, edge in (("minRunners", "least", "min"), ("maxRunners", "most", "max")):
            value = get(scale_set.values, key)
            limit = bounds[label][edge]
            if value is None:
                yield Agrees(scale_set.at)
            elif isinstance(value, Unknown) or number(value) is None:
                yield Undetermined(value.at, value.reason if isinstance(value, Unknown) else "not a number")
            elif (number(value) or 0) > limit or (edge == "max" and (number(value) or 0) < 1):
                actual = Quote(value.at, f"{scale_set.name} runs {word} {number(value)} runners")
                expected = declared(facts, "scaling", label, edge, says=f"{label}: {edge} {limit}")
                yield Contradicts(actual, expected, "stay within the bounds, or declare new ones")
            else:
                yield Agrees(value.at)
