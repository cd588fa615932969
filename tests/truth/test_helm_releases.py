"""Scale sets in releases of Flux, Argo CD and kustomize, and in values of charts."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder_contracts.truth.checkout_scan import SearchWords, scan_checkout
from builder_contracts.truth.model import Model
from builder_contracts.truth.value import Unknown, get, text
from tests.truth.miniature import Tree, write

VALUES = "githubConfigUrl: https://github.com/o\nmaxRunners: 3\n"
FLUX = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: builders, namespace: ci}
spec:
  chartRef: {kind: OCIRepository, name: sets}
  values:
    githubConfigUrl: https://github.com/o
    maxRunners: ${MOST}
    template: {spec: {containers: [{name: runner, image: "r:{{ .Release.Name }}"}]}}
"""
OCI = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: sets}
spec: {url: oci://ghcr.io/actions/actions-runner-controller-charts/gha-runner-scale-set, ref: {tag: 0.14.2}}
"""
ARGO = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: builders}
spec:
  destination: {namespace: ci}
  sources:
    - chart: gha-runner-scale-set
      repoURL: ghcr.io/actions/actions-runner-controller-charts
      targetRevision: 0.14.2
      helm:
        valueFiles: [$values/deploy/shared.yaml]
        values: |
          maxRunners: 5
        valuesObject: {githubConfigUrl: https://github.com/o}
    - {repoURL: https://github.com/o/deploy, ref: values}
"""
KUSTOMIZE = """\
helmCharts:
  - name: gha-runner-scale-set
    releaseName: builders
    version: 0.14.2
    namespace: ci
    valuesFile: own.yaml
    valuesInline: {maxRunners: 5}
"""
ARGO_OCI = ARGO.replace(
    "chart: gha-runner-scale-set\n      repoURL: ghcr.io/actions/actions-runner-controller-charts",
    "path: .\n      repoURL: oci://ghcr.io/actions/actions-runner-controller-charts/gha-runner-scale-set",
)
UMBRELLA_CHART = """\
name: pool
dependencies: [{name: gha-runner-scale-set, alias: builders, version: 0.14.2}]
"""
UMBRELLA = "builders:\n  githubConfigUrl: https://github.com/o\n  runnerScaleSetName: builders\n"


def scan(tmp_path: Path, tree: Tree) -> Model:
    return scan_checkout(write(tmp_path / "repo", tree), SearchWords())


@pytest.mark.parametrize(
    ("tree", "namespace"),
    [
        ({"a/release.yaml": FLUX, "a/chart.yaml": OCI}, "ci"),
        ({"app.yaml": ARGO, "deploy/shared.yaml": VALUES}, "ci"),
        ({"app.yaml": ARGO_OCI, "deploy/shared.yaml": VALUES}, "ci"),
        ({"k/kustomization.yaml": KUSTOMIZE, "k/own.yaml": VALUES}, "ci"),
        ({"pool/Chart.yaml": UMBRELLA_CHART, "pool/values.yaml": UMBRELLA}, None),
    ],
    ids=["flux", "argo-cd", "argo-cd-oci", "kustomize", "umbrella"],
)
def test_release_is_one_scale_set(tmp_path: Path, tree: Tree, namespace: str | None) -> None:
    (scale_set,) = scan(tmp_path, tree).scale_sets
    assert scale_set.labels == {"builders"}
    assert text(scale_set.chart_version) == "0.14.2"
    assert text(scale_set.namespace) == namespace
    assert scale_set.is_deployed
    assert text(get(scale_set.values, "githubConfigUrl")) == "https://github.com/o"


def test_later_values_win_and_run_time_text_is_unknown(tmp_path: Path) -> None:
    argo = scan(tmp_path, {"app.yaml": ARGO, "deploy/shared.yaml": VALUES}).scale_sets[0]
    flux = scan(tmp_path / "2", {"a/release.yaml": FLUX, "a/chart.yaml": OCI}).scale_sets[0]
    assert text(get(argo.values, "maxRunners")) == "5"
    assert isinstance(get(flux.values, "maxRunners"), Unknown)
    assert isinstance(get(flux.runner, "image"), Unknown)


def test_release_whose_values_come_from_elsewhere_has_no_guesses(tmp_path: Path) -> None:
    release = FLUX.replace("  values:", "  valuesFrom: [{kind: ConfigMap, name: more}]\n  values:")
    (scale_set,) = scan(tmp_path, {"a/release.yaml": release, "a/chart.yaml": OCI}).scale_sets
    assert isinstance(scale_set.label, Unknown)
    assert text(get(scale_set.values, "githubConfigUrl")) == "https://github.com/o"


@pytest.mark.parametrize(
    ("path", "chart"),
    [
        ("charts/x/values.yaml", "charts/x/Chart.yaml"),
        ("charts/x/tests/values-dind.yaml", "charts/x/Chart.yaml"),
        ("charts/x/ci/values.yaml", "charts/x/Chart.yaml"),
    ],
)
def test_defaults_and_tests_of_a_chart_are_no_deployment(tmp_path: Path, path: str, chart: str) -> None:
    assert scan(tmp_path, {path: VALUES, chart: "name: x\n"}).scale_sets == []
    assert len(scan(tmp_path / "without", {path: VALUES}).scale_sets) == 1


def test_values_without_a_name_have_no_label(tmp_path: Path) -> None:
    (scale_set,) = scan(tmp_path, {"runners/big.yaml": VALUES}).scale_sets
    assert isinstance(scale_set.label, Unknown)


@pytest.mark.parametrize(
    ("listed", "flux_path", "is_deployed"),
    [("[./a]", "", True), ("[]", "", False), ("[]", "runners/a", True)],
    ids=["listed", "left-out", "by-path"],
)
def test_release_that_kustomize_leaves_out_is_not_deployed(
    tmp_path: Path, listed: str, flux_path: str, is_deployed: bool
) -> None:
    flux = f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec: {{path: {flux_path or 'x'}}}\n"
    tree = {
        "runners/a/release.yaml": FLUX,
        "runners/a/kustomization.yaml": "resources: [release.yaml, chart.yaml]\n",
        "runners/a/chart.yaml": OCI,
        "runners/kustomization.yaml": f"resources: {listed}\n",
        "ks.yaml": flux,
    }
    (scale_set,) = scan(tmp_path, tree).scale_sets
    assert scale_set.is_deployed is is_deployed


def test_suspended_release_may_not_be_deployed(tmp_path: Path) -> None:
    suspended = FLUX.replace("spec:\n", "spec:\n  suspend: true\n", 1)
    (scale_set,) = scan(tmp_path, {"release.yaml": suspended, "chart.yaml": OCI}).scale_sets
    assert not scale_set.is_deployed


def test_template_of_values_is_the_scale_set_of_its_release(tmp_path: Path) -> None:
    stack = """\
resource "helm_release" "pool" {
  name   = "builders"
  chart  = "gha-runner-scale-set"
  values = [templatefile("${path.module}/pool.yaml", { url = "https://github.com/o", most = data.x.y.z })]
}
"""
    values = "githubConfigUrl: ${url}\nmaxRunners: ${most}\nminRunners: 1\n"
    (scale_set,) = scan(tmp_path, {"s/main.tf": stack, "s/pool.yaml": values}).scale_sets
    assert scale_set.labels == {"builders"}
    assert text(get(scale_set.values, "githubConfigUrl")) == "https://github.com/o"
    assert isinstance(get(scale_set.values, "maxRunners"), Unknown)


def test_label_that_is_substituted_later_is_unknown(tmp_path: Path) -> None:
    named = FLUX.replace("name: builders", "name: 'builders-${CLUSTER}'")
    (scale_set,) = scan(tmp_path, {"a/release.yaml": named, "a/chart.yaml": OCI}).scale_sets
    assert isinstance(scale_set.label, Unknown)
    template = VALUES + "runnerScaleSetName: ${label}\n"
    (scale_set,) = scan(tmp_path / "2", {"values.yaml": template}).scale_sets
    assert isinstance(scale_set.label, Unknown)


BLANK = "builders:\n  githubConfigUrl: ''\n  runnerScaleSetName: ''\n  maxRunners: 9\n"
BY_PATH = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: pool}
spec:
  source: {path: pool, helm: {releaseName: nightly, valueFiles: [../values/small.yaml]}}
"""


def test_chart_that_a_release_names_by_its_path_is_one_scale_set(tmp_path: Path) -> None:
    small = "builders:\n  githubConfigUrl: https://github.com/o\n  minRunners: 1\n"
    tree = {"pool/Chart.yaml": UMBRELLA_CHART, "pool/values.yaml": BLANK, "values/small.yaml": small}
    (scale_set,) = scan(tmp_path, {**tree, "app.yaml": BY_PATH}).scale_sets
    # An empty name is the release's, by the chart's own default.
    assert scale_set.labels == {"nightly"}
    assert text(get(scale_set.values, "githubConfigUrl")) == "https://github.com/o"
    assert text(get(scale_set.values, "maxRunners")) == "9"
    assert text(scale_set.chart_version) == "0.14.2"


def test_blanks_of_values_that_no_release_names_are_unknown(tmp_path: Path) -> None:
    tree = {"pool/Chart.yaml": UMBRELLA_CHART, "pool/values.yaml": BLANK}
    (scale_set,) = scan(tmp_path, tree).scale_sets
    assert isinstance(scale_set.label, Unknown)
    assert isinstance(get(scale_set.values, "githubConfigUrl"), Unknown)


LIBRARY = """\
variable "values" { default = [] }
variable "mode" { default = "" }
resource "helm_release" "pool" {
  name  = "builders"
  chart = "gha-runner-scale-set"
  set = concat(
    [{ name = "githubConfigUrl", value = "https://github.com/o" }],
    var.mode == "" ? [] : [{ name = "containerMode.type", value = var.mode }],
  )
  values = var.values
}
"""


@pytest.mark.parametrize(
    ("also", "is_known"),
    [({}, False), ({"m/asks.tf": 'provider "helm" {}\nvariable "token" {}\n'}, False),
     ({"m/backend.tf": 'provider "helm" {}\n'}, True),
     ({"s/main.tf": 'module "m" { source = "../m" }\n'}, True)],
    ids=["library", "asks", "stack", "called"],
)  # fmt: skip
def test_caller_of_a_library_may_set_what_it_does_not(tmp_path: Path, also: Tree, is_known: bool) -> None:
    """A module of runners by default has no daemon; an example that calls it gives it one."""
    (scale_set,) = scan(tmp_path, {"m/main.tf": LIBRARY, **also}).scale_sets
    assert text(get(scale_set.values, "githubConfigUrl")) == "https://github.com/o"
    assert isinstance(scale_set.container_mode, Unknown) is not is_known
    assert scale_set.labels == {"builders"}


SETS = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: pools}
spec:
  generators:
    - list: {elements: [{name: big, most: 9}, {name: small, most: 2}]}
  template:
    metadata: {name: '{{name}}'}
    spec:
      destination: {namespace: '{{ .name }}'}
      source:
        chart: gha-runner-scale-set
        repoURL: ghcr.io/x
        targetRevision: 0.14.2
        helm: {valueFiles: ['$v/{{name}}.yaml'], valuesObject: {maxRunners: '{{most}}', runnerGroup: '{{group}}'}}
"""


def test_set_of_applications_is_a_scale_set_for_each_element(tmp_path: Path) -> None:
    big, small = scan(tmp_path, {"sets.yaml": SETS, "big.yaml": VALUES}).scale_sets
    assert [text(entry.namespace) for entry in (big, small)] == ["big", "small"]
    assert big.labels == {"big"}
    assert [text(get(entry.values, "maxRunners")) for entry in (big, small)] == ["9", "2"]
    assert text(get(big.values, "githubConfigUrl")) == "https://github.com/o"
    # A file of values that is not in the checkout, and a parameter that no element has.
    assert isinstance(get(small.values, "githubConfigUrl"), Unknown)
    assert isinstance(get(big.values, "runnerGroup"), Unknown)


@pytest.mark.parametrize(
    ("name", "token", "is_known"),
    [
        ("builders.maxRunners", "12", True),
        ("builders.minRunners", "$MOST", True),
        ("builders.list[0]", "x", False),
    ],
)
def test_parameter_sets_its_value_and_no_other(tmp_path: Path, name: str, token: str, is_known: bool) -> None:
    """A parameter with a token made every other value of its scale set unknown."""
    with_parameter = BY_PATH.replace(
        "helm: {", f"helm: {{parameters: [{{name: '{name}', value: '{token}'}}], "
    )
    small = "builders:\n  githubConfigUrl: https://github.com/o\n  minRunners: 1\n"
    tree = {"pool/Chart.yaml": UMBRELLA_CHART, "pool/values.yaml": BLANK, "values/small.yaml": small}
    (scale_set,) = scan(tmp_path, {**tree, "app.yaml": with_parameter}).scale_sets
    assert isinstance(scale_set.container_mode, Unknown) is not is_known
    if is_known:
        written = get(scale_set.values, name.rpartition(".")[2])
        assert isinstance(written, Unknown) if "$" in token else text(written) == token
