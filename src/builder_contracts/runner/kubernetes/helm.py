"""The chart of a scale set, rendered by Helm itself: no cluster, no network, no plugins."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder_contracts.contract.document import Document, parse
from builder_contracts.errors import InputError, Location, Problem
from builder_contracts.runner import process
from builder_contracts.runner.protocol import CompletedCommand

RENDERED_WITHIN = 60.0
"""Seconds for one chart."""

# The chart renders mode dind in another way for the old server that Helm assumes by itself.
_KUBERNETES = "1.34"

# What an installation takes from its secrets or looks up in the cluster, for values without it. None of it is in the pod.
_INSTALLED = {
    "githubConfigUrl": "https://github.com/owner/repository",
    "githubConfigSecret": "secret",
    "controllerServiceAccount": {"name": "controller", "namespace": "controller"},
}


def render(chart: Path, values: Path, *, release: str, namespace: str, options: Sequence[str]) -> Document:
    """The AutoscalingRunnerSet that a chart on this host makes from a values file. Raises InputError."""
    source = Location(" ".join(options))
    for path, what in (
        (chart, "the folder or the .tgz of the chart, which helm pull fetches"),
        (values, "a values file"),
    ):
        if not path.exists():
            raise InputError([Problem(source, f"{path} does not exist", f"pass {what}")])
    arguments = [
        "--values=-",
        f"--values={values.resolve()}",
        "--show-only=templates/autoscalingrunnerset.yaml",
    ]
    completed = template(chart, arguments, _INSTALLED, release=release, namespace=namespace)
    if completed.status == 0:
        # Its lines are in no file that the user has.
        return dataclasses.replace(parse(completed.stdout, source.file), positions={(): source})
    fix = (
        "install it, or leave out --helm-chart"
        if completed.status == 127
        else "correct the values, or the chart"
    )
    raise InputError([Problem(source, failure(completed), fix)])


def template(
    chart: Path, arguments: Sequence[str], values: Mapping[str, Any], *, release: str, namespace: str
) -> CompletedCommand:
    """What Helm makes of a chart; ``values`` are its input, the file ``-`` of its arguments."""
    with tempfile.TemporaryDirectory(prefix="builder-contracts-helm-") as no_plugins:
        settings = {
            name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))
        }
        # Absolute paths, since Helm takes other words for the name of a repository, and fetches.
        return process.run(
            [
                "helm", "template", release, str(chart.resolve()), *([f"--namespace={namespace}"] if namespace else []),
                *arguments, f"--kube-version={_KUBERNETES}",
            ],
            deadline=RENDERED_WITHIN,
            stdin=json.dumps(values).encode(),
            environment={**settings, "HELM_PLUGINS": no_plugins, "KUBECONFIG": os.devnull},
        )  # fmt: skip


def failure(completed: CompletedCommand) -> str:
    """Why there is no rendered chart."""
    if completed.status == 127:
        return "helm is not installed, or not on PATH"
    reason = completed.ended or " ".join(completed.stderr.decode("utf-8", errors="replace").split())
    return f"helm did not render the chart: {reason[:800]}"
