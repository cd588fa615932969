"""Charts of a checkout, rendered by Helm with the values of the releases that name them by their path."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from builder_contracts.errors import Location
from builder_contracts.runner.kubernetes import helm
from builder_contracts.runner.protocol import CompletedCommand
from builder_contracts.truth.checkout import Unread
from builder_contracts.truth.model import Model, Release
from builder_contracts.truth.readers import kubernetes, yaml
from builder_contracts.truth.value import Known, Unknown, Value, plain, text

# A manifest in what Helm prints, and the template that it is of.
_SOURCE = re.compile(r"^# Source: (\S+)\n(.*?)(?=^---$|\Z)", re.MULTILINE | re.DOTALL)

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def render_charts(model: Model, root: Path, deployed: Model) -> None:
    """Add to ``deployed`` what Helm makes of the charts below the root; what it does not render is listed in the model."""
    for release in model.releases:
        folder = release.chart_folder
        if release.is_left_out or not folder or f"{folder}/Chart.yaml" not in model.paths:
            continue
        made = _rendered(release, root, model.paths)
        why = made if isinstance(made, str) else helm.failure(made) if made.status else ""
        if isinstance(made, str) or why:
            model.unread.append(Unread(folder, f"the release at {release.at} is not rendered: {why}"))
            continue
        templates = f"{folder}/templates/"
        model.unread = [unread for unread in model.unread if not unread.path.startswith(templates)]
        for source, manifest in _SOURCE.findall(made.stdout.decode("utf-8", "replace")):
            # Helm names a template from the chart's name on; its lines are not those of what it makes.
            at = Location(f"{folder}/{source.partition('/')[2]}", 1)
            try:
                documents = yaml.read(manifest, at.file)
            except yaml.NotYaml as error:
                model.unread.append(Unread(at.file, f"what helm renders is not YAML: {error}"))
                continue
            for document in documents:
                kubernetes.read_kubernetes(_placed(document, at), deployed, f"rendered from {folder}")


def _rendered(release: Release, root: Path, paths: Collection[str]) -> str | CompletedCommand:
    """What Helm prints, or why it prints nothing."""
    chart = root / release.chart_folder
    files = [root / file for file in release.files]
    missing = next((file for file in release.files if file not in paths), None)
    if missing is not None:
        return f"{missing} is not in this checkout"
    # A chart of somebody else's must not bring in files of this machine.
    if any(not path.resolve().is_relative_to(root) for path in (chart, *chart.rglob("*"), *files)):
        return "a link leads out of the checkout"
    name = text(release.name) or "release"
    # Helm would take such words for options of its own, or for addresses to fetch from.
    if not _NAME.fullmatch(name) or any("," in file for file in release.files):
        return "its name, or that of a file of values, is none that helm takes"
    try:
        values = plain(release.values)
    except LookupError as error:
        return str(error)
    return helm.template(
        chart,
        [*(f"--values={file}" for file in files), "--values=-"],
        values or {},
        release=name,
        namespace=text(release.namespace) or "",
    )


def _placed(value: Value, at: Location) -> Value:
    """A value all of whose parts are at one place."""
    if isinstance(value, Unknown):
        return Unknown(value.reason, at)
    if isinstance(value.data, dict):
        return Known({key: _placed(inner, at) for key, inner in value.data.items()}, at)
    if isinstance(value.data, list):
        return Known([_placed(inner, at) for inner in value.data], at)
    return Known(value.data, at)
