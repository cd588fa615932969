"""Compares requests and limits of scale sets that are like a class with those declared for them."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.contract.quantities import byte_count, millicpus
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, get, text


@rule("enrolment/declared-resources", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("enrolment")
    for scale_set in context.model.scale_sets:
        label = text(scale_set.label)
        for what, read in (("cpu", millicpus), ("memory", byte_count)):
            for edge, amount in facts.get("extra_scale_sets", label or "", what, default={}).items():
                value = get(scale_set.runner, "resources", f"{edge}s", what)
                written = text(value)
                at = value.at if value is not None else scale_set.at
                if isinstance(value, Unknown):
                    yield Undetermined(at, value.reason)
                    continue
                try:
                    same = written is not None and read(written) == read(amount)
                except ValueError:
                    yield Undetermined(at, f"{written!r} is not an amount")
                    continue
                if same:
                    yield Agrees(at)
                    continue
                actual = Quote(at, f"scale set {scale_set.name} has {written or 'no'} {what} {edge}")
                expected = declared(
                    facts,
                    "extra_scale_sets",
                    label or "",
                    what,
                    edge,
                    says=f"declared: {what} {edge} {amount}",
                )
                yield Contradicts(
                    actual, expected, f"set {what} {edge} to {amount}, or update the declaration"
                )
