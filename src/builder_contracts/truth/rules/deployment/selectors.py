"""Compares selectors and targets of autoscalers with the labels and names that a chart gives its pods."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from builder_contracts.truth.finding import Agrees, Contradicts, Quote, RuleResult, Undetermined
from builder_contracts.truth.known_software import KnownChart, known_software
from builder_contracts.truth.model import Model, Release
from builder_contracts.truth.rule_context import RuleContext
from builder_contracts.truth.rules.registry import rule
from builder_contracts.truth.value import Unknown, Value, fields, get, text, walk

_OFF = {True: "", False: " (switched off by default)"}


@rule("deployment/selectors", scope="any")
def check(context: RuleContext) -> Iterator[RuleResult]:
    judged = {labels.at for release in context.model.releases for labels in _affinities(release)}
    for release in context.model.releases:
        chart = known_software().charts.get(release.chart_name)
        if chart is not None and chart.labels and not release.is_left_out:
            yield from _check_release(context.model, release, chart)
    for release in context.model.switched_on:
        chart = known_software().charts.get(release.chart_name)
        name = text(release.name)
        if chart is None or not chart.labels or name is None:
            continue
        carried = _carried(release, chart, name)
        for labels in _affinities(release):
            origin = Quote(release.at, f"the chart {chart.name} in release {name}")
            for result in _check_selector("affinity (switched off by default)", labels, carried, origin):
                # With the switches as they are, the release itself was judged.
                if isinstance(result, Contradicts) and labels.at not in judged:
                    yield result


def _check_release(model: Model, release: Release, chart: KnownChart) -> Iterator[RuleResult]:
    folder = posixpath.dirname(release.at.file)
    targets = [
        (autoscaler.target, _OFF[autoscaler.deployed])
        for autoscaler in model.autoscalers
        if autoscaler.target is not None and posixpath.dirname(autoscaler.at.file) == folder
    ]
    selectors = [
        (selector.kind + _OFF[selector.deployed], selector.labels)
        for selector in model.selectors
        if selector.labels is not None and posixpath.dirname(selector.at.file) == folder
    ]
    selectors += [("affinity", labels) for labels in _affinities(release)]
    if not targets and not selectors:
        return
    name, values = text(release.name), release.values
    if name is None or isinstance(values, Unknown):
        unknown = values if isinstance(values, Unknown) else release.name
        yield Undetermined(release.at, unknown.reason if isinstance(unknown, Unknown) else "it has no name")
        return
    fullname = _fullname(release, chart, name)
    origin = f"the chart {chart.name} in release {name}"
    for target, switch in targets:
        if text(target) == fullname:
            yield Agrees(target.at)
        elif text(target) == name:
            actual = Quote(target.at, f"an autoscaler{switch} scales {name}")
            yield Contradicts(
                actual, Quote(release.at, f"{origin} names its Deployment {fullname}"), f"scale {fullname}"
            )
    carried = _carried(release, chart, name)
    of_release = [key for key, label in chart.labels.items() if label == "RELEASE"]
    for kind, labels in selectors:
        if any(text(get(labels, key)) not in (None, name) for key in of_release):
            continue  # It selects pods of another release.
        yield from _check_selector(kind, labels, carried, Quote(release.at, origin))


def _fullname(release: Release, chart: KnownChart, name: str) -> str:
    usual = name if chart.name in name else f"{name}-{chart.name}"
    return text(get(release.values, "fullnameOverride")) or usual


def _carried(release: Release, chart: KnownChart, name: str) -> dict[str, str]:
    """The labels of the pods of a release."""
    fullname = _fullname(release, chart, name)
    carried = {
        key: label.replace("FULLNAME", fullname).replace("RELEASE", name)
        for key, label in chart.labels.items()
    }
    return carried | {
        key: text(label) or "" for key, label in fields(get(release.values, "podLabels")).items()
    }


def _affinities(release: Release) -> Iterator[Value]:
    for value in walk(get(release.values, "affinity")):
        labels = get(value, "labelSelector", "matchLabels")
        if labels is not None:
            yield labels


def _check_selector(
    kind: str, labels: Value, carried: dict[str, str], release: Quote
) -> Iterator[RuleResult]:
    for key, label in fields(labels).items():
        selected = text(label)
        if selected is None:
            yield Undetermined(label.at, f"the selected {key} is unknown")
        elif carried.get(key) == selected:
            yield Agrees(label.at)
        else:
            actual = f"{key}={carried[key]}" if key in carried else f"no label {key}"
            yield Contradicts(
                Quote(label.at, f"{kind} selects pods with {key}={selected}"),
                Quote(release.at, f"pods of {release.says.removeprefix('the chart ')} have {actual}"),
                f"select {key}={carried[key]}" if key in carried else f"set podLabels.{key}",
            )
