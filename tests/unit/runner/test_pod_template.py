"""Pods of a run, made from manifests, scale sets and values of the chart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builder_contracts.contract.document import parse
from builder_contracts.errors import InputError
from builder_contracts.runner.docker.job_start import IDLE
from builder_contracts.runner.kubernetes import pod_template
from builder_contracts.runner.kubernetes.pod_template import PodTemplate

MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "theirs", "namespace": "arc", "labels": {"team": "x"}, "uid": "1"},
    "spec": {
        "serviceAccountName": "jobs",
        "tolerations": [{"key": "ci", "operator": "Exists"}],
        "containers": [
            {"name": "sidecar", "image": "log:1", "args": ["--tail"]},
            {
                "name": "runner",
                "image": "tinyland-nix:1",
                "command": ["/home/runner/run.sh"],
                "args": ["--once"],
                "resources": {"limits": {"cpu": "4"}},
            },
        ],
    },
    "status": {"phase": "Running"},
}


def template(data: Any) -> PodTemplate:
    return pod_template.from_manifest(parse(json.dumps(data).encode(), "pod.json"), ["--pod", "pod.json"])


def made(data: Any, **options: Any) -> dict[str, Any]:
    given = {"name": "run-1", "labels": {"run": "1"}, "annotations": {"owner": "me"}, "seconds": 60}
    return pod_template.pod(template(data), **{**given, **options})


def test_pod_of_a_run_changes_only_what_it_must() -> None:
    pod = made(MANIFEST)

    runner = {**MANIFEST["spec"]["containers"][1], "command": list(IDLE), "stdin": True}
    del runner["args"]
    assert pod == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "run-1",
            "labels": {"team": "x", "run": "1"},
            "annotations": {"owner": "me"},
        },
        "spec": {
            **MANIFEST["spec"],
            "activeDeadlineSeconds": 60,
            "terminationGracePeriodSeconds": 1,
            "containers": [MANIFEST["spec"]["containers"][0], runner],
        },
    }
    assert template(MANIFEST).namespace == "arc"


def test_template_makes_more_than_one_pod() -> None:
    reused = template(MANIFEST)
    names = {"labels": {}, "annotations": {}, "seconds": 60}

    pods = [pod_template.pod(reused, name=name, **names) for name in ("a", "b")]  # type: ignore[arg-type]

    assert [pod["metadata"]["name"] for pod in pods] == ["a", "b"]
    assert reused.spec == MANIFEST["spec"]


def test_image_of_the_command_line_replaces_the_runners_alone() -> None:
    images = [item["image"] for item in made(MANIFEST, image="next:2")["spec"]["containers"]]

    assert images == ["log:1", "next:2"]


def test_only_container_is_the_runner_whatever_its_name() -> None:
    data = {"kind": "Pod", "spec": {"containers": [{"name": "build", "image": "x"}]}}

    assert template(data).container == "build"


def test_rendered_scale_set_gives_its_template_and_labels() -> None:
    data = {
        "kind": "AutoscalingRunnerSet",
        "metadata": {"name": "nix-set"},
        "spec": {
            "runnerScaleSetName": "tinyland-nix",
            "runnerScaleSetLabels": ["nix"],
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": MANIFEST["spec"]},
        },
    }

    assert template(data).labels == ("tinyland-nix", "nix")
    assert template(data).spec == MANIFEST["spec"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("kind: Deployment\n", 1, "kind is Deployment, expected Pod or AutoscalingRunnerSet"),
        ("- 1\n", 1, "kind is not set"),
        ("kind: Pod\nspec: {}\n", 2, "no spec.containers"),
        ("kind: Pod\nspec:\n  containers: runner\n", 3, "containers is not a list of mappings"),
        ("kind: Pod\nspec:\n  containers:\n  - image: x\n", 4, "no name"),
        ("kind: Pod\nspec:\n  containers:\n  - {name: a}\n  - {name: b}\n", 3, "no container is called runner"),
        ("kind: Pod\nspec:\n  containers:\n  - name: a\n    env: {A: b}\n", 5, "env is not a list of mappings"),
        ("kind: AutoscalingRunnerSet\nspec: {template: 1}\n", 2, "no spec.containers"),
    ],
)  # fmt: skip
def test_manifest_that_cannot_be_used_is_refused(text: str, line: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        pod_template.from_manifest(parse(text.encode(), "pod.yaml"), [])

    assert message in str(caught.value)
    assert caught.value.problems[0].source.line == line


def test_octal_modes_are_read_as_kubernetes_reads_them() -> None:
    text = (
        "kind: Pod\nspec:\n  containers: [{name: a}]\n  volumes: [{name: s, secret: {defaultMode: 0400}}]\n"
    )

    parsed = pod_template.from_manifest(parse(text.encode(), "pod.yaml"), [])

    assert parsed.spec["volumes"][0]["secret"]["defaultMode"] == 0o400


def from_values(text: str) -> PodTemplate:
    return pod_template.from_values(parse(text.encode(), "values.yaml"), [], release="tinyland_dind")


def test_values_without_a_mode_get_an_account_for_nothing() -> None:
    spec = from_values("githubConfigUrl: https://github.com/o/r\n").spec

    assert spec["serviceAccountName"] == "tinyland-dind-gha-rs-no-permission"
    assert spec["restartPolicy"] == "Never"
    assert spec["containers"][0]["image"] == "ghcr.io/actions/actions-runner:latest"
    assert "initContainers" not in spec


DIND = """
runnerScaleSetName: dind
containerMode: {type: dind}
template:
  spec:
    containers:
    - name: runner
      image: mine:1
      env: [{name: DOCKER_HOST, value: tcp://localhost:2375}]
      volumeMounts: [{name: work, mountPath: /work}]
    - {name: dind, image: other}
    initContainers: [{name: own}]
    volumes: [{name: work, hostPath: {path: /scratch}}]
"""


def test_dind_mode_adds_the_daemon_and_keeps_own_settings() -> None:
    spec = from_values(DIND).spec

    assert [item["name"] for item in spec["initContainers"]] == ["init-dind-externals", "dind", "own"]
    assert [item["name"] for item in spec["containers"]] == ["runner"]
    runner = spec["containers"][0]
    assert runner["env"] == [
        {"name": "DOCKER_HOST", "value": "tcp://localhost:2375"},
        {"name": "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "value": "120"},
    ]
    assert [mount["mountPath"] for mount in runner["volumeMounts"]] == ["/work", "/var/run"]
    assert {"name": "work", "hostPath": {"path": "/scratch"}} in spec["volumes"]
    assert len(spec["volumes"]) == 3


@pytest.mark.parametrize(
    ("mode", "hooks", "volumes"),
    [("kubernetes", "/home/runner/k8s/index.js", 1), ("kubernetes-novolume", "/home/runner/k8s-novolume/index.js", 0)],
)  # fmt: skip
def test_kubernetes_modes_add_the_container_hooks(mode: str, hooks: str, volumes: int) -> None:
    spec = from_values(f"containerMode: {{type: {mode}, kubernetesModeWorkVolumeClaim: {{}}}}\n").spec

    env = {item["name"]: item.get("value") for item in spec["containers"][0]["env"]}
    assert env["ACTIONS_RUNNER_CONTAINER_HOOKS"] == hooks
    assert spec["serviceAccountName"].endswith("-gha-rs-kube-mode")
    assert len(spec["volumes"]) == volumes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "values are not a mapping"),
        ("containerMode: {type: podman}\n", "container mode 'podman'"),
        ("githubServerTLS: {runnerMountPath: /certs}\n", "only the chart itself renders githubServerTLS"),
        ("template: {spec: {containers: [1]}}\n", "containers is not a list of mappings"),
    ],
)
def test_values_that_cannot_be_used_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_values(text)
