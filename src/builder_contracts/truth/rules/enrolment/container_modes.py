"""Compares the container mode of each scale set with the one that is declared for its label."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, text

_NONE = "none"


@rule("enrolment/container-modes", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("enrolment")
    modes = facts.get("container_modes", default={})
    extra = facts.get("extra_scale_sets", default={})
    for scale_set in context.model.scale_sets:
        label = text(scale_set.label) or ""
        name = label if label in modes else extra.get(label, {}).get("like", label)
        if name not in modes or scale_set.is_left_out:
            continue
        mode = scale_set.container_mode
        if isinstance(mode, Unknown):
            yield Undetermined(mode.at, mode.reason)
            continue
        actual = text(mode) or _NONE
        at = mode.at if mode is not None else scale_set.omitted.get("containerMode.type", scale_set.at)
        if actual == modes[name]:
            yield Agrees(at)
            continue
        expected = declared(facts, "container_modes", name, says=f"{label} runs in mode {modes[name]}")
        yield Contradicts(
            Quote(at, f"container mode of scale set {scale_set.name}: {actual}"),
            expected,
            f"set containerMode.type to {modes[name]}, or declare {actual}",
        )
