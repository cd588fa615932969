"""Each format to the one model, with lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder_contracts.truth.checkout import File
from builder_contracts.truth.checkout_scan import SearchWords, scan_checkout
from builder_contracts.truth.model import Model, environment
from builder_contracts.truth.readers import (
    dockerfile,
    kubernetes,
    markdown,
    repository_names,
    workflows,
    yaml,
)
from builder_contracts.truth.readers.helm_releases import ReleaseReader
from builder_contracts.truth.readers.shell import commands
from builder_contracts.truth.value import Unknown, get, plain, text
from tests.truth.conftest import Judge, broken
from tests.truth.miniature import Add, changed

HELM_VALUES = """\
githubConfigUrl: https://github.com/tinyland-inc
githubConfigSecret: github-app-secret
runnerScaleSetName: tinyland-docker
minRunners: 0
maxRunners: 5
template:
  spec:
    containers:
      - name: runner
        image: ghcr.io/tinyland-inc/runner:2.321.0
        resources:
          requests: {cpu: 100m, memory: 256Mi}
          limits: {cpu: "2", memory: 4Gi}
        env:
          - {name: BAZEL_REMOTE_CACHE, value: "grpc://bazel-cache.nix-cache.svc.cluster.local:9092"}
          - {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}
"""

RENDERED = """\
apiVersion: actions.github.com/v1alpha1
kind: AutoscalingRunnerSet
metadata:
  name: gh-dind
  namespace: arc-runners
  labels: {app.kubernetes.io/version: "0.13.1"}
spec:
  githubConfigUrl: https://github.com/tinyland-inc
  githubConfigSecret: github-app-secret
  runnerScaleSetName: tinyland-dind
  minRunners: 0
  maxRunners: 5
  template:
    spec:
      containers:
        - name: runner
          image: ghcr.io/tinyland-inc/runner:2.321.0
          env: [{name: DOCKER_HOST, value: "unix:///var/run/docker.sock"}]
        - name: dind
          image: docker:27.5.1-dind
          args: [dockerd, "--host=unix:///var/run/docker.sock"]
          securityContext: {privileged: true}
"""


def parsed(body: str, path: str = "x.yaml") -> Model:
    model = Model()
    releases = ReleaseReader()
    for document in yaml.read(body, path):
        releases.read(document, path)
        kubernetes.read_kubernetes(document, model)
    releases.join(model)
    return model


def test_raw_helm_values_are_a_scale_set() -> None:
    (scale_set,) = parsed(HELM_VALUES).scale_sets
    assert text(scale_set.label) == "tinyland-docker"
    limit = get(scale_set.runner, "resources", "limits", "memory")
    assert text(limit) == "4Gi"
    assert limit is not None
    assert str(limit.at) == "x.yaml:13"
    assert (
        text(environment(scale_set.runner)["BAZEL_REMOTE_CACHE"])
        == "grpc://bazel-cache.nix-cache.svc.cluster.local:9092"
    )
    assert text(environment(scale_set.runner)["TOKEN"]) is None


def test_a_rendered_scale_set_is_one_too() -> None:
    (scale_set,) = parsed(RENDERED).scale_sets
    assert text(scale_set.label) == "tinyland-dind"
    assert text(get(scale_set.values, "containerMode", "type")) == "dind"
    assert text(scale_set.chart_version) == "0.13.1"


@pytest.mark.parametrize("body", [HELM_VALUES, RENDERED], ids=["raw", "rendered"])
def test_raw_and_rendered_values_are_judged_like_opentofu(body: str, judged: Judge) -> None:
    judgement = judged(changed(Add("deploy/gh.yaml", body)))
    wrong = {clause for clause in broken(judgement) if clause.startswith("tinyland-")}
    if body is HELM_VALUES:
        assert wrong == set()
    else:
        # The contract of the class says tcp; and nothing sets limits here.
        assert wrong >= {"tinyland-dind/daemon/endpoint", "tinyland-dind/resources/memory-limit"}


def test_several_documents_and_a_list_are_read() -> None:
    body = """\
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Service, metadata: {name: attic, namespace: nix-cache}, spec: {ports: [{port: 80}]}}
---
apiVersion: v1
kind: Namespace
metadata: {name: nix-cache}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: gc}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: gc, image: "attic:1"}]}}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: x}
spec: {scaleTargetRef: {name: gh-nix}, minReplicas: 1, maxReplicas: 3}
"""
    model = parsed(body)
    assert [text(port) for service in model.services for port in service.ports] == ["80"]
    assert [text(namespace.name) for namespace in model.namespaces if namespace.created] == ["nix-cache"]
    assert [text(image.reference) for image in model.images] == ["attic:1"]
    assert [text(autoscaler.target) for autoscaler in model.autoscalers] == ["gh-nix"]


def test_anchor_used_twice_is_valid_yaml() -> None:
    (document,) = yaml.read("a: &x 1\nb: *x\nc: &x {y: 2}\nd: *x\n", "x.yaml")
    assert plain(document) == {"a": 1, "b": 1, "c": {"y": 2}, "d": {"y": 2}}
    with pytest.raises(yaml.NotYaml, match="undefined or incomplete anchor"):
        yaml.read("a: &x 1\nb: &x 2\nc: *z\n", "x.yaml")


ALERTS = """\
apiVersion: v1
kind: List
items:
  - apiVersion: monitoring.coreos.com/v1
    kind: PrometheusRule
    metadata: {name: runners}
    spec: {groups: [{rules: [{annotations: {summary: "{{ $value }} jobs wait on {{ $labels.label }}"}}]}]}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: exporter, namespace: monitoring}
    spec:
      template:
        spec:
          containers:
            - {name: exporter, image: "exporter:1", args: ["--format={{ .Name }}"]}
            - {name: filled, image: "{{ inputs.image }}"}
"""


def test_placeholders_in_strings_leave_a_manifest_readable(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(ALERTS)
    model = scan_checkout(tmp_path, SearchWords((), ()))
    assert model.unread == []
    assert [text(namespace.name) for namespace in model.namespaces] == ["monitoring"]
    exporter, filled = model.images
    assert text(exporter.reference) == "exporter:1"
    assert isinstance(filled.reference, Unknown), "what a program fills in is no image's name"


def workflow(body: str) -> Model:
    model = Model()
    for document in yaml.read(body, ".github/workflows/x.yml"):
        workflows.read_workflow(document, model)
    return model


@pytest.mark.parametrize(
    ("runs_on", "labels"),
    [
        ("tinyland-nix", ["tinyland-nix"]),
        ("[self-hosted, tinyland-nix]", ["self-hosted", "tinyland-nix"]),
        ("{group: g, labels: tinyland-nix}", ["tinyland-nix"]),
        ("{group: g, labels: [a, b]}", ["a", "b"]),
        ("${{ matrix.runner }}", ["tinyland-nix", "tinyland-dind", "ubuntu-latest"]),
        ("${{ inputs.runner }}", None),
    ],
)
def test_runs_on_is_read_in_all_its_forms(runs_on: str, labels: list[str] | None) -> None:
    body = f"""\
jobs:
  a:
    strategy: {{matrix: {{runner: [tinyland-nix, tinyland-dind], include: [{{runner: ubuntu-latest}}]}}}}
    runs-on: {runs_on}
"""
    (job,) = workflow(body).jobs
    assert [text(label) for label in job.labels] == (labels or [])
    assert job.computed == (labels is None)


def test_job_that_calls_a_workflow_has_it_as_its_step() -> None:
    (job,) = workflow("jobs:\n  a:\n    uses: ./.github/workflows/other.yml\n").jobs
    assert text(job.steps[0].uses) == "./.github/workflows/other.yml"


def test_gitlab_jobs_inherit_images_and_skip_templates() -> None:
    model = Model()
    body = """\
image: alpine:3.21
default: {tags: [kubernetes]}
.template: {script: [x]}
build:
  script:
    - a
    - [b, c]
  artifacts: {paths: [out]}
deploy: {extends: .template, image: {name: "tofu:1"}}
odd: !reference [.template, script]
"""
    for document in yaml.read(body, ".gitlab-ci.yml"):
        workflows.read_pipeline(document, model)
    assert [(job.name, [text(step.run) for step in job.steps]) for job in model.jobs] == [
        ("build", ["a", "b", "c"]),
        ("deploy", ["x"]),
    ]
    assert [text(image.reference) for image in model.images] == ["alpine:3.21", "tofu:1"]


EXTENDED = """\
default: {image: "base:1", tags: [kubernetes], before_script: [prepare]}
.common: &common
  image: {name: "tools:1", entrypoint: [""]}
  artifacts: {paths: [out], expire_in: 1 day}
.build: {extends: .common, script: [build], before_script: []}
a: {extends: .build, image: {name: "tools:2"}}
b: {extends: [.build, .elsewhere]}
c: {extends: [.build, .late], tags: [large]}
.late: {script: [late]}
d: {script: [d]}
e: {extends: e, script: [e]}
f: {extends: {a: b}, script: [f]}
"""


def test_gitlab_jobs_are_resolved_through_extends_and_default() -> None:
    model = Model()
    for document in yaml.read(EXTENDED, ".gitlab-ci.yml"):
        workflows.read_pipeline(document, model)
    jobs = {
        job.name: (
            text(job.container),
            [text(step.run) for step in job.steps],
            [text(label) for label in job.labels],
            [text(path) for path in job.artifacts],
        )
        for job in model.jobs
    }
    assert jobs == {
        "a": ("tools:2", ["build"], ["kubernetes"], ["out"]),
        # The other template may set an image or tags of its own, so no default counts.
        "b": ("tools:1", ["build"], [], ["out"]),
        "c": ("tools:1", ["late"], ["large"], ["out"]),
        "d": ("base:1", ["prepare", "d"], ["kubernetes"], []),
        "e": (None, ["e"], [], []),
        "f": ("base:1", ["prepare", "f"], ["kubernetes"], []),
    }
    (artifact,) = {job.artifacts[0].at for job in model.jobs if job.artifacts}
    assert artifact.line == 4, "what jobs inherit keeps the line that it is written on"


def test_gitlab_pipeline_shares_names_with_its_includes(tmp_path: Path) -> None:
    for path, body in {
        ".gitlab-ci.yml": "include: [ci/*.gitlab-ci.yml, {local: /ci/own/last.gitlab-ci.yml}, {project: x, file: y}]\ndefault: {image: 'base:1'}\n",
        "ci/templates.gitlab-ci.yml": "spec: {inputs: {a: {}}}\n---\n.build: {script: [template], image: 'first:1'}\n",
        "ci/jobs.gitlab-ci.yml": "a: {extends: .build}\nb: {script: [b]}\n",
        "ci/own/last.gitlab-ci.yml": "include: ci/jobs.gitlab-ci.yml\nc: {extends: .build, image: 'own:1'}\n",
        "other/.gitlab-ci.yml": "include: /jobs.gitlab-ci.yml\n",
        "other/jobs.gitlab-ci.yml": "d: {extends: .build}\n",
        "alone.gitlab-ci.yml": "e: {script: [e]}\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(body)
    jobs = {
        job.name: (text(job.container), job.at.file) for job in scan_checkout(tmp_path, SearchWords()).jobs
    }
    assert jobs == {
        "a": ("first:1", "ci/jobs.gitlab-ci.yml"),
        "b": ("base:1", "ci/jobs.gitlab-ci.yml"),
        "c": ("own:1", "ci/own/last.gitlab-ci.yml"),
        "d": (None, "other/jobs.gitlab-ci.yml"),
        "e": (None, "alone.gitlab-ci.yml"),
    }


def test_dockerfiles_know_their_own_stages_and_arguments() -> None:
    model = Model()
    body = "ARG V=3.21\nFROM --platform=linux/amd64 alpine:${V} AS a\nFROM a\nFROM scratch\nFROM x:${MISSING}\nfrom y:${T:-1}\n"
    dockerfile.read_dockerfile(body, "Dockerfile", model)
    assert [text(image.reference) for image in model.images] == ["alpine:3.21", None, "y:1"]


def test_markdown_headings_sentences_and_cells_have_lines() -> None:
    page = markdown.read_markdown(
        "---\ntitle: x\n---\n\n# Top\n\nOne is here. Two\nis *there*.\n\n```\nnot a sentence.\n```\n\n| `A` | B |\n|---|---|\n| 1 | `2` |\n",
        "d.md",
    )
    assert [(heading.text, heading.at.line) for heading in page.headings] == [("Top", 5)]
    assert [(sentence.text, sentence.at.line) for sentence in page.sentences] == [
        ("One is here.", 7),
        ("Two is there.", 7),
    ]
    assert page.tables[0].headers == ("A", "B")
    assert [(cell.text, cell.at.line) for cell in page.tables[0].rows[0]] == [("1", 16), ("2", 16)]


@pytest.mark.parametrize(
    ("path", "body", "surfaces"),
    [
        ("MODULE.bazel", '"""Doc."""\nmodule(name = "x", version = "1")\n', [("MODULE.bazel description", "Doc."), ("Bazel module", "x")]),
        ("flake.nix", '{ description = "D"; outputs = _: { s = p.mkShell { name = "n"; }; x = { description = "no"; }; }; }',
         [("flake description", "D"), ("flake shell name", "n")]),
        ("package.json", '{"name": "p", "description": "d"}', [("package name", "p"), ("package description", "d")]),
        ("pyproject.toml", '[project]\nname = "p"\n', [("package name", "p")]),
        ("README.md", "text\n\n# Title\n\n# Second\n", [("README.md title", "Title")]),
        ("Justfile", "# Name - tasks\n# ===\ndefault:\n", [("Justfile header", "Name - tasks")]),
    ],
)  # fmt: skip
def test_names_are_found_where_formats_have_them(
    path: str, body: str, surfaces: list[tuple[str, str]]
) -> None:
    surfaces_read = repository_names.SURFACES[path](File(path, body.encode()))
    assert [(surface.kind, surface.text) for surface in surfaces_read] == surfaces


def called(script: str) -> list[tuple[str, ...]]:
    return [command.words for command in commands(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("docker build .", [("docker", "build", ".")]),
        ("sudo -E docker build .", [("docker", "build", ".")]),
        ("a && b || c", [("a",), ("b",), ("c",)]),
        ("# docker build\necho 'docker build'", [("echo", "docker build")]),
        (
            "if ! command -v xz; then apt-get install xz-utils; fi",
            [("command", "-v", "xz"), ("apt-get", "install", "xz-utils")],
        ),
        ("x=$(nix eval .#y)", [("nix", "eval", ".#y")]),
        ("/usr/bin/nix build", [("nix", "build")]),
        ("docker build ${{ inputs.args }}", [("docker", "build", "EXPRESSION")]),
    ],
)
def test_the_commands_of_a_script_are_those_that_it_calls(
    script: str, expected: list[tuple[str, ...]]
) -> None:
    assert called(script) == expected


@pytest.mark.parametrize(
    ("script", "fails_before"),
    [
        ("if ! a; then X; fi", True),
        ("if ! a; then b; else X; fi", False),
        ("if a; then X; fi", False),
        ("if a; then b; else X; fi", True),
        ("if a; then b; elif c; then X; fi", True),
        ("if ! a; then b; elif c; then X; fi", False),
        ("if ! a; then b; elif ! c; then X; fi", True),
        ("if [ -f a ]; then b; else X; fi", False),
        ("if ! [ -f a ]; then X; fi", False),
        ("if ! a; then for i in 1 2; do X; done; fi", True),
        ("if ! a; then bash -c X; fi", True),
    ],
)
def test_branch_after_a_failure_is_told_from_its_other(script: str, fails_before: bool) -> None:
    (command,) = [command for command in commands(script) if command.words == ("X",)]
    assert command.after_failure is fails_before


@given(st.text(max_size=120))
def test_no_script_makes_the_reader_fail(script: str) -> None:
    called(script)


@given(st.text(max_size=200))
def test_no_text_makes_a_reader_raise_other_errors(body: str) -> None:
    lines = [1]
    try:
        documents = yaml.read(body, "x.yaml")
    except yaml.NotYaml as error:
        documents = []
        lines.append(error.line)
    for document in documents:
        model = Model()
        kubernetes.read_kubernetes(document, model)
        workflows.read_workflow(document, model)
        workflows.read_pipeline(document, model)
        workflows.read_action(document, "a/action.yml", model)
    markdown.read_markdown(body, "x.md")
    dockerfile.read_dockerfile(body, "Dockerfile", Model())
    for path, reader in repository_names.SURFACES.items():
        try:
            list(reader(File(path, body.encode("utf-8", "replace"))))
        except repository_names.NotReadable as error:
            lines.append(len(str(error)))
    assert min(lines) >= 1
