"""Add the rendered manifests and plans that a user gives in addition to a checkout; they replace what files suggest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.truth.model import Model
from builder_contracts.truth.readers import kubernetes, opentofu_plan, yaml
from builder_contracts.truth.value import Value, text


def add_deployment(
    model: Model, rendered: Iterable[Path], plans: Iterable[Path], charts_below: Path | None = None
) -> None:
    """Add rendered manifests and plans to the model of a checkout. Raises InputError.

    ``charts_below`` is the root of the checkout if Helm is to render the charts in it that a release names by their path.
    """
    deployed = Model()
    if charts_below is not None:
        # What starts processes loads for whoever asks for it.
        from builder_contracts.truth.rendered_charts import render_charts

        render_charts(model, charts_below.resolve(), deployed)
    for folder in rendered:
        for path in _manifests(folder):
            for document in _documents(path):
                kubernetes.read_kubernetes(document, deployed, f"rendered in {folder}")
    for plan in plans:
        try:
            opentofu_plan.read_plan(_text(plan), str(plan), deployed)
        except (ValueError, yaml.NotYaml) as error:
            raise _problem(plan, str(error), "pass the output of 'tofu show -json PLAN'") from None
    replaced = {label for scale_set in deployed.scale_sets for label in scale_set.labels}
    charts = {text(release.chart) for release in deployed.releases}
    model.scale_sets = [scale_set for scale_set in model.scale_sets if not scale_set.labels & replaced]
    model.releases = [release for release in model.releases if text(release.chart) not in charts]
    for field in dataclasses.fields(Model):
        added = getattr(deployed, field.name)
        if isinstance(added, list):
            getattr(model, field.name).extend(added)


def _manifests(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise _problem(
            folder, "no such directory", "pass the directory that 'helm template --output-dir' wrote"
        )
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml"))
    if not paths:
        raise _problem(folder, "no manifests in this directory", "render the chart or kustomization into it")
    yield from paths


def _documents(path: Path) -> list[Value]:
    try:
        return yaml.read(_text(path), str(path))
    except yaml.NotYaml as error:
        raise InputError([Problem(Location(str(path), error.line), str(error), error.fix)]) from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _problem(path, f"cannot read: {error}", "check the path") from None


def _problem(path: Path, message: str, fix: str) -> InputError:
    return InputError([Problem(Location(str(path), 1), message, fix)])
