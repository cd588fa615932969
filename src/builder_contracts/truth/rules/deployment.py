"""Where the platform is deployed, and what it is deployed from."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from builder_contracts.contract.promises.resources import CpuLimit, CpuRequest, MemoryLimit, MemoryRequest
from builder_contracts.contract.quantity import byte_count, millicpus
from builder_contracts.errors import Source
from builder_contracts.truth.context import Context, declared, excerpt, rows_of
from builder_contracts.truth.finding import Agrees, Contradicts, Observation, Side, Unseen
from builder_contracts.truth.model import ImageUse, ScaleSet, Template
from builder_contracts.truth.speech import names_any
from builder_contracts.truth.value import Known, Unknown, get, text

# What the chart gha-runner-scale-set puts where a template names no image (its values.yaml, 0.4 to 0.13).
_CHART_IMAGE = "ghcr.io/actions/actions-runner:latest"
# Settings of a job's pod that GitLab Runner reads from [runners.kubernetes] itself and nowhere below it.
# Source: https://docs.gitlab.com/runner/executors/kubernetes/#configuration-settings
_POD_SETTINGS = frozenset({"cpu_request", "cpu_limit", "memory_request", "memory_limit", "ephemeral_storage_request",
                           "ephemeral_storage_limit", "service_cpu_limit", "service_memory_limit", "helper_cpu_limit",
                           "helper_memory_limit", "pod_termination_grace_period_seconds", "poll_timeout"})  # fmt: skip


def split(reference: str) -> tuple[str, str, str]:
    """Name, tag and digest of an image reference; empty where it has none."""
    rest, _, digest = reference.partition("@")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        return rest, "", digest
    return name, tag, digest


def _images(context: Context) -> Iterator[tuple[ImageUse, str | None]]:
    for use in context.model.images:
        yield use, text(use.reference)
    for scale_set in context.model.scale_sets:
        # A template without the container keeps the chart's whole; one with it, without image, overrides the image away.
        if scale_set.pod is not None and get(scale_set.runner, "image") is None:
            at = scale_set.runner.at if scale_set.runner is not None else scale_set.at
            yield (
                ImageUse(Known(_CHART_IMAGE, at), f"scale set {scale_set.name} (chart default)"),
                _CHART_IMAGE,
            )


def images_pinned(context: Context) -> Iterator[Observation]:
    facts = context.facts("deployment")
    own, floating = facts.get("images", "own", default=[]), facts.get("images", "floating")
    for use, reference in _images(context):
        if isinstance(use.reference, Unknown):
            yield Unseen(use.reference.at, use.reference.reason)
        elif reference is not None and "$" in reference:
            yield Unseen(use.reference.at, f"{reference} is resolved at run time", decidable=False)
        if reference is None or "$" in reference:
            continue
        name, tag, digest = split(reference)
        if (
            digest
            or any(fnmatch.fnmatch(reference, pattern) for pattern in own)
            or (tag and tag not in floating)
        ):
            yield Agrees(use.reference.at)
        else:
            actual = Side(use.reference.at, f"{use.by}: {reference}")
            expected = declared(
                facts, "images", "floating", says=f"mutable tags: {', '.join(floating)}, and no tag"
            )
            yield Contradicts(actual, expected, f"pin {name} to a release or digest")


def images_exist(context: Context) -> Iterator[Observation]:
    facts = context.facts("deployment")
    path = facts.get("images", "mirrored_in")
    own, floating = facts.get("images", "own", default=[]), facts.get("images", "floating")
    if path is None or path not in context.model.kept:
        return
    listed = context.model.kept[path]
    for use, reference in _images(context):
        if reference is None or "$" in reference or use.reference.at.file == path:
            continue
        name, tag, digest = split(reference)
        if (
            digest
            or not tag
            or tag in floating
            or any(fnmatch.fnmatch(reference, pattern) for pattern in own)
        ):
            continue
        short = re.escape(reference.removeprefix("docker.io/").removeprefix("library/"))
        if re.search(rf"(?<![\w.-]){short}(?![\w.-])", listed):
            yield Agrees(use.reference.at)
            continue
        of_same = re.search(rf"(?<![\w.-]){re.escape(name.removeprefix('docker.io/'))}:[\w.-]+", listed)
        line = listed.count("\n", 0, of_same.start()) + 1 if of_same else 1
        expected = Side(
            Source(path, line), f"mirrored: {of_same[0]}" if of_same else f"{name} is not mirrored"
        )
        actual = Side(use.reference.at, f"{use.by}: {reference}")
        yield Contradicts(actual, expected, "use a mirrored tag, or add this one to the mirror list")


def job_shells(context: Context) -> Iterator[Observation]:
    facts = context.facts("deployment")
    patterns = facts.get("without_shell", default=[])
    for use, reference in _images(context):
        if reference is None or not use.by.startswith("job "):
            continue
        name = split(reference)[0].removeprefix("docker.io/")
        index = next((i for i, pattern in enumerate(patterns) if fnmatch.fnmatch(name, pattern)), None)
        if index is None:
            yield Agrees(use.reference.at)
        else:
            expected = declared(
                facts, "without_shell", index, says=f"{patterns[index]} has no usable /bin/sh"
            )
            yield Contradicts(
                Side(use.reference.at, f"{use.by} runs in {reference}"),
                expected,
                "run it in an image with a shell",
            )


def namespaces(context: Context) -> Iterator[Observation]:
    facts = context.facts("deployment")
    declared_names = {
        *facts.get("namespaces"),
        *(text(namespace.name) for namespace in context.model.namespaces if namespace.created),
    }
    for use in context.model.namespaces:
        name = text(use.name)
        if isinstance(use.name, Unknown):
            yield Unseen(use.name.at, use.name.reason)
        elif name is not None and name in declared_names:
            yield Agrees(use.at)
        elif name:
            expected = Side(
                facts.at("namespaces"), f"namespaces: {', '.join(sorted(filter(None, declared_names)))}"
            )
            yield Contradicts(
                Side(use.at, f"namespace {name!r}"), expected, "create it in this deployment, or declare it"
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
            actual = Side(expected_in.at, f"{scale_set.name} expects its controller in {text(expected_in)!r}")
            expected = Side(deployed_in.at, f"the controller is in {text(deployed_in)!r}")
            yield Contradicts(actual, expected, "use the same namespace in both places")


def settings_apply(context: Context) -> Iterator[Observation]:
    for template in context.model.templates:
        try:
            data = tomllib.loads(template.text)
        except tomllib.TOMLDecodeError as error:
            yield Unseen(template.at, f"the rendered template is not TOML: {error}")
            continue
        except RecursionError:
            yield Unseen(template.at, "the rendered template is nested too deeply")
            continue
        misplaced = [misplacement for runner in data.get("runners", []) if isinstance(runner, dict)
                     for misplacement in _misplaced(runner.get("kubernetes", {}), "runners.kubernetes")]  # fmt: skip
        for key, table in misplaced:
            actual = Side(_line(template, key), f"{key} is in table [{table}]")
            expected = Side(
                _line(template, "[runners.kubernetes]"),
                f"GitLab Runner reads {key} from [runners.kubernetes]",
            )
            yield Contradicts(
                actual,
                expected,
                "move it above the first nested table; a TOML key belongs to the header before it",
            )
        if not misplaced:
            yield Agrees(template.at)


def _misplaced(table: Any, name: str) -> Iterator[tuple[str, str]]:
    """Settings of the pod in tables below the one that has them."""
    inner = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    for key, value in inner:
        below = f"{name}.{key}" if isinstance(key, str) else name
        if isinstance(value, dict):
            for setting in value:
                if setting in _POD_SETTINGS:
                    yield setting, below
        if isinstance(value, dict | list):
            yield from _misplaced(value, below)


def _line(template: Template, words: str) -> Source:
    place = template.raw.find(words)
    return Source(
        template.at.file, template.at.line + (template.raw.count("\n", 0, place) if place >= 0 else 0)
    )


def local_cluster(context: Context) -> Iterator[Observation]:
    facts = context.facts("deployment")
    if not context.sentences:
        return
    for key, words, says in (
        ("cluster", ["deploy", "cluster", "run"], "deploys into"),
        ("outside", ["stay", "remain", "belong", "edge", "failover"], "what stays on"),
    ):
        place = facts.get(key)
        if place is None:
            continue
        location = next(
            (
                s.at
                for s in context.sentences
                if names_any(s.text, place["words"]) and names_any(s.text, words)
            ),
            None,
        )
        if location is not None:
            yield Agrees(location)
        else:
            actual = Side(context.entrance, f"no document states {says} {place['name']}")
            yield Contradicts(
                actual, declared(facts, key, "name", says=f"{key}: {place['name']}"), "document it"
            )


_AMOUNTS = (
    ("cpu", "request", CpuRequest, millicpus),
    ("cpu", "limit", CpuLimit, millicpus),
    ("memory", "request", MemoryRequest, byte_count),
    ("memory", "limit", MemoryLimit, byte_count),
)


def documented_resources(context: Context) -> Iterator[Observation]:
    """Tables of the documentation that give amounts per class, against what is deployed."""
    by_label = {
        label: scale_set
        for scale_set in context.model.scale_sets
        if (label := text(scale_set.label)) in context.labels
    }
    prefixes = context.facts("enrolment").get("label_prefixes", default=[])
    for headers, (at, cells) in rows_of(context):
        columns = [(index, amount) for index, header in enumerate(headers) for amount in _AMOUNTS
                   if amount[0] in header and amount[1] in header]  # fmt: skip
        name = cells[0].strip("` *")
        label = next(
            (
                candidate
                for candidate in (name, *(prefix + name for prefix in prefixes))
                if candidate in context.labels
            ),
            None,
        )
        if not columns or label is None:
            continue
        for index, (what, edge, promise, read) in columns:
            if index >= len(cells):
                continue
            try:
                documented = read(cells[index].strip("` *"))
            except ValueError:
                continue
            deployed = _amount(by_label.get(label), context, label, what, edge, promise, read)
            if isinstance(deployed, Unseen):
                yield deployed
            elif deployed is not None and deployed[0] != documented:
                actual = Side(at, excerpt(f"{name}: {what} {edge} {cells[index]}"))
                yield Contradicts(actual, deployed[1], f"use {deployed[2]}")
            elif deployed is not None:
                yield Agrees(at)


def _amount(
    scale_set: ScaleSet | None, context: Context, label: str, what: str, edge: str, promise: Any, read: Any
) -> tuple[int, Side, str] | Unseen | None:
    """What is deployed, or what the class promises where nothing is deployed here."""
    if scale_set is not None:
        value = get(scale_set.runner, "resources", f"{edge}s", what)
        if isinstance(value, Unknown):
            return Unseen(value.at, value.reason)
        written = text(value)
        if value is not None and written is not None:
            try:
                return read(written), Side(value.at, f"deployed {what} {edge}: {written}"), written
            except ValueError:
                return Unseen(value.at, f"{written!r} is not an amount")
    for clause in context.labels[label].clauses:
        if isinstance(clause.promise, promise):
            amount = clause.promise.milli if what == "cpu" else clause.promise.bytes
            return amount, Side(clause.source, clause.promise.text), clause.promise.text
    return None
