"""Compares `terminationGracePeriodSeconds` with its bounds."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, get, number

_KUBERNETES_DEFAULT_GRACE = 30


@rule("lifecycle/grace-periods", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("lifecycle")
    least = facts.get("grace_seconds", "least", default=_KUBERNETES_DEFAULT_GRACE)
    most = facts.get("grace_seconds", "most", default=86400)
    for scale_set in context.model.scale_sets:
        value = get(scale_set.pod.spec, "terminationGracePeriodSeconds") if scale_set.pod else None
        if isinstance(value, Unknown):
            yield Undetermined(value.at, value.reason)
            continue
        seconds = number(value) if value is not None else _KUBERNETES_DEFAULT_GRACE
        at = value.at if value is not None else scale_set.at
        if seconds is not None and least <= seconds <= most:
            yield Agrees(at)
        else:
            expected = declared(facts, "grace_seconds", says=f"{least} to {most} seconds")
            yield Contradicts(
                Quote(at, f"{scale_set.name} has {seconds} s to terminate"),
                expected,
                "set a longer grace period",
            )
