"""The additions of the chart gha-runner-scale-set to a pod template, as data. Pure.

Source: actions/actions-runner-controller at 2ee6b3b8, chart version 0.14.2,
charts/gha-runner-scale-set/templates/_helpers.tpl and autoscalingrunnerset.yaml, for Kubernetes 1.29 or later.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

MODES = ("", "dind", "kubernetes", "kubernetes-novolume")
"""The container modes of the chart; the first is that of values which name none."""

DEFAULT_SPEC = {
    "containers": [
        {
            "name": "runner",
            "image": "ghcr.io/actions/actions-runner:latest",
            "command": ["/home/runner/run.sh"],
        }
    ]
}
"""``template.spec`` in the chart's own values.yaml."""

_WORK = {"name": "work", "mountPath": "/home/runner/_work"}
_HOOKS: list[dict[str, Any]] = [
    {
        "name": "ACTIONS_RUNNER_POD_NAME",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
    },
    {"name": "ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER", "value": "true"},
]
_ENV: Mapping[str, list[dict[str, Any]]] = {
    "dind": [
        {"name": "DOCKER_HOST", "value": "unix:///var/run/docker.sock"},
        {"name": "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "value": "120"},
    ],
    "kubernetes": [
        {"name": "ACTIONS_RUNNER_CONTAINER_HOOKS", "value": "/home/runner/k8s/index.js"},
        *_HOOKS,
    ],
    "kubernetes-novolume": [
        {"name": "ACTIONS_RUNNER_CONTAINER_HOOKS", "value": "/home/runner/k8s-novolume/index.js"},
        *_HOOKS,
    ],
}
_MOUNTS: Mapping[str, list[dict[str, Any]]] = {
    "dind": [_WORK, {"name": "dind-sock", "mountPath": "/var/run"}],
    "kubernetes": [_WORK],
}
_DAEMON = {
    "name": "dind",
    "image": "docker:dind",
    "args": ["dockerd", "--host=unix:///var/run/docker.sock", "--group=$(DOCKER_GROUP_GID)"],
    "env": [{"name": "DOCKER_GROUP_GID", "value": "123"}],
    "securityContext": {"privileged": True},
    "restartPolicy": "Always",
    "startupProbe": {
        "exec": {"command": ["docker", "info"]},
        "initialDelaySeconds": 0,
        "failureThreshold": 24,
        "periodSeconds": 5,
    },
    "volumeMounts": [
        _WORK,
        {"name": "dind-sock", "mountPath": "/var/run"},
        {"name": "dind-externals", "mountPath": "/home/runner/externals"},
    ],
}


def complete(spec: Mapping[str, Any], *, mode: str, release: str, work_claim: Any = None) -> dict[str, Any]:
    """The pod's spec as the chart renders it from ``template.spec`` of the values.

    A variable, mount or volume of the same name in the values takes precedence.
    """
    rendered: dict[str, Any] = copy.deepcopy(dict(spec))
    rendered["restartPolicy"] = rendered.get("restartPolicy") or "Never"
    suffix = "kube-mode" if mode.startswith("kubernetes") else "no-permission"
    # The chart cuts the name before the suffix, and names of service accounts have no underscore.
    account = f"{f'{release}-gha-rs'[:63].removesuffix('-').replace('_', '-')}-{suffix}"
    rendered["serviceAccountName"] = rendered.get("serviceAccountName") or account
    runner = next((item for item in rendered["containers"] if item["name"] == "runner"), None)
    if runner is None or not mode:
        return rendered
    env = [*_ENV[mode]]
    if mode == "kubernetes-novolume":
        env.append({"name": "ACTIONS_RUNNER_IMAGE", "value": str(runner.get("image", ""))})
    runner["env"] = _with_defaults(runner.get("env"), env)
    runner["volumeMounts"] = _with_defaults(runner.get("volumeMounts"), _MOUNTS.get(mode, []))
    others = [item for item in rendered["containers"] if item is not runner]
    if mode == "dind":
        others = [item for item in others if item["name"] != "dind"]
        externals = {
            "name": "init-dind-externals",
            "image": runner.get("image", ""),
            "command": ["cp"],
            "args": ["-r", "/home/runner/externals/.", "/home/runner/tmpDir/"],
            "volumeMounts": [{"name": "dind-externals", "mountPath": "/home/runner/tmpDir"}],
        }
        rendered["initContainers"] = [
            externals,
            copy.deepcopy(_DAEMON),
            *(rendered.get("initContainers") or []),
        ]
    rendered["containers"] = [runner, *others]
    rendered["volumes"] = _with_defaults(rendered.get("volumes"), _volumes(mode, work_claim))
    return rendered


def _volumes(mode: str, work_claim: Any) -> list[dict[str, Any]]:
    if mode == "dind":
        return [
            {"name": "dind-sock", "emptyDir": {}},
            {"name": "dind-externals", "emptyDir": {}},
            {"name": "work", "emptyDir": {}},
        ]
    if mode == "kubernetes":
        return [{"name": "work", "ephemeral": {"volumeClaimTemplate": {"spec": work_claim}}}]
    return []


def _with_defaults(given: Any, defaults: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of the values, and those of the chart whose names they do not have."""
    entries: list[dict[str, Any]] = list(given or [])
    names = {entry.get("name") for entry in entries}
    return entries + [copy.deepcopy(entry) for entry in defaults if entry["name"] not in names]
