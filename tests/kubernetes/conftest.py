"""A real node, and an account in it that has the Role of the documentation and nothing else."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# The node has no controller that could empty a namespace, so each session has its own.
NAMESPACE = f"arc-runners-{secrets.token_hex(4)}"
# The chart names the account of a scale set's pods.
ACCOUNTS = (
    "jobs",
    "tester",
    *(f"tinyland-{name}-gha-rs-no-permission" for name in ("nix", "docker", "dind")),
)
IMAGES = ("tinyland-nix:latest", "tinyland-docker:latest", "tinyland-dind:latest")


def admin(*arguments: str, manifest: object = None) -> str:
    """What kubectl prints for the administrator of the node."""
    given = None if manifest is None else json.dumps(manifest)
    line = ["kubectl", "--kubeconfig", os.environ["ADMIN_KUBECONFIG"], f"--namespace={NAMESPACE}", *arguments]
    return subprocess.run(line, input=given, check=True, capture_output=True, text=True, timeout=120).stdout


def role() -> dict[str, Any]:
    """The Role of docs/how-to/check-in-kubernetes.md."""
    page = (ROOT / "docs" / "how-to" / "check-in-kubernetes.md").read_text("utf-8")
    manifest = yaml.safe_load(
        page.partition("## Permissions")[2].partition("```yaml\n")[2].partition("```")[0]
    )
    assert isinstance(manifest, dict)
    return {**manifest, "metadata": {"name": manifest["metadata"]["name"]}}


def pods_of_runs() -> list[str]:
    """The pods that are not on their way out."""
    items = json.loads(admin("get", "pods", "--output=json"))["items"]
    return [item["metadata"]["name"] for item in items if "deletionTimestamp" not in item["metadata"]]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The node with a namespace of runners; its value is the environment of an account with the documented Role."""
    running = subprocess.run(
        ["docker", "ps", "--quiet", "--filter", "name=^builder-contracts-kubernetes$"],  # noqa: S607 # PATH's
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.strip()
    script = ROOT / "script" / "kubernetes"
    started = subprocess.run(
        [script, "up", *IMAGES], check=False, capture_output=True, text=True, timeout=3600
    )
    if started.returncode:
        pytest.skip(f"no Kubernetes node: {started.stderr[-500:]}")
    os.environ["ADMIN_KUBECONFIG"] = started.stdout.strip()
    try:
        yield {"KUBECONFIG": str(_populate(tmp_path_factory.mktemp("kubeconfig") / "tester"))}
    finally:
        if running:
            admin("delete", "pods", "--all", "--grace-period=0", "--force", "--ignore-not-found")
        else:
            subprocess.run([script, "down"], check=True, timeout=120)


def _populate(kubeconfig: Path) -> Path:
    """The namespace and what the controllers of a whole cluster make in it; a kubeconfig of the tester."""
    manifests: list[dict[str, Any]] = [
        {"kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *({"kind": "ServiceAccount", "metadata": {"name": name}} for name in ACCOUNTS),
        # Every namespace of a whole cluster has it.
        {"kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}},
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "ci-jobs"},
            "value": 10,
        },
        role(),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "tester"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "builder-contracts"},
            "subjects": [{"kind": "ServiceAccount", "name": "tester", "namespace": NAMESPACE}],
        },
    ]
    for manifest in manifests:
        admin("apply", "--filename=-", manifest={"apiVersion": "v1", **manifest})
    config = yaml.safe_load(Path(os.environ["ADMIN_KUBECONFIG"]).read_text("utf-8"))
    config["users"][0]["user"] = {"token": admin("create", "token", "tester").strip()}
    kubeconfig.write_text(yaml.safe_dump(config), "utf-8")
    return kubeconfig
