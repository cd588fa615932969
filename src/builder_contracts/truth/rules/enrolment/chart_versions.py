"""Compares the controller's chart with that of each scale set, and both with the supported range."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.contract.version_ranges import VersionRange
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.rule_context import RuleContext, declared
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, Value, text


@rule("enrolment/chart-versions", scope="own")
def check(context: RuleContext) -> Iterator[RuleResult]:
    facts = context.facts("enrolment")
    supported = VersionRange(facts.get("charts", "versions"))
    expected = declared(facts, "charts", "versions", says=f"supported: {supported.text}")
    chart = facts.get("charts", "controller")
    controllers: list[tuple[str, Value]] = []
    for release in context.model.releases:
        if (text(release.chart) or "").rpartition("/")[2] == chart and release.version is not None:
            yield from _version(release.version, f"controller {chart}", supported, expected)
            if (version := text(release.version)) is not None:
                controllers.append((version, release.version))
    for scale_set in context.model.scale_sets:
        version = text(scale_set.chart_version)
        if scale_set.chart_version is None or scale_set.is_left_out:
            continue
        other = next((pair for pair in controllers if version is not None and pair[0] != version), None)
        if other is not None:
            actual = Quote(scale_set.chart_version.at, f"scale set {scale_set.name} from chart {version}")
            controller = Quote(other[1].at, f"controller from chart {other[0]}")
            yield Contradicts(actual, controller, "use the same chart version for both")
        else:
            yield from _version(scale_set.chart_version, f"scale set {scale_set.name}", supported, expected)


def _version(value: Value, what: str, supported: VersionRange, expected: Quote) -> Iterator[RuleResult]:
    version = text(value)
    if isinstance(value, Unknown) or version is None:
        yield Undetermined(
            value.at, value.reason if isinstance(value, Unknown) else "the version is not text"
        )
        return
    try:
        holds = supported.holds(version)
    except ValueError:
        yield Undetermined(value.at, f"{version!r} is not a single version")
        return
    if holds:
        yield Agrees(value.at)
    else:
        yield Contradicts(
            Quote(value.at, f"{what} from chart {version}"), expected, "install a supported version"
        )
