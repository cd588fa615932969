"""Compares values of a scale set with those that its chart reads, and with what its container mode requires."""

from __future__ import annotations

from collections.abc import Iterator

from builder_contracts.contract.schemas import nearest
from builder_contracts.runner.kubernetes.scale_set_chart import MODES
from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import known_software
from builder_contracts.truth.model import Release, ScaleSet
from builder_contracts.truth.readers.helm_releases import SCALE_SET_CHART
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, fields, get, items, number, text


@rule("deployment/chart-values", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    for scale_set in context.model.scale_sets:
        if not scale_set.is_left_out:
            yield from _check_mode(scale_set)
            yield from _check_bounds(scale_set)
    for release in context.model.releases:
        if release.chart_name == SCALE_SET_CHART and not release.is_left_out:
            yield from _check_keys(release)


def _check_mode(scale_set: ScaleSet) -> Iterator[RuleResult]:
    chart, mode = known_software().scale_set, scale_set.container_mode
    if isinstance(mode, Unknown):
        yield Undetermined(mode.at, mode.reason)
    elif mode is not None and text(mode) not in MODES:
        actual = Quote(mode.at, f"container mode of scale set {scale_set.name}: {text(mode)}")
        modes = f"its chart knows {', '.join(filter(None, MODES))} ({chart.reference})"
        yield Contradicts(actual, Quote(scale_set.at, modes), "use one of these, or none")
    elif mode is not None and (key := chart.needed_by_mode.get(text(mode) or "")) is not None:
        value = get(scale_set.values, "containerMode", key)
        volumes = items(get(scale_set.pod.spec, "volumes")) if scale_set.pod else []
        if value is None and any(text(get(volume, "name")) == "work" for volume in volumes):
            value = mode  # The chart keeps a volume of this name as it is.
        if isinstance(value, Unknown):
            yield Undetermined(value.at, value.reason)
        elif value is None:
            actual = Quote(
                mode.at, f"scale set {scale_set.name} is in container mode {text(mode)} without {key}"
            )
            needs = f"its chart makes the volume of the job's files from {key} ({chart.reference})"
            yield Contradicts(
                actual, Quote(scale_set.at, needs), f"set containerMode.{key}, or add a volume named work"
            )
        else:
            yield Agrees(mode.at)


def _check_bounds(scale_set: ScaleSet) -> Iterator[RuleResult]:
    least, most = (get(scale_set.values, key) for key in ("minRunners", "maxRunners"))
    low, high = number(least), number(most)
    if least is not None and most is not None and low is not None and high is not None:
        if low > high:
            actual = Quote(least.at, f"minRunners of scale set {scale_set.name} is {low}")
            yield Contradicts(
                actual,
                Quote(most.at, f"maxRunners is {high}: the chart is not installed"),
                "lower minRunners",
            )
        else:
            yield Agrees(least.at)


def _check_keys(release: Release) -> Iterator[RuleResult]:
    """Values that the chart ignores: a misspelt name, or a value of another chart."""
    chart = known_software().scale_set
    for key, value in fields(release.values).items():
        if key in chart.keys:
            yield Agrees(value.at)
            continue
        guess = nearest(key, chart.keys)
        actual = Quote(value.at, f"release {text(release.name) or release.chart_name} sets {key}")
        ignored = f"the chart {SCALE_SET_CHART} reads no value {key} ({chart.reference})"
        yield Contradicts(
            actual, Quote(release.at, ignored), f"did you mean {guess}?" if guess else "remove it"
        )
