"""Compares storage classes and custom resources in use with those that are declared or that the deployment creates."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import NameUse, Release
from builder_contracts.truth.readers.kubernetes import storage_classes
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, text


@rule("deployment/cluster-extensions", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    model = context.model
    used = list(model.storage_classes)
    for release in model.releases:
        if not release.is_left_out:
            used += storage_classes(release.values, release.variant)
    for use in used:
        yield from _check(context, use, used, "storage_classes", "storage class")
    for use in model.custom_resources:
        yield from _check(context, use, model.custom_resources, "custom_resources", "custom resources of")


def _check(
    context: RuleContext, use: NameUse, uses: list[NameUse], fact: str, what: str
) -> Iterator[RuleResult]:
    facts = context.facts("deployment")
    name, declared_names = text(use.name), facts.get(fact)
    if use.created or name is None:
        if isinstance(use.name, Unknown):
            yield Undetermined(use.name.at, use.name.reason)
        return
    charts = known_software().bringing_charts.get(name, frozenset())
    bringing = _releases(context, charts, use.variant)
    if (
        name in (declared_names or ())
        or any(other.created and text(other.name) == name for other in uses)
        or any(release.is_deployed for release in bringing)
    ):
        yield Agrees(use.at)
    elif use.at.file.startswith("docs/"):
        yield Undetermined(use.at, f"{what} {name}: an example of the documentation", decidable=False)
    elif (undecided := next((release for release in bringing if not release.is_left_out), None)) is not None:
        yield Undetermined(undecided.at, f"whether this release, which brings {name}, is made is unknown")
    elif fact == "custom_resources" and not charts:
        yield Undetermined(use.at, f"which chart brings the {what} {name} is not known", decidable=False)
    elif declared_names is None:
        reason = f"the platform does not declare the {fact.replace('_', ' ')} of its cluster"
        yield Undetermined(use.at, f"{what} {name}: {reason}", decidable=False)
    else:
        expected = Quote(facts.at(fact), f"{fact}: {', '.join(declared_names) or 'none'}")
        fix = f"declare it in {fact} if the cluster has it"
        if bringing:
            expected = Quote(
                bringing[0].deployed.at, f"the release {text(bringing[0].name)} that brings them is left out"
            )
            fix = f"switch the release on, or {fix}"
        yield Contradicts(Quote(use.at, f"{what} {name}"), expected, fix)


def _releases(context: RuleContext, charts: frozenset[str], variant: str) -> list[Release]:
    """The releases of charts: those of the same values of OpenTofu, if they have any of the charts."""
    releases = [release for release in context.model.releases if release.chart_name in charts]
    return [release for release in releases if release.variant == variant] or releases
