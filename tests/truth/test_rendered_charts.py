"""Charts of a checkout, rendered by a stand-in for helm, which writes down how it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder_contracts.truth.checkout_scan import SearchWords, scan_checkout
from builder_contracts.truth.deployment_inputs import add_deployment
from builder_contracts.truth.model import Model
from builder_contracts.truth.value import text
from tests.truth.miniature import Tree, write

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: builders}
spec:
  destination: {namespace: ci}
  source:
    path: charts/runners
    helm: {valueFiles: [live.yaml], valuesObject: {image: VALUE}}
"""
CHART: Tree = {
    "app.yaml": APPLICATION,
    "charts/runners/Chart.yaml": "apiVersion: v2\nname: other\nversion: 1.0.0\n",
    "charts/runners/live.yaml": "image: b\n",
    "charts/runners/templates/set.yaml": "apiVersion: v1\nkind: Pod\nspec: {x: {{ .Values.image }}}\n",
}
RENDERED = """\
---
# Source: other/templates/set.yaml
apiVersion: actions.github.com/v1alpha1
kind: AutoscalingRunnerSet
metadata: {name: builders, namespace: ci}
spec: {runnerScaleSetName: from-helm}
---
# Source: other/templates/pod.yaml
kind: Pod
spec: {containers: [{name: a, image: of-helm}]}
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in, the only program on PATH, writes its arguments and its input."""
    written = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    (tmp_path / "rendered").write_text(RENDERED, "utf-8")
    program = tmp_path / "bin" / "helm"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{written}\n/bin/cat >>{written}\n/bin/cat {tmp_path}/rendered\n',
        "utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return written


def deployed(root: Path, tree: Tree) -> Model:
    write(root, tree)
    model = scan_checkout(root, SearchWords())
    add_deployment(model, (), (), root)
    return model


def test_chart_is_rendered_as_its_release_says(tmp_path: Path, calls: Path) -> None:
    root = tmp_path / "repo"
    model = deployed(root, CHART)
    (scale_set,) = model.scale_sets
    assert (text(scale_set.label), str(scale_set.at)) == ("from-helm", "charts/runners/templates/set.yaml:1")
    assert [text(use.reference) for use in model.images] == ["of-helm"]
    assert model.unread == []
    *arguments, given = calls.read_text("utf-8").splitlines()
    chart = root / "charts/runners"
    # What is written last counts most.
    assert arguments[:6] == [
        "template", "builders", str(chart), "--namespace=ci", f"--values={chart}/live.yaml", "--values=-",
    ]  # fmt: skip
    assert json.loads(given) == {"image": "VALUE"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"app.yaml": APPLICATION.replace("builders", "--post-renderer=/bin/x")}, "is none that helm takes"),
        (
            {
                "app.yaml": APPLICATION.replace("[live.yaml]", "['live.yaml,x']"),
                "charts/runners/live.yaml,x": "image: b\n",
            },
            "is none that helm takes",
        ),
        (
            {
                "app.yaml": APPLICATION.replace(
                    "valuesObject: {", "parameters: [{name: a, value: $T}], valuesObject: {"
                )
            },
            "is filled in when it is applied",
        ),
        (
            {"app.yaml": APPLICATION.replace("live", "none")},
            "charts/runners/none.yaml is not in this checkout",
        ),
    ],
)
def test_what_helm_cannot_be_given_is_named(tmp_path: Path, calls: Path, change: Tree, reason: str) -> None:
    model = deployed(tmp_path / "repo", {**CHART, **change})
    assert [unread.path for unread in model.unread] == ["charts/runners/templates/set.yaml", "charts/runners"]
    assert model.unread[-1].reason.endswith(reason)
    assert not calls.exists()


def test_chart_with_a_link_to_this_machine_is_not_rendered(tmp_path: Path, calls: Path) -> None:
    write(tmp_path, {"secret": "x", "repo/charts/runners/Chart.yaml": ""})
    (tmp_path / "repo/charts/runners/file").symlink_to(tmp_path / "secret")
    assert "a link leads out of the checkout" in deployed(tmp_path / "repo", CHART).unread[-1].reason
    assert not calls.exists()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (None, "helm is not installed"),
        ("echo Error: no dependency >&2; exit 1", "helm did not render the chart: Error: no dependency"),
        ("printf '# Source: other/templates/set.yaml\\n{'", "what helm renders is not YAML"),
    ],
)
def test_chart_that_helm_does_not_render_is_listed(
    tmp_path: Path, calls: Path, script: str | None, reason: str
) -> None:
    program = tmp_path / "bin" / "helm"
    program.unlink()
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        program.chmod(0o755)
    assert any(reason in unread.reason for unread in deployed(tmp_path / "repo", CHART).unread)
