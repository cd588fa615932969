"""The chart of a scale set by a stand-in for helm, which writes down how it is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder_contracts.errors import InputError
from builder_contracts.run.inputs import load_inputs
from builder_contracts.run.options import CHECK, parse
from builder_contracts.runner.kubernetes import helm
from builder_contracts.runner.kubernetes.pod_template import PodTemplate

CONTRACT = """
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: tiny, summary: A class in pods, owner: tests}
labels: [tiny-label]
image: {reference: tiny}
"""
RENDERED = """---
kind: AutoscalingRunnerSet
spec:
  runnerScaleSetName: tiny-label
  template: {spec: {serviceAccountName: by-helm, containers: [{name: runner, image: tiny}]}}
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run, and the only program on PATH."""
    program = tmp_path / "bin" / "helm"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.chdir(tmp_path)
    Path("chart").mkdir()
    Path("values.yaml").write_text("{}", "utf-8")
    Path("tiny.yaml").write_text(CONTRACT, "utf-8")
    becomes(program, 'printf "%s\\n" "$@" "plugins=$(echo "$HELM_PLUGINS"/*)" "$KUBECONFIG" "$HELM_REPOSITORY_CONFIG" '
                     f'>calls; echo "{RENDERED}"')  # fmt: skip
    return program


def becomes(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)


def template(**options: object) -> PodTemplate:
    given = {"runner": "kubernetes", "helm_values": ("values.yaml",), "helm_chart": "chart", **options}
    source = load_inputs(parse(CHECK, given, cwd=Path.cwd(), paths=[Path("tiny.yaml")])).pods["tiny"]
    assert isinstance(source, PodTemplate)
    return source


def test_helm_renders_the_values_with_the_chart(stand_in: Path) -> None:
    rendered = template(namespace="arc")

    assert rendered.spec["serviceAccountName"] == "by-helm"
    # No verdict names a line of what nobody can open.
    assert rendered.lines == {}
    assert rendered.options == ("--helm-values", "values.yaml", "--helm-chart", "chart")
    arguments = Path("calls").read_text("utf-8").splitlines()
    assert arguments[:4] == ["template", "tiny-label", str(Path("chart").resolve()), "--namespace=arc"]
    assert f"--values={Path('values.yaml').resolve()}" in arguments


def test_helm_has_no_plugins_no_cluster_and_no_repositories(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_PLUGINS", "/usr")
    monkeypatch.setenv("HELM_REPOSITORY_CONFIG", "/repositories.yaml")
    monkeypatch.setenv("KUBECONFIG", "/kubeconfig")

    template()

    plugins, kubeconfig, repositories = Path("calls").read_text("utf-8").splitlines()[-3:]
    assert plugins.startswith("plugins=")
    assert plugins.endswith("/*")
    assert not plugins.startswith("plugins=/usr")
    assert kubeconfig == os.devnull
    assert not repositories


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo Error: .Values.githubConfigUrl is required >&2; exit 1", "githubConfigUrl is required"),
        ("echo 'kind: Deployment'", "kind is Deployment, expected Pod or AutoscalingRunnerSet"),
        ("echo '{'", "--helm-values values.yaml --helm-chart chart"),
        ("exec /bin/sleep 60", "helm did not render the chart: .*0.5 s"),
    ],
)
def test_helm_that_renders_no_scale_set_is_refused(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    monkeypatch.setattr(helm, "RENDERED_WITHIN", 0.5)
    becomes(stand_in, script)

    with pytest.raises(InputError, match=message):
        template()


@pytest.mark.parametrize("absent", ["chart", "values.yaml"])
def test_absent_chart_or_values_are_named(stand_in: Path, absent: str) -> None:
    Path(absent).rename("elsewhere")

    with pytest.raises(InputError, match=f"{absent} does not exist"):
        template()


def test_absent_helm_is_no_reason_to_guess(stand_in: Path) -> None:
    stand_in.unlink()

    with pytest.raises(InputError, match="helm is not installed"):
        template()


def test_chart_without_values_is_refused(stand_in: Path) -> None:
    with pytest.raises(InputError, match="--helm-chart without --helm-values"):
        template(helm_values=(), pod=("pod.yaml",))
