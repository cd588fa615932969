"""Compares labels of scale sets with labels of classes, both ways."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, text


@rule("enrolment/labels", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("enrolment")
    extra = facts.get("extra_scale_sets", default={})
    served: set[str] = set()
    unknown = False
    for scale_set in context.model.scale_sets:
        label = text(scale_set.label)
        if label is None:
            unknown = True
            reason = (
                scale_set.label.reason if isinstance(scale_set.label, Unknown) else "the label is not text"
            )
            yield Undetermined(scale_set.at, reason)
            continue
        served |= scale_set.labels
        at = scale_set.label.at if scale_set.label is not None else scale_set.at
        if label in context.labels or label in extra:
            yield Agrees(at)
        else:
            declared_labels = ", ".join([*context.labels, *extra])
            expected = Quote(
                facts.at("extra_scale_sets"), f"labels of classes and declared scale sets: {declared_labels}"
            )
            yield Contradicts(
                Quote(at, f"scale set {scale_set.name} has label {label!r}"),
                expected,
                "declare the label, or use a known one",
            )
    if not served or unknown:
        return
    for label, contract in context.labels.items():
        if label.lower() not in served:
            actual = Quote(context.model.scale_sets[0].at, f"scale sets here: {', '.join(sorted(served))}")
            expected = Quote(contract.source, f"class {contract.name} promises label {label!r}")
            yield Contradicts(actual, expected, "deploy a scale set for the class, or withdraw its contract")
