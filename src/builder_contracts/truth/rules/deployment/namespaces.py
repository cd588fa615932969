"""Compares namespaces in use with those declared or created, and the controller's namespace of scale sets
with that of its release.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.placeholders import is_placeholder
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, get, text


@rule("deployment/namespaces", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    declared_names = {
        *facts.get("namespaces"),
        *(text(namespace.name) for namespace in context.model.namespaces if namespace.created),
    }
    for use in context.model.namespaces:
        name = text(use.name)
        if isinstance(use.name, Unknown):
            yield Undetermined(use.name.at, use.name.reason)
        elif name is not None and name in declared_names:
            yield Agrees(use.at)
        elif name and is_placeholder(name):
            yield Undetermined(use.at, f"the namespace {name!r} stands for another", decidable=False)
        elif name:
            expected = Quote(
                facts.at("namespaces"), f"namespaces: {', '.join(sorted(filter(None, declared_names)))}"
            )
            yield Contradicts(
                Quote(use.at, f"namespace {name!r}"), expected, "create it in this deployment, or declare it"
            )
    chart = context.facts("enrolment").get("charts", "controller", default="")
    controllers = [release.namespace for release in context.model.releases
                   if (text(release.chart) or "").rpartition("/")[2] == chart and release.namespace is not None]  # fmt: skip
    for scale_set in context.model.scale_sets:
        expected_in = get(scale_set.values, "controllerServiceAccount", "namespace")
        deployed_in = next((namespace for namespace in controllers if text(namespace)), None)
        if expected_in is None or deployed_in is None or text(expected_in) is None:
            continue
        if text(expected_in) == text(deployed_in):
            yield Agrees(expected_in.at)
        else:
            actual = Quote(
                expected_in.at, f"{scale_set.name} expects its controller in {text(expected_in)!r}"
            )
            expected = Quote(deployed_in.at, f"the controller is in {text(deployed_in)!r}")
            yield Contradicts(actual, expected, "use the same namespace in both places")
