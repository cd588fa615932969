"""Storage classes and custom resources that a deployment uses: made by it, declared, or unknown."""

from __future__ import annotations

import pytest

from tests.truth.conftest import Judge
from tests.truth.miniature import CLEAN

MONITOR = (
    "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: m, namespace: nix-cache}\n"
)
STACK = 'terraform {\n  backend "http" {}\n}\n'
RELEASE = 'resource "helm_release" "p" {\n  name = "p"\n  chart = "prometheus-operator-crds"\n  SWITCH\n}\n'
CLASS = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\n"
CLAIM = (
    "apiVersion: v1\nkind: PersistentVolumeClaim\n"
    "metadata: {name: c, namespace: nix-cache}\nspec: {storageClassName: NAME}\n"
)


def outcome(judged: Judge, tree: dict[str, str]) -> str:
    report = judged({**CLEAN, **tree})
    return next(
        str(verdict.outcome.value)
        for verdict in report.verdicts
        if verdict.clause.endswith("/cluster-extensions")
    )


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"k8s/m.yaml": MONITOR}, "broken"),
        ({"docs/m.yaml": MONITOR}, "unproven"),
        ({"k8s/m.yaml": MONITOR.replace("monitoring.coreos.com", "example.dev")}, "unproven"),
        ({"k8s/m.yaml": MONITOR.replace("monitoring.coreos.com", "policy")}, "kept"),
        (
            {
                "k8s/m.yaml": f"{MONITOR}---\nkind: CustomResourceDefinition\nspec: {{group: monitoring.coreos.com}}\n"
            },
            "kept",
        ),
        ({"k8s/m.yaml": MONITOR, "tofu/p/main.tf": STACK + RELEASE.replace("SWITCH", "")}, "kept"),
        ({"k8s/m.yaml": MONITOR, "tofu/p/main.tf": STACK + RELEASE.replace("SWITCH", "count = 0")}, "broken"),
        (
            {"k8s/m.yaml": MONITOR, "tofu/p/main.tf": STACK + RELEASE.replace("SWITCH", "count = var.n")},
            "unproven",
        ),
        ({"k8s/c.yaml": CLAIM.replace("NAME", "local-path")}, "kept"),
        ({"k8s/c.yaml": CLAIM.replace("NAME", "''")}, "kept"),
        ({"k8s/c.yaml": CLAIM.replace("NAME", "fast")}, "broken"),
        ({"k8s/c.yaml": CLAIM.replace("NAME", "fast"), "k8s/s.yaml": CLASS}, "kept"),
    ],
)
def test_use_needs_a_creator_or_a_declaration(judged: Judge, tree: dict[str, str], expected: str) -> None:
    assert outcome(judged, tree) == expected


def test_operator_of_another_environment_does_not_count(judged: Judge) -> None:
    """Commit d803ab5: one environment has the operator switched off, and another has it."""
    stack = (
        STACK
        + 'variable "on" {\n  type = bool\n}\n'
        + RELEASE.replace("SWITCH", "count = var.on ? 1 : 0")
        + f'resource "kubectl_manifest" "m" {{\n  yaml_body = <<-Y\n{MONITOR}  Y\n}}\n'
    )
    environments = {"tofu/p/a.tfvars": "on = false\n", "tofu/p/b.tfvars": "on = true\n"}
    assert outcome(judged, {"tofu/p/main.tf": stack, **environments}) == "broken"
    assert outcome(judged, {"tofu/p/main.tf": stack, "tofu/p/b.tfvars": "on = true\n"}) == "kept"
